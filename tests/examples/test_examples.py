"""The examples run, and give what they say."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize(("name", "size"), [("sample", (256, 128)), ("mix_styles", (192, 64))])
def test_images_are_written(name, size, tmp_path, monkeypatch):
    out = tmp_path / "out.png"
    monkeypatch.setattr(sys, "argv", [name, str(out)])
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    with Image.open(out) as image:
        assert image.size == size
        assert np.asarray(image).std() > 10


def test_a_small_training(tmp_path, monkeypatch):
    monkeypatch.setenv("STYLEGROW_CACHE", str(tmp_path / "cache"))
    random = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    for index in range(40):
        Image.fromarray(random.integers(0, 256, (16, 16, 3), np.uint8)).save(tmp_path / "images" / f"{index}.png")
    main = runpy.run_path(str(EXAMPLES / "train_small.py"))["main"]
    assert main(str(tmp_path / "images"), str(tmp_path / "runs"), kimg=0.05).shape == (4, 16, 16, 3)


def test_a_custom_objective(tmp_path, monkeypatch):
    monkeypatch.setenv("STYLEGROW_CACHE", str(tmp_path / "cache"))
    main = runpy.run_path(str(EXAMPLES / "custom_objective.py"))["main"]
    assert np.isfinite(main(steps=2, faces=60))
