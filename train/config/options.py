"""The options of a training: each a field that is the command line's, options.json's and the Python API's at once."""

import re
from dataclasses import dataclass, fields
from functools import reduce
from operator import or_
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from stylegan import GeneratorConfig
from stylegan.config import MOST_MAPPING_LAYERS
from train.config.fields import (
    ABOVE_0,
    COUNT,
    COUNT_OR_0,
    COUNT_OR_FILE,
    GANS,
    KIMG_ABOVE_0,
    KIMG_FROM_0,
    LARGEST_KIMG,
    POWER_OF_2,
    STYLED,
    About,
    Allowed,
    data_path,
    model_path,
    option,
    whole_path,
)
from train.step.config import StepConfig

LEAST_KIMG = 0.001  # one image


@dataclass(frozen=True, kw_only=True)
class Options(StepConfig):
    """All options of a training run. What is not given is the preset's value, the data's, or else the default here."""

    data: str | None = option(
        None,
        "folder, zip, .npz or prepared data set of images, or calorimeter, footprints, fashion-mnist, mnist, cifar-10 "
        "(default: embedded faces)",
        keep=data_path,
        resumable=True,
    )
    cache: str | None = option(
        None,
        "where prepared images are kept (default: $STYLEGROW_CACHE, else ~/.cache/stylegrow)",
        keep=whole_path,
        private=True,
        resumable=True,
    )
    cond: str | None = option(
        None,
        "train with labels: --cond for folder classes or dataset.json, --cond hair for the embedded faces' hair, "
        "--cond energy for that of the embedded showers (default: all of theirs; --cond none for none)",
        bare="class",
    )
    holdout: int | str | None = option(
        None,
        "images kept out of training: how many, or a file with their names, one a line (default: 1 %, at least 20)",
        COUNT_OR_FILE,
        values="INT|FILE",
        keep=whole_path,
    )
    out: str = option("runs", "folder that run folders go into", resumable=True, private=True, keep=whole_path)
    desc: str | None = option(
        None,
        "a word for the run folder's name",
        Allowed("one word of letters, digits, '.', '_', '+' and '-'", re.compile(r"[\w.+-]{1,64}").fullmatch),  # type: ignore[arg-type]
    )
    resolution: int | None = option(
        None,
        "full resolution, a power of two (default: 64 for the embedded faces, 256 on a GPU; else what most images "
        "have, to 256)",
        POWER_OF_2,
    )
    start_resolution: int = option(4, "resolution to start growing from", POWER_OF_2)
    kimg: float | None = option(
        None,
        "length of the training in thousands of real images shown to the critic (default: the preset's)",
        Allowed(
            f"a number from {LEAST_KIMG}, which is one image, to {LARGEST_KIMG:g}",
            lambda x: LEAST_KIMG <= x <= LARGEST_KIMG,
        ),
        resumable=True,
    )
    stable_kimg: float = option(600, "length of each stage between two fades", KIMG_FROM_0)
    fade_kimg: float = option(600, "length of each fade", KIMG_FROM_0)
    batch: int | None = option(
        None, "images a step over all processes, at every stage (default: the preset's table)", COUNT, resumable=True
    )
    lr: float | None = option(
        None, "learning rate at every stage (default: the preset's table)", ABOVE_0, resumable=True
    )
    lr_decay_kimg: float = option(
        0.0,
        "over the last so many kimg of the training the learning rates fall linearly to 0",
        KIMG_FROM_0,
        resumable=True,
    )
    fmap_base: int = option(
        GeneratorConfig.fmap_base, "feature maps at resolution r: min(fmap_base / (r/2), fmap_max)", COUNT
    )
    fmap_max: int = option(GeneratorConfig.fmap_max, "most feature maps of a layer", COUNT)
    z_dim: int = option(GeneratorConfig.z_dim, "length of the latent vector, and of StyleGAN's w", COUNT)
    blur: float | int | str = option(  # Karras 2019, section 2.1 and appendix C
        "auto",
        "smooth maps with 1, 2, 1 after upscaling and before downscaling: yes, no, or after so many kimg; auto: as in "
        "the papers, yes for StyleGAN and no for ProGAN (default: as in --init-from's model, else the preset's)",
        Allowed(
            f"yes, no, auto or {KIMG_FROM_0.words}",
            lambda x: x in ("yes", "no", "auto") if isinstance(x, str) else KIMG_FROM_0.test(x),
        ),
        values="yes|no|auto|NUMBER",
        only=GANS,
    )
    norm: Literal["instance", "pixel"] = option(  # Karras 2019, equation 1; Karras 2018, section 4.2
        "instance",
        "what styles scale and shift: maps normalised over an image (instance, with which it is AdaIN) or over the "
        "channels of a pixel, as ProGAN's (StyleGAN)",
        only=STYLED,
    )
    margin: int = option(
        GeneratorConfig.margin,
        "pixels at each edge of a full-size image that repeat the nearest within, in generated and in real images: no "
        "frame at the border (default: 0, or as wide a part of the image as of --init-from's model)",
        COUNT_OR_0,
    )
    repeat_edges_from: int = option(
        0,
        "stage from which drawn images, once trained, have no frame: what lies outside of a layer's maps is then the "
        "nearest within, which takes twice as long; 0 for none (StyleGAN)",
        Allowed("0 or a power of two from 8 on", lambda x: x == 0 or (x >= 8 and x & (x - 1) == 0)),
        only=STYLED,
    )
    channel_sums: bool = option(
        False,
        "have the critic look at each channel's energy, place and hits by themselves, and ProGAN's generator begin "
        "with the energies and draw hits one by one: for images of roots of energies, as showers are, with labels that "
        "begin with the energy",
        only=GANS,
    )
    mapping_layers: int = option(
        GeneratorConfig.mapping_layers,
        "layers of the mapping network (StyleGAN)",
        Allowed(f"a whole number from 1 to {MOST_MAPPING_LAYERS}", lambda x: 1 <= x <= MOST_MAPPING_LAYERS),
        only=STYLED,
    )
    mapping_lrmul: float = option(
        GeneratorConfig.mapping_lrmul,
        "the learning rate of the mapping network in multiples of the generator's (StyleGAN)",
        ABOVE_0,
        only=STYLED,
    )
    seed: int = option(
        0,
        "of weights, latents and the order of the images",
        Allowed("a whole number from 0 to below 2^63", lambda x: 0 <= x < 2**63),  # what torch's generators take
    )
    workers: int | None = option(None, "processes that prepare images (default: one a core)", COUNT, resumable=True)
    snapshot_kimg: float | None = option(
        None,
        "a grid of samples and the model are written this often (default: 1/20 of the run, at most every 50)",
        KIMG_ABOVE_0,
        resumable=True,
    )
    checkpoint_kimg: float | None = option(
        None, "the full state is written this often (default: as snapshots)", KIMG_ABOVE_0, resumable=True
    )
    keep: int = option(2, "newest checkpoints kept", COUNT, resumable=True)
    keep_models: int = option(3, "newest snapshots kept as model folders under models/", COUNT_OR_0, resumable=True)
    resume: str | None = option(
        None,
        "continue a run: --resume for the newest under --out, or its folder",
        bare="newest",
        resumable=True,
        private=True,
    )
    init_from: str | None = option(
        None,
        "start from the weights of a model folder, a run, or a model that comes with the project, also of another "
        "resolution; growing goes on where it had got; twice its --fmap-base or --fmap-max widens it by copies of maps",
        keep=model_path,
    )
    preset: str | None = option(
        None, "table of defaults, one of those named above (default: that of the data, or for so many processes)"
    )
    metrics: str = option(
        "none",
        "evaluate the generator's EMA with these, as stylegrow metrics does, separated by commas: fd, kid, pr, dc, "
        "swd, msssim, ppl, attributes, flatness, intact, siblings, mixing, neighbours, of a VAE reconstruction; of "
        "showers observables, fpd, kpd, auc; best/ holds the model with the best first one",
        resumable=True,
    )
    metrics_kimg: float | None = option(
        None, "metrics are evaluated this often (default: as snapshots)", KIMG_ABOVE_0, resumable=True
    )
    metrics_samples: int | None = option(
        None,
        "images of each kind that metrics look at (default: 1,000, at most half of the training images)",
        COUNT,
        resumable=True,
    )
    log_with: Literal["none", "tensorboard", "wandb", "trackio"] = option(
        "none", "also log to this tracker, through accelerate", resumable=True
    )
    dry_run: bool = option(False, "check the data, print what the run would do, and stop", resumable=True)
    processes: int | None = option(
        None,
        "with --dry-run: what it would do on so many GPUs, as the one that is here or of 80 GB",
        COUNT,
        resumable=True,
    )

    def __new__(cls, **given: Any) -> "Options":
        """Remember which options were given, since an instance holds a value for each; None is not given."""
        options = super().__new__(cls)
        vars(options)["_given"] = {name: value for name, value in given.items() if value is not None}
        return options

    def but(self, **changes: Any) -> "Options":
        """The same with these given too; None takes one back."""
        changed = self.given | changes
        return Options(**{name: value for name, value in changed.items() if value is not None})

    @property
    def given(self) -> dict[str, Any]:
        """The options that were given; a preset may decide all others."""
        return vars(self)["_given"]


def kind_of(hint: Any) -> Any:
    """The type of an option that is given: without None."""
    if get_origin(hint) is not UnionType:
        return hint
    return reduce(or_, (kind for kind in get_args(hint) if kind is not NoneType))


ABOUT: dict[str, About] = {field.name: field.metadata["about"] for field in fields(Options)}
KINDS: dict[str, Any] = {name: kind_of(hint) for name, hint in get_type_hints(Options).items()}
