"""The commands as processes of their own: what it answers at once, signals, and where it is started from."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.train.runs import ROOT, SMALL, Train, last_checkpoint, last_state, only

SCRIPT = ROOT / "train" / "progan.py"
QUICK = """
import runpy, sys
sys.argv = sys.argv[1:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    assert "torch" not in sys.modules
"""


@pytest.mark.parametrize(
    ("script", "presets"), [(SCRIPT, "v1-1gpu, v2-1gpu"), (SCRIPT.with_name("stylegan.py"), "stylegan-1gpu")]
)
def test_help_comes_without_torch(run_python, script, presets):
    ended = run_python("-c", QUICK, script, "--help")
    assert ended.returncode == 0
    assert ended.stderr == ""
    for words in (f"{presets}, ", "--data TEXT", "--resume", "--dry-run", "thousands of real"):
        assert words in ended.stdout
    for form in ("--holdout INT|FILE", "--blur yes|no|auto|NUMBER", "--augment-p NUMBER|ada", "--lr NUMBER"):
        assert f"{form} " in ended.stdout


def test_an_installed_copy_is_started_as_a_module(run_python):
    ended = run_python("-m", "train.progan", "--bogus")
    assert ended.returncode == 2
    assert "--bogus" in ended.stderr


@pytest.mark.parametrize("word", ["--bogus", "--resolution=48"])
def test_so_does_the_line_about_a_bad_option(run_python, word):
    ended = run_python("-c", QUICK, SCRIPT, word)
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.startswith("error: ")
    assert ended.stderr.count("\n") == 1


@pytest.fixture
def begin(environment, monkeypatch) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts train/progan.py with these words; what still runs at the end of the test is killed."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    begun: list[subprocess.Popen[str]] = []

    def call(*words: object) -> subprocess.Popen[str]:
        given = [sys.executable, str(SCRIPT), *map(str, words)]
        begun.append(subprocess.Popen(given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return begun[-1]

    yield call
    for process in begun:
        process.kill()
        process.communicate()


def wait_for(lines, start: str) -> str:
    """Reads lines up to one with this start."""
    return next(line for line in lines if line.startswith(start))


@pytest.mark.skipif(sys.platform == "win32", reason="has no signals")
def test_sigterm_saves_and_resuming_goes_on(train: Train, begin, pictures):
    """At the first line of progress, whatever step that finds the process in."""
    process = begin(*SMALL, "--data", pictures, "--kimg", 100, "--snapshot-kimg", 0.05, "--checkpoint-kimg", 0.05)
    wait_for(process.stdout, "res ")
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate()
    assert process.returncode == 143
    assert err == ""
    run = only("runs")
    images = last_checkpoint(run).facts.images
    assert f"stopped at {images / 1000:g} kimg, all is saved; --resume {run} continues\n" in out

    end = images / 1000 + 0.064
    assert train("--resume", "--kimg", end).status == 0
    words = ("--kimg", end, "--snapshot-kimg", 0.05, "--checkpoint-kimg", 0.05)
    assert train(*words, "--out", "straight").status == 0
    assert last_state(run) == last_state(only("straight"))


@pytest.mark.skipif(sys.platform == "win32", reason="has no signals")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_while_pictures_are_prepared_there_is_nothing_to_save(begin, tmp_path, number, status):
    process = begin("--resolution", 64, "--cache", tmp_path / "cache", "--workers", 1)
    wait_for(process.stderr, "preparing toonhead")
    process.send_signal(number)
    out, err = process.communicate()
    assert process.returncode == status
    assert err.splitlines()[-1] == "stopped before training began"
    assert out == ""
    assert not Path("runs").exists()
    assert not list((tmp_path / "cache").glob("*/pyramid.json"))
