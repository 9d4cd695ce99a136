"""A run that was stopped, killed or damaged goes on as if nothing had happened."""

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from stylegrow.models import load_discriminator, load_generator
from tests.train.runs import SMALL, Train, last_checkpoint, last_state, only, options, statistics
from train.command import main
from train.run import checkpoints, folders
from train.run.checkpoints import checkpoints_in
from train.step.trainer import Trainer


@pytest.fixture
def signal_at(monkeypatch):
    """A function that has this process sent a signal in a run's step of that number."""

    def send(number, wanted):
        count, step = 0, Trainer.step

        def counted(trainer, batches):
            nonlocal count
            count += 1
            if count == wanted:
                os.kill(os.getpid(), number)
            return step(trainer, batches)

        monkeypatch.setattr(Trainer, "step", counted)

    return send


# In the first stage, at its end, in the fade, at its end, and near the end.
@pytest.mark.parametrize("kimg", [0.064, 0.112, 0.16, 0.208, 0.304])
def test_stopping_and_going_on_gives_the_same_bits(train: Train, finished, kimg):
    train("--kimg", kimg)
    assert train("--resume", "--kimg", 0.4).status == 0
    assert last_state(only("runs")) == last_state(finished)


@pytest.mark.parametrize(
    "words",
    [
        "--loss ns-r1 --cond --mirror",
        "--n-critic 2 --batch-per-device 4 --seed 7",
        "--mixed-precision bf16 --ema-kimg 0 --cond",
        "--blur 0.096",
        "--blur 0.16",
    ],
)
def test_so_it_does_with_other_options(train: Train, words):
    """Stopped twice, once in a fade."""
    for out, stops in (("straight", []), ("stopped", [0.048, 0.16])):
        for kimg, resume in zip([*stops, 0.24], [None, *stops], strict=False):
            given = ["--resume"] if resume else words.split()
            assert train(*given, "--out", out, "--kimg", kimg).status == 0
    assert last_state(only("straight")) == last_state(only("stopped"))


def test_learning_rates_fall_towards_the_end_of_the_longer_run(train: Train):
    """Stopped where they have not begun to fall, and resumed to twice the length."""
    words = ("--lr-decay-kimg", 0.032)
    assert train(*words, "--kimg", 0.064, "--lr", 0.002).status == 0
    assert train("--resume", "--kimg", 0.128).status == 0
    assert [line["lr"] for line in statistics(only("runs"))] == pytest.approx([0.001, 0.002, 0.001])


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_saves_and_ends(train: Train, finished, signal_at, number, status):
    signal_at(number, 10)
    ended = train()
    assert ended.status == status
    run = only("runs")
    assert ended.out.endswith(f"stopped at 0.16 kimg, all is saved; --resume {run.absolute()} continues\n")
    assert ended.err == ""
    assert last_checkpoint(run).facts.images == 160
    assert train("--resume").status == 0
    assert last_state(run) == last_state(finished)


class Moments:
    """Copies of a folder as a kill would have left it: before every change to it and after every sync.

    Python announces each change to its audit hooks, which stay for ever, so that this one listens only inside `with`.
    """

    CHANGES = ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir")
    listening: "Moments | None" = None

    def __init__(self, folder: Path, copies: Path) -> None:
        self.folder, self.copies = folder, copies
        self.seen: list[tuple[Path, int, int]] | None = None

    @property
    def paths(self) -> list[Path]:
        return sorted(self.copies.iterdir())

    def __enter__(self) -> "Moments":
        Moments.listening = self
        return self

    def __exit__(self, *exception: object) -> None:
        Moments.listening = None

    def look(self) -> None:
        Moments.listening = None
        files = {path: path.stat() for path in sorted(self.folder.rglob("*"))}
        facts = [(path, info.st_size, info.st_mtime_ns) for path, info in files.items()]
        if facts != self.seen:
            self.seen = facts
            shutil.copytree(self.folder, self.copies / f"{len(list(self.copies.iterdir())):04d}")
        Moments.listening = self

    @classmethod
    def hook(cls, event: str, arguments: tuple) -> None:
        if cls.listening is not None and event in cls.CHANGES:
            cls.listening.look()


@pytest.fixture(scope="module")
def audit() -> None:
    sys.addaudithook(Moments.hook)


def test_killed_at_any_moment_a_run_goes_on_from_its_last_checkpoint(
    audit, train: Train, finished, tmp_path, monkeypatch
):
    sync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: (sync(file), Moments.hook("open", ())))
    (tmp_path / "copies").mkdir()
    (tmp_path / "runs").mkdir()
    with Moments(tmp_path / "runs", tmp_path / "copies") as moments:
        assert train("--keep", 1, "--keep-models", 1).status == 0
    monkeypatch.setattr(os, "fsync", sync)
    assert len(moments.paths) > 50

    images = -1  # of the last checkpoint, once there is one
    for out in moments.paths:
        runs = [path.parent for path in out.glob("*/options.json")]
        if runs and (runs[0] / "model").exists():
            load_generator(runs[0])
            load_discriminator(runs[0])
        if images >= 0 or list(out.glob("*/checkpoints/[0-9]*")):
            newest_there = checkpoints_in(next(out.glob("*/checkpoints")))[0]
            assert checkpoints.read(newest_there).facts.images >= images
            images = int(newest_there.name)

    for out in moments.paths[:: len(moments.paths) // 8]:
        ended = train("--resume", "--out", out)
        if not list(out.glob("*/options.json")):
            assert ended.error.startswith(f"--resume: there is no run in {out}")
        else:
            assert ended.status == 0
            assert "not usable" not in ended.out
            assert last_state(only(out)) == last_state(finished)


def killed_in_the_second_checkpoint(words, folder, variables):
    """Train, and end by SIGKILL when the tensors of the second checkpoint are on disk and its facts are not."""
    os.chdir(folder)
    os.environ.update(variables)
    torch.set_num_threads(1)
    write, count = Path.write_bytes, 0

    def killing(path, content):
        nonlocal count
        count += path.name == "state.json"
        if count == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return write(path, content)

    Path.write_bytes = killing
    sys.argv = ["progan.py", *words]
    main("progan", "Train.")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs the processes and signals of Unix")
def test_killed_for_real(train: Train, finished, pictures):
    from tests.train.forks import FORKS

    words = [*SMALL, "--data", str(pictures)]
    process = FORKS.Process(target=killed_in_the_second_checkpoint, args=(words, Path.cwd(), dict(os.environ)))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    run = only("runs")
    assert [path.name for path in checkpoints_in(run / "checkpoints")] == ["000000000112"]
    assert [path.name for path in (run / "checkpoints" / ".partial").iterdir()] == ["state.safetensors"]
    ended = train("--resume")
    assert "from 0.112 kimg" in ended.out
    assert last_state(run) == last_state(finished)
    assert not (run / "checkpoints" / ".partial").exists()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGE: dict[str, tuple[str, Callable[[Path], object]]] = {
    "cut": ("state.safetensors", cut),
    "one bit": ("state.safetensors", flip),
    "gone": ("state.safetensors", Path.unlink),
    "description gone": ("state.json", Path.unlink),
    "description empty": ("state.json", lambda path: path.write_text("")),
    "description of something else": ("state.json", lambda path: path.write_text("[]")),
    "description nested": ("state.json", lambda path: path.write_text("[" * 100_000)),
    "description without images": ("state.json", lambda path: path.write_text('{"format_version": 1}')),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_taken(train: Train, finished, copy, what):
    name, harm = DAMAGE[what]
    last, before = checkpoints_in(copy / "checkpoints")
    harm(last / name)
    ended = train("--resume")
    assert ended.status == 0
    assert f"checkpoint {last} is not usable: {name} " in ended.out
    assert f"from {int(before.name) / 1000:g} kimg" in ended.out
    assert last_state(copy) == last_state(finished)


def test_every_flipped_bit_of_a_description_is_seen(copy):
    path = checkpoints_in(copy / "checkpoints")[0]
    content = (path / "state.json").read_bytes()
    for bit in range(0, 8 * len(content), 61):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        (path / "state.json").write_bytes(flipped)
        with pytest.raises(checkpoints.BadCheckpointError):
            checkpoints.read(path)


@pytest.mark.parametrize(
    "change", [{"images": -1}, {"images": 10**30}, {"images": True}, {"phase": 99}, {"networks": None}]
)
def test_changed_facts_of_a_checkpoint_are_seen(copy, change):
    path = checkpoints_in(copy / "checkpoints")[0]
    facts = json.loads((path / "state.json").read_text())
    (path / "state.json").write_text(json.dumps(facts | change))
    with pytest.raises(checkpoints.BadCheckpointError):
        checkpoints.read(path)


def test_a_checkpoint_in_a_folder_of_another_name_is_not_taken(copy):
    path = checkpoints_in(copy / "checkpoints")[0]
    checkpoints.read(path)
    with pytest.raises(checkpoints.BadCheckpointError):
        checkpoints.read(path.rename(path.with_name("000000000001")))


def test_with_one_checkpoint_kept_a_damaged_newer_one_does_not_displace_it(train: Train, copy):
    last, before = checkpoints_in(copy / "checkpoints")
    (last / "state.json").write_text("")
    ended = train("--resume", "--keep", 1, "--checkpoint-kimg", 0.016, "--kimg", int(before.name) / 1000 + 0.01)
    assert ended.status == 0
    (path,) = checkpoints_in(copy / "checkpoints")
    assert int(path.name) == int(before.name) + 16
    checkpoints.read(path)


def test_without_a_usable_checkpoint_a_run_starts_over_in_its_own_folder(train: Train, finished, copy):
    for path in checkpoints_in(copy / "checkpoints"):
        cut(path / "state.safetensors")
    ended = train("--resume", copy)
    assert "starting at image 0" in ended.out
    assert only(copy.parent) == copy
    assert last_state(copy) == last_state(finished)


def test_a_finished_run_says_so(train: Train, copy):
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file() and path.name != "log.txt"}
    ended = train("--resume")
    assert ended.status == 0
    assert ended.out.splitlines()[-1] == f"{copy} is finished at 0.4 kimg; a larger --kimg goes on"
    assert {path: path.read_bytes() for path in before} == before


def test_the_newest_run_is_the_one_with_the_largest_number(train: Train, copy):
    for name in ("00001-empty", "9-older", "text", "00010x-no-number"):
        (copy.parent / name).mkdir()
        if name != "00001-empty":
            shutil.copy(copy / "options.json", copy.parent / name)
    newer = shutil.copytree(copy, copy.parent / "00010-progan-noise8")
    assert str(newer) in train("--resume").out


@pytest.mark.parametrize(
    ("words", "note"),
    [
        ("--kimg 0.416", "--kimg is now 0.416; it was 0.4"),
        ("--snapshot-kimg 0.1", "--snapshot-kimg is now 0.1; it was 0.2"),
        ("--checkpoint-kimg 0.05", "--checkpoint-kimg is now 0.05; it was 0.1"),
        ("--keep 1", "--keep is now 1; it was 2"),
        ("--log-with tensorboard", "--log-with is now tensorboard; it was none"),
        ("--batch-per-device 4", "--batch-per-device is now 4; it was not given"),
        ("--batch 8", "--batch is now 8; it was 16"),
        ("--lr 0.002", "--lr is now 0.002; it was not given"),
        ("--ema-kimg 20.5", "--ema-kimg is now 20.5; it was 5"),
        ("--ema-rampup 0.05", "--ema-rampup is now 0.05; it was 0"),
        ("--keep-models 1", "--keep-models is now 1; it was 3"),
        ("--workers 1", "--workers is now 1; it was not given"),
        ("--mixed-precision bf16", "--mixed-precision is now bf16; it was no"),
    ],
)
def test_what_may_differ_is_noted(train: Train, copy, words, note):
    shutil.rmtree(checkpoints_in(copy / "checkpoints")[0])
    ended = train("--resume", *words.split())
    assert ended.status == 0
    assert f"note: {note}\n" in ended.out
    assert ended.out.count("note: -") == 1
    assert f"note: {note}\n" in (copy / "log.txt").read_text()
    name = words.split()[0].removeprefix("--").replace("-", "_")
    assert str(options(copy)[name]) == words.split()[1]
    assert train("--resume").out.splitlines()[-1].startswith(f"{copy} is finished")


def test_another_batch_and_rate_hold_from_there_on(train: Train):
    """For good: also where the run is resumed again without them."""
    assert train("--kimg", 0.064).status == 0
    assert train("--resume", "--kimg", 0.08, "--batch", 8, "--lr", 0.002).status == 0
    assert train("--resume", "--kimg", 0.088).status == 0
    run = only("runs")
    lines = [(line["kimg"], line["batch"], line["lr"]) for line in statistics(run)]
    assert lines == [(0.064, 16, 0.001), (0.08, 8, 0.002), (0.088, 8, 0.002)]
    command = json.loads((run / "model" / "config.json").read_text())["training"]["command"]
    assert command.endswith(" && python train/progan.py --batch 8 --lr 0.002 --resume")
    assert command.count("&&") == 1


def test_another_average_changes_the_model_and_not_the_training(train: Train, finished, copy):
    shutil.rmtree(checkpoints_in(copy / "checkpoints")[0])
    assert train("--resume", copy, "--ema-kimg", 0).status == 0
    critics = [load_discriminator(run / "model").state_dict() for run in (finished, copy)]
    assert all(torch.equal(critics[0][name], critics[1][name]) for name in critics[0])
    averages = [load_generator(run / "model").state_dict() for run in (finished, copy)]
    assert any(not torch.equal(averages[0][name], averages[1][name]) for name in averages[0])
    command = json.loads((copy / "model" / "config.json").read_text())["training"]["command"]
    assert command.endswith(" && python train/progan.py --ema-kimg 0 --resume")


def test_options_that_say_the_same_as_the_run_are_taken(train: Train, copy, pictures):
    os.chdir(pictures)
    assert train("--resume", copy, *SMALL, "--data", ".", "--loss", "wgan-gp").status == 0


@pytest.mark.parametrize(
    ("began", "words", "complaint"),
    [
        ("", "--z-dim 4", "--z-dim 4: the run was started with --z-dim 8"),
        ("", "--mirror", "--mirror: the run was started with --no-mirror"),
        ("", "--desc x", "--desc x: the run was started without --desc"),
        # Values that the options have by themselves.
        ("--loss ns-r1 --dry-run", "--loss wgan-gp", "--loss wgan-gp: the run was started with --loss ns-r1"),
        ("--seed 5", "--seed 0", "--seed 0: the run was started with --seed 5"),
        ("--mirror", "--no-mirror", "--no-mirror: the run was started with --mirror"),
        ("--gp-weight 5", "--gp-weight 10", "--gp-weight 10: the run was started with --gp-weight 5"),
    ],
)
def test_what_may_not_differ_is_refused_with_both_values(train: Train, copy, began, words, complaint):
    path = copy / "options.json"
    plan = json.loads(path.read_text())
    for word in began.replace("--dry-run", "").split("--")[1:]:
        name, _, value = word.strip().partition(" ")
        kind = type(plan["options"][name.replace("-", "_")])
        plan["options"][name.replace("-", "_")] = kind(value or True)
    path.write_text(json.dumps(plan))
    ended = train("--resume", *words.split())
    assert ended.status == 2
    assert ended.error == f"{complaint}; leave the option out, or start a new run"


def test_a_checkpoint_of_other_networks_is_refused(train: Train, copy):
    train("--fmap-max", 4, "--kimg", 0.016, "--out", "other")
    other = checkpoints_in(only("other") / "checkpoints")[0]
    shutil.rmtree(copy / "checkpoints")
    shutil.copytree(other, copy / "checkpoints" / other.name)
    ended = train("--resume", copy, "--kimg", 100)
    assert ended.status == 1
    assert ended.error.startswith(f"{copy / 'checkpoints' / other.name}: is of another configuration, ")
    assert "fmap_max is 4 there and 8 in this run" in ended.error


class TestPlaces:
    """A run that was started with relative paths, and resumed from elsewhere."""

    @pytest.fixture
    def run(self, train: Train, pictures, tmp_path) -> Path:
        home = tmp_path / "home"
        shutil.copytree(pictures, home / "noise")
        os.chdir(home)
        assert train("--data", "noise", "--out", "here", "--cache", "cache", "--kimg", 0.2).status == 0
        os.chdir(tmp_path)
        return only(home / "here")

    def test_options_hold_whole_paths(self, run, tmp_path):
        home = tmp_path / "home"
        assert [options(run)[name] for name in ("data", "out", "cache")] == [
            str(home / n) for n in ("noise", "here", "cache")
        ]

    def test_from_another_directory(self, train: Train, finished, run):
        assert train("--resume", os.path.relpath(run), "--kimg", 0.4).status == 0
        assert last_state(run) == last_state(finished)

    def test_the_cache_is_made_again(self, train: Train, finished, run):
        cache = run.parents[1] / "cache"
        shutil.rmtree(cache)
        assert train("--resume", run, "--kimg", 0.4).status == 0
        assert last_state(run) == last_state(finished)
        assert cache.exists()

    def test_the_cache_does_without_the_pictures(self, train: Train, finished, run):
        shutil.rmtree(run.parents[1] / "noise")
        assert train("--resume", run, "--kimg", 0.4).status == 0
        assert last_state(run) == last_state(finished)

    def test_neither_cache_nor_pictures(self, train: Train, run):
        for name in ("cache", "noise"):
            shutil.rmtree(run.parents[1] / name)
        ended = train("--resume", run, "--kimg", 0.4)
        assert ended.status == 2
        assert str(run.parents[1] / "noise") in ended.error


def test_prepared_data_above_the_resolution_is_resumed_at_that_resolution(train: Train, pictures):
    prepared = next((pictures.parent / "cache").glob("*/pyramid.json")).parent
    assert train("--data", prepared, "--resolution", 4, "--kimg", 0.032, "--fmap-base", 8).status == 0
    assert train("--resume", "--kimg", 0.064).status == 0


def test_statistics_are_appended(train: Train, copy):
    shutil.rmtree(checkpoints_in(copy / "checkpoints")[0])
    before = (copy / "stats.jsonl").read_text()
    assert train("--resume").status == 0
    after = (copy / "stats.jsonl").read_text()
    assert after.startswith(before)
    assert [line["kimg"] for line in statistics(copy)] == [0.112, 0.208, 0.4, 0.4]


def test_a_run_is_for_one_training_at_a_time(train: Train):
    assert train("--kimg", "0.1").status == 0
    run = only("runs")
    before = last_state(run)
    with folders.claim(run):
        refused = train("--resume", "--kimg", "0.2")
    assert refused.status == 2
    assert refused.err == f"error: {run.absolute()}: another process is training there; let it end or stop it first\n"
    assert last_state(run) == before
    assert train("--resume", "--kimg", "0.2").status == 0


def test_a_folder_that_cannot_be_written_is_named(train: Train, copy):
    """As on a disk that is read-only, where root may not write either."""
    (copy / ".lock").unlink(missing_ok=True)
    (copy / ".lock").mkdir()
    before = (copy / "log.txt").read_bytes()
    ended = train("--resume", "--kimg", 0.416)
    assert ended.status in (1, 2)
    assert str(copy / ".lock") in ended.error
    assert (copy / "log.txt").read_bytes() == before
