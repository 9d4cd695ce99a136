"""Tables of default values: those of the official programs, and that each makes a training that grows to its end."""

from functools import partial

import pytest
import torch

from stylegrow.common.errors import InputError
from train.config.fields import GANS
from train.config.options import Options
from train.config.presets import PRESETS, preset, preset_for
from train.config.schedule import Schedule, resolutions, to_images


def values(table):
    return [table[r] for r in (4, 8, 16, 32, 64, 128, 256, 512, 1024)]


OFFICIAL: dict[
    str, tuple[list[int], list[float], int, int, int]
] = {  # facts of the official config.py, written out for every resolution
    "v1-1gpu": ([16, 16, 16, 16, 16, 16, 14, 6, 3], [1] * 9, 800, 19000, 16),
    "v2-1gpu": ([128, 128, 128, 64, 32, 16, 8, 4, 4], [1] * 8 + [1.5], 600, 12000, 4),
    "v2-2gpus": ([256, 256, 128, 64, 32, 16, 8, 8, 8], [1] * 7 + [1.5, 2], 600, 12000, 4),
    "v2-4gpus": ([512, 256, 128, 64, 32, 16, 16, 16, 16], [1] * 6 + [1.5, 2, 3], 600, 12000, 4),
    "v2-8gpus": ([512, 256, 128, 64, 32, 32, 32, 32, 32], [1] * 5 + [1.5, 2, 3, 3], 600, 12000, 4),
}


@pytest.mark.parametrize("name", OFFICIAL)
def test_official_presets(name):
    batches, rates, kimg, total, group = OFFICIAL[name]
    found = preset("progan", name)
    options, schedule = found.options, found.schedule(1024)
    assert values(schedule.batch) == batches
    assert values(schedule.lr) == pytest.approx([rate / 1000 for rate in rates])
    assert (schedule.stable_kimg, schedule.fade_kimg, schedule.start_resolution) == (kimg, kimg, 4)
    assert (found.kimg(schedule), found.mbstd_group, options.ema_kimg) == (total, group, 10)
    assert (options.fmap_base, options.fmap_max, options.z_dim) == (8192, 512, 512)
    assert options.given.get("mixed_precision") == ("no" if name == "v1-1gpu" else None)


STYLEGAN_BATCHES = {  # at 8 px and on
    "stylegan-1gpu": [128, 128, 64, 32, 16, 8, 4, 4],
    "stylegan-2gpus": [256, 128, 64, 32, 16, 8, 8, 8],
    "stylegan-4gpus": [256, 128, 64, 32, 16, 16, 16, 16],
    "stylegan-8gpus": [256, 128, 64, 32, 32, 32, 32, 32],
}


@pytest.mark.parametrize("name", STYLEGAN_BATCHES)
def test_official_presets_of_stylegan(name):
    found = preset("stylegan", name)
    options, schedule = found.options, found.schedule(1024)
    assert list(schedule.batch) == resolutions(8, 1024)
    assert list(schedule.batch.values()) == STYLEGAN_BATCHES[name]
    for loss, highest in (("ns-r1", [2, 3, 3]), ("wgan-gp", [2, 2, 2])):
        rates = list(found.for_objective(Options(loss=loss)).schedule(1024).lr.values())
        assert rates == pytest.approx([rate / 1000 for rate in [1, 1, 1, 1, 1.5, *highest]])
    assert (schedule.stable_kimg, schedule.fade_kimg, schedule.start_resolution) == (600, 600, 8)
    assert (found.kimg(schedule), found.mbstd_group, options.ema_kimg) == (25000, 4, 10)
    assert (options.fmap_base, options.fmap_max, options.z_dim) == (8192, 512, 512)


PAPERS = {
    "dcgan": ("ns", "no", 0.0002, 1, (0.5, 0.999), 128),  # Radford et al. 2016, section 4
    "wgan": ("wgan-clip", "no", 0.00005, 5, (0.0, 0.99), 64),  # Arjovsky et al. 2017, algorithm 1
    "wgan-gp": ("wgan-gp", "no", 0.0001, 5, (0.0, 0.9), 64),  # Gulrajani et al. 2017, algorithm 1
    "r1": ("ns-r1", "no", 0.0001, 1, (0.0, 0.99), 64),  # Mescheder et al. 2018
    "sngan": ("hinge", "critic", 0.0002, 1, (0.5, 0.999), 64),  # Miyato et al. 2018
}


@pytest.mark.parametrize("architecture", GANS)
@pytest.mark.parametrize("name", PAPERS)
def test_the_objectives_as_in_their_papers(architecture, name):
    found = preset(architecture, name)
    options, schedule = found.options, found.schedule(64)
    (batch,), (rate,) = (set(table.values()) for table in (schedule.batch, schedule.lr))
    values = options.loss, options.spectral_norm, rate, options.n_critic, options.betas, batch
    assert values == PAPERS[name]
    chosen = found.for_objective(Options())
    assert (chosen.schedule(64), chosen.options, chosen.equalized_lr) == (schedule, options, False)
    assert schedule.start_resolution == 64  # it does not grow


def test_clipped_and_normalised_weights_are_not_equalized():
    found = preset("stylegan", "stylegan-8gpus")
    for loss, spectral_norm, rate in (
        ("wgan-clip", "no", 0.00005),
        ("hinge", "critic", 0.0002),
        ("ns", "both", 0.0002),
    ):
        chosen = found.for_objective(Options(loss=loss, spectral_norm=spectral_norm))
        assert (chosen.equalized_lr, set(chosen.schedule(1024).lr.values())) == (False, {rate})
        assert chosen.schedule(1024).batch == found.schedule(1024).batch
    assert found.for_objective(Options(loss="hinge")) == found


def test_what_a_preset_and_an_objective_set_is_said():
    faces = preset("progan", "toonhead").at(64)
    (line,) = faces.changes(Options(z_dim=8), 64)
    assert line.startswith("preset toonhead sets: --kimg 150, ")
    assert "--g-lr-ratio 4" in line
    assert "--z-dim" not in line
    assert faces.changes(Options(loss="hinge"), 64)[1:] == ["--loss hinge sets: --g-lr-ratio 1"]
    assert faces.changes(Options(loss="hinge", g_lr_ratio=2.0), 64)[1:] == []
    _, normalised = faces.changes(Options(loss="ns", spectral_norm="both"), 64)
    assert normalised.startswith("--loss ns --spectral-norm both sets: --g-lr-ratio 1, learning rates up to 0.0002, ")
    assert preset("progan", "v2-1gpu").changes(Options(kimg=12000.0, loss="ns"), 1024) == []
    assert "0.002" in preset("stylegan", "stylegan-1gpu").changes(Options(), 1024)[-1]


@pytest.mark.parametrize(
    ("architecture", "name", "resolution", "kimg", "length"),
    [
        ("progan", "v2-1gpu", 1024, 6000, 300),  # half of 12000
        ("progan", "v2-1gpu", 64, 3000, 150),
        ("stylegan", "stylegan-8gpus", 1024, 25000, 600),
        ("stylegan", "stylegan-8gpus", 1024, 30000, 600),
        ("progan", "toonhead", 16, 2, 0.107),  # 8 * 2 / 150, to the image
        ("stylegan", "small", 1024, 160, 10),  # a tenth of what it takes to grow so far, and a stage
    ],
)
def test_a_shorter_training_has_shorter_stages(architecture, name, resolution, kimg, length):
    """The full resolution keeps its share, and is reached."""
    found, options = preset(architecture, name), Options(kimg=float(kimg))
    schedule = found.for_length(options, resolution).schedule(resolution, options)
    assert (schedule.stable_kimg, schedule.fade_kimg) == pytest.approx((length, length))
    whole = found.schedule(resolution)
    share = whole.growing_kimg / found.kimg(whole)
    assert schedule.growing_kimg == pytest.approx(min(share * kimg, whole.growing_kimg), rel=0.01)


def test_stages_that_are_given_stay_as_they_are():
    found = preset("progan", "toonhead").at(64)
    assert found.for_length(Options(), 64) == found
    for options in (Options(kimg=2.0, stable_kimg=0.5), Options(kimg=2.0, fade_kimg=0.0)):
        shorter = found.for_length(options, 64).options
        assert (shorter.stable_kimg, shorter.fade_kimg) == (8, 8)
    short = Options(kimg=75.0, start_resolution=16)
    assert found.for_length(short, 64).schedule(64, short).growing_kimg == 16
    *_, line = found.changes(short, 64)
    assert line == "--kimg 75 sets: --stable-kimg 4, --fade-kimg 4, --blur 56"


@pytest.mark.parametrize("architecture", ["progan", "stylegan"])
@pytest.mark.parametrize(
    ("given", "kimg"),
    [({}, 112), ({"kimg": 300.0}, 112), ({"kimg": 15.0}, 11.2), ({"kimg": 15.0, "fade_kimg": 1.0}, 11.2)],
)
def test_blur_begins_after_its_share_of_a_shorter_training(architecture, given, kimg):
    for start in (8, 64):
        options = Options(start_resolution=start, **given)
        assert preset(architecture, "toonhead").at(64).for_length(options, 64).options.blur == pytest.approx(kimg)


def test_at_low_resolutions_there_is_none():
    for architecture, on_gpu in (("progan", 900), ("stylegan", "yes")):
        found = {
            name: [preset(architecture, name).at(r).options.blur for r in (32, 64, 256)]
            for name in ("toonhead", "toonhead-gpu")
        }
        assert found == {"toonhead": ["no", 112, 112], "toonhead-gpu": [on_gpu] * 3}


def test_adam_without_its_first_average_is_rmsprop():
    """Which two of the papers use, and which corrects for nothing at its start."""
    moved = []
    for optimizer in (partial(torch.optim.Adam, betas=(0.0, 0.99)), partial(torch.optim.RMSprop, alpha=0.99)):
        random, weight = torch.Generator().manual_seed(0), torch.zeros(5, dtype=torch.float64)
        stepping, before = optimizer([weight], lr=0.01, eps=1e-8), weight.clone()
        for _ in range(1500):
            before = weight.clone()
            weight.grad = torch.randn(5, generator=random, dtype=torch.float64)
            stepping.step()
        moved.append(weight - before)
    torch.testing.assert_close(moved[0], moved[1], rtol=1e-5, atol=0)


def test_the_embedded_faces_have_a_progan_of_their_own():
    schedule = preset("progan", "toonhead").schedule(64)
    assert schedule == Schedule(
        64, 4, 8, 8, dict.fromkeys((4, 8, 16, 32, 64), 16), dict.fromkeys((4, 8, 16, 32, 64), 0.003)
    )


def test_and_a_stylegan():
    found = preset("stylegan", "toonhead")
    options, schedule = found.options, found.schedule(64)
    assert found.for_objective(Options()).schedule(64) == schedule
    assert schedule == Schedule(64, 8, 10, 10, {8: 16, 16: 8, 32: 8, 64: 8}, dict.fromkeys((8, 16, 32, 64), 0.002))
    assert (found.kimg(schedule), options.ema_kimg, options.ema_rampup) == (150, 10, 0.05)
    assert (options.mapping_lrmul, options.blur, options.mixing) == (0.1, "no", 0.5)
    assert (options.fmap_base, options.fmap_max, options.z_dim) == (2048, 128, 128)


@pytest.mark.parametrize(("architecture", "start"), [("progan", 4), ("stylegan", 8)])
def test_and_on_a_gpu_both_to_256_px(architecture, start):
    found = preset(architecture, "toonhead-gpu")
    options, schedule = found.options, found.schedule(256)
    assert set(schedule.batch.values()) == {16}
    assert (schedule.start_resolution, schedule.stable_kimg, schedule.fade_kimg) == (start, 120, 20)
    assert (found.kimg(schedule), options.ema_kimg, options.g_lr_ratio) == (1200, 10, 4)
    assert (options.fmap_base, options.fmap_max, options.z_dim) == (4096, 128, 128)
    assert [schedule.lr[r] for r in (8, 64, 128, 256)] == [0.003, 0.003, 0.003, 0.002]
    styles = {"blur": "yes", "mixing": 0.5} if architecture == "stylegan" else {"blur": 900}
    assert {name: options.given[name] for name in ("blur", "mixing") if name in options.given} == styles


@pytest.mark.parametrize("resolution", resolutions(4, 1024))
@pytest.mark.parametrize(("architecture", "name"), [(kind, name) for kind in PRESETS for name in PRESETS[kind]])
def test_every_preset_reaches_every_resolution(architecture, name, resolution):
    found = preset(architecture, name)
    schedule = found.schedule(resolution)
    kimg = found.kimg(schedule)
    assert schedule.at(to_images(kimg)).alpha == 1
    assert schedule.at(to_images(kimg)).resolution == resolution
    assert kimg - schedule.growing_kimg >= schedule.stable_kimg + schedule.fade_kimg
    assert found.name == name


def test_given_values_replace_those_of_every_stage():
    given = Options(start_resolution=8, stable_kimg=1, fade_kimg=0, batch=6, lr=0.5)
    table = resolutions(8, 1024)
    schedule = Schedule(1024, 8, 1, 0, dict.fromkeys(table, 6), dict.fromkeys(table, 0.5))
    assert preset("progan", "v2-8gpus").schedule(1024, given) == schedule


def test_preset_for_a_number_of_processes():
    counts = (1, 2, 3, 4, 7, 8, 64)
    expected = ["v2-1gpu", "v2-2gpus", "v2-2gpus", "v2-4gpus", "v2-4gpus", "v2-8gpus", "v2-8gpus"]
    assert [preset_for("progan", n) for n in counts] == expected
    assert [preset_for("stylegan", n) for n in (1, 3, 9)] == ["stylegan-1gpu", "stylegan-2gpus", "stylegan-8gpus"]


def test_an_unknown_preset_is_refused_by_name():
    with pytest.raises(InputError, match=r"--preset v3: .* use one of v1-1gpu, "):
        preset("progan", "v3")
