"""What the loop does beside stepping: skipped steps, full disks, a lack of memory, and when things are due."""

import errno
import math
import os
import sys
from pathlib import Path

import pytest
import torch

from stylegrow.models import load_generator
from tests.train import small
from tests.train.runs import Train, last_checkpoint, only, statistics
from train.run import checkpoints
from train.run.loop import crossed
from train.step import computation
from train.step.trainer import Trainer


@pytest.fixture
def spoil(monkeypatch):
    """A function that makes the reals of some critic steps, counted from 1, not a number."""

    def spoil_steps(wanted):
        count, to_reals = 0, computation.to_reals

        def spoilt(*arguments):
            nonlocal count
            count += 1
            return to_reals(*arguments) * (math.nan if count in wanted else 1)

        monkeypatch.setattr(computation, "to_reals", spoilt)

    return spoil_steps


def parts(state, *names):
    return {name: value for name, value in state.items() if name.split(".")[0] in names}


def test_a_gradient_that_is_not_finite_changes_nothing(spoil):
    spoil([3])
    one, loader = small.a_trainer(schedule=small.a_schedule(stable=9))
    for _ in range(2):
        small.step(one, loader)
    before = {name: value.clone() for name, value in checkpoints.state_of(one).items()}
    small.step(one, loader)
    after = checkpoints.state_of(one)
    critic = parts(after, "discriminator", "d_adam")
    assert len(critic) > 10
    for name, value in critic.items():
        assert torch.equal(value, before[name]), name
    # The generator's own step was sound.
    assert any(not torch.equal(value, before[name]) for name, value in parts(after, "generator").items())
    assert (one.skipped, one.skipped_in_a_row) == (1, 1)
    small.step(one, loader)
    assert (one.skipped, one.skipped_in_a_row) == (1, 0)


def test_skipped_steps_are_counted_and_training_goes_on(train: Train, spoil):
    spoil([4, 5])
    ended = train()
    assert ended.status == 0
    run = only("runs")
    assert [line["skipped_steps"] for line in statistics(run)] == [2, 2, 2]
    assert all(math.isfinite(value) for line in statistics(run) for value in line.values())
    assert "skipped 2 steps" in ended.out
    assert all(tensor.isfinite().all() for tensor in load_generator(run).state_dict().values())
    assert last_checkpoint(run).facts.skipped == 2


@pytest.mark.parametrize(
    ("precision", "advice"),
    [
        ("no", "; continue with --resume and a lower --lr"),
        ("bf16", " --resume and --mixed-precision no or a lower --lr"),
    ],
)
def test_persistent_ones_end_the_run(train: Train, spoil, precision, advice):
    spoil(range(10, 1000))
    ended = train("--kimg", 10, "--mixed-precision", precision)
    assert ended.status == 1
    assert ended.error.startswith("gradients were not finite for 20 steps up to 0.464 kimg")
    assert advice in ended.error
    assert all(tensor.isfinite().all() for tensor in last_checkpoint(only("runs")).tensors.values())


def test_weights_that_run_away_end_the_run(train: Train):
    ended = train("--lr", 1e30, "--kimg", 10)
    assert ended.status == 1
    assert ended.error.startswith("gradients were not finite for 20 steps")


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        ([], "at 4 px with 16 pictures at once; continue with --resume --batch-per-device 8"),
        (["--batch-per-device", 9], "at 4 px with 8 pictures at once; continue with --resume --batch-per-device 4"),
        (["--batch-per-device", 4], "at 4 px with 4 pictures at once; start a run with a lower --batch"),
    ],
)
@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate ...\n"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: ..."),
        MemoryError(),
    ],
    ids=["GPU", "CPU", "Python"],
)
def test_a_lack_of_memory_says_what_to_do(train: Train, monkeypatch, given, advice, error):
    def step(*arguments):
        raise error

    monkeypatch.setattr(Trainer, "step", step)
    ended = train(*given)
    assert ended.status == 1
    assert ended.error.startswith(f"out of memory {advice}")


def test_other_errors_are_mistakes_of_ours(train: Train, monkeypatch):
    def step(*arguments):
        raise RuntimeError("a mistake")

    monkeypatch.setattr(Trainer, "step", step)
    ended = train()
    assert ended.status == 1
    assert ended.err.startswith("Traceback")
    assert ended.err.endswith("RuntimeError: a mistake\n")


def full_disk(monkeypatch, call):
    """From this call of os.fsync on, there is no room."""
    count, sync = 0, os.fsync

    def fsync(file):
        nonlocal count
        count += 1
        if count >= call:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(file)

    monkeypatch.setattr(os, "fsync", fsync)


# In the first model, the first grid of samples, checkpoints, a model in between, and at the end.
@pytest.mark.parametrize("call", [5, 7, 13, 15, 20, 38])
def test_a_full_disk_ends_the_run_and_leaves_the_last_checkpoint_whole(train: Train, finished, monkeypatch, call):
    with monkeypatch.context() as patch:
        full_disk(patch, call)
        ended = train()
    assert ended.status == 1
    run = only("runs")
    there = checkpoints.checkpoints_in(run / "checkpoints")
    saved = f"{there[0]} is whole" if there else "no checkpoint was written yet"
    assert "cannot be written (No space left on device)" in ended.error
    assert ended.error.endswith(f"; {saved}; make room, then use --resume {run}")
    assert not list(run.rglob("*.tmp")) + list(run.rglob(".partial"))
    if (run / "model").exists():
        load_generator(run)

    ended = train("--resume")
    assert ended.status == 0
    assert "not usable" not in ended.out
    last = "checkpoints/000000000400/state.safetensors"
    assert (run / last).read_bytes() == (finished / last).read_bytes()


def test_a_disk_that_is_full_from_the_start_has_no_room_for_a_run(train: Train, monkeypatch):
    full_disk(monkeypatch, 1)
    ended = train()
    assert ended.status == 2
    assert ended.error.startswith(f"--out {Path('runs').absolute()}: cannot be written (No space left on device)")


@pytest.mark.skipif(sys.platform == "win32", reason="has no limits on processes")
def test_a_file_that_must_not_grow_any_more(train: Train, finished):
    """As a quota does it: a later checkpoint is larger than allowed, with Adam's state of all layers."""
    import resource

    state = (checkpoints.checkpoints_in(finished / "checkpoints")[0] / "state.safetensors").stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (state - 1, before[1]))
    try:
        ended = train()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert ended.status == 1
    run = only("runs")
    whole = checkpoints.checkpoints_in(run / "checkpoints")[0]
    assert f"cannot be written (File too large); {whole} is whole; make room" in ended.error
    assert f"from {int(whole.name) / 1000:g} kimg" in train("--resume").out


def test_every_stage_s_line_tells_of_that_stage(finished: Path):
    lines = statistics(finished)
    assert [(line["resolution"], line["alpha"]) for line in lines] == [(4, 1), (8, 0.92), (8, 1)]
    assert [line["kimg"] for line in lines] == [0.112, 0.208, 0.4]
    wanted = "batch lr img_per_sec sec_per_kimg memory_gb skipped_steps elapsed_sec left_sec timestamp"
    measured = "D/loss D/gradient D/wasserstein D/penalty D/score_real D/score_fake G/loss G/gradient"
    assert set(f"kimg resolution alpha {wanted} {measured}".split()) <= lines[0].keys()
    assert lines[-1]["left_sec"] == 0


@pytest.mark.parametrize(
    ("before", "after", "kimg", "due"),
    [
        (0, 16, 0.1, False),
        (96, 112, 0.1, True),
        (84, 100, 0.1, True),
        (100, 116, 0.1, False),
        (0, 500, 0.1, True),
        (0, 1, 0.0001, True),
        (0, 10**9, None, False),
    ],
)
def test_what_is_due_every_so_many_images(before, after, kimg, due):
    assert crossed(before, after, kimg) is due
