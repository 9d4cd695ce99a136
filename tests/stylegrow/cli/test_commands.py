"""The commands that generate images: their files, and the one line on what they cannot use."""

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


def parameters(path):
    with Image.open(path) as image:
        return json.loads(image.text["parameters"]), image.text.get("Source")


def test_generate_writes_an_image_a_seed(run, sampler, tmp_path):
    status, out, err = run("generate", "style", "--seeds", "3,12345-12346", "--trunc", "-0.5", "--cutoff", "4")
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


def test_the_same_command_again_gives_the_same_files(run, tmp_path):
    for options in (["--noise-mode", "random", "--noise-seed", "5"], []):
        written = []
        for outdir in ("a/b", "a/b", "c"):
            assert run("generate", "style", "--seeds", "1", "--outdir", outdir, *options)[0] == 0
            written.append((tmp_path / outdir / "seed0001.png").read_bytes())
        assert written[0] == written[1] == written[2]


def test_noise_class_and_stage_are_in_the_text(run, tmp_path):
    options = ["--seeds", "1", "--class", "öwl", "--noise-mode", "random", "--noise-seed", "7", "--stage", "8"]
    assert run("generate", "classes", *options, "--alpha", "0.25")[0] == 0
    facts, _ = parameters(tmp_path / "out" / "seed0001.png")
    assert (facts["class"], facts["noise"], facts["noise_seed"]) == ("öwl", "random", 7)
    assert (facts["resolution"], facts["alpha"]) == (8, 0.25)
    with Image.open(tmp_path / "out" / "seed0001.png") as image:
        assert (image.size, image.mode) == ((8, 8), "L")


def test_a_progan_generates_grids_and_videos(run, tmp_path):
    for command, name in (("generate", "seed0000.png"), ("grid", "grid.png"), ("interpolate", "interpolate.mp4")):
        options = ["--seeds", "0-2", *(["--frames", "2"] if command == "interpolate" else [])]
        assert run(command, "run", *options)[0] == 0
        assert (tmp_path / "out" / name).stat().st_size > 100


def test_grid(run, tmp_path):
    status, out, _ = run("grid", "style", "--seeds", "4,1-3", "--columns", "3", "--size", "64")
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
def test_mix(run, sampler, tmp_path, styles, layers, rows):
    assert run("mix", "style", "--rows", "1,2", "--cols", "5-7", *styles, "--trunc", "1", "--size", "64")[0] == 0
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


def test_truncation(run, sampler, tmp_path):
    assert run("truncation", "style", "--seeds", "8", "--trunc", "-.5,1", "--size", "64")[0] == 0
    path = tmp_path / "out" / "truncation.png"
    assert parameters(path)[0]["psi"] == [-0.5, 1]
    style = sampler("style")
    with Image.open(path) as image:
        width, height = image.size
        for psi, right in ((1, width - 2), (-0.5, width - 68)):
            expected = next(style.images([8], style.setting(psi=psi)))
            assert close(image.crop((right - 64, height - 66, right, height - 2)), expected)


def test_noise(run, tmp_path):
    assert run("noise", "style", "--seeds", "8", "--draws", "5", "--noise-seed", "3")[0] == 0
    facts, _ = parameters(tmp_path / "out" / "noise.png")
    assert (facts["noise"], facts["noise_seed"], facts["draws"]) == ("random", 3, 5)


def test_latents_are_saved_and_drawn_by_every_command(run, sampler, tmp_path):
    assert run("generate", "style", "--seeds", "1,2", "--save-latents")[0] == 0
    with np.load(tmp_path / "out" / "latents.npz") as file:
        assert {name: file[name].shape for name in file} == {"w": (2, 10, 8)}
    given = ["--latents", "out/latents.npz", "--outdir", "again"]
    assert run("generate", "style", *given, "--trunc", "0.1", "--save-latents")[0] == 0
    for number, seed in enumerate((1, 2)):
        drawn = [tmp_path / "out" / f"seed{seed:04d}.png", tmp_path / "again" / f"latents{number:04d}.png"]
        assert close(*map(Image.open, drawn))
    assert parameters(tmp_path / "again" / "latents0001.png")[0]["seed"] == "latents 1"
    with np.load(tmp_path / "out" / "latents.npz") as first, np.load(tmp_path / "again" / "latents.npz") as second:
        np.testing.assert_array_equal(first["w"], second["w"])
    for command, *options in (
        ("grid",), ("mix", "--cols", "3"), ("truncation",), ("noise", "--draws", "2"),
        ("interpolate", "--seeds", "5", "--frames", "2"), ("growth", "--seconds-per-stage", "0.1"),
    ):  # fmt: skip
        status, out, _ = run(command, "style", *given, *options)
        assert (status, out.count("wrote")) == (0, 1)
    for name in ("grid", "truncation"):
        assert parameters(tmp_path / "again" / f"{name}.png")[0]["seeds"] == ["latents 0", "latents 1"]
    style = sampler("style")
    with Image.open(tmp_path / "again" / "truncation.png") as image:  # which truncates them too; psi 0 is the mean
        size = 128
        column = image.width - 3 * (size + 4)
        mean = next(style.images([1], style.setting(psi=0))).repeat(2, axis=0).repeat(2, axis=1)
        assert close(image.crop((column, image.height - size - 4, column + size, image.height - 4)), mean)


BAD = [
    ("generate", "nowhere", [], "nowhere"),
    ("generate", "style", ["--trunc", "x"], "--trunc"),
    ("generate", "style", ["--trunc=-inf"], "truncation -inf"),
    ("generate", "style", ["--seeds", "5-"], "--seeds '5-'"),
    ("generate", "style", ["--noise-mode", "loud"], "--noise-mode 'loud'"),
    ("generate", "style", ["--class", "cat"], "class 'cat'"),
    ("generate", "style", ["--stage", "128"], "stage 128"),
    ("generate", "style", ["--batch", "0"], "--batch 0"),
    ("generate", "style", ["--device", "abacus"], "device 'abacus'"),
    ("generate", "style", ["--outdir", ""], "--outdir ''"),
    ("generate", "style", ["--seed", "1"], "'--seed'"),
    ("generate", "run", ["--trunc", "0.7"], "truncation needs a StyleGAN model"),
    ("generate", "style", ["--latents", "x.npz"], "--latents x.npz: there is no such file"),
    ("growth", "run", ["--snapshots", "--latents", "x.npz"], "--latents"),
    ("grid", "style", ["--seeds", "0-5000"], "--seeds '0-5000'"),
    ("grid", "style", ["--columns", "0"], "--columns 0"),
    ("grid", "style", ["--size", "100"], "size 100"),
    ("mix", "run", [], "style mixing needs a StyleGAN model"),
    ("mix", "style", ["--styles", "x"], "--styles 'x'"),
    ("mix", "style", ["--rows", "1-"], "--rows '1-'"),
    ("mix", "style", ["--cols", "0-4095", "--rows", "0-9"], "too many for a figure"),
    ("truncation", "style", ["--trunc", "1,x"], "--trunc '1,x'"),
    ("truncation", "style", ["--trunc", "1,99"], "truncation 99"),
    ("truncation", "run", [], "truncation needs a StyleGAN model"),
    ("noise", "style", ["--draws", "1"], "--draws 1"),
    ("noise", "run", [], "noise needs a StyleGAN model"),
    ("interpolate", "style", ["--frames", "0"], "--frames 0"),
    ("interpolate", "style", ["--frames", "5000"], "--frames 5000"),
    ("interpolate", "style", ["--fps", "0"], "--fps 0"),
    ("interpolate", "style", ["--seeds", "1"], "--seeds 1"),
    ("interpolate", "run", ["--space", "w"], "a path in w needs a StyleGAN"),
    ("interpolate", "run", ["--format", "avi"], "--format"),
    ("growth", "style", ["--seconds-per-stage", "nan"], "--seconds-per-stage nan"),
    ("growth", "style", ["--seconds-per-stage", "99"], "--seconds-per-stage 99"),
    ("growth", "style", ["--seconds", "3"], "--seconds"),
    ("growth", "style", ["--fps", "0"], "--fps 0"),
    ("growth", "style", ["--columns", "0"], "--columns 0"),
    ("growth", "style", ["--seeds", "0-99", "--columns", "100"], "too large"),
    ("growth", "style", ["--stage", "12"], "stage 12"),
    ("growth", "classes", [], "öwl"),
]  # fmt: skip


@pytest.mark.parametrize(("command", "model", "options", "words"), BAD)
def test_bad_input_is_one_line_and_writes_nothing(run, tmp_path, command, model, options, words):
    status, out, err = run(command, model, *options)
    assert (status, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert words in err
    assert list(tmp_path.iterdir()) == []


def test_a_model_of_another_version_is_one_line(run, models, tmp_path):
    folder = tmp_path / "later"
    folder.mkdir()
    config = json.loads((models / "style" / "config.json").read_text()) | {"format_version": 99}
    (folder / "config.json").write_text(json.dumps(config))
    status, _, err = run("generate", str(folder))
    assert (status, err.count("\n")) == (2, 1)
    assert "format 99" in err


def test_a_folder_that_cannot_be_written_is_named_before_the_model_is_loaded(run, tmp_path, monkeypatch):
    monkeypatch.setattr("stylegrow.sampling.sampler.Sampler", None)
    (tmp_path / "file").write_text("mine")
    for outdir in ("file", "file/below"):
        status, _, err = run("generate", "style", "--outdir", outdir)
        assert (status, err.count("\n")) == (2, 1)
        assert "is not a folder" in err
    assert (tmp_path / "file").read_text() == "mine"
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    status, _, err = run("generate", "style", "--outdir", "new/folder")
    assert status == 2
    assert "cannot be written" in err


def test_a_full_disk_is_one_line_and_a_failure(run, tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    status, out, err = run("generate", "style")
    assert (status, out) == (1, "")
    assert err == f"error: {Path('out') / 'seed0000.png'}: No space left on device\n"
    assert list((tmp_path / "out").iterdir()) == []


def test_an_interrupted_command_ends_with_130(run, tmp_path, monkeypatch):
    def images(self, seeds, setting):
        yield np.zeros((8, 8, 3), np.uint8)
        raise KeyboardInterrupt

    monkeypatch.setattr("stylegrow.sampling.sampler.Sampler.images", images)
    status, out, err = run("generate", "style")
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
