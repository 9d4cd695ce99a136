"""The study of objectives: its measures against closed forms, its trainings in small, resuming, and the page."""

import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks import pages
from benchmarks.objectives import measures, plane, plane_page
from benchmarks.units import run_units
from progan.layers import Linear


@pytest.mark.parametrize("mixture", [plane.GRID, plane.RING])
def test_modes_of_perfect_of_collapsed_and_of_spread_points(mixture):
    exact = mixture.sample(5000, torch.Generator().manual_seed(0))
    found, share = mixture.modes(exact)
    assert found == len(mixture.centres)
    assert share == pytest.approx(1 - math.exp(-4.5), abs=0.01)  # of a round Gaussian within three deviations
    assert mixture.modes(mixture.centres[:3].repeat(100, 1)) == (3, 1.0)
    assert mixture.modes(torch.full((100, 2), 0.5)) == (0, 0.0)


def test_networks_see_the_grid_with_unit_variance():
    scaled = plane.GRID.sample(5000, torch.Generator().manual_seed(0)) * plane.GRID.scale
    assert scaled.var(dim=0).tolist() == pytest.approx([1, 1], abs=0.05)


def test_orthogonal_weights_have_one_singular_value_and_inputs_are_multiplied_first():
    """Metz et al.'s networks: with one hidden layer, and weights of singular values 0.8."""
    torch.manual_seed(0)
    network, x = plane.Network(2, 1, hidden=1, gain=0.8, shrunk=0.25), torch.randn(5, 2)
    first, last = network.layers
    assert torch.linalg.svdvals(first.weight).tolist() == pytest.approx([0.8, 0.8])
    expected = (x / 4 @ first.weight.T).relu() @ last.weight.T
    assert network(x).flatten().tolist() == pytest.approx(expected.flatten().tolist(), abs=0.01)  # by bfloat16


def test_the_minimax_game_on_the_ring_sits_at_one_side_and_moves_on():
    """What Metz et al. report of it: it never has more than about one of the Gaussians, and not the same ones."""
    game = plane.play("ring gan", 0, 300, looks=6)
    sides = [torch.tensor(points) for points in game["frames"]]
    nearest = [torch.cdist(points, plane.RING.centres).argmin(dim=1).bincount(minlength=8) for points in sides]
    assert max(found for found, _ in game["found"]) <= 1
    assert min(int(counts.max()) for counts in nearest) > plane.SHOWN / 4
    assert len({int(counts.argmax()) for counts in nearest}) >= 3


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
    result = plane.played(replace(plane.SETTINGS["ns"], lr=math.inf), 0, 4, looks=2)
    assert result["found"] == [[0, 0], [0, 0]]
    assert [point[2] for point in result["curve"]] == [math.inf, math.inf]


@pytest.mark.parametrize("name", plane.SETTINGS)
def test_every_setting_is_played_the_same_again(name):
    first, again = (plane.play(name, 0, 4, looks=2) for _ in range(2))
    assert [point[0] for point in first["curve"]] == [2, 4]
    assert np.isfinite(first["curve"]).all()
    assert np.shape(first["found"]) == (2, 2)
    assert len(first["frames"]) == (2 if name.startswith("ring") else 0)
    assert first | {"seconds": 0} == again | {"seconds": 0}


def test_a_normalised_game_keeps_the_critics_slope_within_one():
    """Of layers that stretch nothing and ReLU between them, however long the steps are; and so the generator's."""
    for name, networks in {
        "hinge + spectral norm": ("critic",),
        "hinge + spectral norm, both networks normalised": ("critic", "generator"),
    }.items():
        game = plane.Game(replace(plane.SETTINGS[name], lr=0.01), 0)
        for _ in range(20):
            game.critic_step(game.reals(), game.fakes())
            game.generator_step()
        for network in networks:
            points = torch.randn(2, 100, 2, generator=torch.Generator().manual_seed(0))
            first, second = (getattr(game, network)(half) for half in points)
            stretched = (first - second).norm(dim=1) / (points[0] - points[1]).norm(dim=1)
            assert stretched.max() < 1.05


def test_a_clipped_critic_ends_at_its_bounds_and_its_gradient_vanishes_where_the_bound_is_tight():
    alone = {c: plane.fixed_generator("swiss roll", c, 0, 10) for c in ("clip 0.001", "penalty")}
    clipped, penalised = (alone[c]["gradients"] for c in alone)
    assert len(clipped) == len(penalised) == 13
    assert clipped[0] < 1e-6 * clipped[-1]
    assert penalised[0] > 0.1 * penalised[-1]
    assert max(map(abs, alone["clip 0.001"]["weights"][0])) == pytest.approx(0.001, rel=1e-3)
    assert alone["clip 0.001"]["share"] > 0.5
    assert np.shape(alone["penalty"]["surface"]) == (61, 61)


def test_lines_apart_are_told_by_both_estimates_in_their_way():
    near, far = (plane.lines_apart("ns", distance, 150)["estimate"] for distance in (1.0, 2.0))
    assert near == pytest.approx(math.log(2), abs=0.1)
    assert far == pytest.approx(math.log(2), abs=0.1)
    near, far = (plane.lines_apart("wgan-gp", distance, 300)["estimate"] for distance in (0.5, 1.5))
    assert near == pytest.approx(plane_page.penalised(0.5), abs=0.15)
    assert far == pytest.approx(plane_page.penalised(1.5), abs=0.3)


def test_the_best_slope_under_a_penalty_is_that_of_the_least_loss():
    distance = 1.5
    slopes = np.linspace(0, 3, 30001)
    losses = -slopes * distance + 10 * (slopes - 1) ** 2
    assert plane_page.penalised(distance) == pytest.approx(slopes[losses.argmin()] * distance, abs=1e-3)


def test_a_mean_has_an_interval_where_there_are_several():
    assert measures.mean_of([1.0, 2.0, 3.0], 2) == "2.00 ± 2.48"  # 4.303 standard errors of 1 / sqrt 3
    assert measures.mean_of([1.0, 2.0], 2) == "1.50"
    assert measures.mean_of([1.0, math.nan], 2) == "-"


@pytest.mark.parametrize("dimension", [2, 6])
def test_the_intrinsic_dimension_is_that_of_the_points_and_not_of_the_space(dimension):
    """Of a sphere, which has no edge, in a space of 50 dimensions, some of its points twice."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(1500, dimension + 1))
    points *= 10_000 / np.linalg.norm(points, axis=1, keepdims=True)
    turned = (points @ np.linalg.qr(rng.normal(size=(50, dimension + 1)))[0].T).round()
    found = measures.intrinsic_dimension(np.concatenate([turned, turned[:10]]))
    assert found == pytest.approx(dimension, rel=0.1)


def test_rank_correlation():
    assert measures.rank_correlation([1, 2, 3], [10, 20, 40]) == pytest.approx(1)
    assert measures.rank_correlation([1, 2, 3], [9, 4, 1]) == pytest.approx(-1)
    assert measures.rank_correlation([1, 2, 3, 4], [1, 3, 2, 4]) == pytest.approx(0.8)
    assert math.isnan(measures.rank_correlation([1, 1], [1, 2]))


def drawn(folder, figures):
    """The page of a study, whose figures are all there."""
    text = (folder / "objectives.md").read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "far too short" in text
    found = sorted(path.name for path in folder.glob("*.png"))
    assert found == sorted(f"objectives-{name}.png" for name in figures)
    for name in found:
        assert f"]({name})" in text
        Image.open(folder / name).verify()
    return text


def begun(folder, command):
    """A page with an old block of a command."""
    start = f"<!-- measured: written by {command} -->"
    (folder / "objectives.md").write_text(f"before\n{start}\nold\n{pages.END}\nafter\n")


TINY = plane.Budget(share=1e-9, seeds=1, looks=1, critic_steps=2, line_steps=2)


def test_what_is_kept_is_not_done_again_and_the_page_of_games_keeps_what_was_written(tmp_path):
    todo = plane.units(TINY)
    (tmp_path / "work").mkdir()
    for unit in todo[:-1]:
        frames = [[[0.0, 0.0]], [[1.0, 1.0]]] if "ring" in unit.arguments[0] else []
        game = {"curve": [[1, 0.1, 0.5], [2, 0.2, 0.3]], "found": [[3, 0.5], [7, 0.25]], "seconds": 60}
        kept = game | {"points": [[0.0, 0.0]], "frames": frames}
        (tmp_path / "work" / unit.file).write_text(json.dumps(kept))
    results = run_units(todo, tmp_path / "work", workers=1)
    assert list(results) == todo
    missing = todo[-1]
    assert json.loads((tmp_path / "work" / missing.file).read_text()) == results[missing]
    assert results[missing]["curve"][-1][0] == 1
    begun(tmp_path, "python -m benchmarks.objectives")
    assert plane_page.write(tmp_path, results, quick=True) == tmp_path / "objectives.md"
    text = drawn(tmp_path, plane_page.FIGURES)
    for name in plane.NAMES:
        assert re.search(rf"\| {re.escape(name)} +\| +2 \| +1 \| +7\.0 \|", text)
    for setting in ("as above", "setting E", *plane.RATES):
        assert re.search(rf", {setting} +\| +7 \| +7 \| +0\.25 \| +0\.300 \|", text)
    assert re.search(r"\| ns +\| +2 \| +1 \| +5\.0 \| +1\.00 \|", text)
    with Image.open(tmp_path / plane_page.ANIMATION) as animation:
        assert animation.n_frames == 2
    assert f"]({plane_page.ANIMATION})" in text


def test_the_page_of_critics_sets_estimates_beside_what_is_exact(tmp_path):
    critic = plane.fixed_generator("25 Gaussians", "penalty", 0, 2)
    results = {unit: {"estimate": 0.5} if unit.kind == "lines" else critic for unit in plane.critics(TINY)}
    begun(tmp_path, "python -m benchmarks.objectives --critics")
    plane_page.write_critics(tmp_path, results, quick=True)
    text = drawn(tmp_path, plane_page.CRITICS_FIGURES)
    assert re.search(r"\| 0\.4 +\| +0\.693 \| +0\.500 \| +0\.400 \| +0\.408 \| +0\.500 \|", text)
    assert re.search(r"\| penalty +\| +0% \|", text)


def test_how_many_are_held_within_a_span_of_steps():
    assert plane_page.different([1, 2, 1, 3, 3], [1, 2, 3, 4, 5], 2) == pytest.approx((2 + 2 + 2) / 3)
    assert plane_page.different([1, 2, 1], [1, 2, 3], 100) == 2


def test_a_page_that_is_not_there_is_begun(tmp_path):
    page = pages.write_measured(tmp_path / "new.md", "python -m this", "first\n")
    pages.write_measured(page, "python -m that", "other\n")
    pages.write_measured(page, "python -m this", "second\n")
    assert re.findall("first|second|other", page.read_text()) == ["second", "other"]


def test_a_rank_correlation_that_is_none_is_a_dash():
    assert [measures.shown(value) for value in (math.nan, -0.5)] == ["-", "-0.50"]


def test_a_gradient_that_doubles_a_layer_is_told_so_also_where_it_has_become_nothing():
    first, each = plane_page.growth([8.0, 4.0, 2.0, 1.0, 0.5])
    assert (first, each) == (pytest.approx(8.0), pytest.approx(2.0))
    gone, halved = plane_page.growth([0.0, 0.0, 0.25, 0.5, 1.0, 0.5])
    assert (gone, halved) == (0.0, pytest.approx(0.5))
