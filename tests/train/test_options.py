"""The command line: what it takes, and the one line it answers with to what it does not."""

from dataclasses import fields, replace
from pathlib import Path

import pytest

from stylegrow.common.errors import InputError
from train.config.options import Options, flag, parse


def read(text: str, default: Options | None = None) -> Options:
    return parse(text.split(), "progan", "Train.", default)


NAMES = """
    --data --cache --cond --holdout --out --desc --resolution --start-resolution --kimg --stable-kimg --fade-kimg
    --batch --batch-per-device --lr --g-lr-ratio --fmap-base --fmap-max --z-dim --blur --loss --gp-weight --gamma --clip
    --spectral-norm --n-critic --betas --mirror --ema-kimg --mapping-lrmul --noise-lr-ratio --mixing --seed
    --mixed-precision --workers --snapshot-kimg --checkpoint-kimg --keep
    --keep-models --resume --init-from --preset --metrics --metrics-kimg --metrics-samples --log-with
    --dry-run
"""


def test_these_are_the_options():
    assert [flag(field.name) for field in fields(Options)] == NAMES.split()


def test_values_are_read():
    options = read(
        "--kimg 0.5 --batch 16 --loss ns-r1 --mirror --lr 1e-3 --log-with tensorboard --mixed_precision bf16"
    )
    given = {"kimg": 0.5, "batch": 16, "loss": "ns-r1", "mirror": True, "lr": 0.001, "log_with": "tensorboard"}
    assert options == replace(Options(**given, mixed_precision="bf16"), out=str(Path("runs").resolve()))


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("--resume", "resume", "newest"),
        ("--resume --kimg 1", "resume", "newest"),
        ("--resume runs/00000-x", "resume", "runs/00000-x"),
        ("--resume=runs/00000-x", "resume", "runs/00000-x"),
        ("--cond", "cond", "class"),
        ("--cond --mirror", "cond", "class"),
        ("--cond hair", "cond", "hair"),
        ("", "cond", None),
        ("--spectral-norm", "spectral_norm", "critic"),
        ("--spectral_norm --mirror", "spectral_norm", "critic"),
        ("--spectral-norm both", "spectral_norm", "both"),
        ("--betas 0.5 0.9", "betas", (0.5, 0.9)),
        ("--clip 0.02 --loss wgan-clip", "clip", 0.02),
        ("--clip 0.02 --preset wgan", "clip", 0.02),
    ],
)
def test_options_that_may_stand_without_a_value_and_those_of_an_objective(text, name, value):
    assert getattr(read(text), name) == value


def test_what_is_not_given_is_taken_from_the_default():
    before = read("--kimg 7 --seed 3 --mirror --loss ns-r1")
    assert read("--seed 0 --no-mirror", before) == replace(before, seed=0, mirror=False)


def test_paths_are_made_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "model").mkdir()
    options = read("--data pictures --cache ~/c --out o --init-from model")
    paths = options.data, options.cache, options.out, options.init_from
    assert paths == tuple(str(tmp_path / name) for name in ("pictures", "home/c", "o", "model"))
    monkeypatch.chdir("/")
    assert read("", options) == options


def test_a_name_that_is_no_path_stays_a_name():
    assert read("--init-from progan-toonhead64").init_from == "progan-toonhead64"
    assert read("--data toonhead").data is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("--resolution 48", ["--resolution 48", "power of two"]),
        ("--resolution 2048", ["--resolution 2048", "4 to 1024"]),
        ("--start-resolution 2", ["--start-resolution 2", "power of two"]),
        ("--batch 0", ["--batch 0", "at least 1"]),
        ("--batch 1.5", ["--batch", "1.5"]),
        ("--batch-per-device 0", ["--batch-per-device 0", "at least 1"]),
        ("--kimg -1", ["--kimg -1", "above 0"]),
        ("--kimg 0", ["--kimg 0", "above 0"]),
        ("--kimg 0.0001", ["--kimg 0.0001", "at least 0.001"]),
        ("--kimg nan", ["--kimg nan", "above 0"]),
        ("--kimg inf", ["--kimg inf", "above 0"]),
        ("--kimg many", ["--kimg", "'many'"]),
        ("--kimg", ["--kimg", "Give one"]),
        ("--lr 0", ["--lr 0", "above 0"]),
        ("--g-lr-ratio 0", ["--g-lr-ratio 0", "above 0"]),
        ("--blur maybe", ["--blur", "'maybe'"]),
        ("--blur no", ["--blur", "train/stylegan.py"]),
        ("--mapping-lrmul 0", ["--mapping-lrmul 0", "above 0"]),
        ("--mapping-lrmul 0.1", ["--mapping-lrmul", "train/stylegan.py"]),
        ("--noise-lr-ratio 0", ["--noise-lr-ratio 0", "above 0"]),
        ("--noise-lr-ratio 0.5", ["--noise-lr-ratio", "train/stylegan.py"]),
        ("--mixing 2", ["--mixing 2", "from 0 to 1"]),
        ("--mixing 0.5", ["--mixing", "train/stylegan.py"]),
        ("--fade-kimg -1", ["--fade-kimg -1", "at least 0"]),
        ("--gamma -1", ["--gamma -1", "at least 0"]),
        ("--n-critic 0", ["--n-critic 0", "at least 1"]),
        ("--keep 0", ["--keep 0", "at least 1"]),
        ("--keep-models -1", ["--keep-models -1", "at least 0"]),
        ("--holdout -1", ["--holdout -1", "at least 0"]),
        ("--workers 0", ["--workers 0", "at least 1"]),
        ("--seed -1", ["--seed -1", "at least 0"]),
        (f"--seed {2**64}", ["--seed", "2^63"]),
        ("--loss lsgan", ["--loss", "'lsgan'", "'gan'", "'wgan-gp'", "'ns-r1'"]),
        ("--clip 0 --loss wgan-clip", ["--clip 0", "above 0"]),
        ("--clip 0.1", ["--clip 0.1", "--loss wgan-clip, not to wgan-gp", "leave it out"]),
        ("--gp-weight 1 --loss hinge", ["--gp-weight 1", "--loss wgan-gp, not to hinge"]),
        ("--gamma 1 --loss ns", ["--gamma 1", "--loss ns-r1, not to ns"]),
        ("--gamma 1 --preset sngan", ["--gamma 1", "--loss ns-r1, not to hinge"]),
        ("--spectral-norm generator", ["--spectral-norm", "'generator'", "'critic'", "'both'"]),
        ("--betas 0.5", ["--betas", "--help"]),
        ("--betas 0.5 1", ["--betas 0.5 1", "from 0 to below 1"]),
        ("--mixed-precision fp16", ["--mixed-precision", "fp16", "bf16"]),
        ("--log-with mlflow", ["--log-with", "'mlflow'", "'tensorboard'"]),
        ("--preset huge", ["--preset huge", "toonhead, small"]),
        ("--preset stylegan-1gpu", ["--preset stylegan-1gpu", "v2-1gpu"]),
        ("--desc a/b", ["--desc 'a/b'", "one word"]),
        ("--desc ../x", ["--desc '../x'", "one word"]),
        ("--bogus", ["--bogus", "--help"]),
        ("--bogus 3", ["--bogus", "--help"]),
        ("--kimgs 3", ["--kimgs", "perhaps --kimg was meant"]),
        ("pictures", ["pictures", "--help"]),
        ("--mirror yes", ["yes", "--help"]),
        ("--data ~nobody-of-this-name/x", ["~nobody-of-this-name/x", "no path"]),
    ],
)
def test_what_makes_no_sense_is_one_line_that_names_it(text, words):
    with pytest.raises(InputError) as caught:
        read(text)
    message = str(caught.value)
    assert "\n" not in message
    assert "None" not in message
    for word in words:
        assert word in message


@pytest.mark.parametrize("name", ["--data", "--out", "--cache", "--resume", "--init-from", "--cond"])
def test_an_empty_text_is_refused(name):
    with pytest.raises(InputError, match=f"^{name} '': is empty"):
        parse([name, ""], "progan", "Train.")
