"""The commands that generate: the files it writes, and the one line it answers with to what it cannot use."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stylegrow import __version__
from stylegrow.cli.main import COMMANDS, main
from tests.small_models import CREDIT, close

ROOT = Path(__file__).parents[3]


@pytest.fixture
def app(models, tmp_path, monkeypatch, capsys):
    """Runs a command line on a model of the fixtures in an empty folder; gives status, output and error output."""
    monkeypatch.chdir(tmp_path)

    def run(command, model, *options):
        status = main([command, "--model", str(models / model), "--device", "cpu", *options])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def parameters(path):
    with Image.open(path) as image:
        return json.loads(image.text["parameters"]), image.text.get("Source")


def test_generate_writes_an_image_a_seed(app, sampler, tmp_path):
    status, out, err = app("generate", "style", "--seeds", "3,12345-12346", "--trunc", "-0.5", "--cutoff", "4")
    assert (status, err) == (0, "")
    names = ["seed0003.png", "seed12345.png", "seed12346.png"]
    assert out.splitlines() == [f"wrote {Path('out') / name}" for name in names]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    style = sampler("style")
    for name, seed in zip(names, (3, 12345, 12346), strict=True):
        with Image.open(tmp_path / "out" / name) as image:
            assert close(image, next(style.images([seed], style.setting(psi=-0.5, cutoff=4))))
        facts, credit = parameters(tmp_path / "out" / name)
        assert credit == CREDIT
        assert facts == {
            "model": "style", "weights": style.weights, "seed": seed, "psi": -0.5, "cutoff": 4, "noise": "const",
            "resolution": 64, "alpha": 1.0,
        }  # fmt: skip


def test_the_same_command_again_gives_the_same_files(app, tmp_path):
    for options in (["--noise-mode", "random", "--noise-seed", "5"], []):
        written = []
        for outdir in ("a/b", "a/b", "c"):
            assert app("generate", "style", "--seeds", "1", "--outdir", outdir, *options)[0] == 0
            written.append((tmp_path / outdir / "seed0001.png").read_bytes())
        assert written[0] == written[1] == written[2]


def test_noise_class_and_stage_are_in_the_text(app, tmp_path):
    options = ["--seeds", "1", "--class", "öwl", "--noise-mode", "random", "--noise-seed", "7", "--stage", "8"]
    assert app("generate", "classes", *options, "--alpha", "0.25")[0] == 0
    facts, _ = parameters(tmp_path / "out" / "seed0001.png")
    assert (facts["class"], facts["noise"], facts["noise_seed"]) == ("öwl", "random", 7)
    assert (facts["resolution"], facts["alpha"]) == (8, 0.25)
    with Image.open(tmp_path / "out" / "seed0001.png") as image:
        assert (image.size, image.mode) == ((8, 8), "L")


def test_a_progan_generates_grids_and_videos(app, tmp_path):
    for command, name in (("generate", "seed0000.png"), ("grid", "grid.png"), ("interpolate", "interpolate.mp4")):
        options = ["--seeds", "0-2", *(["--frames", "2"] if command == "interpolate" else [])]
        assert app(command, "run", *options)[0] == 0
        assert (tmp_path / "out" / name).stat().st_size > 100


def test_grid(app, tmp_path):
    status, out, _ = app("grid", "style", "--seeds", "4,1-3", "--columns", "3", "--size", "64")
    assert (status, out) == (0, f"wrote {Path('out') / 'grid.png'}\n")
    assert parameters(tmp_path / "out" / "grid.png")[0]["seeds"] == [4, 1, 2, 3]


@pytest.mark.parametrize(
    ("styles", "layers", "rows"),
    [
        ([], [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]], 7),
        (["--styles", "0-3"], [[0, 1, 2, 3]], 3),
        (["--styles", "fine"], [[8, 9]], 3),
        (["--styles=1,5-6"], [[1, 5, 6]], 3),
    ],
)
def test_mix(app, sampler, tmp_path, styles, layers, rows):
    assert app("mix", "style", "--rows", "1,2", "--cols", "5-7", *styles, "--trunc", "1", "--size", "64")[0] == 0
    path = tmp_path / "out" / "mix.png"
    facts, credit = parameters(path)
    assert (facts["rows"], facts["columns"], facts["styles"], facts["psi"]) == ([1, 2], [5, 6, 7], layers, 1)
    assert credit == CREDIT
    style = sampler("style")
    last = next(style.mixed([2], [7], layers[-1], style.setting(psi=1)))
    with Image.open(path) as image:  # the last cell, with its margin of 2 px
        width, height = image.size
        assert close(image.crop((width - 66, height - 66, width - 2, height - 2)), last)
        assert rows * 66 < height < rows * 66 + 80


def test_truncation(app, sampler, tmp_path):
    assert app("truncation", "style", "--seeds", "8", "--trunc", "-.5,1", "--size", "64")[0] == 0
    path = tmp_path / "out" / "truncation.png"
    assert parameters(path)[0]["psi"] == [-0.5, 1]
    style = sampler("style")
    with Image.open(path) as image:
        width, height = image.size
        for psi, right in ((1, width - 2), (-0.5, width - 68)):
            expected = next(style.images([8], style.setting(psi=psi)))
            assert close(image.crop((right - 64, height - 66, right, height - 2)), expected)


def test_noise(app, tmp_path):
    assert app("noise", "style", "--seeds", "8", "--draws", "5", "--noise-seed", "3")[0] == 0
    facts, _ = parameters(tmp_path / "out" / "noise.png")
    assert (facts["noise"], facts["noise_seed"], facts["draws"]) == ("random", 3, 5)


def test_interpolate(app, sampler, tmp_path):
    av = pytest.importorskip("av")
    options = ["--seeds", "4,9", "--frames", "3", "--fps", "12", "--no-loop"]
    status, out, _ = app("interpolate", "style", *options)
    assert (status, out) == (0, f"wrote {Path('out') / 'interpolate.mp4'}\n")
    with av.open(str(tmp_path / "out" / "interpolate.mp4")) as video:
        frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
        facts = json.loads(video.metadata["comment"])
        assert video.metadata["copyright"] == CREDIT
    assert (facts["seeds"], facts["frames"], facts["space"], facts["loop"]) == ([4, 9], 3, "w", False)
    style = sampler("style")
    expected = [image.repeat(4, 0).repeat(4, 1) for image in style.path([4, 9], 3, False, "w", style.setting())]
    assert len(frames) == 4
    for frame, image in zip(frames, expected, strict=True):
        assert frame.shape == (256, 256, 3)
        # Colours have half the resolution in a video; brightness has all of it.
        assert np.abs(frame.mean(axis=2) - image.mean(axis=2)).mean() < 12


def test_without_h264_a_line_says_so(app, tmp_path, monkeypatch):
    monkeypatch.setattr("stylegrow.rendering.video.has_h264", lambda: False)
    status, out, err = app("interpolate", "run", "--seeds", "1-2", "--frames", "2")
    assert (status, out) == (0, f"wrote {Path('out') / 'interpolate.webp'}\n")
    assert err.count("\n") == 1
    assert "pip install av" in err


def test_a_video_can_be_a_webp_where_there_is_h264(app, tmp_path):
    options = ["--seeds", "1-2", "--frames", "2", "--format", "webp"]
    status, out, err = app("interpolate", "run", *options)
    assert (status, out, err) == (0, f"wrote {Path('out') / 'interpolate.webp'}\n", "")
    with Image.open(tmp_path / "out" / "interpolate.webp") as video:
        assert (video.n_frames, video.size) == (4, (256, 256))


@pytest.mark.parametrize("command", ["interpolate", "growth"])
def test_an_mp4_that_cannot_be_made_is_one_line(app, tmp_path, monkeypatch, command):
    monkeypatch.setattr("stylegrow.rendering.video.has_h264", lambda: False)
    status, out, err = app(command, "run", "--format", "mp4")
    assert (status, out, err.count("\n"), list(tmp_path.iterdir())) == (2, "", 1, [])
    assert "give webp" in err


BAD = [
    ("generate", "style", ["--trunc", "x"], "--trunc: cannot be read as NUMBER"),
    ("generate", "style", ["--trunc", "nan"], "truncation nan"),
    ("generate", "style", ["--trunc=-inf"], "truncation -inf"),
    ("truncation", "style", ["--trunc", "1,x"], "--trunc '1,x'"),
    ("truncation", "style", ["--trunc", "1,99"], "truncation 99"),
    ("truncation", "run", [], "truncation needs a StyleGAN model; \"run\" is a ProGAN"),
    ("generate", "style", ["--seeds", "5-"], "--seeds '5-': cannot be read; write seeds like 1,4,10-15"),
    ("generate", "style", ["--seeds", "9-5"], "backwards"),
    ("generate", "style", ["--seeds", ""], "--seeds ''"),
    ("generate", "style", ["--seeds", "-1"], "--seeds '-1'"),
    ("generate", "style", ["--seeds", "4294967296"], "from 0 to 4294967295"),
    ("generate", "style", ["--seeds", "0-4294967295"], "give at most 100,000"),
    ("grid", "style", ["--seeds", "0-5000"], "give at most 4,096"),
    ("grid", "style", ["--columns", "0"], "--columns 0"),
    ("grid", "style", ["--columns", "1.5"], "--columns: cannot be read as INT"),
    ("grid", "style", ["--size", "100"], "size 100"),
    ("generate", "style", ["--cutoff", "11"], "cutoff 11"),
    ("generate", "style", ["--noise-mode", "loud"], "--noise-mode 'loud'"),
    ("generate", "style", ["--noise-seed", "-1"], "noise seed -1"),
    ("generate", "style", ["--class", "cat"], "class 'cat'"),
    ("generate", "style", ["--stage", "128"], "stage 128"),
    ("generate", "style", ["--batch", "0"], "--batch 0"),
    ("generate", "style", ["--device", "abacus"], "device 'abacus'"),
    ("generate", "style", ["--outdir", ""], "--outdir ''"),
    ("generate", "style", ["--seed", "1"], "perhaps --"),
    ("generate", "classes", [], "give one of cat, 2, öwl"),
    ("mix", "classes", ["--class", "dog"], "class 'dog'"),
    ("generate", "run", ["--trunc", "0.7"], "truncation needs a StyleGAN model"),
    ("mix", "run", ["--trunc", "0.7"], "style mixing needs a StyleGAN model; \"run\" is a ProGAN"),
    ("noise", "run", [], "noise needs a StyleGAN model"),
    ("noise", "style", ["--draws", "1"], "--draws 1"),
    ("mix", "style", ["--styles", "0-30"], "has 10 layers"),
    ("mix", "style", ["--styles", "x"], "layers like 0-3"),
    ("mix", "growing", ["--styles", "fine"], "only 6 layers"),
    ("mix", "style", ["--rows", "1-"], "--rows '1-'"),
    ("mix", "style", ["--cols", "0-4095", "--rows", "0-9"], "too many for a figure"),
    ("interpolate", "style", ["--frames", "0"], "--frames 0"),
    ("interpolate", "style", ["--frames", "5000"], "would have 30,000 frames, the limit is 20,000"),
    ("interpolate", "style", ["--fps", "0"], "--fps 0"),
    ("interpolate", "style", ["--seeds", "1"], "at least two"),
    ("interpolate", "style", ["--space", "q"], "--space"),
    ("interpolate", "run", ["--space", "w"], "a path in w needs a StyleGAN"),
    ("interpolate", "run", ["--format", "gif"], "--format"),
    ("growth", "style", ["--seconds-per-stage", "0"], "--seconds-per-stage 0"),
    ("growth", "style", ["--seconds-per-stage", "nan"], "--seconds-per-stage nan"),
    ("growth", "style", ["--seconds-per-stage", "99"], "at most 10"),
    ("growth", "style", ["--fps", "0"], "--fps 0"),
    ("growth", "style", ["--columns", "0"], "--columns 0"),
    ("growth", "style", ["--seeds", "3-"], "--seeds '3-'"),
    ("growth", "style", ["--seeds", "0-99", "--columns", "100"], "too large; ask for fewer seeds or a smaller size"),
    ("growth", "style", ["--size", "100"], "size 100"),
    ("growth", "style", ["--stage", "12"], "stage 12"),
    ("growth", "run", ["--trunc", "0.7"], "truncation needs a StyleGAN model"),
    ("growth", "classes", [], "give one of cat, 2, öwl"),
    ("generate", "nowhere", [], "nowhere"),
]  # fmt: skip


@pytest.mark.parametrize(("command", "model", "options", "words"), BAD)
def test_bad_input_is_one_line_and_writes_nothing(app, tmp_path, command, model, options, words):
    status, out, err = app(command, model, *options)
    assert (status, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert words in err
    assert list(tmp_path.iterdir()) == []


def test_a_model_of_another_version_is_one_line(app, models, tmp_path):
    folder = tmp_path / "later"
    folder.mkdir()
    config = json.loads((models / "style" / "config.json").read_text()) | {"format_version": 99}
    (folder / "config.json").write_text(json.dumps(config))
    status, _, err = app("generate", str(folder))
    assert (status, err.count("\n")) == (2, 1)
    assert "format 99" in err


def test_a_folder_that_cannot_be_written_is_named_before_the_model_is_loaded(app, tmp_path, monkeypatch):
    monkeypatch.setattr("stylegrow.sampling.sampler.Sampler", None)
    (tmp_path / "file").write_text("mine")
    for outdir in ("file", "file/below"):
        status, _, err = app("generate", "style", "--outdir", outdir)
        assert (status, err.count("\n")) == (2, 1)
        assert "is not a folder" in err
    assert (tmp_path / "file").read_text() == "mine"
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    status, _, err = app("generate", "style", "--outdir", "new/folder")
    assert status == 2
    assert "cannot be written" in err


def test_a_full_disk_is_one_line_and_a_failure(app, tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    status, out, err = app("generate", "style")
    assert (status, out) == (1, "")
    assert err == f"error: {Path('out') / 'seed0000.png'}: No space left on device\n"
    assert list((tmp_path / "out").iterdir()) == []


def test_an_interrupted_command_ends_with_130(app, tmp_path, monkeypatch):
    def images(self, seeds, setting):
        yield np.zeros((8, 8, 3), np.uint8)
        raise KeyboardInterrupt

    monkeypatch.setattr("stylegrow.sampling.sampler.Sampler.images", images)
    status, out, err = app("generate", "style")
    assert (status, out) == (130, f"wrote {Path('out') / 'seed0000.png'}\n")
    assert err.count("\n") == 1


def test_every_command_is_listed_with_a_line(capsys):
    assert main([]) == main(["--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for name in COMMANDS:
        assert sum(line.startswith(f"  {name}  ") for line in lines) == 2
    assert max(map(len, lines)) < 120
    assert main(["models"]) == 0
    assert {"models list", "models space"} <= {line[2:26].strip() for line in capsys.readouterr().out.splitlines()}
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"stylegrow {__version__}\n"


@pytest.mark.parametrize("words", [["paint"], ["mixx", "--model", "x"], ["models", "shwo"], ["data", "--cache", "x"]])
def test_an_unknown_command_is_a_line_that_names_them(words, capsys):
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert all(name in err for name in COMMANDS if len(words) < 2 or name.startswith(words[0]))


def test_help_and_mistakes_answer_without_torch():
    code = """
import sys
from stylegrow.cli.main import COMMANDS, main
for words in ([], *(name.split() + ["--help"] for name in COMMANDS), ["mix", "--sytles", "1"]):
    try:
        main(words)
    except SystemExit as ending:
        assert not ending.code
sys.exit("torch" in sys.modules)
"""
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert "perhaps --styles was meant" in ended.stderr
