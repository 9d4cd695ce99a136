"""The model card: README.md of a model folder, with the header that the Hugging Face Hub reads."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from stylegrow.architectures import ARCHITECTURES
from stylegrow.models.markdown import fact_text, inline, shell, table
from stylegrow.models.measured import numbers_text

# The file beside the card, what it shows, and the command that draws it.
Picture = tuple[str, str, str | None]


def model_card(config: Mapping[str, Any], *, pictures: Sequence[Picture] = (), numbers: Any = None) -> str:
    """The card of the model with this config.json: what it is, its data and credit, training facts, how to load it.

    Facts that it knows: `data`, `credit`, `license`, `resolution` and `alpha` as for save_model, `source`, the file
    that a model trained elsewhere was converted from, and `command`, which started the training. `pictures` are (a file
    beside the card, its caption, the command that draws it or None); `numbers` is what `stylegrow metrics --out FILE`
    writes, parsed. ModelError, in one line, for numbers of another shape.
    """
    facts = dict(config["training"])
    data, credit, licence = (facts.pop(key, None) for key in ("data", "credit", "license"))
    command = facts.pop("command", None)
    architecture = ARCHITECTURES[config["architecture"]]
    generator, classes = config["generator"], config["classes"]
    size, kind = generator["resolution"], "grey" if generator["image_channels"] == 1 else "colour"
    header = [
        f"license: {json.dumps(licence or 'unknown')}",
        "library_name: stylegrow",
        "pipeline_tag: unconditional-image-generation",
        "tags:",
        *(f"- {tag}" for tag in (architecture.name, "gan", "image-generation", "stylegrow")),
    ]
    origin = f"converted from {inline(source)}" if (source := facts.get("source")) else "trained with Stylegrow"
    parts = [
        "\n".join(["---", *header, "---"]),
        f"# {architecture.title}, {size} x {size} px{f': {inline(data)}' if data else ''}",
        f"An image generator {origin}: {architecture.description}. It draws {kind} images of {size} x {size} pixels.",
        "## Data",
        "\n\n".join(
            [f"Trained on {inline(data or 'data that the training facts do not name')}.", *filter(None, [credit])]
        ),
    ]
    if classes:
        parts += ["## Classes", f"Labels are one-hot, in this order: {inline(classes, len(classes))}."]
    if facts or command:
        parts.append("## Training")
        if command:
            parts += ["Started with:", shell(fact_text(command))]
        if facts:
            parts.append(table(["fact", "value"], list(facts.items())))
    if pictures:
        parts += ["## Pictures", *(_picture(*picture) for picture in pictures)]
    if numbers is not None:
        parts += ["## How good it is", numbers_text(numbers)]
    parts += ["## Use", _example(config)]
    return "\n\n".join(parts) + "\n"


def _picture(file: str, caption: str, command: str | None) -> str:
    """A picture, its caption, and the command that draws it."""
    text = fact_text(caption)
    for character in "\\[]":
        text = text.replace(character, f"\\{character}")
    return "\n\n".join([f"![{text}]({quote(file)})", text, *([shell(command)] if command else [])])


def _example(config: Mapping[str, Any]) -> str:
    generator, facts = config["generator"], config["training"]
    size = facts.get("resolution", generator["resolution"])
    arguments = "z"
    lines = [
        "import torch",
        "from zoo import load_generator",
        "",
        'g = load_generator("path/of/this/folder")  # or "hf://user/repo"',
    ]
    lines.append(f"z = torch.randn(4, {generator['z_dim']})")
    if generator["label_dim"]:
        lines.append(f"labels = torch.eye({generator['label_dim']})[[0, 0, 0, 0]]")
        arguments += ", labels"
    if ARCHITECTURES[config["architecture"]].has_styles:
        arguments += ", psi=0.7"  # its usual trade of variety for quality, which nobody finds without being told
    # A model saved while it was growing is good only up to where it had got.
    if size != generator["resolution"] or facts.get("alpha", 1) != 1:
        arguments += f", resolution={size}, alpha={facts.get('alpha', 1)}"
    shape = f"[4, {generator['image_channels']}, {size}, {size}]"
    lines += ["with torch.inference_mode():", f"    images = g({arguments})  # {shape}, nominal range -1 to 1"]
    return "\n".join(["From a checkout of Stylegrow:", "", "```python", *lines, "```"])
