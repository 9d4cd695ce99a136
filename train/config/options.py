"""The options of the training commands: one dataclass that is the command line, options.json and the Python API."""

import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import tyro

from stylegrow.architectures import ARCHITECTURES
from stylegrow.common import commandline
from stylegrow.common.commandline import Integer, Number, Text
from stylegrow.common.errors import InputError
from stylegrow.data.sources import NAMES, TOONHEAD
from stylegrow.metrics.table import DECIDING, check_names, names_in
from train.config.presets import PRESETS, LossName, Normalised, Switch

PrecisionName = Literal["no", "bf16"]
Precision = Annotated[PrecisionName | None, tyro.conf.arg(metavar="{no,bf16}", help_behavior_hint="")]
Loss = Annotated[LossName | None, tyro.conf.arg(metavar=f"{{{','.join(get_args(LossName))}}}", help_behavior_hint="")]
SpectralNorm = Annotated[Normalised | None, tyro.conf.arg(metavar="{no,critic,both}", help_behavior_hint="")]
Blur = Annotated[Switch | None, tyro.conf.arg(metavar="{yes,no}", help_behavior_hint="")]
Betas = Annotated[tuple[float, float] | None, tyro.conf.arg(metavar="NUMBER NUMBER", help_behavior_hint="")]

# Options that may stand without a value, and what they mean then.
BARE = {"--resume": "newest", "--cond": "class", "--spectral-norm": "critic"}

# The options of one objective alone.
OWN = {"gp_weight": "wgan-gp", "gamma": "ns-r1", "clip": "wgan-clip"}


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a training run is told. None stands for the preset's value, or for what the data suggests."""

    data: Text = None
    """folder, zip or prepared data set of pictures, or fashion-mnist; without it the embedded faces"""
    cache: Text = None
    """where prepared pictures are kept (default: $STYLEGROW_CACHE, else ~/.cache/stylegrow)"""
    cond: Text = None
    """train with labels: --cond for folder classes or dataset.json, --cond hair for the embedded faces' hair"""
    holdout: Integer = None
    """pictures kept out of training (default: 1 %, at least 20)"""
    out: str = "runs"
    """folder that run folders go into"""
    desc: Text = None
    """a word for the run folder's name"""
    resolution: Integer = None
    """full resolution, a power of two (default: 64 for the embedded faces, else what most pictures have, to 256)"""
    start_resolution: Integer = None
    """resolution to start growing from"""
    kimg: Number = None
    """length of the training in thousands of real pictures shown to the critic"""
    stable_kimg: Number = None
    """length of each stage between two fades"""
    fade_kimg: Number = None
    """length of each fade"""
    batch: Integer = None
    """pictures a step over all processes, at every stage (default: the preset's table)"""
    batch_per_device: Integer = None
    """most pictures a process takes at once; larger batches are accumulated"""
    lr: Number = None
    """learning rate at every stage (default: the preset's table)"""
    g_lr_ratio: Number = None
    """the generator's learning rate in multiples of --lr, which is then the critic's"""
    fmap_base: Integer = None
    """feature maps at resolution r: min(fmap_base / (r/2), fmap_max)"""
    fmap_max: Integer = None
    """most feature maps of a layer"""
    z_dim: Integer = None
    """length of the latent vector, and of StyleGAN's w"""
    blur: Blur = None
    """smooth with 1, 2, 1 after upscaling and before downscaling (StyleGAN; yes as in the paper)"""
    loss: Loss = None
    """objective: original minimax GAN, non-saturating, WGAN with weight clipping or gradient penalty (the default),
    hinge, non-saturating with R1"""
    gp_weight: float = 10.0
    """weight of the gradient penalty (lambda)"""
    gamma: float = 10.0
    """weight of R1"""
    clip: float = 0.01
    """bound of the critic's parameters under wgan-clip (0.01 as in the paper; deep narrow critics need 0.1 or so)"""
    spectral_norm: SpectralNorm = None
    """divide weights by their largest singular value: --spectral-norm for the critic's, both for the generator's too"""
    n_critic: Integer = None
    """critic steps for each generator step"""
    betas: Betas = None
    """Adam's beta1 and beta2"""
    mirror: bool = False
    """show every other picture mirrored, by chance"""
    ema_kimg: Number = None
    """half-life of the averaged generator"""
    mapping_lrmul: Number = None
    """the learning rate of the mapping network in multiples of the generator's (StyleGAN; 0.01 as in the paper)"""
    noise_lr_ratio: Number = None
    """the learning rate of the noise's strengths in multiples of the generator's (StyleGAN)"""
    mixing: Number = None
    """probability that a picture has the styles of two latents (StyleGAN)"""
    seed: int = 0
    """of weights, latents and the order of the pictures"""
    mixed_precision: Precision = None
    """of the convolutions (default: as accelerate was launched, else the preset's where the machine is fast at it)"""
    workers: Integer = None
    """processes that prepare pictures (default: one a core)"""
    snapshot_kimg: Number = None
    """a grid of samples and the model are written this often (default: 1/20 of the run, at most every 50)"""
    checkpoint_kimg: Number = None
    """the full state is written this often (default: as snapshots)"""
    keep: int = 2
    """newest checkpoints kept"""
    keep_models: int = 3
    """newest snapshots kept as model folders under models/"""
    resume: Text = None
    """continue a run: --resume for the newest under --out, or its folder"""
    init_from: Text = None
    """start from the weights of a model folder, a run, or a model that comes with the project"""
    preset: Text = None
    """table of defaults, one of those named above (default: that of the data, or for so many processes)"""
    metrics: str = "none"
    """measure the averaged generator with these, as stylegrow metrics does, separated by commas: fd, kid, pr, dc, swd,
    msssim, ppl, attributes, neighbours; best/ holds the model with the lowest first one"""
    metrics_kimg: Number = None
    """metrics are measured this often (default: as snapshots)"""
    metrics_samples: Integer = None
    """pictures of each kind that metrics look at (default: 1,000, at most half of the training pictures)"""
    log_with: Literal["none", "tensorboard", "wandb", "trackio"] = "none"
    """also log to this tracker, through accelerate"""
    dry_run: bool = False
    """check the data, print the plan and stop"""


# The least that whole numbers may be; what has to be above 0, and what may be 0.
LEAST = {
    "batch": 1, "batch_per_device": 1, "fmap_base": 1, "fmap_max": 1, "z_dim": 1, "n_critic": 1,
    "keep": 1, "keep_models": 0, "holdout": 0, "workers": 1, "seed": 0,
    "metrics_samples": 1,
}  # fmt: skip
ABOVE_ZERO = (
    "kimg", "lr", "g_lr_ratio", "mapping_lrmul", "noise_lr_ratio", "clip",
    "snapshot_kimg", "checkpoint_kimg", "metrics_kimg",
)  # fmt: skip
FROM_ZERO = ("stable_kimg", "fade_kimg", "gp_weight", "gamma", "ema_kimg")
LARGEST_SEED = 2**63 - 1  # what torch's generators take
LEAST_KIMG = 0.001  # one picture


def parse(argv: Sequence[str], architecture: str, description: str, default: Options | None = None) -> Options:
    """Options from the command line; what it does not name is taken from `default`. InputError in one line."""
    program = f"train/{architecture}.py"
    description = f"{description} Presets: {', '.join(PRESETS[architecture])}."
    arguments: list[str] = []
    for position, word in enumerate(argv):
        arguments.append(word)
        following = argv[position + 1 : position + 2]
        name = word.replace("_", "-")
        if name in BARE and (not following or following[0].startswith("-")):
            arguments.append(BARE[name])
    options = commandline.parse(Options, program, arguments, description=description, default=default or Options())
    check(options, architecture)
    return absolute(options)


def check(options: Options, architecture: str) -> None:
    """InputError that names the first option whose value makes no sense."""
    given = {name: value for name, value in vars(options).items() if value is not None}
    for name, value in given.items():
        if value == "":
            raise InputError(f"{flag(name)} '': is empty; give it a value or leave it out")
        if name in LEAST and value < LEAST[name]:
            raise InputError(f"{flag(name)} {value}: give a whole number of at least {LEAST[name]}")
        if name in ABOVE_ZERO and not 0 < value < math.inf:
            raise InputError(f"{flag(name)} {value:g}: give a number above 0")
        if name in FROM_ZERO and not 0 <= value < math.inf:
            raise InputError(f"{flag(name)} {value:g}: give a number of at least 0")
        if name in ("resolution", "start_resolution") and not (4 <= value <= 1024 and value & (value - 1) == 0):
            raise InputError(f"{flag(name)} {value}: give a power of two from 4 to 1024")
    if given.get("kimg", LEAST_KIMG) < LEAST_KIMG:
        raise InputError(f"--kimg {options.kimg:g}: give at least {LEAST_KIMG}, which is one picture")
    if not 0 <= given.get("mixing", 0) <= 1:
        raise InputError(f"--mixing {options.mixing:g}: give a probability, a number from 0 to 1")
    for name in ("blur", "mixing", "mapping_lrmul", "noise_lr_ratio"):
        if not ARCHITECTURES[architecture].has_styles and name in given:
            raise InputError(f"{flag(name)}: belongs to train/stylegan.py; leave it out")
    if options.seed > LARGEST_SEED:
        raise InputError(f"--seed {options.seed}: give a whole number below 2^63")
    presets = PRESETS[architecture]
    if options.preset is not None and options.preset not in presets:
        raise InputError(f"--preset {options.preset}: there is none of this name; use one of {', '.join(presets)}")
    check_objective(options, architecture)
    metric_names(options)
    if options.desc is not None and not re.fullmatch(r"[\w.+-]{1,64}", options.desc):
        raise InputError(f"--desc {options.desc!r}: give one word of letters, digits, '.', '_', '+' and '-'")


def check_objective(options: Options, architecture: str) -> None:
    """InputError for an option of another objective than the run's, and for betas that average nothing."""
    resumed = options.resume is not None and options.loss is None  # then it is the run that knows its objective
    loss = options.loss or PRESETS[architecture][options.preset or "small"].loss
    for name, owner in OWN.items():
        value = getattr(options, name)
        if loss != owner and value != getattr(Options, name) and not resumed:
            raise InputError(f"{flag(name)} {value:g}: belongs to --loss {owner}, not to {loss}; leave it out")
    for beta in options.betas or ():
        if not 0 <= beta < 1:
            raise InputError(f"--betas {shown(options.betas)}: give two numbers from 0 to below 1")


def metric_names(options: Options) -> tuple[str, ...]:
    """The metrics to measure while training, each once. InputError for a choice that cannot be."""
    if options.metrics == "none":
        for name in ("metrics_kimg", "metrics_samples"):
            # A run that is resumed may have metrics of its own.
            if (value := getattr(options, name)) is not None and options.resume is None:
                raise InputError(
                    f"{flag(name)} {value:g}: there is nothing to measure; name --metrics, or leave it out"
                )
        return ()
    names = names_in(options.metrics)
    if "fid" in names:
        raise InputError("--metrics fid: is by Inception's features, training measures with the embedded; ask for fd")
    try:
        chosen = check_names(names, inception=False)
    except InputError as error:
        raise InputError(str(error)) from None
    if chosen[0] not in DECIDING:
        raise InputError(
            f"--metrics {options.metrics}: the lowest value of the first decides on best/, and {chosen[0]} is not "
            f"better the lower it is; name one of {', '.join(DECIDING)} first"
        )
    return chosen


def absolute(options: Options) -> Options:
    """The options with paths that mean the same from every working directory; "toonhead" is no --data at all."""
    data = None if options.data == TOONHEAD else options.data
    return replace(
        options,
        data=data if data is None or data in NAMES else whole_path(data),
        cache=None if options.cache is None else whole_path(options.cache),
        out=whole_path(options.out),
        init_from=None if options.init_from is None else model_path(options.init_from),
    )


def whole_path(path: str) -> str:
    """The path from the root, "~" and symbolic links resolved. InputError where that cannot be."""
    try:
        return str(Path(path).expanduser().resolve())
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(f"{path!r}: is no path ({error}); give another") from None


def model_path(text: str) -> str:
    """The path from the root where this is one; else it is the name of a model that comes with the project."""
    is_path = text.startswith("~") or Path(text).is_absolute() or os.path.exists(text)  # noqa: PTH110 (never raises)
    return whole_path(text) if is_path else text


def flag(name: str) -> str:
    """A field's name as it stands on the command line."""
    return "--" + name.replace("_", "-")


def shown(value: Any) -> str:
    """A value as it stands on the command line."""
    return " ".join(f"{part:g}" for part in value) if isinstance(value, tuple) else str(value)
