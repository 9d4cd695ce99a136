"""What models tell of how they were made: the command, the hardware and the time."""

import json
import shutil
import socket
import time
from pathlib import Path

import pytest
import torch

from stylegrow.common.text import duration
from stylegrow.models import read_config
from tests.train.runs import Train, only, statistics
from train.config.options import Options
from train.run import provenance
from train.run.checkpoints import checkpoints_in
from train.run.statistics import Clock, elapsed_at


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, ""),
        ({"kimg": 5.0, "mirror": True, "desc": "a b"}, "--kimg 5 --mirror --desc 'a b'"),
        ({"mirror": False, "betas": (0.5, 0.9)}, "--no-mirror --betas 0.5 0.9"),
        ({"out": "/home/me/runs", "kimg": 5.0, "cache": "/home/me", "resume": "/home/me/runs/1"}, "--kimg 5"),
        ({"data": "/home/me/my faces"}, "--data 'my faces'"),
        ({"data": "/home/me/faces.zip"}, "--data faces.zip"),
        ({"data": "fashion-mnist"}, "--data fashion-mnist"),
        ({"data": "/"}, "--data /"),
        ({"init_from": "/home/me/run/model"}, "--init-from run"),
        ({"init_from": "hf://me/faces@v2"}, "--init-from hf://me/faces@v2"),
        ({"init_from": "progan-toonhead64"}, "--init-from progan-toonhead64"),
    ],
)
def test_the_command_names_options_and_no_folders(given, wanted):
    command = provenance.command("progan", Options(**given), 1)
    assert command == f"python train/progan.py {wanted}".rstrip()


def test_one_process_of_accelerate_says_so(monkeypatch):
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")
    assert provenance.command("progan", Options(kimg=5.0), 1) == "accelerate launch train/progan.py --kimg 5"


def test_several_processes_are_launched_by_torchrun(monkeypatch):
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert provenance.command("progan", Options(), 4) == "torchrun --nproc-per-node 4 train/progan.py"
    assert provenance.command("progan", Options(), 8) == "torchrun --nnodes 2 --nproc-per-node 4 train/progan.py"


def test_hardware_has_a_name_and_a_count_and_no_host(monkeypatch):
    cpu = torch.device("cpu")
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    monkeypatch.setattr(provenance, "processor_name", lambda: "Chip 9")
    assert provenance.hardware(cpu, 1) == "Chip 9, 3 threads"
    assert provenance.hardware(cpu, 2) == "Chip 9, 6 threads"
    assert provenance.hardware(torch.device("mps"), 1) == "GPU of Chip 9"
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Card 5")
    assert provenance.hardware(torch.device("cuda", 0), 1) == "Card 5"
    assert provenance.hardware(torch.device("cuda", 0), 4) == "4 x Card 5"
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert provenance.hardware(cpu, 1) == "Chip 9, 1 thread"


def test_the_clock_goes_on_from_what_was_before(monkeypatch):
    now = 50.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    clock = Clock(100.0)
    now = 60.0
    assert clock.seconds == 100
    clock.start()
    now = 65.5
    assert clock.seconds == 105.5


def test_the_time_up_to_a_checkpoint_leaves_out_what_was_lost(tmp_path):
    """Killed after 3 kimg, gone on with from 1 kimg, whose time is that of the lines up to there, the last counting."""
    stats = tmp_path / "stats.jsonl"
    assert elapsed_at(stats, 1000) == 0
    lines = [(1, 10.0), (2, 20.0), (3, 30.0), (1.5, 17.0), (2, 24.0), (2.5, 31.0)]
    text = "".join(json.dumps({"kimg": kimg, "elapsed_sec": seconds}) + "\n" for kimg, seconds in lines)
    other = [
        "[]",
        '{"kimg": "a"}',
        '{"kimg": -1}',
        '{"kimg": NaN}',
        '{"kimg": 0, "elapsed_sec": []}',
        "[" * 9999,
        "9" * 5000,
    ]
    stats.write_text(text + "\n".join([*other, '{"kimg": 2}', '{"kimg": 2.5, "elap']))
    assert [elapsed_at(stats, images) for images in (0, 999, 1000, 2000, 2500, 9000)] == [0, 0, 10, 24, 31, 31]


def facts(run: Path) -> dict[str, object]:
    return read_config(run)["training"]


def test_models_tell_the_command_the_hardware_and_the_time(train: Train, pictures, tmp_path):
    assert train("--kimg", 0.112, "--out", "elsewhere", "--seed", 3).status == 0
    run = only("elsewhere")
    told = facts(run)
    command = str(told["command"])
    assert command.startswith("python train/progan.py --")
    assert all(
        words in command for words in (f" --data {pictures.name} ", " --kimg 0.112 ", " --seed 3", " --fmap-max 8 ")
    )
    assert told["hardware"] == provenance.hardware(torch.device("cpu"), 1)
    assert told["time"] == duration(statistics(run)[-1]["elapsed_sec"])
    for name in ("config.json", "README.md"):
        text = (run / "model" / name).read_text(encoding="utf-8")
        assert str(tmp_path) not in text
        assert str(pictures.parent) not in text
        assert socket.gethostname() not in text
    assert f"```sh\n{told['command']}\n```" in (run / "model" / "README.md").read_text(encoding="utf-8")


def test_a_resumed_run_keeps_its_command_and_goes_on_counting(train: Train, monkeypatch):
    monkeypatch.setattr(provenance, "processor_name", lambda: "Chip 1")
    assert train("--kimg", 0.16).status == 0
    run = only("runs")
    before = facts(run)
    # As if the time until then had been an hour.
    lines = statistics(run)
    lines[-1]["elapsed_sec"] = 3600
    (run / "stats.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    monkeypatch.setattr(provenance, "processor_name", lambda: "Chip 2")
    assert train("--resume", "--kimg", 0.4).status == 0
    after = facts(run)
    assert after["command"] == before["command"]
    assert (before["hardware"], after["hardware"]) == ("Chip 1, 1 thread", "Chip 1, 1 thread; then Chip 2, 1 thread")
    assert str(after["time"]).startswith("1h 00m")
    assert statistics(run)[-1]["elapsed_sec"] > 3600
    assert json.loads((run / "options.json").read_text())["hardware"] == ["Chip 1, 1 thread", "Chip 2, 1 thread"]


def test_a_run_from_before_these_facts_goes_on(train: Train, copy):
    path = copy / "options.json"
    plan = json.loads(path.read_text())
    del plan["command"], plan["hardware"]
    path.write_text(json.dumps(plan))
    shutil.rmtree(checkpoints_in(copy / "checkpoints")[0])
    assert train("--resume").status == 0
    assert "command" not in facts(copy)
    assert facts(copy)["hardware"] == provenance.hardware(torch.device("cpu"), 1)
