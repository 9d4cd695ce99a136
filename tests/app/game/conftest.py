"""The game without networks, at 8 px, with chance and time in the test's hands."""

import pytest

from app.game.game import Game
from tests.app.game.stubs import Clock, chance


@pytest.fixture
def small_files(monkeypatch):
    """The game's images at 8 px, which takes no time."""
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
