"""The mechanisms by which critics learn labels, and the command that compares them."""

import sys
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import conditioning
from benchmarks.conditioning import MECHANISMS, deposits, pooled
from stylegrow.common.errors import InputError
from stylegrow.data import open_dataset
from stylegrow.physics.intensity import MIP_ROOT
from train.step.objectives import scores_and_logits

SHARED: dict[str, Any] = {"resolution": 8, "image_channels": 3, "fmap_base": 32, "fmap_max": 8}
LABELS: dict[str, Any] = {
    "label_dim": 3,
    "label_kind": "vector",
    "label_mean": [50, 0, 0],
    "label_deviation": [25, 0.5, 0.5],
}


def mechanism(name):
    torch.manual_seed(0)
    made = MECHANISMS[name](SHARED, LABELS)
    made.networks.double()
    return made


def inputs(count=2):
    random = torch.Generator().manual_seed(1)
    images, labels = (torch.randn(shape, generator=random).double() for shape in ((count, 3, 8, 8), (count, 3)))
    return images, labels * torch.tensor([25, 0.5, 0.5]).double() + torch.tensor([50, 0, 0]).double()


@pytest.mark.parametrize("name", MECHANISMS)
def test_scores_and_their_derivatives(name):
    made, (images, labels) = mechanism(name), inputs()

    def scores(images):
        return scores_and_logits(made.critic(labels), images)[0]

    assert scores(images).shape == (2, 1)
    images.requires_grad_()
    assert torch.autograd.gradcheck(scores, (images,))
    assert torch.autograd.gradgradcheck(scores, (images,))


@pytest.mark.parametrize("name", MECHANISMS)
def test_either_the_score_or_a_term_beside_it_depends_on_the_label(name):
    made, (images, labels) = mechanism(name), inputs()
    other = labels.flip(0)
    scores = [scores_and_logits(made.critic(one), images)[0] for one in (labels, other)]
    terms = [torch.as_tensor(made.generator_term(images, one)) for one in (labels, other)]
    assert torch.equal(*scores) == (name in ("auxiliary", "constrainer"))
    assert torch.equal(*terms) == (name not in ("auxiliary", "constrainer"))


def test_a_constrainer_is_content_with_the_errors_that_it_makes_of_reals():
    made, (images, labels) = mechanism("constrainer"), inputs()
    made.of_reals = made.errors(images, labels).detach()
    assert made.generator_term(images, labels) == 0
    assert mechanism("auxiliary").generator_term(images, labels) > 0


def test_joined_cells_hold_the_energy_of_all():
    cells = np.random.default_rng(0).uniform(1, 100, (2, 3, 32, 32))
    levels = 255 * np.sqrt(cells / 3600)
    for resolution in (4, 16, 32):
        joined = deposits(pooled(levels, resolution))
        assert joined.shape == (2, 3, resolution, resolution)
        np.testing.assert_allclose(joined.sum(axis=(2, 3)), cells.sum(axis=(2, 3)), rtol=1e-6)
    np.testing.assert_allclose(deposits(levels), MIP_ROOT.decode(levels))


def test_the_command_goes_on_where_it_was(monkeypatch, capsys, tmp_path):
    data = open_dataset("calorimeter", resolution=32, count=20, workers=1, cache=tmp_path, quiet=True)
    threads = torch.get_num_threads()

    def run(*words):
        small = ["--data", str(data.path), "--work", str(tmp_path / "work"), "--resolution", "8", "--maps", "4"]
        monkeypatch.setattr(sys, "argv", ["conditioning", *small, "--batch", "4", "--seconds", "0.1", *words])
        assert conditioning.main() == 0
        return capsys.readouterr().out

    try:
        first = run("--mechanisms", "dense")
        (kept,) = [path.read_bytes() for path in (tmp_path / "work").iterdir()]
        both = run("--mechanisms", "dense", "dense and sums")
        with pytest.raises(InputError, match="--mechanisms words"):
            run("--mechanisms", "words")
    finally:
        torch.set_num_threads(threads)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in both.splitlines()]
    assert [row[0] for row in rows[2:]] == ["truth", "dense", "dense and sums"]
    assert kept in [path.read_bytes() for path in (tmp_path / "work").iterdir()]
    assert rows[3] == [cell.strip() for cell in first.splitlines()[3].strip("|").split("|")]
    assert float(rows[2][-1]) > 0.8  # of the truth, where impacts and centres of gravity go together
