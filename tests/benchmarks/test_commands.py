"""Each benchmark command prints its table, with settings so small that the figures say nothing."""

import json
import re
import sys

import numpy as np
import pytest
import torch
from PIL import Image

import progan
from benchmarks import (
    data_reading,
    game,
    generating,
    gpu,
    growing,
    ours,
    projection,
    simulating,
    starting,
    timing,
    training,
)
from stylegrow.common.errors import InputError
from stylegrow.models import save_model
from train.distributed.processes import SingleProcess

SMALL = ["--threads", "1"]


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs a command within this process, its rows too, and gives what it printed."""
    threads = torch.get_num_threads()
    for module in (timing, training, generating, growing, gpu, simulating):
        monkeypatch.setattr(module, "apart", lambda function, *arguments: function(*arguments))
    monkeypatch.setattr(training, "machine_speed", lambda *_: 1e12)

    def command(module, *words):
        monkeypatch.setattr(sys, "argv", [module.__name__, *words])
        assert module.main() == 0
        return capsys.readouterr().out

    yield command
    torch.set_num_threads(threads)


def table(text):
    """The cells of each row of a Markdown table by the row's name."""
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return {first: others for first, *others in lines}


@pytest.mark.parametrize("network", ["progan", "stylegan"])
def test_training(run, network):
    words = ["--network", network, "--widths", "toonhead", "--resolutions", "8", "--batch", "2", "--steps", "1"]
    rows = table(run(training, *words, "--warm-up", "0", "--repeats", "2", *SMALL))
    assert {"baseline", "float32", "bf16"} < rows.keys()
    assert "peer" not in rows
    assert rows["baseline"][3] == "1.00x"
    assert float(rows["bf16"][1]) > 0


def test_training_prints_a_profile_and_an_estimate_of_memory(run):
    words = ["--widths", "toonhead", "--resolutions", "8", "--batch=2", "--rows", "float32", "--warm-up=0", *SMALL]
    assert "convolution_backward" in run(training, *words, "--profile")
    estimate = run(training, "--dry")
    assert len(re.findall(r"stylegan|progan", estimate)) == 4


def test_a_peer_without_its_model_is_refused(run, tmp_path):
    words = ["--widths", "official", "--resolutions", "8", "--rows", "peer", "--peer", str(tmp_path), *SMALL]
    with pytest.raises(SystemExit, match=r"model\.py"):
        run(training, *words)


def test_generating(run):
    words = ["--resolution", "8", "--preset", "toonhead", "--batches", "1", "2", "--rounds", "1", "--faces", "1"]
    text = run(generating, *words, *SMALL)
    assert text.count("| baseline") == 4
    assert "one 64 px face" in text


def test_growing(run):
    words = ["--preset", "toonhead", "--resolutions", "8", "16", "--measured", "8", "--batch", "2", "--steps", "1"]
    rows = table(run(growing, *words, *SMALL))
    assert rows["16 px"][-1] == "extrapolated"


def test_growth_is_added_up_along_the_schedule():
    schedule = ours.config_of("stylegan", "toonhead", 16).schedule
    found = {(8, False): 1.0, (16, True): 10.0, (16, False): 100.0}
    # 10 kimg at 8 px, 10 fading, the rest at 16 px.
    assert growing.seconds(schedule, 100, found) == pytest.approx(10 * 1 + 10 * 10 + 80 * 100)


def test_a_rule_plays_the_game_the_same_way_every_time(run):
    words = ["--models", "progan-toonhead64", "--difficulties", "easy", "--rounds", "4"]
    first, again = run(game, *words), run(game, *words)
    assert first == again
    assert table(first)["progan-toonhead64"][:2] == ["easy", "4"]


def test_the_rule_takes_the_flatter_picture_for_real(tmp_path):
    flat, mottled = np.full((2, 64, 64, 3), 128, np.uint8)
    mottled[::2] += 6
    for name, pixels in (("flat", flat), ("mottled", mottled)):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    assert game.unevenness(tmp_path / "flat.png") == 0
    assert game.unevenness(tmp_path / "mottled.png") == 3


@pytest.mark.parametrize("alpha", [0.5, 1.0])
def test_a_timed_step_is_one_of_its_stage(alpha):
    one = ours.Training("stylegan", "toonhead", 16, 2, SingleProcess(), alpha)
    before = one.trainer.images
    one.step()
    stage = one.schedule.at(one.trainer.images)
    assert (stage.resolution, stage.alpha) == (16, pytest.approx(alpha))
    assert one.trainer.images == before + 2


def test_the_networks_are_those_that_the_preset_trains():
    one = ours.Training("stylegan", "toonhead", 8, 2, SingleProcess())
    assert one.trainer.generator.config.blur_filter is None
    assert one.trainer.generator.config.mapping_lrmul == 0.1
    assert one.trainer.config.g_lr_ratio == 4
    assert ours.config_of("stylegan", "official", 8).build()[0].config.blur_filter == [1, 2, 1]
    larger = ours.config_of("stylegan", "toonhead", 64)
    assert (larger.generator.blur_filter, larger.schedule.blur_kimg) == ([1, 2, 1], 0)


def test_parts_of_the_measurements_on_a_gpu_run_without_one(run, tmp_path):
    run(gpu, "--only", "parity,graphs,resume,train64", "--out", str(tmp_path))
    found = {}
    for name in ("parity", "graphs", "resume", "train64"):
        content = json.loads((tmp_path / f"{name}.json").read_text())
        found |= {(name, one["what"]): one["figures"] for one in content["findings"]}
    for network in ("progan", "stylegan"):
        assert found["parity", f"{network}, float64"] == {"images": 0, "grey_levels": 0, "gradient": 0}
        assert 0 < found["parity", f"{network}, float32"]["gradient"] < 1e-5
        assert 1e-4 < found["parity", f"{network}, bf16"]["gradient"] < 0.3
    assert found["parity", "stylegan-toonhead64, seeds 0 to 15"] == {"grey_levels": 0}
    others = [figures for (name, _), figures in found.items() if name in ("graphs", "resume")]
    assert len(others) == 3
    assert all(figures["losses"] == figures["weights"] == 0 for figures in others)
    (trained,) = (figures for (name, _), figures in found.items() if name == "train64")
    assert trained["ticks"][-1]["kimg"] == 0.04


def test_steps_are_measured_as_on_a_gpu(run, tmp_path):
    run(gpu, "--only", "steps", "--out", str(tmp_path))
    findings = json.loads((tmp_path / "steps.json").read_text())["findings"]
    assert [(one["figures"]["network"], one["figures"]["how"]) for one in findings] == [
        ("stylegan", "graphs"),
        ("stylegan", "operators"),
        ("stylegan", "eager"),
        ("progan", "graphs"),
    ]
    assert all(one["figures"]["kernels"] > 500 for one in findings)


def test_a_part_that_there_is_not_is_refused():
    with pytest.raises(InputError, match="steps"):
        gpu.parts_of("steps,speed")


def test_starting(run, monkeypatch):
    monkeypatch.setattr(starting, "COMMANDS", ("-m stylegrow data --help",))
    assert "python -m stylegrow data --help" in table(run(starting, "--times", "1", "--no-app"))


def test_reading_and_waiting(run):
    words = ["--synthetic", "20", "--resolution", "8", "--batch", "4", "--seconds", "0.01", "--waiting", "toonhead"]
    text = run(data_reading, *words)
    assert text.count("8 px") == 2


def test_operations_are_counted_through_derivatives_of_derivatives():
    x, weight = torch.randn(1, 2, 4, 4, requires_grad=True), torch.randn(3, 2, 1, 1, requires_grad=True)

    def work():
        (slope,) = torch.autograd.grad(torch.conv2d(x, weight).square().sum(), x, create_graph=True)
        slope.square().sum().backward()

    # A 1x1 convolution is 2 * 2 * 3 * 16 operations. Forwards there is one, and one for its slope; backwards from the
    # slope two, by what it is of and by the weight; and two more from the convolution, whose square it is.
    assert timing.operations_of(work) == 6 * 2 * 2 * 3 * 16


def test_projection_counts_the_faces_that_keep_their_colours(run):
    rows = table(run(projection, "--faces", "1", "--steps", "2", "--spaces", "w", *SMALL))
    hair, skin, both, faces, *_ = rows["w"]
    assert faces == "1"
    for cell in (hair, skin, both):
        assert cell in ("0 (1)", "1 (1)")  # the classifier knows the face itself


def test_simulating(run, tmp_path):
    torch.manual_seed(0)
    generator = progan.Generator(16, z_dim=4, fmap_base=16, fmap_max=4, label_dim=1, label_kind="vector")
    values = {"min": [10], "max": [100], "examples": [[20], [50]]}
    save_model(tmp_path / "one", generator, classes=["energy"], label_values=values, transform="mip-root")
    words = ["--models", str(tmp_path / "one"), "--energies", "10", "--threads", "1", "--seconds", "0.01"]
    speeds, qualities = run(simulating, *words, "--showers", "64", "--plot", str(tmp_path / "page.png")).split("\n\n")[
        1:3
    ]
    assert table(speeds)["gflash"][1].endswith("x)")
    rows = table(qualities)
    assert rows["cascade"][0] == rows[str(tmp_path / "one")][0] == "16 x 16"
    assert float(rows["cascade"][1]) < float(rows["gflash"][1]) < float(rows[str(tmp_path / "one")][1])
    assert Image.open(tmp_path / "page.png").width > 1000
    save_model(tmp_path / "other", progan.Generator(16, z_dim=4, fmap_base=16, fmap_max=4))
    with pytest.raises(InputError, match=r"^--models"):
        simulating.opened(str(tmp_path / "other"))
