"""The study of objectives on images: its measure of sharpness, its trainings in small, and its page."""

import numpy as np
import pytest
from PIL import Image

from benchmarks import pages
from benchmarks.objectives import images, images_page
from stylegrow.metrics.features import Features
from tests.stylegrow.data.image_files import folder_of
from tests.stylegrow.metrics.conftest import Averages


def test_the_nearest_is_as_far_as_its_grey_levels_say():
    dark, light = np.zeros((3, 1, 4, 4), np.uint8), np.full((2, 1, 4, 4), 40, np.uint8)
    assert images.to_nearest(dark, light) == pytest.approx(40)
    assert images.to_nearest(light, np.concatenate([dark, light + 10])) == pytest.approx(10)


def test_sharpness_is_the_laplacians_variance():
    rng = np.random.default_rng(0)
    noise = rng.normal(128, 10, (50, 1, 32, 32)).clip(0, 255).astype(np.uint8)
    assert images.sharpness(noise) == pytest.approx(20 * 100, rel=0.05)  # (4^2 + 4) times the pixels' variance
    ramp = np.broadcast_to(np.arange(32, dtype=np.uint8) * 5, (2, 3, 32, 32))
    assert images.sharpness(ramp) == 0


@pytest.fixture
def quick(monkeypatch):
    """Evaluators use features that are quick to compute in place of the embedded network's."""
    features = Features("Averages", "averages", 48, Averages())
    monkeypatch.setattr("stylegrow.metrics.evaluation.find_features", lambda *_: features)


@pytest.mark.parametrize("name", [*images.NAMES, "C, both"])
def test_a_training_is_measured(name, quick, tmp_path):
    folder_of(tmp_path / "images", 70, (32, 32))
    result = images.train_on_images(str(tmp_path / "images"), name, 10, 2, 16, 20)
    assert [point[0] for point in result["curve"]] == [5, 10]
    assert np.isfinite(result["curve"]).all()
    assert np.shape(result["samples"]) == (20, 3, 32, 32)
    assert {"kid", "recall", "coverage"} <= result["metrics"].keys()
    assert result["sharpness"] > 0
    assert all(0 < distance < 255 for distance in result["nearest"])
    if name == images.VAE:
        assert np.shape(result["reconstructed"]) == np.shape(result["reals"])
        assert result["fit"]["rmse"] > result["components"] > 0


def test_the_page_has_a_block_of_its_own(tmp_path):
    results = {}
    for unit in images.units(images.QUICK):
        channels = 1 if unit.arguments[0] == "fashion-mnist" else 3
        shown = np.zeros((32, channels, 32, 32), int).tolist()
        curve = [[step, estimate, 200 - step] for step, estimate in ((5, 9), (10, 8), (15, 7), (20, 6))]
        metrics = dict.fromkeys(("kid", "precision", "recall", "coverage"), (0.25, 0.5))
        results[unit] = {
            "curve": curve, "seconds": 0.01, "metrics": metrics, "sharpness": 0.75, "nearest": (31.0, 25.5),
            "samples": shown, "reals": shown, "reconstructed": shown,
            "fit": {"rmse": 20.0, "elbo": -1.0, "divergence": 30.0}, "components": 21.0,
        }  # fmt: skip
    others = f"<!-- measured: written by python -m benchmarks.objectives -->\nplane\n{pages.END}\n"
    start = "<!-- measured: written by python -m benchmarks.objectives --images -->"
    (tmp_path / "objectives.md").write_text(f"before\n{others}{start}\nold\n{pages.END}\nafter\n")
    images_page.write(tmp_path, results, quick=True)
    text = (tmp_path / "objectives.md").read_text()
    assert text.startswith(f"before\n{others}")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "far too short" in text
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    for data in images.DATA.values():
        assert [data, "vae", "195", "180", "1.00", "10"] in rows
        assert [data, "vae", "0.75", "0.25", "0.25", "0.25", "0.25", "31.0"] in rows
        assert [data, "other real images", "1.00", "0.50", "0.50", "0.50", "0.50", "25.5"] in rows
    assert ["C x5", "critic", "195", "180", "0.25", "0.25", "0.75"] in rows
    assert ["Fashion-MNIST", "20.0", "21.0", "30.0"] in rows
    for name in images_page.FIGURES:
        assert f"](objectives-{name}.png)" in text
        Image.open(tmp_path / f"objectives-{name}.png").verify()


def test_the_first_tenth_does_not_count():
    assert images_page.settled([[step] for step in range(20)]) == [[step] for step in range(2, 20)]
