"""Whole runs: what options do, where they start from, and the one line about what cannot be used."""

import json
import os
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from stylegrow.common.errors import InputError
from stylegrow.common.held_out import public_name
from stylegrow.data import open_dataset
from stylegrow.models import load_discriminator, load_generator, read_config
from stylegrow.models.official.importing import import_official
from tests import oracle
from tests.train.runs import COUNT, HOLDOUT, Train, last_checkpoint, last_state, only, options, statistics
from train import Options
from train import train as train_in_python


def weights(run: Path, name: str) -> dict[str, torch.Tensor]:
    return {key: value for key, value in last_checkpoint(run).tensors.items() if key.startswith(name)}


def test_a_run_folder_holds_what_it_should(finished: Path):
    assert finished.name == "00000-progan-noise8"
    assert sorted(path.name for path in finished.iterdir() if path.name != ".lock") == sorted(
        ["options.json", "images.json", "stats.jsonl", "log.txt", "checkpoints", "model", "models", "reals.png"]
        + [f"fakes{name}.png" for name in ("000000", "000000_208", "000000_400")]
    )
    files = ["config.json", "model.safetensors", "discriminator.safetensors", "README.md"]
    assert sorted(path.name for path in (finished / "model").iterdir()) == sorted(files)


def test_runs_are_numbered(train: Train):
    for _ in range(2):
        train("--kimg", 0.016, "--desc", "try")
    assert sorted(path.name for path in Path("runs").iterdir()) == [
        "00000-progan-noise8-try",
        "00001-progan-noise8-try",
    ]


def test_the_same_seed_gives_the_same_run_and_another_one_another(train: Train):
    runs = []
    for out, seed in (("a", 0), ("b", 0), ("c", 1)):
        train("--kimg", 0.032, "--seed", seed, "--out", out)
        runs.append(only(out))
    states = [last_state(run) for run in runs]
    assert states[0] == states[1] != states[2]


def test_on_a_cpu_every_run_is_deterministic_and_tf32_is_float32(train: Train):
    train("--kimg", 0.032, "--out", "a")
    ended = train("--kimg", 0.032, "--out", "b", "--deterministic", "--mixed-precision", "tf32")
    assert "note: tf32 is a precision of NVIDIA's GPUs" in ended.out
    assert options(only("b"))["mixed_precision"] == "no"
    assert last_state(only("a")) == last_state(only("b"))


class TestPython:
    """Training from Python, with the options of the command."""

    GIVEN = Options(kimg=0.032, batch=16, fmap_base=32, fmap_max=8, z_dim=8, stable_kimg=0.1, fade_kimg=0.1)

    def test_it_is_the_command_s_run(self, train: Train, pictures):
        folder = train_in_python("progan", self.GIVEN.but(data=str(pictures), mixed_precision="no", holdout=HOLDOUT))
        assert folder == only("runs")
        train("--kimg", 0.032, "--out", "commanded")
        assert last_state(folder) == last_state(only("commanded"))
        assert train_in_python("progan", Options(resume=str(folder), kimg=0.064)) == folder
        assert last_checkpoint(folder).facts.images == 64

    def test_a_dry_run_has_no_folder(self, environment, pictures):
        assert train_in_python("stylegan", self.GIVEN.but(data=str(pictures), dry_run=True)) is None

    def test_what_cannot_be_is_an_error(self, environment):
        for given in (self.GIVEN.but(batch=0), self.GIVEN.but(data="nowhere"), Options(resume="newest")):
            with pytest.raises(InputError):
                train_in_python("progan", given)


class TestLabels:
    def test_folder_classes(self, train: Train):
        ended = train("--cond", "--kimg", 0.3)
        assert ended.status == 0
        assert "labels: class, 2 classes" in ended.out
        run = only("runs")
        assert statistics(run)[-1]["D/label_loss"] > 0
        assert statistics(run)[-1]["G/label_loss"] > 0
        generator = load_generator(run)
        z = torch.randn(2, 8)
        first, second = (generator(z, torch.eye(2)[[label, label]]) for label in (0, 1))
        assert not torch.equal(first, second)

    def test_an_attribute_of_the_embedded_faces(self, train: Train, tmp_path):
        faces = open_dataset("toonhead", resolution=8, count=40, cache=tmp_path / "cache", quiet=True)
        ended = train("--data", faces.path, "--cond", "hair", "--kimg", 0.032)
        assert ended.status == 0
        run = only("runs")
        assert run.name == "00000-progan-toonhead8"
        assert read_config(run)["classes"] == list(faces.classes("hair"))
        assert options(run)["preset"] == "toonhead"
        assert str(faces.credit) in (run / "model" / "README.md").read_text()
        assert Image.open(run / "reals.png").text["Source"] == faces.credit  # type: ignore[attr-defined]

    def test_labels_that_are_not_used_are_mentioned(self, train: Train):
        assert "note: the data has labels (class); --cond trains with them" in train("--kimg", 0.016).out

    def test_none_of_that_name(self, train: Train):
        assert train("--cond", "hair").error == "--cond hair: the data has no such labels; choose from class"


class TestWhatOptionsDo:
    def test_kimg_counts_the_reals_that_the_critic_sees(self, train: Train):
        """Two batches of 16 a step, so 4 steps to pass 100 images."""
        train("--n-critic", 2, "--kimg", 0.1)
        run = only("runs")
        assert last_checkpoint(run).facts.images == 128
        assert last_checkpoint(run).tensors["g_adam.to_image.4x4.bias.step"] == 1  # reset after 112
        train("--n-critic", 1, "--kimg", 0.1, "--out", "one")
        assert last_checkpoint(only("one")).facts.images == 112

    def test_accumulated_batches_give_the_same_weights(self, train: Train):
        """But for rounding: gradients of parts of a batch average to those of the whole."""
        for out, most in (("whole", 16), ("parts", 4), ("uneven", 7)):
            assert train("--batch-per-device", most, "--kimg", 0.096, "--out", out).status == 0
        whole = weights(only("whole"), "generator")
        for out in ("parts", "uneven"):
            for name, value in weights(only(out), "generator").items():
                torch.testing.assert_close(value, whole[name], rtol=1e-3, atol=1e-4)

    def test_mirroring_shows_other_pictures(self, train: Train):
        for out, words in (("as it is", []), ("mirrored", ["--mirror"])):
            train("--kimg", 0.016, "--out", out, *words)
        first, second = (weights(only(out), "discriminator") for out in ("as it is", "mirrored"))
        assert any(not torch.equal(first[name], second[name]) for name in first)

    @pytest.mark.parametrize(
        ("words", "name"), [("--gp-weight 0", "D/penalty"), ("--loss ns-r1 --gamma 0", "D/penalty")]
    )
    def test_penalties_can_be_switched_off(self, train: Train, words, name):
        assert train(*words.split(), "--kimg", 0.016).status == 0
        assert statistics(only("runs"))[0][name] == 0

    def test_a_run_that_does_not_grow(self, train: Train):
        assert train("--start-resolution", 8, "--kimg", 0.032).status == 0
        assert [line["resolution"] for line in statistics(only("runs"))] == [8]

    def test_one_that_stops_growing_early_says_how_far_it_comes(self, train: Train):
        ended = train("--kimg", 0.05)
        assert "note: 0.05 kimg end at 4 px; --stable-kimg" in ended.out


class TestDryRun:
    @pytest.mark.parametrize("architecture", ["progan", "stylegan"])
    def test_it_prints_the_plan_and_makes_no_run(self, train: Train, architecture):
        ended = train("--dry-run", "--cond", "--start-resolution", 4, architecture=architecture)
        assert ended.status == 0
        for words in (
            f"data: noise, {COUNT - HOLDOUT} pictures, {HOLDOUT} held out, labels: class, 2 classes",
            "preset small sets: --ema-kimg 5\n",
            "  --kimg: 0.4\n",
            "  --preset: small\n",
            "  --batch-per-device: -\n",
            "from kimg  to kimg  resolution",
            "fade in     16         16  0.001",
            " parameters, critic ",
            "memory of a process, estimated: 0.00 GB",
        ):
            assert words in ended.out
        assert not Path("runs").exists()

    @pytest.mark.parametrize("count", [1, 4, 8])
    def test_it_plans_for_gpus_that_are_not_there(self, train: Train, count):
        ended = train("--dry-run", "--processes", count)
        assert ended.status == 0
        assert "run: preset small-gpu, wgan-gp, 0.4 kimg to 8 px, " in ended.out
        assert f", {count} process" in ended.out
        row = next(line.split() for line in ended.out.splitlines() if "fade in" in line)
        assert row[5:7] == ["16", str(16 // count)]
        assert train("--dry-run", "--processes", 3).error == (
            "--batch 16: 3 processes cannot share it; give a multiple of 3"
        )

    def test_without_one_there_is_no_choice_of_processes(self, train: Train):
        assert train("--processes", 2).error.startswith("--processes 2: is for --dry-run; ")
        assert not Path("runs").exists()

    def test_a_run_to_resume_is_left_as_it_is(self, train: Train, copy):
        before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
        ended = train("--resume", "--kimg", 3, "--dry-run")
        assert "note: --kimg is now 3; it was 0.4" in ended.out
        assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before


class TestInitFrom:
    STILL = ("--lr", 1e-30, "--kimg", 0.016)

    @pytest.mark.parametrize("where", [".", "model", "models/000000_400"])
    def test_training_starts_from_the_model_s_weights(self, train: Train, copy, monkeypatch, tmp_path, where):
        monkeypatch.chdir(copy)
        assert train("--init-from", where, *self.STILL, "--out", tmp_path / "new").status == 0
        run = only(tmp_path / "new")
        for load in (load_generator, load_discriminator):
            begun, ended = load(where).state_dict(), load(run).state_dict()
            assert all(torch.equal(ended[name], begun[name]) for name in begun)
        assert options(run)["init_from"] == str(copy / where)
        # Growing goes on where the model had got.
        assert [line["resolution"] for line in statistics(run)] == [8]

    def test_the_model_is_needed_no_more_once_there_is_a_checkpoint(self, train: Train, copy):
        for out, stops in (("straight", [0.064]), ("stopped", [0.032, 0.064])):
            for kimg in stops:
                words = ["--resume"] if kimg != stops[0] else ["--init-from", copy]
                assert train(*words, "--kimg", kimg, "--out", out).status == 0
                if out == "stopped":
                    shutil.rmtree(copy, ignore_errors=True)
        assert last_state(only("straight")) == last_state(only("stopped"))

    @pytest.mark.parametrize(
        ("words", "complaint"),
        [
            (["--init-from", "no-such-model"], "no-such-model: there is no such folder, and no model of that name"),
            (["--init-from", "/"], "config.json is missing"),
            (["--init-from", "COPY", "--z-dim", 9], "--z-dim 9: the model of --init-from has 8; leave the option out"),
        ],
    )
    def test_what_does_not_fit_is_one_line(self, train: Train, copy, words, complaint):
        ended = train(*(str(copy) if word == "COPY" else word for word in words), "--out", "new")
        assert ended.status == 2
        assert complaint in ended.err.splitlines()[-1]
        assert not Path("new").exists()

    @pytest.mark.parametrize("architecture", ["progan", "stylegan"])
    @pytest.mark.parametrize("resolution", [4, 16])
    def test_a_smaller_or_larger_model_gives_the_stages_in_common(
        self, train: Train, copy, copy_stylegan, architecture, resolution
    ):
        model = copy if architecture == "progan" else copy_stylegan
        words = ("--init-from", model, "--resolution", resolution, "--stable-kimg", 0, *self.STILL, "--out", "new")
        assert train(*words, architecture=architecture).status == 0
        run, shared = only("new"), min(resolution, 8)
        assert [line["resolution"] for line in statistics(run)] == [shared]
        arguments: dict[str, Any] = {"noise": "const"} if architecture == "stylegan" else {}
        z, images = torch.randn(4, 8), torch.randn(4, 3, shared, shared)
        drawn = [load_generator(one)(z, resolution=shared, **arguments) for one in (model, run)]
        assert torch.equal(*drawn)
        scores = [load_discriminator(one)(images) for one in (model, run)]
        assert torch.equal(*scores)

    @pytest.mark.parametrize("file", ["progan2018_32", "stylegan2019_32"])
    @pytest.mark.parametrize("resolution", [16, 64])
    def test_imported_official_weights_train_on_ones_own_images(
        self, environment, pictures, tmp_path, file, resolution
    ):
        """At a smaller and a larger resolution than theirs."""
        model, architecture = tmp_path / file, file.partition("20")[0]
        import_official(Path(oracle.__file__).parent / "pickles" / f"{file}.pkl", model)
        still = Options(batch=4, kimg=0.004, lr=1e-30, stable_kimg=0, mixed_precision="no")
        run = train_in_python(architecture, still.but(data=str(pictures), init_from=str(model), resolution=resolution))
        assert run is not None
        begun, shared = load_generator(model), min(resolution, 32)
        arguments: dict[str, Any] = {"noise": "const"} if architecture == "stylegan" else {}
        z, images = torch.randn(4, begun.z_dim), torch.randn(4, 3, shared, shared)
        drawn = [one(z, resolution=shared, **arguments) for one in (begun, load_generator(run))]
        assert torch.equal(*drawn)
        assert torch.equal(*(load_discriminator(one)(images) for one in (model, run)))

    def test_a_preset_does_not_set_what_the_model_decides(self, train: Train, copy_stylegan):
        words = ("--preset", "toonhead", "--init-from", copy_stylegan, "--dry-run")
        ended = train(*words, architecture="stylegan")
        (line,) = (line for line in ended.out.splitlines() if line.startswith("preset toonhead sets: "))
        assert "--g-lr-ratio 4" in line
        assert not any(name in line for name in ("--z-dim", "--start-resolution", "--blur", "--mapping-lrmul"))

    def test_it_may_be_widened_and_grown_at_once(self, train: Train, copy_stylegan):
        words = ("--init-from", copy_stylegan, "--fmap-base", 64, "--fmap-max", 16, "--resolution", 16)
        ended = train(*words, "--stable-kimg", 0, *self.STILL, "--out", "new", architecture="stylegan")
        assert ended.status == 0
        assert "16 for 8 at 4 px, 16 for 8 at 8 px" in ended.out
        z, images = torch.randn(4, 8, dtype=torch.float64), torch.randn(4, 3, 8, 8)
        # In float64, since maps that hardly vary are divided by their deviations.
        generators = [load_generator(one).double() for one in (copy_stylegan, only("new"))]
        before, after = (one(z, resolution=8, noise="const") for one in generators)
        torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-4)
        before, after = (load_discriminator(one)(images) for one in (copy_stylegan, only("new")))
        torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-4)

    def test_growing_goes_on_within_a_fade(self, train: Train):
        train("--kimg", 0.16)
        model = only("runs")
        facts = read_config(model)["training"]
        assert (facts["resolution"], facts["alpha"]) == (8, 0.6)
        train("--init-from", model, "--kimg", 0.064, "--out", "new")
        fading, grown = statistics(only("new"))
        assert (fading["resolution"], fading["alpha"], fading["kimg"]) == (8, pytest.approx(0.92), 0.048)
        assert grown["alpha"] == 1

    def test_a_run_that_was_stopped_in_its_first_fade_goes_on_in_it(self, train: Train):
        train("--kimg", 0.16)
        model = only("runs")
        words = ("--init-from", model, "--out")
        assert train(*words, "whole", "--kimg", 0.064).status == 0
        assert train(*words, "cut", "--kimg", 0.032).status == 0
        assert train("--resume", only("cut"), "--kimg", 0.064).status == 0
        assert last_state(only("cut")) == last_state(only("whole"))

    def test_labels_and_channels_may_be_others(self, train: Train, copy, pictures, tmp_path):
        grey = Path(shutil.copytree(pictures, tmp_path / "grey"))
        for path in grey.rglob("*.png"):
            Image.open(path).convert("L").save(path)
        ended = train("--init-from", copy, "--data", grey, "--cond", *self.STILL, "--out", "new")
        assert ended.status == 0
        layers = "the generator's blocks.4x4.first.weight", "the critic's output.weight", "the critic's output.bias"
        for name in (*layers, "the generator's to_image.8x8.bias", "the critic's from_image.4x4.weight"):
            assert name in ended.out
        begun, ended_as = load_generator(copy).state_dict(), load_generator(only("new")).state_dict()
        same = {name for name, value in ended_as.items() if torch.equal(value, begun[name])}
        assert ended_as.keys() - same == {"blocks.4x4.first.weight"} | {
            f"to_image.{r}x{r}.{kind}" for r in (4, 8) for kind in ("weight", "bias")
        }

    @pytest.mark.parametrize("change", ["file", "config"])
    def test_a_model_without_its_critic_gives_its_generator(self, train: Train, copy, change):
        if change == "file":
            (copy / "model" / "discriminator.safetensors").unlink()
        else:
            config = read_config(copy)
            config.pop("discriminator")
            (copy / "model" / "config.json").write_text(json.dumps(config))
        ended = train("--init-from", copy, *self.STILL, "--out", "new")
        assert ended.status == 0
        assert f"note: {copy} has no critic" in ended.out
        begun, ended_as = load_generator(copy).state_dict(), load_generator(only("new")).state_dict()
        assert all(torch.equal(ended_as[name], begun[name]) for name in begun)

    def test_damaged_weights_are_one_line(self, train: Train, copy):
        (copy / "model" / "model.safetensors").write_bytes(b"nothing")
        ended = train("--init-from", copy, "--out", "new")
        assert ended.status == 2
        assert not Path("new").exists()
        assert f"{copy / 'model' / 'model.safetensors'}: is damaged" in ended.error


class TestBadInput:
    def test_bad_files_are_skipped_listed_and_the_rest_is_used(self, train: Train, pictures, tmp_path):
        folder = Path(shutil.copytree(pictures, tmp_path / "mixed"))
        (folder / "a" / "text.png").write_text("not a picture")
        (folder / "b" / "cut.png").write_bytes((folder / "b" / "01.png").read_bytes()[:60])
        ended = train("--data", folder, "--kimg", 0.016)
        assert ended.status == 0
        for words in (f"2 of {COUNT + 2} files", "a/text.png: ", "b/cut.png: "):
            assert words in ended.err
        assert f"data: mixed, {COUNT - HOLDOUT} pictures" in ended.out

    @pytest.mark.skipif(sys.platform != "linux", reason="file names that are no text are there on Linux")
    def test_names_that_are_no_text(self, train: Train, pictures, tmp_path):
        folder = Path(shutil.copytree(pictures, tmp_path / "odd"))
        for path in sorted(folder.rglob("*.png")):
            path.rename(os.fsdecode(os.fsencode(path).replace(b".png", b"\xe9\n.png")))
        (folder / "a").rename(os.fsdecode(os.fsencode(folder) + b"/\xe4"))
        out = os.fsdecode(b"\xfc")
        assert train("--data", folder, "--cond", "--kimg", 0.016, "--out", out).status == 0
        config = read_config(only(out))
        assert config["classes"] == ["b", "\\udce4"]
        assert len(config["training"]["held_out"]) == HOLDOUT
        assert train("--resume", "--kimg", 0.032, "--out", out).status == 0

    def test_held_out_images_are_listed_in_a_file_that_only_the_start_reads(self, train: Train, pictures, tmp_path):
        listed = Path("listed.txt")
        listed.write_text("a/00.png\nb/07.png\na/02.png\n")
        assert train("--holdout", listed, "--kimg", 0.016).status == 0
        training = read_config(only("runs"))["training"]
        assert training["held_out"] == [public_name(name) for name in ("a/00.png", "a/02.png", "b/07.png")]
        assert "--holdout listed.txt" in training["command"]
        listed.unlink()
        assert train("--resume", "--kimg", 0.032).status == 0

    def test_duplicates_are_reported_and_kept(self, train: Train, pictures, tmp_path):
        folder = Path(shutil.copytree(pictures, tmp_path / "twice"))
        shutil.copy(folder / "a" / "00.png", folder / "a" / "again.png")
        ended = train("--data", folder, "--kimg", 0.016)
        assert "a/again.png equals a/00.png" in ended.err
        assert f"{COUNT + 1 - HOLDOUT} pictures" in ended.out

    def test_grey_among_colours_and_small_ones_are_used(self, train: Train, pictures, tmp_path):
        folder = Path(shutil.copytree(pictures, tmp_path / "mixed"))
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(folder / "a" / "grey.png")
        Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(folder / "a" / "small.png")
        ended = train("--data", folder, "--kimg", 0.016)
        assert f"{COUNT + 2 - HOLDOUT} pictures" in ended.out
        assert "enlarged: 1, smaller than 8 px" in ended.err

    @pytest.fixture
    def bad(self, tmp_path) -> dict[str, Path]:
        """Things that are no data."""
        places = {name: tmp_path / name for name in ("empty", "text", "archive.zip", "file", "nothing")}
        places["empty"].mkdir()
        places["text"].mkdir()
        (places["text"] / "a.png").write_text("not a picture")
        with zipfile.ZipFile(places["archive.zip"], "w") as archive:
            archive.writestr("../a.png", b"")
        places["file"].write_text("neither")
        return places

    @pytest.mark.parametrize(
        ("place", "complaint"),
        [
            ("empty", "holds no images: give a folder"),
            ("text", "none of its 1 files is usable (a.png: "),
            ("archive.zip", "'../a.png', a name outside the archive"),
            ("file", "neither a folder nor a zip file"),
            ("nothing", "No such file or directory: give a folder"),
        ],
    )
    def test_data_that_cannot_be_used_is_one_line(self, train: Train, bad, place, complaint):
        ended = train("--data", bad[place])
        assert ended.status == 2
        line = ended.err.splitlines()[-1]
        assert line.startswith("error: ")
        assert str(bad[place]) in line
        assert complaint in line
        assert not Path("runs").exists()

    @pytest.mark.parametrize(
        ("words", "complaint"),
        [
            ("--resolution 48", "--resolution 48: "),
            ("--loss lsgan", "--loss 'lsgan': "),
            ("--holdout 25", "--holdout 25: give a number from 0 to 24"),
            ("--holdout nowhere", "/nowhere: No such file or directory: give a number or a file of names"),
            ("--start-resolution 16", "--start-resolution 16: start_resolution 16 is above resolution 8"),
            ("--fmap-base 3", "--fmap-base 3: leaves no feature map at 8 px; give at least 4"),
            ("--out file", "/file: "),
            ("--out file/deeper", "/file is not a folder; give another folder"),
            ("--out /proc/nowhere", "--out /proc/nowhere: "),
            ("--resume nowhere", "/nowhere: is not a run folder"),
            ("--resume file", "/file: is not a run folder"),
            ("--resume", "--resume: there is no run in "),
            ("--resume ~nobody-of-this-name", "~nobody-of-this-name"),
            ("--init-from " + 300 * "x", "xxx"),
            ("--data " + 300 * "x", "xxx"),
        ],
    )
    def test_options_that_cannot_be_used_are_one_line(self, train: Train, words, complaint):
        Path("file").write_text("x")
        ended = train(*words.split())
        assert ended.status == 2
        assert complaint in ended.error
        assert not Path("runs").exists()
        assert Path("file").read_text() == "x"

    def test_a_cache_that_cannot_be_written(self, train: Train, pictures, tmp_path):
        Path("file").write_text("x")
        folder = shutil.copytree(pictures, tmp_path / "other")
        ended = train("--data", folder, "--cache", "file")
        assert ended.status == 2
        assert f"the cache folder {Path('file').absolute()} cannot be written" in ended.error

    def test_a_run_of_another_program(self, train: Train, copy_stylegan):
        ended = train("--resume")
        assert ended.error.startswith(f"--resume {copy_stylegan}: is a run of train/stylegan.py, ")
        assert "NETWORK=stylegan" in ended.error

    def test_a_run_folder_that_cannot_be_written(self, train: Train, copy):
        (copy / "log.txt").unlink()
        (copy / "log.txt").mkdir()
        ended = train("--resume")
        assert ended.status == 1
        assert ended.error.startswith(f"{copy / 'log.txt'}: cannot be written (Is a directory); ")
