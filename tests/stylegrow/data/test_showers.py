"""The embedded showers as data: by index, as roots whose levels keep the energy, with labels that are vectors."""

import numpy as np
import pytest

from stylegrow.data import DataError, open_dataset
from stylegrow.data.inspection import inspect
from stylegrow.data.request import Shape
from stylegrow.data.sources import find_source
from stylegrow.physics import footprints, showers
from stylegrow.physics.intensity import INTENSITIES

COUNT = 24


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def dataset(cache):
    return open_dataset("calorimeter", count=COUNT, cache=cache)


def test_showers_come_back_as_they_were_simulated(dataset):
    levels = dataset.read(np.arange(COUNT), 32)
    truth = showers.block(0, "cascade").deposits[:COUNT]
    assert levels.shape == (COUNT, 3, 32, 32)
    seen = INTENSITIES[dataset.transform].decode(levels)
    assert np.array_equal(seen > 0, truth >= 0.5)
    # In all, 8 bits cost 0.35 % of a shower's signal.
    sums = seen.sum(axis=(1, 2, 3)) / truth.sum(axis=(1, 2, 3))
    assert np.abs(sums - 1).max() < 0.012
    assert truth.max() < 3600


def test_a_shower_depends_on_its_index_alone(dataset):
    source = find_source("calorimeter", 5)
    showers.block.cache_clear()
    np.testing.assert_array_equal(source.image(4, Shape(32, 3)).pixels, dataset.read(np.array([4]), 32)[0])


def test_levels_hold_the_roots_of_mean_energies(dataset):
    energies = dataset.read(np.arange(COUNT), 32).astype(float) ** 2
    for resolution in (16, 8, 4):
        cell = 32 // resolution
        mean = energies.reshape(COUNT, 3, resolution, cell, resolution, cell).mean(axis=(3, 5))
        level = dataset.read(np.arange(COUNT), resolution).astype(float)
        assert np.abs(level - np.sqrt(mean)).max() <= 0.5
        # So that the energy is the same at every level, to the rounding.
        assert (level**2).sum() / mean.sum() == pytest.approx(1, rel=0.01)
        seen = INTENSITIES[dataset.transform].decode(level, joined=cell**2)
        assert seen.sum() * cell**2 / showers.block(0, "cascade").deposits[:COUNT].sum() == pytest.approx(1, rel=0.015)


def test_joined_stations_hold_the_mean_of_the_times_that_there_are(cache):
    dataset = open_dataset("footprints", count=COUNT, cache=cache)
    times = np.where((full := dataset.read(np.arange(COUNT), 16)[:, 1]) > 0, full, np.nan)
    for resolution in (8, 4):
        cell = 16 // resolution
        joined = times.reshape(COUNT, resolution, cell, resolution, cell)
        level = dataset.read(np.arange(COUNT), resolution)[:, 1]
        there = np.isfinite(joined).any(axis=(2, 4))
        assert np.array_equal(level > 0, there)
        assert 0 < there.mean() < 1
        wanted = np.nanmean(joined.transpose(0, 1, 3, 2, 4)[there], axis=(1, 2))
        assert np.abs(level[there] - wanted).max() <= 0.5 + 1e-9


def test_other_resolutions_join_or_repeat_cells(dataset):
    source, indices = find_source("calorimeter", COUNT), np.arange(COUNT)
    small = source.image(3, Shape(16, 3)).pixels
    np.testing.assert_array_equal(small, dataset.read(indices, 16)[3])
    large, full = source.image(3, Shape(64, 3)).pixels, dataset.read(indices, 32)[3]
    np.testing.assert_array_equal(large, np.kron(full, np.ones((1, 2, 2), int)))


def test_labels_are_vectors_with_units(dataset):
    assert dataset.attributes == ("electron", "energy")
    assert dataset.cond == "electron"
    assert list(dataset.sided) == ["electron"]
    assert list(dataset.units["electron"]) == ["GeV", "R_M", "R_M"]
    assert dataset.classes("electron") == ("energy", "impact_x", "impact_y")
    assert dataset.label_kind("energy") == "vector"
    known = showers.block(0, "cascade")
    np.testing.assert_allclose(dataset.labels("electron")[:, 0], known.energy[:COUNT], rtol=1e-6)
    np.testing.assert_allclose(dataset.labels("electron")[:, 1:], known.impact[:COUNT], rtol=1e-6)
    np.testing.assert_array_equal(dataset.labels("energy"), dataset.labels("electron")[:, :1])


@pytest.fixture(scope="module")
def air(cache):
    return open_dataset("footprints", count=100, resolution=128, cache=cache)


def test_footprints_are_signals_and_times(air):
    assert air.transform == "vem-root-ns"
    assert (air.channels, air.levels) == (2, (4, 8, 16, 32, 64, 128))
    values = INTENSITIES[air.transform].decode(air.read(np.arange(100), 16))
    blocks = zip(footprints.block(0), footprints.block(1), strict=True)
    truth = footprints.Footprints(*(np.concatenate(both)[:100] for both in blocks))
    signal, time = values[:, 0], values[:, 1]
    np.testing.assert_array_equal(signal > 0, truth.signal > 0)
    assert (time[truth.signal == 0] == 0).all()
    inside = np.abs(truth.time) < 20_000
    assert np.abs(time - truth.time)[inside].max() <= 80
    unsaturated = truth.signal < 10_000
    assert (np.abs(signal - truth.signal) <= 0.41 * np.sqrt(truth.signal) + 0.2)[unsaturated].all()
    np.testing.assert_array_equal(air.read(np.array([7]), 128)[..., ::8, ::8], air.read(np.array([7]), 16))


def test_directions_survive_in_stored_footprints(air):
    values = INTENSITIES[air.transform].decode(air.read(np.arange(100), 16))
    labels = air.labels("particle")
    assert air.classes("particle") == ("energy", "direction_x", "direction_y", "core_x", "core_y")
    fitted = footprints.fit_direction(values[:, 0], values[:, 1], labels[:, 3:])
    assert np.nanmedian(footprints.angle_between(fitted, labels[:, 1:3])) < 1


def test_what_is_simulated_has_no_files_to_look_at():
    with pytest.raises(DataError, match="footprints"):
        inspect(find_source("footprints", 3))


@pytest.mark.parametrize("asked", [{"count": 0}, {"channels": "grey"}, {"channels": "rgb"}])
def test_what_showers_cannot_be_is_refused(cache, asked):
    with pytest.raises(DataError, match=f"--{next(iter(asked))} {next(iter(asked.values()))}"):
        open_dataset("calorimeter", **{"count": 2, "cache": cache} | asked)
