"""What a training step does, apart from when the networks grow."""

from dataclasses import dataclass

from train.config.presets import MIXING_PROBABILITY


@dataclass(frozen=True)
class StepConfig:
    """The objective, the optimizers, what the generator's images are made from, and how much is computed at once."""

    loss: str = "wgan-gp"
    gp_weight: float = 10.0
    gamma: float = 10.0
    clip: float = 0.01
    spectral_norm: str = "no"
    n_critic: int = 1
    betas: tuple[float, float] = (0.0, 0.99)
    mirror: bool = False
    ema_kimg: float = 10.0
    mixing: float = MIXING_PROBABILITY
    g_lr_ratio: float = 1.0
    noise_lr_ratio: float = 1.0
    batch_per_device: int | None = None
    mixed_precision: str = "no"
