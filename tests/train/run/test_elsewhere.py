"""A run goes on where its images, or what was prepared of them, lie elsewhere; with other images it does not."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stylegrow.data import open_dataset
from tests.train.runs import Train, last_state, only, options
from train.config.images import Images


@pytest.fixture
def place(train: Train, pictures, tmp_path) -> Path:
    """A folder of images with a run on them beside it, and an empty cache from here on."""
    shutil.copytree(pictures, tmp_path / "noise")
    assert train("--data", tmp_path / "noise", "--cache", tmp_path / "cache", "--kimg", 0.2).status == 0
    shutil.rmtree(tmp_path / "cache")
    return tmp_path


def touch(folder: Path) -> None:
    os.utime(folder / "a" / "00.png", ns=(1, 1))


def copy_anew(folder: Path) -> None:
    shutil.copytree(folder, folder.with_name("other"))
    shutil.rmtree(folder)
    shutil.copytree(folder.with_name("other"), folder)


def link(folder: Path) -> None:
    folder.rename(folder.with_name("other"))
    folder.symlink_to(folder.with_name("other"))


@pytest.mark.parametrize("move", [touch, copy_anew, link])
def test_images_in_their_place_are_the_same(train: Train, finished, place, move):
    move(place / "noise")
    assert train("--resume", "--kimg", 0.4).status == 0
    assert last_state(only("runs")) == last_state(finished)


def test_moved_images_and_another_cache_are_given(train: Train, finished, place):
    moved, run = (place / "noise").rename(place / "moved"), only("runs")
    before = json.loads((run / "options.json").read_text())["data"]
    ended = train("--resume", "--kimg", 0.4, "--data", moved, "--cache", place / "new")
    assert ended.status == 0
    assert last_state(run) == last_state(finished)
    data = json.loads((run / "options.json").read_text())["data"]
    assert f"note: the images are now in {moved}; they were in {place / 'noise'}\n" in ended.out
    assert f"note: prepared images are now in {data['prepared']}; they were in {before['prepared']}\n" in ended.out
    assert f"note: --cache is now {place / 'new'}; it was {place / 'cache'}\n" in ended.out
    assert (data["source"], Path(data["prepared"]).parent) == (str(moved), place / "new")
    assert data | {"source": "", "prepared": ""} == before | {"source": "", "prepared": ""}
    assert [options(run)[name] for name in ("data", "cache")] == [str(moved), str(place / "new")]
    shutil.rmtree(moved)
    assert train("--resume", "--kimg", 0.416).status == 0


def test_a_prepared_folder_is_given(train: Train, finished, place):
    prepared = open_dataset(place / "noise", cache=place / "elsewhere", quiet=True).path
    assert train("--resume", "--kimg", 0.4, "--data", prepared).status == 0
    assert last_state(only("runs")) == last_state(finished)


def test_one_that_was_prepared_otherwise_is_refused(train: Train, place):
    prepared = open_dataset(place / "noise", cache=place / "elsewhere", fit="stretch", quiet=True).path
    ended = train("--resume", "--data", prepared)
    assert ended.status == 2
    assert "is prepared with fit stretch, the run's images with crop; " in ended.error


def test_a_run_on_a_larger_prepared_set_goes_on_with_its_images(train: Train, pictures, tmp_path):
    """Prepared at 8 px, trained on at 4: prepared at 8 px again."""
    prepared = open_dataset(pictures, cache=tmp_path / "cache", quiet=True).path
    words = ("--resolution", 4, "--fmap-base", 8, "--cache", tmp_path / "other")
    for out, kimg in (("straight", 0.064), ("stopped", 0.032)):
        assert train("--data", prepared, *words, "--out", out, "--kimg", kimg).status == 0
    shutil.rmtree(tmp_path / "cache")
    assert train("--resume", "--out", "stopped", "--kimg", 0.064, "--data", pictures).status == 0
    assert last_state(only("straight")) == last_state(only("stopped"))


def replace_image(folder: Path) -> str:
    pixels = np.asarray(Image.open(folder / "b" / "03.png")).copy()
    pixels[0, 0, 0] ^= 1
    Image.fromarray(pixels).save(folder / "b" / "03.png")
    Image.fromarray(pixels).save(folder / "b" / "05.png")
    return "b/03.png is another image than that of the run"


def remove_image(folder: Path) -> str:
    (folder / "a" / "02.png").unlink()
    return "a/02.png is missing, or cannot be used"


def break_image(folder: Path) -> str:
    (folder / "a" / "02.png").write_bytes(b"?")
    return "a/02.png is missing, or cannot be used"


def add_image(folder: Path) -> str:
    shutil.copy(folder / "a" / "02.png", folder / "a" / "021.png")
    return "a/021.png is not among the images of the run"


def rename_image(folder: Path) -> str:
    (folder / "a" / "04.png").rename(folder / "a" / "01.png")
    return "a/01.png is not among the images of the run"


@pytest.mark.parametrize("change", [replace_image, remove_image, break_image, add_image, rename_image])
def test_other_images_are_refused_and_the_first_is_named(train: Train, place, change):
    run = only("runs")
    before = last_state(run)
    difference = change(place / "noise")
    ended = train("--resume", "--kimg", 0.4)
    assert ended.status == 2
    assert f"error: --data {place / 'noise'}: {difference}; " in ended.err
    assert last_state(run) == before


def test_other_labels_are_refused(train: Train, pictures, tmp_path):
    shutil.copytree(pictures, tmp_path / "noise")
    labels = [[f"{name}/{number:02d}.png", number % 2] for number, name in enumerate(24 * "ab")]
    table = tmp_path / "noise" / "dataset.json"
    table.write_text(json.dumps({"labels": labels}))
    words = ("--data", tmp_path / "noise", "--cache", tmp_path / "cache", "--kimg", 0.032)
    for out, more in (("with", ("--cond",)), ("without", ())):
        assert train(*words, "--out", out, *more).status == 0
    table.write_text(json.dumps({"labels": [*labels[2:], [labels[0][0], 1], [labels[1][0], 0]]}))
    shutil.rmtree(tmp_path / "cache")
    ended = train("--resume", "--out", "with", "--kimg", 0.064)
    assert ended.status == 2
    assert "its labels are others" in ended.err
    assert train("--resume", "--out", "without", "--kimg", 0.064).status == 0


def test_equal_files_that_are_decoded_otherwise_go_on_and_it_is_said_once(train: Train, place):
    """As if an earlier decoder had made other pixels of two images."""
    path = only("runs") / "images.json"
    content = json.loads(path.read_text())
    for row in content["images"][3:5]:
        row[2] = 32 * "0"
    path.write_text(json.dumps(content))
    ended = train("--resume", "--kimg", 0.216)
    assert ended.status == 0
    name = content["images"][3][0]
    assert "note: 2 of 48 images are decoded to other pixels than before" in ended.out
    assert f"(the first: {name})" in ended.out
    assert "decoded" not in train("--resume", "--kimg", 0.232).out


def test_a_run_that_does_not_tell_of_its_images_goes_on(train: Train, finished, place):
    """One that an earlier version began."""
    (only("runs") / "images.json").unlink()
    assert train("--resume", "--kimg", 0.4).status == 0
    assert last_state(only("runs")) == last_state(finished)
    assert (only("runs") / "images.json").is_file()


@pytest.mark.parametrize("change", [{"images": []}, {"images": [["a", "0", "0"]]}, {"settings": {"x": 1}}, None])
def test_a_damaged_list_of_images_is_named(train: Train, copy, change):
    path = copy / "images.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change) if change else "[")
    assert train("--resume").error.startswith(f"--resume: {path} cannot be read (")


def test_names_that_no_encoding_can_write_are_kept(tmp_path):
    digests = np.arange(32, dtype=np.uint8).reshape(2, 16)
    settings = {"resolution": 8, "channels": 3, "fit": "crop", "pad_color": None, "background": "#ffffff"}
    images = Images(settings | {"drop_duplicates": False}, ["a\udcff.png", "b.png"], digests, digests[::-1], None)
    images.write(tmp_path)
    again = Images.read(tmp_path)
    assert again is not None
    assert (again.names, again.settings, again.labels) == (images.names, images.settings, None)
    assert (again.contents == images.contents).all()
    assert (again.pixels == images.pixels).all()
    assert images.check(again, "x") == []
