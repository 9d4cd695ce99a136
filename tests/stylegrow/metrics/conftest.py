import pytest
import torch
from torch import nn
from torch.nn import functional

import progan
import stylegan
from stylegrow.data import open_dataset
from stylegrow.metrics.features import Features

CLASSES = 4  # of the embedded faces' hair


class Averages(nn.Module):
    """Features that are quick to compute: the averages of 4 x 4 areas of each channel."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(1 / 255.0))
        self.seen = 0

    def forward(self, images):
        self.seen += len(images)
        return functional.adaptive_avg_pool2d(images, 4).flatten(1) * self.scale


@pytest.fixture
def averages():
    return Features("Averages", "averages", 48, Averages())


class Stages(nn.Module):
    """Maps for path lengths that are quick to compute: the images beside a constant."""

    def __init__(self):
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def stages(self, images):
        return [torch.cat([images, torch.full_like(images[:, :1], 100.0)], dim=1)]


@pytest.fixture
def quick(monkeypatch, averages):
    """Evaluators use these networks in place of the embedded one."""
    monkeypatch.setattr("stylegrow.metrics.evaluation.find_features", lambda *_: averages)
    monkeypatch.setattr("stylegrow.metrics.evaluation.embedded", Stages)
    return averages


@pytest.fixture(scope="session")
def faces(tmp_path_factory):
    """160 embedded faces of 64 px, 20 of them held out."""
    return open_dataset(count=160, cache=tmp_path_factory.mktemp("cache"), workers=1, quiet=True)


def a_generator(architecture="progan", resolution=64, label_dim=0, channels=3):
    torch.manual_seed(0)
    shared = {"resolution": resolution, "z_dim": 8, "label_dim": label_dim, "image_channels": channels}
    shared |= {"fmap_base": 4 * resolution, "fmap_max": 8}
    if architecture == "progan":
        return progan.Generator(**shared).eval()
    return stylegan.Generator(w_dim=8, mapping_fmaps=8, mapping_layers=2, **shared).eval()
