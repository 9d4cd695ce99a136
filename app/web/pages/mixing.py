"""Style mixing: a face, with the styles of some layers from another (Karras 2019, section 3.1)."""

import secrets
import time
from functools import partial
from typing import Any

import gradio as gr

from app.web import checks
from app.web.context import Context
from app.web.files import new_folder, save_picture
from app.web.pages import controls
from stylegrow.models.info import ModelInfo
from stylegrow.rendering import figures
from stylegrow.sampling.engine import Engine, Setting
from stylegrow.sampling.inputs import LARGEST_SEED, read_layers

ID = "mix"
MOST_FACES = 6
NO_SEEDS = "0-5", "6-11"
PRESETS = ("coarse", "middle", "fine")
# What shows the layers, from one of them: the text, the boxes, the preset.
_PRESET, _BOXES, _CROSSOVER = (
    f"(chosen, count) => window.stylegrow.layers.{name}(chosen, count)" for name in ("preset", "boxes", "crossover")
)


def build(context: Context) -> None:
    """The tab."""
    first = context.models.cards.get(context.models.first or "")
    faces = checks.several_seeds(1, MOST_FACES)
    with gr.Tab("Style mixing", id=ID):
        lacking = gr.HTML(_lacking(first), elem_classes="lacking")
        with gr.Column(visible=first is None or first.mixable) as able:
            with gr.Row(equal_height=False, elem_classes="pictures-first"):
                with gr.Column(scale=3, min_width=280):
                    rows, shuffle_rows, row_faces = _faces(context, "rows", "Faces", NO_SEEDS[0], faces)
                    cols, shuffle_cols, col_faces = _faces(context, "cols", "Styles from", NO_SEEDS[1], faces)
                    bands = gr.Radio(_bands(first), value="coarse", label="Which styles to copy")
                    with gr.Accordion("Single layers, and a crossover", open=False):
                        boxes = gr.CheckboxGroup(_boxes(first), value=["0", "1", "2", "3"], label="Layers copied")
                        crossover = gr.Slider(
                            0, first.layers if first else checks.MOST_LAYERS, 4, step=1,
                            label="Copy this layer and all after it",
                        )  # fmt: skip
                    psi = controls.psi(context)
                    label = controls.label(context)
                with gr.Column(scale=2, min_width=280):
                    result = gr.Image(
                        label="The mix",
                        format="png",
                        type="filepath",
                        interactive=False,
                        buttons=["download", "fullscreen"],
                        elem_id="mixed",
                        elem_classes="pixels large",
                    )
                    with gr.Row():
                        a = context.checked(gr.Number(0, label="Face: seed", min_width=120), checks.seed)
                        b = context.checked(gr.Number(6, label="Styles from: seed", min_width=120), checks.seed)
            # The layers as text, which the controls above write.
            layers = context.checked(gr.Textbox("coarse", label="Layers", visible="hidden"), checks.layers)
            count = gr.Number(first.layers if first else checks.MOST_LAYERS, label="Layers there are", visible="hidden")
            drawn = controls.drawn(ID)
            with gr.Row(elem_classes="buttons"):
                whole = gr.Button("Draw the whole grid", variant="primary", elem_id="mix-grid", min_width=160)
            grid = controls.figure("Grid", "mixing-figure", visible=False)
            with gr.Accordion("Every mix as a picture of its own", open=False, visible=False) as alone:
                cells = controls.gallery(
                    "Every mix", "cells", MOST_FACES, "pixels cells", object_fit=None, buttons=["download_all"]
                )
                pairs = gr.State([])  # which face and style each of them has
    context.fields |= {"rows": rows, "cols": cols, "a": a, "b": b, "layers": layers}
    context.follow(
        [lacking, able, bands, boxes, crossover, count, layers, grid, alone],
        lambda card: [
            _lacking(card),
            gr.update(visible=card is None or card.mixable),
            gr.update(choices=_bands(card), value="coarse"),
            gr.update(choices=_boxes(card), value=["0", "1", "2", "3"]),
            gr.update(maximum=card.layers if card else checks.MOST_LAYERS, value=4),
            card.layers if card else checks.MOST_LAYERS,
            "coarse",
            gr.update(visible=False),
            gr.update(visible=False),
        ],
    )

    def opened(model: str, psi: float, label: str | None, layers: str) -> tuple[ModelInfo, Engine, Setting, list[int]]:
        card, engine = controls.opened(context, model)
        controls.needs_styles(card, "Style mixing")
        engine.check_mixing()
        setting = controls.setting(engine, card, psi=psi, label=label)
        return card, engine, setting, read_layers(layers, engine.layers(setting), "layers") if layers else []

    def style_mix(
        rows: list[int], cols: list[int], layers: str, psi: float, label: str | None, model: str
    ) -> tuple[Any, ...]:
        """The grid of the paper as a figure: the faces of `rows` with the styles of some layers from `cols`.

        `layers` are coarse, middle, fine, or numbers like 0-3. The mixes come as single pictures too, row by row.
        """
        start = time.perf_counter()
        card, engine, setting, numbers = opened(model, psi, label, layers)
        figure = figures.mixing_grid(engine, rows, cols, [(f"layers {_said(numbers)}", numbers)], setting)
        text = engine.text(setting, rows=rows, columns=cols, styles=numbers)
        folder = new_folder(context.files)
        path = save_picture(figure.image, folder, "mix", text)
        mixes, shown = [(row, column) for row in rows for column in cols], []
        for index, (row, column) in enumerate(mixes):
            picture = figure.cell(1 + index // len(cols), 1 + index % len(cols))
            text = engine.text(setting, seed=row, styles_from=column, styles=numbers)
            shown.append((save_picture(picture, folder, f"mix{row:04d}-{column:04d}", text), f"{row} + {column}"))
        alts = [["#cells img", _described(row, column, numbers, psi, card)] for row, column in mixes]
        total = len(rows) * len(cols) + len(rows) + len(cols)
        said = controls.report(f"Drew a grid of {controls.draw_text(total, 'image', start)}.", alts=alts)
        return path, gr.update(value=shown, columns=len(cols), selected_index=None), mixes, said

    def mix_pair(a: int, b: int, layers: str, psi: float, label: str | None, model: str) -> tuple[Any, dict[str, Any]]:
        """One mix: the face of seed `a` with the styles of some layers from seed `b`."""
        card, engine, setting, numbers = opened(model, psi, label, layers)
        picture = next(engine.mixed([a], [b], numbers, setting))
        text = engine.text(setting, seed=a, styles_from=b, styles=numbers)
        path = save_picture(picture, new_folder(context.files), f"mix{a:04d}-{b:04d}", text)
        alt = _described(a, b, numbers, psi, card)
        return path, controls.report(f"{_mix(a, b, numbers)}.", alts=[["#mixed img", alt]])

    def show(rows: list[int], cols: list[int], a: int, b: int, *rest: Any) -> list[Any]:
        """Both rows of faces, and the mix of those chosen, or else of the first."""
        layers, psi, label, model = rest
        card, engine, setting, _ = opened(model, psi, label, layers)
        a, b = a if a in rows else rows[0], b if b in cols else cols[0]
        folder, shown = new_folder(context.files), []
        for seed, picture in zip([*rows, *cols], engine.images([*rows, *cols], setting), strict=True):
            shown.append((save_picture(picture, folder, f"seed{seed:04d}", engine.text(setting, seed=seed)), f"{seed}"))
        path, said = mix_pair(a, b, layers, psi, label, model)
        said["alts"] += [
            [f"#{name} img", f"Face of seed {seed}, model {card.name}"]
            for name, seeds in (("rows", rows), ("cols", cols))
            for seed in seeds
        ]
        places = [gr.update(value=shown[: len(rows)], selected_index=rows.index(a))]
        places += [gr.update(value=shown[len(rows) :], selected_index=cols.index(b))]
        return [*places, a, b, path, said]

    def show_if_quick(*values: Any) -> list[Any]:
        """For whoever opens the tab."""
        card = context.models.card(values[-1])
        if not card.mixable:
            return [gr.skip()] * 6
        if not context.quick(card.name, len(values[0]) + len(values[1])):
            asked = "This model takes its time: to draw the faces of a row, press Enter in its seeds, or Shuffle."
            return [*[gr.skip()] * 5, controls.report(asked)]
        return show(*values)

    def pick(seeds: list[int], event: gr.EventData) -> int:
        return int(controls.picked(event, seeds, "That face is not here any more; choose another."))

    def pick_mix(pairs: list[tuple[int, int]], event: gr.EventData) -> tuple[int, int]:
        a, b = controls.picked(event, pairs, "That mix is not here any more; draw the grid again.")
        return a, b

    pair = [a, b, layers, psi, label, context.model]
    everything = [rows, cols, *pair]
    say: dict[str, Any] = {"fn": None, "inputs": drawn, "js": controls.say(ID), "api_visibility": "private"}
    mix = partial(context.bind, work=mix_pair, inputs=pair, outputs=[result, drawn], trigger_mode="always_last")
    mix([a.submit, b.submit], name="mix_pair").success(**say)
    for control, script in ((bands, _PRESET), (boxes, _BOXES), (crossover, _CROSSOVER)):
        written = control.input(None, [control, count], [layers, boxes, bands], js=script, api_visibility="private")
        mix(written.then).success(**say)
    for gallery, seeds, chosen in ((row_faces, rows, a), (col_faces, cols, b)):
        picked = context.bind(gallery.select, pick, [seeds], [chosen], draws=False, show_progress="hidden")
        mix(picked.success).success(**say)
    shown = [row_faces, col_faces, a, b, result, drawn]
    context.bind([rows.submit, cols.submit, psi.release, label.input], show, everything, shown).success(**say)
    for button, seeds in ((shuffle_rows, rows), (shuffle_cols, cols)):
        shuffled = context.bind(button.click, _random, [seeds], [seeds], draws=False)
        context.bind(shuffled.success, show, everything, shown).success(**say)
    context.show(ID, show_if_quick, everything, shown, controls.say(ID))
    grid_inputs = [rows, cols, layers, psi, label, context.model]
    made = context.bind(whole.click, style_mix, grid_inputs, [grid, cells, pairs, drawn], name="style_mix")
    shows = {"fn": lambda: [gr.update(visible=True)] * 2, "outputs": [grid, alone], "queue": False}
    made.success(**shows, api_visibility="private")
    made.success(**say)
    picked = context.bind(cells.select, pick_mix, [pairs], [a, b], draws=False, show_progress="hidden")
    mix(picked.success).success(**say)


def _faces(
    context: Context, name: str, title: str, seeds: str, check: checks.Check
) -> tuple[Any, gr.Button, gr.Gallery]:
    """A row of faces to choose from: its seeds, a button for others, and the pictures."""
    with gr.Row(elem_classes="seeds-row"):
        text = gr.Textbox(seeds, label=f"{title}: seeds", max_lines=1, scale=4, min_width=140, elem_id=f"{name}-seeds")
        button = gr.Button("Shuffle", size="md", scale=1, min_width=90, elem_id=f"{name}-shuffle")
    gallery = controls.gallery(title, name, MOST_FACES, "pixels faces", object_fit=None)
    return context.checked(text, check), button, gallery


def _mix(a: int, b: int, numbers: list[int]) -> str:
    return f"Seed {a} with layers {_said(numbers)} of seed {b}" if numbers else f"Seed {a} with no styles copied"


def _described(a: int, b: int, numbers: list[int], psi: float, card: ModelInfo) -> str:
    said = _mix(a, b, numbers)
    return f"Generated image, {said[:1].lower()}{said[1:]}, truncation {psi:g}, model {card.name}"


def _random(seeds: list[int]) -> str:
    """As many other seeds; small numbers, which are easier to note down."""
    return ",".join(str(secrets.randbelow(min(LARGEST_SEED, 100_000))) for _ in seeds)


def _lacking(card: ModelInfo | None) -> str:
    if card is None or card.mixable:
        return ""
    why = "is a ProGAN" if not card.styled else "was trained without styles"
    return controls.note(f'Style mixing needs a StyleGAN model; "{card.name}" {why}. Choose another model above.')


def _bands(card: ModelInfo | None) -> list[tuple[str, str]]:
    """The presets that the network has, with their resolutions."""
    found = figures.bands(card.layers if card else checks.MOST_LAYERS)
    return [(text.capitalize().replace("-", "–"), text.partition(" ")[0]) for text, _ in found]


def _boxes(card: ModelInfo | None) -> list[tuple[str, str]]:
    layers = range(card.layers if card else checks.MOST_LAYERS)
    return [(f"{layer}: {4 << layer // 2}×{4 << layer // 2} {'ab'[layer % 2]}", str(layer)) for layer in layers]


def _said(numbers: list[int]) -> str:
    """ "0-3", or "0,2,5" where it is no range."""
    if not numbers:
        return "none"
    if numbers == list(range(numbers[0], numbers[-1] + 1)) and len(numbers) > 1:
        return f"{numbers[0]}-{numbers[-1]}"
    return ",".join(map(str, numbers))
