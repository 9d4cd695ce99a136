"""`stylegrow metrics`: how good a model is, every number beside its floor."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from stylegrow.common.commandline import Dtype, Integer, Number, Text
from stylegrow.common.errors import InputError
from stylegrow.common.paths import check_file, expanded
from stylegrow.common.text import printable
from stylegrow.metrics.table import DEFAULT, SHOWERS, check_names, described, names_in, usual

if TYPE_CHECKING:
    import numpy as np
    import torch

    import vae
    from stylegrow.architectures import Generator
    from stylegrow.data import Dataset
    from stylegrow.metrics.results import Result
    from stylegrow.sampling.generation import Setting


USUAL = f"{','.join(DEFAULT)}; of showers {','.join(SHOWERS)}"


@dataclass(frozen=True, kw_only=True)
class Options:
    """Evaluate a model against real images. Every number stands beside its floor: the same number of other real
    images, equally many."""

    model: Annotated[str, tyro.conf.arg(metavar="MODEL")]
    """a name in zoo/, a model folder, a run folder, or hf://user/repo"""
    data: Text = None
    """folder, zip or prepared data set of images, or toonhead: the embedded faces (default: what it was trained on)"""
    metrics: Annotated[
        Text,
        tyro.conf.arg(help=f"any of {described()}, separated by commas (default: {USUAL})"),
    ] = None
    samples: Integer = None
    """images of each kind: generated, real, other real (default: 2,000, at most half of the data)"""
    features: str = "embedded"
    """embedded (EfficientNet-Lite0), inception (downloaded once), or the file of torch-fidelity's Inception weights"""
    seed: int = 0
    """of all random numbers"""
    trunc: Number = None
    """truncation psi of a StyleGAN (default: none, 1)"""
    mirror: bool = False
    """show half of the real images mirrored, as for a model trained with --mirror"""
    anchors: bool = False
    """also evaluate real images blurred with a Gaussian of 1 px, and with noise of 1 grey level"""
    beside: Text = None
    """other models of the same size to evaluate as well, separated by commas, a column each"""
    out: Text = None
    """also write everything to this JSON file"""
    figure: str = "neighbours.png"
    """the image that neighbours writes"""
    cache: Text = None
    """where prepared images and their features are kept (default: $STYLEGROW_CACHE, else ~/.cache/stylegrow)"""
    batch: Integer = None
    """images drawn at once (default: what memory holds)"""
    dtype: Dtype = "float32"
    """of the generator's convolutions"""
    workers: Integer = None
    """processes that prepare images (default: one a core)"""

    def run(self) -> None:
        """Evaluate, and print and write the results. Raises InputError, OSError."""
        check(self)
        evaluate_models(self)


def check(options: Options) -> None:
    """InputError for what is wrong with the options themselves, before anything is loaded."""
    if options.metrics is not None:
        check_names(names_in(options.metrics), options.features != "embedded")
    for name, least in (("samples", 1), ("seed", 0), ("batch", 1), ("workers", 1)):
        given = getattr(options, name)
        if given is not None and given < least:
            raise InputError(f"--{name} {given}: give a whole number of at least {least}")
    for name, path in (("out", options.out), ("figure", options.figure)):
        if path is not None:
            if not expanded(path).parent.is_dir():
                raise InputError(f"--{name} {printable(path)}: there is no such folder; make it first")
            check_file(path, f"--{name}")


def evaluate_models(options: Options) -> None:
    """Evaluate the model and those beside it, print the tables, and write the files."""
    import torch

    from stylegrow.metrics.evaluation import Evaluator
    from stylegrow.metrics.reals import kind_of
    from stylegrow.models import find_model, read_config
    from stylegrow.models.folders import name_of

    facts = read_config(options.model)["training"]
    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
    generator, setting = open_model(options.model, options, device)
    others = {name: open_model(name, options, device) for name in names_in(options.beside or "")}
    for name, (other, _) in others.items():
        check_alike(name, other, generator)
    dataset = open_data(options.model, options.data, generator.resolution, options.cache, options.workers)
    names = usual(kind_of(dataset)) if options.metrics is None else names_in(options.metrics)
    start = time.monotonic()
    evaluator = Evaluator(
        dataset, names, options.samples, resolution=generator.resolution,
        features=options.features, seed=options.seed, mirror=options.mirror, held_out=held_out_of(dataset, facts),
        cond=facts.get("labels"), cache=options.cache, device=device or "cpu", batch=options.batch or 0,
    )  # fmt: skip
    encoder = open_encoder(options.model, generator) if "reconstruction" in names else None
    results, anchors = evaluator.evaluate(generator, setting, encoder), {}
    if options.anchors:
        anchors = {"blurred 1 px": evaluator.blurred(), "noise of 1 grey level": evaluator.noisy()}
    titles = [name_of(name, find_model(name)) for name in others]
    for title, (name, (other, other_setting)) in zip(titles, others.items(), strict=True):
        # Folders of equal names are told apart by their paths.
        encoder = open_encoder(name, other) if "reconstruction" in names else None
        anchors[title if titles.count(title) == 1 else name] = evaluator.evaluate(other, other_setting, encoder)
    heading = f"{options.model} against {dataset.name}, seed {options.seed}"
    heading += "" if options.trunc is None else f", psi {setting.psi:g}"
    print(f"{printable(heading)}, {time.monotonic() - start:.0f} s")
    report(results, anchors)
    write(options, results, anchors, {"parameters": heading, "Source": dataset.credit or dataset.source})


def open_model(name: str, options: Options, device: torch.device | None) -> tuple[Generator, Setting]:
    """A model's generator, and the stage that it reached with the truncation of the options and random noise.

    InputError for a truncation where there is none.
    """
    import torch

    from stylegrow.architectures import has_styles
    from stylegrow.models import load_generator, read_config
    from stylegrow.models.config import stage_reached
    from stylegrow.sampling.generation import Setting
    from stylegrow.sampling.sampler import check_psi

    generator = load_generator(name)
    generator.to(device).compute_dtype = None if options.dtype == "float32" else torch.bfloat16
    if options.trunc is not None and not has_styles(generator):
        raise InputError(f"--trunc {options.trunc:g}: is for StyleGAN, and this model is a ProGAN; leave it out")
    psi = 1.0 if options.trunc is None else options.trunc
    check_psi(psi, "--trunc")
    stage, alpha = stage_reached(read_config(name)["training"], generator.resolution)
    return generator, Setting(psi, noise="random", resolution=stage, alpha=alpha)


def open_encoder(name: str, decoder: Generator) -> vae.Encoder | None:
    """The encoder beside a VAE's decoder, on its device; None of another network. ModelError where there is none."""
    from stylegrow.architectures import architecture_of
    from stylegrow.models import load_encoder

    if architecture_of(decoder).adversarial:
        return None
    return load_encoder(name).to(next(decoder.parameters()).device)


def open_data(model: str, data: str | None, resolution: int, cache: str | None, workers: int | None) -> Dataset:
    """The data set of --data, by default what the model was trained on. Raises DataError."""
    from stylegrow.data import open_dataset
    from stylegrow.data.trained_on import open_training_data
    from stylegrow.models import find_model, read_config

    if data is not None:
        return open_dataset(data, resolution=resolution, cache=cache, workers=workers)
    return open_training_data(find_model(model), read_config(model)["training"], resolution, cache, workers)


def check_alike(name: str, other: Generator, generator: Generator) -> None:
    """InputError when another model's images cannot be compared with the same real ones."""
    for what in ("resolution", "image_channels", "label_dim"):
        theirs, ours = getattr(other.config, what), getattr(generator.config, what)
        if theirs != ours:
            raise InputError(
                f"--beside {printable(name)}: its {what} is {theirs}, the other model's {ours}; leave it out"
            )


def held_out_of(dataset: Dataset, facts: dict[str, Any]) -> np.ndarray | None:
    """The images that the model's training held out, where its facts name images of this data set; else None."""
    import numpy as np

    from stylegrow.common.held_out import public_name

    places = {public_name(name): place for place, name in enumerate(dataset.names)}
    names = facts.get("held_out")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name in places for name in names):
        return None
    return np.array([places[name] for name in names])


def report(results: list[Result], anchors: dict[str, list[Result]]) -> None:
    """Print the tables."""
    from stylegrow.metrics.results import attribute_table, observable_tables, table

    for name in dict.fromkeys(result.features for result in results if result.features):
        which = ", ".join(result.name for result in results if result.features == name)
        print(f"{which}: by {name}")
    for lines in (table(results, anchors), attribute_table(results), *observable_tables(results)):
        if lines:
            print("", *lines, sep="\n")


def write(
    options: Options, results: list[Result], anchors: dict[str, list[Result]], image_texts: dict[str, str]
) -> None:
    """Write --figure where there is one, and --out: all results as a JSON file."""
    from stylegrow.common.files import write_whole
    from stylegrow.rendering.grids import save_png

    for result in results:
        if result.figure is not None:
            save_png(result.figure, expanded(options.figure), image_texts)
            print(f"\nnearest training images: {printable(options.figure)}")
    if options.out is not None:
        content = {
            "options": vars(options),
            "results": [result.to_json() for result in results],
            "anchors": {name: [result.to_json() for result in found] for name, found in anchors.items()},
        }
        write_whole(expanded(options.out), (json.dumps(content, indent=2) + "\n").encode())
