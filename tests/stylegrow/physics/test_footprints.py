"""Air showers against closed forms, published moments, and the directions that come back from arrival times."""

import numpy as np
import pytest

from stylegrow.physics import footprints as fp


def over_plane(density, *arguments):
    """The integral of a density over the plane."""
    edges = np.geomspace(1e-4, 1e7, 200_001)
    middle = (edges[1:] + edges[:-1]) / 2
    return (density(middle, *arguments) * 2 * np.pi * middle * np.diff(edges)).sum()


@pytest.mark.parametrize("age", [0.8, 1.0, 1.2, 1.4])
def test_lateral_distributions_hold_all_particles(age):
    assert over_plane(fp.electron_density, np.array(age)) == pytest.approx(1, abs=1e-3)
    assert over_plane(fp.muon_density) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("energy", [3.0, 10.0, 100.0])
def test_depths_of_maximum_have_the_moments_of_their_distribution(energy):
    depths = fp.depths_of_maximum(np.full(200_000, energy), np.random.default_rng(0))
    mu, sigma, shape = fp.gumbel(np.array(energy))
    # Of mu - sigma ln(g / shape), g of a gamma distribution: digamma and trigamma, here by their recurrences.
    n = np.arange(200_000) + shape
    far = 200_000 + shape
    digamma = np.log(far) - 1 / (2 * far) - (1 / n).sum()
    trigamma = 1 / far + 1 / (2 * far**2) + (1 / n**2).sum()
    assert depths.mean() == pytest.approx(mu - sigma * (digamma - np.log(shape)), abs=0.5)
    assert depths.std() == pytest.approx(sigma * np.sqrt(trigamma), rel=0.01)
    if energy == 10:  # EPOS-LHC: De Domenico et al. 2013
        assert depths.mean() == pytest.approx(806, abs=2)
        assert depths.std() == pytest.approx(58, abs=2)


def test_electrons_lose_the_visible_energy():
    depth = np.linspace(fp.FIRST + 1e-6, 4000, 200_001)
    energy, maximum = np.array(10.0), np.array(800.0)
    number = fp.electrons_at(depth, maximum, energy)
    assert depth[number.argmax()] == pytest.approx(800, abs=0.1)
    assert np.trapezoid(number, depth) * fp.LOSS_PER_DEPTH == pytest.approx(fp.VISIBLE * 10, rel=1e-4)
    assert number.max() / 1e10 == pytest.approx(0.7, rel=0.1)  # per GeV, as simulations find


def test_footprints_are_fixed_by_their_index():
    first = fp.block(3)
    fp.block.cache_clear()
    fp.block(1)
    for one, other in zip(first, fp.block(3), strict=True):
        np.testing.assert_array_equal(one, other)
    assert first.signal.shape == first.time.shape == (64, 16, 16)


@pytest.fixture(scope="module")
def showers():
    """Of twelve blocks."""
    return fp.Footprints(*(np.concatenate(parts) for parts in zip(*map(fp.block, range(12)), strict=True)))


def test_stations_see_more_of_higher_energies(showers):
    assert (showers.signal[showers.signal > 0] >= fp.THRESHOLD).all()
    assert (showers.time[showers.signal == 0] == 0).all()
    triggered = (showers.signal > 0).sum(axis=(1, 2))
    low, high = triggered[showers.energy < 5], triggered[showers.energy > 60]
    assert 8 < low.mean() < 30
    assert 40 < high.mean() < 120
    zenith = np.degrees(np.arcsin(np.hypot(*showers.direction.T)))
    assert zenith.max() <= 60
    # Of a flat array to 60 degrees: cos^2 is uniform from 1/4 to 1.
    assert (np.cos(np.radians(zenith)) ** 2).mean() == pytest.approx(5 / 8, abs=0.02)


def test_directions_come_back_from_arrival_times(showers):
    fitted = fp.fit_direction(showers.signal, showers.time, showers.core)
    apart = fp.angle_between(fitted, showers.direction)
    known = np.isfinite(apart)
    assert known.mean() > 0.95
    assert np.median(apart[known]) < 0.5


def test_a_shower_without_fluctuations_comes_back_exactly():
    """A plane with a curvature, of which nothing else is known than the times."""
    direction, core = np.array([[0.3, -0.5], [0.0, 0.0]]), np.array([[100.0, -200.0], [0.0, 0.0]])
    along, distance = fp.seen_from(direction, core)
    time = (-along + distance**2 / 2e4) / fp.LIGHT + 50
    fitted = fp.fit_direction(np.full(time.shape, 10.0), time, core)
    np.testing.assert_allclose(fitted[1], 0, atol=1e-9)
    assert fp.angle_between(fitted, direction)[0] < 0.1
    silent = np.zeros_like(time)
    assert np.isnan(fp.fit_direction(silent, time, core)).all()
