"""How long a run takes and how much memory, before it begins."""

from dataclasses import replace
from functools import partial

import pytest
import torch

from tests.train.config.test_run_config import Images
from train.config.options import Options
from train.config.run_config import make_run_config
from train.config.schedule import Schedule
from train.run import estimates


def plan_for(processes=1, precision="no", architecture="progan", **options):
    words = {"fmap_base": 64, "fmap_max": 8, "z_dim": 8, "batch": 4, "stable_kimg": 1.0, "fade_kimg": 0.5} | options
    return make_run_config(architecture, Options(**words), Images(resolution=16), processes, precision)


def seconds_of(steps, batch=64):
    """Seconds an image takes at 8 to 64 px where steps take so many seconds for a block and for a million numbers."""
    block, million = steps
    return {r: (block * (k + 2) + million * batch * OUTPUTS[r] / 1e6) / batch for k, r in enumerate(OUTPUTS)}


OUTPUTS = {8: 10_000, 16: 43_000, 32: 174_000, 64: 436_000}


@pytest.mark.parametrize("steps", [(0.002, 0.0003), (0.01, 0.0), (0.0, 0.05)])
def test_what_larger_resolutions_take_is_reckoned_from_those_before(steps):
    schedule = Schedule(64, 8, 1.0, 1.0, dict.fromkeys(OUTPUTS, 64), dict.fromkeys(OUTPUTS, 0.001))
    true = seconds_of(steps)
    for count in (2, 3, 4):
        measured = {r: true[r] for r in list(true)[:count]}
        assert estimates.seconds_per_image(measured, schedule, OUTPUTS) == pytest.approx(true)
    # One alone: between steps that take as long for each block, and as long for each number.
    alone = estimates.seconds_per_image({8: true[8]}, schedule, OUTPUTS)
    assert alone[8] == true[8]
    assert alone[64] == pytest.approx(true[8] * (5 / 2 * 43.6) ** 0.5)


def test_steps_that_become_quicker_make_no_time_negative():
    schedule = Schedule(64, 8, 1.0, 1.0, dict.fromkeys(OUTPUTS, 64), dict.fromkeys(OUTPUTS, 0.001))
    found = estimates.seconds_per_image({8: 0.02, 16: 0.01}, schedule, OUTPUTS)
    assert found == pytest.approx({8: 0.02, 16: 0.01, 32: 0.01 * 4 / 3, 64: 0.01 * 5 / 3})


@pytest.mark.parametrize(
    ("images", "left"),
    [(0, 1000 * 1 + 500 * 10 + 500 * 10), (500, 500 + 10_000), (1250, 2500 + 5000), (1999, 10), (2000, 0), (2050, 0)],
)
def test_the_rest_of_a_run(images, left):
    schedule = Schedule(8, 4, 1.0, 0.5, {4: 10, 8: 10}, {4: 1.0, 8: 1.0})
    assert estimates.seconds_left(schedule, images, 2000, {4: 1.0, 8: 10.0}) == pytest.approx(left)


def test_parameters_of_the_paper_s_networks():
    from progan import Generator

    with torch.device("meta"):
        assert estimates.parameters(Generator()) == 23_079_115


@pytest.mark.parametrize("architecture", ["progan", "stylegan"])
def test_memory_grows_as_the_step_does(architecture):
    """The activations with the pictures that a process takes at once, in half the space with half the precision."""
    plan_with = partial(plan_for, architecture=architecture)
    plan = plan_with(batch=8)
    whole = estimates.memory(plan)
    assert set(whole) == {"networks", "activations"}
    for other, share in (
        (plan_with(batch=16), 2),
        (plan_with(batch=8, batch_per_device=4), 1 / 2),
        (plan_with(batch=8, batch_per_device=9), 1),
        (plan_with(batch=8, precision="bf16"), 1 / 2),
        (replace(plan_with(batch=8), processes=2), 1 / 2),
    ):
        assert estimates.memory(other)["activations"] == pytest.approx(share * whole["activations"])
