"""Directions: a face moved along directions in w, by name or those that the network has, and variations of it."""

import secrets
from collections.abc import Iterator
from functools import lru_cache, partial
from typing import Any

import gradio as gr
import numpy as np

from app.web import checks
from app.web.context import Context, run_script
from app.web.live import Placed
from app.web.pages import controls
from stylegrow.rendering import figures
from stylegrow.sampling.directions import AXES, AXES_OF_BAND, FARTHEST, Direction, Directions
from stylegrow.sampling.inputs import BANDS

ID = "directions"
# The kinds, what they are called, and how many sliders there are for each.
KINDS = (
    ("attribute", "By name", 8),
    ("pca", "Principal directions (PCA)", AXES),
    ("sefa", "Of the layers (SeFa)", AXES_OF_BAND * len(BANDS)),
)
CHILDREN, SPREAD = 8, 0.8  # variations, and the standard deviation of what sets each apart
MOST_DRAWS = 10**6
MOST_ROWS = 8
STRIP = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)

_TEXT = "(names, ...values) => window.stylegrow.directions.text(names, values)"
_VALUES = "(text, names) => window.stylegrow.directions.values(text, names)"
_RANDOM = "() => Math.floor(Math.random() * 1e5)"
_DRAW = f"() => Math.floor(Math.random() * {MOST_DRAWS})"


def build(context: Context) -> None:
    """The tab."""
    with gr.Tab("Directions", id=ID), controls.only_for(context, ID, "styled", "Directions need"):
        with controls.row():
            with controls.column(2):
                with gr.Row(elem_classes="seeds-row"):
                    seed = controls.seed(context, "Seed", scale=2, min_width=120)
                    shuffle = gr.Button("Random", variant="primary", size="md", min_width=90, elem_id="other-face")
                    clear = gr.Button("Reset all", size="md", min_width=90, elem_id="reset-directions")
                sliders, groups = _sliders()
                psi = controls.psi(context)
                label, labelled = controls.label(context)
            with controls.column(3):
                with gr.Row(elem_id="moved", equal_height=True):
                    before = controls.figure("Before", "before", "pixels large", buttons=[], show_label=None)
                    after = controls.figure("After", "after", "pixels large", buttons=["download"], show_label=None)
                drawn = controls.drawn(ID)
                gr.Markdown("### Children\nEight variations of the face; click one to go on from it.")
                children = controls.gallery("Children", "children", CHILDREN // 2, "pixels cells", object_fit=None)
                again = gr.Button("Other children", elem_id="other-children")
        # How far to go along which directions, as text, which the sliders write.
        amounts = context.checked(gr.Textbox("", label="Amounts", visible="hidden"), checks.amounts)
        draw_check = checks.whole(0, MOST_DRAWS, "Draw")
        draw = context.checked(gr.Number(0, label="Draw of the children", visible="hidden"), draw_check)
        names = gr.JSON([""] * len(sliders), label="Directions there are", visible="hidden")
        family = gr.State([])  # the amounts of each child
        with gr.Row(elem_classes="buttons"):
            strips = gr.Button("Draw strips from -3 to 3", variant="primary", min_width=160)
        strip = controls.figure("Strips", "directions-figure", visible=False)
    context.fields[ID] = {"seed": seed, "amounts": amounts, "children": draw, "psi": psi, "class": label}
    context.follow(
        [amounts, before, after, children, strip], lambda card: ["", *[None] * 3, gr.update(value=None, visible=False)]
    )

    def start(model: str, psi: float, label: str | None, images: int = 1) -> tuple[controls.Drawing, Directions]:
        if context.models.card(model).styled:
            context.models.directions(model)  # found before, and kept for, the copy that draws
        drawing = controls.start_drawing(
            context, model, images, needs_styles="Moving along directions", psi=psi, label=label
        )
        return drawing, drawing.sampler.directions

    def moved(drawing: controls.Drawing, seed: int, several: list[dict[str, float]]) -> Iterator[np.ndarray]:
        found = drawing.sampler.directions
        return drawing.sampler.along([seed] * len(several), [found.amounts(one) for one in several], drawing.setting)

    def edit(
        seed: int, amounts: dict[str, float], psi: float, label: str | None, model: str
    ) -> tuple[str, str, dict[str, Any]]:
        """The image of a seed, and the same moved along directions: amounts like "beard:1.5,PCA 1:-2".

        The amounts are standard deviations of w along a direction, from -3 to 3.
        """
        drawing, _ = start(model, psi, label, 2)
        images = moved(drawing, seed, [{}, amounts])
        text, card = _text(amounts), drawing.card
        paths = [
            drawing.save(image, f"{name}{seed:04d}", seed=seed, **({"amounts": text} if name == "edit" else {}))
            for name, image in zip(("seed", "edit"), images, strict=True)
        ]
        said = controls.report(
            f"Seed {seed}, {_spoken(amounts)}.", "#before img", [f"Face of seed {seed}, model {card.name}"]
        )
        said["alts"].append(["#after img", f"Face of seed {seed}, {_spoken(amounts)}, model {card.name}"])
        return paths[0], paths[1], said

    def breed(
        seed: int, amounts: dict[str, float], draw: int, psi: float, label: str | None, model: str
    ) -> tuple[Any, list[str], dict[str, Any]]:
        """Eight variations of an image, of which each `draw` gives others: moved on at random along the directions."""
        drawing, found = start(model, psi, label, CHILDREN)
        several = list(_children(found, amounts, draw))
        images = moved(drawing, seed, several)
        shown = [
            (drawing.save(image, f"child{seed:04d}-{place}", seed=seed, amounts=_text(one)), f"{place}")
            for place, (one, image) in enumerate(zip(several, images, strict=True), start=1)
        ]
        alts = [f"Variation {place} of seed {seed}, {_spoken(one)}" for place, one in enumerate(several, start=1)]
        said = controls.report(f"Drew {drawing.took(CHILDREN)}.", "#children img", alts)
        return shown, [_text(one) for one in several], said

    def directions_strip(
        seed: int, amounts: dict[str, float], psi: float, label: str | None, model: str
    ) -> tuple[str, dict[str, Any]]:
        """A figure: a row for each direction that has an amount, or else for the first eight, from -3 to 3 along it."""
        drawing, found = start(model, psi, label)
        found.amounts(amounts)
        rows = [name for name in found.names if amounts.get(name)][:MOST_ROWS] or found.names[:MOST_ROWS]
        figure = figures.directions_strip(drawing.sampler, [seed], rows, STRIP, drawing.setting)
        path = drawing.save(figure.image, "directions", seed=seed, directions=rows, amounts=STRIP)
        alt = f"Seed {seed} from -{FARTHEST:g} to {FARTHEST:g} along {', '.join(rows)}, model {drawing.card.name}"
        return path, controls.report(f"Drew {drawing.took(len(rows) * len(STRIP))}.", "#directions-figure img", [alt])

    @lru_cache(2)  # it stays while the sliders move
    def still(seed: int, psi: float, label: str | None, model: str) -> np.ndarray:
        return start(model, psi, label)[0].image(seed)

    def move(seed: int, amounts: dict[str, float], psi: float, label: str | None, model: str) -> Iterator[Placed]:
        """Both images."""
        yield "#before img", 0, still(seed, psi, label, model)
        yield "#after img", 0, next(moved(start(model, psi, label)[0], seed, [amounts]))

    def go_on(seed: int, amounts: dict[str, float], draw: int, *look: Any) -> list[Any]:
        """Both images, and where that takes no time the children."""
        first, second, said = edit(seed, amounts, *look)
        if not context.quick(look[-1], CHILDREN):
            return [first, second, gr.skip(), gr.skip(), said]
        shown, kept, bred = breed(seed, amounts, draw, *look)
        shown = gr.update(value=shown, selected_index=None)
        return [first, second, shown, kept, said | {"alts": said["alts"] + bred["alts"]}]

    def show(seed: int, amounts: dict[str, float], draw: int, *look: Any) -> list[Any]:
        """For whoever opens the tab, or chooses another model in it."""
        nothing, model = [gr.skip()] * (len(groups) + 1 + len(sliders) + 5), look[-1]
        if not context.models.card(model).styled:
            return nothing
        found = context.models.directions(model)
        placed = _placed(found)
        there = [any(placed[at] for at in own) for own in groups.values()]
        updates = [gr.update(visible=one, open=not any(there[:at])) for at, one in enumerate(there)]
        named = [
            gr.update(value=amounts.get(one.name, 0), label=one.name, info=_told(one), visible=True)
            if one
            else gr.update(value=0, visible=False)
            for one in placed
        ]
        unasked = [gr.skip()] * 4 + [controls.slow("draw, press Enter in Seed")]
        drawn = go_on(seed, amounts, draw, *look) if context.quick(model, 2) else unasked
        return [*updates, [one.name if one else "" for one in placed], *named, *drawn]

    def pick(family: list[str], event: gr.EventData) -> tuple[str, int]:
        chosen = controls.picked(event, family, "That child is not here any more; press Other children.")
        return chosen, secrets.randbelow(MOST_DRAWS)

    then, look = controls.say(ID), [psi, label, context.model]
    bred = [seed, amounts, draw, *look]
    given, everything = [seed, amounts, *look], [before, after, children, family, drawn]
    moving: list[Any] = [seed.input, psi.input, *labelled]
    for at, slider in enumerate(sliders):
        moving.append(run_script(slider.input, _TEXT, [names, *sliders], [amounts]).then)
        without = f"(names, ...values) => [0, window.stylegrow.directions.text(names, values.with({at}, 0))]"
        back = controls.own_reset(context, slider).click
        moving.append(run_script(back, without, [names, *sliders], [slider, amounts]).then)
    cleared = run_script(clear.click, '() => ""', None, [amounts])
    moving.append(run_script(cleared.then, _VALUES, [amounts, names], sliders).then)
    context.bind(seed.submit, edit, given, [before, after, drawn], name="edit", then=then)
    context.move(ID, moving, move, given, go_on, bred, everything, then)
    on = partial(context.bind, work=go_on, inputs=bred, outputs=everything, then=then)
    on(run_script(shuffle.click, _RANDOM, None, [seed]).then, trigger_mode="always_last")
    picked = context.bind(children.select, pick, [family], [amounts, draw], draws=False, show_progress="hidden")
    on(run_script(picked.success, _VALUES, [amounts, names], sliders).then)
    others = run_script(again.click, _DRAW, None, [draw])
    context.bind(others.then, breed, bred, [children, family, drawn], name="children", then=then)
    made = context.bind(strips.click, directions_strip, given, [strip, drawn], name="directions_strip", then=then)
    controls.appear(made, strip)
    context.show(ID, show, bred, [*groups, names, *sliders, *everything], then)


def _sliders() -> tuple[list[gr.Slider], dict[gr.Accordion, range]]:
    """A slider for each, and which of them lie in the part of each kind; `show` says what they are."""
    sliders: list[gr.Slider] = []
    groups: dict[gr.Accordion, range] = {}
    for kind, title, count in KINDS:
        with gr.Accordion(title, open=kind == "attribute", visible=False) as group:
            groups[group] = range(len(sliders), len(sliders) + count)
            sliders += [
                gr.Slider(-FARTHEST, FARTHEST, 0, step=0.1, label=f"{title} {at + 1}", visible=False)
                for at in range(count)
            ]
    return sliders, groups


def _placed(found: Directions) -> list[Direction | None]:
    """The direction of each slider."""
    placed: list[Direction | None] = []
    for kind, _, count in KINDS:
        own = [one for one in found.known if one.kind == kind][:count]
        placed += [*own, *[None] * (count - len(own))]
    return placed


def _told(one: Direction) -> str | None:
    """Its measured effect."""
    if one.flips is None or one.back is None:
        return None
    return f"turns {one.flips:.0%} of faces at +{FARTHEST:g}, {one.back:.0%} back at -{FARTHEST:g}"


def _children(found: Directions, amounts: dict[str, float], draw: int) -> Iterator[dict[str, float]]:
    """The amounts of each: those of the face, moved at random along the principal directions."""
    random = np.random.default_rng(draw)
    own = [one.name for one in found.known if one.kind == "pca"]
    for _ in range(CHILDREN):
        steps = random.normal(0, SPREAD, len(own))
        far = [amounts.get(name, 0.0) + step for name, step in zip(own, steps, strict=True)]
        yield amounts | dict(zip(own, np.clip(far, -FARTHEST, FARTHEST).round(1).tolist(), strict=True))


def _text(amounts: dict[str, float]) -> str:
    return ",".join(f"{name}:{amount:g}" for name, amount in amounts.items() if amount)


def _spoken(amounts: dict[str, float]) -> str:
    return f"moved by {_text(amounts)}" if any(amounts.values()) else "not moved"
