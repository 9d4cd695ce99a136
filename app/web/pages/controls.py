"""What the tabs have in common: their layout, their controls, and a request on its way from a model to files."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from html import escape
from pathlib import Path
from typing import Any, TypeVar

import gradio as gr
import numpy as np
from gradio.blocks import Block
from gradio.components import Component
from gradio.events import Dependency
from PIL import Image

from app.web import checks
from app.web.context import Context, run_script
from app.web.files import new_folder, save_image
from stylegrow.common.errors import InputError
from stylegrow.common.text import counted
from stylegrow.models.info import ModelInfo
from stylegrow.models.labels import LabelSpace, default_psi
from stylegrow.sampling.generation import Setting
from stylegrow.sampling.sampler import Sampler

T = TypeVar("T")
NOISE_MODES = ("const", "random", "none")
# What only scripts see; of what is hidden Gradio shows all once what is around it is shown.
UNSEEN: dict[str, Any] = {"visible": "hidden", "elem_classes": "unseen"}
MOST_STAGES = 9  # 4 to 1024 px
CLOSE = 1e-6  # to a whole step, which rounding of float32 may miss
MOST_SLIDERS = 16  # for the components of a label; longer ones are written as text
MOST_SLIDER_STEPS = 200
SPACE = 0.5  # seconds between what is shown as it comes


def row() -> gr.Row:
    """A row of columns; on phones the last one, which has the images, comes first."""
    return gr.Row(equal_height=False, elem_classes="pictures-first")


def column(scale: int, **more: Any) -> gr.Column:
    """One of them, which on phones is as wide as the screen."""
    return gr.Column(scale=scale, min_width=280, **more)


@contextlib.contextmanager
def only_for(context: Context, tab: str, capability: str, what: str) -> Iterator[None]:
    """What is within, a tab's, is shown for models with a capability of ModelInfo.

    For others there is a note that names it, and a button that chooses the first model that has it.
    """

    def missing(card: ModelInfo | None) -> str:
        if card is None or getattr(card, capability):
            return ""
        why = "was trained without styles" if card.styled else f"is a {card.network}"
        said = f'{what} a StyleGAN model; "{card.name}" {why}.'
        able = next((name for name, other in context.models.cards.items() if getattr(other, capability)), None)
        if able is None:
            return note(f"{said} Start the app with one: --model stylegan-toonhead256.")
        script = f"stylegrow.go(`?tab={tab}&model=${{encodeURIComponent(this.dataset.model)}}`)"
        button = (
            f'<button class="tool" data-model="{escape(able)}" onclick="{script}">Switch to {escape(able)}</button>'
        )
        return f'<div class="note">{escape(said)} {button}</div>'

    instead = gr.HTML(missing(context.first), elem_classes="instead")
    with gr.Column(visible=not missing(context.first)) as possible:
        yield
    context.follow([instead, possible], lambda card: [missing(card), gr.update(visible=not missing(card))])


def slider(
    context: Context,
    label: str,
    least: float,
    most: float,
    value: float,
    step: float = 1,
    name: str | None = None,
    **more: Any,
) -> gr.Slider:
    """A slider of whole numbers, or with a smaller step of any; `name` stands for the label in messages."""
    check = (
        checks.whole(int(least), int(most), name or label) if step == 1 else checks.number(least, most, name or label)
    )
    return context.checked(gr.Slider(least, most, value, step=step, label=label, **more), check)


def choice(
    context: Context, label: str, choices: Sequence[Any], name: str | None = None, kind: Any = gr.Radio, **more: Any
) -> Any:
    """A choice of one value, by default the first; `choices` are values or (text, value)."""
    values = [one[1] if isinstance(one, tuple) else one for one in choices]
    component = kind(choices, **({"value": values[0], "label": label} | more))
    return context.checked(component, checks.one_of(values, name or label))


def flag(context: Context, label: str, value: bool = False, **more: Any) -> gr.Checkbox:
    """On or off."""
    return context.checked(gr.Checkbox(value, label=label, **more), checks.flag)


def seed(context: Context, label: str, value: int = 0, **more: Any) -> gr.Number:
    """One seed."""
    return context.checked(gr.Number(value, label=label, **more), checks.seed)


def seeds(context: Context, value: str, most: int, least: int = 1, **more: Any) -> gr.Textbox:
    """Seeds as text."""
    shown: dict[str, Any] = {"label": "Seeds", "info": f"at most {most}", "max_lines": 1} | more
    return context.checked(gr.Textbox(value, **shown), checks.several_seeds(least, most))


def psi(context: Context) -> gr.Slider:
    """Truncation; hidden for models that have none."""
    found = gr.Slider(
        checks.LEAST_PSI,
        checks.MOST_PSI,
        default_psi(context.first.label_space.kind if context.first else None),
        step=0.05,
        label="Truncation (psi)",
        info="0 = average face, 1 = untruncated",
    )

    def update(card: ModelInfo | None) -> list[Any]:
        whole = card is not None and card.styled and card.label_space.kind == "vector"
        moved: dict[str, Any] = {"value": default_psi("vector")} if whole else {}
        return [gr.update(visible=card is None or card.styled, **moved)]

    context.follow([found], update)
    return context.checked(found, checks.psi)


def own_reset(context: Context, slider: Component) -> gr.Button:
    """What the button in a slider's corner presses, in place of going back to a value that may be another model's."""
    slider.elem_id, slider.elem_classes = f"slider-{slider._id}", [*(slider.elem_classes or []), "resets"]
    with context.unseen:
        return gr.Button("Reset", elem_id=f"{slider.elem_id}-reset")


def reset(
    context: Context,
    components: Sequence[Component],
    default: Callable[[ModelInfo], Any],
    button: gr.Button | None = None,
) -> Any:
    """The event of components that are back at what `default` gives for a model.

    It is asked for by `button`, by default the one that Gradio gives to the first component, which is a slider.
    """
    if button is None:
        button = own_reset(context, components[0])

    def back(model: str) -> Any:
        return default(context.models.card(model))

    return context.bind(button.click, back, [context.model], components, draws=False, show_progress="hidden").success


def label(context: Context, **more: Any) -> tuple[gr.Dropdown, list[Any]]:
    """The label of labelled models, hidden for others, and the events that change it: a menu, and sliders of a vector.

    The menu's value is the label as text. The sliders write it, one for each component; there are as many as any of the
    models needs.
    """

    def choices(card: ModelInfo | None) -> dict[str, Any]:
        labels = card.labels if card else []
        name = "Label" if card and card.label_space.kind == "vector" else "Class"
        return {"choices": labels, "value": labels[0][1] if labels else None, "visible": bool(labels), "label": name}

    def ranges(card: ModelInfo | None) -> list[dict[str, Any]]:
        found = slider_ranges(card.label_space) if card else []
        return found + [{"visible": False}] * (most - len(found))

    most = max((len(slider_ranges(card.label_space)) for card in context.models.cards.values()), default=0)
    menu = gr.Dropdown(allow_custom_value=True, interactive=True, **choices(context.first) | more)
    # Which labels there are depends on the model asked for; the menu's own would be told as the only ones, or as none.
    menu.api_info = lambda: {"type": "string"}  # type: ignore[method-assign]
    sliders = [gr.Slider(interactive=True, **one) for one in ranges(context.first)]
    context.follow(
        [menu, *sliders], lambda card: [gr.update(**choices(card)), *(gr.update(**one) for one in ranges(card))]
    )
    moved = [menu.input]
    if sliders:
        count = gr.Number(_components(context.first), label="Sliders there are", **UNSEEN)
        context.follow([count], lambda card: [_components(card)])
        for one in sliders:
            script = "(count, ...values) => values.slice(0, count).join()"
            moved.append(run_script(one.input, script, [count, *sliders], [menu]).then)
    return context.checked(menu, checks.label), moved


def _components(card: ModelInfo | None) -> int:
    return len(slider_ranges(card.label_space)) if card else 0


def slider_ranges(labels: LabelSpace) -> list[dict[str, Any]]:
    """What a slider takes for each component of label vectors, from the data's least to its most, in whole steps."""
    if labels.kind != "vector" or len(labels.names) > MOST_SLIDERS:
        return []
    found = []
    examples = zip(*labels.examples, strict=True)
    values = zip(labels.names, labels.units, labels.least, labels.most, labels.mean, examples, strict=True)
    for name, unit, least, most, mean, examples in values:
        whole = all(value.is_integer() for value in (least, most, *examples))
        few = whole and most - least <= MOST_SLIDER_STEPS
        exponent = 0 if few else math.floor(math.log10(most - least)) - 2
        low, high = math.floor(least / 10.0**exponent + CLOSE), math.ceil(most / 10.0**exponent - CLOSE)
        numbers = [("minimum", low), ("maximum", high), ("value", round(mean / 10.0**exponent)), ("step", 1)]
        slider: dict[str, Any] = {key: round(number * 10.0**exponent, max(-exponent, 0)) for key, number in numbers}
        found.append(slider | {"label": f"{name} ({unit})" if unit else name, "visible": True})
    return found


def stage(context: Context, card: ModelInfo | None) -> gr.Slider:
    """The stages of a model, of which the last is the whole network; None for any model."""
    return context.checked(gr.Slider(**stage_range(card), step=1), checks.whole(1, MOST_STAGES, "Stage"))


def stage_range(card: ModelInfo | None) -> dict[str, Any]:
    """The arguments of `stage` that depend on the model."""
    sizes = card.stages if card else [4 << step for step in range(MOST_STAGES)]
    info = "1 = 4 px, " + (f"2 = 8 px, ... {len(sizes)} = {sizes[-1]} px" if len(sizes) > 2 else "2 = 8 px")
    return {
        "minimum": first_stage(card) if card else 1,
        "maximum": max(len(sizes), 2),
        "value": len(sizes),
        "label": "Stage",
        "info": info,
    }


def first_stage(card: ModelInfo) -> int:
    """The number of the stage that training began with."""
    return card.stages.index(card.first_stage) + 1


def stage_size(card: ModelInfo, stage: int) -> int:
    """The resolution of a stage, by its number. InputError for one that the model has not, or never drew."""
    if stage > len(card.stages):
        raise InputError(f'"{card.name}" has {len(card.stages)} stages, of 4 to {card.resolution} px.')
    if stage < (least := first_stage(card)):
        raise InputError(
            f'Training of "{card.name}" began at {card.first_stage} px, which is stage {least}; choose that or more.'
        )
    return card.stages[stage - 1]


def alpha(context: Context, value: float) -> gr.Slider:
    """How far the newest block is faded in."""
    return slider(context, "Alpha", 0, 1, value, 0.05, info="0 = the stage before, 1 = the new block alone")


def say(tab: str) -> str:
    """The script that reads aloud what was drawn in a tab, and describes the images to those who do not see them."""
    return f'(drawn) => window.stylegrow.drawn(drawn, "{tab}")'


def drawn(tab: str) -> gr.JSON:
    """What a function reports of what it drew; not seen, but read aloud through `say`."""
    return gr.JSON(label="How it was made", **UNSEEN, elem_id=f"drawn-{tab}")


def gallery(title: str, name: str, columns: int, classes: str = "pixels", **more: Any) -> gr.Gallery:
    """Where images are shown side by side."""
    layout: dict[str, Any] = {"columns": columns, "height": "auto", "object_fit": "contain", "buttons": []}
    layout |= {"show_label": False} | more
    return gr.Gallery(
        label=title,
        format="png",
        allow_preview=False,
        interactive=False,
        elem_id=name,
        elem_classes=classes,
        **layout,
    )


def figure(title: str, name: str | None = None, classes: str = "figure", **more: Any) -> gr.Image:
    """Where one image is shown, from which it can be saved."""
    look: dict[str, Any] = {"format": "png", "show_label": False, "buttons": ["download", "fullscreen"]} | more
    return gr.Image(label=title, elem_id=name, elem_classes=classes, type="filepath", interactive=False, **look)


def appear(event: Dependency, *components: Block) -> None:
    """Show what was hidden, once an event has gone well."""
    shown = [gr.update(visible=True)] * len(components)
    result = shown if len(shown) > 1 else shown[0]
    event.success(lambda: result, None, list(components), queue=False, api_visibility="private")


def picked(event: gr.EventData, things: Sequence[Any], gone: str) -> Any:
    """Which of the things that a gallery shows was clicked; InputError `gone` for none of them, or no click at all."""
    index = event._data.get("index") if isinstance(event._data, dict) else None
    if not isinstance(index, int) or not 0 <= index < len(things):
        raise InputError(gone)
    return things[index]


def note(text: str) -> str:
    """A sentence in place of what is not there."""
    return f'<p class="note">{escape(text)}</p>'


def listed(numbers: Sequence[int]) -> str:
    """ "0-3", or "0,2,5" where it is no range."""
    if len(numbers) > 1 and list(numbers) == list(range(numbers[0], numbers[-1] + 1)):
        return f"{numbers[0]}-{numbers[-1]}"
    return ",".join(map(str, numbers))


def table(rows: Sequence[tuple[str, str]], titles: Sequence[str] = ()) -> str:
    """A table of text in two columns."""
    lines = [f"<tr><th scope='row'>{escape(one)}</th><td>{escape(other)}</td></tr>" for one, other in rows]
    head = "".join(f"<th scope='col'>{escape(title)}</th>" for title in titles)
    return f"<table class='list'>{f'<tr>{head}</tr>' if head else ''}{''.join(lines)}</table>"


def report(message: str, selector: str = "", descriptions: Sequence[str] = ()) -> dict[str, Any]:
    """What a function reports of what it drew: `message` is read aloud, the descriptions are those of the images."""
    return {"message": message, "alts": [[selector, description] for description in descriptions]}


def slow(how: str, alts: Sequence[Any] = ()) -> dict[str, Any]:
    """The report of a tab that does not draw all by itself, for a model that takes long, with how to have it drawn.

    `alts` are those of the report of what it has drawn.
    """
    return report(f"This model takes its time: to {how}.") | {"alts": list(alts)}


def spaced(things: Iterable[T]) -> Iterator[T]:
    """Those that come at least `SPACE` after the start or the one before, and the last: for pages to show as they come.

    Of what comes at once a page may never show some: both rows of faces to mix stayed empty in 10 of 28 openings where
    all had been drawn before.
    """
    held, since = False, time.monotonic()
    for thing in things:
        held = time.monotonic() - since < SPACE
        if not held:
            since = time.monotonic()
            yield thing
    if held:
        yield thing


@dataclass
class Drawing:
    """A request that is being drawn: the model, how it draws, and the folder for its files, made when it is needed."""

    card: ModelInfo
    sampler: Sampler
    setting: Setting
    files: Path
    start: float
    drew: Callable[[float], None]
    """is told how long an image of full size took"""

    @cached_property
    def folder(self) -> Path:
        return new_folder(self.files)

    def image(self, seed: int, setting: Setting | None = None) -> np.ndarray:
        """The image [H, W, C] (uint8) of a seed."""
        return next(self.sampler.images([seed], setting or self.setting))

    def text(self, **facts: Any) -> dict[str, str]:
        """What files say of how they were made."""
        return self.sampler.text(self.setting, **facts)

    def save(self, image: np.ndarray | Image.Image, name: str, form: str = "png", **facts: Any) -> str:
        """Write an image that says how it was made; its path."""
        return save_image(image, self.folder, name, self.text(**facts), form)

    def took(self, images: int) -> str:
        """ "4 images in 0.2 s"."""
        seconds = time.perf_counter() - self.start
        if self.setting.resolution == self.card.resolution:
            self.drew(seconds / images)
        return f"{counted(images, 'image')} in {seconds:.2g} s"


def start_drawing(
    context: Context, model: str, images: int = 1, needs_styles: str = "", growing: bool = False, **wanted: Any
) -> Drawing:
    """A model, ready to draw so many images in a setting; it says so when they do not fit at once.

    With `growing` its smaller stages are in true colours.

    What a model does not have is left out of the setting, or with `needs_styles`, which names what is to be drawn, an
    InputError. So is what cannot be set.
    """
    start, card = time.perf_counter(), context.models.card(model)
    if needs_styles and not card.styled:
        raise InputError(f'{needs_styles} needs a StyleGAN model; "{card.name}" is a {card.network}.')
    warned: list[int] = []

    def split(batch: int, smaller: int) -> None:
        if not warned:
            where = "computer" if context.models.device() == "cpu" else "GPU"
            gr.Warning(
                f"The {where} ran out of memory at {batch} images. I retried with {smaller} and made {images}; "
                "ask for fewer."
            )
        warned.append(batch)

    sampler = context.models.growing(model) if growing else context.models.sampler(model)
    sampler = sampler.with_split_callback(split)
    drew = (lambda seconds: None) if growing else partial(context.models.drew, card.name)
    return Drawing(card, sampler, setting(sampler, card, **wanted), context.files, start, drew)


def setting(sampler: Sampler, card: ModelInfo, **wanted: Any) -> Setting:
    """The sampler's setting, leaving out what a ProGAN does not have. InputError for a class where there is none."""
    if not card.styled:
        wanted = {key: value for key, value in wanted.items() if key in ("label", "resolution", "alpha", "z_limit")}
    else:
        wanted.pop("z_limit", None)
    if (cutoff := wanted.get("cutoff")) is not None and cutoff >= sampler.generator.num_layers:
        wanted["cutoff"] = None
    if not card.labels:
        if wanted.get("label") is not None:
            raise InputError(f'"{card.name}" has no classes; leave the class empty.')
    elif wanted.get("label") is None:
        wanted["label"] = card.first_label
    return sampler.setting(**wanted)
