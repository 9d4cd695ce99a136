"""The model card: README.md of a model folder, with the header that the Hugging Face Hub reads."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from stylegrow.architectures import ARCHITECTURES
from stylegrow.models.evaluation import Evaluation, evaluation_text
from stylegrow.models.labels import LabelSpace, default_psi
from stylegrow.models.markdown import fact_text, inline, shell, table

ELSEWHERE = "path/of/this/folder"  # what the card calls a model that is not in zoo/


class CardImage(NamedTuple):
    """A file beside the card, what it shows, and the command that draws it."""

    file: str
    caption: str
    command: str | None = None


def model_card(
    config: Mapping[str, Any],
    *,
    name: str = ELSEWHERE,
    images: Sequence[CardImage] = (),
    evaluation: Evaluation | None = None,
) -> str:
    """The card of the model with this config.json: what it is, its data and credit, training facts, how to load it.

    `name` is what load_generator takes for it.

    Facts that it knows: `data`, `credit`, `license`, `resolution` and `alpha` as for save_model, `source`, the file
    that a model trained elsewhere was converted from, and `command`, which started the training.
    """
    from huggingface_hub import ModelCardData

    facts = dict(config["training"])
    data, credit, licence = (facts.pop(key, None) for key in ("data", "credit", "license"))
    command = facts.pop("command", None)
    architecture = ARCHITECTURES[config["architecture"]]
    generator, labels = config["generator"], LabelSpace.of(config)
    size, channels = generator["resolution"], generator["image_channels"]
    drawn = f"{'grey' if channels == 1 else 'colour'} images of {size} x {size} pixels"
    if transform := config.get("transform"):
        drawn = f"showers in {channels} channels of {size} x {size} cells, their signals in grey levels ({transform})"
    header = ModelCardData(
        license=licence or "unknown",
        library_name="stylegrow",
        pipeline_tag="unconditional-image-generation",
        tags=[architecture.name, "gan", "image-generation", "stylegrow"],
    )
    origin = f"converted from {inline(source)}" if (source := facts.get("source")) else "trained with Stylegrow"
    parts = [
        f"---\n{header.to_yaml()}\n---",
        f"# {architecture.title}, {size} x {size} px{f': {inline(data)}' if data else ''}",
        f"An image generator {origin}: {architecture.description}. It draws {drawn}.",
        "## Data",
        f"Trained on {inline(data or 'data that the training facts do not name')}.",
        *([credit] if credit else []),
    ]
    if labels.kind == "vector":
        titles, order = ["component", "mean", "deviation", "least", "most"], "Labels are vectors of these numbers, in "
        columns = (labels.names, labels.mean, labels.deviation, labels.least, labels.most)
        rows = [[name, *(f"{value:.5g}" for value in values)] for name, *values in zip(*columns, strict=True)]
        order += "this order and in the data's units; the networks standardise them. The range is the training data's."
        parts += ["## Labels", order, table(titles, rows)]
    elif config["classes"]:
        parts += ["## Classes", f"Labels are one-hot, in this order: {inline(labels.names, len(labels.names))}."]
    if facts or command:
        parts.append("## Training")
        if command:
            parts += ["Started with:", shell(fact_text(command))]
        if facts:
            parts.append(table(["fact", "value"], list(facts.items())))
    if images:
        parts += ["## Pictures", *(_image(*image) for image in images)]
    if evaluation:
        parts += ["## How good it is", evaluation_text(evaluation)]
    parts += ["## Use", _example(config, name)]
    return "\n\n".join(parts) + "\n"


def _image(file: str, caption: str, command: str | None) -> str:
    text = fact_text(caption)
    for character in "\\[]":
        text = text.replace(character, f"\\{character}")
    return "\n\n".join([f"![{text}]({quote(file)})", text, *([shell(command)] if command else [])])


def _example(config: Mapping[str, Any], name: str) -> str:
    generator, facts = config["generator"], config["training"]
    size, alpha = facts.get("resolution", generator["resolution"]), facts.get("alpha", 1)
    labels, space = f"labels = torch.eye({generator['label_dim']})[[0, 0, 0, 0]]", LabelSpace.of(config)
    if space.kind == "vector":
        labels = f"labels = torch.tensor([{list(space.examples[0])}] * 4)"
    arguments = ["z"]
    if generator["label_dim"]:
        arguments.append("labels")
    if ARCHITECTURES[config["architecture"]].has_styles:
        # The usual trade of variety for quality; the network's own default, 1, does not truncate.
        arguments.append(f"psi={default_psi(space.kind):g}")
    # A model saved while it was growing is good only up to the stage that it had reached.
    if size != generator["resolution"] or alpha != 1:
        arguments += [f"resolution={size}", f"alpha={alpha}"]
    shape = f"[4, {generator['image_channels']}, {size}, {size}]"
    lines = [
        "With Stylegrow installed:",
        "",
        "```python",
        "import torch",
        "from stylegrow import load_generator",
        "",
        f'g = load_generator("{name}")  # or "hf://user/repo"',
        f"z = torch.randn(4, {generator['z_dim']})",
        *([labels] if generator["label_dim"] else []),
        "with torch.inference_mode():",
        f"    images = g({', '.join(arguments)})  # {shape}, nominal range -1 to 1",
        "```",
    ]
    return "\n".join(lines)
