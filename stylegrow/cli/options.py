"""The commands that draw and their options, as tyro reads them."""

from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from stylegrow.common.commandline import Dtype, Integer, Number, Text

Seeds = Annotated[str, tyro.conf.arg(metavar="SEEDS")]
NoiseName = Literal["const", "random", "none"]
FormName = Literal["mp4", "webp"]
NoiseMode = Annotated[NoiseName | None, tyro.conf.arg(metavar="{const,random,none}", help_behavior_hint="")]


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """What all that draw are told."""

    model: Annotated[str, tyro.conf.arg(metavar="MODEL")]
    """a name in zoo/, a model folder, a run folder, or hf://user/repo"""
    class_: Annotated[Text, tyro.conf.arg(name="class")] = None
    """name or number of a class, for a model trained with labels"""
    device: Text = None
    """cpu, cuda, cuda:1, mps, ... (default: the GPU, if there is one)"""
    dtype: Dtype = "float32"
    """of the convolutions; bf16 is faster where the machine is, and changes pictures a little"""
    batch: Integer = None
    """pictures drawn at once (default: what memory surely holds)"""

    def run(self) -> None:
        """Do what the options say."""
        from stylegrow.cli.commands import run

        run(self)  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True)
class Common(Drawing):
    """What all are told whose files go into a folder of their own."""

    stage: Integer = None
    """resolution to draw at (default: what the model has reached)"""
    alpha: Number = None
    """how far the newest block of the stage is faded in (default: as the model has reached, else 1)"""
    outdir: str = "out"
    """folder for the files; earlier ones of the same name are replaced"""


@dataclass(frozen=True, kw_only=True)
class Styled(Common):
    """What StyleGAN models can be told as well."""

    cutoff: Integer = None
    """truncate only the layers below this one (default: all)"""
    noise_seed: Integer = None
    """of random noise (default: 0)"""


@dataclass(frozen=True, kw_only=True)
class Noisy(Styled):
    """Where the noise can be chosen."""

    noise_mode: NoiseMode = None
    """the model's own noise maps, some drawn for each seed, or none (default: const)"""


@dataclass(frozen=True, kw_only=True)
class Sized:
    """A figure."""

    size: Integer = None
    """px of a picture in the figure (default: its own, but 128 to 256)"""


@dataclass(frozen=True, kw_only=True)
class Generate(Noisy):
    """Single pictures: seed0001.png, ..."""

    seeds: Seeds = "0-7"
    """such as 1,5-9"""
    trunc: Number = None
    """truncation psi (default: 0.7; a ProGAN has none)"""


@dataclass(frozen=True, kw_only=True)
class Grid(Sized, Noisy):
    """Uncurated pictures of seeds in their order, in one figure: grid.png."""

    seeds: Seeds = "0-31"
    """such as 1,5-9"""
    columns: int = 8
    """pictures in a row"""
    trunc: Number = None
    """truncation psi (default: 0.7; a ProGAN has none)"""


@dataclass(frozen=True, kw_only=True)
class Mix(Sized, Noisy):
    """Style mixing: mix.png shows the seeds of the rows with styles copied from those of the columns."""

    rows: Seeds = "0-2"
    """seeds that give all other styles"""
    cols: Seeds = "3-7"
    """seeds that the styles of these layers are copied from"""
    styles: Text = None
    """layers copied: 0-3, or coarse (4-8 px), middle (16-32 px), fine (from 64 px) (default: all three, below each
    other)"""
    trunc: Number = None
    """truncation psi (default: 0.7)"""


@dataclass(frozen=True, kw_only=True)
class Truncation(Sized, Noisy):
    """The same seeds at several truncations: truncation.png."""

    seeds: Seeds = "0-3"
    """such as 1,5-9"""
    trunc: Annotated[str, tyro.conf.arg(metavar="NUMBERS")] = "1,.7,.5,0,-.5,-1"
    """truncation psis, one a column"""


@dataclass(frozen=True, kw_only=True)
class Noise(Sized, Styled):
    """What noise changes: noise.png shows a picture, details of several draws, and the deviation of all."""

    seeds: Seeds = "0-1"
    """such as 1,5-9"""
    draws: int = 100
    """draws of noise"""
    trunc: Number = None
    """truncation psi (default: 0.7)"""


@dataclass(frozen=True, kw_only=True)
class Filmed:
    """A film."""

    fps: int = 24
    """frames a second"""
    format: Annotated[FormName | None, tyro.conf.arg(metavar="{mp4,webp}", help_behavior_hint="")] = None
    """H.264, or an animated WebP, which a README can show (default: mp4; webp where there is no H.264)"""


@dataclass(frozen=True, kw_only=True)
class Interpolate(Filmed, Noisy):
    """A film of the way from seed to seed: interpolate.mp4."""

    seeds: Seeds = "0-5"
    """such as 1,5-9; at least two"""
    frames: int = 30
    """frames from one seed to the next"""
    space: Annotated[Literal["z", "w"] | None, tyro.conf.arg(metavar="{z,w}", help_behavior_hint="")] = None
    """latents z, on the sphere, or w, straight (default: w; z for a ProGAN)"""
    loop: bool = True
    """go back to the first seed at the end"""
    trunc: Number = None
    """truncation psi (default: 0.7; a ProGAN has none)"""
    size: Integer = None
    """px of the film (default: a picture's own, at least 256)"""


@dataclass(frozen=True, kw_only=True)
class Growth(Filmed, Noisy):
    """A film of the network's growth, from its smallest stage to the one reached, fade by fade: growth.mp4.

    With --snapshots it shows what the models kept by a training run drew, each at its own stage.
    """

    snapshots: bool = False
    """of a run folder that keeps several models (see --keep-models and --snapshot-kimg of the training)"""

    stage: Integer = None
    """resolution that the film ends at (default: what the model has reached)"""
    seeds: Seeds = "0-7"
    """such as 1,5-9"""
    columns: int = 4
    """pictures in a row"""
    seconds_per_stage: Number = None
    """of fading a stage in and then holding it; the last one is held longer (default: 2)"""
    seconds: Number = None
    """of all snapshots, which are seen for equally long; the last one is held for 2 more (default: 12)"""
    trunc: Number = None
    """truncation psi (default: 0.7; a ProGAN has none)"""
    size: Integer = None
    """px of a picture in the film (default: its own, but 128 to 256)"""


@dataclass(frozen=True, kw_only=True)
class ModelCard(Drawing):
    """Draws grid.png and, of a StyleGAN, truncation.png and mix.png into the model's folder, and renews its card."""

    model: Annotated[str, tyro.conf.arg(metavar="MODEL")]
    """a name in zoo/, a model folder or a run folder"""
    numbers: Annotated[Text, tyro.conf.arg(metavar="FILE")] = None
    """what stylegrow metrics --out wrote, for the card's tables (default: none)"""
    seeds: Seeds = "0-31"
    """of the uncurated grid, such as 1,5-9"""

    def run(self) -> None:
        """Draw, save and write them."""
        from stylegrow.cli.card import renew_card

        renew_card(self)


Command = Generate | Grid | Mix | Truncation | Noise | Interpolate | Growth
