"""Sources are known by what their files hold, wherever these lie, and files are read again only where they changed."""

import json
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from stylegrow.data.identity import stamp_of_source
from stylegrow.data.sources import find_source
from tests.stylegrow.data.image_files import encoded, folder_of, idx, noise, save


def stamp(path, cache, count=None):
    return stamp_of_source(find_source(path, count), cache)


def grow(path):
    """Another content, of the same time."""
    info = path.stat()
    path.write_bytes(path.read_bytes() + b"\0")
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))


def flip(path):
    """Another content, of the same size and time."""
    info, content = path.stat(), path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))


def images_in(path: Path) -> Path:
    folder_of(path, 3)
    (path / "dataset.json").write_text('{"labels": null}')
    return path


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: grow(folder / "0001.png"),
        lambda folder: flip(folder / "0001.png"),
        lambda folder: save(folder / "0001.png", noise((8, 8), 7)),
        lambda folder: (folder / "0001.png").rename(folder / "1.png"),
        lambda folder: (folder / "0001.png").unlink(),
        lambda folder: save(folder / "a" / "b.png", noise((8, 8), 7)),
        lambda folder: (folder / "dataset.json").write_text('{"labels": []}'),
        lambda folder: (folder / "dataset.json").unlink(),
        lambda folder: shutil.copy(folder / "0002.png", folder / "0001.png"),
    ],
    ids=["longer", "one bit", "replaced", "name", "gone", "new", "labels", "no labels", "another's"],
)
def test_other_content_is_another_source(tmp_path, change):
    folder = images_in(tmp_path / "images")
    before = stamp(folder, tmp_path / "cache")
    assert stamp(folder, tmp_path / "cache") == before
    change(folder)
    assert stamp(folder, tmp_path / "cache") != before
    assert stamp(folder, tmp_path / "cache") == stamp(folder, tmp_path / "empty")


def test_the_same_content_is_the_same_source(tmp_path):
    folder, cache = images_in(tmp_path / "images"), tmp_path / "cache"
    before = stamp(folder, cache)
    (folder / "notes.txt").write_text("hello")
    os.utime(folder / "0001.png", ns=(1, 1))
    copied = shutil.copytree(folder, tmp_path / "elsewhere")
    (tmp_path / "link").symlink_to(folder)
    for place in (folder, copied, tmp_path / "link"):
        assert {stamp(place, each) for each in (cache, tmp_path / "empty")} == {before}
    folder.rename(tmp_path / "moved")
    assert stamp(tmp_path / "moved", cache) == before


def test_files_of_every_kind_are_known_by_their_content(tmp_path):
    """The same in another place, another when a byte changes."""
    pixels = np.stack([noise((8, 8), seed, 1) for seed in range(4)])
    one = tmp_path / "one"
    (one / "idx").mkdir(parents=True)
    (one / "idx" / "train-images-idx3-ubyte").write_bytes(idx(pixels))
    (one / "idx" / "train-labels-idx1-ubyte").write_bytes(idx(np.arange(4, dtype=np.uint8)))
    np.save(one / "a.npy", pixels)
    with zipfile.ZipFile(one / "a.zip", "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("1.png", encoded(pixels[0]))
    two = shutil.copytree(one, tmp_path / "two")
    stamps = [[stamp(place / name, tmp_path / "cache") for name in ("idx", "a.npy", "a.zip")] for place in (one, two)]
    assert stamps[0] == stamps[1]
    assert len(set(stamps[0])) == 3
    (two / "idx" / "train-labels-idx1-ubyte").write_bytes(idx(np.arange(4, dtype=np.uint8)[::-1]))
    np.save(two / "a.npy", pixels[::-1])
    with zipfile.ZipFile(two / "a.zip", "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("1.png", encoded(pixels[1]))
    for before, name in zip(stamps[0], ("idx", "a.npy", "a.zip"), strict=True):
        assert stamp(two / name, tmp_path / "cache") != before


def test_embedded_faces_are_known_by_their_number(tmp_path):
    assert len({stamp(None, tmp_path, count) for count in (5, 6, 5)}) == 2


def test_a_start_reads_only_files_that_changed(tmp_path):
    """What is kept is taken as it is; here it is wrong, so that reading would show."""
    folder, cache = images_in(tmp_path / "images"), tmp_path / "cache"
    stamp(folder, cache)
    (kept,) = cache.iterdir()
    content = {name: [*facts, 32 * "0"] for name, (*facts, _) in json.loads(kept.read_text()).items()}
    kept.write_text(json.dumps(content))
    os.utime(folder / "0001.png", ns=(1, 1))
    stamp(folder, cache)
    renewed = json.loads(kept.read_text())
    assert [name for name, entry in renewed.items() if entry[-1] != 32 * "0"] == ["0001.png"]


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"0001.png": []}', '{"0001.png": 1}', '{"0001.png": [1, 2, 3, 4, 5]}']
)
def test_damaged_digests_are_made_anew(tmp_path, content):
    folder, cache = images_in(tmp_path / "images"), tmp_path / "cache"
    before = stamp(folder, cache)
    (kept,) = cache.iterdir()
    whole = kept.read_text()
    kept.write_text(content)
    assert stamp(folder, cache) == before
    assert json.loads(kept.read_text()) == json.loads(whole)


def test_files_that_cannot_be_read_have_no_digest(tmp_path):
    folder = images_in(tmp_path / "images")
    (folder / "nowhere.png").symlink_to(tmp_path / "gone")
    os.mkfifo(folder / "pipe.png")
    before = stamp(folder, tmp_path / "cache")
    assert stamp(folder, tmp_path / "cache") == before
    (folder / "nowhere.png").unlink()
    assert stamp(folder, tmp_path / "cache") != before


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path):
    folder = images_in(tmp_path / "images")
    (tmp_path / "file").touch()
    assert stamp(folder, tmp_path / "file" / "cache") == stamp(folder, tmp_path / "cache")
