"""Whole runs of train/vae.py: what they write, that they go on where they stopped, and what is not theirs."""

from pathlib import Path

import torch

import vae
from stylegrow import load_encoder, load_generator
from stylegrow.models import read_config
from tests.train.runs import Train, last_state, only, statistics


def test_from_end_to_end(train: Train):
    metrics = ("--metrics", "reconstruction", "--metrics-samples", 20)
    assert train("--out", "whole", *metrics, architecture="vae").status == 0
    run = only("whole")
    assert read_config(run / "best")["training"]["metric"] == "reconstruction_rmse"
    assert {path.name for path in run.glob("reconstructions*")} == {
        f"reconstructions{name}.png" for name in ("000000", "000000_208", "000000_400")
    }
    assert statistics(run)[-1]["VAE/loss"] < statistics(run)[0]["VAE/loss"]
    model = run / "model"
    assert (model / "encoder.safetensors").is_file()
    assert not (model / "discriminator.safetensors").exists()
    decoder, encoder = load_generator(model), load_encoder(model)
    assert isinstance(decoder, vae.Generator)
    mean, _ = encoder(torch.zeros(2, 3, 8, 8))
    assert decoder(mean).shape == (2, 3, 8, 8)
    assert read_config(model)["training"]["objective"].startswith("ELBO")
    assert train("--out", "parts", "--kimg", 0.2, architecture="vae").status == 0
    assert train("--out", "parts", "--resume", "--kimg", 0.4, architecture="vae").status == 0
    assert last_state(only("parts")) == last_state(run)
    assert train("--init-from", model, "--out", "more", "--kimg", 0.032, architecture="vae").status == 0


def test_classes_are_an_input_of_the_decoder(train: Train):
    assert train("--cond", "--kimg", 0.2, architecture="vae").status == 0
    decoder = load_generator(only(Path("runs")))
    one, other = decoder(torch.zeros(2, 8), torch.eye(2))
    assert not torch.equal(one, other)


def test_options_of_critics_are_refused(train: Train):
    for words in (["--gp-weight", 1], ["--n-critic", 2], ["--mixing", 0.5], ["--loss", "hinge"]):
        ended = train(*words, architecture="vae")
        assert ended.status == 2
        assert ended.error.startswith(f"{words[0]}: ")
    assert train("--beta", 2).error.startswith("--beta: ")
    assert train("--beta", 0, architecture="vae").status == 2
