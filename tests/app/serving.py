"""A served app with all that it can be given: models, runs, real pictures and a leaderboard."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

RUN = "00000-stylegan-first"
MODELS = ("style", "classes", "growing", "silent", "one-style", "run")


@dataclass(frozen=True)
class App:
    """A running app: its address, its page (gr.Blocks), its models, the folder of its files, and what it was given."""

    url: str
    demo: Any
    models: Any
    files: Path
    runs: Path
    reals: Path
    leaderboard: Path


@contextmanager
def serving(models: Path, folder: Path, names: Sequence[str] = MODELS) -> Iterator[App]:
    """Serve the small models, the StyleGAN first, or others, for as long as the context lasts."""
    from app.web.models import Models
    from app.web.options import Serve
    from app.web.server import build_app, launch

    given = App("", None, None, folder / "files", folder / "runs", folder / "reals", folder / "board.sqlite")
    write_run(given.runs / RUN)
    write_pictures(given.reals)
    options = Serve(
        model=tuple(str(models / name) for name in names),
        device="cpu",
        runs=str(given.runs),
        real_images=str(given.reals),
        leaderboard=str(given.leaderboard),
    )
    given.files.mkdir(mode=0o700)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(given.files))
        patch.setenv("HF_HUB_OFFLINE", "1")
        loaded = Models(options.model, device="cpu")
        loaded.sampler(loaded.first)
        demo = build_app(loaded, options, given.files)
        yield replace(given, url=launch(demo, options).rstrip("/"), demo=demo, models=loaded)
        demo.close(verbose=False)


def write_run(folder: Path, ticks: int = 30) -> None:
    """A run folder as one that is training leaves it."""
    folder.mkdir(parents=True)
    options: dict[str, Any] = {"options": {"kimg": 40, "loss": "ns-r1", "resolution": 64}}
    (folder / "options.json").write_text(json.dumps(options | {"architecture": "stylegan", "data": {"name": "faces"}}))
    (folder / "log.txt").write_text("training\n")
    lines = []
    for tick in range(ticks):
        known = {"kimg": tick, "resolution": 32, "alpha": 0.5, "img_per_sec": 20.0, "left_sec": 1000.0 - tick}
        curves = {name: tick * factor for factor, name in enumerate(("D/loss", "G/loss", "D/gradient", "G/gradient"))}
        lines.append(json.dumps(known | curves | {"timestamp": time.time()}) + "\n")
    (folder / "stats.jsonl").write_text("".join(lines) + '{"kimg": 30, "D/lo')
    for kimg in (0, 10, 20):
        Image.new("RGB", (96, 64), (kimg * 10, 120, 200)).save(folder / f"fakes{kimg:06d}.png")


def write_pictures(folder: Path, count: int = 24) -> None:
    """Pictures of noise, none like the other."""
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (count, 64, 64, 3), np.uint8)
    for number, picture in enumerate(pixels):
        Image.fromarray(picture).save(folder / f"{number}.png")
