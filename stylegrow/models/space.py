"""A Hugging Face Space of the browser app: a folder that installs Stylegrow and serves some models."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from stylegrow.common.errors import InputError, RunError
from stylegrow.common.text import printable
from stylegrow.models.folders import PACKAGE, files_of, public_content
from stylegrow.models.info import BUNDLED, ModelInfo, read_info

CHECKOUT = PACKAGE.parent
SOURCES = ("app", "progan", "stylegan", "stylegrow", "train", "vae", "zoo")
SOURCE_FILES = ("LICENSE", "NOTICE", "README.md", "pyproject.toml", "setup.py", "requirements.txt")
START = "serve.py"
SERVE = '''"""The start of this Space: Stylegrow's browser app on its models."""

import sys

from app.__main__ import main

MODELS = [
{models}
]

if __name__ == "__main__":
    words = [word for model in MODELS for word in ("--model", model)]
    sys.exit(main([*words, "--host", "0.0.0.0", "--port", "7860", *sys.argv[1:]]))
'''
SIGN = SERVE.partition("'s browser app")[0].encode()  # what tells it from another program
# A Space of the kind "gradio" installs its requirements before other files, such as a wheel, are there.
DOCKERFILE = f"""FROM python:{{python}}
RUN useradd --create-home --uid 1000 user
WORKDIR /home/user/app
COPY --chown=user . .
RUN pip install --no-cache-dir -r requirements.txt
USER user
CMD ["python", "{START}"]
"""
README = """---
title: Stylegrow
emoji: 🌱
colorFrom: indigo
colorTo: gray
sdk: docker
app_port: 7860
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


def write_space(models: Sequence[str], folder: Path, package: str | None = None) -> None:
    """Write the Space of these models, by default of those that come with Stylegrow, into a folder.

    `package` is what pip installs there: a git address, a name and version, or a wheel, which is copied; by default a
    wheel of the running checkout. A clone of the Space's repository or an earlier Space is renewed once all is read
    and made. InputError for what cannot be used, RunError for a wheel that cannot be built, OSError for what cannot be
    written; what was there then still is.
    """
    infos = [read_info(model) for model in models or BUNDLED]
    if package is None and not (CHECKOUT / "pyproject.toml").is_file():
        raise InputError("--package: give what the Space is to install: a git address, a wheel, or a name and version")
    _check_room(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".space-", dir=folder.parent) as name:
        new = Path(name, "new")
        new.mkdir()
        _fill(new, infos, package)
        old = Path(name, "old")
        old.mkdir()
        folder.mkdir(exist_ok=True)
        for path in (folder / "models", *folder.glob("stylegrow-*.whl")):
            if os.path.lexists(path):
                path.rename(old / path.name)
        for path in new.iterdir():
            path.replace(folder / path.name)


def _fill(folder: Path, infos: Sequence[ModelInfo], package: str | None) -> None:
    """Put a Space's files and models into an empty folder."""
    if package is None:
        package = f"./{build_wheel(folder).name}"
    elif package.endswith(".whl") and "://" not in package:
        if not Path(package).is_file():
            raise InputError(f"--package {printable(package)}: there is no such file; name a wheel that is")
        package = f"./{Path(shutil.copy(package, folder)).name}"
    names: list[str] = []
    for info in infos:
        name = (
            info.name if info.bundled else f"models/{re.sub('[^A-Za-z0-9._-]+', '-', info.name).strip('-.') or 'model'}"
        )
        names.append(name if name not in names else f"{name}-{len(names)}")
        if not info.bundled:  # those that are come with the package
            (folder / names[-1]).mkdir(parents=True)
            for file in files_of(info.folder):
                (folder / names[-1] / file).write_bytes(public_content(info.folder, file))
    texts = {
        "requirements.txt": f"{package}\n",
        "Dockerfile": DOCKERFILE.format(python=".".join(map(str, sys.version_info[:2]))),
        ".gitattributes": "".join(f"*.{kind} filter=lfs diff=lfs merge=lfs -text\n" for kind in ("safetensors", "whl")),
        START: SERVE.format(models="\n".join(f'    "{name}",' for name in names)),
        "README.md": README.format(models="\n".join(map(_line, infos)), start=START),
    }
    for file, text in texts.items():
        (folder / file).write_text(text, encoding="utf-8", newline="\n")


def build_wheel(folder: Path) -> Path:
    """Build a wheel of this checkout in `folder`; of a copy, so that the checkout holds no build folders."""
    with tempfile.TemporaryDirectory() as copy:
        for name in SOURCES:
            shutil.copytree(CHECKOUT / name, Path(copy, name), ignore=shutil.ignore_patterns("__pycache__", ".*"))
        for name in SOURCE_FILES:
            shutil.copyfile(CHECKOUT / name, Path(copy, name))
        command = [sys.executable, "-m", "pip", "wheel", copy, "--no-deps", "--wheel-dir", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        reason = done.stderr.strip().rpartition("\n")[2]
        raise RunError(f"pip cannot build a wheel of {printable(CHECKOUT)}: {printable(reason)}")
    return max(folder.glob("stylegrow-*.whl"), key=lambda path: path.stat().st_mtime)


def _check_room(folder: Path) -> None:
    """InputError for a folder that is neither new nor empty, a new repository of the Hub or an earlier Space."""
    if not folder.exists():
        return
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else {"a file"}
    if there - {".git", ".gitattributes", "README.md"} and not (
        (folder / START).is_file() and (folder / START).read_bytes().startswith(SIGN)
    ):
        raise InputError(
            f"--outdir {printable(folder)}: is there and no Space of Stylegrow; name a new or empty folder"
        )


def _line(info: ModelInfo) -> str:
    facts = [info.title(), *(info.training.get(name) for name in ("data", "credit", "license"))]
    return "- " + "; ".join(printable(fact) for fact in facts if fact)
