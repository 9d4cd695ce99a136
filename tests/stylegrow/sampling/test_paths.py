"""The sampler beyond single images: paces of a path, noise by layers, latents, and batches that do not fit."""

import numpy as np
import pytest
import torch

from stylegrow.common.errors import InputError
from stylegrow.common.images import to_uint8
from stylegrow.common.system import is_out_of_memory
from stylegrow.rendering import figures
from stylegrow.sampling import generation
from stylegrow.sampling.paths import catmull_rom, eased, path_length
from tests.small_models import close


@pytest.mark.parametrize("easing", ["linear", "smoothstep", "cubic"])
def test_paces_begin_and_end_at_the_seeds_and_never_turn_back(easing):
    shares = [eased(step / 40, easing) for step in range(41)]
    assert shares[0] == 0
    assert shares[-1] == pytest.approx(1)
    assert shares[20] == pytest.approx(0.5)
    assert shares == sorted(shares)
    assert (shares[1] < 1 / 40) == (easing != "linear")  # gently, where it is not linear


def test_the_spline_is_the_known_polynomial():
    points = [torch.tensor([[value]]) for value in (1.0, 2.0, 4.0, 3.0)]
    at = [catmull_rom(*points, torch.tensor([share])).item() for share in (0.0, 0.25, 0.5, 1.0)]
    # By the matrix: (2 p1 + (p2 - p0) t + (2 p0 - 5 p1 + 4 p2 - p3) t^2 + (3 p1 - p0 - 3 p2 + p3) t^3) / 2.
    assert at == pytest.approx([2, 2.5, 3.125, 4])


@pytest.mark.parametrize("easing", ["smoothstep", "cubic", "spline"])
@pytest.mark.parametrize(("name", "space"), [("style", "w"), ("style", "z"), ("run", None)])
def test_every_pace_passes_through_the_seeds(sampler, name, space, easing):
    one = sampler(name)
    setting = one.setting()
    for loop in (True, False):
        frames = list(one.path([4, 1, 6], 4, loop, space, setting, easing))
        assert len(frames) == path_length(3, 4, loop)
        assert close(frames[::4], list(one.images([4, 1, 6], setting)))


def test_there_and_back(sampler):
    style = sampler("style")
    setting = style.setting()
    there = list(style.path([4, 1], 3, False, "w", setting))
    both = list(style.path([4, 1], 3, False, "w", setting, ping_pong=True))
    assert len(both) == path_length(2, 3, False, True) == 6
    assert close(both, [*there, *there[-2:0:-1]])


def test_noise_of_some_layers(sampler):
    style = sampler("style")
    setting = style.setting(noise="random", noise_seed=5)
    every, none, coarse = style.noise_parts([3], [range(10), [], range(4)], setting)
    assert close(every, next(style.images([3], setting)))
    assert close(none, next(style.images([3], style.setting(noise="none"))))
    assert not close(coarse, every)
    assert not close(coarse, none)
    with pytest.raises(InputError, match="without noise"):
        next(sampler("silent").noise_parts([3], [[]], sampler("silent").setting()))


@pytest.mark.parametrize(("name", "key"), [("style", "w"), ("run", "z")])
def test_a_latent_draws_its_image(sampler, name, key):
    one = sampler(name)
    setting = one.setting(**({"psi": 0.4, "cutoff": 4} if one.styled else {}))
    latent = torch.from_numpy(one.latent(7, setting)[key])
    with torch.inference_mode():
        image = one.generator.synthesis(latent, noise="const") if one.styled else one.generator(latent)
    assert close(to_uint8(image)[0], next(one.images([7], setting)))


def test_a_batch_that_does_not_fit_is_split_and_reported(sampler, monkeypatch):
    style = sampler("style")
    setting = style.setting()
    expected = list(style.images(range(16), setting))
    whole, splits = generation.generate, []

    def cramped(generator, inputs, *more):
        if len(inputs) > 4:
            raise torch.OutOfMemoryError("out of memory")
        return whole(generator, inputs, *more)

    monkeypatch.setattr(generation, "generate", cramped)
    found = list(
        style.with_split_callback(lambda batch, smaller: splits.append((batch, smaller))).images(range(16), setting)
    )
    assert close(found, expected)
    assert splits == [(16, 4)]
    assert close(next(style.images([0], setting)), expected[0])  # without a callback


def test_a_single_image_that_does_not_fit_is_an_error(sampler, monkeypatch):
    def cramped(*arguments):
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried ...")

    monkeypatch.setattr(generation, "generate", cramped)
    with pytest.raises(RuntimeError) as raised:
        next(sampler("style").images([1, 2], sampler("style").setting()))
    assert is_out_of_memory(raised.value)
    assert is_out_of_memory(MemoryError())
    assert not is_out_of_memory(RuntimeError("shapes do not match"))


def test_figures_of_stages_and_of_noise_by_layers(sampler):
    growing = sampler("growing")
    figure = figures.stages(growing, [3, 1], growing.setting(), 32)
    assert (len(figure.tops), len(figure.lefts)) == (2, 4)
    for column, stage in enumerate((4, 8, 16, 32)):
        image = next(growing.images([1], growing.setting(resolution=stage, alpha=1.0)))
        assert close(figure.cell(1, column), figures.resized(np.broadcast_to(image, (stage, stage, 3)), 32))
    parts = figures.noise_parts(sampler("style"), [3], sampler("style").setting(), 64)
    assert (len(parts.tops), len(parts.lefts)) == (1, 4)
    assert close(parts.cell(0, 1), next(sampler("style").images([3], sampler("style").setting(noise="none"))))
