"""`stylegrow data inspect`: what it finds, says and draws."""

import numpy as np
import pytest
from PIL import Image

from stylegrow.cli.main import main
from stylegrow.data import open_dataset
from stylegrow.data.inspection import class_counts, inspect
from stylegrow.data.sources import find_source
from tests.stylegrow.data.image_files import encoded, folder_of, noise, save, tiff


@pytest.fixture
def folder(tmp_path):
    """Images of two classes, some of which deserve a look."""
    folder_of(tmp_path / "animals/cat", 5, (64, 80))
    save(tmp_path / "animals/dog/grey.png", noise((64, 80), 9, channels=1))
    save(tmp_path / "animals/dog/twin.png", noise((64, 80), 2))
    save(tmp_path / "animals/dog/black.png", np.full((64, 64, 3), 2, np.uint8))
    save(tmp_path / "animals/dog/blue.png", np.full((64, 64, 3), (0, 0, 200), np.uint8))
    save(tmp_path / "animals/dog/tiny.png", noise((16, 12)))
    (tmp_path / "animals/dog/bits.png").write_bytes(encoded(noise((64, 64), channels=1).astype(np.uint16)))
    (tmp_path / "animals/dog/raw.dng").write_bytes(tiff(bytes(256), (16, 16), t254=(1,)))
    (tmp_path / "animals/dog/note.png").write_bytes(b"?")
    return tmp_path / "animals"


def test_what_is_found(folder):
    source = find_source(folder)
    found = inspect(source, 1, most_shown=5)
    assert len(found.looks) == 11
    assert dict(found.sizes) == {(64, 80): 7, (64, 64): 3, (16, 12): 1}
    assert found.resolution == 64
    assert sum(look.is_grey for look in found.looks) == 3
    assert class_counts(found.labels) == {"class": [("cat", 5), ("dog", 6)]}
    doubts = {source.names[index]: reason for index, reason in found.suspicious}
    words = {"black": "nearly black", "bits": "nearly black", "blue": "of one colour", "twin": "cat/0002.png"}
    words["tiny"] = "thumbnail"
    assert set(doubts) == {f"dog/{name}.png" for name in words}
    assert all(word in doubts[f"dog/{name}.png"] for name, word in words.items())
    skipped = {source.names[index]: reason for index, reason in found.skipped}
    assert set(skipped) == {"dog/note.png", "dog/raw.dng"}
    assert "camera raw" in skipped["dog/raw.dng"]
    assert found.shown.shape[1:] == (64, 64, 3)
    assert 1 <= len(found.shown) <= 5


def test_images_turned_by_their_orientation_have_their_upright_size(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    for kind in ("png", "jpeg"):
        (tmp_path / f"a.{kind}").write_bytes(encoded(noise((400, 300)), kind.upper(), exif=exif))
    assert {look.size for look in inspect(find_source(tmp_path), 1).looks} == {(300, 400)}


def test_number_of_workers_changes_nothing(tmp_path):
    source = find_source(folder_of(tmp_path, 70, (16, 16)))
    one, two = (inspect(source, workers) for workers in (1, 2))
    assert [look.digest for look in one.looks] == [look.digest for look in two.looks]
    assert np.array_equal(one.shown, two.shown)


def test_command(folder, tmp_path, capfd):
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert main(["data", "inspect", str(folder), "--outdir", str(tmp_path / "out"), "--workers", "1"]) == 0
    said = capfd.readouterr().out
    for line in ("11 of 13 files", "64x80 (7), 64x64 (3), 16x12 (1)", "RGB (8), grey (3)", "cat (5), dog (6)"):
        assert line in said
    for name in ("black", "bits", "blue", "twin", "tiny"):
        assert f"  dog/{name}.png: " in said
    sheet = Image.open(tmp_path / "out" / "animals-contact-sheet.png")
    assert sheet.size == (12 * 64, 64)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_nothing_usable_and_prepared_folders(tmp_path, capfd):
    (tmp_path / "images").mkdir()
    (tmp_path / "images/a.png").write_bytes(b"?")
    assert main(["data", "inspect", str(tmp_path / "images"), "--outdir", str(tmp_path / "out")]) == 0
    assert "0 of 1 files" in capfd.readouterr().out
    assert not (tmp_path / "out").exists()
    prepared = open_dataset(folder_of(tmp_path / "more", 2), cache=tmp_path / "cache", quiet=True).path
    assert main(["data", "inspect", str(prepared)]) == 2
    assert "already prepared" in capfd.readouterr().err
