"""Run folders: made, found again, and written so that a file is there whole or not at all."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from stylegrow.common.errors import InputError, RunError
from train.config.fields import whole_path


def create_run(out: str, name: str) -> Path:
    """A new folder under `out`, numbered after those that are there. OSError when it cannot be made."""
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    number = max((number for path in folder.iterdir() if (number := run_number(path)) is not None), default=-1) + 1
    while True:
        run = folder / f"{number:05d}-{name}"
        try:
            run.mkdir()
            return run
        except FileExistsError:  # another training has just taken the number
            number += 1


def find_run(resume: str, out: str) -> Path:
    """The run folder to continue: the one named, or the newest under `out`. InputError when there is none."""
    if resume != "newest":
        return Path(whole_path(resume))
    numbered = {run_number(path.parent): path.parent for path in Path(out).glob("*/options.json")}
    runs = {number: path for number, path in numbered.items() if number is not None}
    if not runs:
        raise InputError(f"--resume: there is no run in {out}; leave the option out to start one")
    return runs[max(runs)]


@contextmanager
def claim(run: Path) -> Iterator[None]:
    """Within, the right to train in a run folder. InputError where another process has it."""
    lock = FileLock(run / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(f"{run}: another process is training there; let it end or stop it first") from None
    try:
        yield
    finally:
        lock.release()


def run_number(folder: Path) -> int | None:
    """The number that a run folder's name begins with; None for other names."""
    number = folder.name.partition("-")[0]
    return int(number) if number.isdecimal() else None


def numbered(folder: Path) -> list[Path]:
    """The folders under `folder` that are named by a count of images, the largest first."""
    return sorted((path for path in folder.glob("[0-9]*") if path.is_dir()), reverse=True)


def keep_newest(folder: Path, newest: str, keep: int) -> None:
    """Remove all numbered folders but the one named `newest` and the keep - 1 before it.

    Those with more images than the newest go too: the run went back to a checkpoint before them.
    """
    before = [path for path in numbered(folder) if path.name < newest]
    for path in numbered(folder):
        if path.name != newest and path not in before[: max(keep - 1, 0)]:
            shutil.rmtree(path, ignore_errors=True)


@contextmanager
def writing(run: Path) -> Iterator[None]:
    """Turns a failure to write in a run folder into a RunError of one line that says what is still whole."""
    try:
        yield
    except OSError as error:
        newest = max((run / "checkpoints").glob("[0-9]*"), default=None)
        saved = f"{newest} is whole" if newest else "no checkpoint was written yet"
        where, reason = error.filename or run, error.strerror or error
        raise RunError(f"{where}: cannot be written ({reason}); {saved}; make room, then use --resume {run}") from error
