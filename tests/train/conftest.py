"""A folder of small pictures, and training on it in this process, a second or less a run."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stylegrow.data import open_dataset
from tests.train.runs import COUNT, ROOT, SIZE, SMALL, Ended, Train
from train.command import main

STOPPING = {getattr(signal, name, None) for name in ("SIGTERM", "SIGINT", "SIGHUP")}


@pytest.fixture(scope="package")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise of 8 px in two folders, a and b, prepared in the cache beside it."""
    folder = tmp_path_factory.mktemp("data") / "noise"
    random = np.random.default_rng(0)
    for index in range(COUNT):
        path = folder / "ab"[index % 2] / f"{index:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)).save(path)
    open_dataset(folder, cache=folder.parent / "cache", quiet=True)
    return folder


@pytest.fixture
def environment(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A working directory of its own, the cache of the pictures, no launcher, and the signals as they were."""
    monkeypatch.setenv("STYLEGROW_CACHE", str(pictures.parent / "cache"))
    for name in ("RANK", "WORLD_SIZE", "MASTER_PORT", "ACCELERATE_MIXED_PRECISION", "TORCHELASTIC_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals() if number in STOPPING}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def train(
    environment: None, pictures: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Train:
    """train/progan.py in this process, with the given words as its command line; SMALL unless it resumes.

    Or another architecture's command.
    """

    def call(*words: object, architecture: str = "progan") -> Ended:
        given = [str(word) for word in words]
        if "--resume" not in given:
            given = [*SMALL, *(() if "--data" in given else ("--data", str(pictures))), *given]
        monkeypatch.setattr(sys, "argv", [f"{architecture}.py", *given])
        capsys.readouterr()
        status = main(architecture, "Train.")
        said = capsys.readouterr()
        return Ended(status, said.out, said.err)

    return call


@pytest.fixture(scope="package")
def finished(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of SMALL from start to end, not to be written to."""
    return run_to_the_end("progan", pictures, tmp_path_factory.mktemp("finished"))


@pytest.fixture(scope="package")
def finished_stylegan(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of train/stylegan.py."""
    return run_to_the_end("stylegan", pictures, tmp_path_factory.mktemp("finished_stylegan"))


def run_to_the_end(architecture: str, pictures: Path, out: Path) -> Path:
    """The folder of a run of SMALL."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STYLEGROW_CACHE", str(pictures.parent / "cache"))
        patch.setattr(sys, "argv", [f"{architecture}.py", *SMALL, "--data", str(pictures), "--out", str(out)])
        assert main(architecture, "Train.") == 0
    return next(out.iterdir())


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished run."""
    return Path(shutil.copytree(finished, tmp_path / "runs" / finished.name))


@pytest.fixture
def copy_stylegan(finished_stylegan: Path, tmp_path: Path) -> Path:
    """The same of train/stylegan.py."""
    return Path(shutil.copytree(finished_stylegan, tmp_path / "runs" / finished_stylegan.name))


@pytest.fixture
def run_python(environment: None) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Python in a process of its own, given these words."""

    def call(*words: object) -> subprocess.CompletedProcess[str]:
        variables = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        given = [sys.executable, *map(str, words)]
        return subprocess.run(given, capture_output=True, text=True, check=False, env=variables)

    return call
