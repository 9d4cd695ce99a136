"""The study of objectives: its measures against closed forms, its trainings in small, resuming, and the page."""

import json
import math
import re

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks import pages
from benchmarks.objectives import measures, plane, plane_page
from benchmarks.units import run_units
from progan.layers import Linear


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
    found = measures.layer_gradients(network, torch.randn(1, 2))
    assert found == pytest.approx([5.0, 1.0])


def test_a_histogram_holds_all_weights():
    edges, shares = measures.histogram(plane.Network(2, 1))
    assert sum(shares) == pytest.approx(1)
    assert edges[0] == pytest.approx(-edges[-1])


def test_a_game_that_diverged_is_still_a_result():
    """Weights that are not finite are in no bin, and a seed that is lost does not end the study."""
    network = plane.Network(2, 1)
    with torch.no_grad():
        network.layers[0].weight.fill_(math.nan)
    _, shares = measures.histogram(network)
    lost = network.layers[0].weight.numel() / sum(layer.weight.numel() for layer in network.layers)
    assert sum(shares) == pytest.approx(1 - lost)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(math.inf)
    assert sum(measures.histogram(network)[1]) == 0
    result = plane.find_modes("ns", math.inf, 0, 4, looks=2)
    assert (result["modes"], result["share"]) == (0, 0)
    assert [point[2] for point in result["curve"]] == [math.inf, math.inf]


@pytest.mark.parametrize("name", plane.NAMES)
def test_every_objective_plays_in_the_plane(name):
    result = plane.find_modes(name, 0.001, 0, 10, looks=2)
    assert [point[0] for point in result["curve"]] == [5, 10]
    assert np.isfinite(result["curve"]).all()
    assert len(result["points"]) == 1000
    assert len(result["gradients"]) == 4
    again = plane.find_modes(name, 0.001, 0, 10, looks=2)
    assert again == result


def test_lines_apart_are_told_by_both_estimates_in_their_way():
    near, far = (plane.lines_apart("ns", distance, 150)["estimate"] for distance in (1.0, 2.0))
    assert near == pytest.approx(math.log(2), abs=0.1)
    assert far == pytest.approx(math.log(2), abs=0.1)
    near, far = (plane.lines_apart("wgan-gp", distance, 300)["estimate"] for distance in (0.5, 1.5))
    assert near == pytest.approx(0.5, abs=0.15)
    assert far == pytest.approx(1.5, abs=0.3)


def test_rank_correlation():
    assert measures.rank_correlation([1, 2, 3], [10, 20, 40]) == pytest.approx(1)
    assert measures.rank_correlation([1, 2, 3], [9, 4, 1]) == pytest.approx(-1)
    assert measures.rank_correlation([1, 2, 3, 4], [1, 3, 2, 4]) == pytest.approx(0.8)
    assert math.isnan(measures.rank_correlation([1, 1], [1, 2]))


def one_of(name):
    """A result of an objective's training."""
    return plane.find_modes(name, 0.001, 0, 2, 2)


def drawn(folder, module):
    """The page of a study, whose figures are all there."""
    text = (folder / "objectives.md").read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "far too short" in text
    figures = sorted(path.name for path in folder.glob("*.png"))
    assert figures == sorted(f"objectives-{name}.png" for name in module.FIGURES)
    for name in figures:
        assert f"]({name})" in text
        Image.open(folder / name).verify()
    return text


def test_what_is_kept_is_not_done_again_and_the_page_keeps_what_was_written(tmp_path):
    todo = plane.units(plane.Budget(2, (0.001,), (0,), 2))
    games = {name: one_of(name) for name in plane.NAMES}
    (tmp_path / "work").mkdir()
    for unit in todo[:-1]:
        result = {"estimate": 0.5} if unit.kind == "lines" else games[unit.arguments[0]]
        (tmp_path / "work" / unit.file).write_text(json.dumps(result))
    results = run_units(todo, tmp_path / "work", workers=1)
    assert list(results) == todo
    missing = todo[-1]
    assert json.loads((tmp_path / "work" / missing.file).read_text()) == results[missing] != {"estimate": 0.5}
    page = tmp_path / "objectives.md"
    start = "<!-- measured: written by python -m benchmarks.objectives -->"
    page.write_text(f"before\n{start}\nold\n{pages.END}\nafter\n")
    assert plane_page.write(tmp_path, results, quick=True) == page
    text = drawn(tmp_path, plane_page)
    assert all(f"| {name}, lr 0.001" in text for name in plane.NAMES)
    assert re.search(r"\| 0\.4 +\| +0\.693 \| +0\.500 \| +0\.400 \| +0\.500 \|", text)  # exact and estimated


def test_a_page_that_is_not_there_is_begun(tmp_path):
    page = pages.write_measured(tmp_path / "new.md", "python -m this", "first\n")
    pages.write_measured(page, "python -m that", "other\n")
    pages.write_measured(page, "python -m this", "second\n")
    assert re.findall("first|second|other", page.read_text()) == ["second", "other"]


def test_a_rank_correlation_that_is_none_is_a_dash():
    assert [measures.shown(value) for value in (math.nan, -0.5)] == ["-", "-0.50"]
