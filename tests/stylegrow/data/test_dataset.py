"""Prepared data sets: what is read from them."""

import contextlib
import copy
import json
import multiprocessing
import os
import pickle
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from benchmarks.mutations import mutated, mutated_json
from stylegrow.common.errors import DataError
from stylegrow.data import Dataset, levels, open_dataset
from stylegrow.data.dataset import read_names, split
from stylegrow.data.pyramid import levels_of
from tests.stylegrow.data.image_files import folder_of, noise, save


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("STYLEGROW_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def dataset(tmp_path, cache, monkeypatch):
    """20 images at 16 px, the highest level encoded."""
    monkeypatch.setattr(levels, "ARRAY_RESOLUTION", 8)
    monkeypatch.setattr(levels, "ARRAY_BYTES", 0)
    monkeypatch.setattr(levels, "ARRAY_SHARE", 0)
    return open_dataset(folder_of(tmp_path / "images", 20, (16, 16)), quiet=True)


def expected(resolution):
    top = np.stack([noise((16, 16), i).transpose(2, 0, 1) for i in range(20)])
    return dict(levels_of(top))[resolution]


def test_facts(dataset, tmp_path, cache):
    assert len(dataset) == 20
    assert (dataset.resolution, dataset.channels, dataset.levels) == (16, 3, (4, 8, 16))
    assert dataset.name == "images"
    assert dataset.source == str(tmp_path / "images")
    assert dataset.path.parent == cache
    assert dataset.path.name.startswith("images-")
    assert list(dataset.names) == [f"{i:04d}.png" for i in range(20)]
    assert dataset.attributes == ()
    assert dataset.credit is None
    assert [kind for _, kind, _ in dataset.storage()] == ["array", "array", "encoded"]


def test_read_in_any_order(dataset):
    generator = np.random.RandomState(0)
    for resolution in (4, 8, 16):
        images = expected(resolution)
        for size in (0, 1, 7, 40):
            indices = generator.randint(0, 20, size)
            read = dataset.read(indices, resolution)
            assert read.dtype == np.uint8
            assert np.array_equal(read, images[indices])


def test_read_from_many_threads(dataset):
    images = expected(16)
    orders = [np.random.RandomState(i).permutation(20) for i in range(16)]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda order: dataset.read(order, 16), orders))
    assert all(np.array_equal(result, images[order]) for result, order in zip(results, orders, strict=True))


def test_wrong_questions(dataset):
    for index in (-1, 20):
        with pytest.raises(IndexError):
            dataset.read(np.array([0, index]), 16)
    with pytest.raises(ValueError, match="no level 32"):
        dataset.read(np.array([0]), 32)
    with pytest.raises(DataError, match="no attribute 'hair': it has no labels"):
        dataset.labels("hair")


def test_a_copy_opens_the_files_anew(dataset):
    dataset.read(np.array([0]), 16)
    for twin in (pickle.loads(pickle.dumps(dataset)), copy.deepcopy(dataset)):
        assert np.array_equal(twin.read(np.arange(20), 16), expected(16))
        assert twin.names == dataset.names


def checksum(dataset, queue):
    queue.put(int(dataset.read(np.arange(20), 16).sum()))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of a fork from a process with threads
@pytest.mark.parametrize("method", sorted({"fork", "spawn"} & set(multiprocessing.get_all_start_methods())))
def test_read_in_another_process(dataset, method):
    assert dataset.read(np.arange(20), 16).any()  # with the threads of this process started
    context = multiprocessing.get_context(method)
    queue = context.SimpleQueue()
    process = context.Process(target=checksum, args=(dataset, queue))
    process.start()
    assert queue.get() == expected(16).sum()
    process.join()


def test_opening_reads_no_images(dataset, tmp_path):
    for file in dataset.path.glob("level-*"):
        file.unlink()
    again = open_dataset(tmp_path / "images", quiet=True)
    assert len(again) == 20
    with pytest.raises(DataError, match=r"level-0004\.npy is damaged.*No such file"):
        again.read(np.array([0]), 4)


def test_prepared_folder_is_a_source(dataset, tmp_path):
    moved = dataset.path.rename(tmp_path / "moved")
    same = open_dataset(moved, quiet=True)
    assert np.array_equal(same.read(np.arange(20), 16), expected(16))
    small = open_dataset(moved, resolution=8)
    assert (small.resolution, small.levels) == (8, (4, 8))
    assert pickle.loads(pickle.dumps(small)).resolution == 8
    assert len(list((tmp_path / "cache").glob("images-*/"))) == 0
    for options, message in (
        ({"resolution": 32}, "was prepared at 16 px"),
        ({"channels": "grey"}, "--channels grey.*already prepared"),
        ({"fit": "pad"}, "--fit pad.*already prepared"),
        ({"drop_duplicates": True}, "--drop-duplicates.*already prepared"),
        ({"count": 5}, "--count 5.*already prepared"),
    ):
        with pytest.raises(DataError, match=message):
            open_dataset(moved, **options)


def test_folder_that_is_none(tmp_path):
    with pytest.raises(DataError, match="no prepared data set"):
        Dataset(tmp_path)


def test_folder_of_a_newer_version(dataset):
    facts = json.loads((dataset.path / "pyramid.json").read_text())
    (dataset.path / "pyramid.json").write_text(json.dumps(facts | {"format_version": 99}))
    with pytest.raises(DataError, match="newer version"):
        Dataset(dataset.path)


def test_labels(tmp_path, cache):
    for i, name in enumerate(("dog/1.png", "ant/1.png", "cat/1.png", "cat/2.png")):
        save(tmp_path / "animals" / name, noise((8, 8), i))
    dataset = open_dataset(tmp_path / "animals", quiet=True)
    assert dataset.attributes == ("class",)
    assert dataset.classes("class") == ("ant", "cat", "dog")
    rows = [[1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1]]
    assert dataset.labels("class").dtype == np.float32
    assert dataset.labels("class").tolist() == rows
    assert dataset.labels("class", np.array([3, 0])).tolist() == [rows[3], rows[0]]
    with pytest.raises(DataError, match="no attribute 'hair': choose from class"):
        dataset.labels("hair")


def test_vectors(tmp_path, cache):
    folder_of(tmp_path / "images", 2)
    table = {"labels": [["0001.png", [0.5, -1]], ["0000.png", [0, 2]]]}
    (tmp_path / "images" / "dataset.json").write_text(json.dumps(table))
    assert open_dataset(tmp_path / "images", quiet=True).labels("class").tolist() == [[0, 2], [0.5, -1]]


def test_embedded_faces(cache):
    from stylegrow.data.sources import toonhead

    dataset = open_dataset(count=6, resolution=16, workers=1, quiet=True)
    assert (dataset.name, dataset.source, len(dataset), dataset.levels) == ("toonhead", "toonhead", 6, (4, 8, 16))
    assert dataset.credit == toonhead.CREDIT
    assert dataset.attributes == toonhead.ATTRIBUTES
    faces = np.stack([toonhead.render(i, 16).transpose(2, 0, 1) for i in range(6)])
    assert np.array_equal(dataset.read(np.arange(6), 16), faces)
    for name in dataset.attributes:
        assert dataset.classes(name) == toonhead.classes(name)
        shown = [dataset.classes(name)[i] for i in dataset.labels(name).argmax(1)]
        assert shown == [toonhead.attributes(i)[name] for i in range(6)]
    grey = open_dataset("toonhead", count=6, resolution=16, channels="grey", quiet=True)
    luma = np.array(Image.fromarray(toonhead.render(2, 16)).convert("L"))
    assert np.array_equal(grey.read(np.array([2]), 16)[0, 0], luma)


@st.composite
def sets_of_equal_images(draw):
    """`same` of up to 120 images, of which some equal earlier ones."""
    same = list(range(draw(st.integers(1, 120))))
    for i in draw(st.sets(st.integers(1, 120))):
        if i < len(same):
            same[i] = same[draw(st.integers(0, i - 1))]
    return np.array(same)


@settings(derandomize=True, deadline=None)
@given(sets_of_equal_images(), st.none() | st.integers(0, 60))
def test_split(same, holdout):
    half = len(same) // 2
    if holdout is not None and holdout > half:
        with pytest.raises(DataError, match=f"--holdout {holdout}: give a number from 0 to {half}"):
            split(same, holdout)
        return
    training, held = split(same, holdout)
    assert np.array_equal(np.sort(np.concatenate([training, held])), np.arange(len(same)))
    assert np.array_equal(training, np.sort(training))
    assert np.array_equal(held, np.sort(held))
    assert training.dtype == held.dtype == np.int64
    assert len(held) <= half
    assert not set(same[training]) & set(same[held])
    if len(set(same)) == len(same):
        assert len(held) == (min(20, half) if holdout is None else holdout)


@pytest.mark.parametrize(("count", "held"), [(1, 0), (2, 1), (30, 15), (41, 20), (2000, 20), (5000, 50), (70_000, 700)])
def test_default_split(count, held):
    assert len(split(np.arange(count))[1]) == held


def test_split_is_always_the_same():
    assert split(np.arange(50), 5)[1].tolist() == [1, 8, 34, 36, 38]
    larger = split(np.arange(50), 10)[1].tolist()
    assert set(larger) > {1, 8, 34, 36, 38}


def test_split_when_all_images_are_equal():
    training, held = split(np.zeros(100, np.int64))
    assert (len(training), len(held)) == (100, 0)
    with pytest.raises(DataError, match="--holdout -1"):
        split(np.arange(10), -1)


def test_split_of_a_data_set_keeps_duplicates_together(tmp_path, cache):
    for i in range(40):
        save(tmp_path / "images" / f"{i:02d}.png", noise((8, 8), i // 2))
    dataset = open_dataset(tmp_path / "images", quiet=True)
    training, held = dataset.split(10)
    assert len(held) == 10
    assert not set(training // 2) & set(held // 2)


def test_split_by_names(tmp_path, cache):
    source = folder_of(tmp_path / "images" / "part", 6)
    save(source / "twin.png", noise((8, 8), 2))
    dataset = open_dataset(tmp_path / "images", quiet=True)
    for names in (["part/0002.png", "part/0004.png"], ["0004.jpg", "./part/0002.png", "twin"]):
        training, held = dataset.split(names)
        assert [dataset.names[i] for i in held] == ["part/0002.png", "part/0004.png", "part/twin.png"]
        assert [dataset.names[i] for i in training] == [f"part/000{i}.png" for i in (0, 1, 3, 5)]
    with pytest.raises(DataError, match=r"^--holdout 0009\.png: "):
        dataset.split(["0001.png", "0009.png"])
    with pytest.raises(DataError, match="all 7 images"):
        dataset.split(dataset.names)


def test_names_in_a_file(tmp_path):
    path = tmp_path / "names.txt"
    path.write_text("\ufeffa.png\r\n\nb ö.png  \n", "utf-8")
    assert read_names(path) == ["a.png", "b ö.png"]
    for content in (b"", b"\n \n", b"\xff\xfea"):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"--holdout .*names\.txt"):
            read_names(path)
    with pytest.raises(DataError, match="No such file"):
        read_names(tmp_path / "none.txt")


def use(path):
    """All that a training asks of a data set."""
    dataset = Dataset(path)
    training, _ = dataset.split(2)
    for resolution in dataset.levels:
        dataset.read(training, resolution)
    return dataset.names[0], dataset.report_lines(), [dataset.labels(name) for name in dataset.attributes]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A prepared data set of two classes, the highest of its levels encoded."""
    top = tmp_path_factory.mktemp("prepared")
    for name in ("a", "b"):
        folder_of(top / "images" / name, 5, (16, 16))
    (top / "images" / "a" / "broken.png").write_bytes(b"broken")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(levels, "ARRAY_RESOLUTION", 8)
        patch.setattr(levels, "ARRAY_BYTES", 0)
        patch.setattr(levels, "ARRAY_SHARE", 0)
        return open_dataset(top / "images", cache=top / "cache", quiet=True).path


@pytest.mark.parametrize("name", ["pyramid.json", "names.json", "report.json", "labels.npz", "duplicates.npy"])
def test_damaged_files_are_read_or_refused_in_one_line(prepared, tmp_path, name):
    folder = shutil.copytree(prepared, tmp_path / "p")
    use(folder)
    Dataset(folder).check_sizes()
    content = (prepared / name).read_bytes()
    refusals = []
    for damaged in (mutated_json if name.endswith(".json") else mutated)(content, 200, 0):
        (folder / name).write_bytes(damaged)
        try:
            use(folder)
        except DataError as error:
            refusals.append(str(error))
    assert len(refusals) > 60
    assert not [said for said in refusals if "\n" in said or str(folder) not in said]


@pytest.mark.parametrize("name", ["level-0008.npy", "level-0016.npy", "level-0016.bin"])
def test_damaged_levels_are_read_or_refused_in_one_line(prepared, tmp_path, name):
    folder = shutil.copytree(prepared, tmp_path / "p")
    content = (prepared / name).read_bytes()
    for damaged in [*mutated(content, 100, 0), content[:-1], content + b"0", content[:200], b""]:
        (folder / name).write_bytes(damaged)
        with contextlib.suppress(DataError):
            use(folder)
    for reading in (use, lambda folder: Dataset(folder).check_sizes()):
        with pytest.raises(DataError, match=f"{folder}/level-00.* is damaged"):
            reading(folder)


@pytest.mark.parametrize("in_memory", [0, 1 << 20])
@pytest.mark.parametrize("resolution", [4, 16])
@pytest.mark.parametrize("size", [0, 100, None])
def test_a_file_cut_or_overwritten_while_it_is_read(prepared, tmp_path, monkeypatch, in_memory, resolution, size):
    """The process lives on, which with a map it would not."""
    monkeypatch.setattr(levels, "IN_MEMORY", in_memory)
    folder = shutil.copytree(prepared, tmp_path / "p")
    dataset = Dataset(folder)
    before = dataset.read(np.arange(10), resolution)
    assert np.array_equal(dataset.read(np.arange(10), resolution), before)
    path = folder / ("level-0016.bin" if resolution == 16 else "level-0004.npy")
    if size is None:
        path.write_bytes(path.read_bytes())
        os.utime(path, ns=(0, 0))  # a clock may be coarser than this test is fast
    else:
        os.truncate(path, size)
    with pytest.raises(DataError, match=f"{path.name} is damaged"):
        dataset.read(np.arange(10), resolution)
