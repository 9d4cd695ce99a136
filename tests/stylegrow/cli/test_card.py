"""The command that renews a model card: its images, which its own commands draw again, and input that it cannot use."""

import json
import os
import re
import shlex
import shutil

import pytest
from PIL import Image

from stylegrow.cli.main import main
from stylegrow.models import load_generator
from stylegrow.models.cards import ELSEWHERE

RESULT = {"name": "kid", "value": 0.125, "floor": 0.5, "samples": 30, "features": "embedded"}
NUMBERS = {"options": {"trunc": None}, "results": [RESULT], "anchors": {}}


@pytest.fixture
def copied(models, tmp_path):
    """A copy of a model of the fixtures, in a folder of its own."""

    def copy(name):
        return shutil.copytree(models / name, tmp_path / "card" / name)

    return copy


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def card(folder, *options):
    return main(["models", "card", "--model", str(folder), "--device", "cpu", *options])


@pytest.mark.parametrize(
    ("name", "below", "names"),
    [
        ("style", "", ["grid.png", "truncation.png", "mix.png"]),
        ("growing", "", ["grid.png", "truncation.png", "mix.png"]),
        ("one-style", "", ["grid.png", "truncation.png"]),
        ("run", "model", ["grid.png"]),
    ],
)
def test_the_images_are_those_that_the_cards_commands_draw(copied, tmp_path, capsys, name, below, names):
    model = copied(name)
    folder = model / below
    before = contents(folder)
    assert card(model, "--seeds", "5,0-2") == 0
    written = [line.removeprefix("wrote ") for line in capsys.readouterr().out.splitlines()]
    assert written == [str(folder / file) for file in [*names, "README.md"]]
    after = contents(folder)
    assert after.keys() == before.keys() | set(names)
    assert all(after[file] == before[file] for file in before if file != "README.md")
    text = after["README.md"].decode()
    assert re.findall(r"!\[[^\]]+\]\((.+)\)", text) == names
    commands = re.findall(r"^stylegrow (.*)$", text, re.M)
    assert len(commands) == len(names)
    for command, file in zip(commands, names, strict=True):
        words = [str(model) if word == ELSEWHERE else word for word in shlex.split(command)]
        assert main([*words, "--outdir", str(tmp_path / "again"), "--device", "cpu"]) == 0
        assert (tmp_path / "again" / file).read_bytes() == after[file]


def test_the_grid_is_not_truncated_and_its_text_says_so(copied):
    folder = copied("style")
    assert card(folder, "--seeds", "4-5") == 0
    with Image.open(folder / "grid.png") as image:
        facts = json.loads(image.text["parameters"])
    assert (facts["seeds"], facts["psi"]) == ([4, 5], 1.0)
    assert "Uncurated: seeds 4-5, psi 1\n" in (folder / "README.md").read_text(encoding="utf-8")
    load_generator(folder)


def test_numbers_are_in_the_card(copied, tmp_path):
    folder = copied("run")
    (tmp_path / "numbers.json").write_text(json.dumps(NUMBERS))
    assert card(folder, "--numbers", str(tmp_path / "numbers.json"), "--seeds", "1") == 0
    assert re.search(r"\| kid \| 0\.125 \| 0\.5 \|", (folder / "model" / "README.md").read_text(encoding="utf-8"))


def test_code_and_commands_name_a_bundled_model_and_the_class(copied, tmp_path, monkeypatch):
    folder = copied("classes")
    monkeypatch.setattr("stylegrow.models.folders.ZOO", tmp_path / "card")
    assert card(folder, "--seeds", "1", "--class", "öwl", "--dtype", "bf16") == 0
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert 'load_generator("classes")' in text
    command = re.search(r"^stylegrow (grid .*)$", text, re.M)
    assert shlex.split(command[1]) == [
        "grid", "--model", "classes", "--seeds", "1", "--trunc", "1", "--class", "öwl", "--dtype", "bf16"
    ]  # fmt: skip


BAD = [
    ("style", ["--numbers", "missing.json"], "missing.json: cannot be read (No such file or directory)"),
    ("style", ["--numbers", "text"], "text: is not"),
    ("style", ["--numbers", "deep.json"], "deep.json: is not"),
    ("style", ["--numbers", "other.json"], "other.json: is not what stylegrow metrics"),
    ("style", ["--numbers", "empty.json"], "empty.json: is not what stylegrow metrics"),
    ("style", ["--numbers", "."], ".: is not what stylegrow metrics --out writes"),
    ("style", ["--seeds", "5-"], "--seeds '5-'"),
    ("style", ["--seeds", "0-999"], "give at most 256"),
    ("style", ["--class", "cat"], "class 'cat'"),
    ("style", ["--batch", "0"], "--batch 0"),
    ("style", ["--outdir", "out"], "--outdir"),
    ("classes", [], "give one of cat, 2, öwl"),
]


@pytest.mark.parametrize(("name", "options", "words"), BAD)
def test_bad_input_is_one_line_and_changes_nothing(copied, tmp_path, monkeypatch, capsys, name, options, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text").write_text("kid 0.1")
    (tmp_path / "deep.json").write_text("[" * 100_000)
    (tmp_path / "other.json").write_text('{"results": 3}')
    (tmp_path / "empty.json").write_text('{"results": []}')
    folder = copied(name)
    before = contents(folder)
    assert card(folder, *options) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert words in said.err
    assert contents(folder) == before


def test_a_model_on_the_hub_has_no_folder_for_it(capsys):
    for name in ("hf://user/repo", "hf:/user/repo@main"):
        assert card(name) == 2
        said = capsys.readouterr()
        assert (said.out, said.err.count("\n")) == ("", 1)
        assert "a card is written into a folder" in said.err


def test_a_folder_that_cannot_be_written_is_named(copied, monkeypatch, capsys):
    folder = copied("run")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert card(folder) == 2
    assert f"--model {folder / 'model'}" in capsys.readouterr().err


def test_a_full_disk_leaves_the_card_as_it_was(copied, monkeypatch, capsys):
    folder = copied("run") / "model"
    before = contents(folder)

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert card(folder, "--seeds", "1") == 1
    assert "No space left on device" in capsys.readouterr().err
    assert contents(folder) == before
