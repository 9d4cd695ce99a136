"""The video of growth: which stage and alpha each frame shows, and that it shows the images of them."""

import json
import shutil
import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageSequence

from stylegrow.cli.main import main
from stylegrow.models import save_model
from stylegrow.rendering import figures, growth
from stylegrow.rendering.grids import resized
from stylegrow.rendering.growth import Moment, moments
from stylegrow.sampling.sampler import Sampler
from tests.small_models import style


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


def test_growth_begins_where_training_did(sampler):
    one = sampler("style")
    assert figures.first_stage(one, 64) == 4
    with torch.no_grad():
        for stage in (4, 8):
            one.generator.synthesis.to_image[f"{stage}x{stage}"].bias.zero_()
    assert [figures.first_stage(one, last) for last in (64, 16, 8, 4)] == [16, 16, 4, 4]
    assert figures.first_stage(sampler("run"), 16) == 4  # a new network, of which nothing is trained
    figure = figures.stages(one, [3], one.setting(), 64)
    assert len(figure.lefts) == 3
    for column, stage in enumerate((16, 32, 64)):
        image = next(one.images([3], one.setting(resolution=stage, alpha=1.0)))
        assert np.array_equal(figure.cell(0, column), resized(image, 64))


def drawn(sampler, seeds, setting, course):
    """The images of each moment of a model's own growth."""
    return [list(sampler.images(seeds, replace(setting, resolution=one.resolution, alpha=one.alpha))) for one in course]


def places(frame, image, size):
    """Where a frame shows a image: the rows and columns at which it begins."""
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


def test_the_command(app_in, tmp_path):
    options = ["--seeds", "4,9,2", "--columns", "2", "--fps", "10", "--seconds-per-stage", "0.5", "--size", "32"]
    status, out, err = app_in("style", *options, "--stage", "16", "--format", "webp")
    assert (status, out, err) == (0, f"wrote {tmp_path / 'growth.webp'}\n", "")
    assert [path.name for path in tmp_path.iterdir()] == ["growth.webp"]
    with Image.open(tmp_path / "growth.webp") as video:
        facts = json.loads(video.getexif()[0x010E])
        durations = []
        for frame in ImageSequence.Iterator(video):
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

    with av.open(str(tmp_path / "growth.mp4")) as video:
        facts = json.loads(video.metadata["comment"])
        count = sum(1 for _ in video.decode(video=0))
    assert (facts["resolution"], facts["alpha"]) == (16, 0.5)
    assert count == sum(moment.frames for moment in moments(4, 16, 0.5, round(0.2 * 24)))


def test_a_model_trained_from_8_px_on_is_shown_from_there(tmp_path, capsys):
    generator = style(16)
    with torch.no_grad():
        generator.synthesis.to_image["4x4"].bias.zero_()
    save_model(tmp_path / "model", generator)
    words = ["--seeds", "1", "--seconds-per-stage", "0.1", "--device", "cpu", "--format", "webp"]
    assert main(["growth", "--model", str(tmp_path / "model"), "--outdir", str(tmp_path), *words]) == 0
    with Image.open(tmp_path / "growth.webp") as video:
        assert json.loads(video.getexif()[0x010E])["first_resolution"] == 8


KEPT = {"000000": (0.0, 8, 1.0), "000010": (10.04, 16, 0.25), "1000000": (1e6, 16, 1.0), "000020": (20, 16, 1.0)}


@pytest.fixture
def kept(tmp_path):
    """A run folder with snapshots, each a network of its own, and one that training is writing."""
    for seed, (name, (kimg, resolution, alpha)) in enumerate(KEPT.items()):
        generator = style(16)
        with torch.no_grad():
            generator.synthesis.to_image[f"{resolution}x{resolution}"].bias.fill_(seed / 8)
        facts = {"kimg": kimg, "resolution": resolution, "alpha": alpha, "credit": "Zoë"}
        save_model(tmp_path / "run" / "models" / name, generator, training=facts)
    (tmp_path / "run" / "models" / ".1000010.tmp").mkdir()
    return tmp_path / "run"


def test_snapshots_in_order_for_equally_long(kept):
    found = growth.snapshots(str(kept), 13, 5)
    assert [path for path, _ in found] == [kept / "models" / name for name in ("000000", "000010", "000020", "1000000")]
    assert [moment for _, moment in found] == [
        Moment(8, 1.0, 3, 0.0), Moment(16, 0.25, 3, 10.04), Moment(16, 1.0, 3, 20.0), Moment(16, 1.0, 8, 1e6)
    ]  # fmt: skip
    assert [moment.frames for _, moment in growth.snapshots(str(kept), 1, 0)] == [1, 1, 1, 1]


def test_a_video_of_snapshots_shows_what_each_drew(kept, tmp_path, capsys, monkeypatch):
    opened, shown = [], []

    def sampler(model, *more):
        assert not any(one() for one in opened), "another model is still in memory"
        one = Sampler(model, *more)
        opened.append(weakref.ref(one))
        return one

    def write_video(folder, name, frames, fps, text, form):
        shown.extend(frames)
        shown.append((fps, json.loads(text["parameters"]), text["Source"], form))
        return folder / name

    monkeypatch.setattr("stylegrow.sampling.sampler.Sampler", sampler)
    monkeypatch.setattr("stylegrow.rendering.video.write_video", write_video)
    words = ["--seeds", "4,9", "--fps", "10", "--seconds", "0.8", "--size", "32", "--format", "webp", "--trunc", "0.5"]
    status = main(["growth", "--model", str(kept), "--snapshots", "--outdir", str(tmp_path), "--device", "cpu", *words])
    assert (status, capsys.readouterr().err, len(opened)) == (0, "", 5)
    *frames, (fps, facts, source, form) = shown
    assert (fps, source, form, len(frames)) == (10, "Zoë", "webp", 4 * 2 + 20)
    assert (facts["model"], facts["kimg"], facts["seeds"]) == ("run", [0.0, 10.04, 20.0, 1e6], [4, 9])
    assert (facts["resolution"], facts["alpha"], facts["psi"], facts["seconds"]) == (16, 1.0, 0.5, 0.8)
    for name, (first, last) in {"000000": (0, 1), "000010": (2, 3), "000020": (4, 5), "1000000": (6, 27)}.items():
        one = Sampler(str(kept / "models" / name), "cpu")
        _, resolution, alpha = KEPT[name]
        images = list(one.images([4, 9], one.setting(psi=0.5, resolution=resolution, alpha=alpha)))
        assert np.array_equal(frames[first], frames[last])
        assert [len(places(frames[first], image, 32)) for image in images] == [1, 1]


def test_a_video_of_snapshots_is_written_as_others_are(kept, app_at, tmp_path):
    assert app_at(kept, "--snapshots", "--seeds", "1", "--seconds", "0.1", "--format", "webp")[0] == 0
    with Image.open(tmp_path / "growth.webp") as video:
        assert (video.n_frames, json.loads(video.getexif()[0x010E])["model"]) == (4, "run")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--stage", "8"], "--stage: each of the --snapshots has its own"),
        (["--alpha", "0"], "--alpha: each"),
        (["--seconds-per-stage", "1"], "--seconds-per-stage: each"),
        (["--seconds", "0"], "--seconds 0: give a number above 0, at most 120"),
        (["--seconds", "nan"], "--seconds nan"),
        (["--size", "100"], "size 100"),
        (["--class", "cat"], "class 'cat'"),
        (["--no-snapshots", "--seconds", "3"], "--seconds: is for a video of --snapshots"),
    ],
)
def test_options_that_snapshots_cannot_have(kept, app_at, words, said):
    status, out, err = app_at(kept, "--snapshots", *words)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert said in err


def test_fewer_than_two_snapshots(kept, models, app_at):
    for name in list(KEPT)[1:]:
        shutil.rmtree(kept / "models" / name)
    for model in (kept, models / "style", kept / "nowhere", "hf://user/repo"):
        status, out, err = app_at(model, "--snapshots")
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert "two snapshots or more under models/; train with --keep-models 100" in err


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "config.json").unlink(),
        lambda folder: (folder / "config.json").write_text("{"),
        lambda folder: (folder / "model.safetensors").write_bytes(b"short"),
        lambda folder: (folder / "model.safetensors").unlink(),
        lambda folder: change(folder, kimg=None),
        lambda folder: change(folder, kimg=-1),
        lambda folder: change(folder, alpha=1.5),
        lambda folder: change(folder, resolution=16.0),
        lambda folder: change(folder, resolution=32),
    ],
)
def test_a_snapshot_that_cannot_be_read_is_named(kept, app_at, tmp_path, spoil):
    spoil(kept / "models" / "000010")
    status, out, err = app_at(kept, "--snapshots", "--seeds", "1", "--seconds", "0.1")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "000010" in err
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def change(folder, **facts):
    """Change the facts of a model's training."""
    config = json.loads((folder / "config.json").read_text())
    config["training"] |= facts
    (folder / "config.json").write_text(json.dumps(config))


@pytest.fixture
def app_at(tmp_path, capsys):
    """Runs `growth` on a model, its video going into tmp_path; gives status, output, error output."""

    def run(model, *options):
        status = main(["growth", "--model", str(model), "--device", "cpu", "--outdir", str(tmp_path), *options])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


@pytest.fixture
def app_in(models, app_at):
    """Runs `growth` on a model of the fixtures."""
    return lambda model, *options: app_at(models / model, *options)
