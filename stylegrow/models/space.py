"""A Hugging Face Space of the browser app: a folder that holds all it needs, ready to be uploaded."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from stylegrow.common.errors import InputError
from stylegrow.common.text import printable
from stylegrow.models.folders import files_of
from stylegrow.models.info import BUNDLED, ModelInfo, read_info

ROOT = Path(__file__).parents[2]
ROOMS = ("app", "data", "metrics", "progan", "stylegan", "zoo")
NOT_NEEDED = ("accelerate", "psutil", "pytest")  # of requirements.txt, by an app that trains nothing
START = "serve.py"
SERVE = '''"""The start of this Space: Stylegrow's browser app on the models that came with it."""

import sys

from app.__main__ import main

MODELS = {models}

if __name__ == "__main__":
    words = [word for model in MODELS for word in ("--model", model)]
    sys.exit(main([*words, "--host", "0.0.0.0", "--port", "7860", *sys.argv[1:]]))
'''
README = """---
title: Stylegrow
emoji: 🌱
colorFrom: indigo
colorTo: gray
sdk: gradio
sdk_version: {gradio}
python_version: "{python}"
app_file: {start}
pinned: false
license: apache-2.0
short_description: Explore a generator; guess which picture is real
---

# Stylegrow

The browser app of Stylegrow, which trains ProGAN (Karras et al. 2018) and StyleGAN (Karras et al. 2019) and shows what
they have learned. Written by `stylegrow models space`.

{models}

Here and anywhere else it starts with `pip install -r requirements.txt` and `python {start}`. For the game with pictures
of your own, put them into a folder here and add `"--real-images", "FOLDER"` to the words in {start}.
"""


def write_space(models: Sequence[str], outdir: str) -> Path:
    """Write the folder, with the models named (none: those that come with Stylegrow); returns its path.

    An earlier one is replaced, as is a clone of the Space's repository. InputError or zoo.ModelError for what cannot be
    used, OSError for what cannot be written.
    """
    cards = [read_info(model) for model in models or BUNDLED]
    if not cards:
        raise InputError("--model: no model comes with this copy of Stylegrow; name one")
    folder = Path(outdir)
    if any(folder.resolve().is_relative_to(ROOT / room) for room in ROOMS):
        raise InputError(f"--outdir {printable(folder)}: lies within Stylegrow's own code; name another folder")
    _make_room(folder)
    for room in ROOMS:
        if (ROOT / room).is_dir():
            shutil.copytree(ROOT / room, folder / room, ignore=_left_out)
    names = _names(cards)
    for name, card in zip(names, cards, strict=True):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for file in files_of(card.folder):
            shutil.copyfile(card.folder / file, folder / name / file)
    for file in ("LICENSE", "NOTICE"):
        shutil.copyfile(ROOT / file, folder / file)
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines(keepends=True)
    _write(folder / "requirements.txt", "".join(line for line in lines if _package(line) not in NOT_NEEDED))
    _write(folder / ".gitattributes", "*.safetensors filter=lfs diff=lfs merge=lfs -text\n")
    _write(folder / START, SERVE.format(models=_source(names)))
    facts = {"gradio": version("gradio"), "python": "{}.{}".format(*sys.version_info), "start": START}
    _write(folder / "README.md", README.format(models=_about(cards), **facts))
    return folder


def _make_room(folder: Path) -> None:
    """Remove what an earlier one consists of; InputError for a folder that is something else."""
    if not folder.exists():
        folder.mkdir(parents=True)
        return
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else {"a file"}
    if there - {".git", ".gitattributes", "README.md"} and START not in there:
        raise InputError(
            f"--outdir {printable(folder)}: is there and no Space of Stylegrow; name a new or empty folder"
        )
    for name in (*ROOMS, "models"):
        if (folder / name).is_dir() and not (folder / name).is_symlink():
            shutil.rmtree(folder / name)


def _left_out(folder: str, names: list[str]) -> set[str]:
    """Of a room: what Python wrote, hidden files, and the models, of which only some are wanted."""
    models = {name for name in names if (Path(folder) / name / "config.json").is_file()}
    return models | {name for name in names if name == "__pycache__" or name.startswith(".")}


def _names(cards: Sequence[ModelInfo]) -> list[str]:
    """The folder of each model in the Space. Those that come with Stylegrow stay where it looks for them."""
    names: list[str] = []
    for card in cards:
        safe = re.sub(r"[^A-Za-z0-9._-]+", "-", card.name).strip("-.") or "model"
        name = f"{'zoo' if card.bundled else 'models'}/{safe}"
        names.append(name if name not in names else f"{name}-{len(names)}")
    return names


def _source(names: Sequence[str]) -> str:
    """A list in Python."""
    return "[\n" + "".join(f'    "{name}",\n' for name in names) + "]"


def _about(cards: Sequence[ModelInfo]) -> str:
    lines = []
    for card in cards:
        facts = [card.title(), card.training.get("data"), card.training.get("credit"), card.training.get("license")]
        lines.append("- " + "; ".join(printable(fact) for fact in facts if fact))
    return "\n".join(lines)


def _package(line: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", line.strip(), maxsplit=1)[0].lower()


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
