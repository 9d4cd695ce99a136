"""What a run will do, with every default filled in: the content of options.json."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, PositiveInt

from stylegan.config import BLUR
from stylegrow.architectures import ARCHITECTURES
from stylegrow.common.errors import InputError
from stylegrow.common.files import write_whole
from stylegrow.common.schema import LARGEST_LIST, check, check_fields, load_json, read_bounded
from stylegrow.data import Dataset
from train.config.checks import checked
from train.config.data import Facts, check_mirror, facts_of, knows_energies, label_arguments, sums_arguments
from train.config.init_from import blur_of, model_for, options_of, stage_of, widths_of
from train.config.memory import room
from train.config.options import ABOUT, Options
from train.config.presets import Preset, choose_preset
from train.config.schedule import Schedule, to_images
from train.step.config import PrecisionName, StepConfig
from train.step.parts import part_size, part_sizes

if TYPE_CHECKING:
    from stylegrow.architectures import Generator, GeneratorConfig, Partner, PartnerConfig

FORMAT_VERSION = 1
METRICS_SAMPLES = 1000


class Stored(BaseModel):
    """What options.json holds beside its version, of which most is checked later, as what it is."""

    model_config = ConfigDict(strict=True, extra="forbid")

    architecture: str
    options: dict[str, Any]
    schedule: dict[str, Any]
    generator: dict[str, Any]
    discriminator: dict[str, Any]
    data: Facts
    processes: PositiveInt
    command: str | None = None
    hardware: Sequence[str] = ()


@dataclass(frozen=True)
class RunConfig:
    """A run, decided: options without gaps, the schedule, both networks' configurations, and facts of the data.

    `discriminator` is that of the network beside the generator: of a VAE, the encoder.

    `command` starts such a run, and `hardware` is all that it has trained on, in order.
    """

    architecture: str
    options: Options
    schedule: Schedule
    generator: GeneratorConfig
    discriminator: PartnerConfig
    data: Facts
    processes: int
    command: str | None = None
    hardware: tuple[str, ...] = ()

    @property
    def step(self) -> StepConfig:
        """The step's configuration, which the options contain."""
        return self.options

    @property
    def objective(self) -> str:
        """What is trained by."""
        return (
            self.options.loss if ARCHITECTURES[self.architecture].adversarial else f"ELBO, beta {self.options.beta:g}"
        )

    @property
    def images(self) -> int:
        """The length of the run in real images shown."""
        return to_images(self.options.kimg or 0)

    def build(self) -> tuple[Generator, Partner]:
        """The run's networks, with new weights."""
        architecture = ARCHITECTURES[self.architecture]
        generator = architecture.generator.from_config(self.generator)
        return generator, architecture.network_class(architecture.partner).from_config(self.discriminator)

    @property
    def holdout(self) -> int | list[str] | None:
        """How many images are held out, or their names where these were listed when the run began."""
        listed: list[str] = self.data["held_out"]
        return listed if isinstance(self.options.holdout, str) else self.options.holdout

    def share(self, resolution: int) -> int:
        """How many images of a batch a process takes at this resolution."""
        return max(self.schedule.batch[resolution] // self.processes, 1)

    def at_once(self, resolution: int) -> int:
        """How many of them it takes at once."""
        return part_size(self.share(resolution), self.discriminator, self.options.batch_per_device)

    def within(self, gpu: float) -> RunConfig:
        """The same, with batches in parts where a GPU of so many gigabytes has no room for a process's share at once.

        One --batch-per-device holds for all stages, and one that is given stays.
        """
        if self.options.batch_per_device is not None:
            return self
        most = []
        for r in self.schedule.batch:
            sizes = part_sizes(self.share(r), self.discriminator)
            space = room(self.architecture, self.options, r, self.options.mixed_precision, gpu)
            fitting = max([size for size in sizes if size <= space], default=sizes[0])
            if fitting < self.share(r):
                most.append(fitting)
        options = self.options.but(batch_per_device=max(min(most), self.least_at_once) if most else None)
        return replace(self, options=options)

    @property
    def least_at_once(self) -> int:
        """The least that --batch-per-device may be."""
        return max(part_sizes(self.share(resolution), self.discriminator)[0] for resolution in self.schedule.batch)

    def checked(self) -> RunConfig:
        """This configuration. InputError where its --batch-per-device would change the objective."""
        most, least = self.options.batch_per_device, self.least_at_once
        if most is not None and most < least:
            raise InputError(
                f"--batch-per-device {most}: the critic's minibatch standard deviation compares {least} images; "
                f"give at least {least}"
            )
        return self

    def check_data(self, dataset: Dataset) -> None:
        """InputError where the pictures of this machine are not those that the run is for."""
        training, held_out = dataset.split(self.holdout)
        there = [dataset.names[int(index)] for index in held_out]
        shape = (dataset.resolution, dataset.channels, len(training), there)
        wanted = (self.generator.resolution, self.generator.image_channels, self.data["pictures"])
        if shape != (*wanted, list(self.data["held_out"])):
            raise InputError(
                f"{dataset.source}: {len(training)} pictures of {dataset.resolution} px that are not the "
                f"{self.data['pictures']} of this run; every machine needs the same"
            )

    def option_values(self) -> dict[str, Any]:
        """All options by name; those of other architectures are None."""
        values = asdict(self.options)
        return {name: v if ABOUT[name].belongs_to(self.architecture) else None for name, v in values.items()}

    def write(self, run: Path) -> None:
        """Write options.json in a run folder. OSError when it cannot be written."""
        content = {"format_version": FORMAT_VERSION} | asdict(self) | {"options": self.option_values()}
        # In ASCII, since file names may hold what no encoding can write.
        write_whole(run / "options.json", (json.dumps(content, indent=2) + "\n").encode())

    @classmethod
    def read(cls, run: Path) -> RunConfig:
        """The configuration of a run folder. InputError when there is none that this version can read."""
        path = run / "options.json"
        try:
            content = load_json(read_bounded(path, LARGEST_LIST), LARGEST_LIST)
        except (FileNotFoundError, NotADirectoryError):
            raise InputError(f"--resume {run}: is not a run folder, options.json is missing") from None
        except (OSError, ValueError) as error:
            raise InputError(f"--resume: {path} cannot be read ({error}); put back the run's own") from None
        if not isinstance(content, dict) or content.pop("format_version", None) != FORMAT_VERSION:
            raise InputError(f"--resume: {path} was written by another version of this program; continue it with that")
        try:
            stored = dict(check(content, Stored))
            record = ARCHITECTURES[stored["architecture"]]
            options, schedule = stored["options"], stored["schedule"]
            for name in ("batch", "lr"):
                schedule[name] = {int(r): value for r, value in schedule[name].items()}
            options["betas"] = tuple(options["betas"])
            stored["options"] = checked(Options(**options), record.name)
            stored["schedule"] = check_fields(schedule, Schedule)
            stored["generator"] = check_fields(stored["generator"], record.generator_config)
            stored["discriminator"] = check_fields(stored["discriminator"], record.partner_config)
            return cls(**stored | {"hardware": tuple(stored["hardware"])})
        except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
            raise InputError(f"--resume: {path} is damaged ({error}); put back the run's own") from None


def make_run_config(
    architecture: str,
    asked: Options,
    dataset: Dataset,
    processes: int,
    precision: PrecisionName,
    gpu: float | None = None,
) -> RunConfig:
    """Fill the gaps of what is asked for from preset, data and --init-from's model. InputError if they clash.

    `gpu` is the memory in gigabytes of the GPU that each process has, None on other devices.
    """
    chosen = choose_preset(architecture, asked, dataset, processes, precision, gpu).for_objective(asked)
    facts = facts_of(dataset, asked)
    arguments = {
        "resolution": dataset.resolution,
        "image_channels": dataset.channels,
        "equalized_lr": chosen.equalized_lr,
        **label_arguments(dataset, asked),
    }
    model = model_for(architecture, asked)
    by_model = options_of(model, asked, dataset.resolution)
    chosen = chosen.for_length(asked.but(**by_model | asked.given), dataset.resolution)
    layers = chosen.options.given | {"start_resolution": min(chosen.options.start_resolution, dataset.resolution)}
    layers |= by_model | asked.given
    layers |= {"preset": chosen.name, "resolution": dataset.resolution, "mixed_precision": precision}
    options = Options(**layers)
    if options.blur == "auto":
        options = options.but(blur=blur_of(ARCHITECTURES[architecture].generator_config()))
    if "channel_sums" not in by_model | asked.given and not knows_energies(dataset, options):
        options = options.but(channel_sums=False)  # the preset's
    check_mirror(options, dataset)
    check_margin(options)
    schedule = make_schedule(options, chosen, processes)
    if model is not None and "start_resolution" not in asked.given:
        schedule = replace(schedule, start_alpha=stage_of(model, dataset.resolution)[1])
    kimg = asked.kimg or chosen.kimg(schedule)
    snapshot = options.snapshot_kimg or min(kimg / 20, 50.0)
    options = options.but(kimg=kimg, snapshot_kimg=snapshot, checkpoint_kimg=options.checkpoint_kimg or snapshot)
    options = with_metrics(options, facts["pictures"])
    schedule = with_decay(schedule, options)
    arguments |= sums_arguments(dataset, options)
    arguments |= {"margin": options.margin, "repeat_edges_from": options.repeat_edges_from} | widths_of(model, asked)
    if options.blur != by_model.get("blur"):
        arguments["blur_filter"] = None if options.blur == "no" else BLUR
    generator, discriminator = network_configs(architecture, options, arguments, chosen.mbstd_group, model)
    config = RunConfig(architecture, options, schedule, generator, discriminator, facts, processes)
    return (config if gpu is None else config.within(gpu)).checked()


def make_schedule(options: Options, chosen: Preset, processes: int) -> Schedule:
    """The schedule. The preset's batches are made divisible by the process count, a given one must be."""
    check_batch(options, processes)
    assert options.resolution is not None
    try:
        schedule = chosen.schedule(options.resolution, options).for_processes(processes)
    except ValueError as error:
        raise InputError(f"--start-resolution {options.start_resolution}: {error}; give a lower one") from None
    return schedule if isinstance(options.blur, str) else replace(schedule, blur_kimg=options.blur)


def check_batch(options: Options, processes: int) -> None:
    """InputError where processes cannot share a --batch that is given."""
    if options.batch is not None and options.batch % processes:
        raise InputError(
            f"--batch {options.batch}: {processes} processes cannot share it; give a multiple of {processes}"
        )


def check_margin(options: Options) -> None:
    """InputError for a --margin that leaves nothing of the images."""
    assert options.resolution is not None
    if 2 * options.margin >= options.resolution:
        raise InputError(
            f"--margin {options.margin}: leaves nothing of {options.resolution} px; give less than "
            f"{options.resolution // 2}"
        )


def with_decay(schedule: Schedule, options: Options) -> Schedule:
    """The schedule with the fall of the learning rates to the end of the run. InputError for one that is longer."""
    assert options.kimg is not None
    try:
        return replace(schedule, kimg=options.kimg, lr_decay_kimg=options.lr_decay_kimg)
    except ValueError:
        raise InputError(
            f"--lr-decay-kimg {options.lr_decay_kimg:g}: the training has {options.kimg:g} kimg; give at most those"
        ) from None


def with_metrics(options: Options, images: int) -> Options:
    """The options with how often metrics are evaluated, and on how many of the training images; if they are at all."""
    if options.metrics == "none":
        return options.but(metrics_kimg=None, metrics_samples=None)
    return options.but(
        metrics_kimg=options.metrics_kimg or options.snapshot_kimg,
        metrics_samples=options.metrics_samples or min(METRICS_SAMPLES, images // 2),
    )


def network_configs(
    architecture: str, options: Options, arguments: Mapping[str, Any], mbstd_group: int, model: Mapping[str, Any] | None
) -> tuple[GeneratorConfig, PartnerConfig]:
    """Both networks' configurations: these arguments, and the options of the same names or all others of a model.

    InputError where they make no networks.
    """
    values = asdict(options) | {"w_dim": options.z_dim, "mapping_fmaps": options.z_dim, "mbstd_group": mbstd_group}
    if options.norm == "pixel":
        values |= {"instance_norm": False, "pixelnorm": True}

    def config_of(role: str, kind: Any) -> Any:
        known = {field.name for field in fields(kind)}
        own = (model or {}).get(role) or {name: value for name, value in values.items() if name in known}
        return kind(**own | {name: value for name, value in arguments.items() if name in known})

    record, resolution = ARCHITECTURES[architecture], arguments["resolution"]
    try:
        generator = config_of("generator", record.generator_config)
        discriminator = config_of(record.partner, record.partner_config)
    except (TypeError, ValueError) as error:
        raise InputError(f"--init-from {options.init_from}: cannot be built here ({error}); take another") from None
    try:
        generator.feature_maps(resolution), discriminator.feature_maps(resolution)
    except (TypeError, ValueError, ArithmeticError):
        what = f"--fmap-base {options.fmap_base}: leaves no feature map at {resolution} px"
        advice = (
            f"give at least {resolution // 2}" if model is None else "the model has it, so give a lower --resolution"
        )
        raise InputError(f"{what}; {advice}") from None
    return generator, discriminator
