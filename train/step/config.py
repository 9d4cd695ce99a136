"""What a training step does, apart from when the networks grow."""

from dataclasses import dataclass
from typing import Literal

from train.config.fields import ABOVE_0, AUTOENCODERS, COUNT, FROM_0, GANS, PROBABILITY, STYLED, Allowed, option

LossName = Literal["gan", "ns", "wgan-clip", "wgan-gp", "hinge", "ns-r1"]
WITHOUT_SIGN = ("wgan-clip", "wgan-gp")  # losses that are the same for scores that are all shifted
AUGMENTATIONS = ("color", "translation", "cutout")
Normalised = Literal["no", "critic", "both"]
PrecisionName = Literal["no", "tf32", "bf16"]


def is_choice(text: str) -> bool:
    """Whether this names some of the augmentations, none of them twice."""
    names = text.split(",")
    return set(names) <= set(AUGMENTATIONS) and len(names) == len(set(names))


@dataclass(frozen=True, kw_only=True)
class StepConfig:
    """The objective, the optimizers, what the generator's images are made from, and how much is computed at once."""

    loss: LossName = option(
        "wgan-gp",
        "objective: original minimax GAN, non-saturating, WGAN with weight clipping or gradient penalty, hinge, "
        "non-saturating with R1",
        only=GANS,
    )
    beta: float = option(1.0, "weight of the divergence between posterior and prior (VAE)", ABOVE_0, only=AUTOENCODERS)
    gp_weight: float = option(10.0, "weight of the gradient penalty (lambda)", FROM_0, loss="wgan-gp", only=GANS)
    gamma: float = option(10.0, "weight of R1", FROM_0, loss="ns-r1", only=GANS)
    clip: float = option(
        0.01,
        "bound of the critic's parameters (deep narrow critics need 0.1 or so)",
        ABOVE_0,
        loss="wgan-clip",
        only=GANS,
    )
    spectral_norm: Normalised = option(
        "no",
        "divide weights by their largest singular value: those of the critic, or of both networks",
        bare="critic",
        only=GANS,
    )
    n_critic: int = option(1, "critic steps for each generator step", COUNT, only=GANS)
    betas: tuple[float, float] = option(  # Karras 2018, appendix A.1
        (0.0, 0.99),
        "Adam's beta1 and beta2",
        Allowed("two numbers from 0 to below 1", lambda pair: all(0 <= beta < 1 for beta in pair)),
    )
    mirror: bool = option(False, "show every other image mirrored, by chance")
    augment: str = option(
        "no",
        "show the critic reals and fakes changed by chance, for small sets: color, translation, cutout, or several "
        "separated by commas (--augment alone is all)",
        Allowed(f"no, or some of {', '.join(AUGMENTATIONS)}", lambda text: text == "no" or is_choice(text)),
        bare=",".join(AUGMENTATIONS),
        only=GANS,
    )
    augment_p: float | int | str = option(
        1.0,
        "probability of each of these; with ada it follows how well the critic knows the reals, of losses whose "
        "scores have a sign",
        Allowed("a number from 0 to 1, or ada", lambda p: p == "ada" or (not isinstance(p, str) and 0 <= p <= 1)),
        values="NUMBER|ada",
        only=GANS,
    )
    # The official ProGAN's 0.999 an iteration is a length that changes with the batch; this is the official StyleGAN's.
    ema_kimg: float = option(10, "half-life of the generator's EMA", FROM_0, resumable=True)
    ema_rampup: float = option(  # as in the program of Karras et al. 2020, arXiv 2006.06676
        0.0,
        "most of the half-life in multiples of the images shown so far, so that early averages are short; 0: no limit",
        FROM_0,
        resumable=True,
    )
    mixing: float = option(  # Karras 2019, appendix C
        0.9, "probability that an image has the styles of two latents (StyleGAN)", PROBABILITY, only=STYLED
    )
    g_lr_ratio: float = option(
        1.0, "the generator's learning rate in multiples of --lr, which is then the critic's", ABOVE_0, only=GANS
    )
    noise_lr_ratio: float = option(
        1.0,
        "the learning rate of the noise's strengths in multiples of the generator's (StyleGAN)",
        ABOVE_0,
        only=STYLED,
    )
    batch_per_device: int | None = option(
        None, "most images a process takes at once; larger batches are accumulated", COUNT, resumable=True
    )
    cuda_graphs: Literal["yes", "no"] = option(
        "yes", "have a GPU replay each step as CUDA graphs; no starts every kernel from Python", resumable=True
    )
    mixed_precision: PrecisionName = option(
        "no",
        "of the convolutions: no is float32, tf32 float32 with products that a GPU rounds (default: as accelerate was "
        "launched, else bf16 where the machine is fast at it)",
        resumable=True,
    )
    deterministic: bool = option(
        False, "the same bits each time on a GPU too, which is slower; on a CPU it is always so", resumable=True
    )
