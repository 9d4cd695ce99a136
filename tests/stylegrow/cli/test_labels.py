"""Labels on the command line, of classes and of vectors."""

import json

import numpy as np
import pytest
from PIL import Image, ImageSequence

from stylegrow.cli.main import main
from stylegrow.models import save_model
from stylegrow.sampling.sampler import Sampler
from tests.small_models import close, style

VECTOR = {"label_dim": 2, "label_kind": "vector", "label_mean": [0.25, 500], "label_deviation": [0.5, 300]}
VALUES = {"min": [-0.5, 0.0], "max": [1.0, 1000.0], "examples": [[-0.5, 1000.0], [1.0, 0.0]]}


@pytest.fixture(scope="module")
def vectors(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vectors") / "m"
    save_model(folder, style(16, **VECTOR), classes=["angle", "energy"], label_values=VALUES)
    return folder


@pytest.mark.parametrize("command", ["generate", "grid", "mix", "truncation", "noise"])
def test_every_figure_takes_a_vector(run, vectors, tmp_path, command):
    more = {"mix": ["--rows", "0", "--cols", "1"], "noise": ["--draws", "2", "--seeds", "0"]}.get(
        command, ["--seeds", "0"]
    )
    for label in ("--class=-0.5,200", "--class=energy:200,angle:-0.5"):
        assert run(command, vectors, label, *more)[0] == 0
        with Image.open(next((tmp_path / "out").iterdir())) as image:
            assert json.loads(image.text["parameters"])["class"] == "angle:-0.5,energy:200"


def test_a_video_from_one_label_to_another(run, vectors, tmp_path):
    words = ["--seeds", "3,3", "--frames", "2", "--no-loop", "--format", "webp", "--size", "32"]
    assert run("interpolate", vectors, "--class", "0,0", "--to-class", "1,1000", *words)[0] == 0
    sampler = Sampler(str(vectors), "cpu")
    with Image.open(tmp_path / "out" / "interpolate.webp") as video:
        facts = json.loads(video.getexif()[0x010E])
        frames = [np.asarray(frame.convert("RGB")).astype(int) for frame in ImageSequence.Iterator(video)]
    assert (facts["class"], facts["to_class"], facts["space"]) == ("angle:0,energy:0", "1,1000", "z")
    for frame, label in zip(frames, ("0,0", "0.5,500", "1,1000"), strict=True):
        expected = next(sampler.images([3], sampler.setting(label=label))).repeat(2, 0).repeat(2, 1)
        assert np.abs(frame.mean(axis=2) - expected.mean(axis=2)).mean() < 10  # what a WebP loses


def test_growth_takes_a_label(run, models, tmp_path):
    words = ["--seeds", "0", "--seconds-per-stage", "0.1", "--format", "webp", "--class", "cat:1,2:1"]
    assert run("growth", "classes", *words)[0] == 0
    with Image.open(tmp_path / "out" / "growth.webp") as video:
        assert json.loads(video.getexif()[0x010E])["class"] == "cat:0.5,2:0.5"


def test_between_classes_and_a_label_that_is_drawn(run, sampler, vectors, tmp_path):
    assert run("generate", "classes", "--seeds", "1", "--class", "cat:1,öwl:1")[0] == 0
    classes = sampler("classes")
    with Image.open(tmp_path / "out" / "seed0001.png") as image:
        assert close(np.asarray(image)[..., None], next(classes.images([1], classes.setting(label=(0.5, 0, 0.5)))))
    assert run("generate", vectors, "--seeds", "1")[0] == 0
    with Image.open(tmp_path / "out" / "seed0001.png") as image:
        assert json.loads(image.text["parameters"])["class"] in ("angle:-0.5,energy:1000", "angle:1,energy:0")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--class", "200"], "1 of 2 values"),
        (["--class", "mass:2"], "angle, energy"),
        (["--class", "energy:nan"], "cannot be read"),
        (["--to-class", "1,2"], "give --class too"),
    ],
)
def test_what_is_no_label_is_one_line(run, vectors, words, said):
    status, out, err = run("interpolate", vectors, *words)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert said in err


def test_show_tells_the_values(vectors, capsys):
    assert main(["models", "show", str(vectors)]) == 0
    assert "energy  0 to 1000, mean 500, deviation 300" in capsys.readouterr().out
