"""`stylegrow data prepare`: what it prints and how it ends."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from stylegrow.cli.main import main
from tests.stylegrow.data.image_files import folder_of, noise, save

ROOT = Path(__file__).resolve().parents[3]


def run(*arguments):
    """The exit status."""
    return main(["data", *map(str, arguments)])


def test_prepare(tmp_path, capfd):
    source = folder_of(tmp_path / "animals" / "cat", 2, (16, 16)).parent
    save(source / "dog" / "1.png", noise((16, 16), 0))
    for i in range(30):
        (source / "dog" / f"bad{i:02d}.png").write_bytes(b"?")
    arguments = ("prepare", source, "--resolution", 8, "--cache", tmp_path / "cache", "--workers", 1)
    assert run(*arguments) == 0
    said = capfd.readouterr()
    assert said.err == "looking at animals: 33 images\npreparing animals at 8 px: 33 images\n"
    assert said.out.startswith("animals: 3 images of 8 px, RGB, prepared\n")
    assert "skipped: 30 of 33 files\n  dog/bad00.png: not an image\n" in said.out
    assert "  and 10 more: see " in said.out
    assert "duplicates: 1, kept" in said.out
    assert "label class: 2 classes (cat, dog)\n" in said.out
    assert "    8 px      array" in said.out
    folder = next(path for path in (tmp_path / "cache").iterdir() if path.is_dir())
    assert said.out.endswith(f"train/progan.py --data {folder}\n")
    assert run(*arguments) == 0
    again = capfd.readouterr()
    assert again.err == ""
    assert again.out == said.out.replace("RGB, prepared", "RGB, already prepared")


@pytest.mark.skipif(os.name != "posix", reason="pipes of POSIX")
def test_a_reader_that_is_gone_is_a_line_that_says_where_the_data_is(tmp_path):
    source, cache = folder_of(tmp_path / "animals", 2, (16, 16)), tmp_path / "cache"
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "stylegrow", "data", "prepare", str(source), "--resolution", "8"]
    with os.fdopen(writing, "wb") as pipe:
        words = [*command, "--cache", str(cache), "--workers", "1"]
        ended = subprocess.run(words, cwd=ROOT, stdout=pipe, stderr=subprocess.PIPE, text=True)
    (folder,) = (path for path in cache.iterdir() if path.is_dir())
    assert ended.returncode == 1
    last = ended.stderr.splitlines()[-1]
    assert last.startswith("error: ")
    assert str(folder) in last


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["prepare", "--resolution", "abc"], "--resolution"),
        (["prepare", "--resolution", "48"], "--resolution 48: .*use 32"),
        (["prepare", "--count", "0"], "--count 0"),
        (["prepare", "--channels", "blue"], "blue"),
        (["prepare", "nowhere"], "nowhere: No such file"),
        (["repair"], "repair"),
        (["prepare", "--colour", "3"], "--colour"),
    ],
)
def test_mistakes_are_one_line(capfd, arguments, message):
    assert run(*arguments) == 2
    said = capfd.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    assert re.search(message, said.err)


def test_help_imports_little():
    code = "import sys\nfrom stylegrow.cli.main import main\ntry: main(['data', 'prepare', '--help'])\nfinally: "
    code += "print(sorted({'PIL', 'torch', 'dicebear'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert result.stdout.endswith("\n[]\n")
    assert "--drop-duplicates" in result.stdout
