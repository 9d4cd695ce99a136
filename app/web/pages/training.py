"""Training: how the runs in a folder are doing, their curves and the images that they have drawn so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr
import pandas  # type: ignore[import-untyped]

from app.web import checks
from app.web.context import Context
from app.web.models import COMMANDS
from app.web.pages import controls
from app.web.runs import FINISHED, RUNNING, Runs, Snapshot, Stats, Summary, preview
from stylegrow.architectures import ARCHITECTURES
from stylegrow.common.errors import InputError
from stylegrow.common.text import duration

ID = "training"
SECONDS = 10  # between two looks
MOST_SNAPSHOTS = 1_000_000
CRITIC, GENERATOR = "critic", "generator"
# The title of each plot, and what it shows of stats.jsonl under which name.
PLOTS = {
    "Objectives": {"D/loss": CRITIC, "G/loss": GENERATOR},
    "The critic's scores": {"D/score_real": "real", "D/score_fake": "generated"},
    "Gradient norms": {"D/gradient": CRITIC, "G/gradient": GENERATOR},
    "Pictures a second": {"img_per_sec": "speed"},
}
COLOURS = {CRITIC: "#4c78a8", "real": "#4c78a8", GENERATOR: "#f58518", "generated": "#f58518", "speed": "#54a24b"}
_count = checks.whole(1, MOST_SNAPSHOTS, "Snapshot")
BAR = (
    '<div role="progressbar" aria-label="Progress" aria-valuenow="{0:.0f}" style="height: 10px; border-radius: 5px; '
    'overflow: hidden; background: var(--border-color-primary)">'
    '<div style="width: {0:.1f}%; height: 100%; background: var(--color-accent)"></div></div>'
)
OUTLYING = 5  # times as wide as without its outermost 4 %
COLUMNS = ["kimg", "curve", "value"]
# Goes on only where somebody sees the tab: else the value stays, nothing changes and the server is not asked.
TICK = f"(clock, here) => document.hidden || here !== {ID!r} ? clock : clock + 1"


@dataclass(frozen=True)
class Seen:
    """What a visitor's page shows, so that only what is new is sent."""

    run: str
    stats: tuple[int, int]
    snapshots: int
    snapshot: Snapshot | None


def build(context: Context) -> None:
    """The tab."""
    runs = Runs(context.runs)
    with gr.Tab("Training", id=ID) as tab:
        instead = gr.HTML(_no_run(runs.names()), elem_classes="instead")
        with gr.Column(visible=bool(runs.names())) as page:
            with controls.row():
                with controls.column(2):
                    menu = gr.Dropdown(
                        runs.names(), label="Run", allow_custom_value=True, interactive=True, elem_id="run"
                    )
                    context.checked(menu, _name)
                    summary = gr.HTML(elem_id="run-summary")
                with controls.column(5):
                    image = controls.figure("Snapshot", "snapshot", "pixels large")
                    number = context.checked(
                        gr.Slider(1, 2, 1, step=1, label="Timeline", visible=False, elem_id="snapshot-number"), _count
                    )
                    caption = gr.HTML()
            titles = list(PLOTS)
            with gr.Row():
                plots = [_plot(title) for title in titles[:2]]
            with gr.Row():
                plots += [_plot(title) for title in titles[2:]]
        seen = gr.State(None)
        clock = context.checked(gr.Number(0, label="Clock", visible="hidden"), checks.whole(0, MOST_SNAPSHOTS, "Clock"))
        with gr.Row(visible=False):
            asked, run_name = gr.Button("Ask"), context.checked(gr.Textbox(label="Run"), _existing_name(runs))
            run_number = context.checked(gr.Number(1, label="Snapshot"), _count)
            listed, stats = gr.JSON(label="Runs"), gr.JSON(label="Statistics")
            drawn = controls.figure("Snapshot")
        gr.Timer(SECONDS).tick(
            None, [clock, context.here], [clock], js=TICK, api_visibility="private", show_progress="hidden"
        )

    def list_runs() -> list[dict[str, Any]]:
        """The training runs and how they are doing, those with the latest news first."""
        return [runs.find(name).summary().facts() for name in runs.names()]

    def run_stats(run: str) -> dict[str, Any]:
        """How a run is doing, its curves (at most some 400 points) and the kimg of its snapshots."""
        found = runs.find(run)
        shots = [shot.kimg for shot in found.snapshots()]
        return found.summary().facts() | {"stats": found.stats(), "snapshots": shots}

    def run_snapshot(run: str, snapshot: int) -> str:
        """The grid of pictures of a run's snapshot; 1 is its first."""
        shots = runs.find(run).snapshots()
        if snapshot > len(shots):
            raise InputError(f"This run has {len(shots)} snapshots.")
        return preview(shots[snapshot - 1], context.files)

    def look(run: str | None, number: int, seen: Seen | None) -> list[Any]:
        """The page, of which only what is new is sent."""
        names = runs.names()
        if not names:
            return [_no_run(names), gr.update(visible=False), *[gr.skip()] * (len(outputs) - 3), None]
        name = run if run in names else names[0]
        found, before = runs.find(name), seen if seen and seen.run == name else None
        shots, version, now = found.snapshots(), found.version(), found.summary()
        at = number if before and number < before.snapshots else len(shots)  # who looks at the newest goes on so
        chosen = Seen(name, version, len(shots), shots[min(at, len(shots)) - 1] if shots else None)
        drawn: list[Any] = [gr.skip()] * len(PLOTS)
        if before is None or before.stats != version:
            lines = found.stats()
            drawn = [_drawn(lines, curves) for curves in PLOTS.values()]
        return [
            _no_run(names),
            gr.update(visible=True),
            gr.update(choices=names, value=name),
            _summary(now),
            *_shown(context, chosen, before, at, now, shots),
            *drawn,
            chosen,
        ]

    def move(run: str | None, number: int, seen: Seen | None) -> list[Any]:
        """Another snapshot of the run."""
        shots = _shots(runs, run)
        if not (seen and shots):
            raise InputError("This run has no snapshots any more.")
        at = min(number, len(shots))
        chosen = Seen(seen.run, seen.stats, len(shots), shots[at - 1])
        return [*_image(context, chosen, at, str(run)), chosen]

    outputs = [instead, page, menu, summary, image, number, caption, *plots, seen]
    inputs = [menu, number, seen]
    quiet: dict[str, Any] = {"draws": False, "show_progress": "hidden"}
    context.bind([tab.select, menu.input, clock.change], look, inputs, outputs, **quiet)
    context.bind(number.input, move, inputs, [image, caption, seen], trigger_mode="always_last", **quiet)
    context.bind(asked.click, list_runs, [], [listed], name="runs", draws=False)
    context.bind(asked.click, run_stats, [run_name], [stats], name="run_stats", draws=False)
    context.bind(asked.click, run_snapshot, [run_name, run_number], [drawn], name="run_snapshot", draws=False)
    context.fields[ID] = {"run": menu}


def _name(value: Any) -> str | None:
    """A name; whether there is such a run shows when it is looked for, since it may have gone."""
    if value is not None and (not isinstance(value, str) or len(value) > 300):
        raise InputError("There is no such run here; choose one from the list.")
    return value


def _existing_name(runs: Runs) -> checks.Check:
    return lambda value: runs.find(value).folder.name


def _shots(runs: Runs, run: str | None) -> list[Snapshot]:
    return runs.find(run).snapshots() if run in runs.names() else []


def _plot(title: str) -> gr.LinePlot:
    labels: dict[str, Any] = {"title": title, "y_title": " ", "color_title": " "}
    size: dict[str, Any] = {"height": 240, "min_width": 280}
    return gr.LinePlot(x="kimg", y="value", color="curve", color_map=COLOURS, tooltip="all", **labels, **size)


def _drawn(lines: Sequence[Stats], curves: dict[str, str]) -> Any:
    """The update of a plot."""
    rows = [(line["kimg"], name, line[key]) for key, name in curves.items() for line in lines if key in line]
    limits = _limits(sorted(value for _, _, value in rows))
    return gr.update(value=pandas.DataFrame(rows, columns=COLUMNS), y_lim=limits, visible=bool(rows))


def _limits(values: Sequence[float]) -> list[float | None]:
    """From where to where a plot of sorted values goes: over all, or without a few that would dwarf the rest."""
    few = len(values) // 50
    usual = values[few : len(values) - few]
    if not usual or values[-1] - values[0] <= OUTLYING * (usual[-1] - usual[0]) or usual[0] == usual[-1]:
        return [None, None]
    margin = (usual[-1] - usual[0]) * 0.15
    return [usual[0] - margin, usual[-1] + margin]


def _shown(
    context: Context, chosen: Seen, before: Seen | None, at: int, now: Summary, shots: Sequence[Snapshot]
) -> list[Any]:
    """Updates of the image, the slider and the caption."""
    label = f"Timeline: {len(shots)} snapshots, from {shots[0].kimg} to {shots[-1].kimg} kimg" if shots else "Timeline"
    slider = gr.update(maximum=max(len(shots), 2), value=max(at, 1), visible=len(shots) > 1, label=label)
    if before and before.snapshot == chosen.snapshot:
        return [gr.skip(), slider if before.snapshots != chosen.snapshots else gr.skip(), gr.skip()]
    image, caption = _image(context, chosen, at, now.name)
    return [image, slider, caption]


def _image(context: Context, chosen: Seen, at: int, run: str) -> list[Any]:
    """Updates of the image and the caption."""
    if chosen.snapshot is None:
        said = "It has drawn no pictures yet. The first come once its data are prepared, and show here by themselves."
        return [gr.update(value=None, visible=False), controls.note(said)]
    try:
        path = preview(chosen.snapshot, context.files)
    except InputError as error:
        return [gr.update(value=None, visible=False), controls.note(str(error))]
    kimg = f"{chosen.snapshot.kimg} kimg"
    alt = f"What the run {run} drew at {kimg}, always of the same latents"
    text = f"At <strong>{kimg}</strong>, number {at} of {chosen.snapshots}; always the same latents."
    return [gr.update(value=path, alt_text=alt, visible=True), f'<p class="hint">{text}</p>']


def _summary(now: Summary) -> str:
    """How a run is doing, as HTML."""
    kimg, silent = now.newest.get("kimg"), f"last heard from {duration(now.seconds_silent)} ago"
    state = {
        RUNNING: f"▶ Running, {silent}" if kimg is not None else f"▶ Starting: no numbers yet, {silent}",
        FINISHED: f"✓ Finished {duration(now.seconds_silent)} ago",
    }.get(now.state, f"■ Stopped, {silent}")
    known = ARCHITECTURES.get(now.architecture or "")
    network = known.title if known else now.architecture
    size = now.newest.get("resolution")
    alpha = now.newest.get("alpha", 1.0)
    left, speed = now.seconds_left, now.newest.get("img_per_sec")
    rows = [
        ("Network", ", ".join(filter(None, [network, now.objective]))),
        ("Data", now.data),
        ("Resolution", _resolution(size, now.full_resolution, alpha)),
        ("Seen", f"{_kimg(kimg) or 'nothing'} of {_kimg(now.total_kimg)}" if now.total_kimg else _kimg(kimg)),
        ("Speed", f"{speed:,.3g} pictures a second" if speed else ""),
        ("Time left", "" if left is None else f"about {duration(left)}"),
    ]
    table = "".join(f"<tr><td>{name}</td><td>{escape(text)}</td></tr>" for name, text in rows if text)
    bar = "" if now.share is None else BAR.format(now.share * 100)
    return f'<p><strong>{escape(state)}</strong></p>{bar}<table class="list">{table}</table>'


def _resolution(size: float | None, full: int | None, alpha: float) -> str:
    if size is None:
        return ""
    fading = f", faded in by {alpha:.0%}" if alpha < 1 else ""
    return f"{size:.0f} px{fading}" + (f" (of {full} px)" if full and full != size else "")


def _kimg(kimg: float | None) -> str:
    """Thousands of pictures, as a number of images."""
    return "" if kimg is None else f"{kimg:,.4g} kimg" if kimg < 10_000 else f"{kimg:,.0f} kimg"


def _no_run(names: Sequence[str]) -> str:
    """What to do where there is no run; nothing where there is one."""
    if names:
        return ""
    return (
        '<p class="note">There is no training run here yet. Start one with '
        f"<code>{escape(COMMANDS[0])}</code>, and it shows here within seconds; "
        "for runs elsewhere, start the app with <code>--runs FOLDER</code>.</p>"
    )
