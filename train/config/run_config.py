"""What a run will do, with every default filled in: the content of options.json."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stylegrow.architectures import ARCHITECTURES
from stylegrow.common.errors import InputError
from stylegrow.common.text import printable
from stylegrow.data import Dataset
from stylegrow.models import read_config
from train.config.options import Options, PrecisionName, check, flag, shown
from train.config.presets import Preset, preset, preset_for
from train.config.schedule import Schedule, to_images
from train.step.config import StepConfig

if TYPE_CHECKING:
    from stylegrow.architectures import Discriminator, Generator

FORMAT_VERSION = 1
METRICS_SAMPLES = 1000

# Options that may differ when a run is resumed; where it is found and what the command is to do are no part of the run.
RESUMABLE = {
    "kimg", "snapshot_kimg", "checkpoint_kimg", "keep", "log_with", "batch_per_device", "mixed_precision",
    "metrics", "metrics_kimg", "metrics_samples",
}  # fmt: skip
OUTSIDE = {"out", "resume", "dry_run"}

# What a model to start from has to have in common with the data, and what to do where it has not.
SHARED = {
    "resolution": "give the model's --resolution",
    "label_dim": "--cond decides about labels",
    "image_channels": "take a model of pictures with as many channels",
}


@dataclass(frozen=True)
class RunConfig:
    """A run, decided: options without gaps, the schedule, both networks' arguments, and facts of the data.

    `command` started it, and `hardware` is all that it has trained on, in order; runs of before these were noted have
    none.
    """

    architecture: str
    options: Options
    schedule: Schedule
    generator: Mapping[str, Any]
    discriminator: Mapping[str, Any]
    data: Mapping[str, Any]
    processes: int
    command: str | None = None
    hardware: tuple[str, ...] = ()

    @property
    def images(self) -> int:
        """The length of the run in real pictures shown."""
        return to_images(self.options.kimg or 0)

    @property
    def step(self) -> StepConfig:
        """The part of the options that the step needs."""
        given = {field.name: getattr(self.options, field.name) for field in dataclasses.fields(StepConfig)}
        return StepConfig(**{name: value for name, value in given.items() if value is not None})

    def build(self) -> tuple[Generator, Discriminator]:
        """The run's networks, with new weights."""
        architecture = ARCHITECTURES[self.architecture]
        generator = architecture.generator.from_config(self.generator)
        return generator, architecture.discriminator.from_config(self.discriminator)

    def at_once(self, resolution: int) -> int:
        """How many pictures a process takes at once at this resolution."""
        share = max(self.schedule.batch[resolution] // self.processes, 1)
        return min(share, self.options.batch_per_device or share)

    def to_json(self) -> str:
        """The text of options.json."""
        # In ASCII, since file names may hold what no encoding can write.
        return json.dumps({"format_version": FORMAT_VERSION} | dataclasses.asdict(self), indent=2) + "\n"

    @classmethod
    def read(cls, run: Path) -> RunConfig:
        """The plan of a run folder. InputError when there is none that this version can read."""
        path = run / "options.json"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            raise InputError(f"--resume {run}: is not a run folder, options.json is missing") from None
        except (OSError, ValueError) as error:
            raise InputError(f"--resume: {path} cannot be read ({error}); put back the run's own") from None
        if not isinstance(content, dict) or content.pop("format_version", None) != FORMAT_VERSION:
            raise InputError(f"--resume: {path} was written by another version of this program; continue it with that")
        try:
            tables: dict[str, Callable[[str], float]] = {"batch": int, "lr": float}
            for name in tables:
                content["schedule"][name] = {int(r): value for r, value in content["schedule"][name].items()}
            if betas := content["options"].get("betas"):
                content["options"]["betas"] = tuple(betas)
            content["hardware"] = tuple(content.get("hardware", ()))
            content |= {"options": Options(**content["options"]), "schedule": Schedule(**content["schedule"])}
            check(content["options"], content["architecture"])
            return cls(**content)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"--resume: {path} is damaged ({error}); put back the run's own") from None


def make_run_config(
    architecture: str, options: Options, dataset: Dataset, processes: int, precision: PrecisionName
) -> RunConfig:
    """Fill the gaps of the options from preset, data and --init-from's model. InputError if they clash."""
    chosen = choose_preset(architecture, options, dataset, processes)
    model = read_config(options.init_from) if options.init_from else None
    if model is not None and model["architecture"] != architecture:
        raise InputError(
            f"--init-from {options.init_from}: is a model of {model['architecture']}; take one of {architecture}"
        )
    styled = ARCHITECTURES[architecture].has_styles
    options = replace(
        options,
        preset=chosen.name,
        resolution=dataset.resolution,
        start_resolution=options.start_resolution or start_of(chosen, dataset.resolution, model),
        loss=chosen.loss if options.loss is None else options.loss,
        spectral_norm=options.spectral_norm or chosen.spectral_norm,
        n_critic=options.n_critic or chosen.n_critic,
        betas=options.betas or chosen.betas,
        ema_kimg=chosen.ema_kimg if options.ema_kimg is None else options.ema_kimg,
        g_lr_ratio=options.g_lr_ratio or chosen.g_lr_ratio,
        noise_lr_ratio=(options.noise_lr_ratio or chosen.noise_lr_ratio) if styled else None,
        mixing=(chosen.mixing if options.mixing is None else options.mixing) if styled else None,
        mixed_precision=precision,
        **of_the_model(options, chosen, model, architecture),
    )
    schedule = make_schedule(options, chosen, processes)
    options = with_lengths(options, chosen, schedule)
    facts = facts_of(dataset, options)
    options = with_metrics(options, facts["pictures"])
    generator, discriminator = networks(architecture, options, chosen, len(facts["classes"]), dataset, model)
    return RunConfig(architecture, options, schedule, generator, discriminator, facts, processes)


def choose_preset(architecture: str, options: Options, dataset: Dataset, processes: int) -> Preset:
    """The preset asked for, or that of the embedded faces, of small pictures, or of so many processes."""
    if dataset.name == "toonhead":
        default = "toonhead"
    else:
        default = "small" if dataset.resolution <= 64 else preset_for(architecture, processes)
    chosen = preset(architecture, options.preset or default, dataset.resolution)
    return chosen.for_loss(options.loss or chosen.loss, options.spectral_norm or chosen.spectral_norm)


def start_of(chosen: Preset, resolution: int, model: Mapping[str, Any] | None) -> int:
    """Where growing starts: at the preset's resolution, or where the model to start from has arrived."""
    start = chosen.start_resolution if model is None else model["training"].get("resolution", resolution)
    return min(start, resolution)


def of_the_model(
    options: Options, chosen: Preset, model: Mapping[str, Any] | None, architecture: str
) -> dict[str, Any]:
    """The options that are the networks' own: as the model to start from, as the options say, or as the preset does."""
    found: dict[str, Any] = {}
    own = None
    if model is not None:
        own = model["generator"] | {"blur": "yes" if model["generator"].get("blur_filter") else "no"}
    styled = ARCHITECTURES[architecture].has_styles
    for name in ("fmap_base", "fmap_max", "z_dim", *(("blur", "mapping_lrmul") if styled else ())):
        given = getattr(options, name)
        found[name] = given or getattr(chosen, name)
        if own is not None:
            found[name] = own[name]
            if given not in (None, found[name]):
                raise InputError(
                    f"{flag(name)} {given}: the model of --init-from has {found[name]}; leave the option out"
                )
    return found


def make_schedule(options: Options, chosen: Preset, processes: int) -> Schedule:
    """The schedule. The preset's batches are made divisible by the process count, a given one must be."""
    if options.batch is not None and options.batch % processes:
        raise InputError(
            f"--batch {options.batch}: {processes} processes cannot share it; give a multiple of {processes}"
        )
    assert options.resolution is not None
    try:
        schedule = chosen.schedule(
            options.resolution,
            start_resolution=options.start_resolution,
            stable_kimg=options.stable_kimg,
            fade_kimg=options.fade_kimg,
            batch=options.batch,
            lr=options.lr,
        )
    except ValueError as error:
        raise InputError(f"--start-resolution {options.start_resolution}: {error}; give a lower one") from None
    return schedule.for_processes(processes)


def with_lengths(options: Options, chosen: Preset, schedule: Schedule) -> Options:
    """The options with all lengths: of the stages, of the run, and between two snapshots and checkpoints."""
    kimg = options.kimg or max(chosen.total_kimg, schedule.growing_kimg + schedule.stable_kimg + schedule.fade_kimg)
    snapshot = options.snapshot_kimg or min(kimg / 20, 50.0)
    return replace(
        options,
        stable_kimg=schedule.stable_kimg,
        fade_kimg=schedule.fade_kimg,
        kimg=kimg,
        snapshot_kimg=snapshot,
        checkpoint_kimg=options.checkpoint_kimg or snapshot,
    )


def with_metrics(options: Options, pictures: int) -> Options:
    """The options with how often metrics are measured, and on how many of the training pictures; if they are at all."""
    if options.metrics == "none":
        return replace(options, metrics_kimg=None, metrics_samples=None)
    return replace(
        options,
        metrics_kimg=options.metrics_kimg or options.snapshot_kimg,
        metrics_samples=options.metrics_samples or min(METRICS_SAMPLES, pictures // 2),
    )


def facts_of(dataset: Dataset, options: Options) -> dict[str, Any]:
    """What a run notes of its data. InputError where the data has no such labels as --cond asks for."""
    training, held_out = dataset.split(options.holdout)
    classes: list[str] = []
    if options.cond is not None:
        if options.cond not in dataset.attributes:
            there = f"choose from {', '.join(dataset.attributes)}" if dataset.attributes else "it has no labels"
            raise InputError(f"--cond {options.cond}: the data has no such labels; {there}")
        classes = [printable(name) for name in dataset.classes(options.cond)]
    return {
        "name": dataset.name,
        "source": dataset.source,
        "prepared": str(dataset.path),
        "pictures": len(training),
        "credit": dataset.credit,
        "classes": classes,
        "held_out": [dataset.names[int(index)] for index in held_out],
    }


def networks(
    architecture: str,
    options: Options,
    chosen: Preset,
    label_dim: int,
    dataset: Dataset,
    model: Mapping[str, Any] | None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The arguments of generator and discriminator. InputError where the model to start from does not fit the data."""
    assert options.resolution is not None
    assert options.fmap_base is not None
    shared: dict[str, Any] = {
        "resolution": options.resolution,
        "label_dim": label_dim,
        "image_channels": dataset.channels,
    }
    if model is not None:
        for name, advice in SHARED.items():
            if model["generator"][name] != shared[name]:
                raise InputError(
                    f"--init-from {options.init_from}: the model's {name} is {model['generator'][name]}, "
                    f"the data's {shared[name]}; {advice}"
                )
    elif options.fmap_base < options.resolution // 2:
        raise InputError(
            f"--fmap-base {options.fmap_base}: leaves no feature map at {options.resolution} px; "
            f"give at least {options.resolution // 2}"
        )
    shared |= {"fmap_base": options.fmap_base, "fmap_max": options.fmap_max}
    weights = {"equalized_lr": chosen.equalized_lr}
    if not chosen.equalized_lr:
        shared |= weights
    generator, discriminator = shared | {"z_dim": options.z_dim}, shared | {"mbstd_group": chosen.mbstd_group}
    if ARCHITECTURES[architecture].has_styles:
        generator |= {
            "w_dim": options.z_dim,
            "mapping_fmaps": options.z_dim,
            "mapping_lrmul": options.mapping_lrmul,
        }
        if options.blur == "no":
            generator |= {"blur_filter": None}
            discriminator |= {"blur_filter": None}
    if model is None:
        return generator, discriminator
    return model["generator"] | weights, (model.get("discriminator") or discriminator) | weights


def check_resumed(stored: RunConfig, options: Options) -> None:
    """InputError that names an option, and both values, in which a resumed run may not differ."""
    for field in dataclasses.fields(Options):
        before, now = getattr(stored.options, field.name), getattr(options, field.name)
        if before != now and field.name not in RESUMABLE | OUTSIDE:
            raise InputError(
                f"{as_given(field.name, now)}: the run was started {was_given(field.name, before)}; "
                "leave the option out, or start a new run"
            )


def as_given(name: str, value: Any) -> str:
    """An option and its value as on the command line."""
    if isinstance(value, bool):
        return flag(name) if value else f"--no{flag(name)[1:]}"
    return f"{flag(name)} {shown(value)}"


def was_given(name: str, value: Any) -> str:
    """How a run was started as to this option."""
    return f"without {flag(name)}" if value is None else f"with {as_given(name, value)}"


def resumed_config(stored: RunConfig, options: Options, processes: int) -> RunConfig:
    """The stored plan with what may differ. InputError when the processes cannot share its batches."""
    for resolution, batch in stored.schedule.batch.items():
        if batch % processes:
            raise InputError(
                f"--resume: the run's batch of {batch} at {resolution} px cannot be shared by {processes} processes; "
                f"start as many as divide it (it was started with {stored.processes})"
            )
    options = replace(options, out=stored.options.out, resume=None, dry_run=False)
    options = with_metrics(options, stored.data["pictures"])
    return replace(stored, options=options, processes=processes)


def differences(stored: RunConfig, plan: RunConfig) -> list[str]:
    """What a resumed run does differently from here on, a line each."""
    lines = []
    for field in dataclasses.fields(Options):
        before, now = getattr(stored.options, field.name), getattr(plan.options, field.name)
        if before != now:
            lines.append(f"{flag(field.name)} is now {shown(now)}; it was {shown(before)}")
    if stored.processes != plan.processes:
        lines.append(f"{plan.processes} processes; there were {stored.processes}")
    return lines
