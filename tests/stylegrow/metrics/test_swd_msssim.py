import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from stylegrow.metrics import swd
from stylegrow.metrics.msssim import ms_ssim

ORACLE = Path(__file__).parents[2] / "oracle" / "swd_msssim.npz"


@cache
def oracle():
    """Sets of images [256, 3, 64, 64], and what the official programs say of them."""
    with np.load(ORACLE, allow_pickle=False) as file:
        sets = {name: file[name] for name in ("reals", "other", "noise")}
        return sets, json.loads(str(file["expected_json"]))


def distance(reals, fakes, seed=0):
    rng = np.random.default_rng(seed)
    return swd.sliced_wasserstein(swd.descriptors(reals, rng), swd.descriptors(fakes, rng), rng)


@pytest.mark.parametrize("name", ["other", "noise"])
def test_sliced_wasserstein_distance_is_the_official_one(name):
    sets, expected = oracle()
    found = distance(sets["reals"], sets[name])
    assert list(found) == [64, 32, 16]
    values = [*found.values(), np.mean(list(found.values()))]
    assert np.all(np.abs(np.subtract(values, expected[name]["mean"])) < 3 * np.array(expected[name]["std"]))


@pytest.mark.parametrize("name", ["other", "noise"])
def test_ms_ssim_is_the_official_one(name):
    sets, expected = oracle()
    images = sets[name]
    assert ms_ssim(images[0::2], images[1::2]).mean() == pytest.approx(expected[name]["msssim"], abs=1e-6)


def test_sliced_wasserstein_distance_of_equal_descriptors_is_nought():
    images = oracle()[0]["reals"][:4]
    patches = swd.descriptors(images, np.random.default_rng(0))
    assert set(swd.sliced_wasserstein(patches, patches, np.random.default_rng(0)).values()) == {0}


def test_sliced_wasserstein_distance_sees_no_brightness_and_no_contrast():
    images = oracle()[0]["reals"][:4].astype(np.float32)
    a, b = (swd.descriptors(x, np.random.default_rng(0)) for x in (images, images * 3 + 5))
    assert max(swd.sliced_wasserstein(a, b, np.random.default_rng(0)).values()) < 0.01


def test_sliced_wasserstein_distance_of_sets_without_any_contrast():
    flat = np.zeros((2, 3, 16, 16), np.uint8)
    assert distance(flat, flat + 7) == {16: 0}


def test_the_pyramid_adds_up_to_the_image():
    images = torch.from_numpy(oracle()[0]["reals"][:2].astype(np.float64))
    *details, rest = swd.pyramid(images)
    assert [level.shape[-1] for level in (*details, rest)] == [64, 32, 16]
    for detail in reversed(details):
        rest = swd._enlarged(rest) + detail
    assert torch.allclose(rest, images)
    flat = swd.pyramid(torch.ones(1, 3, 32, 32))
    assert torch.allclose(flat[0], torch.zeros(1), atol=1e-6)
    assert torch.allclose(flat[1], torch.ones(1))


def test_ms_ssim_of_equal_pictures_is_one():
    images = oracle()[0]["reals"][:3]
    assert np.allclose(ms_ssim(images, images), 1)
    small = images[..., :16, :16]
    assert np.allclose(ms_ssim(small, small), 1)


def test_ms_ssim_of_flat_pictures_is_the_luminance_term():
    a, b = np.full((1, 1, 64, 64), 100, np.uint8), np.full((1, 1, 64, 64), 50, np.uint8)
    c1 = (0.01 * 255) ** 2
    # Contrast terms of flat images are 1; luminance counts at the last scale only.
    assert ms_ssim(a, b)[0] == pytest.approx(((2 * 100 * 50 + c1) / (100**2 + 50**2 + c1)) ** 0.1333)


def test_ms_ssim_of_a_negative_is_nought():
    image = np.random.RandomState(0).randint(0, 256, (1, 1, 32, 32)).astype(np.uint8)
    assert ms_ssim(image, 255 - image)[0] == 0
