"""The command line: what it takes, and the one line it answers with to what it does not."""

import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from stylegrow.common.errors import InputError
from tests.train.runs import ROOT
from train.command import parse
from train.config.checks import checked
from train.config.fields import flag
from train.config.options import ABOUT, Options


def read(text: str, architecture: str = "progan") -> Options:
    return parse(text.split(), architecture, "Train.")


NAMES = """
    --data --cache --cond --holdout --out --desc --resolution --start-resolution --kimg --stable-kimg --fade-kimg
    --batch --batch-per-device --lr --lr-decay-kimg --g-lr-ratio --fmap-base --fmap-max --z-dim --blur --norm --loss
    --gp-weight --gamma --clip --spectral-norm --n-critic --betas --mirror --ema-kimg --ema-rampup --mapping-layers
    --mapping-lrmul --noise-lr-ratio --mixing --beta --margin --repeat-edges-from --channel-sums --seed --augment
    --augment-p
    --cuda-graphs --mixed-precision --deterministic --workers --snapshot-kimg --checkpoint-kimg --keep
    --keep-models --resume --init-from --preset --metrics --metrics-kimg --metrics-samples --log-with
    --dry-run --processes
"""


def test_these_are_the_options():
    assert {flag(field.name) for field in fields(Options)} == set(NAMES.split())
    assert all(about.help for about in ABOUT.values())


def test_what_is_given_is_told_from_defaults():
    options = read(
        "--kimg 0.5 --batch 16 --loss ns-r1 --mirror --lr 1e-3 --log-with tensorboard --mixed_precision bf16 --gamma 10"
    )
    given = {
        "kimg": 0.5, "batch": 16, "loss": "ns-r1", "mirror": True, "lr": 0.001, "log_with": "tensorboard",
        "mixed_precision": "bf16", "gamma": 10.0, "out": str(Path("runs").resolve()),
    }  # fmt: skip
    assert options.given == given
    assert options == Options(**given) == checked(Options(**given | {"out": "runs", "cache": None}), "progan")
    assert (options.z_dim, options.given.get("z_dim")) == (512, None)
    assert options.but(gamma=None, kimg=3.0).given == {n: v for n, v in given.items() if n != "gamma"} | {"kimg": 3.0}


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
        ("--no-mirror", "mirror", False),
        ("--spectral-norm", "spectral_norm", "critic"),
        ("--spectral_norm --mirror", "spectral_norm", "critic"),
        ("--spectral-norm both", "spectral_norm", "both"),
        ("--betas 0.5 0.9", "betas", (0.5, 0.9)),
        ("--clip 0.02 --loss wgan-clip", "clip", 0.02),
        ("--clip 0.02 --preset wgan", "clip", 0.02),
        ("--clip 0.02 --resume", "clip", 0.02),
        ("--augment --mirror", "augment", "color,translation,cutout"),
        ("--augment cutout,color", "augment", "cutout,color"),
        ("--augment --augment-p 1", "augment_p", 1),
        ("--augment --augment-p 0.25 --loss wgan-gp", "augment_p", 0.25),
        ("--augment color --augment-p ada --loss hinge", "augment_p", "ada"),
        ("--augment-p ada --resume", "augment_p", "ada"),
        ("--blur no", "blur", "no"),
        ("--blur 112", "blur", 112),
    ],
)
def test_options_that_may_stand_without_a_value_and_those_of_an_objective(text, name, value):
    assert getattr(read(text), name) == value


def test_paths_are_made_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "model").mkdir()
    options = read("--data pictures --cache ~/c --out o --init-from model")
    paths = options.data, options.cache, options.out, options.init_from
    assert paths == tuple(str(tmp_path / name) for name in ("pictures", "home/c", "o", "model"))


def test_holdout_is_a_number_or_a_file():
    assert read("--holdout 12").holdout == 12
    assert read("--holdout names.txt").holdout == str(Path("names.txt").absolute())


def test_a_name_that_is_no_path_stays_a_name():
    assert read("--init-from progan-toonhead64").init_from == "progan-toonhead64"
    assert read("--data fashion-mnist").data == "fashion-mnist"
    assert read("--data toonhead").data is None


BAD = """
    --resolution 48, --resolution 2048, --start-resolution 2, --batch 0, --batch 1.5, --batch-per-device 0, --kimg -1,
    --kimg 0, --kimg 0.0001, --kimg nan, --kimg inf, --kimg many, --kimg, --lr 0, --g-lr-ratio 0, --fade-kimg -1,
    --gamma -1, --n-critic 0, --keep 0, --keep-models -1, --holdout -1, --workers 0, --seed -1,
    --seed 18446744073709551616, --loss lsgan, --clip 0, --spectral-norm generator, --betas 0.5, --betas 0.5 1,
    --mixed-precision fp16, --log-with mlflow, --preset huge, --preset stylegan-1gpu, --desc a/b, --desc ../x, --bogus,
    --bogus 3, --mapping-lrmul 0, --noise-lr-ratio 0, --mixing 2, --blur maybe, --blur -1, --blur nan, --norm batch,
    --ema-rampup -1, --metrics none,, --metrics fid, --metrics speed, --metrics pr, --metrics-kimg 1,
    --metrics-samples 9, --norm pixel, --mapping-lrmul 0.1, --noise-lr-ratio 0.5, --mixing 0.5,
    --augment-p 1.5 --augment, --augment-p 0.5, --augment-p ada --augment, --augment-p ada --augment --loss wgan-clip,
    --augment-p often --augment, --augment noise, --augment yes,
    --clip 0.1, --gp-weight 1 --loss hinge, --gamma 1 --loss ns, --gamma 1 --preset sngan
"""


@pytest.mark.parametrize("text", [" ".join(text.split()) for text in BAD.split(",\n") for text in text.split(", ")])
def test_what_makes_no_sense_is_one_line_that_names_it(text):
    with pytest.raises(InputError) as caught:
        read(text)
    assert text.split()[0] in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("--kimgs 3", "--kimg"),
        ("pictures", "pictures"),
        ("--mirror yes", "yes"),
        ("--data ~nobody-of/x", "~nobody-of/x"),
    ],
)
def test_so_is_what_no_option_is_called(text, word):
    with pytest.raises(InputError, match=word):
        read(text)


@pytest.mark.parametrize("name", ["--data", "--out", "--cache", "--resume", "--init-from", "--cond"])
def test_an_empty_text_is_refused(name):
    with pytest.raises(InputError, match=f"^{name} ''"):
        parse([name, ""], "progan", "Train.")


def test_the_other_architecture_s_options_are_its_own():
    own = "--norm pixel --mapping-lrmul 0.1 --noise-lr-ratio 0.5 --mixing 0.5"
    assert len(read(own, "stylegan").given) == 5


@pytest.mark.parametrize(
    "options", [{"loss": "lsgan"}, {"kimg": "3"}, {"betas": 0.5}, {"mirror": "yes"}, {"seed": 0.5}]
)
def test_values_of_another_kind_are_refused_in_python_too(options):
    (name,) = options
    with pytest.raises(InputError, match=f"^--{name} "):
        checked(Options(**options), "progan")


def test_python_has_the_options_without_torch():
    code = "import sys; from train import Options, train; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
