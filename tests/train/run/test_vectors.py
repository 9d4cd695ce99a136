"""Training with label vectors: what both networks make of them, and what the model's files say."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from stylegrow.models import load_discriminator, load_generator, read_config
from tests.train.runs import COUNT, SIZE, Train, only, statistics

NAMES = ["energy", "angle"]


@pytest.fixture
def images(tmp_path):
    """Noise whose brightness goes with the energy, which a dataset.json tells beside an angle."""
    random, folder, labels = np.random.default_rng(0), tmp_path / "showers", []
    folder.mkdir()
    for index in range(COUNT):
        energy, angle = 1000.0 * (index + 1), random.uniform(-0.5, 0.5)
        pixels = (random.random((SIZE, SIZE)) * 255 * (index + 1) / COUNT).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{index:02d}.png")
        labels.append([f"{index:02d}.png", [energy, angle]])
    (folder / "dataset.json").write_text(json.dumps({"labels": labels, "label_names": NAMES}))
    return folder


@pytest.mark.parametrize("architecture", ["progan", "stylegan"])
def test_from_end_to_end(train: Train, images, architecture):
    ended = train(
        "--data", images, "--cond", "--channel-sums", "--kimg", 0.2, "--metrics", "kid", architecture=architecture
    )
    assert ended.status == 0, ended.err
    assert "labels: class, vectors of energy, angle" in ended.out
    run = only("runs")
    assert not any("label_loss" in name for name in statistics(run)[-1])
    assert abs(statistics(run)[-1]["D/loss"]) < 1e3
    config = read_config(run)
    assert config["classes"] == NAMES
    given = np.array([label for _, label in json.loads((images / "dataset.json").read_text())["labels"]])
    held_out = [int(name[:2]) for name in json.loads((run / "options.json").read_text())["data"]["held_out"]]
    trained = np.delete(given, held_out, axis=0)
    for role in ("generator", "discriminator"):
        assert config[role]["label_kind"] == "vector"
        np.testing.assert_allclose(config[role]["label_mean"], trained.mean(axis=0), rtol=1e-5)
        np.testing.assert_allclose(config[role]["label_deviation"], trained.std(axis=0), rtol=1e-5)
    assert config["discriminator"]["channel_sums"]
    assert config["generator"].get("channel_sums", False) == (architecture == "progan")
    values = config["label_values"]
    np.testing.assert_allclose([values["min"], values["max"]], [trained.min(axis=0), trained.max(axis=0)], rtol=1e-6)
    assert len(values["examples"]) == len(trained)
    np.testing.assert_allclose(sorted(values["examples"]), trained[np.argsort(trained[:, 0])], rtol=1e-6)
    assert "| energy |" in (run / "model" / "README.md").read_text()
    labels = torch.tensor([[1000.0, 0.0], [48000.0, 0.0]])
    generator, critic = load_generator(run), load_discriminator(run)
    drawn = generator(torch.ones(2, 8), labels)
    assert not torch.equal(drawn[0], drawn[1])
    scores = critic(drawn[:1].expand(2, -1, -1, -1), labels)
    assert scores.shape == (2, 1)
    assert not torch.equal(scores[0], scores[1])
    assert train("--resume", "--kimg", 0.216, architecture=architecture).status == 0


def test_a_run_of_a_version_without_label_kinds_goes_on(train: Train, copy):
    for path in (copy / "options.json", *copy.glob("checkpoints/*/state.json"), *copy.glob("model*/**/config.json")):
        content = json.loads(path.read_text())
        networks = content.get("networks", content)
        for role in ("generator", "discriminator", "average"):
            about_sums = ("channel_sums", "sums_mean", "sums_deviation")
            for name in ("label_kind", "label_mean", "label_deviation", *about_sums):
                networks.get(role, {}).pop(name, None)
        path.write_text(json.dumps(content))
    ended = train("--resume", "--kimg", 0.416)
    assert ended.status == 0, ended.err
    assert read_config(copy)["generator"]["label_kind"] == "none"


def test_a_component_that_never_varies_is_named(train: Train, images):
    table = json.loads((images / "dataset.json").read_text())
    table["labels"] = [[name, [energy, 5]] for name, (energy, _) in table["labels"]]
    (images / "dataset.json").write_text(json.dumps(table))
    ended = train("--data", images, "--cond")
    assert ended.status == 2
    assert "--cond class: 'angle' is 5" in ended.err.splitlines()[-1]
