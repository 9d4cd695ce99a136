"""Random pixels beside the data: what is drawn, how far it is from images, and the page."""

import math
import re

import numpy as np
import pytest
from PIL import Image

from benchmarks import pages
from benchmarks.objectives import pixels
from stylegrow.metrics.features import Features
from tests.stylegrow.data.image_files import folder_of
from tests.stylegrow.metrics.conftest import Averages


def test_what_is_drawn_shares_with_the_data_what_it_should():
    rng = np.random.default_rng(0)
    reals = rng.normal(100, 10, (300, 1)) + rng.normal(0, [2, 4, 8], (300, 3))
    drawn = {name: draw(reals, 20_000, rng) for name, draw in pixels.KINDS.items()}
    assert drawn["uniform pixels"].mean() == pytest.approx(127.5, abs=1)
    assert drawn["uniform pixels"].std() == pytest.approx(256 / math.sqrt(12), abs=1)
    covariance = np.cov(reals.T)
    alone, together = (np.cov(drawn[n].T) for n in ("each pixel as in a face", "mean and covariance of the faces"))
    assert np.diag(alone) == pytest.approx(np.diag(covariance), rel=0.05)
    assert abs(np.corrcoef(drawn["each pixel as in a face"].T)[0, 1]) < 0.03
    assert together == pytest.approx(covariance, rel=0.05)
    assert np.cov(drawn["halfway between two faces"].T) == pytest.approx(covariance / 2, rel=0.05)
    for name in ("each pixel as in a face", "mean and covariance of the faces", "halfway between two faces"):
        assert drawn[name].mean(axis=0) == pytest.approx(reals.mean(axis=0), abs=0.5)


def test_the_chance_is_the_share_of_a_circle_in_a_square():
    """Two numbers, at a root mean square distance of 64: a circle of radius 64 sqrt(2) in a square of 256."""
    assert 10 ** pixels.chance(64.0, 2) == pytest.approx(math.pi * 2 * 64**2 / 256**2)


def test_the_page_tells_what_was_measured(tmp_path, monkeypatch):
    features = Features("Averages", "averages", 48, Averages())
    monkeypatch.setattr(pixels, "find_features", lambda: features)
    folder_of(tmp_path / "images", 70, (32, 32))
    result = pixels.measured(str(tmp_path / "images"), 70, 40, 20)
    assert (result["training"], result["numbers"]) == (50, 3 * 32 * 32)
    (tmp_path / "objectives.md").write_text("before\n")
    pixels.write(tmp_path, {pixels.units(quick=True)[0]: result}, quick=True)
    text = (tmp_path / "objectives.md").read_text()
    assert text.startswith("before\n")
    assert text.endswith(f"{pages.END}\n")
    assert "too few images" in text
    for name in (*pixels.KINDS, pixels.HELD_OUT):
        assert re.search(rf"\| {name} +\| +{result[name]['distance']:.1f} \|", text)
    Image.open(tmp_path / pixels.FIGURE).verify()
