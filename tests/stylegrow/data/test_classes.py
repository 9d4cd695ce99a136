"""Labels of every kind of source make no empty classes, and where they cannot be read the images still can."""

import json
from pathlib import Path

import numpy as np
import pytest

from stylegrow.data import open_dataset
from tests.stylegrow.data.image_files import folder_of, idx, noise

NUMBERS = [1, 2, 7, 2, 7, 1]  # from 1 up, and not all of them


def pixels() -> np.ndarray:
    return np.stack([noise((8, 8), seed, 1) for seed in range(len(NUMBERS))])


def json_table(folder: Path, labels) -> Path:
    folder_of(folder, len(NUMBERS))
    content = json.dumps({"labels": [[f"{i:04d}.png", int(label)] for i, label in enumerate(labels)]})
    (folder / "dataset.json").write_text(content)
    return folder


def numpy_file(folder: Path, labels) -> Path:
    np.savez(folder / "a.npz", images=pixels(), labels=np.array(labels))
    return folder / "a.npz"


def idx_files(folder: Path, labels) -> Path:
    (folder / "train-images-idx3-ubyte").write_bytes(idx(pixels()))
    (folder / "train-labels-idx1-ubyte").write_bytes(idx(np.array(labels, np.uint8)))
    return folder


@pytest.mark.parametrize("save", [json_table, numpy_file, idx_files])
def test_numbers_from_1_up_or_with_gaps_make_no_empty_classes(tmp_path, save):
    (tmp_path / "images").mkdir()
    dataset = open_dataset(save(tmp_path / "images", NUMBERS), cache=tmp_path / "cache", quiet=True)
    assert dataset.classes("class") == ("1", "2", "7")
    assert dataset.labels("class").argmax(axis=1).tolist() == [0, 1, 2, 1, 2, 0]


def broken_table(folder: Path) -> Path:
    (json_table(folder, NUMBERS) / "dataset.json").write_bytes(b'{"labels": [["\xff')
    return folder


def folder_for_table(folder: Path) -> Path:
    folder_of(folder, len(NUMBERS))
    (folder / "dataset.json").mkdir()
    return folder


def pickled_labels(folder: Path) -> Path:
    np.savez(folder / "a.npz", images=pixels(), labels=np.array([1, "a", None, 2, 3, 4], object))
    return folder / "a.npz"


def cut_labels(folder: Path) -> Path:
    path = idx_files(folder, NUMBERS) / "train-labels-idx1-ubyte"
    path.write_bytes(path.read_bytes()[:-1])
    return folder


@pytest.mark.parametrize("save", [broken_table, folder_for_table, pickled_labels, cut_labels])
def test_labels_that_cannot_be_read_leave_the_images(tmp_path, save):
    (tmp_path / "images").mkdir()
    dataset = open_dataset(save(tmp_path / "images"), cache=tmp_path / "cache", quiet=True)
    assert len(dataset) == len(NUMBERS)
    assert dataset.attributes == ()
    assert dataset.choices.startswith("it has no labels")
