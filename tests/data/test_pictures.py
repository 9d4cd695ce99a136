import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from data.pictures import grid, save_png, to_uint8


def pixel(value):
    return to_uint8(np.full((1, 1, 1, 1), value, np.float32)).item()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (-1, 0),  # 0.5 is truncated
        (0, 128),
        (1, 255),  # 255.5 is saturated
        (-0.5, 64),  # 64.25
        (0.5, 191),  # 191.75
        (127 / 127.5, 255),
        (126.9 / 127.5, 254),
        (-7, 0),
        (7, 255),
        (float("inf"), 255),
        (float("-inf"), 0),
        (float("nan"), 0),
    ],
)
def test_to_uint8_scales_saturates_and_truncates(value, expected):
    assert pixel(value) == expected


def test_every_grey_level_survives_the_way_in_and_back():
    levels = np.arange(256, dtype=np.float32)
    assert (to_uint8((levels / 127.5 - 1).reshape(1, 1, 16, 16)).ravel() == levels).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_to_uint8_takes_tensors_and_moves_channels_last(dtype):
    images = torch.linspace(-1, 1, 2 * 3 * 4 * 5).reshape(2, 3, 4, 5).to(dtype).requires_grad_()
    pixels = to_uint8(images)
    assert (pixels.shape, pixels.dtype) == ((2, 4, 5, 3), np.uint8)
    assert (pixels == to_uint8(images.detach().float().numpy())).all()
    assert pixels[1, 3, 4, 2] == to_uint8(images[1:, 2:, 3:, 4:]).item()


@settings(derandomize=True, deadline=None)
@given(
    st.integers(1, 7),
    st.integers(1, 4),
    st.sampled_from([1, 3]),
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(0, 2),
)
def test_grid_shows_each_image_in_its_place(count, columns, channels, own, factor, gap):
    images = np.random.default_rng(0).integers(0, 256, (count, own, own, channels), np.uint8)
    size = own * factor
    picture = grid(images, columns, size, gap)
    assert picture.mode == ("L" if channels == 1 else "RGB")
    pixels = np.asarray(picture).reshape(picture.height, picture.width, channels)
    rows = -(-count // columns)
    assert pixels.shape == (rows * size + (rows - 1) * gap, columns * size + (columns - 1) * gap, channels)
    rest = np.ones(pixels.shape[:2], bool)
    for index, image in enumerate(images):
        top, left = (index // columns) * (size + gap), (index % columns) * (size + gap)
        place = np.s_[top : top + size, left : left + size]
        assert (pixels[place] == np.kron(image, np.ones((factor, factor, 1), np.uint8))).all()
        rest[place] = False
    assert (pixels[rest] == 255).all()


def test_grids_of_all_stages_are_equally_large():
    sizes = {grid(np.zeros((6, r, r, 3), np.uint8), 3, 64).size for r in (4, 8, 16, 32, 64)}
    assert sizes == {(192, 128)}


@pytest.mark.parametrize(
    ("shape", "dtype", "columns", "size", "words"),
    [
        ((1, 4, 4, 3), np.float32, 1, None, "square uint8"),
        ((1, 4, 8, 3), np.uint8, 1, None, "square uint8"),
        ((1, 3, 4, 4), np.uint8, 1, None, "square uint8"),
        ((4, 4, 3), np.uint8, 1, None, "square uint8"),
        ((0, 4, 4, 3), np.uint8, 1, None, "at least one image"),
        ((1, 4, 4, 3), np.uint8, 0, None, "at least one image"),
        ((1, 4, 4, 3), np.uint8, 1, 6, "4 px cannot be enlarged to 6 px"),
        ((1, 4, 4, 3), np.uint8, 1, 2, "4 px cannot be enlarged to 2 px"),
    ],
)
def test_what_makes_no_grid_is_refused(shape, dtype, columns, size, words):
    with pytest.raises(ValueError, match=words):
        grid(np.zeros(shape, dtype), columns, size)


@pytest.mark.parametrize("channels", [1, 3])
def test_save_png_is_lossless_and_keeps_text(tmp_path, channels):
    image = grid(np.random.default_rng(1).integers(0, 256, (4, 8, 8, channels), np.uint8), 2)
    text = {"model": "zoo/x", "credit": "Zoë, 顔"}
    save_png(image, tmp_path / "a.png", text)
    with Image.open(tmp_path / "a.png") as read:
        assert read.mode == image.mode
        assert (np.asarray(read) == np.asarray(image)).all()
        assert read.text == text
    save_png(image, tmp_path / "b.png", text)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png"]


def test_a_picture_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "a.png"
    save_png(Image.new("L", (2, 2), 7), path)
    before = path.read_bytes()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save_png(Image.new("L", (9, 9)), path)
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == ["a.png"]


def test_importing_does_not_import_torch():
    code = "import sys, data.pictures; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2]).returncode == 0
