"""Random numbers of a training: functions of seed, purpose and moment, with the distributions they should have."""

import itertools

import numpy as np
import pytest
import torch

from train.step.random_streams import RandomStreams

STREAMS = RandomStreams(7)
KINDS = {
    "latents": lambda streams, purpose, images: streams.latents(purpose, images, 6, 5),
    "uniform": lambda streams, purpose, images: streams.uniform(purpose, images, 6),
    "choices": lambda streams, purpose, images: streams.choices(purpose, images, 6, 10**9),
    "order": lambda streams, purpose, images: streams.order(images, 50),
    "crossover": lambda streams, purpose, images: [
        streams.crossover(f"{purpose} {n}", images, 10**9) for n in range(9)
    ],
    "noise": lambda streams, purpose, images: torch.cat(
        [one.flatten() for one in streams.noise(purpose, images, 2, [2, 3])]
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_equal_for_the_same_moment(kind):
    torch.manual_seed(1)
    first = KINDS[kind](RandomStreams(7), "mix", 1000)
    torch.manual_seed(2)  # the global generator has no part in it
    np.testing.assert_array_equal(first, KINDS[kind](RandomStreams(7), "mix", 1000))


@pytest.mark.parametrize("kind", KINDS)
def test_different_for_every_seed_purpose_and_moment(kind):
    moments = itertools.product((0, 1, 71), ("critic", "mix") if kind != "order" else ("",), (0, 1, 10, 10**9))
    found = [tuple(np.ravel(KINDS[kind](RandomStreams(seed), purpose, images))) for seed, purpose, images in moments]
    assert len(set(found)) == len(found)


def test_purposes_cannot_run_into_numbers():
    """Seed 1 with purpose "2 x" is not seed 12 with purpose "x"."""
    firsts = [
        RandomStreams(1).uniform("1 x", 1, 1),
        RandomStreams(11).uniform("x", 1, 1),
        RandomStreams(1).uniform("1 x 1", 1, 1),
    ]
    assert len({first.item() for first in firsts}) == 3


def test_latents_are_normal():
    latents = torch.cat([STREAMS.latents("critic", images, 64, 32) for images in range(50)])
    assert latents.shape == (3200, 32)
    assert latents.mean().abs() < 0.01  # 3 standard errors: 0.009
    assert (latents.std() - 1).abs() < 0.01
    assert (latents.abs() < 1).float().mean() == pytest.approx(0.6827, abs=0.005)
    # Samples of neighbouring steps have nothing to do with each other.
    assert np.corrcoef(latents[:-64].flatten(), latents[64:].flatten())[0, 1] == pytest.approx(0, abs=0.01)


def test_coefficients_are_uniform_and_one_a_sample():
    mix = torch.cat([STREAMS.uniform("mix", images, 64) for images in range(100)])
    assert mix.shape == (6400, 1, 1, 1)
    assert 0 <= mix.min() < 0.01 < 0.99 < mix.max() < 1
    counts = torch.histc(mix, 10, 0, 1)
    assert ((counts - 640).abs() < 100).all()  # 4 standard deviations: 96


def test_choices_are_uniform_with_replacement():
    choices = np.concatenate([STREAMS.choices("labels", images, 100, 10) for images in range(100)])
    counts = np.bincount(choices)
    assert len(counts) == 10
    assert (abs(counts - 1000) < 120).all()
    assert len(set(STREAMS.choices("labels", 0, 10, 10))) < 10


def test_an_order_is_a_permutation_of_its_own_epoch():
    orders = [STREAMS.order(epoch, 1000) for epoch in range(3)]
    for order in orders:
        np.testing.assert_array_equal(np.sort(order), np.arange(1000))
    assert (orders[0] == orders[1]).sum() < 10
    assert abs(np.corrcoef(orders[0], np.arange(1000))[0, 1]) < 0.1


def test_any_number_can_be_a_seed():
    assert RandomStreams(2**80).latents("critic", 2**70, 1, 1).isfinite().all()


@pytest.mark.parametrize("layers", [2, 3, 8])
def test_nine_batches_of_ten_are_mixed_at_any_layer_but_the_first(layers):
    counts = np.bincount([STREAMS.crossover("critic", images, layers) for images in range(5000)], minlength=layers + 1)
    assert len(counts) == layers + 1
    assert counts[0] == 0
    assert counts[layers] == pytest.approx(500, abs=85)  # 4 standard deviations
    share = 4500 / (layers - 1)
    assert (abs(counts[1:layers] - share) < 4 * share**0.5).all()


@pytest.mark.parametrize(("probability", "mixed"), [(0.0, 0), (0.25, 250), (1.0, 1000)])
def test_as_many_batches_are_mixed_as_is_asked_for(probability, mixed):
    crossovers = [STREAMS.crossover("critic", images, 8, probability) for images in range(1000)]
    assert sum(crossover < 8 for crossover in crossovers) == pytest.approx(mixed, abs=4 * (mixed * 0.75) ** 0.5)


def test_one_layer_is_not_mixed():
    assert {STREAMS.crossover("critic", images, 1) for images in range(50)} == {1}


def test_noise_is_normal_and_another_in_every_map():
    small, large = STREAMS.noise("critic", 0, 30, [4, 16])
    assert (small.shape, large.shape) == ((30, 1, 4, 4), (30, 1, 16, 16))
    assert large.mean().abs() < 0.04  # 3 standard errors: 0.034
    assert (large.std() - 1).abs() < 0.03
    assert len({*small.flatten().tolist(), *large.flatten().tolist()}) == 30 * (16 + 256)
