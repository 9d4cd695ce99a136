import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from stylegrow.metrics.ppl import on_great_circle, path_length, perceptual_distance, variants
from stylegrow.sampling import generation
from tests.stylegrow.metrics.conftest import a_generator

SEEDS = list(range(6))


class Turning(nn.Module):
    """Maps whose angle at each place is the image's value: the distance is known."""

    def __init__(self):
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def stages(self, images):
        angle = (images[:, :1] - 127.5) / 127.5
        return [torch.cat([angle.cos(), angle.sin()], dim=1)] * 2


class Raw(Turning):
    """The images themselves beside a constant so large that normalising only scales."""

    def stages(self, images):
        return [torch.cat([images - 127.5, torch.full_like(images[:, :1], 1e4)], dim=1)]


def test_perceptual_distance_of_known_angles():
    first = torch.zeros(2, 3, 4, 4)
    second = torch.stack([torch.full((3, 4, 4), 0.3), torch.full((3, 4, 4), -0.5)])
    expected = [2 * (2 - 2 * math.cos(0.3)), 2 * (2 - 2 * math.cos(0.5))]
    assert torch.allclose(perceptual_distance(Turning(), first, second), torch.tensor(expected), atol=1e-6)


def test_a_great_circle_goes_at_one_speed_on_the_sphere():
    rng = torch.Generator().manual_seed(0)
    a, b = torch.randn(5, 8, generator=rng).double(), torch.randn(5, 8, generator=rng).double()
    b *= a.norm(dim=1, keepdim=True) / b.norm(dim=1, keepdim=True)
    places = [on_great_circle(a, b, torch.full((5, 1), t)) for t in (0, 0.25, 0.5, 0.75, 1)]
    assert torch.allclose(places[0], a)
    assert torch.allclose(places[-1], b)
    steps = torch.stack([(y - x).norm(dim=1) for x, y in pairwise(places)])
    assert torch.allclose(steps, steps[0].expand_as(steps))
    for place in places:
        assert torch.allclose(place.norm(dim=1), a.norm(dim=1))


def test_which_paths_there_are():
    assert variants(a_generator("progan")) == [("z", "full"), ("z", "end")]
    assert variants(a_generator("stylegan")) == [("z", "full"), ("z", "end"), ("w", "full"), ("w", "end")]


@pytest.mark.parametrize("architecture", ["progan", "stylegan"])
def test_path_length_of_a_generator_that_does_not_change(architecture):
    generator = a_generator(architecture)
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.zero_()
    assert path_length(generator, Raw(), SEEDS, "z", "full") == 0


@pytest.mark.parametrize(("space", "where"), variants(a_generator("stylegan")))
def test_path_length_is_the_squared_speed_of_the_pictures(space, where):
    """Against the derivative along the path, by automatic differentiation in float64."""
    generator = a_generator("stylegan", resolution=16).double()
    setting = generation.Setting(noise="const")
    speeds = []
    for seed in SEEDS:
        rng = torch.Generator().manual_seed(seed)
        start, end, t = (torch.randn(1, 8, generator=rng) for _ in range(2)), None, None
        start, end = (x.double() for x in start)
        t = torch.rand(1, 1, generator=rng).double() * (where == "full")

        def picture(t, start=start, end=end):
            if space == "z":
                a, b = (x / x.norm() for x in (start, end))
                angle = torch.acos((a * b).sum())
                z = (torch.sin((1 - t) * angle) * a + torch.sin(t * angle) * b) / torch.sin(angle) * start.norm()
                w = generator.mapping(z)
            else:
                w = (1 - t) * generator.mapping(start) + t * generator.mapping(end)
            return generator.synthesis(generator.truncate(w), noise="const") * 127.5

        _, speed = torch.autograd.functional.jvp(picture, t, torch.ones_like(t))
        speeds.append((speed**2).sum(dim=1).mean().item() / 1e8)
    found = path_length(generator.float(), Raw(), SEEDS, space, where, setting, epsilon=1e-2)
    kept = np.array(speeds)  # of six lengths none lies outside the percentiles
    assert found == pytest.approx(kept.mean(), rel=0.1)


def test_path_length_repeats_whatever_the_batch():
    generator = a_generator("stylegan", resolution=16)
    once = path_length(generator, Raw(), SEEDS, epsilon=1e-2)
    assert path_length(generator, Raw(), SEEDS, epsilon=1e-2, batch=2) == pytest.approx(once, rel=1e-2)
    assert path_length(generator, Raw(), SEEDS, epsilon=1e-2) == once


def test_path_length_is_taken_in_the_generators_own_precision():
    generator = a_generator("progan", resolution=16)
    generator.compute_dtype = torch.bfloat16
    found = path_length(generator, Raw(), SEEDS, epsilon=1e-2)
    assert generator.compute_dtype == torch.bfloat16
    generator.compute_dtype = None
    assert found == path_length(generator, Raw(), SEEDS, epsilon=1e-2)
