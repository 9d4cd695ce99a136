"""Images that are arrays already: numpy's files, CIFAR-10, MNIST by its name, the official programs' TFRecords."""

import pickle
import struct
from pathlib import Path

import numpy as np
import pytest

from stylegrow.common.errors import DataError
from stylegrow.data import open_dataset
from stylegrow.data.request import Shape
from stylegrow.data.sources import cifar, find_source
from stylegrow.data.unusable import UnusableError
from tests.stylegrow.data.image_files import cifar_batches, idx, noise, records

COUNT = 6
RGB = np.stack([noise((8, 8), seed) for seed in range(COUNT)])
GREY = RGB[..., 0]


def images_of(source, resolution=8):
    """All images of a source as it is trained on, [N, H, W] or [N, H, W, 3]."""
    channels = source.known[1]
    pixels = np.stack([source.image(i, Shape(resolution, channels)).pixels for i in range(len(source.names))])
    return pixels[:, 0] if channels == 1 else pixels.transpose(0, 2, 3, 1)


def labels_of(source):
    every = np.arange(len(source.names))
    return source.labels(every, np.zeros((len(every), 0), np.int64))


def notes_of(source):
    return " ".join(source.label_notes(np.arange(len(source.names))))


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (GREY, GREY),
        (RGB, RGB),
        (RGB.transpose(0, 3, 1, 2), RGB),
        (GREY[..., None], GREY),
        (GREY[:, None], GREY),
        (GREY.astype(np.uint16) * 257, GREY),
        (GREY > 127, 255 * (GREY > 127)),
        (RGB / 255, RGB),
        (RGB.astype(np.float32) / 127.5 - 1, RGB),
        (RGB.astype(np.int64), RGB),
        (RGB.astype(np.float16), RGB),
        (np.concatenate([RGB, np.full((COUNT, 8, 8, 1), 255, np.uint8)], -1), RGB),
        (np.concatenate([RGB, np.zeros((COUNT, 8, 8, 1), np.uint8)], -1), np.full_like(RGB, 255)),
    ],
)
def test_npy(tmp_path, array, expected):
    np.save(tmp_path / "mine.npy", array)
    source = find_source(tmp_path / "mine.npy")
    assert source.known == (8, 3 if expected.ndim == 4 else 1)
    assert np.array_equal(images_of(source), expected)
    assert labels_of(source) == {}


def test_npy_is_prepared_like_any_other_source(tmp_path):
    np.save(tmp_path / "mine.npy", np.tile(RGB, (12, 1, 1, 1)))
    dataset = open_dataset(tmp_path / "mine.npy", cache=tmp_path / "cache", workers=2, quiet=True)
    assert (dataset.name, len(dataset), dataset.resolution, dataset.channels) == ("mine", 72, 8, 3)
    assert np.array_equal(dataset.read(np.array([3, 70]), 8).transpose(0, 2, 3, 1), RGB[[3, 4]])


@pytest.mark.parametrize(
    ("labels", "names", "values"),
    [
        (np.array([3, 1, 3, 1, 7, 7]), ("1", "3", "7"), [1, 0, 1, 0, 2, 2]),
        (np.array([[0], [1], [0], [1], [0], [1]], np.uint8), ("0", "1"), [0, 1, 0, 1, 0, 1]),
        (np.array([0.0, 2.0, 0.0, 2.0, 0.0, 2.0]), ("0", "2"), [0, 1, 0, 1, 0, 1]),
        (np.array(["cat", "dog", "cat", "dog", "cat", "dog"]), ("cat", "dog"), [0, 1, 0, 1, 0, 1]),
        (np.eye(3)[[0, 2, 0, 2, 0, 2]], ("0", "2"), [0, 1, 0, 1, 0, 1]),
        (np.arange(12.0).reshape(6, 2), ("0", "1"), np.arange(12.0).reshape(6, 2).tolist()),
        (np.array([0.5, 1, 2, 3, 4, 5]), ("0",), [[0.5], [1], [2], [3], [4], [5]]),
    ],
)
@pytest.mark.parametrize("keys", [("images", "labels"), ("x_train", "y_train"), ("arr_0", "arr_1")])
def test_npz_with_labels(tmp_path, labels, names, values, keys):
    np.savez_compressed(tmp_path / "mine.npz", **dict(zip(keys, (RGB, labels), strict=True)), x_test=RGB[:1])
    source = find_source(tmp_path / "mine.npz")
    assert np.array_equal(images_of(source), RGB)
    found, numbers = labels_of(source)["class"]
    assert found == names
    assert numbers.tolist() == values
    assert notes_of(source) == ""


@pytest.mark.parametrize(
    "labels",
    [
        np.arange(5),
        np.zeros((6, 2, 2)),
        np.array([np.nan] * 6),
        np.array([b"a"] * 6),
        np.full((6, 2), 1e300),
        np.array([1e300] * 6),
        np.array([2**63 + 5] * 6, np.uint64),
    ],
)
def test_labels_that_do_not_fit_are_named_and_matter_to_nobody_else(tmp_path, labels):
    np.savez(tmp_path / "mine.npz", images=RGB, labels=labels)
    source = find_source(tmp_path / "mine.npz")
    assert labels_of(source) == {}
    assert f"labels in {tmp_path}/mine.npz" in notes_of(source)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"a": RGB, "b": RGB}, r"holds a, b: name the array of images 'images'"),
        ({"images": RGB[0, 0]}, r"images is \[8, 3\] of uint8"),
        ({"images": RGB[..., :2]}, r"images is \[6, 8, 8, 2\] of uint8"),
        ({"images": RGB[:0]}, "holds 0 images"),
        ({"images": RGB[:, :3]}, "8x3 px"),
        ({"images": RGB * 2.0}, "float64 from .* to .*, a range that is not known"),
        ({"images": GREY.astype("U3")}, "of <U3"),
        ({"images": np.full((2, 8, 8), np.nan)}, "image 0 .*no finite numbers"),
        (
            {"images": np.where(np.arange(600)[:, None, None] == 400, np.nan, np.ones((1, 8, 8)))},
            "image 400 .*no finite",
        ),
    ],
)
def test_arrays_that_are_no_images_are_named(tmp_path, arrays, words):
    np.savez(tmp_path / "mine.npz", **arrays)
    with pytest.raises(DataError, match=rf"mine\.npz.*{words}"):
        find_source(tmp_path / "mine.npz")


@pytest.mark.parametrize("name", ["mine.npy", "mine.npz"])
def test_damaged_numpy_files_are_named(tmp_path, name):
    (np.save if name.endswith("npy") else np.savez)(tmp_path / name, RGB)
    content = (tmp_path / name).read_bytes()
    for damaged in (b"", content[:100], b"?" * 500, pickle.dumps([1, 2])):
        (tmp_path / name).write_bytes(damaged)
        with pytest.raises(DataError, match=rf"{name} cannot be read") as caught:
            find_source(tmp_path / name)
        assert "\n" not in str(caught.value)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home that is not the machine's, and the working folder in it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path


def test_cifar_10(home):
    with pytest.raises(DataError, match=r"^--data cifar-10: is not on this machine .*CIFAR10"):
        find_source("cifar-10")
    pixels = cifar_batches(home / "work/data" / cifar.FOLDER)
    for given in ("cifar-10", home / "work/data" / cifar.FOLDER):
        source = find_source(given)
        assert (source.name, source.known) == ("cifar-10", (32, 3))
        assert np.array_equal(images_of(source, 32), pixels)
        names, numbers = labels_of(source)["class"]
        assert names == cifar.CLASSES[:7]
        assert numbers.tolist() == [0, 1, 2, 1, 2, 3, 2, 3, 4, 3, 4, 5, 4, 5, 6]


class Harmful:
    """What asks for another name than those of arrays."""

    def __reduce__(self):
        return Path, ("harm",)


@pytest.mark.parametrize(
    "content", [b"", b"?", pickle.dumps(Harmful()), pickle.dumps({b"data": [1], b"labels": [1]}), pickle.dumps(3)]
)
def test_damaged_batches_are_named(home, content):
    cifar_batches(home / "data" / cifar.FOLDER)
    (home / "data" / cifar.FOLDER / "data_batch_3").write_bytes(content)
    with pytest.raises(DataError, match=r"data_batch_3 .*download it again"):
        find_source("cifar-10")


def test_mnist_by_its_name(home):
    with pytest.raises(DataError, match=r"^--data mnist: is not on this machine"):
        find_source("mnist")
    folder = home / "data/MNIST/raw"
    folder.mkdir(parents=True)
    pixels = np.stack([noise((28, 28), i, channels=1) for i in range(10)])
    (folder / "train-images-idx3-ubyte").write_bytes(idx(pixels))
    (folder / "train-labels-idx1-ubyte").write_bytes(idx(np.arange(10, dtype=np.uint8)))
    source = find_source("mnist")
    assert (source.name, source.known) == ("MNIST", (32, 1))
    assert np.array_equal(images_of(source, 32)[:, 2:30, 2:30], pixels)
    assert labels_of(source)["class"][0] == tuple("0123456789")


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("channels", [1, 3])
def test_tfrecords(tmp_path, packed, channels):
    images = RGB.transpose(0, 3, 1, 2)[:, :channels]
    records(tmp_path / "faces" / "faces-r02.tfrecords", images[..., ::2, ::2])
    file = records(tmp_path / "faces" / "faces-r03.tfrecords", images, packed)
    np.save(tmp_path / "labels.npy", np.eye(4, dtype=np.float32)[[0, 3, 0, 3, 0, 3]])
    (tmp_path / "labels.npy").rename(tmp_path / "faces" / "faces-rxx.labels")
    for given in (tmp_path / "faces", file):
        source = find_source(given)
        assert (source.name, source.known) == ("faces", (8, channels))
        assert np.array_equal(images_of(source), RGB if channels == 3 else GREY)
        assert labels_of(source)["class"][0] == ("0", "3")
        assert labels_of(source)["class"][1].tolist() == [0, 1] * 3


def test_tfrecords_without_labels(tmp_path):
    file = records(tmp_path / "faces-r03.tfrecords", RGB.transpose(0, 3, 1, 2))
    assert labels_of(find_source(tmp_path)) == {}
    with (tmp_path / "faces-rxx.labels").open("wb") as labels:
        np.save(labels, np.zeros((COUNT, 0), np.float32))
    assert (labels_of(find_source(file)), notes_of(find_source(file))) == ({}, "")
    (tmp_path / "faces-rxx.labels").write_bytes(b"?")
    assert labels_of(find_source(file)) == {}
    assert "faces-rxx.labels cannot be read" in notes_of(find_source(file))


def test_damaged_tfrecords_are_named(tmp_path):
    file = records(tmp_path / "faces-r03.tfrecords", RGB.transpose(0, 3, 1, 2))
    content = file.read_bytes()
    file.write_bytes(content[:-30])
    with pytest.raises(DataError, match=r"faces-r03\.tfrecords is empty or cut off: it holds 5 records"):
        find_source(file)
    file.write_bytes(b"")
    with pytest.raises(DataError, match="is empty or cut off"):
        find_source(file)
    file.write_bytes(struct.pack("<QI", 5, 0) + b"hello" + bytes(4))
    with pytest.raises(DataError, match="no images of the official programs"):
        find_source(file)
    middle = len(content) // COUNT + 20
    file.write_bytes(content[:middle] + b"\xff\xff\xff" + content[middle + 3 :])
    with pytest.raises(UnusableError):
        find_source(file).image(1, Shape(8, 3))
    records(tmp_path / "others-r03.tfrecords", RGB.transpose(0, 3, 1, 2))
    with pytest.raises(DataError, match=r"several data sets \(faces, others\)"):
        find_source(tmp_path)
