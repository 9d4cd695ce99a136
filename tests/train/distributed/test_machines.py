"""Trainings in processes of their own: launchers, machines, signals and deaths. On Unix, whose signals they use."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from multiprocessing.connection import Connection
from pathlib import Path

import psutil
import pytest
import torch
from filelock import FileLock
from safetensors.torch import load_file

from stylegrow.data.identity import stamp_of_source
from stylegrow.data.sources import find_source
from tests.train.forks import FORKS
from tests.train.runs import HOLDOUT, ROOT
from train.command import main
from train.run.checkpoints import checkpoints_in

if not hasattr(os, "fork"):
    pytest.skip("needs the processes and signals of Unix", allow_module_level=True)

SCRIPT = str(ROOT / "train" / "progan.py")
SHAPE = (
    "--fmap-max 8 --fmap-base 32 --z-dim 8 --batch 16 --stable-kimg 0.1 --fade-kimg 0.1 "
    f"--snapshot-kimg 1000 --checkpoint-kimg 1000 --holdout {HOLDOUT} --mirror"
).split()
FLOAT32 = ("--mixed-precision", "no")
ENDLESS = ("--kimg", "1000", *FLOAT32)
TORCHRUN = (sys.executable, "-m", "torch.distributed.run")
ACCELERATE = (sys.executable, "-m", "accelerate.commands.launch", "-q")
LOST = "error: another process of this training has ended; continue with --resume\n"
LONG = 300  # seconds after which something must be wrong


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Process:
    """A process that writes to a pipe, and whose lines can be waited for. Both its outputs are one here."""

    def __init__(self, words, variables):
        reading, writing = os.pipe()
        self.pipe, self.lines = os.fdopen(reading), []
        variables = os.environ | {"OMP_NUM_THREADS": "1"} | {name: str(value) for name, value in variables.items()}
        self.start(list(map(str, words)), variables, writing)
        os.close(writing)

    def until(self, text):
        """Wait for a line with this text."""
        for line in self.pipe:
            self.lines.append(line)
            if text in line:
                return self
        raise AssertionError(f"ended without {text!r}:\n{self.out}")

    def end(self):
        """Read to the end of all that write to the pipe, and return the exit status."""
        self.lines += self.pipe
        return self.wait()

    def send(self, number):
        os.kill(self.pid, number)

    @property
    def out(self):
        return "".join(self.lines)

    @property
    def errors(self):
        """The lines of errors."""
        return [line for line in self.lines if line.startswith("error: ")]

    @property
    def silent(self):
        """Whether it said nothing, but for what torch says of sockets that have gone and of host names."""
        return all(
            line.startswith(("[", "Exception raised from", "frame #", "<omitting")) or not line.strip()
            for line in self.lines
        )


class Command(Process):
    """A command in a session of its own."""

    def start(self, words, variables, out):
        self.handle = subprocess.Popen(
            words, env=variables, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
        self.pid = self.handle.pid

    def wait(self):
        return self.handle.wait(LONG)

    def ranks(self):
        """The training processes below it, by rank."""
        below = psutil.Process(self.pid).children(recursive=True)
        return {int(process.environ().get("RANK", 0)): process for process in below if SCRIPT in process.cmdline()}

    def close(self):
        for process in psutil.process_iter():
            try:
                if os.getsid(process.pid) == self.pid:
                    process.kill()
            except (OSError, psutil.Error):
                continue
        self.wait()
        self.pipe.close()


class Forked(Process):
    """train/progan.py with these words."""

    def start(self, words, variables, out):
        with Connection(os.dup(out), readable=False) as end:
            self.handle = FORKS.Process(target=run_forked, args=(words, variables, Path.cwd(), end))
            self.handle.start()
        self.pid = self.handle.pid

    def wait(self):
        self.handle.join(LONG)
        return self.handle.exitcode

    def close(self):
        self.handle.kill()
        self.wait()
        self.pipe.close()


def run_forked(words, variables, folder, out):
    """The work of a forked process."""
    os.dup2(out.fileno(), 1)
    os.dup2(out.fileno(), 2)
    out.close()
    # The streams of the process that forks knew another file.
    sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1, closefd=False) for number in (1, 2))
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    torch.set_num_threads(1)
    sys.argv = [SCRIPT, *words]
    sys.exit(main("progan", "Train."))


@pytest.fixture
def begin(environment, pictures):
    """Begins a training on the pictures: by a launcher if one is given, with these words and environment variables."""
    begun = []

    def call(launcher, *words, **variables):
        given = words if "--resume" in words else (*SHAPE, "--data", pictures, *words)
        begun.append(Command((*launcher, SCRIPT, *given), variables) if launcher else Forked(given, variables))
        return begun[-1]

    yield call
    for process in begun:
        process.close()


@pytest.fixture
def pair(begin):
    """Begins two processes that train together, without a launcher above them."""

    def call(*words, **variables):
        variables |= {"WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
        return [begin(None, *words, RANK=rank, LOCAL_RANK=rank, **variables) for rank in (0, 1)]

    return call


def the_run(out):
    (run,) = Path(out).glob("*-progan-*")
    return run


def state(run):
    """The newest checkpoint's tensors, and the images seen."""
    newest = checkpoints_in(run / "checkpoints")[0]
    return load_file(newest / "state.safetensors"), int(newest.name)


def stopped_at(process):
    """After how many images a training says that it stopped."""
    (kimg,) = re.findall(r"^stopped at ([\d.]+) kimg, all is saved", process.out, re.MULTILINE)
    return round(1000 * float(kimg))


def test_two_machines_meet_and_two_processes_go_on_bit_for_bit(begin, pair, tmp_path):
    """Each machine has a launcher and a cache of its own, and prepares the pictures; then both ranks are on one."""
    where = (*TORCHRUN, *f"--nnodes 2 --nproc-per-node 1 --master-addr 127.0.0.1 --master-port {free_port()}".split())
    machines = [
        begin((*where, "--node-rank", rank), "--kimg", "0.15", *FLOAT32, STYLEGROW_CACHE=tmp_path / f"cache{rank}")
        for rank in (0, 1)
    ]
    assert [machine.end() for machine in machines] == [0, 0]
    for number, machine in enumerate(machines):
        assert "preparing noise" in machine.out
        assert len(list((tmp_path / f"cache{number}").glob("*/pyramid.json"))) == 1
    assert "2 processes" in machines[0].out
    assert "finished 0.16 kimg" in machines[0].out
    assert "kimg" not in machines[1].out
    run = the_run("runs")

    for words in (("--resume", run, "--kimg", "0.4"), ("--kimg", "0.4", *FLOAT32, "--out", "straight")):
        first, second = pair(*words)
        assert (first.end(), second.end()) == (0, 0)
        assert second.silent, second.out
    (resumed, images), (straight, _) = state(run), state(the_run("straight"))
    assert images == 400
    torch.testing.assert_close(resumed, straight, rtol=0, atol=0)


def test_two_machines_with_other_images_of_the_same_names_do_not_begin(begin, pictures, tmp_path):
    other = Path(shutil.copytree(pictures, tmp_path / "other" / pictures.name))
    shutil.copy(other / "a" / "06.png", other / "a" / "04.png")
    variables = {"WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 1, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
    machines = [
        begin(
            None, "--data", data, *ENDLESS, RANK=rank, LOCAL_RANK=0, STYLEGROW_CACHE=tmp_path / str(rank), **variables
        )
        for rank, data in enumerate((pictures, other))
    ]
    assert [machine.end() for machine in machines] == [2, 2]
    (error,) = machines[0].errors
    assert error.startswith(f"error: --data {other}: a/04.png is another image than that of the run; ")
    assert not list(Path("runs").glob("*-progan-*"))


def test_one_process_goes_on_with_what_two_began(begin, pair):
    first, second = pair("--kimg", "0.15", *FLOAT32)
    assert (first.end(), second.end()) == (0, 0)
    alone = begin(None, "--resume", "--kimg", "0.2")
    assert alone.end() == 0
    assert re.search("^note: 1 process.*; there were 2$", alone.out, re.MULTILINE)
    assert state(the_run("runs"))[1] == 208


@contextlib.contextmanager
def preparing(pictures, folder):
    """Within, another training prepares the data in the cache folder that it gives."""
    source, cache = find_source(str(pictures), None), folder / "cache"
    cache.mkdir()
    with FileLock(cache / f"{source.name}-{stamp_of_source(source, cache)}.lock"):
        yield cache


def test_one_process_prepares_and_the_other_waits_for_it(pair, pictures, tmp_path):
    """Also while a third, of another training, is at it already."""
    with preparing(pictures, tmp_path) as cache:
        first, second = pair("--dry-run", *ENDLESS, STYLEGROW_CACHE=cache)
        first.until("another process is preparing this data")
    assert (first.end(), second.end()) == (0, 0)
    assert first.out.count("preparing noise") == 1
    assert second.silent, second.out


def check_that_the_other_ended(processes, dies):
    """The one of two processes that was not killed has failed, and says why, also for the main one."""
    other = processes[1 - dies]
    assert other.end() == 1
    assert other.errors == [LOST]


@pytest.mark.parametrize("dies", [0, 1])
def test_a_death_in_preparation_ends_the_wait(pair, pictures, tmp_path, dies):
    with preparing(pictures, tmp_path) as cache:
        processes = pair(*ENDLESS, STYLEGROW_CACHE=cache)
        processes[0].until("another process is preparing this data")
        processes[dies].send(signal.SIGKILL)
        assert processes[dies].end() == -signal.SIGKILL
    check_that_the_other_ended(processes, dies)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_a_preparation_at_once(begin, pictures, tmp_path, number, status):
    with preparing(pictures, tmp_path) as cache:
        training = begin(None, *ENDLESS, STYLEGROW_CACHE=cache).until("another process is preparing this data")
        training.send(number)
        assert training.end() == status
    assert "Traceback" not in training.out


def test_an_error_in_preparation_is_everyones_and_said_once(pair, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    first, second = pair("--data", empty, *ENDLESS)
    assert (first.end(), second.end()) == (2, 2)
    assert len(first.errors) == 1
    assert str(empty) in first.errors[0]
    assert second.silent, second.out


@pytest.mark.parametrize("dies", [0, 1])
def test_no_process_outlives_another(pair, dies):
    processes = pair(*ENDLESS)
    processes[0].until("res 4")
    processes[dies].send(signal.SIGKILL)
    assert processes[dies].end() == -signal.SIGKILL
    check_that_the_other_ended(processes, dies)
    assert "Traceback" not in processes[1 - dies].out


@pytest.mark.parametrize(
    ("number", "receivers", "statuses"),
    [
        (signal.SIGTERM, [1], (143, 143)),
        (signal.SIGINT, [0, 1], (130, 130)),
    ],
)
def test_told_to_stop_all_save_once_and_end(pair, number, receivers, statuses):
    processes = pair(*ENDLESS)
    processes[0].until("res 4")
    for rank in receivers:
        processes[rank].send(number)
    assert tuple(process.end() for process in processes) == statuses
    assert processes[1].silent
    assert state(the_run("runs"))[1] == stopped_at(processes[0])
    assert len(checkpoints_in(the_run("runs") / "checkpoints")) == 1


def test_torchrun_passes_the_signal_on(begin):
    training = begin((*TORCHRUN, "--nproc-per-node", 2), *ENDLESS)
    training.until("res 4")
    assert set(training.ranks()) == {0, 1}
    training.send(signal.SIGTERM)
    assert training.end() != 0
    assert state(the_run("runs"))[1] == stopped_at(training)
    said = [line for line in training.lines if line.startswith(("data:", "run:", "res ", "this will take"))]
    assert len(set(said)) == len(said)


def test_where_the_main_process_dies_the_last_line_is_that_the_run_can_go_on(begin):
    training = begin((*TORCHRUN, "--nproc-per-node", 2), *ENDLESS).until("res 4")
    training.ranks()[0].kill()
    assert training.end() == 1
    assert training.errors == [LOST]
    assert training.lines[-1] == LOST


def test_accelerate_that_starts_one_process_for_two_is_found_out_and_its_end_saves_the_run(begin):
    """accelerate passes no signal on, and SIGKILL is one that it cannot notice."""
    training = begin((*ACCELERATE, "--cpu", "--num_processes", 2, "--mixed_precision", "bf16"), "--kimg", "1000")
    training.until("note: accelerate launch started only this process; for several on a CPU use torchrun")
    training.until("res 4")
    assert "1 process, precision bf16" in training.out
    training.send(signal.SIGKILL)
    assert training.end() == -signal.SIGKILL  # after the training, which has the pipe too
    assert state(the_run("runs"))[1] == stopped_at(training)


def test_accelerate_with_one_process_and_torchrun_with_two_end_in_the_same_weights(begin):
    """But for rounding, at 4 px and in the fade to 8 px; accelerate, given its values, says nothing first."""
    values = ("--cpu", "--num_processes", 1, "--num_machines", 1, "--mixed_precision", "no", "--dynamo_backend", "no")
    launchers = {"one": (*ACCELERATE[:-1], *values), "two": (*TORCHRUN, "--nproc-per-node", 2)}
    trainings = [begin(launcher, "--kimg", 0.144, *FLOAT32, "--out", out) for out, launcher in launchers.items()]
    assert [training.end() for training in trainings] == [0, 0]
    assert trainings[0].lines[0].startswith("data: ")
    (one, images), (two, its_images) = (state(the_run(out)) for out in launchers)
    assert (images, its_images) == (144, 144)
    assert one.keys() == two.keys()
    for name, tensor in one.items():
        torch.testing.assert_close(
            two[name], tensor, rtol=1e-3, atol=1e-4, msg=lambda text, name=name: f"{name}: {text}"
        )
