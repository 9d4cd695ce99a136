"""The study of objectives: its measures against closed forms, its trainings in small, resuming, and the page."""

import json
import math
import re

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks import objectives, objectives_page, plane
from progan.layers import Linear
from tests.stylegrow.data.image_files import folder_of


def test_modes_of_perfect_of_collapsed_and_of_spread_points():
    exact = plane.gaussians(2500, torch.Generator().manual_seed(0)).flatten(1)
    found, share = plane.modes(exact)
    assert found == 25
    assert share == pytest.approx(1 - math.exp(-4.5), abs=0.01)  # of a round Gaussian within three deviations
    assert plane.modes(plane.CENTRES[:3].repeat(100, 1)) == (3, 1.0)
    assert plane.modes(torch.full((100, 2), 0.5)) == (0, 0.0)


def test_the_sliced_distance_of_moved_points_is_two_over_pi_of_the_way():
    points = torch.randn(500, 2, generator=torch.Generator().manual_seed(0))
    assert plane.sliced_distance(points, points) == 0
    moved = plane.sliced_distance(points, points + torch.tensor([3.0, 4.0]))
    assert moved == pytest.approx(5 * 2 / math.pi, rel=1e-3)


def test_gradients_by_layer_are_the_products_of_what_follows():
    network = torch.nn.Sequential(Linear(2, 2, equalized=False), Linear(2, 1, equalized=False))
    with torch.no_grad():
        network[1].weight.copy_(torch.tensor([[3.0, 4.0]]))
    found = plane.layer_gradients(network, torch.randn(1, 2))
    assert found == pytest.approx([5.0, 1.0])


def test_a_histogram_holds_all_weights():
    edges, shares = plane.histogram(plane.Network(2, 1))
    assert sum(shares) == pytest.approx(1)
    assert edges[0] == pytest.approx(-edges[-1])


def test_a_game_that_diverged_is_still_a_result():
    """Weights that are not finite are in no bin, and a seed that is lost does not end the study."""
    network = plane.Network(2, 1)
    with torch.no_grad():
        network.layers[0].weight.fill_(math.nan)
    _, shares = plane.histogram(network)
    lost = network.layers[0].weight.numel() / sum(layer.weight.numel() for layer in network.layers)
    assert sum(shares) == pytest.approx(1 - lost)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(math.inf)
    assert sum(plane.histogram(network)[1]) == 0
    result = plane.find_modes(plane.config_of("ns"), math.inf, 0, 4, looks=2)
    assert (result["modes"], result["share"]) == (0, 0)
    assert [point[2] for point in result["curve"]] == [math.inf, math.inf]


@pytest.mark.parametrize("name", objectives.NAMES)
def test_every_objective_plays_in_the_plane(name):
    result = plane.find_modes(plane.config_of(name), 0.001, 0, 10, looks=2)
    assert [point[0] for point in result["curve"]] == [5, 10]
    assert np.isfinite(result["curve"]).all()
    assert len(result["points"]) == 1000
    assert len(result["gradients"]) == 4
    again = plane.find_modes(plane.config_of(name), 0.001, 0, 10, looks=2)
    assert again == result


def test_lines_apart_are_told_by_both_estimates_in_their_way():
    near, far = (plane.lines_apart(plane.config_of("ns"), distance, 150) for distance in (1.0, 2.0))
    assert near == pytest.approx(math.log(2), abs=0.1)
    assert far == pytest.approx(math.log(2), abs=0.1)
    near, far = (plane.lines_apart(plane.config_of("wgan-gp"), distance, 300) for distance in (0.5, 1.5))
    assert near == pytest.approx(0.5, abs=0.15)
    assert far == pytest.approx(1.5, abs=0.3)


def test_rank_correlation():
    assert objectives_page.rank_correlation([1, 2, 3], [10, 20, 40]) == pytest.approx(1)
    assert objectives_page.rank_correlation([1, 2, 3], [9, 4, 1]) == pytest.approx(-1)
    assert objectives_page.rank_correlation([1, 2, 3, 4], [1, 3, 2, 4]) == pytest.approx(0.8)
    assert math.isnan(objectives_page.rank_correlation([1, 1], [1, 2]))


TINY = objectives.Budget(2, (0.001,), (0,), 2, 2, 20, 2)


def test_a_training_on_pictures_is_measured(tmp_path):
    folder_of(tmp_path / "pictures", 45, (32, 32))
    result = objectives.train_on_images(str(tmp_path / "pictures"), "hinge + spectral norm", 2, 20, 2, tmp_path)
    assert np.shape(result["curve"]) == (2, 3)
    assert np.shape(result["samples"]) == (32, 3, 32, 32)
    assert result["seconds"] > 0
    assert len(result["gradients"]) == 10
    assert all(value > 0 for value in result["gradients"])


def kept(folder):
    """Results of all trainings of a tiny study, as if they had been done."""
    folder.mkdir()
    game = {name: plane.find_modes(plane.config_of(name), 0.001, 0, 2, 2) for name in objectives.NAMES}
    for unit in objectives.units(TINY):
        name = unit.arguments[1 if unit.kind == "pictures" else 0]
        result = {"estimate": 0.5} if unit.kind == "lines" else dict(game[name])
        if unit.kind == "pictures":
            channels = 1 if unit.arguments[0] == "fashion-mnist" else 3
            result |= {"seconds": 0.01, "samples": np.zeros((32, channels, 32, 32), int).tolist()}
        (folder / unit.file).write_text(json.dumps(result))


def test_what_is_kept_is_not_done_again_and_the_page_keeps_what_was_written(tmp_path, monkeypatch):
    monkeypatch.setattr(objectives, "QUICK", TINY)
    kept(tmp_path / "work")
    missing = objectives.units(TINY)[-1]
    (tmp_path / "work" / missing.file).unlink()
    options = objectives.Options(quick=True, out=tmp_path / "docs", work=tmp_path / "work", workers=1)
    results = objectives.run(options)
    assert list(results) == objectives.units(TINY)
    assert json.loads((tmp_path / "work" / missing.file).read_text()) == results[missing] != {"estimate": 0.5}
    (tmp_path / "docs").mkdir()
    page = tmp_path / "docs" / "objectives.md"
    page.write_text(f"before\n{objectives_page.START}\nold\n{objectives_page.END}\nafter\n")
    assert objectives_page.write(tmp_path / "docs", results, quick=True) == page
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "far too short" in text
    assert all(f"| {name}, lr 0.001" in text for name in objectives.NAMES)
    assert text.count("| gan ") == 2  # in the sweep, and in the table of pictures
    assert re.search(r"\| 0\.4 +\| +0\.693 \| +0\.500 \| +0\.400 \| +0\.500 \|", text)  # exact and estimated
    figures = sorted(path.name for path in (tmp_path / "docs").glob("*.png"))
    assert figures == sorted(f"objectives-{name}.png" for name in objectives_page.FIGURES)
    for name in figures:
        assert f"]({name})" in text
        Image.open(tmp_path / "docs" / name).verify()


def test_a_rank_correlation_that_is_none_is_a_dash():
    assert [objectives_page.shown(value) for value in (math.nan, -0.5)] == ["-", "-0.50"]
