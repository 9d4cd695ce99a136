"""A video of growth: which stage and alpha each frame shows, and that it shows the images of them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stylegrow.common.errors import InputError
from stylegrow.models import save_model
from stylegrow.rendering import figures, growth
from stylegrow.rendering.grids import resized
from stylegrow.rendering.growth import Moment, moments
from stylegrow.sampling.sampler import Sampler


def test_stages_are_faded_in_and_held():
    assert moments(4, 16, 1.0, 5) == [
        Moment(4, 1.0, 2),
        Moment(8, 1 / 3), Moment(8, 2 / 3), Moment(8, 1.0, 2),
        Moment(16, 1 / 3), Moment(16, 2 / 3), Moment(16, 1.0, 7),
    ]  # fmt: skip


def test_a_video_ends_where_the_model_has_got_to():
    assert moments(4, 8, 0.5, 10) == [
        Moment(4, 1.0, 4), Moment(8, 1 / 6), Moment(8, 1 / 3), Moment(8, 0.5, 14)
    ]  # fmt: skip
    assert moments(8, 8, 0.5, 10) == [Moment(8, 0.5, 14)]
    assert moments(4, 8, 0.0, 10) == [Moment(4, 1.0, 4), Moment(8, 0.0, 14)]


@settings(derandomize=True, deadline=None)
@given(
    st.integers(2, 10), st.integers(0, 8), st.floats(0, 1, allow_subnormal=False), st.integers(0, 1200)
)  # fmt: skip
def test_growth_never_goes_back(first, more, alpha, frames):
    course = moments(1 << first, 1 << first + more, alpha, frames)
    assert all(moment.frames >= 1 for moment in course)
    steps = [(moment.resolution, moment.alpha) for moment in course]
    assert steps == sorted(set(steps))
    assert steps[-1] == (1 << first + more, alpha if more or alpha < 1 else 1.0)
    assert sum(moment.frames for moment in course) <= (more + 2) * max(frames, 2)


def test_captions():
    assert Moment(16, 0.349).caption == "16 px, alpha 0.35"
    assert Moment(64, 1.0).caption == "64 px"
    assert Moment(16, 0.4, kimg=24.06).caption == "16 px, alpha 0.40, 24 kimg"
    assert Moment(8, 1.0, kimg=0.512).caption == "8 px, 0.51 kimg"
    assert Moment(1024, 1.0, kimg=12000).caption == "1024 px, 12,000 kimg"


def test_growth_begins_where_training_did(sampler, tmp_path):
    generator = sampler("style").generator
    assert (sampler("style").first_stage, sampler("run").first_stage) == (4, 4)  # "run" is new: nothing is trained
    with torch.no_grad():
        for stage in (4, 8):
            generator.synthesis.to_image[f"{stage}x{stage}"].bias.zero_()
    save_model(tmp_path / "model", generator)
    one = Sampler(str(tmp_path / "model"), "cpu")
    assert one.first_stage == 16
    with pytest.raises(InputError, match=r"^stage 8: training of .* began at 16 px"):
        one.setting(resolution=8)
    assert [one.setting(resolution=stage, alpha=0.5).alpha for stage in (16, 32)] == [1.0, 0.5]
    figure = figures.stages(one, [3], one.setting(), 64)
    assert len(figure.lefts) == 3
    for column, stage in enumerate((16, 32, 64)):
        image = next(one.images([3], one.setting(resolution=stage, alpha=1.0)))
        assert np.array_equal(figure.cell(0, column), resized(image, 64))


def drawn(sampler, seeds, setting, course):
    """The images of each moment of a model's own growth."""
    return [list(sampler.images(seeds, replace(setting, resolution=one.resolution, alpha=one.alpha))) for one in course]


def places(frame, image, size):
    """Where a frame shows an image: the rows and columns at which it begins."""
    expected = np.broadcast_to(resized(image, size), (size, size, 3))
    windows = np.lib.stride_tricks.sliding_window_view(frame[..., 0], (size, size))
    found = zip(*np.nonzero((windows == expected[..., 0]).all(axis=(2, 3))), strict=True)
    return [(y, x) for y, x in found if np.array_equal(frame[y : y + size, x : x + size], expected)]


@pytest.mark.parametrize("name", ["style", "run"])
def test_frames_show_the_images_of_their_stage(sampler, name):
    one = sampler(name)
    setting = one.setting(resolution=16)
    course = moments(4, 16, 1.0, 5)
    frames = list(growth.frames(course, drawn(one, [3, 8, 5], setting, course), 2, 32))
    shown = [moment for moment in course for _ in range(moment.frames)]
    assert len(frames) == len(shown)
    for frame, moment in zip(frames, shown, strict=True):
        assert frame.shape == frames[0].shape
        assert frame.shape[0] % 2 == frame.shape[1] % 2 == 0
        look = replace(setting, resolution=moment.resolution, alpha=moment.alpha)
        (first,), (second,), (third,) = (places(frame, image, 32) for image in one.images([3, 8, 5], look))
        assert (second, third) == ((first[0], first[1] + 34), (first[0] + 34, first[1]))


@pytest.mark.parametrize(
    ("course", "shares"),
    [
        ([Moment(4, 1.0), Moment(8, 0.5), Moment(8, 1.0), Moment(16, 0.5), Moment(16, 1.0)], [0, 0.25, 0.5, 0.75, 1]),
        ([Moment(8, 1.0, kimg=4), Moment(16, 0.5, kimg=8), Moment(16, 1.0, kimg=20)], [0.2, 0.4, 1]),
    ],
)
def test_the_line_below_the_caption_shows_how_far_it_is(sampler, course, shares):
    one = sampler("style")
    frames = list(growth.frames(course, drawn(one, [1, 2], one.setting(), course), 2, 128))
    lengths = [int((frame[:40] == 0).all(axis=2).sum(axis=1).max()) for frame in frames]
    assert lengths == pytest.approx([lengths[-1] * share for share in shares], abs=8)  # of letters, where it is shorter
    assert lengths[-1] > 240
