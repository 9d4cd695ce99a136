"""Training runs as the app reads them: whole ones, and whatever else may lie in a folder."""

import json
import os
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from app.web.runs import (
    FINISHED,
    LONGEST_LINE,
    POINTS,
    RUNNING,
    SILENT,
    STOPPED,
    WIDEST,
    Runs,
    preview,
)
from stylegrow.common.errors import InputError
from stylegrow.common.schema import load_json

NOW = 1_800_000_000.0


def line(kimg, **more):
    numbers = {"kimg": kimg, "resolution": 16, "alpha": 0.5, "img_per_sec": 20.0, "D/loss": -kimg, "left_sec": 100.0}
    return json.dumps(numbers | more)


def grid(path, size=(12, 8), **text):
    info = PngImagePlugin.PngInfo()
    for key, value in text.items():
        info.add_text(key, value)
    Image.fromarray(np.arange(size[0] * size[1] * 3, dtype=np.uint8).reshape(size[1], size[0], 3)).save(
        path, pnginfo=info
    )


@pytest.fixture
def make(tmp_path):
    """Makes a run folder of lines, heard from so many seconds before NOW; gives the run."""
    root = tmp_path / "runs"
    root.mkdir()

    def made(name="00000-first", lines=(), silent=10.0, kimg=100, log="a line\n", shots=()):
        folder = root / name
        folder.mkdir()
        options = {"kimg": kimg, "loss": "wgan-gp", "resolution": 64}
        about = {"architecture": "stylegan", "options": options, "data": {"name": "x"}}
        (folder / "options.json").write_text(json.dumps(about))
        (folder / "stats.jsonl").write_text("".join(f"{one}\n" for one in lines))
        (folder / "log.txt").write_text(log)
        for shot in shots:
            grid(folder / f"fakes{shot:06d}.png", kimg=str(shot))
        for path in folder.iterdir():
            os.utime(path, (NOW - silent, NOW - silent))
        return Runs(root).find(name)

    made.root = root
    return made


def test_a_run_that_runs(make):
    summary = make(lines=[line(1), line(50, alpha=1.0)]).summary(NOW)
    assert (summary.state, summary.architecture, summary.data) == (RUNNING, "stylegan", "x")
    assert (summary.total_kimg, summary.full_resolution, summary.objective) == (100, 64, "wgan-gp")
    assert (summary.share, summary.seconds_left, summary.newest["alpha"]) == (0.5, 90, 1.0)
    assert json.loads(json.dumps(summary.facts(), allow_nan=False))["kimg"] == 50


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        ({"lines": [line(99)]}, RUNNING),
        ({"lines": [line(100)]}, FINISHED),
        ({"lines": [line(100.2)], "silent": 1e6}, FINISHED),
        ({"lines": [line(99)], "silent": SILENT + 1}, STOPPED),
        ({"lines": [line(99)], "log": "line\nstopped at 99 kimg, all is saved\n"}, STOPPED),
        ({"lines": []}, RUNNING),
        ({"lines": [], "silent": 1e6}, STOPPED),
        ({"lines": [line(7, left_sec=0.0)], "kimg": None}, FINISHED),
        ({"lines": [line(7)], "silent": -50.0}, RUNNING),  # another computer's clock
    ],
)
def test_states(make, facts, state):
    summary = make(**facts).summary(NOW)
    assert summary.state == state
    assert summary.seconds_silent >= 0
    assert (summary.seconds_left is None) == (state != RUNNING or not facts["lines"])


def test_runs_with_the_latest_news_come_first(make):
    for name, silent in (("00000-a", 50), ("00001-b", 500), ("00002-c", 5)):
        make(name, silent=silent)
    assert Runs(make.root).names() == ["00002-c", "00000-a", "00001-b"]


def test_what_is_no_run_is_not_listed(make, tmp_path):
    make()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "stats.jsonl").write_text(line(1))
    (make.root / "link").symlink_to(outside)
    (make.root / "empty").mkdir()
    (make.root / ".hidden").mkdir()
    (make.root / ".hidden" / "stats.jsonl").write_text(line(1))
    (make.root / "two\nlines").mkdir()
    (make.root / "two\nlines" / "stats.jsonl").write_text(line(1))
    (make.root / "linked-file").mkdir()
    (make.root / "linked-file" / "stats.jsonl").symlink_to(outside / "stats.jsonl")
    (make.root / "pipe").mkdir()
    if hasattr(os, "mkfifo"):
        os.mkfifo(make.root / "pipe" / "stats.jsonl")
    (make.root / "out.txt").write_text("")
    (make.root / "inner").symlink_to(make.root / "00000-first")
    assert sorted(Runs(make.root).names()) == ["00000-first", "inner"]


@pytest.mark.parametrize(
    "name", ["../runs/00000-first", "00000-first/", "..", "", None, 3, ["00000-first"], "/etc", "x\0", "x" * 10_000]
)
def test_only_names_of_the_list_are_taken(make, name):
    make()
    with pytest.raises(InputError):
        Runs(make.root).find(name)


def test_no_folder_and_no_root():
    assert Runs(None).names() == []
    with pytest.raises(InputError):
        Runs(None).find("x")


def test_a_root_that_is_not_there(tmp_path):
    assert Runs(tmp_path / "nowhere").names() == []
    (tmp_path / "file").write_text("")
    assert Runs(tmp_path / "file").names() == []


def test_damaged_and_half_written_lines_are_left_out(make):
    good = [line(1), line(2), line(3)]
    bad = [
        "", "{", '{"kimg": 9', "null", "[]", "[" * 5000, '"x"', "{}", '{"kimg": "9"}', '{"kimg": true}',
        '{"kimg": NaN}', '{"kimg": -1}', '{"kimg": 1e999}', '{"kimg": ' + "9" * 4400 + "}", "\0\0\0",
        "\ufffd", "x" * LONGEST_LINE,
    ]  # fmt: skip
    run = make()
    run.folder.joinpath("stats.jsonl").write_bytes(
        b"\xff\xfe\n" + "\n".join([*bad, good[0], *bad, good[1], *bad, good[2]]).encode() + b'\n{"kimg": 4, "D/lo'
    )
    assert [stats["kimg"] for stats in run.stats()] == [1, 2, 3]
    assert run.summary(NOW).newest["kimg"] == 3


def test_numbers_that_cannot_be_drawn_are_left_out_of_a_line(make):
    run = make(lines=['{"kimg": 1, "D/loss": NaN, "G/loss": Infinity, "x": "text", "y": null, "z": 1e300, "alpha": 1}'])
    assert run.stats() == [{"kimg": 1.0, "alpha": 1.0}]


def test_a_resumed_run_replaces_what_it_does_again(make):
    run = make(lines=[line(kimg, lr=number) for number, kimg in enumerate([1, 2, 3, 4, 2.5, 3.5])])
    assert [(stats["kimg"], stats["lr"]) for stats in run.stats()] == [(1, 0), (2, 1), (2.5, 4), (3.5, 5)]


@pytest.mark.parametrize("count", [POINTS, POINTS + 1, 2 * POINTS, 1999])
def test_many_lines_are_thinned_and_the_last_stays(make, count):
    stats = make(lines=[line(kimg) for kimg in range(count)]).stats()
    assert POINTS // 2 <= len(stats) <= POINTS
    assert stats[-1]["kimg"] == count - 1
    assert len({round(after["kimg"] - before["kimg"]) for before, after in pairwise(stats)}) == 1


def test_a_huge_file_is_only_sampled(make, monkeypatch):
    run = make()
    count, read = 0, []
    with (run.folder / "stats.jsonl").open("w") as file:
        while file.tell() < 1 << 22:
            file.write(line(count) + "\n")
            count += 1
    monkeypatch.setattr("app.web.runs.load_json", lambda text: read.append(text) or load_json(text))
    stats = run.stats()
    assert len(read) < 4 * POINTS
    assert len(stats) <= POINTS
    assert stats[-1]["kimg"] == count - 1
    assert stats[0]["kimg"] < count / 50
    gaps = [after["kimg"] - before["kimg"] for before, after in pairwise(stats)]
    assert min(gaps) > 0
    assert max(gaps) < count / 100


def test_a_huge_file_without_an_end_of_line(make):
    run = make()
    (run.folder / "stats.jsonl").write_bytes(b"x" * (1 << 21))
    assert run.stats() == []
    assert run.summary(NOW).state == RUNNING


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"options": 3, "data": []}', "[" * 99_999, '{"a":' * 9_999])
def test_damaged_options(make, text):
    run = make(lines=[line(3)])
    (run.folder / "options.json").write_text(text)
    os.utime(run.folder / "options.json", (NOW, NOW))
    assert (run.summary(NOW).total_kimg, run.summary(NOW).share, run.summary(NOW).state) == (None, None, RUNNING)


def test_snapshots_in_order(make, tmp_path):
    run = make(shots=[20, 0, 1_000_000, 5])
    grid(run.folder / "fakes000005_016.png")
    for name in ("fakes.png", "fakes12.png", "fakes000007.jpg", "fakes000008.png.partial", "reals.png"):
        (run.folder / name).write_text("x")
    (run.folder / "fakes000003.png").mkdir()
    secret = tmp_path / "secret.png"
    grid(secret)
    (run.folder / "fakes000004.png").symlink_to(secret)
    assert [shot.kimg for shot in run.snapshots()] == [0, 5, 5.016, 20, 1_000_000]


def test_a_preview_is_a_copy_made_once(make, tmp_path, monkeypatch):
    run = make(shots=[5])
    path = preview(run.snapshots()[0], tmp_path)
    with Image.open(path) as copy, Image.open(run.folder / "fakes000005.png") as original:
        assert np.array_equal(np.asarray(copy), np.asarray(original))
        assert copy.text["kimg"] == "5"
    monkeypatch.setattr("app.web.runs.save_png", None)
    assert preview(run.snapshots()[0], tmp_path) == path
    assert str(run.folder) not in path


def test_a_new_grid_of_the_same_name_is_a_new_preview(make, tmp_path):
    run = make(shots=[5])
    first = preview(run.snapshots()[0], tmp_path)
    grid(run.folder / "fakes000005.png", (4, 4))
    second = preview(run.snapshots()[0], tmp_path)
    with Image.open(second) as image:
        assert (second != first, image.size) == (True, (4, 4))


def test_a_large_grid_is_shown_smaller(make, tmp_path):
    run = make()
    grid(run.folder / "fakes000001.png", (WIDEST * 2, 10))
    with Image.open(preview(run.snapshots()[0], tmp_path)) as image:
        assert image.size == (WIDEST, 5)


def damaged(path):
    path.write_bytes(path.read_bytes()[:-40])


def a_gif(path):
    Image.new("RGB", (4, 4)).save(path, "GIF")


def a_bomb(path):
    Image.new("1", (9_000, 9_000)).save(path, "PNG")


def text_file(path):
    path.write_text("root:x:0:0")


@pytest.mark.parametrize("damage", [damaged, a_gif, a_bomb, text_file, os.unlink], ids=lambda one: one.__name__)
def test_what_is_no_picture_is_not_served(make, tmp_path, damage):
    run = make(shots=[5])
    shot = run.snapshots()[0]
    damage(shot.path)
    files = tmp_path / "files"
    files.mkdir()
    with pytest.raises(InputError, match="5 kimg cannot be read"):
        preview(shot, files)
    assert list(files.iterdir()) == []


def test_nothing_is_changed_in_a_run(make, tmp_path):
    run = make(lines=[line(3)], shots=[5])

    def state():
        return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in run.folder.iterdir()}

    before = state()
    run.summary(NOW), run.stats(), preview(run.snapshots()[0], tmp_path)
    assert state() == before
