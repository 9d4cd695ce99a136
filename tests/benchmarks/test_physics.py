"""The study of showers: its losses and measures against closed forms, its parts in small, and the page."""

import json
import math
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks import units
from benchmarks.physics import __main__ as command
from benchmarks.physics import air, intensities, page, parts, references, refining, samples, translating
from benchmarks.physics.networks import Layers, adversarial
from benchmarks.physics.samples import Pixels
from stylegrow.physics import gflash
from stylegrow.physics.observables import Showers

TINY = parts.Budget(
    count=160,
    judged=64,
    simulated=8,
    conditioning=1,
    intensities=2,
    refining=2,
    regressions=5,
    translating=2,
    seeds=(0,),
)
DONE = (
    "refining",
    "intensities",
    "translating",
    "judged",
)  # the parts that the test of the page does, of made-up showers
BINS = {"response": [85.0, 84.0], "resolution": [0.05, 0.03], "hits": 20.0, "impact": 0.9}
FOOTPRINTS = {
    "stations": 30.0, "stations by energy": [10.0, 20.0, 30.0], "angle": 0.5, "fitted": 1.0,
    "spectrum": [1.0] * (len(air.SIGNALS) - 1), "sum": 8.0, "energy": 0.7, "mismatched": 0.0,
}  # fmt: skip
FOUND = {
    "conditioning": BINS | {"steps": 1, "seconds": 0.01, "truth": BINS, "edges": [10.0, 30.0, 100.0]},
    "air": dict.fromkeys(("real", "other", "generated"), FOOTPRINTS)
    | {"samples": {name: np.zeros((8, 2, 16, 16)).tolist() for name in ("real", "generated")}},
    "simulated": {
        "response": [85.0, 1.0], "resolution": [0.17, 0.01], "log depth": [1.9, 0.1], "depth": 6.5,
        "radius of signals": 1.2, "radius of deposits": 1.4,
    },
    "judged": dict.fromkeys(("response", "resolution", "hits", "impact", "correlation", "separation"), 0.1)
    | dict.fromkeys(("fpd", "kpd", "auc_observables", "auc_images"), 0.5),
    "speed": {
        "speeds": {"cascade": {"one": [100.0, 10.0, 1.0], "two": 200.0}, "one": {"one": [400.0] * 3, "two": 600.0}},
        "machine": "a machine",
    },
}  # fmt: skip


def cells(count=4, seed=0):
    return np.random.default_rng(seed).uniform(1, 100, (count, 3, 8, 8)).astype(np.float32)


def showers(count, scale=1.0, seed=0):
    """Showers of 100 MIP/GeV with a resolution of 2 %, all of one shape; their signals times `scale`."""
    rng = np.random.default_rng(seed)
    energy, shape = 10 * 10 ** rng.random(count), cells(1)[0]
    signal = 100 * scale * energy * (1 + 0.02 * rng.standard_normal(count))
    deposits = signal[:, None, None, None] * shape / shape.sum()
    return Showers(deposits.astype(np.float32), energy, np.zeros((count, 2)))


@pytest.mark.parametrize("scale", ["root", "logarithm"])
def test_pixels_are_standardised_and_read_again(scale):
    deposits = cells()
    pixels = Pixels.of(deposits, scale)
    images = pixels.images(deposits)
    assert images.mean().item() == pytest.approx(0, abs=1e-5)
    assert images.std(correction=0).item() == pytest.approx(1, rel=1e-5)
    np.testing.assert_allclose(pixels.deposits(images), deposits, rtol=1e-4)
    assert (pixels.deposits(images - 100) == 0).all()


def test_a_new_refiner_changes_nothing():
    images = torch.randn(5, 3, 8, 8)
    assert torch.equal(refining.Refiner()(images), images)


def test_self_regularisation_is_the_change_of_cells_or_of_the_sum():
    deposits = cells()
    pixels = Pixels.of(deposits)
    images = pixels.images(deposits)
    assert refining.change_of_cells(images, images + 0.25).item() == pytest.approx(0.25)
    more = pixels.images(2 * deposits)
    assert refining.change_of_sum(pixels, images, more).item() == pytest.approx(math.log(2) ** 2, rel=1e-3)
    # What moves a signal to other cells does not change it.
    assert refining.change_of_sum(pixels, images, images.flip(3)).item() == pytest.approx(0, abs=1e-9)


def test_the_makers_loss_is_the_critics_and_what_is_added():
    """A maker of one number per image, a critic that cannot change: gradient descent by hand is Adam's sign."""
    maker, weight = torch.nn.Linear(1, 1, bias=False), 3.0
    torch.nn.init.constant_(maker.weight, 0.5)
    critic = Layers(1, 1, hidden=1, width=1)
    for parameter in critic.parameters():
        torch.nn.init.zeros_(parameter)  # whose slopes stay 0 where all is the same

    def fakes(_told):
        return maker(torch.ones(2, 1)).view(2, 1, 1, 1), weight * maker.weight.square().sum()

    average = adversarial(maker, critic, lambda: (torch.full((2, 1, 1, 1), 0.5),), fakes, 1)
    assert maker.weight.item() == pytest.approx(0.5 - 3e-4, abs=1e-6)
    assert 0.5 - 3e-4 < average.weight.item() < 0.5


@pytest.mark.parametrize("scale", [1.0, 1.25])
def test_a_regression_is_wrong_by_as_much_as_its_simulation(scale):
    data = showers(400, seed=1)
    found = refining.regression(showers(2000, scale), data, Pixels.of(data.deposits), 400)
    assert found.bias == pytest.approx(-math.log(scale), abs=0.03)
    assert found.width < 0.06


def test_a_translation_to_itself_and_one_of_twice_the_signal():
    source = showers(50)._replace(deposits=cells(50), impact=np.random.default_rng(0).uniform(-1, 1, (50, 2)))
    same = translating.carried(source, source)
    assert (same["signal"], same["centre"]) == (pytest.approx(1), pytest.approx(1))
    double = translating.carried(source._replace(deposits=2 * source.deposits), source)
    assert double["shift"] == pytest.approx(math.log(2), rel=1e-3)
    assert double["spread"] == pytest.approx(0, abs=1e-3)


def test_rounding_to_8_bits_costs_the_logarithm_more():
    root, logarithm = (intensities.rounding(cells(200), scale)["width"] for scale in ("root", "logarithm"))
    assert root < logarithm < 0.01


def test_depth_and_radius_of_exact_profiles():
    depth = np.arange(1, 24.0)
    profile = gflash.profile(depth, np.array(7.0), np.array(4.0))
    assert references.maximum(profile, depth) == pytest.approx(7.0)
    place = (np.arange(400) - 199.5) * references.FINE.pitch
    gaussian = np.exp(-(place[:, None] ** 2 + place[None, :] ** 2) / 2)
    assert references.radius_of(gaussian) == pytest.approx(math.sqrt(2 * math.log(10)), rel=0.01)


def test_labels_are_standardised():
    rng = np.random.default_rng(0)
    energy, impact = 10 * 10 ** rng.random(4000), rng.random((4000, 2)) - 0.5
    found = samples.labels(Showers(np.zeros(0), energy, impact))
    torch.testing.assert_close(found.mean(dim=0), torch.zeros(3), atol=0.05, rtol=0)
    torch.testing.assert_close(found.std(dim=0), torch.ones(3), atol=0.05, rtol=0)


def made_up(count, side):
    rng = np.random.default_rng(side)
    energy, impact = 10 * 10 ** rng.random(count), rng.random((count, 2)) - 0.5
    deposits = rng.gamma(0.2, energy[:, None, None, None], (count, 3, side, side))
    return {"deposits": deposits.astype(np.float32), "energy": energy, "impact": impact}


def test_parts_are_done_once_and_the_page_keeps_what_was_written(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "QUICK", TINY)
    work, docs = tmp_path / "work", tmp_path / "docs"
    work.mkdir()
    docs.mkdir()
    for name, count, side in (("cascade", 160, 8), ("gflash", 160, 8), ("cascade", 128, 32), ("gflash", 64, 32)):
        np.savez(work / f"{name}-{side}-{count}.npz", **made_up(count, side))
    place = parts.Place(work)
    threads = torch.get_num_threads()
    try:
        for unit in [*parts.units(TINY, place), *parts.timings(TINY, place)]:
            if unit.kind in DONE:
                units.compute(unit, work)
            else:
                (work / unit.file).write_text(json.dumps(FOUND[unit.kind]))
    finally:
        torch.set_num_threads(threads)
    before = {path: path.stat().st_mtime_ns for path in work.iterdir()}
    (docs / "physics.md").write_text("by hand\n")
    words = ["--quick", "--model", "", "--out", str(docs), "--work", str(work)]
    monkeypatch.setattr(sys, "argv", ["physics", *words, "--parts", "speed"])
    command.main()
    assert list(docs.glob("*.png")) == []
    assert "**Refinement**" not in (docs / "physics.md").read_text()
    monkeypatch.setattr(sys, "argv", ["physics", *words])
    command.main()
    assert {path: path.stat().st_mtime_ns for path in work.iterdir()} == before
    text = (docs / "physics.md").read_text()
    assert text.startswith("by hand\n")
    assert "far too short" in text
    assert "| 400 (4.00x) | 400 (40.00x) | 400 (400.00x) |" in text
    for name, _ in page.FIGURES.values():
        assert f"](physics-{name}.png)" in text
        assert Image.open(docs / f"physics-{name}.png").width > 300


@pytest.mark.parametrize(("kind", "expected"), [("simulated", 85), ("air", None), ("conditioning", None)])
def test_other_parts_in_small(kind, expected, tmp_path, monkeypatch):
    monkeypatch.setenv("STYLEGROW_CACHE", str(tmp_path))
    if kind == "simulated":
        found = references.simulate("cascade", 10.0, 0.2, 8)
        assert found["response"][0] == pytest.approx(expected, rel=0.1)
        assert 5 < found["depth"] < 8
    elif kind == "air":
        found = air.study(1, 60)
        assert found["real"]["mismatched"] == 0
        assert found["real"]["angle"] < 3 < found["generated"]["angle"]
    else:
        found = parts.condition(parts.Place(tmp_path), "dense", 1, 40)
        assert (found["steps"], len(found["edges"])) == (1, len(found["response"]) + 1)
