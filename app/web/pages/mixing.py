"""Style mixing: a face, with the styles of some layers from another (Karras 2019, section 3.1)."""

import secrets
from collections.abc import Iterator
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import gradio as gr

from app.web import checks
from app.web.context import Context, run_script
from app.web.live import Placed
from app.web.pages import controls
from stylegrow.models.info import ModelInfo
from stylegrow.models.labels import default_psi
from stylegrow.rendering import figures
from stylegrow.sampling.inputs import LARGEST_SEED, read_layers, read_seeds

ID = "mix"
MOST_FACES = 6
# Whole faces, and whole mixes, of the model that the app opens with.
FIRST_ROWS, FIRST_COLS, FIRST_BAND = "28,42,12,36,53,0", "55,33,47,7,31,53", "coarse"
FIRST_LAYERS = ["0", "1", "2", "3"]  # of that band
PATIENCE = 20.0  # seconds in which all that the tab opens with has come, one after the other
# What a layperson sees of each band, of the bundled faces and of anything else.
FACES = {"coarse": "head and hair", "middle": "features", "fine": "colours"}
ANYTHING = {"coarse": "overall shape", "middle": "smaller parts", "fine": "colours"}
# The layers as text, from what was touched; and what shows them: the boxes and the preset.
_PRESET, _BOXES, _CROSSOVER, _SHOWN = (
    f"(chosen, count) => window.stylegrow.layers.{name}(chosen, count)"
    for name in ("preset", "boxes", "crossover", "shown")
)
_DESCRIBE = "(drawn) => { if (drawn) window.stylegrow.describe(drawn.alts); }"


def build(context: Context) -> None:
    """The tab."""
    first = context.first
    with gr.Tab("Mixing", id=ID), controls.only_for(context, ID, "mixable", "Style mixing needs"):
        with controls.row():
            with controls.column(3):
                rows, shuffle_rows, row_faces = _faces(context, "rows", "Faces", FIRST_ROWS)
                cols, shuffle_cols, col_faces = _faces(context, "cols", "Styles from", FIRST_COLS)
                with gr.Accordion("Single layers, and a crossover", open=False):
                    boxes = gr.CheckboxGroup(_boxes(first), value=FIRST_LAYERS, label="Layers copied")
                    crossover = gr.Slider(0, _count(first), 4, step=1, label="Copy this layer and all after it")
                psi = controls.psi(context)
                label, labelled = controls.label(context)
            with controls.column(2):
                result = controls.figure("The mix", "mixed", "pixels large")
                examples = controls.gallery("What each of them copies", "bands", 3, "pixels three")
                bands = gr.Radio(_bands(first), value=FIRST_BAND, label="Which styles to copy")
                described = controls.drawn("bands")
                with gr.Row():
                    a = controls.seed(context, "Face: seed", read_seeds(FIRST_ROWS)[0], min_width=120)
                    b = controls.seed(context, "Styles from: seed", read_seeds(FIRST_COLS)[0], min_width=120)
        # The layers as text, which the controls above write.
        layers = context.checked(gr.Textbox(FIRST_BAND, label="Layers", **controls.UNSEEN), checks.layers)
        count = gr.Number(_count(first), label="Layers there are", **controls.UNSEEN)
        drawn = controls.drawn(ID)
        with gr.Row(elem_classes="buttons"):
            whole = gr.Button("Draw the whole grid", variant="primary", elem_id="mix-grid", min_width=160)
        grid = controls.figure("Grid", "mixing-figure", visible=False)
        with gr.Accordion("Every mix as a picture of its own", open=False, visible=False) as alone:
            layout: dict[str, Any] = {"object_fit": None, "buttons": ["download_all"]}
            cells = controls.gallery("Every mix", "cells", MOST_FACES, "pixels cells", **layout)
            pairs = gr.State([])  # which face and style each of them has
    context.fields[ID] = {"rows": rows, "cols": cols, "a": a, "b": b, "layers": layers, "psi": psi, "class": label}
    context.follow(
        [bands, boxes, crossover, count, layers, examples, grid, alone],
        lambda card: [
            gr.update(choices=_bands(card), value=FIRST_BAND),
            gr.update(choices=_boxes(card), value=FIRST_LAYERS),
            gr.update(maximum=_count(card), value=4),
            _count(card),
            FIRST_BAND,
            None,
            *[gr.update(visible=False)] * 2,
        ],
    )

    # What the tab opens with, of the generators that are in memory: the mix of some layers, and the rows of faces.
    opening: WeakKeyDictionary[Any, dict[Any, Any]] = WeakKeyDictionary()

    def start(model: str, psi: float, label: str | None, layers: str) -> tuple[controls.Drawing, list[int]]:
        drawing = controls.start_drawing(context, model, needs_styles="Style mixing", psi=psi, label=label)
        drawing.sampler.check_mixing()
        return drawing, read_layers(layers, drawing.sampler.layers(drawing.setting), "layers") if layers else []

    def style_mix(
        rows: list[int], cols: list[int], layers: str, psi: float, label: str | None, model: str
    ) -> tuple[Any, ...]:
        """The grid of the paper as a figure: the faces of `rows` with the styles of some layers from `cols`.

        `layers` are coarse, middle, fine, or numbers like 0-3. The mixes come as single pictures too, row by row.
        """
        drawing, numbers = start(model, psi, label, layers)
        part = (f"layers {controls.listed(numbers) or 'none'}", numbers)
        figure = figures.mixing_grid(drawing.sampler, rows, cols, [part], drawing.setting)
        path = drawing.save(figure.image, "mix", rows=rows, columns=cols, styles=numbers)
        mixes, shown = [(row, column) for row in rows for column in cols], []
        for index, (row, column) in enumerate(mixes):
            cell, name = figure.cell(1 + index // len(cols), 1 + index % len(cols)), f"mix{row:04d}-{column:04d}"
            facts: dict[str, Any] = {"seed": row, "styles_from": column, "styles": numbers}
            shown.append((drawing.save(cell, name, **facts), f"{row} + {column}"))
        alts = [_described(row, column, numbers, psi, drawing.card) for row, column in mixes]
        took = drawing.took(len(mixes) + len(rows) + len(cols))
        said = controls.report(f"Drew a grid of {took}.", "#cells img", alts)
        return path, gr.update(value=shown, columns=len(cols), selected_index=None), mixes, said

    def mix_pair(a: int, b: int, layers: str, psi: float, label: str | None, model: str) -> tuple[Any, dict[str, Any]]:
        """One mix: the face of seed `a` with the styles of some layers from seed `b`."""
        return draw_pair(*start(model, psi, label, layers), a, b, {})

    def draw_pair(
        drawing: controls.Drawing, numbers: list[int], a: int, b: int, kept: dict[Any, Any]
    ) -> tuple[Any, dict[str, Any]]:
        path, alt = save_mix(drawing, numbers, a, b, kept)
        return path, controls.report(f"{_mix(a, b, numbers)}.", "#mixed img", [alt])

    def draw_examples(drawing: controls.Drawing, a: int, b: int, kept: dict[Any, Any]) -> tuple[Any, dict[str, Any]]:
        """The mix of two faces for each band."""
        shown, alts = [], []
        for said, band in _bands(drawing.card):
            numbers = read_layers(band, drawing.sampler.layers(drawing.setting), "layers")
            path, alt = save_mix(drawing, numbers, a, b, kept, f"-{band}")
            shown.append((path, said.partition(" (")[0].partition(": ")[2]))
            alts.append(alt)
        return gr.update(value=shown, selected_index=None), controls.report("", "#bands img", alts)

    def save_mix(
        drawing: controls.Drawing, numbers: list[int], a: int, b: int, kept: dict[Any, Any], ending: str = ""
    ) -> tuple[str, str]:
        """The file of a mix, and what it shows in words. The image is kept; one that is there is not drawn again."""
        key = tuple(numbers)
        if key not in kept:
            kept[key] = next(drawing.sampler.mixed([a], [b], numbers, drawing.setting))
        facts: dict[str, Any] = {"seed": a, "styles_from": b, "styles": numbers}
        path = drawing.save(kept[key], f"mix{a:04d}-{b:04d}{ending}", **facts)
        return path, _described(a, b, numbers, drawing.setting.psi, drawing.card)

    def redraw_examples(a: int, b: int, psi: float, label: str | None, model: str) -> Any:
        card = context.models.card(model)
        if not card.mixable or not context.quick(card.name, len(FACES)):
            return [gr.skip()] * 2
        return draw_examples(start(model, psi, label, "")[0], a, b, {})

    def move(a: int, b: int, layers: str, psi: float, label: str | None, model: str) -> Iterator[Placed]:
        """The mix."""
        drawing, numbers = start(model, psi, label, layers)
        yield "#mixed img", 0, next(drawing.sampler.mixed([a], [b], numbers, drawing.setting))

    def parts(
        rows: list[int], cols: list[int], face: int, style: int, layers: str, psi: float, label: str | None, model: str
    ) -> Iterator[dict[Any, Any]]:
        """The mix of the faces chosen, or else of the first; both rows of faces; the bands: what each place shows."""
        drawing, numbers = start(model, psi, label, layers)
        card, kept = drawing.card, dict[Any, Any]()
        usual = [default_psi(card.label_space.kind), card.labels[0][1] if card.labels else None]
        first = [read_seeds(FIRST_ROWS), read_seeds(FIRST_COLS), FIRST_BAND, *usual]
        moved = {}  # no other seed is told, which the visitor may have changed since
        if face not in rows:
            moved[a] = face = rows[0]
        if style not in cols:
            moved[b] = style = cols[0]
        if [rows, cols, layers, psi, label] == first and (face, style) == (rows[0], cols[0]):
            kept = opening.setdefault(drawing.sampler.generator, kept)
        path, said = draw_pair(drawing, numbers, face, style, kept)
        yield moved | {result: path}
        for name, place, seeds, chosen in (("rows", row_faces, rows, face), ("cols", col_faces, cols, style)):
            if name not in kept:
                kept[name] = list(drawing.sampler.images(seeds, drawing.setting))
            images = zip(seeds, kept[name], strict=True)
            faces = [(drawing.save(image, f"seed{seed:04d}", seed=seed), f"{seed}") for seed, image in images]
            said["alts"] += [[f"#{name} img", f"Face of seed {seed}, model {card.name}"] for seed in seeds]
            yield {place: gr.update(value=faces, selected_index=seeds.index(chosen))}
        bands, described = draw_examples(drawing, face, style, kept)
        said["alts"] += described["alts"]
        yield {examples: bands, drawn: said}

    def show(*values: Any) -> list[Any]:
        """All parts at once."""
        *_, found = parts_so_far(*values)
        return [found.get(place, gr.skip()) for place in shown]

    def parts_so_far(*values: Any) -> Iterator[dict[Any, Any]]:
        """Each part with those before it."""
        found: dict[Any, Any] = {}
        for part in parts(*values):
            found |= part
            yield dict(found)

    def show_as_it_comes(*values: Any) -> Iterator[dict[Any, Any]]:
        """For whoever opens the tab: all parts of a model that is quick enough, or else the mix."""
        card = context.models.card(values[-1])
        if not card.mixable or not context.quick(card.name, 1):
            yield {drawn: gr.skip()}
            return
        several = context.quick(card.name, len(values[0]) + len(values[1]) + len(FACES), PATIENCE)
        if several:
            yield from controls.spaced(parts_so_far(*values))
        else:
            asked = controls.slow("draw the faces of a row, press Enter in its seeds, or Shuffle")
            yield next(parts_so_far(*values)) | {drawn: asked}

    def pick(seeds: list[int], event: gr.EventData) -> int:
        return int(controls.picked(event, seeds, "That face is not here any more; choose another."))

    def pick_mix(pairs: list[tuple[int, int]], event: gr.EventData) -> tuple[int, int]:
        a, b = controls.picked(event, pairs, "That mix is not here any more; draw the grid again.")
        return a, b

    def pick_band(event: gr.EventData) -> str:
        return controls.picked(event, list(FACES), "Choose one of the three.")

    then, look = controls.say(ID), [layers, psi, label, context.model]
    quiet: dict[str, Any] = {"draws": False, "show_progress": "hidden"}
    mix = partial(context.bind, work=mix_pair, inputs=[a, b, *look], outputs=[result, drawn], then=then)
    mix([a.submit, b.submit], name="mix_pair")
    moving = [a.input, b.input]
    for control, script in ((bands, _PRESET), (boxes, _BOXES), (crossover, _CROSSOVER)):
        moving.append(run_script(control.input, script, [control, count], [layers]).then)
    run_script(layers.change, _SHOWN, [layers, count], [boxes, bands])
    context.move(ID, moving, move, [a, b, *look], mix_pair, [a, b, *look], [result, drawn], then)
    for gallery, seeds, chosen in ((row_faces, rows, a), (col_faces, cols, b)):
        mix(context.bind(gallery.select, pick, [seeds], [chosen], **quiet).success)
    mix(context.bind(cells.select, pick_mix, [pairs], [a, b], **quiet).success)
    mix(context.bind(examples.select, pick_band, [], [layers], **quiet).success)
    pair = [a, b, psi, label, context.model]
    changed: dict[str, Any] = {"trigger_mode": "always_last", "show_progress": "hidden", "then": _DESCRIBE}
    context.bind([a.change, b.change], redraw_examples, pair, [examples, described], **changed)
    everything, shown = [rows, cols, a, b, *look], [row_faces, col_faces, a, b, result, examples, drawn]
    context.bind([rows.submit, cols.submit], show, everything, shown, then=then)
    context.move(f"{ID}-look", [psi.input, *labelled], move, [a, b, *look], show, everything, shown, then)
    for button, seeds in ((shuffle_rows, rows), (shuffle_cols, cols)):
        shuffled = context.bind(button.click, _random, [seeds], [seeds], draws=False)
        context.bind(shuffled.success, show, everything, shown, then=then)
    context.show(ID, show_as_it_comes, everything, shown, then)
    outputs = [grid, cells, pairs, drawn]
    made = context.bind(whole.click, style_mix, [rows, cols, *look], outputs, name="style_mix", then=then)
    controls.appear(made, grid, alone)


def _faces(context: Context, name: str, title: str, seeds: str) -> tuple[Any, gr.Button, gr.Gallery]:
    """A row of faces to choose from: its seeds, a button for others, and the images."""
    with gr.Row(elem_classes="seeds-row"):
        placed: dict[str, Any] = {"info": None, "scale": 4, "min_width": 140, "elem_id": f"{name}-seeds"}
        text = controls.seeds(context, seeds, MOST_FACES, label=f"{title}: seeds", **placed)
        button = gr.Button("Shuffle", size="md", scale=1, min_width=90, elem_id=f"{name}-shuffle")
    return text, button, controls.gallery(title, name, MOST_FACES, "pixels faces", object_fit=None)


def _mix(a: int, b: int, numbers: list[int]) -> str:
    return (
        f"Seed {a} with layers {controls.listed(numbers)} of seed {b}" if numbers else f"Seed {a} with no styles copied"
    )


def _described(a: int, b: int, numbers: list[int], psi: float, card: ModelInfo) -> str:
    said = _mix(a, b, numbers)
    return f"Generated image, {said[:1].lower()}{said[1:]}, truncation {psi:g}, model {card.name}"


def _random(seeds: list[int]) -> str:
    """As many other seeds; small numbers, which are easier to remember."""
    return ",".join(str(secrets.randbelow(min(LARGEST_SEED, 100_000))) for _ in seeds)


def _count(card: ModelInfo | None) -> int:
    """Of the layers."""
    return card.layers if card else checks.MOST_LAYERS


def _bands(card: ModelInfo | None) -> list[tuple[str, str]]:
    """The presets that the network has, in words and with their resolutions."""
    words, found = FACES if card is None or card.bundled else ANYTHING, []
    for text, _ in figures.bands(_count(card)):
        name, _, sizes = text.partition(" ")
        found.append((f"{name.capitalize()}: {words[name]} ({sizes.replace('-', '–')})", name))
    return found


def _boxes(card: ModelInfo | None) -> list[tuple[str, str]]:
    sizes = [4 << layer // 2 for layer in range(_count(card))]
    return [(f"{layer}: {size}×{size} {'ab'[layer % 2]}", str(layer)) for layer, size in enumerate(sizes)]
