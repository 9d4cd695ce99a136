"""Small runs of the training command, and what is in their folders."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from train.run import checkpoints
from train.run.checkpoints import Checkpoint

ROOT = Path(__file__).parents[2]
COUNT, HOLDOUT, SIZE = 48, 8, 8  # of the pictures

# Growing from 4 to 8 px; phases change after 112, 208 and 304 images, and a run of 0.4 kimg takes 25 steps.
SMALL = (
    "--fmap-max 8 --fmap-base 32 --z-dim 8 --batch 16 --kimg 0.4 --stable-kimg 0.1 --fade-kimg 0.1 "
    f"--snapshot-kimg 0.2 --checkpoint-kimg 0.1 --mixed-precision no --holdout {HOLDOUT}"
).split()


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it said."""

    status: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line of an error."""
        (line,) = self.err.splitlines()
        assert line.startswith("error: ")
        return line.removeprefix("error: ")


Train = Callable[..., Ended]


def only(folder: Path | str) -> Path:
    """What lies in a folder, which is one thing."""
    (path,) = Path(folder).absolute().iterdir()
    return path


def last_checkpoint(run: Path) -> Checkpoint:
    """The newest checkpoint of a run, in which nothing may be wrong."""
    return checkpoints.read(checkpoints.checkpoints_in(run / "checkpoints")[0])


def last_state(run: Path) -> bytes:
    """The full state of a run, as bytes."""
    return (last_checkpoint(run).path / "state.safetensors").read_bytes()


def statistics(run: Path) -> list[dict[str, Any]]:
    """The lines of stats.jsonl."""
    return [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]


def timeless(model: Path) -> dict[str, bytes]:
    """The files of a model folder, its facts and its card without how long the training took."""
    files = {path.name: path.read_bytes() for path in model.iterdir()}
    config = json.loads(files["config.json"])
    row = f"| time | {config['training'].pop('time')} |\n"
    card = files["README.md"].decode()
    assert card.count(row) == 1
    return files | {"config.json": json.dumps(config).encode(), "README.md": card.replace(row, "").encode()}


def options(run: Path) -> dict[str, Any]:
    """The options that a run has noted."""
    return json.loads((run / "options.json").read_text())["options"]
