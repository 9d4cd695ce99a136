"""A run before it begins, for people: its main facts and its schedule."""

from collections.abc import Mapping

from stylegrow.common.tables import text_table
from stylegrow.common.text import duration
from train.config.run_config import RunConfig
from train.config.schedule import Schedule

NORMALISED = {"critic": " with spectral norm", "both": " with spectral norm in both networks"}


def description(config: RunConfig) -> str:
    """A run's main facts, a line each."""
    options, data = config.options, config.data
    labels = f"labels: {options.cond}, {len(data['classes'])} classes" if data["classes"] else "no labels"
    objective = f"{options.loss}{NORMALISED.get(options.spectral_norm or 'no', '')}"
    lines = [
        f"data: {data['name']}, {data['pictures']} pictures, {len(data['held_out'])} held out, {labels}",
        f"run: preset {options.preset}, {objective}, {options.kimg:g} kimg to {options.resolution} px, "
        f"{config.processes} process{'es' if config.processes > 1 else ''}, precision {options.mixed_precision}",
    ]
    if options.metrics != "none":
        lines.append(
            f"metrics: {options.metrics} every {options.metrics_kimg:g} kimg on {options.metrics_samples} samples"
        )
    if data["credit"]:
        lines.append(f"pictures: {data['credit']}")
    return "\n".join(lines)


def schedule_table(schedule: Schedule, kimg: float, seconds: Mapping[int, float] | None = None) -> str:
    """The phases of a run; with seconds an image at each resolution, also how long each phase takes."""
    titles = ["from kimg", "to kimg", "resolution", "", "batch", "lr", "steps"]
    rows = []
    for row in schedule.phases(kimg):
        growth = "fade in" if row.fading else "stable"
        cells = [f"{row.start_kimg:g}", f"{row.end_kimg:g}", str(row.resolution), growth]
        rows.append([*cells, str(row.batch), f"{row.lr:g}", str(row.iterations)])
        if seconds is not None:
            rows[-1].append(duration(row.iterations * row.batch * seconds[row.resolution]))
    if seconds is not None:
        titles.append("takes about")
    return "\n".join(text_table([titles, *rows], ">"))
