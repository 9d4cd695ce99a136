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


@pytest.mark.parametrize("architecture", ["progan", "stylegan"])
def test_every_stage_is_measured(architecture):
    plan = plan_for(architecture=architecture, start_resolution=4)
    seconds = estimates.seconds_per_image(plan, torch.device("cpu"))
    assert list(seconds) == [4, 8, 16]
    assert all(0 < value < 1 for value in seconds.values())


@pytest.mark.parametrize("architecture", ["progan", "stylegan"])
def test_labels_and_n_critic_are_measured_too(architecture):
    plan = make_run_config(
        architecture,
        Options(fmap_base=16, fmap_max=4, z_dim=4, batch=4, cond="class", n_critic=2, loss="ns-r1"),
        Images(resolution=4, classes=("a", "b")),
        1,
        "bf16",
    )
    assert list(estimates.seconds_per_image(plan, torch.device("cpu"))) == [4]


def test_measuring_ends_in_time(monkeypatch):
    """A stage for which there is no time left is guessed from the one before."""
    monkeypatch.setattr(estimates, "PATIENCE", 0.0)
    seconds = estimates.seconds_per_image(plan_for(), torch.device("cpu"))
    assert seconds[8] == 4 * seconds[4]
    assert seconds[16] == 16 * seconds[4]


def test_measuring_goes_on_where_memory_does_not_do(monkeypatch):
    def seconds(trainer, resolution, batch, channels):
        if resolution == 16:
            raise torch.OutOfMemoryError("no memory")
        return 0.004

    said = []
    monkeypatch.setattr(estimates, "seconds_per_step", seconds)
    found = estimates.seconds_per_image(plan_for(), torch.device("cpu"), said.append)
    assert found == {4: 0.001, 8: 0.001, 16: 0.004}
    (line,) = said
    assert "16 px" in line
    assert "--batch-per-device 2" in line


def test_processes_share_the_time(monkeypatch):
    monkeypatch.setattr(estimates, "PATIENCE", 1000.0)
    monkeypatch.setattr(estimates, "seconds_per_step", lambda trainer, resolution, batch, channels: 1.0 * batch)
    assert set(estimates.seconds_per_image(plan_for(), torch.device("cpu")).values()) == {1.0}
    assert set(estimates.seconds_per_image(plan_for(processes=2), torch.device("cpu")).values()) == {0.5}


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
        (plan_with(batch=8, batch_per_device=2), 1 / 4),
        (plan_with(batch=8, batch_per_device=9), 1),
        (plan_with(batch=8, precision="bf16"), 1 / 2),
        (replace(plan_with(batch=8), processes=2), 1 / 2),
    ):
        assert estimates.memory(other)["activations"] == pytest.approx(share * whole["activations"])


def test_activations_of_a_known_network():
    """Two layers of 2 maps of 4 x 4 for one picture, each counted before and after its nonlinearity."""
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 1), torch.nn.Conv2d(2, 2, 3, padding=1))
    assert estimates.activations(network, torch.zeros(1, 3, 4, 4)) == 2 * 2 * 2 * 16
