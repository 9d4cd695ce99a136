"""Where images come from: what is found, how it is labelled and what is refused."""

import gzip
import json
import math
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from stylegrow.common.errors import DataError
from stylegrow.data import open_dataset
from stylegrow.data.request import Shape
from stylegrow.data.sources import find_source
from stylegrow.data.sources.base import default_resolution, safe_name
from stylegrow.data.sources.idx import FASHION_CLASSES
from stylegrow.data.sources.labels import match
from stylegrow.data.unusable import UnusableError
from tests.stylegrow.data.image_files import encoded, folder_of, idx, noise, save

SHAPE = Shape(8, 3)


def labels(source):
    """Labels of all images of a source."""
    return source.labels(np.arange(len(source.names)), np.zeros((len(source.names), 0), np.int64))


def zip_of(path: Path, members: dict[str, bytes], compression=zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def png(seed=0, size=(8, 8)):
    return encoded(noise(size, seed))


def same_as(source, index, seed, size=(8, 8)):
    pixels = source.image(index, SHAPE).pixels
    return np.array_equal(pixels.transpose(1, 2, 0), noise(size, seed))


def test_folder_is_read_in_order_of_names(tmp_path):
    for name, seed in (("b.png", 2), ("a/z.png", 1), ("c.PNG", 3), ("noextension", 4)):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(png(seed))
    source = find_source(tmp_path)
    assert source.names == ("a/z.png", "b.png", "c.PNG", "noextension")
    assert all(same_as(source, i, seed) for i, seed in enumerate((1, 2, 3, 4)))
    assert source.name == tmp_path.name
    assert source.path == str(tmp_path)


def test_what_comes_with_images_is_no_image(tmp_path):
    folder_of(tmp_path, 1)
    for name in ("notes.txt", "list.csv", ".DS_Store", "Thumbs.db", "__MACOSX/._0000.png", ".git/0.png", "._0000.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"?")
    assert find_source(tmp_path).names == ("0000.png",)


def test_links_are_followed_but_not_in_circles(tmp_path):
    folder_of(tmp_path / "elsewhere", 1)
    folder_of(tmp_path / "source", 1)
    (tmp_path / "source" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "source" / "circle").symlink_to(tmp_path / "source")
    assert find_source(tmp_path / "source").names == ("0000.png", "link/0000.png")


def test_file_that_cannot_be_read_is_unusable(tmp_path):
    (tmp_path / "lost.png").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe.png")
    source = find_source(tmp_path)
    assert source.names == ("lost.png", "pipe.png")
    for index, reason in enumerate(("cannot be read", "not a file")):
        with pytest.raises(UnusableError, match=reason):
            source.image(index, SHAPE)
        with pytest.raises(UnusableError, match=reason):
            source.header(index)


@pytest.mark.parametrize("top", ["", "photos/", "photos/2024/"])
def test_folders_are_classes(tmp_path, top):
    for name in ("dog/1.png", "cat/1.png", "cat/young/2.png"):
        save(tmp_path / top / name, noise((8, 8)))
    names, indices = labels(find_source(tmp_path))["class"]
    assert names == ("cat", "dog")
    assert indices.tolist() == [0, 0, 1]


def test_no_labels_without_two_classes_or_with_images_outside(tmp_path):
    save(tmp_path / "cat/1.png", noise((8, 8)))
    save(tmp_path / "cat/2.png", noise((8, 8)))
    assert labels(find_source(tmp_path)) == {}
    save(tmp_path / "dog/1.png", noise((8, 8)))
    assert set(labels(find_source(tmp_path))) == {"class"}
    save(tmp_path / "other.png", noise((8, 8)))
    source = find_source(tmp_path)
    assert labels(source) == {}
    assert set(source.labels(np.array([0, 1, 2]), np.zeros((3, 0)))) == {"class"}  # other.png turned out unusable


@pytest.mark.parametrize(
    ("parts", "classes"),
    [
        (["train/cat", "train/dog", "val/cat", "val/dog"], ["cat", "dog"]),
        (["top/train/cat", "top/train/dog", "top/Test/cat"], ["cat", "dog"]),
        (["train/images/cat", "train/images/dog", "val/images/cat"], ["cat", "dog"]),
        (["images/cat", "images/dog", "test_set/dog"], ["cat", "dog"]),
        (["cat/train", "cat/test", "dog/train", "dog/test"], ["cat", "dog"]),
        (["cat/old", "cat/young", "dog/old", "dog/young"], ["cat", "dog"]),
        (["train", "val"], ["train", "val"]),
        (["train/cat", "train/dog", "val/cat", "val"], ["train", "val"]),
        (["train/cat", "train/dog", "other/cat", "other/dog"], ["other", "train"]),
    ],
)
def test_parts_of_the_data_are_no_classes(tmp_path, parts, classes):
    for folder in parts:
        save(tmp_path / folder / "1.png", noise((8, 8)))
    source = find_source(tmp_path)
    names, indices = labels(source)["class"]
    assert names == tuple(classes)
    ways = [set(names) & set(Path(name).parts) for name in source.names]
    assert all(names[index] in way for index, way in zip(indices, ways, strict=True))
    is_inner = not set(classes) & {folder.split("/")[0] for folder in parts}
    assert bool(notes(source)) == is_inner


OFFICIAL = {"00000/img00000000.png": 6, "00000/img00000001.png": 2, "00001/img00001000.png": 6}


def official(table) -> dict[str, bytes]:
    members = {name: png(i) for i, name in enumerate(OFFICIAL)}
    return members | {"dataset.json": json.dumps(table).encode()}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("prefix", ["", "ffhq/"])
def test_official_labels(tmp_path, packed, prefix):
    members = official({"labels": [[name, label] for name, label in reversed(OFFICIAL.items())]})
    source = find_source(put(tmp_path / "data", members, packed, prefix))
    names, indices = labels(source)["class"]
    assert names == ("2", "6")  # there is no image of the others
    assert indices.tolist() == [1, 0, 1]
    assert all(same_as(source, i, i) for i in range(3))


def put(path, members, packed, prefix=""):
    """A zip with its members below a folder, or a folder."""
    if packed:
        return zip_of(path.with_suffix(".zip"), {prefix + name: content for name, content in members.items()})
    for name, content in members.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


@pytest.mark.parametrize("packed", [False, True])
def test_official_vectors(tmp_path, packed):
    vectors = [[0.25, 0.75], [1, 0], [0.5, -0.5]]
    members = official({"labels": [[name, vector] for name, vector in zip(OFFICIAL, vectors, strict=True)]})
    names, values = labels(find_source(put(tmp_path / "data", members, packed)))["class"]
    assert names == ("0", "1")
    assert values.dtype == np.float32
    assert np.array_equal(values, np.array(vectors, np.float32))


def test_one_hot_rows_are_classes_and_label_names_name_them(tmp_path):
    one_hot = [[0, 0, 1], [1, 0, 0], [0.0, 0, 1.0]]
    table = {"labels": list(zip(OFFICIAL, one_hot, strict=True)), "label_names": ["ant", "bee", "cat"]}
    names, indices = labels(find_source(put(tmp_path / "hot", official(table), packed=False)))["class"]
    assert names == ("ant", "cat")
    assert indices.tolist() == [1, 0, 1]
    numbers = {"labels": list(zip(OFFICIAL, [1, 2, 1], strict=True)), "label_names": ["none", "ant", "bee"]}
    names, indices = labels(find_source(put(tmp_path / "numbers", official(numbers), packed=False)))["class"]
    assert names == ("ant", "bee")
    assert indices.tolist() == [0, 1, 0]
    vectors = {"labels": list(zip(OFFICIAL, [[1, 1], [0, 1], [0, 0]], strict=True)), "label_names": ["glasses", "hat"]}
    names, values = labels(find_source(put(tmp_path / "vectors", official(vectors), packed=False)))["class"]
    assert names == ("glasses", "hat")
    assert values.tolist() == [[1, 1], [0, 1], [0, 0]]


@pytest.mark.parametrize(
    ("vectors", "label_names", "said"),
    [
        ([[1, 2], [math.nan, 1], [0, 0]], [], "img00000001.png [NaN, 1]"),
        ([[1, 2], [0, 1], [-math.inf, 0]], [], "-Infinity"),
        ([[1, 2], [10**400, 1], [0, 0]], [], "not all finite"),
        ([[1, 2], [1, 2, 3], [0, 0]], [], "[1.0, 2.0, 3.0]"),
        ([[1, 2], [3, 4], [0, 0]], ["a"], "1 label_names for labels of 2"),
        ([[1, 2], [3, 4], [0, 0]], ["a", "a"], "same name twice"),
        ([[1, 2], [3, 4], [0, 0]], ["a", 3], "no list of names"),
        ([[1, 2], [3, 4], [0, 0]], ["a", "b:c"], "'b:c'"),
        ([0, 7, 2], ["a", "b", "c"], "3 label_names for labels of 8"),
    ],
)
def test_labels_that_cannot_be_used_are_named(tmp_path, vectors, label_names, said):
    table = {"labels": list(zip(OFFICIAL, vectors, strict=True)), "label_names": label_names}
    source = find_source(put(tmp_path / "data", official(table), packed=False))
    assert labels(source) == {}
    assert said in notes(source)


def notes(source):
    """What is said about the labels of all images of a source."""
    return " ".join(source.label_notes(np.arange(len(source.names))))


def test_dataset_json_can_say_that_there_are_no_labels(tmp_path):
    source = find_source(put(tmp_path / "data", official({"labels": None}), packed=True))
    assert labels(source) == {}
    assert "dataset.json" in notes(source)


@pytest.mark.parametrize(("left_out", "numbers"), [(1, "2 of 3"), (2, "1 of 3"), (3, "0 of 3")])
def test_images_without_a_label_are_counted_and_the_first_is_named(tmp_path, left_out, numbers):
    table = {"labels": [[name, 1] for name in OFFICIAL][: 3 - left_out]}
    source = find_source(put(tmp_path / "data", official(table), packed=True))
    assert labels(source) == {}
    assert f"dataset.json in {tmp_path}/data.zip labels {numbers} images" in notes(source)
    assert list(OFFICIAL)[3 - left_out] in notes(source)


def test_unusable_images_need_no_label(tmp_path):
    table = {"labels": [[name, 1] for name in OFFICIAL][:2]}
    source = find_source(put(tmp_path / "data", official(table), packed=True))
    assert source.labels(np.arange(2), np.zeros((2, 0)))["class"][1].tolist() == [0, 0]
    assert source.label_notes(np.arange(2)) == []


@pytest.mark.parametrize(
    "renamed",
    [
        lambda name: f"./{name}",
        lambda name: name.replace("/", "\\"),
        lambda name: name.replace(".png", ".jpg"),
        lambda name: name.removesuffix(".png"),
        lambda name: name.split("/")[1],
        lambda name: f"C:/Users/me/ffhq/{name}",
    ],
)
@pytest.mark.parametrize("prefix", ["", "ffhq/"])
def test_names_that_can_mean_only_one_image_do(tmp_path, renamed, prefix):
    table = {"labels": [[renamed(name), label] for name, label in OFFICIAL.items()]}
    source = find_source(put(tmp_path / "data", official(table), True, prefix))
    assert labels(source)["class"][1].tolist() == [1, 0, 1]
    assert notes(source) == ""


@pytest.mark.parametrize(
    ("entries", "images", "expected"),
    [
        (["a.png"], ["x/a.png", "y/a.png"], [None, None]),
        (["x/a.png", "y/a.png"], ["a.png"], [None]),
        (["x/a.png"], ["y/a.png"], [None]),
        (["a.jpg", "a.webp"], ["a.png"], [None]),
        (["a.jpg", "a.png"], ["a.png", "a.webp"], ["a.png", "a.jpg"]),
        (["x/a.jpg", "a.png"], ["x/a.png", "a.png"], ["x/a.jpg", "a.png"]),
        (["img.0001", "img.0002"], ["img.0002.png", "img.0001.png"], ["img.0002", "img.0001"]),
    ],
)
def test_only_certain_names_match(entries, images, expected):
    assert match(dict.fromkeys(entries, 0), images) == expected


def test_labels_of_two_kinds_are_none(tmp_path):
    table = {"labels": [[name, [1.0] * (1 + i)] for i, name in enumerate(OFFICIAL)]}
    source = find_source(put(tmp_path / "data", official(table), packed=True))
    assert labels(source) == {}
    assert list(OFFICIAL)[1] in notes(source)


@pytest.mark.parametrize("table", [{"name": "mine"}, dict.fromkeys(OFFICIAL, 1)])
def test_dataset_json_of_something_else_is_left_alone_and_that_is_said(tmp_path, table):
    source = find_source(put(tmp_path / "data", official(table), packed=False))
    assert labels(source)["class"][0] == ("00000", "00001")
    assert f'{tmp_path / "data" / "dataset.json"} has no "labels"' in notes(source)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    "content",
    [
        *(b"{", b'{"labels": 5}', b'{"labels": [["0000.png", -1]]}', b'{"labels": [["0000.png", true]]}'),
        *(b'{"labels": [["0000.png", 1e5]]}', b'{"labels": [["0000.png", 1], ["0000.png", 2]]}', b"\xff\xfe"),
    ],
)
def test_broken_dataset_json_matters_to_who_asks_for_labels(tmp_path, content, packed):
    source = put(tmp_path / "data", {"0000.png": png(), "0001.png": png(1), "dataset.json": content}, packed)
    dataset = open_dataset(source, cache=tmp_path / "cache", quiet=True)
    assert len(dataset) == 2
    assert any("dataset.json" in line for line in dataset.report_lines())
    with pytest.raises(DataError, match=r"no labels.*dataset\.json"):
        dataset.classes("class")


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_zip_is_read_in_place(tmp_path, compression):
    members = {"b.png": png(1), "a/x.png": png(0), "readme.txt": b"", "__MACOSX/._b.png": b"?"}
    source = find_source(zip_of(tmp_path / "my photos.zip", members, compression))
    assert source.names == ("a/x.png", "b.png")
    assert source.name == "my-photos"
    assert same_as(source, 0, 0)
    assert source.header(1) == (8, False)
    copy = pickle.loads(pickle.dumps(source))
    assert same_as(copy, 1, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["my photos.zip"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_zip_with_one_name_twice(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.png", png(0))
        archive.writestr("a.png", png(1))
    source = find_source(tmp_path / "a.zip")
    assert [same_as(source, i, i) for i in range(2)] == [True, True]


@pytest.mark.parametrize("name", ["../a.png", "a/../../b.png", "/etc/a.png", "..\\a.png", "C:\\a.png", "a/.."])
def test_zip_with_names_outside_is_refused(tmp_path, name):
    archive = zip_of(tmp_path / "a.zip", {"ok.png": png(), name: png()})
    with pytest.raises(DataError, match=r"a\.zip.*outside the archive"):
        find_source(archive)


def test_bad_members_are_unusable(tmp_path):
    archive = zip_of(tmp_path / "a.zip", {"1.png": png(1), "2.png": png(2), "3.png": png(3)})
    content = bytearray(archive.read_bytes())
    entry = content.index(b"PK\1\2")
    content[entry + 8] |= 1  # encrypted
    content[content.index(b"PK\1\2", entry + 1) + 10] = 99  # a packing method that does not exist
    content[content.index(b"3.png") + 100] ^= 1  # a flipped bit, which the checksum notices
    archive.write_bytes(content)
    source = find_source(archive)
    for index, reason in enumerate(("encrypted", "packed by a method", "corrupt")):
        with pytest.raises(UnusableError, match=reason):
            source.image(index, SHAPE)


def test_damaged_zip_is_refused(tmp_path):
    archive = zip_of(tmp_path / "a.zip", {"1.png": png(1)})
    content = bytearray(archive.read_bytes())
    content[content.index(b"PK\1\2")] = 0
    archive.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.zip cannot be read"):
        find_source(archive)


def mnist(folder: Path, ending=".gz", count=12):
    folder.mkdir(parents=True, exist_ok=True)
    pixels = np.stack([noise((28, 28), i, channels=1) for i in range(count)])
    labels = np.arange(count, dtype=np.uint8) % 10
    for part, size in (("train", count), ("t10k", 3)):
        for kind, values in (("images-idx3", pixels[:size]), ("labels-idx1", labels[:size])):
            content = idx(values)
            (folder / f"{part}-{kind}-ubyte{ending}").write_bytes(gzip.compress(content) if ending else content)
    return pixels


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize(("folder", "names"), [("fashion-mnist", FASHION_CLASSES), ("mnist", tuple("0123456789"))])
def test_idx_files(tmp_path, ending, folder, names):
    pixels = mnist(tmp_path / folder, ending)
    source = find_source(tmp_path / folder)
    assert source.known == (32, 1)
    assert len(source.names) == 12  # the training images and nothing else
    image = source.image(7, Shape(32, 1)).pixels
    assert np.array_equal(image[0, 2:30, 2:30], pixels[7])
    found, indices = labels(source)["class"]
    assert found == names
    assert indices.tolist() == [*range(10), 0, 1]


def test_idx_images_without_labels(tmp_path):
    mnist(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte.gz").unlink()
    assert labels(find_source(tmp_path)) == {}


def test_damaged_idx_files_are_named(tmp_path):
    pixels = mnist(tmp_path, "")
    images, kinds = tmp_path / "train-images-idx3-ubyte", tmp_path / "train-labels-idx1-ubyte"
    kinds.write_bytes(kinds.read_bytes()[:-1])
    assert labels(find_source(tmp_path)) == {}
    assert "train-labels-idx1-ubyte does not hold" in notes(find_source(tmp_path))
    kinds.write_bytes(idx(np.zeros(11, np.uint8)))
    assert labels(find_source(tmp_path)) == {}
    assert "11 labels for 12 images" in notes(find_source(tmp_path))
    kinds.unlink()
    images.write_bytes(images.read_bytes()[:-1])
    with pytest.raises(DataError, match="train-images-idx3-ubyte does not hold"):
        find_source(tmp_path).image(0, SHAPE)
    images.write_bytes(idx(pixels, magic=0x903))
    with pytest.raises(DataError, match="no idx file"):
        find_source(tmp_path)
    images.rename(tmp_path / "train-images-idx3-ubyte.gz")
    with pytest.raises(DataError, match="cannot be read"):
        find_source(tmp_path)


def test_embedded_faces():
    source = find_source(None, count=5)
    assert (source.path, source.name, source.known) == ("toonhead", "toonhead", (64, 3))
    assert len(source.names) == 5
    assert "Johan Melin" in (source.credit or "")
    assert len(find_source("toonhead").names) >= 10_000


@pytest.mark.parametrize(
    ("source", "count", "message"),
    [
        ("nowhere", None, "nowhere: No such file"),
        ("~nobody-at-all/x", None, "~nobody-at-all/x: .*home"),
        ("note.txt", None, "neither a folder nor a zip"),
        (None, 0, "--count 0: give"),
        (".", 5, "only the embedded faces"),
    ],
)
def test_what_is_no_source_is_refused(tmp_path, monkeypatch, source, count, message):
    monkeypatch.chdir(tmp_path)
    Path("note.txt").write_text("hello")
    with pytest.raises(DataError, match=message):
        find_source(source, count)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<html>Google Drive - quota</html>", "web page.*quota"),
        (b"\n<!doctype HTML><p>hello", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
        (b"PK\3\4" + bytes(200), "damaged zip"),
        (gzip.compress(b"?", mtime=0), "archive of another kind"),
        (png(), "single image"),
    ],
)
def test_what_is_given_in_place_of_a_zip_is_named(tmp_path, content, words):
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(DataError, match=rf"a\.zip: .*{words}"):
        find_source(tmp_path / "a.zip")


@pytest.mark.parametrize(
    ("sides", "resolution"),
    [([28], 32), ([64, 64, 500], 64), ([64, 500], 64), ([63] * 3 + [64] * 4, 64), ([4000], 256), ([5], 4), ([3], 4)],
)
def test_default_resolution(sides, resolution):
    assert default_resolution(sides) == resolution


def test_safe_names():
    assert safe_name("Meine Bilder (2024)") == "Meine-Bilder-2024"
    assert safe_name("写真") == "data"
    assert safe_name("../..") == "data"
    assert len(safe_name("x" * 300)) == 40
