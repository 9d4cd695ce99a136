"""About: the model, the limits, the keys, and the endpoints for programs."""

from html import escape
from importlib.metadata import version
from typing import Any

import gradio as gr

from app.web.context import Context, run_script
from app.web.models import COMMANDS
from app.web.pages import controls
from stylegrow.models.info import ModelInfo
from stylegrow.models.labels import LabelSpace

ID = "about"
KEYS = (
    ("G", "generate"),
    ("S", "random seeds"),
    ("[ and ]", "previous and next seeds"),
    ("Ctrl-Z and Ctrl-Shift-Z", "undo and redo in Generate"),
    ("A to D, R, G, N, Space", "in the game, whose tab lists them"),
    ("?", "this list"),
)
MOST_NAMED = 50  # classes
USE = """### Data, and what not to use this for
The pictures are invented, and some may come close to pictures that the model was trained with. Of a model of people,
do not pass pictures off as photographs of somebody. A model repeats what its data favours, so do not take what it
draws for what the world looks like.
"""


def build(context: Context) -> None:
    """The tab; the last, since it lists the endpoints of the others."""

    def models() -> list[dict[str, Any]]:
        """The models that the other endpoints know, by name."""
        return [_facts(card) for card in context.models.cards.values()]

    def model_info(model: str) -> dict[str, Any]:
        """All that is known of a model, as its config.json says it."""
        card = context.models.card(model)
        return _facts(card) | {"classes": list(card.classes), "generator": card.generator, "training": card.training}

    with gr.Tab("About", id=ID) as tab:
        about = gr.HTML(_about(context.first), elem_classes="unpadded")
        context.follow([about], lambda card: [_about(card)])
        with gr.Accordion("All that is known of it", open=False):
            info = gr.JSON(label="Model", show_label=False)
            show = gr.Button("Show", size="md")
        with gr.Row(visible=False):
            listed, every = gr.Button("List"), gr.JSON(label="Models")
        gr.Markdown(USE)
        gr.HTML(f"<h3>Keys</h3>{controls.table(KEYS, ('Key', 'What it does'))}", elem_classes="unpadded code")
        keys = gr.Checkbox(True, label="Keys are on", elem_id="keys-on", container=False)
        run_script(tab.select, "() => window.stylegrow.keysAreOn()", None, [keys])
        run_script(keys.input, "(on) => window.stylegrow.switchKeys(on)", [keys])
        context.bind(show.click, model_info, [context.model], [info], name="model_info", draws=False)
        context.bind(listed.click, models, [], [every], name="models", draws=False)
        rows = [
            (f"/{one.name}({', '.join(one.parameters)})", one.summary.replace("`", "")) for one in context.endpoints
        ]
        gr.HTML(
            "<h3>For programs</h3><p>All of this can be asked for by gradio_client or over HTTP; "
            '<a href="?view=api">the page on it</a> shows how.</p>'
            + controls.table(rows, ("Endpoint", "What it gives")),
            elem_classes="unpadded code",
        )
        gr.Markdown(
            f"### Limits\nAt most {context.limits.images} pictures and {context.limits.frames} frames of a video "
            f"at once. What is made is deleted after two hours.\n\n"
            f"Stylegrow with Gradio {version('gradio')} and PyTorch {version('torch')}. "
            "It sends nothing anywhere but to your browser."
        )


def _facts(card: ModelInfo) -> dict[str, Any]:
    kimg = card.training.get("kimg")
    return {"name": card.name, "architecture": card.architecture, "resolution": card.resolution, "kimg": kimg}


def _about(card: ModelInfo | None) -> str:
    if card is None:
        return "<h2>No model is loaded</h2>" + "".join(f"<p><code>{command}</code></p>" for command in COMMANDS)
    facts = [
        ("Architecture", f"{card.network}, {card.resolution} × {card.resolution} px"),
        ("Trained on", card.training.get("data")),
        ("Credit", card.training.get("credit")),
        ("Licence of the data", card.training.get("license")),
        ("Images shown to the critic", _thousands(card.training.get("kimg"))),
        ("Objective", card.training.get("objective")),
        ("FID", card.training.get("fid")),
        _labels(card.label_space),
    ]
    rows = [(name, str(value)) for name, value in facts if value]
    return f"<h2>{escape(card.name)}</h2>{controls.table(rows)}"


def _labels(labels: LabelSpace) -> tuple[str, str]:
    if labels.kind != "vector":
        return "Classes", ", ".join(labels.names[:MOST_NAMED] if labels.named else ())
    ranges = zip(labels.names, labels.least, labels.most, strict=True)
    return "Labels", ", ".join(f"{name} from {least:g} to {most:g}" for name, least, most in list(ranges)[:MOST_NAMED])


def _thousands(kimg: Any) -> str:
    return f"{kimg * 1000:,.0f}" if isinstance(kimg, int | float) else ""
