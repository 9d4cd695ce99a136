"""The configurations of ProGAN's networks, and what they have in common with all others'. None loads torch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

BlurFilter = Sequence[Any] | None  # numbers, or rows of numbers; see layers.Blur
LabelKind = Literal["none", "classes", "vector"]


def stages(resolution: int) -> list[int]:
    """The resolutions 4, 8, ..., `resolution`. ValueError unless it is a power of two from 4 on."""
    if resolution < 4 or resolution & (resolution - 1):
        raise ValueError(f"resolution {resolution} is not a power of two from 4 on")
    return [1 << exponent for exponent in range(2, resolution.bit_length())]


def feature_maps(resolution: int, fmap_base: int, fmap_decay: float, fmap_max: int) -> int:
    """How many feature maps a block at this resolution has (Karras 2018, table 2). ValueError for none."""
    stage = int(math.log2(resolution)) - 1
    maps = min(int(fmap_base / 2.0 ** (stage * fmap_decay)), fmap_max)
    if maps < 1:
        raise ValueError(f"fmap_base {fmap_base} and fmap_max {fmap_max} leave no feature map at {resolution} px")
    return maps


def check_choice(name: str, value: object, choices: tuple[object, ...]) -> None:
    """ValueError that names the argument unless `value` is one of `choices`."""
    if value not in choices:
        raise ValueError(f"{name} {value!r} is not one of {', '.join(map(str, choices))}")


class NetworkConfig:
    """The fields that the configurations of all networks have; each is a frozen dataclass, as config.json stores it.

    A block at resolution r has min(fmap_base / (r/2)**fmap_decay, fmap_max) feature maps. Labels are "none", "classes"
    (one-hot) or a "vector" of numbers in the data's units, of whose components the networks subtract `label_mean` and
    which they divide by `label_deviation`, [label_dim] each (None: 0 and 1). `blur_filter` is a low-pass filter after
    upscaling, or before downscaling (Karras 2019, appendix C); None for none, as in ProGAN. `sums_mean` and
    `sums_deviation` are what label_mean and label_deviation are, of the numbers that channel_sums is about, [sums]
    each. `hit` is the least amplitude, the root of an energy, of a hit in a pixel of the full resolution; None where
    hits are not looked at.
    """

    resolution: int
    label_dim: int
    image_channels: int
    fmap_base: int
    fmap_max: int
    fmap_decay: float
    equalized_lr: bool
    nonlinearity: str
    label_kind: LabelKind | None
    label_mean: Sequence[float] | None
    label_deviation: Sequence[float] | None
    blur_filter: BlurFilter
    channel_sums: bool = False
    sums_mean: Sequence[float] | None = None
    sums_deviation: Sequence[float] | None = None
    hit: float | None = None

    def __post_init__(self) -> None:
        check_choice("nonlinearity", self.nonlinearity, ("lrelu", "relu"))
        check_choice("label_kind", self.label_kind, (None, "none", "classes", "vector"))
        known = self.label_kind if self.label_kind == "vector" else "classes"
        object.__setattr__(self, "label_kind", known if self.label_dim else "none")
        object.__setattr__(self, "blur_filter", None if self.blur_filter is None else list(self.blur_filter))
        if self.channel_sums and self.label_kind != "vector":
            raise ValueError("channel_sums needs label vectors, whose first number is an energy")
        if self.hit is not None and not (self.channel_sums and 0 < self.hit < 1):
            raise ValueError(f"hit {self.hit} is no amplitude between 0 and 1, of a network with channel_sums")
        of_vector = self.label_dim if self.label_kind == "vector" else 0
        of_sums = self.sums if self.channel_sums else 0
        for about, count in (("label", of_vector), ("sums", of_sums)):
            for name in (f"{about}_mean", f"{about}_deviation"):
                if getattr(self, name) is not None:
                    object.__setattr__(self, name, self._of_components(name, count))

    def _of_components(self, name: str, count: int) -> list[float]:
        """A field of `count` numbers, as config.json stores it. ValueError for one that does not fit."""
        numbers = list(map(float, getattr(self, name)))
        least = 0.0 if name.endswith("deviation") else -math.inf
        if len(numbers) != count:
            raise ValueError(f"{name} has {len(numbers)} numbers where {count} are wanted")
        if not all(math.isfinite(number) and number > least for number in numbers):
            raise ValueError(f"{name} {numbers} has a number that cannot be used")
        return numbers

    @property
    def sums(self) -> int:
        """How many numbers channel_sums is about; see progan.energies."""
        return 1 + (7 if self.hit is None else 8) * self.image_channels

    @property
    def seen_channels(self) -> int:
        """How many maps a discriminator looks at: an image's channels and, where configured, their hits."""
        return (1 if self.hit is None else 2) * self.image_channels

    def feature_maps(self, resolution: int) -> int:
        """How many feature maps a block at this resolution has. ValueError for none."""
        return feature_maps(resolution, self.fmap_base, self.fmap_decay, self.fmap_max)

    def check_widening(self, fmap_base: int, fmap_max: int) -> None:
        """ValueError unless so many feature maps are a whole number of times the network's own, at every resolution."""
        for r in (2, *stages(self.resolution)):  # at 2 px those of a discriminator's dense layer
            own, wider = self.feature_maps(r), feature_maps(r, fmap_base, self.fmap_decay, fmap_max)
            if wider % own:
                raise ValueError(f"{own} feature maps at {r} px cannot become {wider}, which is no multiple")


@dataclass(frozen=True)
class BaseGeneratorConfig(NetworkConfig):
    """The arguments that the generators have in common."""

    resolution: int = 1024  # the full resolution, a power of two from 4 on
    z_dim: int = 512  # length of the latent vector
    label_dim: int = 0  # length of the label vector; 0 for a generator without labels
    image_channels: int = 3  # 3 for RGB, 1 for grey
    fmap_base: int = 8192
    fmap_max: int = 512
    fmap_decay: float = 1.0
    margin: int = 0  # pixels at each edge of a full-size image that repeat the nearest within; 0 in the papers

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= 2 * self.margin < self.resolution:
            raise ValueError(f"margin {self.margin} does not leave anything of {self.resolution} px")

    def margin_at(self, resolution: int) -> int:
        """The margin of a stage's images in pixels."""
        return self.margin * resolution // self.resolution


@dataclass(frozen=True)
class GeneratorConfig(BaseGeneratorConfig):
    """The arguments of ProGAN's generator, with the official program's defaults."""

    fused_scale: bool = True  # the official "fused" upscaling (see layers.UpConv2d)
    normalize_latents: bool = True  # pixel norm over latents, and over classes together with them
    equalized_lr: bool = True  # scale the weights at run time
    pixelnorm: bool = True  # after each nonlinearity
    pixelnorm_eps: float = 1e-8  # of these and of the latents' norm
    blur_filter: BlurFilter = None  # after upscaling
    nonlinearity: str = "lrelu"  # or "relu"
    label_kind: LabelKind | None = None  # or "vector"; None: "classes", or "none" without labels
    label_mean: Sequence[float] | None = None
    label_deviation: Sequence[float] | None = None
    channel_sums: bool = False  # decide on each channel's energy first, and scale images of roots of energies to it
    sums_mean: Sequence[float] | None = None
    sums_deviation: Sequence[float] | None = None
    hit: float | None = None  # decide by chance which pixels are hit, one by one


@dataclass(frozen=True)
class DiscriminatorConfig(NetworkConfig):
    """The arguments of ProGAN's discriminator, with the official program's defaults."""

    resolution: int = 1024  # the full resolution, a power of two from 4 on
    label_dim: int = 0  # length of the label vector; 0 for a discriminator without labels
    image_channels: int = 3  # 3 for RGB, 1 for grey
    fmap_base: int = 8192
    fmap_max: int = 512
    mbstd_group: int = 4  # samples in a group of the minibatch standard deviation
    mbstd_features: int = 1  # maps that it adds; 0 for none
    fmap_decay: float = 1.0
    fused_scale: bool | str = True  # downscale before bias and nonlinearity (False: after them, a different function)
    blur_filter: BlurFilter = None  # before downscaling
    equalized_lr: bool = True  # scale the weights at run time
    nonlinearity: str = "lrelu"  # or "relu"
    label_kind: LabelKind | None = None  # or "vector"; None: "classes", or "none" without labels
    label_mean: Sequence[float] | None = None
    label_deviation: Sequence[float] | None = None
    channel_sums: bool = False  # look at each channel's energy in images of roots of energies by itself
    sums_mean: Sequence[float] | None = None
    sums_deviation: Sequence[float] | None = None
    hit: float | None = None  # look at hits by themselves

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mbstd_group < 1:
            raise ValueError(f"mbstd_group {self.mbstd_group} is no number of samples; mbstd_features 0 does without")
