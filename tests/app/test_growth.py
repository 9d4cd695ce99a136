"""The film of growth: which stage and alpha each frame shows, and that it shows the pictures of them."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageSequence

from app import growth
from app.__main__ import main
from app.growth import Moment, moments
from data.pictures import resized
from tests.app.conftest import style
from zoo import save_model


def test_stages_are_faded_in_and_held():
    assert moments(4, 16, 1.0, 5) == [
        Moment(4, 1.0, 2),
        Moment(8, 1 / 3), Moment(8, 2 / 3), Moment(8, 1.0, 2),
        Moment(16, 1 / 3), Moment(16, 2 / 3), Moment(16, 1.0, 7),
    ]  # fmt: skip


def test_a_film_ends_where_the_model_has_got_to():
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


def test_growth_begins_where_training_did(engine):
    one = engine("style")
    assert growth.first_stage(one, 64) == 4
    with torch.no_grad():
        for stage in (4, 8):
            one.generator.synthesis.to_image[f"{stage}x{stage}"].bias.zero_()
    assert [growth.first_stage(one, last) for last in (64, 16, 8, 4)] == [16, 16, 4, 4]
    assert growth.first_stage(engine("run"), 16) == 4  # a new network, of which nothing is trained


def places(frame, picture, size):
    """Where a frame shows a picture: the rows and columns at which it begins."""
    expected = np.broadcast_to(resized(picture, size), (size, size, 3))
    windows = np.lib.stride_tricks.sliding_window_view(frame[..., 0], (size, size))
    found = zip(*np.nonzero((windows == expected[..., 0]).all(axis=(2, 3))), strict=True)
    return [(y, x) for y, x in found if np.array_equal(frame[y : y + size, x : x + size], expected)]


@pytest.mark.parametrize("name", ["style", "run"])
def test_frames_show_the_pictures_of_their_stage(engine, name):
    one = engine(name)
    setting = one.setting(resolution=16)
    course = moments(4, 16, 1.0, 5)
    frames = list(growth.frames(one, [3, 8, 5], 2, setting, 32, course))
    shown = [moment for moment in course for _ in range(moment.frames)]
    assert len(frames) == len(shown)
    for frame, moment in zip(frames, shown, strict=True):
        assert frame.shape == frames[0].shape
        assert frame.shape[0] % 2 == frame.shape[1] % 2 == 0
        look = replace(setting, resolution=moment.resolution, alpha=moment.alpha)
        (first,), (second,), (third,) = (places(frame, picture, 32) for picture in one.images([3, 8, 5], look))
        assert (second, third) == ((first[0], first[1] + 34), (first[0] + 34, first[1]))


def test_the_line_below_the_caption_shows_how_far_it_is(engine):
    one = engine("style")
    setting = one.setting()
    course = [Moment(4, 1.0), Moment(8, 0.5), Moment(8, 1.0), Moment(16, 0.5), Moment(16, 1.0)]
    frames = list(growth.frames(one, [1, 2], 2, setting, 128, course))
    lengths = [int((frame[:40] == 0).all(axis=2).sum(axis=1).max()) for frame in frames]
    steps = np.diff(lengths)
    assert steps == pytest.approx([lengths[-1] / 4] * 4, abs=4)
    assert lengths[-1] > 240


def test_the_command(app_in, tmp_path):
    options = ["--seeds", "4,9,2", "--columns", "2", "--fps", "10", "--seconds-per-stage", "0.5", "--size", "32"]
    status, out, err = app_in("style", *options, "--stage", "16", "--format", "webp")
    assert (status, out, err) == (0, f"wrote {tmp_path / 'growth.webp'}\n", "")
    assert [path.name for path in tmp_path.iterdir()] == ["growth.webp"]
    with Image.open(tmp_path / "growth.webp") as film:
        facts = json.loads(film.getexif()[0x010E])
        durations = []
        for frame in ImageSequence.Iterator(film):
            frame.load()
            durations.append(frame.info["duration"])
    # Frames that are alike are one.
    assert durations == [200, 100, 100, 200, 100, 100, 700]
    assert (facts["seeds"], facts["first_resolution"], facts["resolution"], facts["alpha"]) == ([4, 9, 2], 4, 16, 1.0)
    assert (facts["seconds_per_stage"], facts["fps"], facts["psi"]) == (0.5, 10, 0.7)


def test_the_command_on_a_model_that_is_growing(app_in, tmp_path):
    pytest.importorskip("av")
    assert app_in("growing", "--seeds", "1", "--seconds-per-stage", "0.2")[0] == 0
    import av

    with av.open(str(tmp_path / "growth.mp4")) as film:
        facts = json.loads(film.metadata["comment"])
        count = sum(1 for _ in film.decode(video=0))
    assert (facts["resolution"], facts["alpha"]) == (16, 0.5)
    assert count == sum(moment.frames for moment in moments(4, 16, 0.5, round(0.2 * 24)))


def test_a_model_trained_from_8_px_on_is_shown_from_there(tmp_path, capsys):
    generator = style(16)
    with torch.no_grad():
        generator.synthesis.to_image["4x4"].bias.zero_()
    save_model(tmp_path / "model", generator)
    words = ["--seeds", "1", "--seconds-per-stage", "0.1", "--device", "cpu", "--format", "webp"]
    assert main(["growth", "--model", str(tmp_path / "model"), "--outdir", str(tmp_path), *words]) == 0
    with Image.open(tmp_path / "growth.webp") as film:
        assert json.loads(film.getexif()[0x010E])["first_resolution"] == 8


@pytest.fixture
def app_in(models, tmp_path, capsys):
    """Runs `growth` on a model of the fixtures, its film going into tmp_path; gives status, output, error output."""

    def run(model, *options):
        status = main(
            ["growth", "--model", str(models / model), "--device", "cpu", "--outdir", str(tmp_path), *options]
        )
        said = capsys.readouterr()
        return status, said.out, said.err

    return run
