"""Tables of default values for training: those of the official programs, and this project's own."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from train.config.schedule import Schedule, resolutions

MIXING_PROBABILITY = 0.9  # of style mixing (Karras 2019, appendix C)
LossName = Literal["gan", "ns", "wgan-clip", "wgan-gp", "hinge", "ns-r1"]
Normalised = Literal["no", "critic", "both"]
Switch = Literal["yes", "no"]


@dataclass(frozen=True)
class Preset:
    """Default values of a training.

    Batches are totals over all processes. Resolutions that `batch` or `lr` does not name have the base value.
    `ema_kimg` is the half-life of the averaged generator in thousands of images. `wgan_gp_lr` is the highest learning
    rate that WGAN-GP bears. `blur` says whether StyleGAN filters where it rescales. `mixing` is the probability of
    style mixing, `g_lr_ratio` the generator's learning rate in multiples of the critic's, `mapping_lrmul` and
    `noise_lr_ratio` those of StyleGAN's mapping network and of its noise strengths in multiples of the generator's.
    The rates are for networks with the equalized learning rate, or without it.
    """

    name: str
    total_kimg: float
    batch_base: int
    batch: Mapping[int, int]
    lr: Mapping[int, float] = field(default_factory=dict)
    lr_base: float = 0.001
    wgan_gp_lr: float = math.inf
    start_resolution: int = 4
    stable_kimg: float = 600
    fade_kimg: float = 600
    mbstd_group: int = 4
    fmap_base: int = 8192
    fmap_max: int = 512
    z_dim: int = 512
    blur: Switch = "yes"  # Karras 2019, section 4.1 and table 1
    # The official ProGAN's 0.999 an iteration is a length that changes with the batch; this is the official StyleGAN's.
    ema_kimg: float = 10
    mixing: float = MIXING_PROBABILITY
    g_lr_ratio: float = 1.0
    mapping_lrmul: float = 0.01  # Karras 2019, appendix C
    noise_lr_ratio: float = 1.0
    mixed_precision: Literal["no", "bf16"] = "bf16"
    loss: LossName = "wgan-gp"
    n_critic: int = 1
    betas: tuple[float, float] = (0.0, 0.99)  # Karras 2018, appendix A.1
    spectral_norm: Normalised = "no"
    equalized_lr: bool = True

    def schedule(
        self,
        resolution: int,
        *,
        start_resolution: int | None = None,
        stable_kimg: float | None = None,
        fade_kimg: float | None = None,
        batch: int | None = None,
        lr: float | None = None,
    ) -> Schedule:
        """The schedule to `resolution`, with values given in place of its own (`batch`, `lr`: at all stages)."""
        start = min(self.start_resolution, resolution) if start_resolution is None else start_resolution
        return Schedule(
            resolution=resolution,
            start_resolution=start,
            stable_kimg=self.stable_kimg if stable_kimg is None else stable_kimg,
            fade_kimg=self.fade_kimg if fade_kimg is None else fade_kimg,
            batch={
                r: self.batch.get(r, self.batch_base) if batch is None else batch
                for r in resolutions(start, resolution)
            },
            lr={r: self.lr.get(r, self.lr_base) if lr is None else lr for r in resolutions(start, resolution)},
        )

    def for_loss(self, loss: LossName, spectral_norm: Normalised = "no") -> Preset:
        """The same with the learning rates that this objective bears.

        Weights that are clipped or normalised must be the effective ones, so that the equalized learning rate is off
        then, in both networks, and the rate is one of the papers' at all resolutions.
        """
        if self.equalized_lr and (loss == "wgan-clip" or spectral_norm != "no"):
            lr_base = WGAN_LR if loss == "wgan-clip" else SNGAN_LR
            return replace(self, equalized_lr=False, lr={}, lr_base=lr_base, g_lr_ratio=1.0)
        if loss != "wgan-gp":
            return replace(self, g_lr_ratio=1.0)
        lr = {r: min(rate, self.wgan_gp_lr) for r, rate in self.lr.items()}
        return replace(self, lr=lr, lr_base=min(self.lr_base, self.wgan_gp_lr))


def preset(architecture: str, name: str, resolution: int) -> Preset:
    """The architecture's preset of that name for training at `resolution`.

    ValueError, naming those that exist, for an unknown name. `total_kimg` is the table's, or more where growing to
    `resolution` would leave less than one stable and one fade length.
    """
    presets = PRESETS[architecture]
    if name not in presets:
        raise ValueError(f"unknown preset {name!r}: use one of {', '.join(presets)}")
    found = presets[name]
    least = found.schedule(resolution).growing_kimg + found.stable_kimg + found.fade_kimg
    start = min(found.start_resolution, resolution)
    return replace(found, total_kimg=max(found.total_kimg, least), start_resolution=start)


def preset_for(architecture: str, processes: int) -> str:
    """Name of the official preset for that many processes: the one for the largest GPU count that is not above it."""
    count = max(count for count in OFFICIAL_BATCHES if count <= processes)
    return f"{OFFICIAL_PREFIXES[architecture]}-{count}gpu{'s' if count > 1 else ''}"


# Both official programs', by the number of GPUs: the batch at the resolutions with one of their own, and at all others.
OFFICIAL_BATCHES: Mapping[int, tuple[Mapping[int, int], int]] = {
    1: ({4: 128, 8: 128, 16: 128, 32: 64, 64: 32, 128: 16, 256: 8, 512: 4}, 4),
    2: ({4: 256, 8: 256, 16: 128, 32: 64, 64: 32, 128: 16, 256: 8}, 8),
    4: ({4: 512, 8: 256, 16: 128, 32: 64, 64: 32, 128: 16}, 16),
    8: ({4: 512, 8: 256, 16: 128, 32: 64, 64: 32}, 32),
}
OFFICIAL_PREFIXES = {"progan": "v2", "stylegan": "stylegan"}
PROGAN_LR: Mapping[int, Mapping[int, float]] = {
    1: {1024: 0.0015},
    2: {512: 0.0015, 1024: 0.002},
    4: {256: 0.0015, 512: 0.002, 1024: 0.003},
    8: {128: 0.0015, 256: 0.002, 512: 0.003, 1024: 0.003},
}
STYLEGAN_LR = PROGAN_LR[8]  # with any number of GPUs
WGAN_LR = 0.00005  # Arjovsky et al. 2017, algorithm 1
SNGAN_LR = 0.0002  # Miyato et al. 2018, setting C of table 1 and all of section 4.2


def named(presets: Iterable[Preset]) -> dict[str, Preset]:
    """The presets by their names."""
    return {entry.name: entry for entry in presets}


PROGAN = named(
    [
        # The paper's own program.
        Preset(
            name="v1-1gpu",
            total_kimg=19000,
            stable_kimg=800,
            fade_kimg=800,
            batch_base=16,
            batch={256: 14, 512: 6, 1024: 3},
            mbstd_group=16,
            mixed_precision="no",
        ),
        *(
            Preset(
                name=preset_for("progan", count),
                total_kimg=12000,
                batch_base=base,
                batch=batch,
                lr=PROGAN_LR[count],
            )
            for count, (batch, base) in OFFICIAL_BATCHES.items()
        ),
        # The embedded faces to 64 px on two processor cores.
        Preset(
            name="toonhead",
            total_kimg=150,
            stable_kimg=8,
            fade_kimg=8,
            batch_base=8,
            batch={4: 16, 8: 16},
            lr_base=0.0015,
            fmap_base=1024,
            fmap_max=128,
            z_dim=128,
            ema_kimg=1,  # in so short a run the weights move too fast for a longer average
            # Steps of one size leave the generator far behind the critic: at 32 px, after 16 kimg, KID was 0.47, with
            # steps four times the critic's 0.25, and the estimated distance 5.2 and 2.2.
            g_lr_ratio=4,
        ),
        # One's own pictures at low resolution on one modest machine.
        Preset(
            name="small",
            total_kimg=1200,
            stable_kimg=100,
            fade_kimg=100,
            batch_base=16,
            batch={4: 64, 8: 64, 16: 64, 32: 32},
            fmap_base=4096,
            fmap_max=256,
            z_dim=256,
            ema_kimg=5,
        ),
    ]
)

STYLEGAN = named(
    [
        *(
            Preset(
                name=preset_for("stylegan", count),
                total_kimg=25000,
                batch_base=base,
                batch=batch,
                lr=STYLEGAN_LR,
                wgan_gp_lr=0.002,
                start_resolution=8,
            )
            for count, (batch, base) in OFFICIAL_BATCHES.items()
        ),
        # At 32 px, after 22 kimg, with steps 2, 4 and 8 times the critic's, KID was 0.26, 0.19 and 0.155, and the
        # estimated distance 5.1, 3.0 and 2.4; at 64 px, from 96 kimg on, 8 and 4 times gave distances of 5.5 and 4.1.
        # Twice the rates of both take KID from 0.31 to 0.226 in the first 10 kimg after the fade to 64 px, these to
        # 0.245; but in the fade itself they lead to 0.41.
        # Noise has to be learned slowly: drawn faces leave nothing to chance, and speckles come first. Without blur,
        # drawings get their edges sooner: at 32 px the distance was 2.5 where it was 2.9.
        replace(
            PROGAN["toonhead"],
            stable_kimg=10,
            fade_kimg=10,
            start_resolution=8,
            lr_base=0.002,
            g_lr_ratio=4,
            mapping_lrmul=0.1,
            noise_lr_ratio=0.01,
            blur="no",
            mixing=0,
        ),
        replace(PROGAN["small"], start_resolution=8),
    ]
)


def papers(small: Preset) -> Iterator[Preset]:
    """The objectives as in their papers: loss, learning rate, Adam and critic steps, without growing.

    Networks, precision and averaging are this project's. RMSProp, the optimizer of two of the papers, is Adam with
    betas 0 and 0.99, which corrects for the start of the averages besides.
    """
    base = replace(
        small, batch={}, batch_base=64, lr={}, start_resolution=1024, z_dim=128, equalized_lr=False
    )  # a start above all resolutions stands for no growth
    yield replace(base, name="dcgan", loss="ns", batch_base=128, lr_base=0.0002, betas=(0.5, 0.999))
    yield replace(base, name="wgan", loss="wgan-clip", lr_base=WGAN_LR, n_critic=5)
    yield replace(base, name="wgan-gp", loss="wgan-gp", lr_base=0.0001, n_critic=5, betas=(0.0, 0.9))
    yield replace(base, name="r1", loss="ns-r1", lr_base=0.0001)
    yield replace(base, name="sngan", loss="hinge", spectral_norm="critic", lr_base=SNGAN_LR, betas=(0.5, 0.999))


PROGAN |= named(papers(PROGAN["small"]))
STYLEGAN |= named(papers(STYLEGAN["small"]))
PRESETS: Mapping[str, Mapping[str, Preset]] = {"progan": PROGAN, "stylegan": STYLEGAN}
