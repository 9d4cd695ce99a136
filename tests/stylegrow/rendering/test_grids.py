import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from stylegrow.rendering.grids import grid, labelled_grid, resized, save_png


@settings(derandomize=True, deadline=None)
@given(
    st.integers(1, 7),
    st.integers(1, 4),
    st.sampled_from([1, 3]),
    st.integers(1, 4),
    st.integers(1, 3),
)
def test_grid_shows_each_image_in_its_place(count, columns, channels, own, factor):
    images = np.random.default_rng(0).integers(0, 256, (count, own, own, channels), np.uint8)
    size = own * factor
    sheet = grid(images, columns, size)
    assert sheet.mode == ("L" if channels == 1 else "RGB")
    pixels = np.asarray(sheet).reshape(sheet.height, sheet.width, channels)
    rows = -(-count // columns)
    assert pixels.shape == (rows * size, columns * size, channels)
    rest = np.ones(pixels.shape[:2], bool)
    for index, image in enumerate(images):
        top, left = (index // columns) * size, (index % columns) * size
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


def test_resized_repeats_pixels_or_averages_them():
    image = np.random.default_rng(0).integers(0, 256, (4, 4, 3), np.uint8)
    large = resized(image, 12)
    assert (large == np.kron(image, np.ones((3, 3, 1), np.uint8))).all()
    assert (resized(large, 4) == image).all()
    mean = image.reshape(2, 2, 2, 2, 3).astype(float).mean(axis=(1, 3))
    assert np.abs(resized(image, 2) - mean).max() <= 0.5
    for size in (0, 3, 6, -4):
        with pytest.raises(ValueError, match="cannot be shown"):
            resized(image, size)


def ink(figure):
    """Where a figure of dark grey cells has text or lines, and where it has cells."""
    pixels = np.asarray(figure.image.convert("L")).copy()
    cells = np.zeros(pixels.shape, bool)
    for top in figure.tops:
        for left in figure.lefts:
            cells[top : top + figure.size, left : left + figure.size] = True
    return (pixels < 200) & ~cells, cells


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.integers(1, 4), st.integers(1, 5), st.sampled_from([64, 96, 128, 256]), st.booleans(), st.booleans())
def test_labels_stand_beside_their_cells_and_nothing_is_cut_off(rows, columns, size, banded, captioned):
    cells = np.random.default_rng(0).integers(0, 256, (rows, columns, 32, 32, 3), np.uint8)
    figure = labelled_grid(
        list(cells),
        [f"seed {10**row}" for row in range(rows)],
        [f"psi {-column / 2:g}" for column in range(columns)],
        row_bands=[("", 1), ("coarse", rows - 1)] if banded and rows > 1 else [],
        captions=[[f"{row} {column}" for column in range(columns)] for row in range(rows)] if captioned else (),
        size=size,
    )
    for row in range(rows):
        for column in range(columns):
            assert (np.asarray(figure.cell(row, column)) == resized(cells[row, column], size)).all()
    text, _ = ink(figure)
    edges = (text[0], text[-1], text[:, 0], text[:, -1])
    assert not any(edge.any() for edge in edges)
    for top in figure.tops:  # a row's label is left of the row, within its height, about its middle
        below = np.nonzero(text[top : top + size, : figure.lefts[0]].any(axis=1))[0]
        assert abs(below.mean() - size / 2) < size / 3
    for left in figure.lefts:  # a column's label is above the column, about its middle
        across = np.nonzero(text[: figure.tops[0], left : left + size].any(axis=0))[0]
        assert abs((across[0] + across[-1]) / 2 - (size - 1) / 2) <= 3
    if captioned:
        for top in figure.tops:
            assert text[top + size : top + size + 40, figure.lefts[0] : figure.lefts[0] + size].any()


def test_bands_are_set_apart_and_named():
    cells = np.full((5, 4, 8, 8, 1), 255, np.uint8)
    bands = [("", 1), ("coarse", 2), ("fine", 2)]
    figure = labelled_grid(list(cells), row_bands=bands, column_bands=[("", 1), ("styles from", 3)], size=64)
    steps = np.diff(figure.tops).tolist()
    assert steps[1] == steps[3] == 64 + 2
    assert steps[0] == steps[2] > steps[1]
    text, _ = ink(figure)
    upright = text[:, : figure.lefts[0]]
    assert not upright[: figure.tops[1]].any()
    assert upright[figure.tops[1] : figure.tops[2] + 64].any(axis=1).mean() > 0.8  # the line and the name
    assert upright[figure.tops[3] : figure.tops[4] + 64].any(axis=1).mean() > 0.8
    assert not text[: figure.tops[0], : figure.lefts[1]].any()
    assert text[: figure.tops[0], figure.lefts[1] :].any(axis=0).mean() > 0.8


def test_a_missing_cell_is_white_and_rows_may_be_short():
    black = np.zeros((4, 4, 3), np.uint8)
    figure = labelled_grid([[None, black], [black]], size=32)
    shown = [[np.asarray(figure.cell(row, column)).mean() for column in (0, 1)] for row in (0, 1)]
    assert shown == [[255, 0], [0, 255]]


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


def test_importing_does_not_import_torch():
    code = "import sys, stylegrow.rendering.grids; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3]).returncode == 0
