"""Paths that users give."""

from pathlib import Path

import pytest

from stylegrow.common.errors import InputError
from stylegrow.common.paths import check_apart, check_file, check_folder, expanded


def test_a_home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert expanded("~/a") == tmp_path / "a"
    with pytest.raises(InputError, match=r"^~nobody-of-this-name/a: "):
        expanded("~nobody-of-this-name/a")


def test_where_files_can_be_written(tmp_path):
    (tmp_path / "file").touch()
    check_folder(tmp_path / "new" / "deeper", "--out")
    check_file(str(tmp_path / "new" / "x.png"), "--out")
    check_file(str(tmp_path / "file"), "--out")
    for name in ("", ".", str(tmp_path)):
        with pytest.raises(InputError, match=r"^--out .*: is a folder; "):
            check_file(name, "--out")
    for refused in (
        lambda: check_folder(tmp_path / "file", "--out"),
        lambda: check_file(f"{tmp_path}/file/x", "--out"),
    ):
        with pytest.raises(InputError, match=r"^--out .*file is not a folder; "):
            refused()


def test_nothing_is_written_among_the_images(tmp_path, monkeypatch):
    (tmp_path / "images").mkdir()
    (tmp_path / "images.zip").touch()
    (tmp_path / "link").symlink_to(tmp_path / "images")
    monkeypatch.chdir(tmp_path / "images")
    for out in ("runs", ".", "../link/runs"):
        with pytest.raises(InputError, match=r"^--out .*folder of images"):
            check_apart(Path(out), "--out", tmp_path / "images")
    check_apart(Path("../runs"), "--out", tmp_path / "images")
    check_apart(tmp_path, "--out", tmp_path / "images.zip")
