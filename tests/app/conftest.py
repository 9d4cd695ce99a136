"""A served app, and the game without networks."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.game.game import Game
from tests.app.game.stubs import Clock, chance


@dataclass(frozen=True)
class Served:
    """A running app: its address, its page (gr.Blocks), its models, and the folder of the files it makes."""

    url: str
    demo: Any
    models: Any
    files: Path


@pytest.fixture(scope="session")
def served(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The browser app on the models of the fixtures, the StyleGAN first, for all tests of the package."""
    from app.web.models import Models
    from app.web.options import Serve
    from app.web.server import build_app, launch

    files = tmp_path_factory.mktemp("served")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(files))
        patch.setenv("NO_PROXY", "127.0.0.1,localhost")
        patch.setenv("HF_HUB_OFFLINE", "1")
        names = ["style", "classes", "growing", "silent", "one-style", "run"]
        options = Serve(model=tuple(str(models / name) for name in names), device="cpu", runs=str(files / "runs"))
        loaded = Models(options.model, device="cpu")
        loaded.engine(loaded.first)
        demo = build_app(loaded, options, files)
        yield Served(launch(demo, options).rstrip("/"), demo, loaded, files)
        demo.close(verbose=False)


@pytest.fixture
def small_files(monkeypatch):
    """The game's pictures at 8 px, which takes no time."""
    monkeypatch.setattr("app.game.anti_cheat.SMALLEST_SHOWN", 8)


@pytest.fixture
def clock():
    """A clock that goes on when it is told to."""
    return Clock()


@pytest.fixture
def game(tmp_path, clock):
    """The game, with chances that are the same every time."""
    game = Game(tmp_path, rng=chance(), clock=clock)
    yield game
    game.close()
