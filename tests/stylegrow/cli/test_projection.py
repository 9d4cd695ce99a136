"""`stylegrow project`: its files, and the one line on what it cannot use."""

import json

import numpy as np
import pytest
from PIL import Image

from tests.small_models import close


@pytest.fixture
def photo(tmp_path):
    """An image that is wider than high."""
    path = tmp_path / "me.png"
    Image.fromarray(np.random.RandomState(0).randint(0, 256, (30, 50, 3)).astype(np.uint8)).resize((100, 64)).save(path)
    return path


def test_project_writes_a_w_that_the_commands_draw(run, tmp_path, photo):
    before = photo.read_bytes()
    status, out, err = run("project", "style", "me.png", "--out", ".", "--steps", "3")
    assert (status, err) == (0, "")
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["me", "me-projected", "me-projected", "me-projection"]
    assert out.count("wrote") == 3
    assert photo.read_bytes() == before
    assert run("generate", "style", "--latents", "me-projected.npz")[0] == 0
    with (
        Image.open(tmp_path / "me-projected.png") as pair,
        Image.open(tmp_path / "out" / "me-projected0000.png") as one,
    ):
        facts = json.loads(pair.text["parameters"])
        assert (facts["model"], facts["space"], facts["steps"]) == ("style", "w+", 3)
        size, margin = 256, 8
        cells = [(left, pair.height - size - margin) for left in (margin, 2 * margin + size)]
        original, drawn = (pair.crop((x, y, x + size, y + size)) for x, y in cells)
        assert close(drawn, one.resize((size, size), Image.Resampling.NEAREST))
        with Image.open(photo) as image:
            square = image.crop((18, 0, 82, 64))
        assert close(original, square.resize((size, size), Image.Resampling.NEAREST))


@pytest.mark.parametrize(
    ("model", "image", "options", "words"),
    [
        ("style", "nowhere.png", [], "nowhere.png: there is no such file"),
        ("style", "text.png", [], "text.png: not an image"),
        ("style", "", [], "no such file"),
        ("run", "me.png", [], "projection needs a StyleGAN model"),
        ("classes", "me.png", [], "öwl"),
        ("style", "me.png", ["--steps", "0"], "--steps 0"),
        ("style", "me.png", ["--seed", "-1"], "--seed -1"),
        ("style", "me.png", ["--space", "z"], "--space 'z'"),
        ("style", "me.png", ["--out", "text.png"], "--out text.png"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(run, tmp_path, photo, model, image, options, words):
    (tmp_path / "text.png").write_text("words")
    status, out, err = run("project", model, image, *options)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert words in err
    assert {path.name for path in tmp_path.iterdir()} == {"me.png", "text.png"}


def test_an_interrupted_projection_leaves_no_file(run, tmp_path, photo, monkeypatch):
    def interrupted(*_, **__):
        yield from ()
        raise KeyboardInterrupt

    monkeypatch.setattr("stylegrow.sampling.projection.project", interrupted)
    assert run("project", "style", "me.png", "--out", "new")[0] == 130
    assert not list((tmp_path / "new").iterdir())
