"""Averages between levels, and their files."""

import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stylegrow.common.errors import DataError
from stylegrow.data.averages import halve, levels_of
from stylegrow.data.levels import LevelWriter, array_bytes, decode, encode, is_array, open_level


def images_of(count, channels, resolution, seed=0, values=256):
    return np.random.RandomState(seed).randint(0, values, (count, channels, resolution, resolution)).astype(np.uint8)


@settings(derandomize=True, deadline=None, max_examples=30)
@given(st.integers(0, 2**31), st.sampled_from([8, 16, 64]), st.sampled_from([1, 3]), st.sampled_from([1, 4, 256]))
def test_levels_are_averages_rounded_once(seed, resolution, channels, values):
    images = images_of(2, channels, resolution, seed, values)
    levels = dict(levels_of(images))
    assert list(levels) == [2**i for i in range(resolution.bit_length() - 1, 1, -1)]
    exact = images.astype(np.float64)
    for r, level in levels.items():
        assert level.dtype == np.uint8
        if r < resolution:
            exact = exact.reshape(2, channels, r, 2, r, 2).mean((3, 5))
        assert np.array_equal(level, np.rint(exact))


def test_averages_are_not_taken_of_rounded_levels():
    levels = dict(levels_of(images_of(64, 1, 32)))
    rounded = np.rint(halve(levels[8].astype(np.float64)))
    assert (rounded != levels[4]).mean() > 0.05


def test_halves_are_rounded_to_even():
    image = np.zeros((1, 1, 8, 8), np.uint8)
    image[..., ::2] = 1  # averages 0.5
    assert not dict(levels_of(image))[4].any()
    assert (dict(levels_of(image + 1))[4] == 2).all()


def test_averages_of_1024_px_are_exact():
    image = np.full((1, 1, 1024, 1024), 255, np.uint8)
    image[0, 0, 0, 0] = 0
    exact = image.astype(np.float32)
    while exact.shape[-1] > 4:
        exact = halve(exact)
    assert exact[0, 0, 0, 0] == 255 - 255 / 65536
    assert dict(levels_of(image))[4][0, 0, 0, 0] == 255


@settings(derandomize=True, deadline=None, max_examples=30)
@given(st.integers(0, 2**31), st.sampled_from([1, 3]), st.sampled_from([1, 2, 256]))
def test_encoding_loses_nothing(seed, channels, values):
    image = images_of(1, channels, 32, seed, values)[0]
    read = np.empty_like(image)
    decode(encode(image), read)
    assert np.array_equal(read, image)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("encoded", [False, True])
def test_what_is_written_is_read(tmp_path, encoded, channels):
    images = images_of(21, channels, 8)
    writer = LevelWriter(tmp_path, 8, channels, encoded)
    for part in (images[:13], images[13:13], images[13:]):
        writer.append([encode(image) if encoded else image.tobytes() for image in part])
    writer.close()
    assert encoded or np.array_equal(np.load(tmp_path / "level-0008.npy"), images)
    level = open_level(tmp_path, 8, channels, 21, encoded)
    for indices in ([], [20], [3, 3, 0], list(range(20, -1, -1))):
        read = level[np.array(indices, np.int64)]
        assert read.shape == (len(indices), channels, 8, 8)
        assert np.array_equal(read, images[indices])


def test_many_images_grow_the_header_in_place(tmp_path):
    writer = LevelWriter(tmp_path, 4, 1, encoded=False)
    for _ in range(3):
        writer.append([bytes(16)] * 50_000)
    writer.close()
    assert np.load(tmp_path / "level-0004.npy", mmap_mode="r").shape == (150_000, 1, 4, 4)


def encoded_level(folder, images):
    writer = LevelWriter(folder, 8, 3, encoded=True)
    writer.append(images)
    writer.close()


@pytest.mark.parametrize("name", ["level-0008.npy", "level-0008.bin"])
def test_damaged_files_are_named(tmp_path, name):
    encoded_level(tmp_path, [encode(image) for image in images_of(3, 3, 8)])
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=rf"{name} is damaged.*prepare the data again"):
        open_level(tmp_path, 8, 3, 3, encoded=True)


def test_damaged_image_is_named(tmp_path):
    encoded_level(tmp_path, [bytes(100)])
    with pytest.raises(DataError, match=r"level-0008.bin is damaged"):
        open_level(tmp_path, 8, 3, 1, encoded=True)[np.array([0])]


def test_low_levels_and_those_that_fit_are_arrays(tmp_path):
    assert is_array(10**7, 3, 64, 0)
    assert is_array(1000, 3, 128, 1000 * 3 * 128**2)
    assert not is_array(1000, 3, 128, 1000 * 3 * 128**2 - 1)
    assert 256 << 20 <= array_bytes(tmp_path) <= max(256 << 20, shutil.disk_usage(tmp_path).total / 8)
