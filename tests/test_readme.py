"""The README is true: what it names exists."""

import dataclasses
import re
from pathlib import Path

import pytest

from stylegrow.cli.main import COMMANDS as CLI
from stylegrow.cli.main import options_of
from train.config.fields import flag
from train.config.options import Options
from train.config.presets import PRESETS

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [line.strip() for block in re.findall(r"```sh\n(.*?)```", TEXT, re.S) for line in block.splitlines()]


def options(kind: type) -> set[str]:
    return {flag(field.name.rstrip("_")) for field in dataclasses.fields(kind)}


def test_options_in_the_table_exist():
    table = TEXT.split("## Options that matter")[1].split("##")[0]
    named = set(re.findall(r"--[a-z][a-z0-9-]+", table)) - {"--help"}
    assert len(named) > 10
    assert named <= options(Options)


PROGRAMS = [("train/progan.py", Options), ("train/stylegan.py", Options)]


@pytest.mark.parametrize(("program", "kind"), [*PROGRAMS, *((f"stylegrow {name}", options_of(name)) for name in CLI)])
def test_options_in_commands_exist(program, kind):
    commands = [line for line in COMMANDS if program in line]
    assert commands
    for line in commands:
        given = set(re.findall(r"--[a-z][a-z0-9-]+", line.split(program)[1].split("#")[0]))
        assert given <= options(kind) | {"--help"}, line


def test_make_targets_exist():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    named = {word for line in COMMANDS for word in re.findall(r"^make ([a-z]+)", line)}
    assert {"train", "test"} <= named <= targets


def test_files_and_folders_exist():
    for name in re.findall(r"!\[.*?\]\((.*?)\)", TEXT) + re.findall(r"`([a-z]+/)`", TEXT):
        if name not in ("model/", "models/", "checkpoints/", "best/"):
            assert (ROOT / name).exists(), name


def test_presets_are_those_there_are():
    named = set(re.findall(r"`(v\d-\w+|stylegan-\dgpus?|toonhead|small)`", TEXT))
    assert named
    assert named <= {name for presets in PRESETS.values() for name in presets}
