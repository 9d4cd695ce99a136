"""Labels as users write them, and what models make of them."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

import progan
import stylegrow
from stylegrow.common.errors import InputError
from stylegrow.common.images import to_uint8
from stylegrow.models import read_config, save_model
from stylegrow.models.labels import LabelSpace
from stylegrow.sampling.generation import latents
from stylegrow.sampling.inputs import label_text, read_label
from stylegrow.sampling.sampler import Sampler
from tests.small_models import close, style

MEAN, DEVIATION = [0.25, 500.0], [0.5, 300.0]
VECTOR = {"label_dim": 2, "label_kind": "vector", "label_mean": MEAN, "label_deviation": DEVIATION}
EXAMPLES = [[-0.5, 1000.0], [0.5, 0.0], [1.0, 300.0]]
VALUES = {"min": [-0.5, 0.0], "max": [1.0, 1000.0], "examples": EXAMPLES}
NAMES = ["angle", "energy"]


@pytest.fixture(scope="module", params=["stylegan", "progan"])
def model(request, tmp_path_factory):
    """A model of label vectors."""
    torch.manual_seed(0)
    generator = style(8, **VECTOR)
    if request.param == "progan":
        generator = progan.Generator(8, z_dim=8, fmap_base=64, fmap_max=8, **VECTOR)
    save_model(folder := tmp_path_factory.mktemp(request.param) / "m", generator, classes=NAMES, label_values=VALUES)
    return folder


def space(kind, names, **arguments):
    generator = {"label_dim": len(names), "label_kind": kind, "label_mean": None, "label_deviation": None} | arguments
    return LabelSpace.of({"generator": generator, "classes": names})


CLASSES = space("classes", ["cat", "dog", "a,b:c"])
VECTORS = space("vector", NAMES, label_mean=MEAN, label_deviation=DEVIATION)


UNITS = replace(VECTORS, units=("1", "GeV"))


@pytest.mark.parametrize(
    ("text", "labels", "expected"),
    [
        ("dog", CLASSES, 1),
        ("a,b:c", CLASSES, 2),
        ("2", CLASSES, 2),
        ("cat:0.3,dog:0.7", CLASSES, (0.3, 0.7, 0)),
        ("cat:1, dog:3", CLASSES, (0.25, 0.75, 0)),
        ("cat:1.5,2:-0.5", CLASSES, (1.5, 0, -0.5)),
        ("7", space("classes", ["3", "7"]), 1),
        ("-0.5,200", VECTORS, (-0.5, 200)),
        ("energy:200,angle:-.5", VECTORS, (-0.5, 200)),
        ("energy:1e3", VECTORS, (0.25, 1000)),
        ("energy:200 GeV", UNITS, (0.25, 200)),
        ("angle:0.31", UNITS, (0.31, 500)),
        ("angle:1", UNITS, (1, 500)),
    ],
)
def test_what_a_text_means(text, labels, expected):
    assert read_label(text, labels) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        *(
            (text, CLASSES)
            for text in ("", "bird", "3", "-1", "cat:", "cat:x", "cat:nan", "cat:1,cat:1", "cat:1,bird:1")
        ),
        *((text, CLASSES) for text in ("cat:1,dog:-1", "cat:0", "cat,dog", "0.5,0.5,0")),
        ("0", space("classes", ["3", "7"])),
        *((text, VECTORS) for text in ("", "1", "1,2,3", "1,inf", "angle", "mass:3", "angle:1,2", "angle:1e400")),
    ],
)
def test_what_means_none_is_refused_in_one_line(text, labels):
    with pytest.raises(InputError) as error:
        read_label(text, labels, "--class")
    assert str(error.value).startswith("--class")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("label", "labels"), [(1, CLASSES), ((0.25, 0.75, 0.0), CLASSES), ((-0.5, 200.0), VECTORS)])
def test_a_label_is_written_as_it_is_read(label, labels):
    assert read_label(str(label_text(label, labels)), labels) == label


def test_values_are_in_the_data_s_units(model):
    sampler = Sampler(str(model), "cpu")
    generator, labels = sampler.generator, torch.tensor([[-0.5, 200.0]])
    arguments = {"psi": 1.0, "noise": "const"} if sampler.styled else {}
    expected = to_uint8(generator(latents([4], 8), labels, **arguments).detach())
    assert close(list(sampler.images([4], sampler.setting(label="-0.5,200"))), expected)  # not truncated, then
    assert close(stylegrow.sample(model, [4], label=(-0.5, 200), device="cpu"), expected)
    assert close(stylegrow.sample(generator, [4], label=(-0.5, 200)), expected)
    assert '"class": "angle:-0.5,energy:200"' in sampler.text(sampler.setting(label="-0.5,200"))["parameters"]
    with pytest.raises(InputError, match="2 finite numbers"):
        sampler.setting(label=(1.0, math.nan))


def test_without_a_label_each_seed_has_one_of_the_data_s(model):
    sampler, seeds = Sampler(str(model), "cpu"), list(range(12))
    setting = sampler.setting()
    given = [json.loads(sampler.text(setting, seed=seed)["parameters"])["class"] for seed in seeds]
    drawn = [list(read_label(text, sampler.labels)) for text in given]
    assert {tuple(label) for label in drawn} == set(map(tuple, EXAMPLES))
    each = [next(sampler.images([seed], sampler.setting(label=text))) for seed, text in zip(seeds, given, strict=True)]
    assert close(list(sampler.images(seeds, setting)), each)
    assert close(list(Sampler(str(model), "cpu", batch=5).images(seeds[3:], setting)), each[3:])


def test_a_path_goes_from_label_to_label(model):
    sampler = Sampler(str(model), "cpu")
    start, end = (sampler.setting(label=text) for text in ("0,0", "1,1000"))
    frames = list(sampler.path([3, 3], 4, False, None, start, to=end))
    labels = [f"{share / 4},{share * 250}" for share in range(5)]
    assert close(frames, [next(sampler.images([3], sampler.setting(label=label))) for label in labels])
    assert not np.array_equal(frames[0], frames[-1])
    loop = list(sampler.path([3, 3], 4, True, None, start, to=end))
    assert close(loop, [*frames[:-1], *frames[:0:-1]])
    open_path = list(sampler.path([1, 2, 3], 3, False, None, sampler.setting()))
    assert close(open_path[::3], list(sampler.images([1, 2, 3], sampler.setting())))


def test_between_classes(tmp_path):
    save_model(tmp_path / "m", style(8, label_dim=3), classes=["cat", "dog", "owl"])
    sampler = Sampler(str(tmp_path / "m"), "cpu")
    between = sampler.generator(latents([1], 8), torch.tensor([[0.25, 0.75, 0]]), psi=1, noise="const").detach()
    assert close(list(sampler.images([1], sampler.setting(psi=1, label="cat:1,dog:3"))), to_uint8(between))


def test_a_model_that_does_not_tell_its_values(tmp_path):
    save_model(tmp_path / "m", style(8, label_dim=1, label_kind="vector"))
    labels = LabelSpace.of(read_config(tmp_path / "m"))
    assert (labels.names, labels.least, labels.most, labels.examples) == (("0",), (-2,), (2,), ((0,),))
    assert (
        len(list(Sampler(str(tmp_path / "m"), "cpu").images([1], Sampler(str(tmp_path / "m"), "cpu").setting()))) == 1
    )
