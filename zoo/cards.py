"""The model card: README.md of a model folder, with the header that the Hugging Face Hub reads."""

import json
from collections.abc import Mapping
from typing import Any

TITLES = {
    "progan": ("ProGAN", "the progressively growing GAN of Karras, Aila, Laine and Lehtinen (2018)"),
    "stylegan": ("StyleGAN", "the style-based generator of Karras, Laine and Aila (2019)"),
}
LONGEST_LIST = 12


def model_card(config: Mapping[str, Any]) -> str:
    """The card of the model with this config.json: what it is, its data and credit, training facts, how to load it.

    Facts that it knows: `data`, `credit`, `license`, `resolution` and `alpha` as for save_model, and `source`, the file
    that a model trained elsewhere was converted from.
    """
    facts = dict(config["training"])
    data, credit, licence = (facts.pop(key, None) for key in ("data", "credit", "license"))
    title, description = TITLES[config["architecture"]]
    generator, classes = config["generator"], config["classes"]
    size, kind = generator["resolution"], "grey" if generator["image_channels"] == 1 else "colour"
    header = [
        f"license: {json.dumps(licence or 'unknown')}",
        "library_name: stylegrow",
        "pipeline_tag: unconditional-image-generation",
        "tags:",
        *(f"- {tag}" for tag in (config["architecture"], "gan", "image-generation", "stylegrow")),
    ]
    origin = f"converted from {_inline(source)}" if (source := facts.get("source")) else "trained with Stylegrow"
    parts = [
        "\n".join(["---", *header, "---"]),
        f"# {title}, {size} x {size} px{f': {_inline(data)}' if data else ''}",
        f"An image generator {origin}: {description}. It draws {kind} images of {size} x {size} pixels.",
        "## Data",
        "\n\n".join(
            [f"Trained on {_inline(data or 'data that the training facts do not name')}.", *filter(None, [credit])]
        ),
    ]
    if classes:
        parts += ["## Classes", f"Labels are one-hot, in this order: {_inline(classes, len(classes))}."]
    if facts:
        rows = [f"| {_inline(name)} | {_inline(value)} |" for name, value in facts.items()]
        parts += ["## Training", "\n".join(["| fact | value |", "|---|---|", *rows])]
    parts += ["## Use", _example(config)]
    return "\n\n".join(parts) + "\n"


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
    if config["architecture"] == "stylegan":
        arguments += ", psi=0.7"  # its usual trade of variety for quality, which nobody finds without being told
    # A model saved while it was growing is good only up to where it had got.
    if size != generator["resolution"] or facts.get("alpha", 1) != 1:
        arguments += f", resolution={size}, alpha={facts.get('alpha', 1)}"
    shape = f"[4, {generator['image_channels']}, {size}, {size}]"
    lines += ["with torch.inference_mode():", f"    images = g({arguments})  # {shape}, nominal range -1 to 1"]
    return "\n".join(["From a checkout of Stylegrow:", "", "```python", *lines, "```"])


def fact_text(value: Any, longest: int = LONGEST_LIST) -> str:
    """A fact as one line; long lists only as their length."""
    if isinstance(value, list | tuple):
        text = ", ".join(map(str, value)) if len(value) <= longest else f"{len(value)}, listed in config.json"
    else:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return " ".join(text.split())


def _inline(value: Any, longest: int = LONGEST_LIST) -> str:
    """A fact that a table cell can hold."""
    return fact_text(value, longest).replace("|", "\\|")
