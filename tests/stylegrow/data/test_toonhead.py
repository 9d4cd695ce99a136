import hashlib
import os
import subprocess
import sys
from importlib.metadata import version
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stylegrow.common.errors import DataError
from stylegrow.data.sources import toonhead

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def labels() -> list[dict[str, str]]:
    return [toonhead.attributes(index) for index in range(1000)]


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.stack([toonhead.render(index, 64) for index in range(100)])


def rgb(color: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(color[1:]))


def share(images: np.ndarray, color: str) -> np.ndarray:
    """How much of each image [N, h, w, 3] is about that colour (antialiasing and shadows are not)."""
    return (np.abs(images.astype(int) - rgb(color)).max(axis=-1) <= 2).mean(axis=(1, 2))


def box(image: np.ndarray, resolution: int) -> np.ndarray:
    factor = len(image) // resolution
    return image.reshape(resolution, factor, resolution, factor, 3).mean(axis=(1, 3))


def lab(color: str) -> np.ndarray:
    """CIE 1976 L*a*b* of an sRGB colour, white D65."""
    c = np.array(rgb(color)) / 255
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    matrix = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = np.cbrt(matrix @ linear / matrix.sum(axis=1))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_same_pixels_in_another_process_in_another_order_and_a_light_import():
    script = """
import hashlib, sys
from stylegrow.data.sources import toonhead
loaded = {"torch", "dicebear", "PIL", "resvg"} & set(sys.modules)
assert not loaded, loaded
faces = {index: toonhead.render(index, 48) for index in (9, 4, 0, 9)}
print(hashlib.sha256(b"".join(faces[index].tobytes() for index in (0, 4, 9))).hexdigest(), toonhead.attributes(4))
"""
    environment = {**os.environ, "PYTHONHASHSEED": "123"}
    process = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    here = hashlib.sha256(b"".join(toonhead.render(index, 48).tobytes() for index in (0, 4, 9))).hexdigest()
    assert process.stdout.strip() == f"{here} {toonhead.attributes(4)}"


def test_faces_are_all_different(images):
    assert len({image.tobytes() for image in images}) == len(images)


@example(4)
@example(1024)
@given(st.integers(4, 1024))
@settings(derandomize=True, deadline=None, max_examples=15, database=None)
def test_any_resolution(resolution):
    image = toonhead.render(1, resolution)
    assert image.shape == (resolution, resolution, 3)
    assert image.dtype == np.uint8
    assert image.flags.writeable


def test_numpy_integers_are_integers():
    np.testing.assert_array_equal(toonhead.render(np.int64(3), np.int32(16)), toonhead.render(3, 16))


@pytest.mark.parametrize("resolution", [4, 16, 32, 64, 128])
def test_low_resolution_is_the_average_of_a_high_one(resolution):
    for index in range(5):
        low, high = toonhead.render(index, resolution), toonhead.render(index, 512)
        difference = np.abs(box(high, resolution) - low)
        assert difference.mean() < 1.4
        assert np.percentile(difference, 99) < 25


def test_every_value_is_a_class_and_every_class_occurs(labels):
    assert all(tuple(label) == toonhead.ATTRIBUTES for label in labels)
    for attribute in toonhead.ATTRIBUTES:
        classes = toonhead.classes(attribute)
        assert len(set(classes)) == len(classes) > 1
        assert {label[attribute] for label in labels} == set(classes)


def test_only_rear_hair_and_beard_may_be_absent():
    absent = {attribute for attribute in toonhead.ATTRIBUTES if "none" in toonhead.classes(attribute)}
    assert absent == {"rear_hair", "beard"}
    assert all(toonhead.classes(attribute)[0] == "none" for attribute in absent)


def test_shares(labels):
    def of(attribute: str, value: str) -> float:
        return sum(label[attribute] == value for label in labels) / len(labels)

    # Four standard deviations of a share of 1000 faces.
    assert 1 - of("beard", "none") == pytest.approx(0.2, abs=0.05)
    assert 1 - of("rear_hair", "none") == pytest.approx(0.5, abs=0.063)
    for attribute in ("hair", "eyes", "eyebrows", "mouth", "clothes", "skin_color", "hair_color"):
        classes = toonhead.classes(attribute)
        for value in classes:
            assert of(attribute, value) == pytest.approx(1 / len(classes), abs=0.055)


def test_attributes_are_independent(labels):
    bearded = [label for label in labels if label["beard"] != "none"]
    long_haired = sum(label["rear_hair"] != "none" for label in bearded) / len(bearded)
    assert long_haired == pytest.approx(0.5, abs=0.14)


def test_colours_in_the_image_are_those_of_the_labels(images, labels):
    middle = images[:, 24:48, 20:44]
    for attribute, colors, region, least in (
        ("hair_color", toonhead.HAIR_COLORS, images, 0.05),
        ("skin_color", toonhead.SKIN_COLORS, middle, 0.1),
    ):
        shares = {name: share(region, color) for name, color in colors.items()}
        for index in range(len(images)):
            own = labels[index][attribute]
            assert shares[own][index] > least
            assert all(shares[name][index] < least / 5 for name in colors if name != own)


def test_beards_are_where_chins_are(images, labels):
    chins = images[:, 46:56, 24:40]
    hairy = np.array([share(chins, color) for color in toonhead.HAIR_COLORS.values()]).max(axis=0)
    beards = np.array([label["beard"] for label in labels[: len(images)]])
    assert hairy[np.isin(beards, ["fullBeard", "longBeard"])].min() > 0.1
    assert hairy[beards == "none"].max() < 0.03


def test_background_covers_the_square(images):
    # Of the two upper corners at least one lies beside the hair; neither is ever empty, which would be black.
    backgrounds = {rgb(color) for color in toonhead.BACKGROUNDS}
    corners = [{tuple(image[0, column].tolist()) for column in (0, -1)} for image in images]
    assert all(corner & backgrounds for corner in corners)
    assert set().union(*corners) >= backgrounds
    assert all((0, 0, 0) not in corner for corner in corners)


def test_faces_fill_the_image_but_have_room_at_the_sides(images):
    top_left = images[:, :1, :1].astype(int)
    drawn = (np.abs(images - top_left).max(axis=-1) > 8).mean(axis=0)
    assert drawn[28:52, 24:40].min() == 1  # the face's middle, in every image
    assert drawn[:, :4].mean() < 0.2
    assert drawn[:, -4:].mean() < 0.2
    assert drawn[:2].mean() < 0.4


def test_flip_goes_both_ways():
    flipped = ["scale(-1, 1)" in toonhead.svg(index, 64) for index in range(100)]
    assert 30 <= sum(flipped) <= 70


def test_hair_stands_out_from_skin_and_background():
    for hair, other in product(toonhead.HAIR_COLORS.values(), (*toonhead.SKIN_COLORS.values(), *toonhead.BACKGROUNDS)):
        assert np.linalg.norm(lab(hair) - lab(other)) >= 15, (hair, other)


def test_svg_has_the_size_and_the_credit():
    document = toonhead.svg(7, 96)
    assert document.startswith('<svg width="96" height="96" ')
    for text in ("Johan Melin", "https://creativecommons.org/licenses/by/4.0/"):
        assert text in document
        assert text in toonhead.CREDIT


def test_version_follows_the_libraries_that_draw():
    assert all(version(name) in toonhead.VERSION for name in ("dicebear-core", "dicebear-styles", "resvg"))


@pytest.mark.parametrize("index", [-1, 1.0, "3", None, True])
def test_bad_index(index):
    for function in (toonhead.attributes, lambda i: toonhead.render(i, 64), lambda i: toonhead.svg(i, 64)):
        with pytest.raises(DataError, match="from 0 up") as error:
            function(index)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("resolution", [3, 1025, 0, -64, 64.0, None, True])
def test_bad_resolution(resolution):
    with pytest.raises(DataError, match="4 to 1024"):
        toonhead.render(0, resolution)


def test_unknown_attribute():
    with pytest.raises(DataError, match=r"'hat'.* hair, rear_hair"):
        toonhead.classes("hat")
