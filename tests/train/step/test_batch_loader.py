"""Batches in their order: a function of the images seen, every picture once an epoch, errors where they are used."""

import threading
from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stylegrow.common.errors import DataError, RunError
from tests import oracle
from tests.train.small import Pictures, a_schedule
from train.config.schedule import Schedule
from train.step.batch_loader import BatchLoader, to_reals
from train.step.random_streams import RandomStreams

PRIMITIVES = oracle.load("primitives")[1]
repeatable = settings(derandomize=True, deadline=None, max_examples=40)


def a_loader(data=None, schedule=None, rank=0, processes=1, seed=0):
    data = data or Pictures()
    return BatchLoader(data, data.training, schedule or a_schedule(), RandomStreams(seed), rank, processes)


def test_every_picture_is_shown_once_an_epoch_in_an_order_of_its_own():
    loader, data = a_loader(), Pictures()
    count = len(data.training)
    epochs = loader.indices(0, 4 * count).reshape(4, count)
    for epoch in epochs:
        np.testing.assert_array_equal(np.sort(epoch), data.training)  # and no picture that is held out
    assert len({tuple(epoch) for epoch in epochs}) == 4
    assert tuple(a_loader(seed=1).indices(0, count)) != tuple(epochs[0])


@repeatable
@given(st.integers(0, 10**7), st.integers(1, 150), st.integers(1, 150))
def test_the_position_is_the_number_of_images_seen(images, first, second):
    """However the images are cut into batches, also across epochs and for batches larger than the data."""
    loader = a_loader()
    parts = [loader.indices(images, first), a_loader().indices(images + first, second)]
    np.testing.assert_array_equal(np.concatenate(parts), loader.indices(images, first + second))


@repeatable
@given(st.integers(0, 1000), st.sampled_from([1, 2, 4, 8]))
def test_processes_share_the_batch_of_one(images, processes):
    data = Pictures()
    whole = a_loader(data).read(images)
    shares = [a_loader(data, rank=rank, processes=processes).read(images) for rank in range(processes)]
    together = np.stack([share.indices for share in shares], 1).reshape(-1)
    np.testing.assert_array_equal(together, whole.indices)
    images = torch.stack([share.images for share in shares], 1).flatten(0, 1)
    assert torch.equal(images, whole.images)


def test_batches_follow_the_schedule():
    schedule = Schedule(16, 4, 0.02, 0.02, {4: 10, 8: 6, 16: 4}, dict.fromkeys((4, 8, 16), 0.1))
    data = Pictures()
    loader = a_loader(data, schedule)
    images = 0
    batches = loader.batches(0)
    for batch in islice(batches, 30):
        stage = schedule.at(images)
        assert batch.start == images
        assert batch.images.dtype == torch.uint8
        assert batch.images.shape == (stage.batch, 3, stage.resolution, stage.resolution)
        np.testing.assert_array_equal(batch.indices, loader.indices(images, stage.batch))
        np.testing.assert_array_equal(batch.images, data.levels[stage.resolution][batch.indices])
        images += stage.batch
    batches.close()


def test_batches_continue_from_any_of_them():
    straight = a_loader().batches(0)
    batches = list(islice(straight, 12))
    straight.close()
    for start in (1, 5, 11):
        resumed = a_loader().batches(batches[start].start)
        batch = next(resumed)
        resumed.close()
        assert torch.equal(batch.images, batches[start].images)


def readers():
    return [thread for thread in threading.enumerate() if thread.name.startswith("loader")]


def test_the_thread_reads_ahead_and_ends_when_the_iterator_is_closed():
    reads, ahead = [], threading.Event()

    class Noted(Pictures):
        def read(self, indices, resolution):
            reads.append(threading.current_thread())
            if len(reads) == 3:
                ahead.set()
            return super().read(indices, resolution)

    batches = a_loader(Noted()).batches(0)
    next(batches)
    assert ahead.wait(60)  # the third is read although only the first was asked for
    assert len(readers()) == 1
    assert set(reads) == set(readers())
    batches.close()
    assert readers() == []
    assert len(reads) == 3


def test_data_that_is_damaged_in_mid_run_ends_it_in_one_line():
    class Damaged(Pictures):
        def read(self, indices, resolution):
            raise DataError("level-0004.npy is damaged")

    with pytest.raises(RunError, match=r"level-0004\.npy is damaged.*--resume"):
        next(a_loader(Damaged()).batches(0))


def test_an_error_of_the_reading_thread_is_raised_in_its_turn():
    class Damaged(Pictures):
        def read(self, indices, resolution):
            if resolution == 8:
                raise OSError("level-8 is damaged")
            return super().read(indices, resolution)

    loader = a_loader(Damaged(), a_schedule(batch=10))
    found = []
    with pytest.raises(OSError, match="level-8 is damaged"):
        found.extend(batch.start for batch in loader.batches(0))  # which extend appends one by one
    assert readers() == []
    batches = loader.batches(0)
    assert [next(batches).start for _ in range(3)] == [0, 10, 20]
    with pytest.raises(OSError, match="level-8 is damaged"):
        next(batches)
    assert readers() == []


@pytest.mark.parametrize("lod", [0.0, 0.25, 1.0, 1.5, 2.0])
def test_reals_are_faded_as_in_the_official_program(lod):
    given_images = oracle.tensor(PRIMITIVES[f"process_reals_lod{lod}/in/x"])
    wanted = oracle.tensor(PRIMITIVES[f"process_reals_lod{lod}/out"])
    resolution, alpha = oracle.stage(lod, 16)
    reals = to_reals((given_images + 1) * 127.5, None, alpha)
    assert reals.shape[-1] == resolution
    repeat = 16 // resolution
    reals = reals.repeat_interleave(repeat, 2).repeat_interleave(repeat, 3)
    torch.testing.assert_close(reals, wanted, rtol=0, atol=1e-12)


def test_reals_span_minus_one_to_one():
    grey = torch.tensor([0.0, 127.5, 255.0]).reshape(3, 1, 1, 1).expand(3, 1, 4, 4)
    assert to_reals(grey, None, 1.0)[:, 0, 0, 0].tolist() == [-1, 0, 1]


def test_mirroring_is_of_whole_samples_left_to_right():
    pictures = torch.arange(2 * 3 * 8 * 8, dtype=torch.float32).reshape(2, 3, 8, 8)
    plain = to_reals(pictures, None, 0.5)
    mirrored = to_reals(pictures, torch.tensor([False, True]), 0.5)
    assert torch.equal(mirrored[0], plain[0])
    torch.testing.assert_close(mirrored[1], plain[1].flip(2))


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_energies_stay_while_a_level_fades_in(alpha):
    """Of images that are roots of energies, each cell of the level below keeps its mean energy, at every alpha."""
    levels = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 255
    reals = to_reals(levels, None, torch.tensor(alpha, dtype=torch.float64), roots=(True,) * 3)
    before, after = (torch.nn.functional.avg_pool2d(one, 2) for one in (levels**2, ((reals + 1) * 127.5) ** 2))
    torch.testing.assert_close(after, before)
    if alpha == 0:
        torch.testing.assert_close(((reals + 1) * 127.5)[..., ::2, ::2], before.sqrt())


@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_times_fade_in_from_the_mean_of_those_that_are_there(alpha):
    """0 is nothing: of two stations with a time and two without, the cell of the level below has the mean of two."""
    times = torch.zeros(1, 1, 8, 8, dtype=torch.float64)
    times[0, 0, 0, 0], times[0, 0, 1, 1] = 100, 120
    reals = to_reals(times, None, torch.tensor(alpha, dtype=torch.float64), roots=(False,))
    low = torch.zeros_like(times)
    low[0, 0, :2, :2] = 110
    torch.testing.assert_close((reals + 1) * 127.5, low + alpha * (times - low))
