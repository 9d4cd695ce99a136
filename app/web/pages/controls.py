"""Controls that several tabs have, and what their values mean to a model."""

import time
from collections.abc import Sequence
from html import escape
from typing import Any

import gradio as gr

from app.web import checks
from app.web.context import Context
from stylegrow.common.errors import InputError
from stylegrow.common.text import counted
from stylegrow.models.info import ModelInfo
from stylegrow.sampling.engine import Engine, Setting

NOISE_MODES = ("const", "random", "none")
MOST_STAGES = 9  # 4 to 1024 px
ALPHA_INFO = "0 = the stage before, 1 = the new block alone"


def psi(context: Context, **more: Any) -> gr.Slider:
    """Truncation; hidden for models that have none."""
    slider = context.checked(
        gr.Slider(
            checks.LEAST_PSI,
            checks.MOST_PSI,
            0.7,
            step=0.05,
            label="Truncation (psi)",
            info="0 = average face, 1 = untruncated",
            **more,
        ),
        checks.psi,
    )
    context.follow([slider], lambda card: [gr.update(visible=card is None or card.styled)])
    return slider


def label(context: Context) -> gr.Dropdown:
    """The class menu of labelled models; hidden for others."""

    def choices(card: ModelInfo | None) -> dict[str, Any]:
        labels = card.labels if card else []
        return {"choices": labels, "value": labels[0][1] if labels else None, "visible": bool(labels)}

    first = context.models.cards.get(context.models.first or "")
    menu = gr.Dropdown(label="Class", allow_custom_value=True, interactive=True, **choices(first))
    context.follow([menu], lambda card: [gr.update(**choices(card))])
    return context.checked(menu, checks.label)


def stage_slider(card: ModelInfo | None) -> dict[str, Any]:
    """The slider of a model's stages, of which the last is the whole network."""
    sizes = card.stages if card else [4 << step for step in range(MOST_STAGES)]
    info = "1 = 4 px, " + (f"2 = 8 px, ... {len(sizes)} = {sizes[-1]} px" if len(sizes) > 2 else "2 = 8 px")
    return {"minimum": 1, "maximum": max(len(sizes), 2), "value": len(sizes), "label": "Stage", "info": info}


def say(tab: str) -> str:
    """The script that reads aloud what was drawn in a tab, and describes the pictures to those who do not see them."""
    return f'(drawn) => window.stylegrow.drawn(drawn, "{tab}")'


def drawn(tab: str) -> gr.JSON:
    """What a function says of what it drew; not seen, but read aloud through `say`."""
    return gr.JSON(label="How it was made", visible="hidden", elem_id=f"drawn-{tab}")


def gallery(title: str, name: str, columns: int, classes: str = "pixels", **more: Any) -> gr.Gallery:
    """Where pictures are shown side by side."""
    return gr.Gallery(
        label=title,
        show_label=False,
        format="png",
        columns=columns,
        height="auto",
        allow_preview=False,
        interactive=False,
        elem_id=name,
        elem_classes=classes,
        **({"object_fit": "contain", "buttons": []} | more),
    )


def figure(title: str, name: str, **more: Any) -> gr.Image:
    """Where a figure is shown, from which it can be saved."""
    return gr.Image(
        label=title,
        show_label=False,
        format="png",
        type="filepath",
        interactive=False,
        buttons=["download", "fullscreen"],
        elem_id=name,
        elem_classes="figure",
        **more,
    )


def picked(event: gr.EventData, things: Sequence[Any], gone: str) -> Any:
    """Which of the things that a gallery shows was clicked; InputError `gone` for none of them, or no click at all."""
    index = event._data.get("index") if isinstance(event._data, dict) else None
    if not isinstance(index, int) or not 0 <= index < len(things):
        raise InputError(gone)
    return things[index]


def opened(context: Context, model: str, images: int = 1) -> tuple[ModelInfo, Engine]:
    """A model, ready to draw so many images; it says so when they do not fit at once. InputError."""
    told: list[int] = []

    def split(batch: int, smaller: int) -> None:
        if not told:
            where = "computer" if context.models.device() == "cpu" else "GPU"
            gr.Warning(
                f"The {where} ran out of memory at {batch} images. I retried with {smaller} and made {images}; "
                "ask for fewer."
            )
        told.append(batch)

    return context.models.card(model), context.models.engine(model).telling(split)


def setting(engine: Engine, card: ModelInfo, **wanted: Any) -> Setting:
    """The engine's setting, leaving out what a ProGAN does not have and the class of a model that has none."""
    if not card.styled:
        wanted = {key: value for key, value in wanted.items() if key in ("label", "resolution", "alpha", "z_limit")}
    else:
        wanted.pop("z_limit", None)
    if (cutoff := wanted.get("cutoff")) is not None and cutoff >= engine.generator.num_layers:
        wanted["cutoff"] = None
    if not card.labels:
        wanted["label"] = None
    elif wanted.get("label") is None:
        wanted["label"] = card.labels[0][1]
    return engine.setting(**wanted)


def needs_styles(card: ModelInfo, what: str) -> None:
    """InputError for a ProGAN."""
    if not card.styled:
        raise InputError(f'{what} needs a StyleGAN model; "{card.name}" is a ProGAN.')


def note(text: str) -> str:
    """A sentence in place of what a model does not have."""
    return f'<p class="note">{escape(text)}</p>'


def report(message: str, **facts: Any) -> dict[str, Any]:
    """What a function says of what it drew: `message` is read aloud, `alts` are (selector, description) of images."""
    return {"message": message} | facts


def draw_text(count: int, noun: str, start: float) -> str:
    """ "4 images in 0.2 s"."""
    return f"{counted(count, noun)} in {time.perf_counter() - start:.2g} s"
