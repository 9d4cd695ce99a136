"""Preparing: what is found again, what is reported, and what happens when it goes wrong."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import psutil
import pytest

from stylegrow.common.errors import DataError
from stylegrow.data import levels, open_dataset, workers
from stylegrow.data.pyramid import open_or_prepare
from stylegrow.data.request import Request
from tests.stylegrow.data.image_files import encoded, folder_of, noise, png_header, rgb_profile, save

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def prepared(cache: Path) -> list[str]:
    """Folders in the cache."""
    return sorted(path.name for path in cache.iterdir() if path.is_dir())


def prepare(source, cache, *request):
    """(the data set, whether it is new)."""
    return open_or_prepare(source, Request(*request), cache=cache, workers=1, quiet=True)


def test_prepared_once_and_found_again(tmp_path, cache):
    source = folder_of(tmp_path / "images", 5)
    first, fresh = prepare(source, cache)
    assert fresh
    for same in ((), (8, "rgb")):
        again, fresh = prepare(source, cache, *same)
        assert (again.path, fresh) == (first.path, False)
    os.utime(source / "0003.png", ns=(1, 1))
    shutil.copytree(source, tmp_path / "elsewhere" / "images")
    (tmp_path / "link").symlink_to(source)
    for same_images in (source, tmp_path / "elsewhere" / "images", tmp_path / "link"):
        again, fresh = prepare(same_images, cache)
        assert (again.path, again.source, fresh) == (first.path, str(same_images.resolve()), False)
    save(source / "0003.png", noise((8, 8), 99))
    changed, fresh = prepare(source, cache)
    assert fresh
    assert changed.path != first.path
    ours, theirs = (dataset.digests for dataset in (first, changed))
    assert [(a != b).any(axis=1).tolist() for a, b in zip(ours, theirs, strict=True)] == 2 * [
        [*3 * [False], True, False]
    ]


def test_settings_have_their_own_folders(tmp_path, cache):
    source = folder_of(tmp_path / "images", 3, (16, 12))
    requests = [(8,), (4,), (8, "grey"), (8, "auto", "pad"), (8, "auto", "crop", True), (8, "auto", "stretch")]
    requests += [(8, "auto", "pad", False, "black"), (8, "auto", "crop", False, None, "black")]
    paths = {prepare(source, cache, *request)[0].path for request in requests}
    assert len(paths) == 8
    assert prepare(source, cache, 8, "auto", "pad", False, "#000", "#fff")[0].path in paths
    assert prepare(source, cache, 8, "rgb")[0].path in paths


def test_cache_is_found_in_the_environment(tmp_path, monkeypatch):
    source = folder_of(tmp_path / "images", 3)
    monkeypatch.setenv("STYLEGROW_CACHE", str(tmp_path / "one"))
    assert open_dataset(source, quiet=True).path.parent == tmp_path / "one"
    assert open_dataset(source, cache=tmp_path / "two", quiet=True).path.parent == tmp_path / "two"
    monkeypatch.delenv("STYLEGROW_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    assert open_dataset(source, quiet=True).path.parent == tmp_path / "home/.cache/stylegrow"


def test_nothing_is_written_beside_the_images(tmp_path, cache):
    source = folder_of(tmp_path / "images", 3)
    before = contents(source)
    open_dataset(source, cache=cache, quiet=True)
    assert contents(source) == before
    for inside in (source, source / "cache", source / "a" / "b"):
        with pytest.raises(DataError, match="lies in the folder of images"):
            open_dataset(source, cache=inside)
    assert contents(source) == before


def test_default_resolution_and_channels(tmp_path, cache):
    source = tmp_path / "images"
    for i, size in enumerate([(32, 40), (33, 33), (64, 64), (8, 8)]):
        save(source / f"{i}.png", noise(size, i, channels=1))
    dataset = open_dataset(source, cache=cache, quiet=True)
    assert (dataset.resolution, dataset.channels) == (32, 1)
    save(source / "4.png", noise((32, 32)))
    dataset = open_dataset(source, cache=cache, quiet=True)
    assert (dataset.resolution, dataset.channels) == (32, 3)
    assert dataset.read(np.array([1]), 32).shape == (1, 3, 32, 32)
    assert open_dataset(source, cache=cache, channels="grey", quiet=True).channels == 1


def test_bad_files_are_reported_and_the_rest_used(tmp_path, cache, capfd):
    source = folder_of(tmp_path / "images", 3, (64, 64))
    (source / "bad\nname.png").write_bytes(b"?")
    (source / "half.png").write_bytes((source / "0000.png").read_bytes()[:4000])
    (source / "huge.png").write_bytes(png_header(20_000, 20_000))
    save(source / "tiny.png", noise((3, 3)))
    save(source / "twin.png", noise((64, 64), 1))
    save(source / "small.png", noise((40, 40), 9))
    save(source / "profile.png", noise((64, 64), 8), icc_profile=rgb_profile()[:200])
    dataset = open_dataset(source, cache=cache, resolution=64)
    assert list(dataset.names) == ["0000.png", "0001.png", "0002.png", "profile.png", "small.png", "twin.png"]
    report = dataset.report
    assert (report["found"], report["used"], report["enlarged"], report["profiles_ignored"]) == (10, 6, 1, 1)
    reasons = dict(report["skipped"])
    assert list(reasons) == ["bad\nname.png", "half.png", "huge.png", "tiny.png"]
    assert reasons["half.png"] == "truncated"
    assert reasons["huge.png"] == "above 100 megapixels"
    assert report["duplicates"] == [["twin.png", "0001.png"]]
    said = capfd.readouterr().err
    assert "skipped: 4 of 10 files\n" in said
    assert "  bad\\nname.png: not an image\n" in said
    assert "duplicates: 1, kept" in said
    assert "enlarged: 1, smaller than 64 px" in said
    assert "profile ignored as unusable: 1\n" in said
    assert json.loads((dataset.path / "report.json").read_text()) == report


def test_duplicates_are_left_out_when_asked(tmp_path, cache):
    source = folder_of(tmp_path / "images", 4)
    save(source / "0002.png", noise((8, 8), 0))
    kept = open_dataset(source, cache=cache, quiet=True)
    assert len(kept) == 4
    dropped = open_dataset(source, cache=cache, drop_duplicates=True, quiet=True)
    assert list(dropped.names) == ["0000.png", "0001.png", "0003.png"]
    assert dropped.report["duplicates"] == [["0002.png", "0000.png"]]
    assert np.array_equal(dropped.read(np.arange(3), 8), kept.read(np.array([0, 1, 3]), 8))


@pytest.mark.parametrize("start", ["folder", "zip"])
def test_number_of_workers_changes_nothing(tmp_path, cache, start, monkeypatch):
    monkeypatch.setattr(levels, "ARRAY_RESOLUTION", 4)
    monkeypatch.setattr(levels, "ARRAY_BYTES", 0)
    monkeypatch.setattr(levels, "ARRAY_SHARE", 0)
    source = folder_of(tmp_path / "images", 70, (16, 16))
    (source / "0011.png").write_bytes(b"?")
    save(source / "0012.png", noise((16, 16), 3))
    if start == "zip":
        with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
            for file in sorted(source.iterdir()):
                archive.write(file, file.name)
        source = tmp_path / "images.zip"
    results = [
        open_dataset(source, resolution=8, cache=cache / str(count), workers=count, quiet=True) for count in (1, 2, 3)
    ]
    files = [contents(result.path) for result in results]
    assert len(results[0]) == 69
    assert set(files[0]) > {"level-0004.npy", "level-0008.bin"}
    assert files[0] == files[1] == files[2]


# The command; it stops when a few images are written, until a line comes.
STOPPING = """
import sys
from stylegrow.cli.main import main
from stylegrow.data import levels

written = levels.LevelWriter.append
times = 0

def append(self, images):
    global times
    times += 1
    written(self, images)
    if times == 5:
        print("half", flush=True)
        sys.stdin.readline()

levels.LevelWriter.append = append
sys.exit(main(sys.argv[1:]))
"""


def start(source, cache, processes=2, interrupts=None):
    """A process that prepares, stopped half way unless the images are prepared already."""
    options = ["--resolution", "8", "--channels", "rgb", "--cache", cache, "--workers", str(processes)]
    return subprocess.Popen(
        [sys.executable, "-c", STOPPING, "data", "prepare", source, *options],
        preexec_fn=None if interrupts is None else lambda: signal.signal(signal.SIGINT, interrupts),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("processes", [1, 2])
def test_killed_preparation_is_redone(tmp_path, cache, processes):
    source = folder_of(tmp_path / "images", 70)
    process = start(source, cache, processes)
    assert process.stdout.readline() == "half\n"
    children = psutil.Process(process.pid).children(recursive=True)
    assert len(children) >= (2 if processes == 2 else 0)
    process.kill()
    process.communicate()
    assert [name.endswith(".tmp") for name in prepared(cache)] == [True]
    _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive
    dataset, fresh = prepare(source, cache, 8, "rgb")
    assert fresh
    assert prepared(cache) == [dataset.path.name]
    assert np.array_equal(dataset.read(np.array([69]), 8)[0].transpose(1, 2, 0), noise((8, 8), 69))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signal")
@pytest.mark.parametrize("interrupts", [signal.SIG_DFL, signal.SIG_IGN], ids=["terminal", "background"])
def test_interrupted_preparation_leaves_nothing(tmp_path, cache, interrupts):
    source = folder_of(tmp_path / "images", 70)
    process = start(source, cache, interrupts=interrupts)
    assert process.stdout.readline() == "half\n"
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode == 130
    assert said.splitlines()[-1].startswith("interrupted: ")
    assert prepared(cache) == []
    _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive


def test_two_processes_prepare_once(tmp_path, cache):
    source = folder_of(tmp_path / "images", 70)
    first = start(source, cache, 1)
    assert first.stdout.readline() == "half\n"
    second = start(source, cache, 1)
    assert "another process is preparing this data" in second.stderr.readline()
    said, progress = first.communicate("go on\n")
    assert said.startswith("images: 70 images of 8 px, RGB, prepared\n")
    assert progress == "preparing images at 8 px: 70 images\n"
    found, progress = second.communicate()
    assert (found, progress) == (said, "")
    assert len(prepared(cache)) == 1


def test_workers_do_not_start_the_script_again(tmp_path, cache):
    """A script without the guard that multiprocessing asks for, which would import torch in each worker."""
    source = folder_of(tmp_path / "images", 70)
    script = tmp_path / "script.py"
    text = "import sys; from stylegrow import data\nprint('started')\nopen(sys.argv[3], 'a').write('x')\n"
    script.write_text(text + "print(len(data.open_dataset(sys.argv[1], cache=sys.argv[2], workers=2, quiet=True)))\n")
    command = [sys.executable, script, source, cache, tmp_path / "starts"]
    result = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert result.stdout == "started\n70\n", result.stderr
    assert (tmp_path / "starts").read_text() == "x"


def test_full_disk(tmp_path, cache, monkeypatch):
    source = folder_of(tmp_path / "images", 5)

    def append(self, images):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(levels.LevelWriter, "append", append)
        with pytest.raises(DataError, match=r"cache.*No space left.*make room.*--cache") as caught:
            open_dataset(source, cache=cache, quiet=True)
    assert "\n" not in str(caught.value)
    assert prepared(cache) == []
    assert len(open_dataset(source, cache=cache, quiet=True)) == 5


def test_home_of_nobody(cache):
    with pytest.raises(DataError, match="~nobody-at-all/x: "):
        open_dataset("~nobody-at-all/x", cache=cache)


def test_folder_that_lost_its_description_is_prepared_again(tmp_path, cache):
    source = folder_of(tmp_path / "images", 5)
    dataset = open_dataset(source, cache=cache, quiet=True)
    (dataset.path / "pyramid.json").unlink()
    again, fresh = prepare(source, cache)
    assert (again.path, len(again), fresh) == (dataset.path, 5, True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resolution": 48}, "--resolution 48: .*power of two from 4 to 1024: use 32"),
        ({"resolution": 2048}, "use 1024"),
        ({"resolution": 0}, "use 4"),
        ({"channels": "blue"}, "--channels blue: choose from auto, rgb, grey"),
        ({"fit": "fill"}, "--fit fill: choose from crop, pad, stretch"),
        ({"pad_color": "red"}, "--pad-color #ff0000: is for --fit pad"),
        ({"pad_color": "reddish", "fit": "pad"}, "--pad-color reddish: give a colour"),
        ({"background": "#12345678"}, "--background #12345678: give a colour"),
        ({"workers": 0}, "--workers 0"),
    ],
)
def test_wrong_options(tmp_path, cache, options, message):
    source = folder_of(tmp_path / "images", 1)
    with pytest.raises(DataError, match=message):
        open_dataset(source, cache=cache, **options)
    assert not cache.exists()


@pytest.mark.parametrize("resolution", [None, 8])
def test_nothing_usable(tmp_path, cache, resolution):
    source = tmp_path / "images"
    source.mkdir()
    with pytest.raises(DataError, match=r"images holds no images: give a folder"):
        open_dataset(source, cache=cache)
    assert not cache.exists()
    (source / "a.png").write_bytes(b"?")
    save(source / "b.png", noise((3, 9)))
    with pytest.raises(DataError, match=r"none of its 2 files is usable \(a.png: not an image\): give a folder"):
        open_dataset(source, resolution=resolution, channels="rgb", cache=cache, quiet=True)
    assert prepared(cache) == []


def test_cache_that_cannot_be_written(tmp_path):
    source = folder_of(tmp_path / "images", 1)
    (tmp_path / "file").write_text("")
    for cache in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(DataError, match=r"cache folder .* cannot be written .*--cache or STYLEGROW_CACHE"):
            open_dataset(source, cache=cache, quiet=True)


def test_dead_worker_is_no_endless_wait():
    with pytest.raises(DataError, match="a worker process died"), workers.Workers(2, 3) as pool:
        list(pool.map(leave, [(i,) for i in range(4)]))


def leave(shared, status):
    os._exit(status)


def test_what_workers_raise_arrives():
    for count in (1, 2):
        with workers.Workers(count, 3) as pool:
            assert list(pool.map(divided, [(3,), (1,)])) == [1, 3]
            with pytest.raises(ZeroDivisionError):
                list(pool.map(divided, [(0,)]))


def divided(shared, by):
    return shared // by


def test_surrogates_in_names_are_kept(tmp_path, cache, capfd):
    source = tmp_path / "images"
    source.mkdir()
    try:
        (source / os.fsdecode(b"\xff.png")).write_bytes(encoded(noise((8, 8))))
        (source / os.fsdecode(b"\xfe.png")).write_bytes(b"?")
    except OSError:
        pytest.skip("this file system takes Unicode names only")
    dataset = open_dataset(source, cache=cache)
    assert list(dataset.names) == [os.fsdecode(b"\xff.png")]
    assert "\\udcfe.png: not an image" in capfd.readouterr().err
