"""Two processes do what one would do with their joint batch. They are started once, for all tests of this file."""

import os
import signal
import socket
import tempfile
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pytest
import torch
import torch.multiprocessing

from stylegrow.common.errors import InputError, RunError
from tests.train import small
from train.distributed.processes import LostError, Processes
from train.run import checkpoints

PLACES = {"4 px": 0, "fade to 8 px": 32, "8 px": 48, "fade to 16 px": 72, "16 px": 96}
CASES = [
    dict(zip(("loss", "labels", "mbstd"), values, strict=True))
    for values in product(("wgan-gp", "ns-r1"), (False, True), (0, 4))
]
CASES += [
    {"loss": "wgan-gp", "labels": False, "mbstd": 4, "architecture": "stylegan"},
    {"loss": "ns-r1", "labels": True, "mbstd": 4, "architecture": "stylegan"},
    {"loss": "wgan-clip", "labels": False, "mbstd": 4, "clip": 0.05, "equalized": False},
    {"loss": "hinge", "labels": False, "mbstd": 4, "spectral_norm": "critic", "equalized": False},
    {"loss": "ns-r1", "labels": False, "mbstd": 4, "augment": "color,translation,cutout", "augment_p": 0.5},
    {"loss": "hinge", "labels": False, "mbstd": 4, "augment": "cutout", "augment_p": "ada"},
    {"loss": "gan", "labels": True, "mbstd": 4, "spectral_norm": "both", "equalized": False},
    {
        "loss": "hinge",
        "labels": False,
        "mbstd": 4,
        "spectral_norm": "both",
        "equalized": False,
        "architecture": "stylegan",
    },
]
# Every place with the first case of each architecture; the others in the fade that uses most of the networks.
EVERYWHERE = {0, next(number for number, case in enumerate(CASES) if "architecture" in case)}
WHERE = [
    (number, place)
    for number in range(len(CASES))
    for place in PLACES
    if number in EVERYWHERE or place == "fade to 16 px"
]
# What trains over all stages, with and without a checkpoint between them.
TRAININGS = {
    "progan": {},
    "stylegan": {"architecture": "stylegan"},
    "progan, normalised": {"loss": "hinge", "spectral_norm": "both", "equalized": False},
    "stylegan, normalised": {
        "loss": "hinge", "spectral_norm": "both", "equalized": False, "architecture": "stylegan"
    },
    "progan, clipped": {"loss": "wgan-clip", "clip": 0.05, "equalized": False},
    "progan, augmented": {"augment": "color,translation,cutout", "augment_p": 0.5},
}  # fmt: skip
STEPS = 8  # over all stages


class UnsendableError(Exception):
    def __init__(self, text, lock):
        super().__init__(text)
        self.lock = lock


def gradients_everywhere(processes, batch_per_device=None):
    """For each of WHERE the gradients of one step, its statistics, and the mean w there is then."""
    found = {}
    for number, case in enumerate(CASES):
        trainer, loader = small.a_trainer(processes, batch_per_device=batch_per_device, **case)
        for place in (place for there, place in WHERE if there == number):
            trainer.images = PLACES[place]
            statistics = small.step(trainer, loader)
            w_avg = trainer.generator.state_dict().get("w_avg", torch.zeros(0)).clone()
            found[number, place] = small.gradients(trainer), statistics, w_avg
    return found


def started_apart(processes, settings):
    """Weights at the start and after STEPS steps, where each process had others, but for what is broadcast."""
    trainer, loader = small.a_trainer(processes, seed=processes.rank, **settings)
    return small.weights(trainer), small.weights(small.train(trainer, loader, STEPS))


def resumed(processes, folder, settings):
    """Weights after STEPS steps, and after as many with a checkpoint between them, in float32."""
    settings = {"dtype": torch.float32, "mirror": True, **settings}
    straight = small.train(*small.a_trainer(processes, **settings), STEPS)
    first, loader = small.a_trainer(processes, **settings)
    small.train(first, loader, STEPS // 2)
    if processes.rank == 0:
        checkpoints.save(folder, first, keep=1)
    found = processes.on_main(lambda: checkpoints.read_newest(folder, print))
    second, loader = small.a_trainer(processes, **settings, seed=1)
    checkpoints.restore(second, found)
    return small.weights(straight), small.weights(small.train(second, loader, STEPS - STEPS // 2))


def means_of(processes):
    """`all_reduce_mean` of tensors of several layouts and of scalars of another type, and whether layouts stay."""
    base = torch.arange(24.0).reshape(1, 4, 2, 3) * (processes.rank + 1)
    tensors = [base.clone(), base.clone().contiguous(memory_format=torch.channels_last), base.flatten()[::2]]
    means = torch.tensor([1.0, 3.0], dtype=torch.float64) * processes.rank
    processes.all_reduce_mean([*tensors, means])
    doubles = [base.double() / 3]
    processes.all_reduce_mean(doubles)
    return tensors, means, doubles, tensors[1].is_contiguous(memory_format=torch.channels_last)


def caught(function):
    try:
        return function()
    except Exception as error:
        return type(error), str(error), error.__traceback__.tb_next is not None


def fail(error):
    raise error


def results_of(processes):
    """What both get from functions that one or both call."""
    rank = processes.rank
    return {
        "own": processes.together(lambda: rank),
        "main's": processes.on_main(lambda: f"from {rank}"),
        "error of one": caught(lambda: processes.together(lambda: fail(InputError("--data")) if rank == 1 else 0)),
        "error of both": caught(lambda: processes.together(lambda: fail(InputError(f"from {rank}")))),
        "error of main": caught(lambda: processes.on_main(lambda: fail(RunError("disk")))),
        "unsendable": caught(lambda: processes.together(lambda: fail(UnsendableError("odd", open)) if rank else 0)),
    }


def prepared_first(processes, folder):
    """Whether the work was done when this process came to it, for the second process of the machine."""
    marker = folder / "prepared"

    def prepare():
        there = marker.exists()
        marker.touch()
        return there

    return processes.machine_by_machine(prepare)


def stopped(processes):
    """The statuses before and after one of the processes is told to stop."""
    before = processes.stop_status()
    processes.stop.defer()
    if processes.rank == 1:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
    early = processes.stop_status()
    processes.all_reduce_mean([torch.zeros(2)])
    return before, early, processes.stop_status()


def left_last(processes, folder):
    """Whether the main process had finished its work when this one came out of the block."""
    processes.accelerator.state.destroy_process_group = lambda: None  # they have more to do
    marker, going = folder / "written", torch.zeros(1)
    with processes:
        if processes.rank == 1:
            torch.distributed.send(going, 0)
        else:
            torch.distributed.recv(going, 1)
            torch.randn(1000, 1000).sort()
            marker.touch()
    return marker.exists()


def lost(processes):
    """What the first process hears of the second one's failure."""
    try:
        with processes:
            if processes.rank == 1:
                raise RunError("out of memory")
            processes.all_reduce_mean([torch.zeros(2)])
    except LostError as error:
        return str(error)
    except RunError:
        return None


def one_of_two(rank, port, folder):
    """The work of a process: everything that the tests look at, saved under its rank."""
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    torch.set_num_threads(1)
    processes = Processes()
    found = {
        "count": processes.count,
        "gradients": gradients_everywhere(processes),
        "gradients in parts": gradients_everywhere(processes, batch_per_device=4),
        "started apart": {name: started_apart(processes, settings) for name, settings in TRAININGS.items()},
        "resumed": {name: resumed(processes, folder / name, settings) for name, settings in TRAININGS.items()},
        "means": means_of(processes),
        "results": results_of(processes),
        "prepared first": prepared_first(processes, folder),
        "stopped": stopped(processes),
        "left last": left_last(processes, folder),
        "lost": lost(processes),
    }
    torch.save(found, folder / f"{rank}.pt")


@dataclass
class Both:
    first: dict
    second: dict


@pytest.fixture(scope="module")
def both():
    with tempfile.TemporaryDirectory() as name, socket.socket() as free:
        folder = Path(name)
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        torch.multiprocessing.spawn(one_of_two, (port, folder), nprocs=2)
        yield Both(*(torch.load(folder / f"{rank}.pt", weights_only=False) for rank in (0, 1)))


@pytest.fixture(scope="module")
def alone():
    """The gradients of a single process that takes the whole batch at once."""
    return gradients_everywhere(None)


@pytest.mark.parametrize(
    ("case", "place"), WHERE, ids=[f"{' '.join(map(str, CASES[case].values()))}, {place}" for case, place in WHERE]
)
@pytest.mark.parametrize("how", ["gradients", "gradients in parts"])
def test_gradients_are_those_of_the_joint_batch(both, alone, how, case, place):
    wanted, measured, w_avg = alone[case, place]
    for found in (both.first, both.second):
        gradients, their_measured, their_w_avg = found[how][case, place]
        torch.testing.assert_close(gradients, wanted, rtol=0, atol=1e-10)
        torch.testing.assert_close(their_w_avg, w_avg, rtol=0, atol=1e-12)
        torch.testing.assert_close(their_measured, measured, rtol=1e-5, atol=1e-5)


def test_stages_and_fades_use_different_parameters(alone):
    unused = [{name for name, gradient in alone[0, place][0].items() if gradient is None} for place in PLACES]
    assert len(set(map(frozenset, unused))) == len(PLACES)
    assert not unused[-1] & {"generator.to_image.16x16.weight", "discriminator.from_image.16x16.weight"}


@pytest.mark.parametrize("training", TRAININGS)
def test_weights_after_all_stages_are_those_of_one_process(both, training):
    (_, first), (_, second) = (found["started apart"][training] for found in (both.first, both.second))
    torch.testing.assert_close(first, second, rtol=0, atol=0)
    single = small.train(*small.a_trainer(**TRAININGS[training]), STEPS)
    assert single.schedule.at(single.images).phase == 4
    torch.testing.assert_close(first, small.weights(single), rtol=0, atol=1e-9)


@pytest.mark.parametrize("training", TRAININGS)
def test_processes_start_with_the_weights_of_the_main_one(both, training):
    """With its buffers, too."""
    expected = small.weights(small.a_trainer(seed=0, **TRAININGS[training])[0])
    for found in (both.first, both.second):
        start, _ = found["started apart"][training]
        torch.testing.assert_close(start, expected, rtol=0, atol=0)


@pytest.mark.parametrize("training", TRAININGS)
def test_a_resumed_training_is_bit_identical(both, training):
    for found in (both.first, both.second):
        straight, resumed = found["resumed"][training]
        torch.testing.assert_close(resumed, straight, rtol=0, atol=0)


def test_means_of_any_layout_and_type(both):
    base = torch.arange(24.0).reshape(1, 4, 2, 3) * 1.5
    for found in (both.first, both.second):
        tensors, means, doubles, still_channels_last = found["means"]
        expected = [base, base, base.flatten()[::2]]
        torch.testing.assert_close(tensors, expected, rtol=0, atol=0)
        assert still_channels_last
        torch.testing.assert_close(means, torch.tensor([0.5, 1.5], dtype=torch.float64), rtol=0, atol=0)
        torch.testing.assert_close(doubles, [base.double() / 3], rtol=1e-15, atol=0)


def test_results_and_errors_are_shared(both):
    for rank, found in enumerate((both.first["results"], both.second["results"])):
        assert found["own"] == rank
        assert found["main's"] == "from 0"
        assert found["error of one"][:2] == (InputError, "--data")
        assert found["error of both"] == (InputError, f"from {rank}", True)
        assert found["error of main"][:2] == (RunError, "disk")
        assert found["unsendable"][:2] == ((RunError, "odd") if rank == 0 else (UnsendableError, "odd"))


def test_one_process_of_a_machine_prepares_before_the_others(both):
    assert (both.first["prepared first"], both.second["prepared first"]) == (False, True)


def test_all_stop_together_when_one_is_told_to(both):
    assert both.first["stopped"] == (None, None, 128 + signal.SIGTERM)
    assert both.second["stopped"] == (None, None, 128 + signal.SIGINT)  # the signal that came first


def test_none_ends_while_the_main_process_writes(both):
    assert both.first["left last"]
    assert both.second["left last"]


def test_the_main_process_hears_why_another_failed(both):
    assert (both.first["lost"], both.second["lost"]) == ("process 1: out of memory", None)
