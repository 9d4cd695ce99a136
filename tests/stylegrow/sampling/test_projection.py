"""Projection: what a model can draw is found again, and the way there is the same each time."""

import numpy as np
import pytest
import torch

from stylegrow.common.errors import InputError
from stylegrow.common.images import to_uint8
from stylegrow.sampling.projection import LEARNING_RATE, Distance, components, project, rate


def maps(images):
    """Features that need no network: colours at two resolutions."""
    return [torch.nn.functional.avg_pool2d(images, size) - 100 for size in (4, 8)]


def run(model, target, **options):
    setting = model.setting(psi=1.0)
    *_, last = project(model, target, maps, setting, **({"steps": 40} | options))
    return last


@pytest.mark.parametrize("space", ["w", "w+"])
def test_an_image_of_the_model_comes_back(sampler, space):
    style = sampler("style")
    seed = 200  # none of those that it may begin at
    (image,) = style.images([seed], style.setting(psi=1.0))
    last = run(style, image.transpose(2, 0, 1), space=space)
    (mean,) = style.images([seed], style.setting(psi=0.0))
    found, far = (np.square(one.astype(float) - image).mean() for one in (to_uint8(last.image)[0], mean))
    assert found < far / 4
    assert last.ws.shape == (1, 10, 8)
    assert (space == "w") == bool((last.ws == last.ws[:, :1]).all())
    redrawn = style.generator.synthesis(last.ws, noise="const")
    assert torch.allclose(redrawn, last.image, atol=1e-4)


def test_every_step_is_told_and_the_same_again(sampler):
    style = sampler("style")
    target = np.random.RandomState(0).randint(0, 256, (3, 64, 64)).astype(np.uint8)
    first, second = (list(project(style, target, maps, style.setting(psi=1.0), steps=6, seed=3)) for _ in range(2))
    assert [step.number for step in first] == list(range(7))
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one.ws, other.ws)
    (other,) = [
        step for step in project(style, target, maps, style.setting(psi=1.0), steps=6, seed=4) if step.number == 6
    ]
    assert not torch.equal(first[-1].ws, other.ws)


def test_models_of_classes_and_still_growing_are_projected_to_at_their_stage(sampler):
    for name, channels, size, layers, label in (("classes", 1, 16, 6, "cat"), ("growing", 3, 16, 8, None)):
        model = sampler(name)
        setting = model.setting(psi=1.0, label=label)
        *_, last = project(model, np.full((channels, size, size), 90, np.uint8), maps, setting, steps=2)
        assert last.image.shape == (1, channels, size, size)
        assert last.ws.shape == (1, layers, 8)


def test_a_progan_is_refused(sampler):
    run_of = sampler("run")
    with pytest.raises(InputError, match="projection needs a StyleGAN"):
        next(project(run_of, np.zeros((1, 16, 16), np.uint8), maps, run_of.setting()))


def test_random_w_have_deviation_one_along_the_axes(sampler):
    style = sampler("style")
    mean, axes, first = components(style, style.setting(psi=1.0))
    w = style.inputs(range(4096), style.setting(psi=1.0))[:, 0]
    assert torch.allclose(mean + first @ axes, w[: len(first)], atol=1e-4)
    coordinates = (w - mean) @ torch.linalg.inv(axes)
    assert torch.allclose(coordinates.T @ coordinates / len(w), torch.eye(8), atol=1e-2)


def test_distance_is_zero_from_itself_and_has_the_gradient_of_differences():
    torch.manual_seed(0)
    target, image = torch.rand(2, 1, 3, 8, 8).double() * 2 - 1
    distance = Distance(target, maps)
    assert distance(target).item() == 0
    assert torch.autograd.gradcheck(distance, [image.requires_grad_()])


def test_the_rate_rises_then_falls_to_nothing():
    rates = [rate(step, 100) for step in range(100)]
    assert rates[:4] == sorted(rates[:4])
    assert set(rates[5:50]) == {LEARNING_RATE}
    assert rates[50:] == sorted(rates[50:], reverse=True)
    assert 0 < rates[-1] < LEARNING_RATE / 500
