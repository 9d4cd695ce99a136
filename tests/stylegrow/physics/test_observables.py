"""Observables of showers made by hand, and their separation powers against closed forms."""

import math

import numpy as np
import pytest

from stylegrow.physics import observables
from stylegrow.physics.observables import EnergyBins, Showers

N = 20_000


def test_a_shower_of_two_cells_has_the_numbers_that_its_cells_say():
    deposits = np.zeros((1, 3, 32, 32), np.float32)
    deposits[0, 0, 16, 18], deposits[0, 0, 16, 20] = 3, 1  # row, column: 0.125 down, 0.625 and 1.125 across
    deposits[0, 1, 15, 16], deposits[0, 2, 0, 0] = 0.5, 12  # half a MIP is no hit
    assert observables.layer_sums(deposits).tolist() == [[4, 0.5, 12]]
    assert observables.layer_fractions(deposits) == pytest.approx(np.array([[4, 0.5, 12]]) / 16.5)
    assert observables.hits(deposits).tolist() == [[2, 0, 1]]
    assert observables.response(Showers(deposits, np.array([5.0]))) == pytest.approx(16.5 / 5)
    centres = observables.centre_of_gravity(deposits)[0]
    assert centres == pytest.approx(np.array([[0.75, 0.125], [0.125, -0.125], [-3.875, -3.875]]))
    assert observables.widths(deposits)[0] == pytest.approx(np.array([[0.5 * math.sqrt(3 / 16), 0], [0, 0], [0, 0]]))
    found = observables.observables(Showers(deposits, np.array([5.0])))
    assert found["depth"] == pytest.approx((4 * 3.5 + 0.5 * 8.5 + 12 * 17.5) / 16.5)
    assert (found["largest front"][0], found["signal"][0]) == pytest.approx((0.75, math.log(17.5)))
    assert observables.spectrum(deposits).tolist() == [1, 1, 0, 1, 0, 1, *[0] * 11]  # 0.5, 1, 3 and 12 MIP


@pytest.mark.parametrize("cells", [16, 32])
def test_profiles_are_the_same_for_both_sizes_of_cells(cells):
    fine = np.random.default_rng(0).gamma(0.2, 20, (6, 3, 16, 16))
    deposits = fine if cells == 16 else fine.repeat(2, axis=2).repeat(2, axis=3) / 4
    showers = Showers(deposits, np.full(6, 2.0))
    assert observables.layer_sums(deposits) == pytest.approx(fine.sum(axis=(2, 3)))
    assert observables.centre_of_gravity(deposits) == pytest.approx(observables.centre_of_gravity(fine))
    assert observables.response(showers) == pytest.approx(fine.sum(axis=(1, 2, 3)) / 2)


def test_a_shower_without_any_signal_has_numbers():
    empty = Showers(np.zeros((2, 3, 16, 16), np.float32), np.ones(2), np.zeros((2, 2)))
    assert all(np.isfinite(values).all() for values in observables.observables(empty).values())
    assert not observables.radial_profile(empty.deposits).any()


def test_the_radial_profile_of_a_gaussian_is_that_of_its_closed_form():
    width, places = 0.8, observables.cell_places(128)
    shape = np.exp(-(places[:, None] ** 2 + places[None, :] ** 2) / (2 * width**2))
    moved = np.roll(shape, (5, -3), axis=(0, 1))  # the axis is where the signal is
    deposits = np.stack([moved, 2 * moved, moved])[None]
    edges = (0, 1, 2, 3, np.inf)
    beyond = np.exp(-(np.array(edges) ** 2) / (2 * width**2))
    assert observables.radial_profile(deposits, edges)[0] == pytest.approx(beyond[:-1] - beyond[1:], abs=0.01)


def test_response_and_resolution_of_energy_bins_are_those_that_showers_were_drawn_with():
    rng = np.random.default_rng(1)
    energy = 10 ** rng.uniform(1, 2, N)
    resolution = 0.5 / np.sqrt(energy)
    deposits = np.zeros((N, 3, 16, 16), np.float32)
    deposits[:, 1, 8, 8] = 80 * energy * (1 + resolution * rng.standard_normal(N))
    edges = observables.energy_edges(energy)
    assert edges == pytest.approx(10 ** np.linspace(1, 2, 6), rel=0.03)
    bins = EnergyBins.of(Showers(deposits, energy), edges)
    assert bins.response == pytest.approx(np.full(5, 80), rel=0.01)
    # The mean of 1 / E over a bin, by its edges.
    means = (1 / edges[:-1] - 1 / edges[1:]) / np.log(edges[1:] / edges[:-1])
    assert bins.resolution == pytest.approx(0.5 * np.sqrt(means), rel=0.05)
    assert math.isnan(EnergyBins.of(Showers(deposits[:1], energy[:1]), edges).resolution[0])


def test_the_centre_of_gravity_follows_the_impact_as_far_as_it_was_told_to():
    rng = np.random.default_rng(2)
    impact = rng.uniform(-1, 1, (2000, 2))
    seen = impact + rng.uniform(-1, 1, (2000, 2))  # as wide: a correlation of 1 / sqrt(2)
    deposits = np.zeros((2000, 3, 32, 32), np.float32)
    column, row = np.rint(seen / 0.25 + 15.5).astype(int).T
    deposits[np.arange(2000), 1, row, column] = 1
    found = observables.impact_correlation(Showers(deposits, np.ones(2000), impact))
    assert found == pytest.approx(1 / math.sqrt(2), abs=0.02)
    with pytest.raises(ValueError, match="impact"):
        observables.impact_correlation(Showers(deposits, np.ones(2000)))


def test_correlations_between_layers_are_those_that_they_were_drawn_with():
    rng = np.random.default_rng(3)
    wanted = np.array([[1, 0.3, -0.5], [0.3, 1, 0.2], [-0.5, 0.2, 1]])
    energy = 10 ** rng.uniform(1, 2, N)
    sums = energy[:, None] * (30 + rng.multivariate_normal(np.zeros(3), wanted, N))
    deposits = np.zeros((N, 3, 4, 4))
    deposits[:, :, 1, 2] = sums
    assert observables.layer_correlations(Showers(deposits, energy)) == pytest.approx(wanted, abs=0.03)


def test_discrimination_is_that_of_its_formula():
    assert observables.discrimination(np.array([1, 3]), np.array([6, 2])) == pytest.approx(0.25)
    assert observables.discrimination(np.array([5, 0]), np.array([0, 1])) == 1
    assert observables.discrimination(np.array([5, 0]), np.array([1, 0])) == 0
    assert observables.discrimination(np.zeros(2), np.ones(2)) == 1
    assert observables.discrimination(np.zeros(2), np.zeros(2)) == 0


def test_separation_of_two_gaussians_is_their_integral():
    rng = np.random.default_rng(4)
    a, b = rng.standard_normal(100_000), rng.standard_normal(100_000) + 1
    x = np.linspace(-8, 9, 10_001)
    p, q = (np.exp(-((x - m) ** 2) / 2) / math.sqrt(2 * math.pi) for m in (0, 1))
    exact = np.trapezoid((p - q) ** 2 / (p + q), x) / 2
    assert observables.separation(a, b) == pytest.approx(exact, abs=0.004)
    assert observables.separation(a, b) == pytest.approx(observables.separation(b, a))
    assert observables.separation(a, np.exp(a) + 100) == pytest.approx(1)
    assert observables.separation(np.exp(a), np.exp(b)) == pytest.approx(observables.separation(a, b))


def test_equal_samples_separate_as_chance_does():
    rng = np.random.default_rng(5)
    found = [observables.separation(*rng.standard_normal((2, 1000))) for _ in range(100)]
    assert np.mean(found) == pytest.approx(39 / 4 * 2 / 1000, rel=0.1)
    assert observables.separation(np.zeros(10), np.zeros(20)) == 0


def test_separations_see_what_was_changed_and_nothing_else():
    rng = np.random.default_rng(6)
    deposits, energy, impact = rng.gamma(0.5, 10, (400, 3, 16, 16)), rng.uniform(10, 100, 400), np.zeros((400, 2))
    reals = Showers(deposits, energy, impact)
    assert set(observables.separations(reals, reals).values()) == {0}
    turned = observables.separations(reals, Showers(np.roll(deposits, 1, axis=3), energy, impact + np.array([0.5, 0])))
    assert turned["longitudinal profile"] == pytest.approx(0, abs=1e-12)
    assert turned["response"] == pytest.approx(0, abs=0.01)
    assert turned["hits front"] == 0
    assert turned["x front"] > 0.02 > turned["y front"]
