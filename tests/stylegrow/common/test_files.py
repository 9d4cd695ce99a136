"""Files and folders appear whole or not at all."""

import errno
import os
from pathlib import Path

import pytest

from stylegrow.common.files import append_line, new_folder, write_whole


@pytest.fixture
def full_disk(monkeypatch):
    """Nothing reaches the disk."""

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_replaced(tmp_path):
    for content in (b"first", b"second"):
        write_whole(tmp_path / "a", content)
        assert (tmp_path / "a").read_bytes() == content
    assert names(tmp_path) == ["a"]


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path, full_disk):
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(OSError, match="No space left") as caught:
        write_whole(tmp_path / "a", b"new")
    assert caught.value.filename == str(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


def test_a_folder_appears_when_it_is_whole(tmp_path):
    (tmp_path / ".new.tmp").mkdir()
    (tmp_path / ".new.tmp" / "left").touch()  # by a process that was killed
    with new_folder(tmp_path / "new") as partial:
        (partial / "below").mkdir()
        (partial / "below" / "a").write_bytes(b"a")
        assert not (tmp_path / "new").exists()
    assert names(tmp_path) == ["new"]
    assert names(tmp_path / "new") == ["below"]


def test_a_folder_that_cannot_be_written_leaves_nothing(tmp_path, full_disk):
    with pytest.raises(OSError, match="No space left") as caught, new_folder(tmp_path / "new") as partial:
        (partial / "a").write_bytes(b"a")
    assert caught.value.filename == str(tmp_path / "new")
    assert names(tmp_path) == []


def test_the_current_folder_is_filled_where_it_is_empty(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for folder in (Path(), tmp_path / "here"):
        with new_folder(folder) as partial:
            (partial / "a").write_bytes(b"a")
        assert names(Path.cwd()) == ["a"]
        with pytest.raises(OSError, match="not empty"), new_folder(folder) as partial:
            (partial / "b").write_bytes(b"b")
        assert names(Path.cwd()) == ["a"]
        assert names(tmp_path) == ["here"]
        Path("a").unlink()


@pytest.mark.parametrize(("before", "after"), [(b"", b"x\n"), (b"a\n", b"a\nx\n"), (b"a", b"a\nx\n")])
def test_a_line_is_added(tmp_path, before, after):
    (tmp_path / "log").write_bytes(before)
    append_line(tmp_path / "log", "x")
    assert (tmp_path / "log").read_bytes() == after


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device here")
def test_a_line_that_cannot_be_added_names_the_file():
    with pytest.raises(OSError, match="No space left") as caught:
        append_line(Path("/dev/full"), "x")
    assert caught.value.filename == "/dev/full"


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="tells what a descriptor is of by Linux's /proc")
def test_names_reach_the_disk_after_what_they_name(tmp_path, monkeypatch):
    synced, sync = [], os.fsync

    def fsync(descriptor):
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    write_whole(tmp_path / "a", b"x")
    assert synced == [".a.tmp", tmp_path.name]
    synced.clear()
    with new_folder(tmp_path / "b") as partial:
        (partial / "c").mkdir()
        (partial / "c" / "d").touch()
    assert sorted(synced[:3]) == [".b.tmp", "c", "d"]
    assert synced[3:] == [tmp_path.name]
