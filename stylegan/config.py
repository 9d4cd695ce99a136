"""The configurations of StyleGAN's networks. Loading them does not load torch."""

from collections.abc import Sequence
from dataclasses import dataclass

import progan
from progan.config import BaseGeneratorConfig, BlurFilter, LabelKind, check_choice, stages

MOST_MAPPING_LAYERS = 64
BLUR = (1, 2, 1)  # the official program's low-pass filter
FUSED_FROM = 128  # px; what fused_scale "auto" means


def layer_sizes(resolution: int) -> list[int]:
    """The resolution of each layer of a network, or of a stage, of this one: two a resolution."""
    return [r for r in stages(resolution) for _ in range(2)]


@dataclass(frozen=True)
class GeneratorConfig(BaseGeneratorConfig):
    """The arguments of StyleGAN's generator, with the official program's defaults.

    False for `use_styles`, `const_input`, `use_noise` and `instance_norm` takes away what makes a StyleGAN (Karras
    2019, table 1).
    """

    w_dim: int = 512  # length of the intermediate latent vector w
    mapping_layers: int = 8
    mapping_fmaps: int = 512  # width of the mapping network's layers
    mapping_lrmul: float = 0.01  # their learning rate, as a multiple of the others'
    mapping_nonlinearity: str = "lrelu"  # or "relu"
    normalize_latents: bool = True  # pixel norm over latents, and over embedded classes together with them
    equalized_lr: bool = True  # scale the weights at run time
    use_styles: bool = True  # AdaIN's scale and shift from w; without them only the first layer looks at w
    const_input: bool = True  # a learned constant at 4x4 in place of a dense layer
    use_noise: bool = True
    pixelnorm: bool = False  # after each nonlinearity
    instance_norm: bool = True
    nonlinearity: str = "lrelu"  # or "relu"
    fused_scale: bool | str = "auto"  # the official "fused" upscaling (see progan.layers.UpConv2d); auto: from 128 px
    blur_filter: BlurFilter = BLUR  # after upscaling
    repeat_edges_from: int = 0  # the first stage that repeats edges once trained (see Synthesis); 0, as in papers: none
    label_kind: LabelKind | None = None  # or "vector"; None: "classes", or "none" without labels
    label_mean: Sequence[float] | None = None
    label_deviation: Sequence[float] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("mapping_nonlinearity", self.mapping_nonlinearity, ("lrelu", "relu"))
        check_choice("fused_scale", self.fused_scale, (True, False, "auto"))
        if not 0 <= self.mapping_layers <= MOST_MAPPING_LAYERS:
            raise ValueError(f"mapping_layers {self.mapping_layers} is not in 0 to {MOST_MAPPING_LAYERS}")
        inputs = self.z_dim * 2 if self.label_dim else self.z_dim
        if not self.mapping_layers and inputs != self.w_dim:
            raise ValueError(f"w_dim {self.w_dim} is not the {inputs} numbers that no mapping layer changes")
        if (first := self.repeat_edges_from) and (first < 8 or first & (first - 1)):
            raise ValueError(f"repeat_edges_from {first} is neither 0 nor a power of two from 8 on")

    def is_fused(self, resolution: int) -> bool:
        """Whether the layer that upscales to this resolution does it in the fused way."""
        return resolution >= FUSED_FROM if self.fused_scale == "auto" else bool(self.fused_scale)


@dataclass(frozen=True)
class DiscriminatorConfig(progan.DiscriminatorConfig):
    """The arguments of StyleGAN's discriminator: ProGAN's, with the low-pass filter.

    `fused_scale` changes nothing here: all its values are the same function.
    """

    fused_scale: bool | str = "auto"  # or True or False, as in the official program
    blur_filter: BlurFilter = BLUR  # before downscaling

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("fused_scale", self.fused_scale, (True, False, "auto"))
