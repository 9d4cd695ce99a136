"""Models of showers show them in colours, with a legend, and sweeps over their labels."""

import numpy as np
import pytest
import torch
from PIL import Image

import progan
from stylegrow.cli.main import main
from stylegrow.common.errors import InputError
from stylegrow.models import save_model
from stylegrow.physics import pictures
from stylegrow.rendering.showers import ANOTHER, HEIGHT, LEGENDS, with_legend
from stylegrow.sampling.inputs import read_label, read_sweep
from stylegrow.sampling.sampler import Sampler

VALUES = {"min": [10, -0.5], "max": [100, 0.5], "examples": [[20, 0], [50, 0.25]], "units": ["GeV", "R_M"]}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torch.manual_seed(0)
    labels = {"label_dim": 2, "label_kind": "vector", "label_mean": [40.0, 0.0], "label_deviation": [25.0, 0.3]}
    generator = progan.Generator(16, z_dim=8, fmap_base=64, fmap_max=8, **labels)
    folder = tmp_path_factory.mktemp("models") / "showers"
    save_model(folder, generator, classes=["energy", "x"], label_values=VALUES, transform="mip-root")
    return folder


def test_images_of_showers_are_tiles_in_colours(model):
    sampler = Sampler(str(model), "cpu")
    setting = sampler.setting(label="energy:42 GeV,x:0.1")
    assert setting.label == (42, 0.1)
    (tile,), (levels,) = sampler.images([3], setting), sampler.uncoloured.images([3], setting)
    assert (tile.shape, levels.shape) == ((32, 32, 3), (16, 16, 3))
    np.testing.assert_array_equal(tile, pictures.shown(levels[None], "mip-root")[0])


def test_models_of_footprints_show_stations_in_colours(tmp_path):
    torch.manual_seed(0)
    generator = progan.Generator(16, z_dim=8, fmap_base=64, fmap_max=8, image_channels=2)
    save_model(tmp_path / "air", generator, transform="vem-root-ns")
    sampler = Sampler(str(tmp_path / "air"), "cpu")
    (shown,), (levels,) = (each.images([3], each.setting()) for each in (sampler, sampler.uncoloured))
    np.testing.assert_array_equal(shown, pictures.shown(levels[None], "vem-root-ns")[0])
    assert shown.std() > 0
    assert main(["grid", "--model", str(tmp_path / "air"), "--outdir", str(tmp_path), "--seeds", "0-3"]) == 0
    grid = np.asarray(Image.open(tmp_path / "grid.png"))
    assert (grid[-HEIGHT - ANOTHER :] == 255).all(axis=(1, 2)).any()  # the legend


def test_a_legend_stands_below_showers_and_nothing_below_pictures():
    image = Image.new("RGB", (400, 64), (10, 20, 30))
    whole = with_legend(image, "mip-root")
    assert whole.size == (400, 64 + HEIGHT)
    np.testing.assert_array_equal(np.asarray(whole)[:64], np.asarray(image))
    bar = np.asarray(whole)[64 + 8, 12:-12]
    assert (bar[0].tolist(), bar[-1].tolist()) == (pictures.colours()[0].tolist(), pictures.colours()[-1].tolist())
    assert with_legend(image, None) is image
    assert with_legend(image, "another") is image


def test_the_legend_of_footprints_tells_signal_and_time():
    whole = np.asarray(with_legend(Image.new("RGB", (424, 64)), "vem-root-ns"))
    signal, time = (whole[64 + 8 + ANOTHER * bar, 12:-12].astype(int) for bar in range(2))
    assert (np.diff(signal.sum(axis=1)) >= 0).all()
    assert np.ptp(signal, axis=1).max() <= 2  # grey
    assert time[0, 2] > time[0, 0]  # blue
    assert time[-1, 0] > time[-1, 2]  # orange
    assert np.ptp(time[len(time) // 2]) <= 3
    legend = LEGENDS["vem-root-ns"]
    assert dict(reversed(tick) for tick in legend.bars[1].ticks)["0"] == 0.5
    assert dict(reversed(tick) for tick in legend.bars[0].ticks)["1,000"] == pytest.approx(
        np.log(1000 / 3) / np.log(1e4 / 3)
    )


def test_a_sweep_is_a_row_a_seed_and_a_column_a_value(model, tmp_path):
    options = ["--over", "energy:10-80", "--steps", "4", "--seeds", "1,2", "--size", "64", "--class", "energy:1,x:0.2"]
    assert main(["sweep", "--model", str(model), "--outdir", str(tmp_path), *options]) == 0
    assert Image.open(tmp_path / "sweep.png").width > 4 * 64
    sampler = Sampler(str(model), "cpu")
    found = read_sweep("energy:10-80", sampler.labels, 4, "--over", (1.0, 0.2))
    assert [title for title, _ in found] == ["10 GeV", "20 GeV", "40 GeV", "80 GeV"]
    assert np.array([label for _, label in found]) == pytest.approx(np.array([[10 * 2**k, 0.2] for k in range(4)]))
    assert [label[1] for _, label in read_sweep("x:-1-1", sampler.labels, 3, "--over")] == [-1, 0, 1]
    for wrong in ("energy", "energy:10", "mass:1-2", "energy:a-b", "energy:1-2-3"):
        with pytest.raises(InputError, match=r"^--over [^\n]*$"):
            read_sweep(wrong, sampler.labels, 4, "--over")
    assert read_label("energy:42", sampler.labels) == (42, 0)
