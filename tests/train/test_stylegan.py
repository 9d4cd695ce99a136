"""Whole runs of train/stylegan.py: what is its own, and that it shares the rest with train/progan.py."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from stylegrow.common.images import to_uint8
from stylegrow.models import load_discriminator, load_generator, read_config
from stylegrow.rendering import grids as pixels
from tests.train.runs import Train, last_checkpoint, last_state, only, options, statistics, timeless
from train.run import checkpoints
from train.step.random_streams import RandomStreams

GROWING = ("--start-resolution", 4)  # pictures of 8 px are where it begins else


def test_a_run_folder_holds_a_model_that_draws(finished_stylegan: Path):
    assert finished_stylegan.name == "00000-stylegan-noise8"
    config = read_config(finished_stylegan)
    assert config["architecture"] == "stylegan"
    assert [config["generator"][name] for name in ("z_dim", "w_dim", "mapping_fmaps")] == [8, 8, 8]
    assert config["training"]["resolution"] == 8
    assert {line["resolution"] for line in statistics(finished_stylegan)} == {8}
    assert load_generator(finished_stylegan)(torch.zeros(1, 8), psi=0.5, noise="const").shape == (1, 3, 8, 8)
    assert "StyleGAN" in (finished_stylegan / "model" / "README.md").read_text()


def test_the_mean_w_is_saved_with_the_model(finished_stylegan: Path):
    state = last_checkpoint(finished_stylegan).tensors
    w_avg = load_generator(finished_stylegan).state_dict()["w_avg"]
    assert w_avg.abs().min() > 0
    assert torch.equal(w_avg, state["average.w_avg"])
    assert torch.equal(w_avg, state["generator.w_avg"])


def test_grids_are_drawn_with_the_model_s_own_noise(finished_stylegan: Path):
    latents = RandomStreams(0).latents("snapshot", 0, 96, 8)
    # As in training: some processors round batches of other sizes, and weights laid out otherwise, differently.
    network = load_generator(finished_stylegan).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        images = torch.cat([network(part, noise="const") for part in latents.split(32)])
    shown = np.asarray(Image.open(finished_stylegan / "fakes000000_400.png"))
    assert np.array_equal(shown, np.asarray(pixels.grid(to_uint8(images), 12)))


@pytest.mark.parametrize(
    "words",
    ["--cond --mirror", "--loss ns-r1 --n-critic 2 --batch-per-device 4 --seed 7", "--mixed-precision bf16"],
)
def test_stopping_and_going_on_gives_the_same_bits(train: Train, words):
    """Stopped twice, once in a fade."""
    for out, stops in (("straight", []), ("stopped", [0.048, 0.16])):
        for kimg, resume in zip([*stops, 0.24], [None, *stops], strict=False):
            given = ["--resume"] if resume else [*words.split(), *GROWING]
            assert train(*given, "--out", out, "--kimg", kimg, architecture="stylegan").status == 0
    assert last_state(only("straight")) == last_state(only("stopped"))
    assert [line["resolution"] for line in statistics(only("straight"))] == [4, 8, 8]
    assert last_checkpoint(only("straight")).tensors["average.w_avg"].abs().min() > 0


def test_labels_from_end_to_end(train: Train):
    ended = train("--cond", "--kimg", 0.2, architecture="stylegan")
    assert ended.status == 0
    assert "labels: class, 2 classes" in ended.out
    run = only("runs")
    assert not any("label" in name for name in statistics(run)[-1])
    assert load_discriminator(run).output.weight.shape[0] == 2
    generator = load_generator(run)
    z = torch.randn(2, 8)
    first, second = (generator(z, torch.eye(2)[[label, label]], noise="const") for label in (0, 1))
    assert not torch.equal(first, second)


def test_without_cond_labels_are_only_mentioned(train: Train):
    ended = train("--kimg", 0.016, architecture="stylegan")
    assert "note: the data has labels (class); --cond trains with them" in ended.out
    assert read_config(only("runs"))["generator"]["label_dim"] == 0


def test_a_dry_run_counts_both_networks(train: Train):
    ended = train("--dry-run", architecture="stylegan")
    assert ended.status == 0
    assert "--start-resolution: 8\n" in ended.out
    assert " parameters, critic " in ended.out
    assert not Path("runs").exists()


def test_training_starts_from_a_model_with_its_mean_w(train: Train, copy_stylegan):
    words = ("--init-from", copy_stylegan, "--lr", 1e-30, "--kimg", 0.016, "--out", "new")
    assert train(*words, architecture="stylegan").status == 0
    begun, ended = (load_generator(run).state_dict() for run in (copy_stylegan, only("new")))
    for name, before in begun.items():
        if name != "w_avg":
            assert torch.equal(ended[name], before)
    # Two half-steps have moved it by a hundredth.
    moved = (ended["w_avg"] - begun["w_avg"]).norm() / begun["w_avg"].norm()
    assert 0 < moved < 0.1


@pytest.mark.parametrize(("model", "other"), [("progan", "stylegan"), ("stylegan", "progan")])
def test_a_model_or_run_of_the_other_architecture_is_refused(train: Train, copy, copy_stylegan, model, other):
    run = {"progan": copy, "stylegan": copy_stylegan}[model]
    ended = train("--init-from", run, "--out", "new", architecture=other)
    assert ended.status == 2
    assert ended.error == f"--init-from {run}: is a model of {model}; take one of {other}"
    ended = train("--resume", run, architecture=other)
    assert ended.error.startswith(f"--resume {run}: is a run of train/{model}.py, ")
    assert f"NETWORK={model}" in ended.error


def test_each_command_has_presets_of_its_own(train: Train):
    ended = train("--preset", "v2-1gpu", architecture="stylegan")
    names = "stylegan-1gpu, stylegan-2gpus, stylegan-4gpus, stylegan-8gpus, toonhead, calorimeter, "
    names += "small, toonhead-gpu, small-gpu, dcgan, wgan, wgan-gp, r1, sngan"
    assert ended.error == f"--preset v2-1gpu: there is none of this name; use one of {names}"
    assert train("--preset", "stylegan-1gpu").status == 2
    assert train("--preset", "stylegan-8gpus", "--kimg", 0.016, architecture="stylegan").status == 0
    assert options(only("runs"))["preset"] == "stylegan-8gpus"


def test_equal_weights_are_equal_bytes(train: Train, finished_stylegan, copy_stylegan):
    shutil.rmtree(checkpoints.checkpoints_in(copy_stylegan / "checkpoints")[0])
    assert train("--resume", architecture="stylegan").status == 0
    assert timeless(copy_stylegan / "model") == timeless(finished_stylegan / "model")
    assert json.loads((copy_stylegan / "options.json").read_text())["architecture"] == "stylegan"
