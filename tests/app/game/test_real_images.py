"""The game's real pictures: the held-out ones of a training, or a folder's, prepared as for training."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

import progan
from app.game.real_images import LEAST, MISSING, at_stage, find_real_images
from stylegrow.common.errors import InputError
from stylegrow.data import open_dataset
from stylegrow.models import save_model
from stylegrow.sampling.sampler import Sampler
from train.step.batch_loader import to_reals

FACES = [f"toonhead-{number:05d}" for number in range(3, 3 + LEAST)]


@pytest.fixture
def model(tmp_path: Path) -> Callable[..., Sampler]:
    """A sampler of a small ProGAN with these facts of its training."""

    def make(folder: str = "model", resolution: int = 16, channels: int = 3, classes=(), **training) -> Sampler:
        network = progan.Generator(
            resolution, z_dim=8, fmap_base=64, fmap_max=8, image_channels=channels, label_dim=len(classes)
        )
        save_model(tmp_path / folder, network, training=training, classes=classes)
        return Sampler(str(tmp_path / folder), "cpu")

    return make


def photographs(folder: Path, count: int = LEAST, size=(40, 30)) -> Path:
    folder.mkdir(parents=True)
    for number in range(count):
        pixels = np.random.RandomState(number).randint(0, 256, (*size[::-1], 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"photo-{number:03d}.png")
    return folder


def drawn(reals, seen=(), seed=0):
    return reals.draw(set(seen), random.Random(seed))


def test_held_out_faces_are_drawn_as_their_data_set_has_them(model, tmp_path):
    reals = find_real_images(model(data="toonhead, 9900 pictures", held_out=FACES))
    assert (reals.count, reals.noun, reals.labels) == (LEAST, "face", None)
    dataset = open_dataset("toonhead", resolution=16, count=3 + LEAST, cache=tmp_path / "cache", quiet=True)
    for index in (0, 7, LEAST - 1):
        place = dataset.names.index(FACES[index])
        np.testing.assert_array_equal(reals.image(index).transpose(2, 0, 1), dataset.read(np.array([place]), 16)[0])


def test_held_out_showers_are_simulated_as_their_data_set_has_them(model, tmp_path):
    held_out = [f"calorimeter-{number:05d}" for number in range(2, 2 + LEAST)]
    reals = find_real_images(model(data="calorimeter, 60 pictures", held_out=held_out, labels="electron"))
    assert (reals.count, reals.noun, reals.labels) == (LEAST, "shower", None)
    dataset = open_dataset("calorimeter", resolution=16, count=2 + LEAST, cache=tmp_path / "cache", quiet=True)
    np.testing.assert_array_equal(reals.image(4).transpose(2, 0, 1), dataset.read(np.array([6]), 16)[0])


def test_faces_of_a_model_with_classes_know_theirs(model):
    from stylegrow.data.sources import toonhead

    classes = toonhead.classes("hair_color")
    reals = find_real_images(model(classes=classes, data="toonhead, 9 pictures", labels="hair_color", held_out=FACES))
    assert [classes[label] for label in reals.labels] == [
        toonhead.attributes(number)["hair_color"] for number in range(3, 3 + LEAST)
    ]


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"held_out": "all"},
        {"held_out": FACES[:-1], "data": "toonhead, 9 pictures"},
        {"held_out": [*FACES[:-1], 3], "data": "toonhead, 9 pictures"},
        {"held_out": FACES, "data": "mine, 9 pictures"},  # files that happen to be called so, in a folder that is gone
        {"held_out": [f"{name}.png" for name in FACES], "data": "toonhead, 9 pictures"},  # a user's folder of this name
    ],
)
def test_a_model_without_pictures_at_hand_asks_for_some(model, facts):
    with pytest.raises(InputError) as caught:
        find_real_images(model(**facts))
    assert str(caught.value).startswith(MISSING)
    assert ("mine, 9 pictures" in str(caught.value)) == (facts.get("data") == "mine, 9 pictures")
    assert MISSING == "The game needs real photos: start the app with --real-images DIR (at least 20)."


def run_with(tmp_path, model, folder, **changes):
    """A run folder's model, the data set that it names, and its held-out pictures."""
    source = photographs(tmp_path / "photos", 60, (24, 20))
    dataset = open_dataset(source, resolution=16, cache=tmp_path / "cache", workers=1, quiet=True)
    held_out = [dataset.names[index] for index in dataset.split()[1]]
    data = {"prepared": str(dataset.path), "held_out": held_out} | changes
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "options.json").write_text(json.dumps({"data": data}))
    sampler = model(folder, data="photos, 40 pictures", held_out=held_out)
    return sampler, dataset, held_out


@pytest.mark.parametrize("folder", ["run/model", "run/models/000100"])
def test_held_out_pictures_of_a_run_come_from_its_data_set(tmp_path, model, folder):
    sampler, dataset, held_out = run_with(tmp_path, model, folder)
    reals = find_real_images(sampler)
    assert (reals.count, reals.noun) == (LEAST, "picture")
    for index in (0, LEAST - 1):
        place = dataset.names.index(held_out[index])
        np.testing.assert_array_equal(reals.image(index).transpose(2, 0, 1), dataset.read(np.array([place]), 16)[0])


@pytest.mark.parametrize("changes", [{"prepared": "/nowhere"}, {"held_out": ["a.png"] * LEAST}, {"prepared": 3}])
def test_a_run_whose_data_is_gone_asks_for_pictures(tmp_path, model, changes):
    sampler, _, _ = run_with(tmp_path, model, "run/model", **changes)
    with pytest.raises(InputError, match="The game needs real photos"):
        find_real_images(sampler)


def test_a_folder_of_pictures(tmp_path, model):
    folder = photographs(tmp_path / "photos", 30)
    (folder / "notes.txt").write_text("no picture")
    sampler = model(held_out=FACES, data="toonhead, 9 pictures")  # the user's choice goes first
    reals = find_real_images(sampler, folder)
    assert (reals.count, reals.noun) == (30, "picture")
    dataset = open_dataset(folder, resolution=16, cache=tmp_path / "cache", workers=1, quiet=True)
    ours = np.stack([reals.image(index).transpose(2, 0, 1) for index in range(30)])
    np.testing.assert_array_equal(ours, dataset.read(np.arange(30), 16))


def test_a_prepared_folder_of_pictures(tmp_path, model):
    source = photographs(tmp_path / "photos", 25)
    dataset = open_dataset(source, resolution=32, cache=tmp_path / "cache", workers=1, quiet=True)
    reals = find_real_images(model(), dataset.path)
    assert reals.count == 25
    np.testing.assert_array_equal(reals.image(4).transpose(2, 0, 1), dataset.read(np.array([4]), 16)[0])
    with pytest.raises(InputError, match="give pictures of 16 px with 1 channels"):
        find_real_images(model("grey", channels=1), dataset.path)


def test_a_grey_model_gets_grey_pictures(tmp_path, model):
    reals = find_real_images(model(channels=1), photographs(tmp_path / "photos"))
    assert reals.image(0).shape == (16, 16, 1)


@pytest.mark.parametrize("count", [0, 19])
def test_a_folder_of_too_few_is_refused_at_once(tmp_path, model, count):
    folder = photographs(tmp_path / "photos", count)
    for number in range(5):
        (folder / f"broken-{number}.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    with pytest.raises(InputError) as caught:
        find_real_images(model(), folder)
    assert str(caught.value).startswith(f"{MISSING} --real-images {folder} has {count} that can be used (one cannot: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["missing", "a\nfile.txt", "empty"])
def test_what_is_no_folder_of_pictures_is_refused(tmp_path, model, name):
    (tmp_path / "a\nfile.txt").write_text("x")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError) as caught:
        find_real_images(model(), tmp_path / name)
    assert str(caught.value).startswith(MISSING)
    assert "--real-images" in str(caught.value)[len(MISSING) :]
    assert "\n" not in str(caught.value)


def test_no_picture_repeats_until_all_were_seen(tmp_path, model):
    """Rule 5."""
    reals, rng = find_real_images(model(), photographs(tmp_path / "photos")), random.Random(0)
    orders = []
    for _ in range(2):
        seen, order = set(), []
        for _ in range(2 * LEAST):
            index, _ = reals.draw(seen, rng)
            seen.add(index)
            order.append(index)
        assert sorted(order[:LEAST]) == sorted(order[LEAST:]) == list(range(LEAST))
        orders.append(order)
    assert len({tuple(order[:LEAST]) for order in orders} | {tuple(orders[0][LEAST:])}) == 3


def test_pictures_that_break_later_are_passed_over(tmp_path, model):
    folder = photographs(tmp_path / "photos", 25)
    reals = find_real_images(model(), folder)
    for number in range(24):
        (folder / f"photo-{number:03d}.png").write_bytes(b"\x89PNG")
    assert [drawn(reals, {24}, seed)[0] for seed in range(3)] == [24] * 3
    (folder / "photo-024.png").unlink()
    with pytest.raises(InputError, match="The game needs real photos"):
        drawn(reals)


@pytest.mark.parametrize(("resolution", "alpha"), [(32, 1.0), (16, 1.0), (16, 0.25), (8, 0.5), (4, 0.5)])
@pytest.mark.parametrize("roots", [None, (True, True, False)])
def test_a_growing_model_meets_reals_as_its_critic_did(resolution, alpha, roots):
    """Rule 2: a picture at a stage is what training showed the critic there."""
    pixels = np.random.RandomState(0).randint(0, 256, (3, 32, 32)).astype(np.uint8)
    blocks, by_channel = 32 // resolution, np.reshape(roots or (False,) * 3, (3, 1, 1))
    power, counted = np.where(by_channel, 2, 1), (pixels > 0) | by_channel | (roots is None)
    shape = (3, resolution, blocks, resolution, blocks)
    sums, counts = (one.reshape(shape).sum(axis=(2, 4)) for one in (pixels.astype(float) ** power, counted))
    mean = sums / np.maximum(counts, 1)
    level = np.rint(mean ** (1 / power))
    seen = to_reals(torch.from_numpy(level)[None], None, alpha, roots)[0].numpy()
    ours = at_stage(pixels, resolution, alpha, roots).transpose(2, 0, 1)
    assert np.abs(ours / 127.5 - 1 - seen).max() <= 0.5 / 127.5 + 1e-6


def test_the_stage_is_the_engines(tmp_path, model):
    sampler = model(resolution=32)
    sampler.resolution, sampler.alpha = 8, 0.5
    reals = find_real_images(sampler, photographs(tmp_path / "photos"))
    full = find_real_images(SimpleNamespace(generator=sampler.generator, resolution=32, alpha=1.0), tmp_path / "photos")
    expected = at_stage(full.image(3).transpose(2, 0, 1), 8, 0.5)
    np.testing.assert_array_equal(reals.image(3), expected)
