"""The commands that write videos: the frames and the text of their files, and the line on what they cannot use."""

import json
import shutil
import sys
import weakref

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

from stylegrow.models import save_model
from stylegrow.rendering import growth
from stylegrow.rendering.growth import Moment
from stylegrow.sampling.sampler import Sampler
from tests.small_models import CREDIT, style

WEBP = ["--format", "webp"]
# Of the snapshots: kimg, resolution, alpha.
KEPT = {"000000": (0.0, 8, 1.0), "000010": (10.04, 16, 0.25), "1000000": (1e6, 16, 1.0), "000020": (20, 16, 1.0)}


def read_webp(path):
    """The frames of a WebP, in which equal ones are one, the milliseconds of each, and its text."""
    with Image.open(path) as video:
        facts = json.loads(video.getexif()[0x010E])
        frames, durations = [], []
        for frame in ImageSequence.Iterator(video):
            frames.append(np.asarray(frame.convert("RGB")).astype(int))
            durations.append(frame.info["duration"])
    return frames, durations, facts


def test_interpolate(run, sampler, tmp_path):
    av = pytest.importorskip("av")
    assert run("interpolate", "style", "--seeds", "4,9", "--frames", "3", "--fps", "12", "--no-loop")[0] == 0
    with av.open(str(tmp_path / "out" / "interpolate.mp4")) as video:
        frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
        facts = json.loads(video.metadata["comment"])
        assert video.metadata["copyright"] == CREDIT
    assert (facts["seeds"], facts["frames"], facts["space"], facts["loop"]) == ([4, 9], 3, "w", False)
    one = sampler("style")
    images = list(one.path([4, 9], 3, False, "w", one.setting()))
    assert len(frames) == len(images) == 4
    for frame, image in zip(frames, images, strict=True):
        # Colours have half the resolution in a video; brightness has all of it.
        assert np.abs(frame.mean(axis=2) - image.repeat(4, 0).repeat(4, 1).mean(axis=2)).mean() < 12


def test_a_video_can_be_a_webp(run, tmp_path):
    status, _, err = run("interpolate", "run", "--seeds", "1-2", "--frames", "2", *WEBP)
    assert (status, err) == (0, "")
    frames, *_ = read_webp(tmp_path / "out" / "interpolate.webp")
    assert [frame.shape for frame in frames] == [(256, 256, 3)] * 4


def test_without_h264_it_is_a_webp_and_a_line_says_so(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    status, _, err = run("interpolate", "run", "--seeds", "1-2", "--frames", "2")
    assert (status, err.count("\n")) == (0, 1)
    assert (tmp_path / "out" / "interpolate.webp").is_file()


@pytest.mark.parametrize("command", ["interpolate", "growth"])
def test_an_mp4_that_cannot_be_made_is_one_line(run, tmp_path, monkeypatch, command):
    monkeypatch.setitem(sys.modules, "av", None)
    status, out, err = run(command, "run", "--format", "mp4")
    assert (status, out, err.count("\n"), list(tmp_path.iterdir())) == (2, "", 1, [])
    assert "--format mp4" in err


def test_growth(run, tmp_path):
    options = ["--seeds", "4,9,2", "--columns", "2", "--fps", "10", "--seconds-per-stage", "0.5", "--size", "32"]
    assert run("growth", "style", *options, "--stage", "16", *WEBP)[0] == 0
    _, durations, facts = read_webp(tmp_path / "out" / "growth.webp")
    assert durations == [200, 100, 100, 200, 100, 100, 700]
    assert (facts["seeds"], facts["first_resolution"], facts["resolution"], facts["alpha"]) == ([4, 9, 2], 4, 16, 1.0)
    assert (facts["seconds_per_stage"], facts["fps"], facts["psi"]) == (0.5, 10, 0.7)


def test_growth_of_a_model_that_is_growing(run, tmp_path):
    assert run("growth", "growing", "--seeds", "1", "--seconds-per-stage", "0.2", *WEBP)[0] == 0
    _, durations, facts = read_webp(tmp_path / "out" / "growth.webp")
    assert (facts["resolution"], facts["alpha"]) == (16, 0.5)
    assert len(durations) == len(growth.moments(4, 16, 0.5, round(0.2 * 24)))


def test_growth_of_a_model_trained_from_8_px_on(run, tmp_path):
    generator = style(16)
    with torch.no_grad():
        generator.synthesis.to_image["4x4"].bias.zero_()
    save_model(tmp_path / "model", generator)
    assert run("growth", tmp_path / "model", "--seeds", "1", "--seconds-per-stage", "0.1", *WEBP)[0] == 0
    assert read_webp(tmp_path / "out" / "growth.webp")[2]["first_resolution"] == 8


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A run folder with snapshots, each a network of its own, and one that training is writing."""
    folder = tmp_path_factory.mktemp("kept") / "run"
    for seed, (name, (kimg, resolution, alpha)) in enumerate(KEPT.items()):
        generator = style(16)
        with torch.no_grad():
            generator.synthesis.to_image[f"{resolution}x{resolution}"].bias.fill_(seed / 8)
        facts = {"kimg": kimg, "resolution": resolution, "alpha": alpha}
        save_model(folder / "models" / name, generator, training=facts)
    (folder / "models" / ".1000010.tmp").mkdir()
    return folder


@pytest.fixture
def kept(saved, tmp_path):
    """A copy of it."""
    return shutil.copytree(saved, tmp_path / "run")


def test_snapshots_are_in_order_and_seen_for_equally_long(saved):
    assert growth.snapshots(str(saved), 13, 5) == [
        (saved / "models" / "000000", Moment(8, 1.0, 3, 0.0)),
        (saved / "models" / "000010", Moment(16, 0.25, 3, 10.04)),
        (saved / "models" / "000020", Moment(16, 1.0, 3, 20.0)),
        (saved / "models" / "1000000", Moment(16, 1.0, 8, 1e6)),
    ]
    assert [moment.frames for _, moment in growth.snapshots(str(saved), 1, 0)] == [1, 1, 1, 1]


def test_a_video_of_snapshots_shows_what_each_generated(saved, run, tmp_path, monkeypatch):
    opened = []

    def sampler(model, *more):
        assert not any(one() for one in opened), "another model is still in memory"
        one = Sampler(model, *more)
        opened.append(weakref.ref(one))
        return one

    monkeypatch.setattr("stylegrow.sampling.sampler.Sampler", sampler)
    options = ["--seeds", "4,9", "--fps", "10", "--seconds", "0.8", "--size", "64", "--trunc", "0.5", *WEBP]
    status, _, err = run("growth", saved, "--snapshots", *options)
    assert (status, err, len(opened)) == (0, "", 5)
    frames, durations, facts = read_webp(tmp_path / "out" / "growth.webp")
    assert durations == [200, 200, 200, 2200]
    assert (facts["model"], facts["kimg"], facts["seeds"]) == ("run", [0.0, 10.04, 20.0, 1e6], [4, 9])
    assert (facts["resolution"], facts["alpha"], facts["psi"], facts["seconds"]) == (16, 1.0, 0.5, 0.8)
    images, moments = [], []
    for folder, moment in growth.snapshots(str(saved), 4, 0):
        one = Sampler(str(folder), "cpu")
        setting = one.setting(psi=0.5, resolution=moment.resolution, alpha=moment.alpha)
        images.append(list(one.images([4, 9], setting)))
        moments.append(moment)
    expected = list(growth.frames(moments, images, 4, 64))
    for place, frame in enumerate(frames):
        distances = [np.abs(frame - other).mean() for other in expected]
        assert distances[place] == min(distances) < 10  # what a WebP loses


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--stage", "8"], "--stage"),
        (["--alpha", "0"], "--alpha"),
        (["--seconds-per-stage", "1"], "--seconds-per-stage"),
        (["--seconds", "0"], "--seconds 0"),
        (["--seconds", "nan"], "--seconds nan"),
        (["--size", "100"], "size 100"),
        (["--class", "cat"], "class 'cat'"),
    ],
)
def test_options_that_snapshots_cannot_have(saved, run, words, said):
    status, out, err = run("growth", saved, "--snapshots", *words)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert said in err


def test_fewer_than_two_snapshots(kept, run):
    for name in list(KEPT)[1:]:
        shutil.rmtree(kept / "models" / name)
    for model in (kept, "style", "nowhere"):
        status, out, err = run("growth", model, "--snapshots")
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert "--keep-models" in err


def change(folder, **facts):
    """Change the facts of a model's training."""
    config = json.loads((folder / "config.json").read_text())
    config["training"] |= facts
    (folder / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "config.json").unlink(),
        lambda folder: (folder / "model.safetensors").write_bytes(b"short"),
        lambda folder: change(folder, kimg=None),
        lambda folder: change(folder, kimg=-1),
        lambda folder: change(folder, alpha=1.5),
        lambda folder: change(folder, resolution=16.0),
        lambda folder: change(folder, resolution=32),
    ],
)
def test_a_snapshot_that_cannot_be_read_is_named(kept, run, tmp_path, spoil):
    spoil(kept / "models" / "000010")
    status, out, err = run("growth", kept, "--snapshots", "--seeds", "1", "--seconds", "0.1")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "000010" in err
    assert not list(tmp_path.rglob("*growth*"))
