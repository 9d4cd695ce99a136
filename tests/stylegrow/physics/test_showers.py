"""Showers by their indices, GFLASH, and how signals are stored."""

import numpy as np
import pytest

from stylegrow.physics import gflash, showers
from stylegrow.physics.intensity import INTENSITIES, MIP_ROOT
from stylegrow.physics.tungsten import layers


def test_a_shower_is_the_same_whatever_is_asked_for_before():
    first = showers.shower(70, "gflash")
    showers.block.cache_clear()
    showers.shower(3, "gflash")
    again = showers.shower(70, "gflash")
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)
    assert first.deposits.shape == (1, 3, 32, 32)
    assert not np.array_equal(first.deposits, showers.shower(71, "gflash").deposits)


def test_electrons_are_drawn_as_documented():
    blocks = [showers.block(number, "gflash") for number in range(16)]
    energy = np.concatenate([block.energy for block in blocks])
    impact = np.concatenate([block.impact for block in blocks])
    assert energy.min() >= 10
    assert energy.max() <= 100
    assert np.abs(impact).max() <= 0.5
    logarithm = np.log10(energy / 10)
    assert logarithm.mean() == pytest.approx(1 / 2, abs=0.03)
    assert logarithm.std() == pytest.approx(12**-0.5, abs=0.02)
    assert impact.std() == pytest.approx(12**-0.5, abs=0.02)


def test_both_simulators_have_the_same_electrons():
    slow, fast = showers.block(0, "cascade"), showers.block(0, "gflash")
    np.testing.assert_array_equal(slow.energy, fast.energy)
    np.testing.assert_array_equal(slow.impact, fast.impact)
    responses = [block.deposits.sum(axis=(1, 2, 3)).sum() / block.energy.sum() for block in (slow, fast)]
    assert responses[0] == pytest.approx(responses[1], rel=0.03)
    for block in (slow, fast):  # the first cell's centre is 15.5 cells of 0.25 R_M from the axis; x is the column
        columns = block.deposits.sum(axis=(1, 2)) @ np.arange(32.0) / block.deposits.sum(axis=(1, 2, 3))
        assert np.corrcoef(columns, block.impact[:, 0])[0, 1] > 0.97


def test_layers_add_up_to_the_planes():
    signals = np.random.default_rng(0).random((2, 24, 4, 4))
    assert layers(signals).shape == (2, 3, 4, 4)
    np.testing.assert_allclose(layers(signals).sum(axis=1), signals.sum(axis=1))
    np.testing.assert_allclose(layers(signals)[:, 1], signals[:, 6:10].sum(axis=1))


def test_profiles_of_gflash_hold_all_energy():
    depth = np.linspace(1e-4, 80, 400_001)
    energy = np.array([1e4])
    profile = gflash.profile(depth, gflash.depth_of_maximum(energy), gflash.shape(energy))
    assert np.trapezoid(profile, depth) == pytest.approx(1, abs=1e-5)
    assert depth[profile.argmax()] == pytest.approx(gflash.depth_of_maximum(energy)[0], abs=1e-3)
    assert gflash.contained(1e4, np.array([1e3]))[0] == pytest.approx(1, abs=1e-4)


def test_showers_of_gflash_vary_as_published():
    energy = np.full(100_000, 1e4)
    maximum, alpha = map(np.log, gflash.longitudinal(energy, np.random.default_rng(0)))
    of_depth, of_shape, correlation = (value[0] for value in gflash.deviations(energy))
    assert maximum.mean() == pytest.approx(np.log(gflash.depth_of_maximum(energy))[0], abs=2e-3)
    assert maximum.std() == pytest.approx(of_depth, rel=0.01)
    assert alpha.std() == pytest.approx(of_shape, rel=0.01)
    assert np.corrcoef(maximum, alpha)[0, 1] == pytest.approx(correlation, abs=0.01)


def test_stored_signals_come_back():
    values = np.concatenate([[0, 0.49, 0.5, 3600, 5000], np.geomspace(0.5, 3600, 763)]).reshape(1, 3, 16, 16)
    levels = MIP_ROOT.encode(values)
    assert levels.dtype == np.uint8
    assert levels.reshape(-1)[[0, 1, 3, 4]].tolist() == [0, 0, 255, 255]
    assert INTENSITIES["mip-root"] is MIP_ROOT
    back = MIP_ROOT.decode(levels)
    assert ((back == 0) == (values < 0.5)).all()
    # A grey level is 2 sqrt(3600 m) / 255 MIP wide.
    inside = (values >= 0.5) & (values < 3600)
    assert (np.abs(back - values) <= np.sqrt(3600 * values) / 255 + 3600 / 255**2)[inside].all()


def test_every_level_is_what_it_stands_for():
    levels = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16).repeat(3, axis=1)
    seen = MIP_ROOT.encode(MIP_ROOT.decode(levels))
    np.testing.assert_array_equal(seen, np.where(levels < 3, 0, levels))
