"""What a run will do, with every default filled in: the content of options.json."""

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zoo
from data import Dataset
from train.errors import OptionError
from train.options import Options, PrecisionName, flag
from train.schedule import Preset, Schedule, preset, preset_for
from train.trainer import Recipe

FORMAT_VERSION = 1

# Options that may differ when a run is resumed; where it is found and what the command is to do are no part of the run.
RESUMABLE = {
    "kimg", "snapshot_kimg", "checkpoint_kimg", "keep", "log_with", "batch_per_device", "mixed_precision",
}  # fmt: skip
OUTSIDE = {"out", "resume", "dry_run"}


@dataclass(frozen=True)
class Plan:
    """A run, decided: options without gaps, the schedule, both networks' arguments, and facts of the data."""

    architecture: str
    options: Options
    schedule: Schedule
    generator: Mapping[str, Any]
    discriminator: Mapping[str, Any]
    data: Mapping[str, Any]
    processes: int

    @property
    def images(self) -> int:
        """The length of the run in real pictures shown."""
        assert self.options.kimg is not None
        return round(self.options.kimg * 1000)

    @property
    def recipe(self) -> Recipe:
        """The part of the options that the step needs."""
        names = [field.name for field in dataclasses.fields(Recipe)]
        return Recipe(**{name: getattr(self.options, name) for name in names})

    def to_json(self) -> str:
        """The text of options.json."""
        return (
            json.dumps({"format_version": FORMAT_VERSION} | dataclasses.asdict(self), indent=2, ensure_ascii=False)
            + "\n"
        )

    @classmethod
    def read(cls, run: Path) -> "Plan":
        """The plan of a run folder. OptionError when there is none that this version can read."""
        path = run / "options.json"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise OptionError(f"--resume {run}: is not a run folder, options.json is missing") from None
        except (OSError, ValueError) as error:
            raise OptionError(f"--resume: {path} cannot be read ({error})") from None
        if content.pop("format_version", None) != FORMAT_VERSION:
            raise OptionError(f"--resume: {path} was written by another version of this program")
        try:
            tables: dict[str, Callable[[str], float]] = {"batch": int, "lr": float}
            for name in tables:
                content["schedule"][name] = {int(r): value for r, value in content["schedule"][name].items()}
            content |= {"options": Options(**content["options"]), "schedule": Schedule(**content["schedule"])}
            return cls(**content)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise OptionError(f"--resume: {path} is damaged ({error})") from None


def make_plan(architecture: str, options: Options, dataset: Dataset, processes: int, precision: PrecisionName) -> Plan:
    """Fill the gaps of the options from preset, data and --init-from's model. OptionError if they clash."""
    chosen = choose_preset(options, dataset, processes)
    model = zoo.read_config(options.init_from) if options.init_from else None
    options = dataclasses.replace(
        options,
        data=None if options.data is None else dataset.source,
        preset=chosen.name,
        resolution=dataset.resolution,
        start_resolution=options.start_resolution or start_of(chosen, dataset.resolution, model),
        ema_kimg=chosen.ema_kimg if options.ema_kimg is None else options.ema_kimg,
        mixed_precision=precision,
        **{name: getattr(options, name) or getattr(chosen, name) for name in ("fmap_base", "fmap_max", "z_dim")},
    )
    schedule = make_schedule(options, chosen, processes)
    options = dataclasses.replace(options, stable_kimg=schedule.stable_kimg, fade_kimg=schedule.fade_kimg)
    kimg = options.kimg or max(chosen.total_kimg, schedule.growing_kimg + schedule.stable_kimg + schedule.fade_kimg)
    snapshot = options.snapshot_kimg or min(kimg / 20, 50.0)
    options = dataclasses.replace(
        options, kimg=kimg, snapshot_kimg=snapshot, checkpoint_kimg=options.checkpoint_kimg or snapshot
    )
    classes = classes_of(options, dataset)
    shared = {
        "resolution": dataset.resolution,
        "label_dim": len(classes),
        "image_channels": dataset.channels,
        "fmap_base": options.fmap_base,
        "fmap_max": options.fmap_max,
    }
    generator, discriminator = shared | {"z_dim": options.z_dim}, shared | {"mbstd_group": chosen.mbstd_group}
    if model is not None:
        generator, discriminator = adopt(model, generator, discriminator, options)
    training, held_out = dataset.split(options.holdout)
    data = {
        "name": dataset.name,
        "source": dataset.source,
        "prepared": str(dataset.path),
        "pictures": len(training),
        "credit": dataset.credit,
        "classes": classes,
        "held_out": [dataset.names[int(index)] for index in held_out],
    }
    return Plan(architecture, options, schedule, generator, discriminator, data, processes)


def choose_preset(options: Options, dataset: Dataset, processes: int) -> Preset:
    """The preset asked for, or that of the embedded faces, of small pictures, or of so many processes."""
    default = (
        "toonhead" if dataset.name == "toonhead" else "small" if dataset.resolution <= 64 else preset_for(processes)
    )
    try:
        return preset(options.preset or default, dataset.resolution)
    except ValueError as error:
        raise OptionError(f"--preset: {error}") from None


def start_of(chosen: Preset, resolution: int, model: Mapping[str, Any] | None) -> int:
    """Where growing starts: at the preset's resolution, or where the model to start from has arrived."""
    start = chosen.start_resolution if model is None else model["training"].get("resolution", resolution)
    return min(start, resolution)


def make_schedule(options: Options, chosen: Preset, processes: int) -> Schedule:
    """The schedule. The preset's batches are made divisible by the process count, a given one must be."""
    if options.batch is not None and options.batch % processes:
        raise OptionError(
            f"--batch {options.batch}: {processes} processes cannot share it; give a multiple of {processes}"
        )
    try:
        schedule = chosen.schedule(
            options.resolution or 0,
            start_resolution=options.start_resolution,
            stable_kimg=options.stable_kimg,
            fade_kimg=options.fade_kimg,
            batch=options.batch,
            lr=options.lr,
        )
    except ValueError as error:
        raise OptionError(f"--start-resolution {options.start_resolution}: {error}") from None
    return schedule.for_processes(processes)


def classes_of(options: Options, dataset: Dataset) -> list[str]:
    """The names of the classes to train with; none without --cond. OptionError where the data has no such labels."""
    if options.cond is None:
        return []
    attribute = options.cond
    if attribute not in dataset.attributes:
        there = ", ".join(dataset.attributes) or "none"
        raise OptionError(f"--cond {attribute}: the data has no such labels (there: {there})")
    return list(dataset.classes(attribute))


def adopt(
    model: Mapping[str, Any], generator: dict[str, Any], discriminator: dict[str, Any], options: Options
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The arguments of the model to start from. OptionError where the data or an option asks for others."""
    for name in ("resolution", "label_dim", "image_channels"):
        if model["generator"][name] != generator[name]:
            raise OptionError(
                f"--init-from {options.init_from}: the model's {name} is {model['generator'][name]}, "
                f"the data's {generator[name]}"
            )
    return model["generator"], model.get("discriminator") or discriminator | {
        name: model["generator"][name] for name in ("fmap_base", "fmap_max")
    }


def check_resumed(stored: Plan, options: Options, dataset: Dataset | None = None) -> None:
    """OptionError that names an option, and both values, in which a resumed run may not differ."""
    for field in dataclasses.fields(Options):
        before, now = getattr(stored.options, field.name), getattr(options, field.name)
        if before != now and field.name not in RESUMABLE | OUTSIDE:
            raise OptionError(f"{flag(field.name)} {now}: the run was started with {before}; leave the option out")


def find_run(resume: str, out: str) -> Path:
    """The run folder to continue: the one named, or the newest under --out. OptionError when there is none."""
    if resume != "newest":
        return Path(resume).expanduser()
    folder = Path(out).expanduser()
    runs = sorted(path.parent for path in folder.glob("[0-9]*-*/options.json"))
    if not runs:
        raise OptionError(f"--resume: there is no run in {folder}; leave the option out to start one")
    return max(runs, key=lambda run: int(run.name.split("-")[0]))
