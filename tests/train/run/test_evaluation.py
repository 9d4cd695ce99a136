"""Metrics while training: what is measured and when, what is written, the best model, and that training is the same."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest
from PIL import Image

from stylegrow.common.errors import InputError
from stylegrow.data import open_dataset
from stylegrow.metrics import Result
from stylegrow.metrics.table import DECIDING
from stylegrow.models import load_discriminator, load_generator, read_config, save_model
from tests.stylegrow.metrics.conftest import a_generator
from tests.train.runs import HOLDOUT, Train, last_state, only, options, statistics
from train.command import parse
from train.config.checks import metric_names
from train.config.options import Options
from train.config.run_config import RunConfig
from train.run import evaluation
from train.run.checkpoints import checkpoints_in

MOMENTS = [0, 0.208, 0.4]  # of the snapshots of SMALL


class Stub:
    """An evaluator that says what it is told to, and notes what it is asked."""

    values: ClassVar[list] = []
    made: ClassVar[list[tuple]] = []
    asked: ClassVar[list[tuple]] = []
    extra: ClassVar[list[Result]] = []

    def __init__(self, dataset, names, samples, **settings):
        self.names, self.samples = names, samples
        Stub.made.append((names, samples, settings))

    def evaluate(self, generator, look, encoder=None):
        value = Stub.values[min(len(Stub.asked), len(Stub.values) - 1)]
        if isinstance(value, Exception):
            raise type(value)(*value.args)  # another, since what is raised keeps the run and its lock alive
        Stub.asked.append((generator, look))
        named = [Result(DECIDING[name], value, 0.5, self.samples, 0.25, 0.125) for name in self.names]
        return [*named, *Stub.extra]


@pytest.fixture
def stub(monkeypatch):
    """Evaluators are stubs, whose first measurement gives 3, the second 2, and all others 1."""
    monkeypatch.setattr(Stub, "values", [3.0, 2.0, 1.0])
    for name in ("made", "asked", "extra"):
        monkeypatch.setattr(Stub, name, [])
    monkeypatch.setattr("stylegrow.metrics.evaluation.Evaluator", Stub)
    return Stub


def lines(run: Path, name: str = "kid"):
    return [json.loads(line) for line in (run / f"metric-{name}.jsonl").read_text().splitlines()]


def best(run: Path):
    load_generator(run / "best")
    facts = read_config(run / "best")["training"]
    return facts["kimg"], facts["metric"], facts["metric_value"]


def read(text: str) -> Options:
    return parse(text.split(), "progan", "Train.")


def test_a_line_each_time_with_the_stage(train: Train, stub):
    ended = train("--metrics", "kid")
    assert ended.status == 0
    found = lines(only("runs"))
    assert [line["kimg"] for line in found] == MOMENTS
    assert [(line["resolution"], line["alpha"]) for line in found] == [(4, 1), (8, 1), (8, 1)]
    assert [line["value"] for line in found] == [3, 2, 1]
    expected = {"floor": 0.5, "samples": 20, "deviation": 0.25, "floor_deviation": 0.125, "better": "lower"}
    assert all(line.items() >= expected.items() for line in found)


def test_a_line_of_the_log_each_time(train: Train, stub):
    stub.extra.append(Result("attributes_hair", 9.0, 9.0, 20, details={"attribute": "hair"}))
    ended = train("--metrics", "kid")
    run = only("runs")
    said = [line for line in ended.out.splitlines() if line.startswith("metrics at")]
    assert [line.rpartition(", took ")[0] for line in said] == [
        "metrics at 0 kimg, 4 px, alpha 1.00: kid 3 ± 0.25 (floor 0.5 ± 0.12), 20 samples",
        "metrics at 0.208 kimg, 8 px, alpha 1.00: kid 2 ± 0.25 (floor 0.5 ± 0.12), 20 samples",
        "metrics at 0.4 kimg, 8 px, alpha 1.00: kid 1 ± 0.25 (floor 0.5 ± 0.12), 20 samples",
    ]
    assert all(line in (run / "log.txt").read_text().splitlines() for line in said)
    assert len(lines(run, "attributes_hair")) == 3
    assert "metrics: kid every 0.2 kimg on 20 samples" in ended.out


def test_the_averaged_generator_is_measured_at_its_stage(train: Train, stub, pictures):
    assert train("--metrics", "kid,fd", "--mirror", "--cond", "--kimg", 0.208).status == 0
    ((names, samples, settings),) = stub.made
    assert (names, samples) == (("kid", "fd"), 20)
    held_out = open_dataset(pictures, cache=pictures.parent / "cache", quiet=True).split(HOLDOUT)[1]
    assert settings["held_out"].tolist() == held_out.tolist()
    assert (settings["mirror"], settings["cond"]) == (True, "class")
    looks = [look for _, look in stub.asked]
    assert [(look.resolution, look.alpha, look.noise) for look in looks] == [(4, 1, "random"), (8, 1, "random")]
    generator, saved = stub.asked[-1][0], load_generator(only("runs"))
    for name, value in generator.state_dict().items():
        assert value.equal(saved.state_dict()[name]), name


def test_the_interval_is_its_own_option(train: Train, stub):
    assert train("--metrics", "kid", "--metrics-kimg", 0.1, "--metrics-samples", 20).status == 0
    run = only("runs")
    assert [line["kimg"] for line in lines(run)] == [0, 0.112, 0.208, 0.304, 0.4]
    assert options(run)["metrics_kimg"] == 0.1
    assert len(list(run.glob("fakes*.png"))) == 3


@pytest.mark.parametrize("metrics", ["none", None])
def test_without_metrics_there_are_none(train: Train, stub, metrics):
    assert train(*(["--metrics", metrics] if metrics else []), "--kimg", 0.1).status == 0
    run = only("runs")
    assert not stub.made
    assert not list(run.glob("metric-*")) + list(run.glob("best"))
    assert (options(run)["metrics"], options(run)["metrics_samples"]) == ("none", None)


@pytest.mark.parametrize(
    ("values", "kept"),
    [([3.0, 2.0, 1.0], 0.4), ([3.0, 1.0, 2.0], 0.208), ([1.0], 0), ([float("nan"), 2.0, 2.0], 0.208)],
)
def test_the_best_model_is_the_first_with_the_lowest_value(train: Train, stub, values, kept):
    stub.values[:] = values
    ended = train("--metrics", "kid")
    run = only("runs")
    assert best(run) == (kept, "kid", min(values[1:] or values))
    assert ended.out.count("; the best so far") == {0.4: 3, 0.208: 2 if values[0] == 3 else 1, 0: 1}[kept]
    assert load_discriminator(run / "best").resolution == 8
    assert "| metric_value |" in (run / "best" / "README.md").read_text()
    if kept == 0.4:
        weights = "model.safetensors"
        assert (run / "best" / weights).read_bytes() == (run / "model" / weights).read_bytes()


@pytest.mark.parametrize(("metric", "better", "kept"), [("intact", "higher", 0.6), ("flatness", "lower", 0.2)])
def test_the_best_is_the_highest_where_higher_is_better(tmp_path, metric, better, kept):
    def save(path, trainer, stage, **facts):
        save_model(path, a_generator(resolution=4), training=facts)

    config = SimpleNamespace(options=Options(metrics=metric))
    one = evaluation.Evaluation(SimpleNamespace(config=config, run=tmp_path, save_model=save), None, print)
    values = [0.4, 0.5, 0.2, 0.6, float("nan"), 0.6]
    kept_each = [one.keep_best(None, None, [Result(metric, value, 1.0, 20, better=better)]) for value in values]
    assert kept_each == [True, better == "higher", better == "lower", better == "higher", False, False]
    assert read_config(tmp_path / "best")["training"]["metric_value"] == kept


def test_the_first_metric_decides(train: Train, stub):
    assert metric_names(Options(metrics="swd, kid,swd")) == ("swd", "kid")
    assert train("--metrics", "fd,kid", "--kimg", 0.1).status == 0
    assert best(only("runs"))[1] == "fd"


class TestResumed:
    @pytest.fixture
    def run(self, train: Train, stub) -> Path:
        """A run that was killed after its last measurement, whose checkpoint is of 0.304 kimg."""
        assert train("--metrics", "kid", "--keep", 3).status == 0
        run = only("runs")
        last = checkpoints_in(run / "checkpoints")[0]
        assert last.name == "000000000400"
        last.rename(run / "gone")
        return run

    def test_lines_beyond_the_checkpoint_are_dropped(self, train: Train, stub, run, finished):
        with (run / "metric-kid.jsonl").open("a") as file:
            file.write('{"kimg": 0.2')
        stub.asked.clear()
        stub.values[:] = [7.0]
        assert train("--resume").status == 0
        assert [(line["kimg"], line["value"]) for line in lines(run)] == [(0, 3), (0.208, 2), (0.4, 7)]
        assert last_state(run) == last_state(finished)

    def test_the_best_of_all_that_was_measured_stays(self, train: Train, stub, run):
        stub.values[:] = [1.5]
        assert train("--resume").status == 0
        assert best(run) == (0.4, "kid", 1.0)
        stub.values[:] = [0.5]
        assert train("--resume", "--kimg", 0.416).status == 0
        assert best(run) == (0.416, "kid", 0.5)

    @pytest.mark.parametrize("words", ["--metrics fd", "--metrics-samples 20 --metrics fd,kid"])
    def test_another_measure_begins_anew(self, train: Train, stub, run, words):
        stub.values[:] = [70.0]
        ended = train("--resume", *words.split())
        assert ended.status == 0
        assert "note: --metrics is now fd" in ended.out
        assert best(run) == (0.4, "fd", 70.0)

    def test_metrics_may_begin_and_end(self, train: Train, stub, run):
        stub.made.clear()
        assert train("--resume", "--metrics", "none").status == 0
        assert not stub.made
        assert (options(run)["metrics"], options(run)["metrics_kimg"]) == ("none", None)
        assert [line["kimg"] for line in lines(run)] == [0, 0.208]
        assert train("--resume", "--metrics", "fd", "--kimg", 0.416).status == 0
        assert [line["kimg"] for line in lines(run, "fd")] == [0.416]

    def test_a_run_that_starts_over_has_no_lines(self, train: Train, stub, run):
        for path in checkpoints_in(run / "checkpoints"):
            path.rename(run / f"gone{path.name}")
        assert train("--resume").status == 0
        assert [line["kimg"] for line in lines(run)] == MOMENTS


def test_training_is_the_same_with_metrics(train: Train, finished):
    """Measured by the embedded features, on as many pictures as there are."""
    ended = train("--metrics", "kid,fd,neighbours", "--metrics-kimg", 0.3)
    assert (ended.status, ended.err) == (0, "")
    run = only("runs")
    assert last_state(run) == last_state(finished)
    for weights in ("model.safetensors", "discriminator.safetensors"):
        assert (run / "model" / weights).read_bytes() == (finished / "model" / weights).read_bytes()
    measured = ("kimg", "D/loss", "G/loss", "D/gradient", "D/wasserstein")
    assert [[line[name] for name in measured] for line in statistics(run)] == [
        [line[name] for name in measured] for line in statistics(finished)
    ]
    found = lines(run, "fd")
    assert [line["kimg"] for line in found] == [0, 0.304, 0.4]
    assert all(line["features"] == "EfficientNet-Lite0" and line["value"] > 0 for line in found)
    assert len({line["floor"] for line in found}) == 1
    value = min(line["value"] for line in lines(run))
    assert best(run)[1:] == ("kid", value)
    assert Image.open(run / "neighbours.png").size[0] > 8


def test_so_is_a_stylegan_s(train: Train, stub, finished_stylegan):
    assert train("--metrics", "kid", architecture="stylegan").status == 0
    assert last_state(only("runs")) == last_state(finished_stylegan)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("--metrics lpips", "--metrics lpips: there is no such metric; choose from fd,"),
        ("--metrics fid", "--metrics fid: is by Inception's features, training evaluates the embedded; ask for fd"),
        ("--metrics ,", "--metrics: names none"),
        ("--metrics pr,kid", "--metrics pr,kid: the first decides on best/, and pr cannot"),
        (
            "--metrics msssim",
            "msssim cannot; name one of fd, kid, swd, attributes, flatness, intact, ppl, reconstruction, observables, ",
        ),
        ("--metrics kid --metrics-kimg 0", "--metrics-kimg 0: give a number above 0"),
        ("--metrics kid --metrics-samples 0", "--metrics-samples 0: give a whole number of at least 1"),
        ("--metrics-kimg 5", "--metrics-kimg: there is nothing to evaluate"),
    ],
)
def test_a_choice_that_cannot_be(text, words):
    with pytest.raises(InputError) as caught:
        read(text)
    assert words in str(caught.value)


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("--metrics nothing", "--metrics nothing: there is no such metric"),
        ("--metrics swd", "--metrics swd: needs images of at least 16 px, not 8; leave it out"),
        ("--metrics attributes", "--metrics attributes: is for the embedded faces"),
        ("--metrics kid --metrics-samples 30", "--metrics-samples 30: give a number from 20 to 20"),
        ("--metrics kid --holdout 12", "--data: has 36 training images; 40 are the least"),
    ],
)
def test_what_does_not_fit_the_data_is_refused_before_anything_starts(train: Train, stub, words, complaint, dry):
    ended = train(*words.split(), *dry)
    assert ended.status == 2
    assert ended.error.startswith(complaint)
    assert not Path("runs").exists()
    assert not stub.made


def test_a_dry_run_tells_and_measures_nothing(train: Train, stub):
    ended = train("--metrics", "kid,fd", "--dry-run")
    assert ended.status == 0
    for line in ("--metrics: kid,fd", "--metrics-kimg: 0.2", "--metrics-samples: 20"):
        assert line in ended.out
    assert not stub.made


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (InputError("--cache: no room; make some"), "--cache: no room; make some"),
        (MemoryError(), "out of memory"),
    ],
)
def test_what_cannot_be_measured_ends_the_run_in_one_line(train: Train, stub, finished, error, problem):
    stub.values[:] = [3.0, error]
    ended = train("--metrics", "kid")
    run = only("runs").absolute()
    assert ended.status == 1
    advice = f"--resume {run} --metrics none continues without them"
    assert ended.error == f"metrics at 0.208 kimg: {problem}; {advice}"
    assert train("--resume", "--metrics", "none").status == 0
    assert last_state(run) == last_state(finished)


def test_the_time_left_is_that_of_the_measurements_too(train: Train, stub):
    """As many as are due, and one at the end."""
    assert train("--metrics", "kid", "--metrics-kimg", 0.1, "--kimg", 0.25).status == 0
    config = RunConfig.read(only("runs"))
    one = evaluation.Evaluation(SimpleNamespace(config=config, run=None), None, print)  # type: ignore[arg-type]
    assert one.seconds_left(0) == 0  # nothing is known yet
    one.seconds = 10.0
    assert [one.seconds_left(images) for images in (0, 96, 112, 208, 256)] == [30, 30, 20, 10, 10]
    assert one.seconds_left(304) == 0
