"""What a run says: means, lines, tables, trackers, and a terminal that has gone."""

import io
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]

from tests.train.config.test_run_config import Images
from tests.train.runs import Train, only, statistics
from train.config.options import Options
from train.config.run_config import make_run_config
from train.config.schedule import Stage
from train.run.descriptions import schedule_table
from train.run.reporter import LEGEND, Reporter, progress_line
from train.run.statistics import Meter, progress


def test_a_meter_gives_the_means_since_the_last_look():
    meter = Meter()
    assert meter.take() == {}
    for value in (1.0, 2.0, 6.0):
        meter.add({"D/loss": torch.tensor(value), "G/loss": torch.tensor(-value, dtype=torch.float64)})
    assert meter.take() == {"D/loss": 3.0, "G/loss": -3.0}
    assert meter.take() == {}


def test_a_meter_leaves_out_what_is_not_finite():
    meter = Meter()
    for value in (1.0, float("nan"), float("inf"), 3.0):
        meter.add({"D/loss": torch.tensor(value), "G/loss": torch.tensor(float("nan"))})
    assert meter.take() == {"D/loss": 2.0, "G/loss": 0.0}


STATS = progress(
    images=12345,
    stage=Stage(resolution=32, alpha=0.5, batch=16, lr=0.001, phase=3),
    shown=2000,
    seconds=10.0,
    elapsed=100.0,
    left=3700.0,
    means={"D/loss": 1.25, "G/loss": -0.5, "D/wasserstein": 2.0, "D/gradient": 0.1, "G/gradient": 0.2},
    skipped=0,
)


def test_a_line_of_progress_has_all_that_the_legend_explains():
    line = progress_line(STATS)
    for words in (
        *("res 32", "alpha 0.50", "kimg 12.3", "img/s 200.0", "sec/kimg 5.00", "lossD 1.25", "lossG -0.5", "W 2"),
        *("gradD 0.1", "gradG 0.2", "mem ", "left 1h 01m"),
    ):
        assert words in line
    assert "skipped" not in line
    assert "skipped 2 steps" in progress_line(STATS | {"skipped_steps": 2})
    for title in ("res", "alpha", "kimg", "lossD", "lossG", "W", "gradD", "gradG", "mem", "left"):
        assert f"{title}:" in LEGEND or f"{title}," in LEGEND


def test_the_legend_is_printed_once(train: Train):
    ended = train("--kimg", 0.3)
    assert ended.out.count(LEGEND) == 1
    assert ended.out.count("\nres ") == 3
    assert (only("runs") / "log.txt").read_text() == ended.out


def test_the_table_shows_every_phase():
    options = Options(kimg=3.0, stable_kimg=1.0, fade_kimg=0.5, batch=96, lr=0.002, batch_per_device=16)
    config = make_run_config("progan", options, Images(8), 2, "no")
    lines = [line.split() for line in schedule_table(config).splitlines()]
    assert lines[0] == ["from", "kimg", "to", "kimg", "resolution", "batch", "a", "process", "lr", "steps"]
    assert lines[1] == ["0", "1", "4", "stable", "96", "3", "x", "16", "0.002", "11"]
    assert lines[2][:4] == ["1", "1.5", "8", "fade"]
    assert lines[3][:4] == ["1.5", "3", "8", "stable"]


def test_other_processes_are_silent(capsys):
    reporter = Reporter(None)
    reporter.say("x")
    reporter.start_bar(0, 10)
    reporter.advance(1)
    reporter.tick(STATS)
    reporter.close()
    assert capsys.readouterr() == ("", "")


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_gets_one_bar(tmp_path, monkeypatch, capsys):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    reporter = Reporter(tmp_path)
    reporter.start_bar(100, 500)
    for images in (300, 512):
        reporter.advance(images)
        reporter.bar.refresh()
    reporter.say("a line")
    assert reporter.bar.n == reporter.bar.total == 500
    reporter.close()
    assert "100/500" in terminal.getvalue()
    assert "300/500" in terminal.getvalue()
    assert terminal.getvalue().count("\n") == 1
    assert "a line\n" in capsys.readouterr().out
    assert (tmp_path / "log.txt").read_text() == "a line\n"


def test_without_a_terminal_there_is_none(tmp_path, capsys):
    reporter = Reporter(tmp_path)
    reporter.start_bar(0, 500)
    reporter.advance(16)
    reporter.close()
    assert capsys.readouterr() == ("", "")


def test_a_torn_line_of_statistics_spoils_no_other(tmp_path):
    (tmp_path / "stats.jsonl").write_text('{"kimg": 1}\n{"kim')
    reporter = Reporter(tmp_path)
    reporter.tick(STATS)
    reporter.close()
    first, torn, last = (tmp_path / "stats.jsonl").read_text().splitlines()
    assert (json.loads(first), torn, json.loads(last)) == ({"kimg": 1}, '{"kim', STATS)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")  # noqa: PTH110
def test_output_that_cannot_be_written_is_only_logged(tmp_path, monkeypatch):
    with open("/dev/full", "w") as full:  # noqa: PTH123
        monkeypatch.setattr(sys, "stdout", full)
        reporter = Reporter(tmp_path)
        for text in ("one", "two"):
            reporter.say(text)
        reporter.close()
    assert (tmp_path / "log.txt").read_text() == "one\ntwo\n"


def test_tensorboard_gets_scalars_and_grids(train: Train):
    ended = train("--log-with", "tensorboard")
    assert ended.status == 0
    assert ended.err == ""
    run = only("runs")
    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    losses = [(event.step, event.value) for event in events.Scalars("D/loss")]
    lines = statistics(run)
    assert losses == [(round(1000 * line["kimg"]), pytest.approx(line["D/loss"])) for line in lines]
    assert {"G/loss", "D/wasserstein", "D/gradient", "G/gradient", "resolution", "alpha"} <= set(
        events.Tags()["scalars"]
    )
    assert [event.step for event in events.Images("fakes")] == [0, 208, 400]
    shown = Image.open(io.BytesIO(events.Images("fakes")[-1].encoded_image_string))
    assert np.array_equal(np.asarray(shown), np.asarray(Image.open(run / "fakes000000_400.png")))


def test_a_tracker_that_is_not_installed_is_one_line(train: Train, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    ended = train("--log-with", "wandb")
    assert ended.status == 2
    assert ended.error == "--log-with wandb: its package is not installed; pip install wandb"
    assert not Path("runs").exists()


def test_so_is_one_that_cannot_be_started(train: Train, monkeypatch):
    def start(tracker):
        raise ValueError("no key:\nlog in")

    monkeypatch.setattr("accelerate.tracking.TensorBoardTracker.start", start)
    ended = train("--log-with", "tensorboard")
    assert ended.status == 2
    assert ended.error == "--log-with tensorboard: cannot be started (no key: log in); set it up or leave it out"
    assert train("--resume", "--log-with", "none", "--kimg", 0.016).status == 0
