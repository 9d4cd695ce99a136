"""What config.json tells of a model's labels."""

import json

import pytest

from stylegrow.models import load_discriminator, load_generator, read_config, save_model
from stylegrow.models.labels import LabelSpace
from tests.stylegrow.models.helpers import networks, refused

VECTOR = {"label_dim": 2, "label_kind": "vector", "label_mean": [1.0, 2.0], "label_deviation": [0.5, 0.25]}
VALUES = {"min": [0.0, 1.5], "max": [2.0, 2.5], "examples": [[0.0, 2.5], [2.0, 1.5]]}


@pytest.fixture
def folder(tmp_path):
    save_model(tmp_path / "m", *networks(**VECTOR), classes=["a", "b"], label_values=VALUES)
    return tmp_path / "m"


def change(folder, **changes):
    content = json.loads((folder / "config.json").read_text())
    generator = content["generator"] | changes.pop("generator", {})
    (folder / "config.json").write_text(json.dumps(content | changes | {"generator": generator}))


def test_values_are_kept(folder):
    labels = LabelSpace.of(read_config(folder))
    assert (labels.kind, labels.names, labels.mean, labels.deviation) == ("vector", ("a", "b"), (1, 2), (0.5, 0.25))
    assert (labels.least, labels.most, labels.examples) == ((0, 1.5), (2, 2.5), ((0, 2.5), (2, 1.5)))
    assert {labels.drawn(seed) for seed in range(20)} == set(labels.examples)
    assert list(load_generator(folder).config.label_mean) == [1, 2]


def test_an_update_of_a_model_of_a_version_without_kinds(tmp_path):
    save_model(tmp_path / "m", *networks(label_dim=2))
    content = json.loads((tmp_path / "m" / "config.json").read_text())
    for role in ("generator", "discriminator"):
        for name in ("label_kind", "label_mean", "label_deviation"):
            del content[role][name]
    for role in ("generator", "discriminator"):
        for name in ("channel_sums", "sums_mean", "sums_deviation", "hit"):
            del content[role][name]
    (tmp_path / "m" / "config.json").write_text(json.dumps(content))
    assert LabelSpace.of(read_config(tmp_path / "m")).kind == "classes"
    assert not load_discriminator(tmp_path / "m").config.channel_sums
    save_model(tmp_path / "m", *networks(label_dim=2))
    refused(["another generator"], save_model, tmp_path / "m", *networks(label_dim=2, label_kind="vector"))


@pytest.mark.parametrize(
    "changes",
    [
        {"generator": {"label_kind": "words"}},
        {"generator": {"label_mean": "ab"}},
        {"generator": {"label_mean": [1.0]}},
        {"generator": {"label_mean": [1.0, float("nan")]}},
        {"generator": {"label_deviation": [1.0, 0.0]}},
        {"label_values": {"min": [0, 1]}},
        {"label_values": VALUES | {"min": [0.0]}},
        {"label_values": VALUES | {"examples": []}},
        {"label_values": VALUES | {"examples": [[1.0, 2.0, 3.0]]}},
        {"label_values": VALUES | {"max": [0.0, 2.5]}},
        {"label_values": VALUES | {"max": [float("inf"), 2.5]}},
    ],
)
def test_what_makes_no_labels_is_refused(folder, changes):
    change(folder, **changes)
    refused([str(folder / "config.json")], read_config, folder)


def test_the_card_tells_what_the_labels_are(folder):
    text = (folder / "README.md").read_text()
    assert "| a | 1 | 0.5 | 0 | 2 |" in text
    example = text.split("```python\n")[1].split("```")[0]
    scope = {}
    exec(example.replace("path/of/this/folder", folder.as_posix()), scope)
    assert scope["images"].shape == (4, 3, 8, 8)
