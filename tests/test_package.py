"""The wheel, installed apart from the checkout, works in a folder whose files have our packages' names."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stylegrow.models.space import build_wheel, write_space

ROOT = Path(__file__).parents[1]
PACKAGES = ("app", "progan", "stylegan", "stylegrow", "train", "vae")
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")


def run(*words, cwd, **variables):
    """What a command prints; it must succeed."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | variables
    done = subprocess.run(list(map(str, words)), cwd=cwd, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built with the tools that are installed here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_NO_BUILD_ISOLATION", "0")  # as pip reads it: without isolation
        patch.setenv("PIP_NO_INDEX", "1")
        return build_wheel(tmp_path_factory.mktemp("wheel"))


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


@pytest.mark.parametrize("module", ["app", "train.progan", "train.stylegan", "train.vae"])
def test_modules_start_from_any_folder(module, installed, tmp_path):
    assert "usage:" in run(sys.executable, "-m", module, "--help", cwd=tmp_path, PYTHONPATH=str(installed))


def test_a_space_starts_with_the_wheel_that_it_holds(wheel, installed, tmp_path):
    write_space([], tmp_path / "space", str(wheel))
    assert (tmp_path / "space" / "requirements.txt").read_text() == f"./{wheel.name}\n"
    assert "--model" in run(sys.executable, "serve.py", "--help", cwd=tmp_path / "space", PYTHONPATH=str(installed))
