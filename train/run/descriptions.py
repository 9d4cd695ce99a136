"""A run before it begins, for people: its main facts, its schedule, and what a user may not expect."""

from collections.abc import Iterator

import torch

from stylegrow.architectures import ARCHITECTURES
from stylegrow.common.tables import text_table
from stylegrow.data import Dataset
from stylegrow.models.markdown import fact_text
from train.config.fields import flag, shown
from train.config.run_config import RunConfig
from train.config.schedule import to_images
from train.distributed.launcher import Launcher, lost_processes
from train.run import estimates
from train.step.parts import part_sizes

NORMALISED = {"critic": " with spectral norm", "both": " with spectral norm in both networks"}


def description(config: RunConfig) -> str:
    """A run's main facts, a line each."""
    options, data = config.options, config.data
    labels = "no labels"
    if data["classes"]:
        vectors, count = f"vectors of {fact_text(data['classes'])}", f"{len(data['classes'])} classes"
        what = vectors if data.get("label_values") else count
        labels = f"labels: {options.cond}, {what}"
    objective = f"{config.objective}{NORMALISED.get(options.spectral_norm, '')}"
    lines = [
        f"data: {data['name']}, {data['pictures']} pictures, {len(data['held_out'])} held out, {labels}",
        f"run: preset {options.preset}, {objective}, {options.kimg:g} kimg to {options.resolution} px, "
        f"{config.processes} process{'es' if config.processes > 1 else ''}, precision {options.mixed_precision}",
    ]
    if options.lr_decay_kimg:
        lines.append(f"learning rates: fall to 0 over the last {options.lr_decay_kimg:g} kimg")
    if config.schedule.blur_kimg:
        lines.append(f"blur: after {config.schedule.blur_kimg:g} kimg")
    if options.augment != "no":
        lines.append(f"augmentation: {options.augment}, each with probability {shown(options.augment_p)}")
    if options.metrics != "none":
        lines.append(
            f"metrics: {options.metrics} every {options.metrics_kimg:g} kimg on {options.metrics_samples} samples"
        )
    if data["credit"]:
        lines.append(f"pictures: {data['credit']}")
    return "\n".join(lines)


def schedule_table(config: RunConfig) -> str:
    """The phases of a run. Where a process takes its share of a batch in parts, their number stands beside it."""
    rows = [["from kimg", "to kimg", "resolution", "", "batch", "a process", "lr", "steps"]]
    for row in config.schedule.phases(config.images / 1000):
        growth = "fade in" if row.fading else "stable"
        size = config.at_once(row.resolution)
        parts = config.share(row.resolution) // size
        share = str(size) if parts == 1 else f"{parts} x {size}"
        cells = [f"{row.start_kimg:g}", f"{row.end_kimg:g}", str(row.resolution), growth]
        rows.append([*cells, str(row.batch), share, f"{row.lr:g}", str(row.iterations)])
    return "\n".join(text_table(rows, ">"))


def notes_on(config: RunConfig, dataset: Dataset, launcher: Launcher | None) -> Iterator[str]:
    """What a user may not expect."""
    if lost_processes(launcher):
        yield (
            "accelerate launch started only this process; for several on a CPU use "
            f"torchrun --nproc-per-node N train/{config.architecture}.py"
        )
    if launcher is None and (gpus := torch.cuda.device_count()) > 1:
        yield f"one of {gpus} GPUs trains; torchrun --nproc-per-node {gpus} train/{config.architecture}.py takes all"
    if not config.data["classes"] and dataset.attributes and config.data["source"] != "toonhead":
        yield f"the data has labels ({', '.join(dataset.attributes)}); --cond trains with them"
    for resolution, batch in config.schedule.batch.items():
        (alone, *_), (shared, *_) = (part_sizes(n, config.discriminator) for n in (batch, config.share(resolution)))
        if shared < alone:
            yield (
                f"at {resolution} px a process has {config.share(resolution)} images, so that the critic's minibatch "
                f"standard deviation compares {shared} where one process would compare {alone}"
            )
            break
    reached = max(row.resolution for row in config.schedule.phases(config.images / 1000) if row.iterations)
    if reached < config.generator.resolution or config.images < to_images(config.schedule.growing_kimg):
        # Half the run to grow, half at full resolution, as in the presets.
        length = config.images / 1000 / len(config.schedule.phases(config.schedule.growing_kimg)) / 2
        yield (
            f"{config.images / 1000:g} kimg end at {reached} px; "
            f"--stable-kimg {length:.3g} --fade-kimg {length:.3g} would reach {config.options.resolution} px"
        )


def show_plan(config: RunConfig, said: list[str], gpu: float | None) -> None:
    """Print what a run would do, for --dry-run, on GPUs of so many gigabytes or on other devices."""
    with torch.device("meta"):
        generator, discriminator = config.build()
    print("\n".join(said))
    for name, value in config.option_values().items():
        print(f"  {flag(name)}: {'-' if value is None else shown(value)}")
    print(schedule_table(config))
    partner = "critic" if ARCHITECTURES[config.architecture].adversarial else "encoder"
    print(
        f"generator {estimates.parameters(generator):,} parameters, {partner} {estimates.parameters(discriminator):,}"
    )
    memory = estimates.memory(config)
    print(
        f"memory of a process, estimated: {sum(memory.values()):.2f} GB ({memory['networks']:.2f} networks, "
        f"{memory['activations']:.2f} activations at {config.options.resolution} px)"
        + (f" of a GPU's {gpu:.0f}" if gpu else "")
    )
