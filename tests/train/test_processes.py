"""One process among those that train together: its launcher's word, signals, precision, and broken connections."""

import os
import signal
import socket
import threading
from types import SimpleNamespace

import psutil
import pytest
import torch
from accelerate.commands.config import config_args

from stylegrow.common.errors import InputError, RunError
from train.distributed import launcher as module
from train.distributed import processes
from train.distributed.launcher import Launcher, launched_precision, lost_processes, threads
from train.distributed.processes import Processes, SingleProcess, StopRequest, portable, use_cpu

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
    monkeypatch.setattr(os, "getppid", lambda: 1)
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


@pytest.fixture
def stop():
    """A request to stop, and the signals given back after it."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    request = StopRequest(None)
    yield request
    request.close()
    assert {number: signal.getsignal(number) for number in before} == before


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signals_end_a_process_at_first_and_are_then_noted(stop, number, status):
    with pytest.raises(SystemExit) as ending:
        signal.raise_signal(number)
    assert ending.value.code == status
    assert stop.status is None
    stop.defer()
    signal.raise_signal(number)
    assert stop.status == status
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGINT)
    assert stop.status == status


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="there is no such signal here")
def test_a_closed_terminal_stops_a_training_unless_nohup_is_used():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        for handler, status in ((signal.SIG_IGN, None), (signal.SIG_DFL, 129)):
            signal.signal(signal.SIGHUP, handler)
            request = StopRequest(None)
            request.defer()
            signal.raise_signal(signal.SIGHUP)
            assert request.status == status
            request.close()
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("deferred", [False, True])
def test_a_launcher_that_goes_is_a_request_to_stop(monkeypatch, deferred):
    monkeypatch.setattr(processes, "SECONDS_BETWEEN_LOOKS", 0.001)
    goes = threading.Event()

    class Launched:
        @property
        def gone(self):
            return goes.is_set()

    def after_it_has_gone():
        goes.set()
        request._watcher.join()
        return request.status

    request = StopRequest(Launched())
    assert request.status is None
    if deferred:
        request.defer()
        assert after_it_has_gone() == 143
    else:
        with pytest.raises(SystemExit, match="143"):
            after_it_has_gone()
    request.close()


@pytest.mark.parametrize(
    ("cuda", "mps", "variables", "expected"),
    [
        (False, False, {}, True),
        (True, False, {}, False),
        (True, False, {"WORLD_SIZE": "2"}, False),
        (True, False, {"ACCELERATE_USE_CPU": "True"}, True),
        (True, False, {"ACCELERATE_USE_CPU": "False"}, False),
        (False, True, {}, False),
        (False, True, {"WORLD_SIZE": "2"}, True),  # Apple's GPU is one, and knows no message between processes
    ],
)
def test_the_processor_is_used_where_there_is_nothing_better(monkeypatch, cuda, mps, variables, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    for name in ("WORLD_SIZE", "ACCELERATE_USE_CPU"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert use_cpu() == expected


def own_addresses():
    """(interface, address) of this machine, as other machines see it."""
    return [
        (name, known.address)
        for name, addresses in psutil.net_if_addrs().items()
        for known in addresses
        if known.family == socket.AF_INET and not known.address.startswith("127.")
    ]


@pytest.mark.parametrize(("name", "address"), [*own_addresses()[:1], (None, "127.0.0.1")])
def test_machines_meet_over_the_network_that_leads_to_the_main_one(monkeypatch, name, address):
    for variable, value in {"WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": address}.items():
        monkeypatch.setenv(variable, value)
    assert processes.interface_between_machines() == name
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")  # one machine needs none
    assert processes.interface_between_machines() is None


def test_bfloat16_is_fast_where_the_processor_has_instructions_for_it(monkeypatch):
    for able, expected in (
        ({}, False),
        ({"avx512_bf16": True}, True),
        ({"amx_bf16": True, "avx512_bf16": False}, True),
    ):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda able=able: able, raising=False)
        assert processes.fast_bf16(torch.device("cpu")) == expected
    assert not processes.fast_bf16(torch.device("mps"))


def test_one_process_does_what_several_would(environment):
    """The interface is the same, and nothing is read, copied or written."""
    scalars, tensor = torch.ones(2), torch.empty(3, device="meta")
    assert SingleProcess().all_reduce_mean([tensor], scalars) is scalars
    with Processes() as alone:
        assert (alone.rank, alone.count, alone.is_main) == (0, 1, True)
        assert alone.all_reduce_mean([tensor], scalars) is scalars
        alone.broadcast([tensor])
        for call in (alone.together, alone.on_main, alone.machine_by_machine):
            assert call(lambda: 7) == 7
            with pytest.raises(RunError, match="disk"):
                call(lambda: (_ for _ in ()).throw(RunError("disk")))
        assert alone.stop_status() is None
        alone.stop.defer()
        signal.raise_signal(signal.SIGTERM)
        assert alone.stop_status() == 143


def test_errors_that_cannot_travel_go_as_their_text():
    class Local(Exception):
        """Of a class that the other process cannot import."""

    error = InputError("--data")
    assert portable(error) is error
    assert portable(None) is None
    sent = portable(Local("odd"))
    assert (type(sent), str(sent)) == (RunError, "odd")
