"""Showers in colours: the map is even for the eye, black is no signal, and a tile holds each layer where it says."""

import numpy as np
import pytest

from stylegrow.physics import pictures
from stylegrow.physics.intensity import MIP_ROOT, VEM_ROOT_NS


def lab(colours):
    """CIE L*a*b* [N, 3] of sRGB [N, 3] (uint8), D65: IEC 61966-2-1 and CIE 15."""
    value = colours / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x = linear @ to_xyz.T / to_xyz.sum(axis=1)
    f = np.where(x > (6 / 29) ** 3, np.cbrt(x), x * (29 / 6) ** 2 / 3 + 4 / 29)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)


def test_colours_are_even_steps_from_black_that_get_lighter():
    found = lab(pictures.colours())
    assert found[0] == pytest.approx(np.zeros(3), abs=0.1)
    assert found[-1, 0] > 90
    assert (np.diff(found[::8, 0]) > 1).all()
    steps = np.linalg.norm(np.diff(found[::8], axis=0), axis=1)  # of 8, since 8 bits are coarse
    assert steps == pytest.approx(np.full(len(steps), steps.mean()), rel=0.12)


def test_a_tile_shows_the_layers_and_their_sum():
    signals = np.zeros((1, 3, 4, 4), np.float32)
    signals[0, 0, 0, 1], signals[0, 1, 1, 2], signals[0, 2, 3, 3], signals[0, 0, 3, 3] = 10, 100, 1000, 1000
    levels = MIP_ROOT.encode(signals).transpose(0, 2, 3, 1)
    (tile,) = pictures.shown(levels, MIP_ROOT.name)
    assert tile.shape == (8, 8, 3)
    lit = {tuple(place) for place in np.argwhere(tile.any(axis=2)).tolist()}
    assert lit == {(0, 1), (3, 3), (1, 6), (7, 3), (4, 5), (5, 6), (7, 7)}
    decoded = MIP_ROOT.decode(levels.transpose(0, 3, 1, 2))[0]
    assert tile[0, 1].tolist() == pictures.coloured(decoded[0, 0, 1]).tolist()
    assert tile[7, 7].tolist() == pictures.coloured(decoded[:, 3, 3].sum()).tolist()


def test_stations_are_lighter_for_more_signal_and_blue_before_orange():
    signals = np.array([3, np.sqrt(3e4), 173.2, 173.2, 173.2, 1e4, 0], np.float32)
    times = np.array([0, 0, -10_000, 5000, 10_000, 10_000, 9000], np.float32)
    found = lab(pictures.timed(signals, times))
    assert found[:, 0] == pytest.approx([30, 62, 62, 62, 62, 94, 0], abs=1.5)
    assert np.hypot(found[:, 1], found[:, 2]) == pytest.approx([0, 0, 38, 19, 38, 5.7, 0], abs=2)
    assert (found[2:5, 2] > 0).tolist() == [False, True, True]
    assert not pictures.timed(signals, times)[6].any()


def test_footprints_are_drawn_by_what_their_grey_levels_stand_for():
    values = np.zeros((1, 2, 4, 4), np.float32)
    values[0, :, 1, 2], values[0, :, 3, 0] = (1000, -4000), (30, 8000)
    levels = VEM_ROOT_NS.encode(values).transpose(0, 2, 3, 1)
    (tile,) = pictures.shown(np.concatenate([levels, 0 * levels[..., :1]], axis=-1), VEM_ROOT_NS.name)
    assert tile.shape == (4, 4, 3)
    assert {tuple(place) for place in np.argwhere(tile.any(axis=2)).tolist()} == {(1, 2), (3, 0)}
    exact = pictures.timed(*values[0, :, [1, 3], [2, 0]].T)  # rounded to grey levels it is another by little
    assert lab(tile[[1, 3], [2, 0]]) == pytest.approx(lab(exact), abs=2)


def test_other_images_stay_as_they_are():
    images = np.zeros((1, 4, 4, 3), np.uint8)
    assert pictures.shown(images, "another") is images
    assert [pictures.times(name) for name in ("another", None, MIP_ROOT.name, VEM_ROOT_NS.name)] == [1, 1, 2, 1]
