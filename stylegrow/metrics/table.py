"""The metrics: what each needs, which direction is better, and which can decide on the best model of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from stylegrow.common.errors import InputError
from stylegrow.common.text import printable

Need = Literal[
    "features", "patches", "similarity", "readings", "corners", "verdicts", "showers", "generator", "encoder"
]
Kind = Literal["faces", "pictures", "showers", "footprints"]
Better = Literal["lower", "higher", "floor"]


@dataclass(frozen=True)
class Metric:
    """A metric of the option --metrics.

    Attributes:
        name: as the option takes it.
        needs: what it is computed from: the "features" of a network, "patches" of a Laplacian pyramid, the "similarity"
            of pairs of images, the attribute classifier's "readings", the unevenness of their "corners", the detector's
            "verdicts" on faces, the "showers" that images stand for, the "generator" itself, or a VAE's "encoder" too.
        results: the names of its results, up to the first "_" ("swd" for "swd_16").
        better: the direction that is better; "floor" for values that ought to be as the floor is.
        decides: the result whose best value marks the best model of a run; None where none can.
        least_resolution: of the images, in px.
        of: the kinds of data that it is for: the embedded "faces", other "pictures", the embedded "showers" in a
            calorimeter, and the "footprints" of those in the air.
    """

    name: str
    needs: Need
    results: tuple[str, ...]
    better: Better = "lower"
    decides: str | None = None
    least_resolution: int = 4
    of: tuple[Kind, ...] = ("faces", "pictures", "showers", "footprints")


OBSERVABLES = ("separation", "response", "resolution", "hits", "impact", "correlation")
METRICS = {
    metric.name: metric
    for metric in (
        Metric("fd", "features", ("fd",), decides="fd"),  # called fid where the features are Inception's
        Metric("kid", "features", ("kid",), decides="kid"),
        Metric("pr", "features", ("precision", "recall"), "higher"),
        Metric("dc", "features", ("density", "coverage"), "higher"),
        Metric("swd", "patches", ("swd",), decides="swd_avg", least_resolution=16),
        Metric("msssim", "similarity", ("msssim",), "floor", least_resolution=16),
        Metric("attributes", "readings", ("attributes",), decides="attributes", of=("faces",)),
        Metric("flatness", "corners", ("flatness",), decides="flatness", least_resolution=32, of=("faces", "pictures")),
        Metric("intact", "verdicts", ("intact",), "higher", "intact", least_resolution=64, of=("faces",)),
        Metric("siblings", "features", ("siblings",), of=("faces", "pictures")),
        Metric("mixing", "generator", ("mixing",), "higher", least_resolution=64, of=("faces",)),
        Metric("ppl", "generator", ("ppl",), decides="ppl_z_full"),
        Metric("neighbours", "generator", ("neighbours",), "floor"),
        Metric("reconstruction", "encoder", ("reconstruction",), decides="reconstruction_rmse"),
        Metric("observables", "showers", OBSERVABLES, decides="separation", of=("showers",)),
        Metric("fpd", "showers", ("fpd",), decides="fpd", of=("showers",)),
        Metric("kpd", "showers", ("kpd",), decides="kpd", of=("showers",)),
        Metric("auc", "showers", ("auc",), decides="auc_observables", of=("showers",)),
    )
}
DEFAULT, SHOWERS = ("fd", "kid", "pr", "dc"), ("observables", "fpd", "kpd", "auc")
# Those that can come first in training's --metrics, and the result that decides there: METRICS say in which direction.
DECIDING = {metric.name: metric.decides for metric in METRICS.values() if metric.decides}
CHOICES = ("fd", "fid", *list(METRICS)[1:])


def described() -> str:
    """The metrics and their results, for help texts."""
    named = [
        name if metric.results == (name,) else f"{name} ({', '.join(metric.results)})"
        for name, metric in METRICS.items()
    ]
    return ", ".join(["fd (fid with Inception)", *named[1:]])


def check_names(names: Sequence[str], inception: bool) -> tuple[str, ...]:
    """The metrics asked for, each once. InputError for unknown names, and for "fid" without Inception's features."""
    if not names:
        raise InputError(f"--metrics: names none; choose from {', '.join(CHOICES)}")
    for name in names:
        if name not in CHOICES:
            raise InputError(f"--metrics {printable(name)}: there is no such metric; choose from {', '.join(CHOICES)}")
    if "fid" in names and not inception:
        raise InputError("--metrics fid: is by Inception's features; add --features inception, or ask for fd")
    # With Inception's features both names mean the FID.
    return tuple(dict.fromkeys("fd" if name == "fid" else name for name in names))


def check_network(names: Sequence[str], has_styles: bool, has_encoder: bool) -> None:
    """InputError for a metric of styles or of an encoder where the network has none."""
    if "mixing" in names and not has_styles:
        raise InputError("--metrics mixing: is for networks with styles, and this one has none; leave it out")
    if "reconstruction" in names and not has_encoder:
        raise InputError("--metrics reconstruction: is for a VAE, which has an encoder; leave it out")


def usual(kind: Kind) -> tuple[str, ...]:
    """The metrics of data of this kind where nobody names any."""
    return SHOWERS if kind == "showers" else DEFAULT


def names_in(option: str) -> list[str]:
    """The names in an option that separates them by commas."""
    return [name for part in option.split(",") if (name := part.strip())]
