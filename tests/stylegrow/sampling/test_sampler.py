"""The sampler: settings of a model, and what it draws against the network itself."""

import json
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest
import torch

from stylegrow.common.errors import InputError
from stylegrow.common.images import to_uint8
from stylegrow.models.config import stage_reached
from stylegrow.sampling.generation import latents, truncated_normal
from stylegrow.sampling.paths import path_length, slerp
from stylegrow.sampling.sampler import Sampler
from tests.small_models import CREDIT, close


@torch.inference_mode()
def direct(sampler, seeds, **arguments):
    return to_uint8(sampler.generator(latents(seeds, 8), **arguments))


def test_a_model_says_what_it_is(sampler):
    style, run = sampler("style"), sampler("run")
    assert (style.name, style.architecture.name, style.styled, style.credit) == ("style", "stylegan", True, CREDIT)
    assert (run.name, run.architecture.name, run.styled, run.credit) == ("run", "progan", False, "")
    assert len(style.weights) == 16
    assert style.weights != run.weights


def test_the_default_setting(sampler):
    setting = sampler("style").setting()
    assert (setting.psi, setting.cutoff, setting.noise, setting.noise_seed, setting.label) == (
        0.7,
        None,
        "const",
        0,
        None,
    )
    assert (setting.resolution, setting.alpha) == (64, 1.0)
    assert sampler("style").layers(setting) == 10


@pytest.mark.parametrize(
    ("arguments", "stage"),
    [({}, (16, 0.5)), ({"resolution": 16}, (16, 0.5)), ({"resolution": 32}, (32, 1.0)), ({"alpha": 1.0}, (16, 1.0))],
)
def test_a_growing_model_is_drawn_as_far_as_it_has_grown(sampler, arguments, stage):
    growing = sampler("growing")
    setting = growing.setting(**arguments)
    assert (setting.resolution, setting.alpha) == stage
    assert growing.layers(setting) == {16: 6, 32: 8}[stage[0]]
    expected = direct(growing, [3], psi=0.7, noise="const", resolution=stage[0], alpha=stage[1])
    assert close(list(growing.images([3], setting)), expected)


@pytest.mark.parametrize("facts", [{"resolution": 512}, {"resolution": "big", "alpha": "x"}, {"resolution": [4]}])
def test_facts_that_name_no_stage_of_the_network_are_not_followed(facts):
    assert stage_reached(facts, 64) == (None, 1.0)


@pytest.mark.parametrize(
    ("model", "arguments", "words"),
    [
        ("style", {"psi": float("nan")}, "truncation nan"),
        ("style", {"psi": float("inf")}, "truncation inf"),
        ("style", {"psi": -10.5}, "from -10 to 10"),
        ("style", {"cutoff": 11}, "has 10 layers; give 0 to 10"),
        ("style", {"cutoff": -1}, "cutoff -1"),
        ("style", {"noise_seed": -1}, "noise seed -1"),
        ("style", {"noise_seed": 2**32}, "noise seed 4294967296"),
        ("style", {"label": "cat"}, "without classes"),
        ("style", {"resolution": 128}, "stage 128"),
        ("style", {"resolution": 24}, "stage 24"),
        ("style", {"resolution": 0}, "stage 0"),
        ("style", {"alpha": 1.5}, "alpha 1.5"),
        ("style", {"alpha": float("nan")}, "alpha nan"),
        ("classes", {}, "has classes: give one of cat, 2, öwl, or its number from 0 to 2"),
        ("classes", {"label": "dog"}, "class 'dog': give one of cat, 2, öwl"),
        ("classes", {"label": "3"}, "class '3'"),
        ("classes", {"label": "-1"}, "class '-1'"),
        ("classes", {"label": ""}, "class ''"),
        ("unnamed", {}, "number from 0 to 1"),
        ("run", {"psi": 1.0}, 'truncation needs a StyleGAN model; "run" is a ProGAN'),
        ("run", {"cutoff": 0}, "a cutoff needs"),
        ("run", {"noise": "none"}, "a noise mode needs"),
        ("run", {"noise_seed": 0}, "a noise seed needs"),
        ("run", {"z_limit": 0.0}, "limit of z 0: give a number above 0"),
        ("run", {"z_limit": float("nan")}, "limit of z nan"),
        ("style", {"z_limit": 1.0}, 'a limit of z needs a ProGAN model; "style" is a StyleGAN'),
    ],
)
def test_what_a_model_does_not_have_is_refused(sampler, model, arguments, words):
    with pytest.raises(InputError) as raised:
        sampler(model).setting(**arguments)
    assert words in str(raised.value)


@pytest.mark.parametrize("limit", [0.1, 0.5, 1.0, 3.0, 8.0])
def test_latents_within_a_limit_are_those_of_a_normal_distribution_cut_off_there(limit):
    normal = NormalDist()
    z = torch.linspace(-9, 9, 1001, dtype=torch.float64)
    shown = truncated_normal(z, limit)
    low, high = normal.cdf(-limit), normal.cdf(limit)
    shares = [(normal.cdf(value) - low) / (high - low) for value in shown.tolist()]
    np.testing.assert_allclose(shares, [normal.cdf(value) for value in z.tolist()], atol=1e-9)
    assert shown.abs().max() <= limit + 1e-9
    assert (shown.diff() >= 0).all()


def test_a_limit_of_z_is_the_latents_that_are_drawn(sampler):
    run = sampler("run")
    setting = run.setting(z_limit=0.7)
    expected = to_uint8(run.generator(truncated_normal(latents([3, 8], 8), 0.7)).detach())
    assert close(list(run.images([3, 8], setting)), expected)
    assert np.allclose(run.latent(3, setting)["z"], truncated_normal(latents([3], 8), 0.7))
    assert '"z_limit": 0.7' in run.text(setting)["parameters"]


def test_a_device_that_is_not_there_is_refused(models):
    for device in ("cuda:99", "nonsense", ""):
        with pytest.raises(InputError, match="cannot be used"):
            Sampler(str(models / "style"), device)


def test_classes_have_names_and_numbers(sampler):
    classes = sampler("classes")
    assert [classes.setting(label=text).label for text in ("cat", "2", "öwl", "0", "1")] == [0, 1, 2, 0, 1]
    for text, index in (("cat", 0), ("öwl", 2)):
        shown = list(classes.images([5], classes.setting(label=text, psi=1)))
        assert close(shown, direct(classes, [5], labels=torch.eye(3)[[index]], noise="const"))
    assert sampler("unnamed").setting(label="1").label == 1


@pytest.mark.parametrize("name", ["style", "run"])
def test_images_are_in_the_order_of_their_seeds_whatever_the_batch(sampler, models, name):
    seeds = [9, 2, 4, 2]
    one = sampler(name)
    expected = direct(one, seeds, **({"psi": 0.7, "noise": "const"} if one.styled else {}))
    for batch in (None, 1, 3):
        other = Sampler(str(models / name), "cpu", batch)
        assert close(list(other.images(seeds, other.setting())), expected)


@pytest.mark.parametrize("layers", [[0, 1, 2, 3], [4], [2, 9]])
def test_mixing_takes_the_layers_from_the_columns(sampler, layers):
    style = sampler("style")
    setting = style.setting(psi=0.5, cutoff=6)
    rows, columns = [3, 1], [5, 7, 3]
    shown = list(style.mixed(rows, columns, layers, setting))
    for index, (row, column) in enumerate((row, column) for row in rows for column in columns):
        with torch.inference_mode():
            base, source = style.generator.mapping(latents([row, column], 8))
            ws = torch.stack([source if layer in layers else base for layer in range(10)])[None]
            expected = style.generator.synthesis(style.generator.truncate(ws, 0.5, 6), noise="const")
        assert close(shown[index][None], to_uint8(expected))
    assert close(shown[2], next(style.images([3], setting)))  # a seed mixed with itself


def test_all_layers_are_the_other_seed_and_the_noise_is_the_rows(sampler):
    style = sampler("style")
    assert close(next(style.mixed([1], [2], range(10), style.setting())), next(style.images([2], style.setting())))
    random = style.setting(noise="random")
    assert close(next(style.mixed([1], [1], [0], random)), next(style.images([1], random)))
    assert not close(next(style.mixed([1], [2], range(10), random)), next(style.images([2], random)))


@pytest.mark.parametrize(("model", "words"), [("run", '"run" is a ProGAN'), ("one-style", "trained without")])
def test_models_without_styles_a_layer_cannot_be_mixed(sampler, model, words):
    with pytest.raises(InputError, match=words):
        sampler(model).check_mixing()


@pytest.mark.parametrize(("model", "words"), [("run", "noise needs a StyleGAN"), ("silent", "without noise")])
def test_models_without_noise_have_no_noise_figure(sampler, model, words):
    with pytest.raises(InputError, match=words):
        sampler(model).check_noise()


@pytest.mark.parametrize(("name", "space"), [("style", None), ("style", "w"), ("style", "z"), ("run", None)])
def test_a_path_passes_through_its_seeds(sampler, name, space):
    one = sampler(name)
    seeds, setting = [4, 1, 6], one.setting()
    keys = list(one.images(seeds, setting))
    loop = list(one.path(seeds, 4, True, space, setting))
    line = list(one.path(seeds, 4, False, space, setting))
    assert (len(loop), len(line)) == (path_length(3, 4, True), path_length(3, 4, False)) == (12, 9)
    assert close(loop[::4], keys)
    assert close(line[::4], keys)
    assert close(line[:8], loop[:8])


def test_a_path_in_w_is_straight_in_w(sampler):
    style = sampler("style")
    frame = list(style.path([4, 1], 4, False, "w", style.setting(psi=1)))[1]
    with torch.inference_mode():
        w = style.generator.mapping(latents([4, 1], 8))
        expected = style.generator.synthesis(style.generator.truncate(0.75 * w[:1] + 0.25 * w[1:]), noise="const")
    assert close(frame[None], to_uint8(expected))


def test_random_noise_stands_still_along_a_path(sampler):
    style = sampler("style")
    setting = style.setting(noise="random", noise_seed=3)
    start, *_, end = style.path([4, 1], 2, False, "w", setting)
    assert close(start, next(style.images([4], setting)))
    assert not close(end, next(style.images([1], setting)))


def test_a_progan_has_no_path_in_w(sampler):
    with pytest.raises(InputError, match="ProGAN"):
        sampler("run").space("w")
    assert (sampler("run").space(None), sampler("style").space(None), sampler("style").space("z")) == ("z", "w", "z")


def test_slerp_turns_evenly():
    start, end = latents([1, 2], 40)
    end = 3 * end
    shares = torch.linspace(0, 1, 9)
    between = slerp(start.expand(9, -1), end.expand(9, -1), shares)
    torch.testing.assert_close(between[[0, 8]], torch.stack([start, end]))
    torch.testing.assert_close(between.norm(dim=1), torch.lerp(start.norm(), end.norm(), shares))
    unit = between / between.norm(dim=1, keepdim=True)
    angles = torch.acos((unit[1:] * unit[:-1]).sum(dim=1))
    torch.testing.assert_close(angles, angles.mean().expand(8), rtol=0, atol=1e-4)


def test_slerp_between_equal_or_opposite_directions_is_straight():
    z = latents([1, 2], 5)
    shares = torch.tensor([0.25, 0.25])
    torch.testing.assert_close(slerp(z, torch.stack([z[0], -z[1]]), shares), torch.stack([z[0], z[1] / 2]))


def test_the_text_of_an_image(sampler):
    style, classes, run = sampler("style"), sampler("classes"), sampler("run")
    text = style.text(replace(style.setting(cutoff=4), psi=0.5), seed=7)
    assert text["Source"] == CREDIT
    assert json.loads(text["parameters"]) == {
        "model": "style", "weights": style.weights, "psi": 0.5, "cutoff": 4, "noise": "const",
        "resolution": 64, "alpha": 1.0, "seed": 7,
    }  # fmt: skip
    labelled = json.loads(classes.text(classes.setting(label="2", noise="random", noise_seed=9))["parameters"])
    assert (labelled["class"], labelled["noise"], labelled["noise_seed"]) == ("2", "random", 9)
    assert json.loads(run.text(run.setting())["parameters"]).keys() == {"model", "weights", "resolution", "alpha"}
    assert "Source" not in run.text(run.setting())


def test_lower_precision_changes_images_a_little_and_is_said(models):
    exact, rough = Sampler(str(models / "style"), "cpu"), Sampler(str(models / "style"), "cpu", dtype="bf16")
    setting = exact.setting()
    shown, expected = (np.asarray(list(one.images([1, 2], setting))).astype(int) for one in (rough, exact))
    assert 0 < np.abs(shown - expected).mean() < 5
    assert '"dtype": "bf16"' in rough.text(setting)["parameters"]
    assert "dtype" not in exact.text(setting)["parameters"]
