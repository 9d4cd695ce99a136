"""The wheel, installed apart from the checkout, works in a folder whose files have our packages' names."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("app", "progan", "stylegan", "stylegrow", "train")
FILES = ("LICENSE", "NOTICE", "README.md", "pyproject.toml", "setup.py", "requirements.txt")
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")


def run(*words, cwd, **variables):
    """What a command prints; it must succeed."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | variables
    done = subprocess.run(list(map(str, words)), cwd=cwd, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built of a copy, so that no build folder appears in the checkout."""
    copy, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in (*PACKAGES, "zoo"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copyfile(ROOT / name, copy / name)
    run(*PIP, "wheel", ".", "--no-index", "--no-deps", "--no-build-isolation", "-w", out, cwd=copy)
    return next(out.glob("stylegrow-*.whl"))


@pytest.fixture(scope="module")
def installed(wheel):
    """The folder that the wheel is installed in."""
    folder = wheel.parent / "site"
    run(*PIP, "install", "--no-index", "--no-deps", "--no-compile", "--target", folder, wheel, cwd=wheel.parent)
    return folder


@pytest.fixture
def elsewhere(tmp_path):
    """A folder of the user's."""
    for name in ("data.py", "train.py", "app.py", "zoo/mine.py", "metrics/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("raise AssertionError")
    return tmp_path


def test_the_command_draws_a_face_from_any_folder(installed, elsewhere):
    words = ["generate", "--model", "progan-toonhead64", "--seeds", "3", "--device", "cpu"]
    said = run(sys.executable, installed / "bin" / "stylegrow", *words, cwd=elsewhere, PYTHONPATH=str(installed))
    assert said.splitlines() == [f"wrote {Path('out', 'seed0003.png')}"]
    assert (elsewhere / "out" / "seed0003.png").is_file()


def test_it_holds_all_packages_and_their_files(installed, tmp_path):
    code = f"import {', '.join(PACKAGES)}; print({', '.join(f'{name}.__file__' for name in PACKAGES)})"
    imported = run(sys.executable, "-c", code, cwd=tmp_path, PYTHONPATH=str(installed)).split()
    assert imported == [str(installed / name / "__init__.py") for name in PACKAGES]
    for source, copy in [("zoo", "stylegrow/zoo"), *zip(PACKAGES, PACKAGES, strict=True)]:
        found = (path.relative_to(ROOT / source) for path in (ROOT / source).rglob("*") if path.suffix != ".pyc")
        assert [name for name in found if not (installed / copy / name).exists() and name.name != "__pycache__"] == []


@pytest.mark.parametrize("module", ["app", "train.progan", "train.stylegan"])
def test_modules_start_from_any_folder(module, installed, tmp_path):
    assert "usage:" in run(sys.executable, "-m", module, "--help", cwd=tmp_path, PYTHONPATH=str(installed))
