"""Training on the embedded showers: labels by default, what the model's files say, no mirror images."""

import json

import pytest
import torch
from PIL import Image

from stylegrow.common.images import to_uint8
from stylegrow.data import open_dataset
from stylegrow.models import load_generator, read_config
from stylegrow.rendering.grids import grid
from tests.train.runs import Train, only


@pytest.fixture(scope="module")
def showers(tmp_path_factory):
    """A prepared data set of few showers."""
    return open_dataset("calorimeter", count=48, resolution=8, cache=tmp_path_factory.mktemp("cache")).path


@pytest.mark.parametrize("architecture", ["progan", "stylegan"])
def test_from_end_to_end(train: Train, showers, architecture):
    ended = train("--data", showers, "--kimg", 0.1, architecture=architecture)
    assert ended.status == 0, ended.err
    assert "labels: electron, vectors of energy, impact_x, impact_y" in ended.out
    config = read_config(only("runs"))
    assert config["classes"] == ["energy", "impact_x", "impact_y"]
    assert config["label_values"]["units"] == ["GeV", "R_M", "R_M"]
    assert config["transform"] == "mip-root"
    assert config["training"]["labels"] == "electron"
    assert load_generator(only("runs")).label_dim == 3
    roles = ("generator", "discriminator") if architecture == "progan" else ("discriminator",)
    for role in roles:  # MIP of a shower for each GeV, as the root of the mean energy of a pixel in units of 3600 MIP
        assert config[role]["channel_sums"]
        assert config[role]["sums_mean"][0] ** 2 * 3600 * 32 * 32 == pytest.approx(85, rel=0.03)
        # Half a MIP in one of the sixteen cells that a pixel holds the mean of.
        assert config[role]["hit"] ** 2 * 3600 == pytest.approx(0.5 / 16)
    assert train("--resume", "--kimg", 0.116, architecture=architecture).status == 0


def test_footprints_have_two_channels(train: Train, tmp_path):
    data = open_dataset("footprints", count=64, cache=tmp_path).path
    assert train("--data", data, "--kimg", 0.1, "--metrics", "kid").status == 0
    run = only("runs")
    generator = load_generator(run)
    assert not generator.config.channel_sums  # a time is no energy
    assert generator(torch.zeros(1, generator.z_dim), torch.zeros(1, 5)).shape == (1, 2, 16, 16)
    assert Image.open(run / "reals.png").mode == "RGB"
    images = to_uint8(generator(torch.zeros(2, generator.z_dim), torch.zeros(2, 5)))
    assert grid(images, 2).mode == "RGB"


@pytest.mark.parametrize(("cond", "classes"), [("energy", ["energy"]), ("none", [])])
def test_other_labels_or_none_on_request(train: Train, showers, cond, classes):
    assert train("--data", showers, "--cond", cond, "--mirror", "--kimg", 0.05).status == 0
    content = json.loads((only("runs") / "options.json").read_text())
    assert content["data"]["classes"] == classes
    assert content["options"]["channel_sums"] == (cond == "energy")


def test_impacts_are_not_mirrored(train: Train, showers):
    ended = train("--data", showers, "--mirror", "--kimg", 0.05)
    assert ended.status == 2
    assert "--mirror" in ended.err
    assert "--cond energy" in ended.err


def test_sums_need_a_label_that_begins_with_an_energy(train: Train, showers):
    ended = train("--data", showers, "--cond", "none", "--channel-sums", "--kimg", 0.05)
    assert ended.status == 2
    assert "--channel-sums" in ended.err
