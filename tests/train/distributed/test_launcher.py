"""What the launcher above a process was given: precision, threads, processes."""

import os
from types import SimpleNamespace

import psutil
import pytest
from accelerate.commands.config import config_args

from stylegrow.common.errors import InputError
from train.distributed import launcher as module
from train.distributed.launcher import Launcher, launched_precision, lost_processes, threads

SCRIPT = "train/progan.py"


class Above:
    """A process above this one, as psutil describes it."""

    def __init__(self, line, running=True, **environment):
        self.line, self.running, self.environment = line.split(), running, environment

    def cmdline(self):
        return self.line

    def environ(self):
        return self.environment

    def is_running(self):
        return self.running


@pytest.fixture
def above(monkeypatch):
    """Puts processes above this one; a launcher's environment variables are there."""
    monkeypatch.setattr("sys.argv", [SCRIPT])
    monkeypatch.setattr(config_args, "default_config_file", "/nowhere/default_config.yaml")
    for name in ("TORCHELASTIC_RUN_ID", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")

    def put(*parents):
        monkeypatch.setattr(psutil, "Process", lambda: SimpleNamespace(parents=lambda: list(parents)))
        return Launcher.find()

    return put


LAUNCHERS = [
    "python /venv/bin/accelerate launch train/progan.py",
    "python -m accelerate.commands.launch train/progan.py",
    "/venv/bin/python3 /venv/bin/torchrun train/progan.py",
    "python -m torch.distributed.run train/progan.py",
]


@pytest.mark.parametrize("line", LAUNCHERS)
def test_launchers_are_known_by_their_command_lines(above, line):
    assert above(Above(line), Above("bash")) is not None
    assert above(Above("py.exe"), Above(line)) is not None  # below a process that Windows puts in between
    assert above(Above("bash"), Above("make train"), Above(line)) is None


def test_without_a_launchers_variables_there_is_none(above, monkeypatch):
    """Started by hand below something that only looks like one."""
    monkeypatch.delenv("ACCELERATE_MIXED_PRECISION")
    assert above(Above("bash -c cd accelerate && python train/progan.py")) is None
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    assert above(Above("python -m torch.distributed.run train/progan.py")) is not None


def test_processes_that_may_not_be_looked_at_are_no_launchers(above):
    hidden = Above("torchrun")
    hidden.cmdline = lambda: (_ for _ in ()).throw(psutil.AccessDenied())
    assert above(hidden) is None


def test_a_launcher_is_gone_when_it_has_ended_or_another_process_took_its_place(above, monkeypatch):
    parent = Above(LAUNCHERS[0])
    found = above(parent)
    assert not found.gone
    parent.running = False
    assert found.gone
    parent.running = True
    monkeypatch.setattr(os, "getppid", lambda: 0)
    assert found.gone


@pytest.mark.parametrize(
    ("line", "variable", "precision"),
    [
        ("accelerate launch train/progan.py", "no", None),
        ("accelerate launch --cpu train/progan.py --mixed-precision bf16", "no", None),  # the script's own option
        ("accelerate launch --mixed_precision no train/progan.py", "no", "no"),
        ("accelerate launch --mixed_precision=no train/progan.py", "no", "no"),
        ("accelerate launch --mixed-precision no train/progan.py", "no", "no"),
        ("accelerate launch --config_file a.yaml train/progan.py", "no", "no"),
        ("accelerate launch --mixed_precision bf16 train/progan.py", "bf16", "bf16"),
        ("bash", "no", "no"),  # from the user's own environment
        ("bash", "bf16", "bf16"),
    ],
)
def test_the_precision_that_was_asked_for(above, monkeypatch, line, variable, precision):
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", variable)
    assert launched_precision(above(Above(line))) == precision


def test_accelerates_configuration_file_asks_for_a_precision(above, monkeypatch, tmp_path):
    file = tmp_path / "default_config.yaml"
    monkeypatch.setattr(config_args, "default_config_file", str(file))
    assert launched_precision(above(Above("accelerate launch train/progan.py"))) is None
    file.touch()
    assert launched_precision(above(Above("accelerate launch train/progan.py"))) == "no"
    assert launched_precision(above(Above("accelerate launch --cpu train/progan.py"))) is None  # which reads no file


@pytest.mark.parametrize("precision", ["fp16", "fp8"])
def test_other_precisions_are_refused_by_a_line_that_names_bf16(above, monkeypatch, precision):
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", precision)
    with pytest.raises(InputError, match=rf"^mixed precision {precision} is not supported: .*bf16"):
        launched_precision(above(Above(f"accelerate launch --mixed_precision {precision} train/progan.py")))


@pytest.mark.parametrize(
    ("line", "environment", "here", "expected"),
    [
        ("accelerate launch train/progan.py", {}, 1, 8),  # which says 1 by default
        ("torchrun --nproc-per-node 2 train/progan.py", {}, 2, 4),
        ("torchrun --nproc-per-node 16 train/progan.py", {}, 16, 1),
        ("accelerate launch --num_cpu_threads_per_process 3 train/progan.py", {}, 1, None),
        ("torchrun --nproc-per-node 2 train/progan.py", {"OMP_NUM_THREADS": "1"}, 2, None),
        ("bash", {}, 1, None),
    ],
)
def test_a_processor_is_shared_out_where_nothing_was_said(above, monkeypatch, line, environment, here, expected):
    monkeypatch.setattr(module, "available_cpus", lambda: 8)
    monkeypatch.setattr(psutil, "cpu_count", lambda logical: 16)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(here))
    assert threads(above(Above(line, **environment))) == expected


def test_threads_are_for_cores(above, monkeypatch):
    monkeypatch.setattr(module, "available_cpus", lambda: 8)
    monkeypatch.setattr(psutil, "cpu_count", lambda logical: 4)
    assert threads(above(Above(LAUNCHERS[0]))) == 4
    monkeypatch.setattr(psutil, "cpu_count", lambda logical: None)
    assert threads(above(Above(LAUNCHERS[0]))) == 8


def test_processes_that_were_not_started_are_missed(above, monkeypatch):
    launched = above(Above("accelerate launch --cpu --num_processes 2 train/progan.py"))
    assert not lost_processes(launched)
    monkeypatch.setenv("MASTER_PORT", "29500")
    assert lost_processes(launched)
    assert not lost_processes(None)  # a port in the environment of a plain python
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert not lost_processes(launched)
