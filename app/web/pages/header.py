"""What stands above the tabs: the name, the model menu, what is known of the model, and the line that is read aloud."""

from html import escape

import gradio as gr
import numpy as np
from PIL import Image

from app.web.context import Context
from app.web.live import data_url
from app.web.models import COMMANDS
from stylegrow.models.info import ModelInfo
from stylegrow.rendering.showers import LEGENDS, with_legend

LEGEND_WIDTH = 480  # px


def build(context: Context) -> gr.HTML:
    """The header; makes `context.model`. Returns the badge that tells how quick the model is."""
    models = context.models
    with gr.Row(elem_id="header"):
        gr.Markdown("# Stylegrow", elem_id="title", container=False)
        context.model = context.checked(
            gr.Dropdown(
                [(card.title(), name) for name, card in models.cards.items()],
                value=models.first,
                label="Model",
                show_label=False,
                container=False,
                elem_id="model",
                filterable=len(models.cards) > 8,
                interactive=True,
                scale=3,
            ),
            lambda value: models.card(value).name,
        )
        card = context.first
        shown = gr.HTML(badge(context, card), elem_id="badge")
    with gr.Row(elem_id="notes"):
        banner = gr.HTML(_banner(card), elem_id="banner")
        gr.HTML('<div role="status" aria-live="polite" id="said"></div>', elem_id="status")
    context.follow([shown, banner], lambda card: [badge(context, card), _banner(card)])
    return shown


def badge(context: Context, card: ModelInfo | None) -> str:
    """The device, and how long an image takes if the model is in memory."""
    device = "CPU" if context.models.device() == "cpu" else "GPU"
    if card is None:
        return f'<span class="badge">{device}</span>'
    seconds = context.models.seconds(card.name)
    speed = "" if seconds is None else f", about {_rounded(seconds)} per image"
    return f'<span class="badge">{device}{speed}</span>'


def _rounded(seconds: float) -> str:
    return f"{max(round(seconds * 1000), 1)} ms" if seconds < 0.1 else f"{seconds:.2g} s"


def _legend(transform: str) -> str:
    """What the colours of showers mean, as an image."""
    source = data_url(np.asarray(with_legend(Image.new("RGB", (LEGEND_WIDTH, 1), "white"), transform)))
    return f'<img src="{source}" alt="Colours: {LEGENDS[transform].words}">'


def _banner(card: ModelInfo | None) -> str:
    if card is None:
        commands = "".join(f"<code>{escape(command)}</code>" for command in COMMANDS)
        return (
            '<div class="banner"><strong>No model is loaded.</strong> Train one, which takes a while, '
            f"or start the app with one that you have: {commands}</div>"
        )
    if card.transform in LEGENDS:
        return f'<div class="banner">{_legend(card.transform)}</div>'
    if card.bundled:
        return (
            f'<div class="banner">A small demonstration model: cartoon heads of {card.resolution} px. '
            "It shows how everything works, not how good it can get.</div>"
        )
    return ""
