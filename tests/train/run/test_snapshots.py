"""Grids of samples and model folders: what they show, and that equal weights are equal bytes."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from stylegrow.common.errors import RunError
from stylegrow.common.images import to_uint8
from stylegrow.models import load_discriminator, load_generator, read_config
from stylegrow.rendering import grids as pixels
from tests.train.runs import Train, last_checkpoint, only, timeless
from train.run import checkpoints
from train.run.snapshots import grid_shape, name_at
from train.step.random_streams import RandomStreams
from train.step.trainer import Trainer

FILES = ("model.safetensors", "discriminator.safetensors", "config.json", "README.md")


@pytest.mark.parametrize(
    ("resolution", "columns", "rows"), [(4, 12, 8), (64, 12, 8), (128, 7, 5), (256, 3, 2), (1024, 3, 2)]
)
def test_grids_hold_as_many_as_fit(resolution, columns, rows):
    assert grid_shape(resolution) == (columns, rows)


def test_the_model_is_the_averaged_generator(finished: Path):
    state = last_checkpoint(finished).tensors
    generator, discriminator = load_generator(finished), load_discriminator(finished)
    for network, name in ((generator, "average"), (discriminator, "discriminator")):
        for key, value in network.state_dict().items():
            assert torch.equal(value, state[f"{name}.{key}"])
    assert any(not torch.equal(value, state[f"generator.{key}"]) for key, value in generator.state_dict().items())


def test_the_last_grid_is_what_the_model_draws(finished: Path):
    latents = RandomStreams(0).latents("snapshot", 0, 96, 8)
    with torch.inference_mode():
        images = load_generator(finished)(latents)
    shown = np.asarray(Image.open(finished / "fakes000000_400.png"))
    assert np.array_equal(shown, np.asarray(pixels.grid(to_uint8(images), 12)))


def test_a_model_has_filters_once_they_are_used(train: Train):
    """After 190 images; there are snapshots at 0, 208 and 400."""
    assert train("--blur", 0.19).status == 0
    run, latents = only("runs"), RandomStreams(0).latents("snapshot", 0, 96, 8)
    for name, filtered, alpha in (
        ("000000", None, 1.0),
        ("000000_208", [1, 2, 1], None),
        ("000000_400", [1, 2, 1], 1.0),
    ):
        folder = run / "models" / name
        generator = load_generator(folder)
        assert generator.config.blur_filter == load_discriminator(folder).config.blur_filter == filtered
        if alpha:
            with torch.inference_mode():
                images = generator(latents, resolution=read_config(folder)["training"]["resolution"])
            shown = np.asarray(Image.open(run / f"fakes{name}.png"))
            assert np.array_equal(shown, np.asarray(pixels.grid(to_uint8(images), 12, size=8)))


def test_reals_are_pictures_of_the_data(finished: Path, pictures: Path):
    shown = np.asarray(Image.open(finished / "reals.png"))
    tiles = {shown[8 * y : 8 * y + 8, 8 * x : 8 * x + 8].tobytes() for y in range(4) for x in range(12)}
    files = {np.asarray(Image.open(path)).tobytes() for path in pictures.rglob("*.png")}
    assert len(tiles & files) == 40


def test_the_config_tells_of_the_training(finished: Path):
    config = read_config(finished)
    facts = config["training"]
    assert (facts["resolution"], facts["alpha"], facts["kimg"]) == (8, 1.0, 0.4)
    assert (facts["objective"], facts["precision"], facts["seed"]) == ("wgan-gp", "no", 0)
    assert len(facts["held_out"]) == 8
    assert facts["data"] == "noise, 40 pictures"


def test_equal_weights_are_equal_bytes(train: Train, finished, copy):
    """Of a run in another folder, stopped and gone on with, in which everything else was the same."""
    shutil.rmtree(checkpoints.checkpoints_in(copy / "checkpoints")[0])
    for name in FILES:
        (copy / "model" / name).write_bytes((copy / "models" / "000000_400" / name).read_bytes())
    assert train("--resume").status == 0
    assert timeless(copy / "model") == timeless(finished / "model")
    assert sorted(timeless(copy / "model")) == sorted(FILES)


def test_snapshots_and_models_are_kept_as_told(train: Train):
    """Every 2,000 images, with steps of 500."""
    words = ["--batch", "500", "--kimg", "9", "--snapshot-kimg", "2", "--checkpoint-kimg", "3"]
    assert train(*words, "--keep-models", 2, "--out", "two").status == 0
    run = only("two")
    assert sorted(path.name for path in (run / "models").iterdir()) == ["000008", "000009"]
    assert sorted(path.name for path in run.glob("fakes*")) == [f"fakes{n:06d}.png" for n in (0, 2, 4, 6, 8, 9)]
    assert len({Image.open(path).size for path in run.glob("fakes*")}) == 1
    assert [path.name for path in checkpoints.checkpoints_in(run / "checkpoints")] == ["000000009000", "000000006000"]
    kimg = [read_config(run / "models" / name)["training"]["kimg"] for name in ("000008", "000009")]
    assert kimg == [8, 9]
    assert read_config(run)["training"]["kimg"] == 9

    # Back to 6,000: what was kept of the time after it is not counted as newer.
    (checkpoints.checkpoints_in(run / "checkpoints")[0] / "state.json").unlink()
    assert train("--resume", run, "--kimg", 8).status == 0
    assert [path.name for path in (run / "models").iterdir()] == ["000008"]


def test_snapshots_less_than_a_kimg_apart_do_not_replace_each_other(finished: Path):
    """At 0, 208 and 400 images, in order also by name."""
    kimg = [0, 0.208, 0.4]
    models, grids = sorted((finished / "models").iterdir()), sorted(finished.glob("fakes*"))
    assert [read_config(path)["training"]["kimg"] for path in models] == kimg
    assert [float(Image.open(path).text["kimg"]) for path in grids] == kimg  # type: ignore[attr-defined]


@given(st.lists(st.integers(0, 30_000), unique=True))
@settings(derandomize=True, deadline=None)
def test_names_sort_as_the_images_do(images):
    for end in ("", ".png"):
        assert sorted(name_at(one) + end for one in images) == [name_at(one) + end for one in sorted(images)]


def test_the_model_is_there_before_the_first_step(train: Train, monkeypatch):
    def step(*arguments):
        raise RunError("no step")

    monkeypatch.setattr(Trainer, "step", step)
    assert train().error == "no step"
    run = only("runs")
    assert read_config(run)["training"]["kimg"] == 0
    assert read_config(run)["training"]["resolution"] == 4
    assert load_generator(run)(torch.zeros(1, 8), resolution=4).shape == (1, 3, 4, 4)
    assert (run / "fakes000000.png").exists()


def test_no_models_are_kept_where_none_are_wanted(train: Train):
    assert train("--keep-models", 0, "--kimg", 0.032).status == 0
    run = only("runs")
    assert not (run / "models").exists()
    load_generator(run)


def test_labelled_samples_keep_their_labels(train: Train):
    assert train("--cond", "--kimg", 0.032).status == 0
    run = only("runs")
    config = read_config(run)
    assert config["classes"] == ["a", "b"]
    assert config["training"]["labels"] == "class"
    assert config["generator"]["label_dim"] == config["discriminator"]["label_dim"] == 2
    assert json.loads((run / "options.json").read_text())["data"]["classes"] == ["a", "b"]
    assert "class" in (run / "model" / "README.md").read_text()
