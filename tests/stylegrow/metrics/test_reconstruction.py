"""Reconstructions: errors and bounds against closed forms, principal components against the exact ones, commands."""

import json
import math

import numpy as np
import pytest
import torch
from PIL import Image

import vae
from stylegrow.cli.main import main
from stylegrow.common.errors import InputError
from stylegrow.metrics import evaluate
from stylegrow.metrics.reconstruction import component_error, error, fit_of, principal_components, reconstruct
from stylegrow.models import save_model
from tests.stylegrow.metrics.conftest import CLASSES, a_generator
from train.step.autoencoder import negative_elbo

SIZES = {"resolution": 16, "z_dim": 6, "fmap_base": 64, "fmap_max": 8}


def grey_decoder(level):
    """A decoder whose images have one grey level, from -1 to 1, everywhere."""
    decoder = vae.Generator(**SIZES)
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.zero_()
        for name, parameter in decoder.named_parameters():
            if parameter.shape == (3,) and name.endswith("bias"):
                parameter.fill_(level)
    return decoder.eval()


def some_images(count=40, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 3, 16, 16)).astype(np.uint8)


def test_errors_are_in_grey_levels():
    images = some_images()
    decoded = reconstruct(vae.Encoder(**SIZES), grey_decoder(0.2), images)
    torch.testing.assert_close(decoded, torch.full(images.shape, 0.2))
    assert error(images, decoded) == pytest.approx(math.sqrt(((images - 127.5 * 1.2) ** 2).mean()), rel=1e-5)


def test_the_bound_is_that_of_the_training():
    torch.manual_seed(0)
    encoder, decoder, images = vae.Encoder(**SIZES), grey_decoder(0.2), some_images()
    fit = fit_of(encoder, decoder, images)
    reals = torch.from_numpy(images) / 127.5 - 1
    with torch.no_grad():
        expected = negative_elbo(reals, torch.full_like(reals, 0.2), *encoder(reals), beta=1.0)
    assert fit.elbo == pytest.approx(-expected.value.item(), rel=1e-5)
    assert fit.divergence == pytest.approx(expected.statistics["kl"].item(), rel=1e-5)
    assert fit.rmse == pytest.approx(expected.statistics["rmse"].item(), rel=1e-5)


def test_principal_components_are_those_of_the_singular_values():
    rng = np.random.default_rng(1)
    spread = rng.standard_normal((200, 12)) * 0.7 ** np.arange(12) * 300
    images = (spread @ rng.standard_normal((12, 192)) / math.sqrt(192) + 127).clip(0, 255).round().astype(np.uint8)
    images = images.reshape(200, 3, 8, 8)
    mean, directions = principal_components(images, 4)
    torch.testing.assert_close(directions.T @ directions, torch.eye(4), atol=1e-5, rtol=0)
    rows = torch.from_numpy(images).flatten(1).double() / 127.5 - 1
    torch.testing.assert_close(mean.double(), rows.mean(dim=0), atol=1e-5, rtol=0)
    left = torch.linalg.svdvals(rows - rows.mean(dim=0))[4:]
    exact = 127.5 * math.sqrt((left**2).sum() / rows.numel())
    assert component_error(images, images, 4) == pytest.approx(exact, rel=0.01)
    assert component_error(images[:3], images[:3], 10) < 0.01  # no more than two span three images


@pytest.fixture
def model(faces, tmp_path):
    torch.manual_seed(0)
    sizes = {"resolution": 64, "z_dim": 8, "fmap_base": 128, "fmap_max": 8}
    _, held_out = faces.split()
    facts = {"resolution": 32, "alpha": 1.0, "held_out": [faces.names[index] for index in held_out]}
    save_model(tmp_path / "model", vae.Generator(**sizes), vae.Encoder(**sizes), training=facts)
    save_model(tmp_path / "other", a_generator())
    return tmp_path / "model"


def test_the_metric_is_of_held_out_images_at_the_stage(faces, model, tmp_path, capsys):
    words = ["--data", str(faces.path), "--samples", "24", "--metrics", "reconstruction"]
    assert main(["metrics", "--model", str(model), *words, "--out", str(tmp_path / "found.json"), "--anchors"]) == 0
    found = {one["name"]: one for one in json.loads((tmp_path / "found.json").read_text())["results"]}
    assert list(found) == [f"reconstruction_{name}" for name in ("rmse", "pca", "kl", "elbo")]
    assert {one["samples"] for one in found.values()} == {20}
    assert 0 < found["reconstruction_pca"]["value"] < found["reconstruction_rmse"]["value"] < 255
    assert main(["metrics", "--model", str(tmp_path / "other"), *words]) == 2
    assert "VAE" in capsys.readouterr().err


def test_the_encoder_has_to_be_given(faces):
    decoder = vae.Generator(resolution=64, z_dim=4, fmap_base=128, fmap_max=8)
    with pytest.raises(InputError, match="encoder"):
        evaluate(decoder, faces, ("reconstruction",), 24, quiet=True)


def test_images_of_classes_are_given_back_with_their_labels(faces):
    torch.manual_seed(0)
    sizes = {"resolution": 64, "z_dim": 4, "fmap_base": 128, "fmap_max": 8, "label_dim": CLASSES}
    encoder = vae.Encoder(**sizes)
    results = evaluate(vae.Generator(**sizes), faces, ("reconstruction",), 24, encoder=encoder, cond="hair", quiet=True)
    assert len(results) == 4
    assert all(math.isfinite(result.value) for result in results)


def test_pairs_are_drawn(faces, model, tmp_path, capsys):
    out = tmp_path / "new" / "pairs.png"
    words = ["--data", str(faces.path), "--out", str(out), "--count", "6"]
    assert main(["reconstruct", "--model", str(model), *words]) == 0
    assert "grey levels" in capsys.readouterr().out
    with Image.open(out) as image:
        assert image.size == (8 * 64, 2 * 64)
        first = np.asarray(image.crop((0, 0, 64, 64)))
        assert image.text["Source"] == faces.credit
    original = faces.read(faces.split()[1][:1], 32)[0].transpose(1, 2, 0)
    np.testing.assert_array_equal(first[::2, ::2], original)
    assert main(["reconstruct", "--model", str(tmp_path / "other"), *words]) == 2
    assert "VAE" in capsys.readouterr().err


def test_labels_that_the_data_does_not_have_are_one_line(faces, tmp_path, capsys):
    sizes = {"resolution": 64, "z_dim": 4, "fmap_base": 128, "fmap_max": 8, "label_dim": CLASSES + 1}
    facts = {"labels": "hair"}
    save_model(tmp_path / "model", vae.Generator(**sizes), vae.Encoder(**sizes), training=facts)
    words = ["--data", str(faces.path), "--out", str(tmp_path / "pairs.png")]
    assert main(["reconstruct", "--model", str(tmp_path / "model"), *words]) == 2
    error = capsys.readouterr().err
    assert f"takes {CLASSES + 1} classes" in error
    assert error.count("\n") == 1
