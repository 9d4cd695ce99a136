"""Directions in w: against closed forms, and the file beside a model."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from stylegrow.cli.main import main
from stylegrow.common.errors import InputError, ModelError
from stylegrow.models import save_model
from stylegrow.sampling.directions import (
    Direction,
    Directions,
    attribute_axes,
    measured,
    principal_axes,
    read,
    read_amounts,
    sefa,
    style_weights,
    write,
)
from stylegrow.sampling.sampler import Sampler
from tests.small_models import close, style


def normal(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def test_sefa_is_the_eigenvectors_of_the_style_weights():
    generator = style(16)
    weights = style_weights(generator, [1, 2])
    block4, block8 = generator.synthesis.blocks["4x4"], generator.synthesis.blocks["8x8"]
    scaled = [layer.style.weight * layer.style.scale for layer in (block4.second, block8.first)]
    a = torch.cat(scaled).detach().double().numpy()
    values, vectors = np.linalg.eigh(a.T @ a)
    found = sefa(weights, 3)
    assert np.allclose(np.abs(found.numpy() @ vectors[:, ::-1][:, :3]), np.eye(3), atol=1e-5)
    assert np.allclose((weights.double() @ found.T).norm(dim=0).square(), values[::-1][:3])


def test_the_principal_axes_of_a_mapping_are_found_with_their_deviations():
    axes = torch.linalg.qr(normal(6, 6)).Q.T
    deviations = torch.tensor([5.0, 3.0, 2.0, 0.5, 0.2, 0.1], dtype=torch.float64)
    w = (normal(50_000, 6, seed=1) * deviations) @ axes + 7
    found = principal_axes(w, 3)
    assert torch.allclose((found @ axes.T).abs(), torch.eye(3, 6, dtype=torch.float64), atol=0.02)
    known = measured(w, [(str(place), "pca", axis, [0]) for place, axis in enumerate(found)])
    assert [one.deviation for one in known.known] == pytest.approx(deviations[:3].tolist(), rel=0.02)
    assert [one.share for one in known.known] == pytest.approx((deviations[:3] ** 2 / 38.3).tolist(), rel=0.04)
    assert known.vectors[:, 0].norm(dim=1).tolist() == pytest.approx(deviations[:3].tolist(), rel=0.02)


def test_attributes_that_are_linear_in_w_are_found_in_their_bands_and_leave_each_other():
    spread = torch.linspace(0.4, 1.6, 12, dtype=torch.float64)
    true = normal(4, 3, 12, seed=2) / spread  # steepness by attribute and band, in w
    true[0, 1:] = 0  # the first is a matter of the coarse layers alone
    w = normal(3, 4000, 12, seed=3) * spread + 1
    scores = torch.einsum("bnw,abw->na", w - 1, true) + 0.1 * normal(4000, 4, seed=4)
    leave = ~torch.eye(4, dtype=torch.bool)
    axes, gains = attribute_axes(w, scores, scores, leave)
    assert torch.allclose(axes.norm(dim=2), torch.ones(4, 3, dtype=torch.float64))
    assert gains[0, 0] > 5 * gains[0, 1:].abs().max()
    # One deviation of w along each, and what it does to every score: its own most, the others far less than without.
    steps = measured(w.flatten(0, 1), [(str(place), "attribute", own, [*range(9)]) for place, own in enumerate(axes)])
    effect = torch.einsum("kbw,abw->kab", steps.vectors.double(), true) / scores.std(dim=0)[:, None]
    plain, _ = attribute_axes(w, scores, scores, torch.zeros_like(leave))
    before = torch.einsum("kbw,abw->kab", plain * spread, true) / scores.std(dim=0)[:, None]
    assert (effect.diagonal().T[1:] > 0.2).all()
    others = leave[..., None].expand(effect.shape)
    assert effect[others].square().mean() < before[others].square().mean() / 2


def test_ws_are_moved_in_standard_deviations_in_the_layers_of_each_direction():
    known = [Direction("a", "pca", [0, 1, 2], 2.0), Direction("b", "sefa", [2, 9], 3.0)]
    directions = Directions(known, torch.tensor([[2.0, 0.0], [0.0, 3.0]])[:, None].expand(-1, 3, -1))
    ws = normal(2, 3, 2).float()
    moved = directions.moved(ws, torch.tensor([[1.0, 0.0], [-2.0, 1.0]]))
    expected = torch.tensor([[[2.0, 0], [2, 0], [2, 0]], [[-4, 0], [-4, 0], [-4, 3]]])
    assert torch.allclose(moved - ws, expected)
    only = directions.moved(ws, torch.tensor([[1.0, 1.0]]), layers=[1])
    assert torch.allclose(only - ws, torch.tensor([[0.0, 0], [2, 3], [0, 0]]).expand(2, -1, -1))


def test_amounts_are_read_by_name():
    assert read_amounts(" PCA 1:-2,beard: .5") == {"PCA 1": -2.0, "beard": 0.5}
    assert read_amounts("") == {}
    for text in ("beard", "beard:x", "beard:4", ":1", "beard:nan"):
        with pytest.raises(InputError):
            read_amounts(text)
    with pytest.raises(InputError, match="beard"):
        Directions([Direction("a", "pca", [0], 1.0)], torch.ones(1, 3, 2)).amounts({"beard": 1.0})


@pytest.fixture
def folder(tmp_path):
    save_model(tmp_path / "m", style(16))
    return tmp_path / "m"


def test_the_command_writes_what_the_sampler_finds_and_copies_take_it_along(folder, tmp_path, capsys):
    fitted = Sampler(str(folder), "cpu").directions
    assert main(["directions", str(folder), "--device", "cpu"]) == 0
    printed = capsys.readouterr().out
    sampler = Sampler(str(folder), "cpu")
    kept = read(folder, sampler.weights, 8)
    assert kept.known == fitted.known
    assert torch.equal(kept.vectors, fitted.vectors)
    assert all(name in printed for name in kept.names)
    assert {one.kind for one in kept.known} == {"pca", "sefa"}
    assert main(["models", "copy", str(folder), str(tmp_path / "copy")]) == 0
    assert len(Sampler(str(tmp_path / "copy"), "cpu").directions.known) == len(kept.known)


def test_images_along_a_direction_are_those_of_moved_ws(folder):
    sampler = Sampler(str(folder), "cpu", batch=2)
    setting, seeds = sampler.setting(psi=0.6), [3, 4, 5]
    amounts = [sampler.directions.amounts({"PCA 2": amount}) for amount in (0.0, 2.0, -1.0)]
    found = list(sampler.along(seeds, amounts, setting))
    assert np.array_equal(found[0], next(sampler.images([3], setting)))
    with torch.inference_mode():
        w = torch.from_numpy(sampler.latent(4, setting)["w"])
        axis = sampler.directions.vectors[sampler.directions.names.index("PCA 2"), 0]
        image = sampler.generator.synthesis(w + 2 * axis, noise="const")
    assert close(found[1], ((image[0].permute(1, 2, 0) + 1) * 127.5).round().clamp(0, 255))
    assert not np.array_equal(found[2], next(sampler.images([5], setting)))


def test_files_of_other_weights_and_damaged_ones_are_refused(folder, capsys):
    sampler = Sampler(str(folder), "cpu")
    path = write(folder, sampler.directions, "other")
    vectors, known = load_file(path), json.dumps([])

    def refused():
        assert main(["edit", "--model", str(folder), "--device", "cpu"]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "directions.safetensors" in line
        with pytest.raises(ModelError):
            read(folder, sampler.weights, 8)

    refused()
    for metadata in ({}, {"directions": "x"}, {"directions": known}, {"directions": '[{"name": 1}]'}):
        save_file(vectors, path, {"weights": sampler.weights, **metadata})
        refused()
    path.write_bytes(b"no such file")
    refused()
    fitted = sampler.fit_directions()
    write(folder, Directions(fitted.known, fitted.vectors[..., :4]), sampler.weights)
    refused()


def test_edit_draws_a_row_a_direction(folder, tmp_path, capsys):
    options = ["--model", str(folder), "--device", "cpu", "--outdir", str(tmp_path), "--size", "32"]
    assert main(["edit", *options, "--directions", "PCA 1,SeFa coarse 1", "--amounts=-3,0,3"]) == 0
    with Image.open(tmp_path / "edit.png") as image:
        facts = json.loads(image.text["parameters"])
        assert facts["directions"] == ["PCA 1", "SeFa coarse 1"]
        assert image.height < 3 * 34 + 30
    assert main(["edit", *options, "--seeds", "1-2", "--layers", "0-1"]) == 0
    assert main(["edit", *options, "--directions", "nose"]) == 2
    assert "PCA 1" in capsys.readouterr().err


def test_only_networks_with_styles_have_directions(models, tmp_path, capsys):
    assert main(["directions", str(models / "run"), "--device", "cpu"]) == 2
    assert "StyleGAN" in capsys.readouterr().err
    save_model(tmp_path / "one", style(8, use_styles=False, const_input=False))
    assert main(["directions", str(tmp_path / "one"), "--device", "cpu"]) == 0
    assert {one.kind for one in Sampler(str(tmp_path / "one"), "cpu").directions.known} == {"pca"}
