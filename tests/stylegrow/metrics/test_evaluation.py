import json

import numpy as np
import pytest
import torch

import progan
from stylegrow.common.errors import InputError
from stylegrow.data import open_dataset
from stylegrow.data.sources import toonhead
from stylegrow.metrics import Evaluator, evaluate
from stylegrow.metrics.fidelity import frechet_distance, kernel_distance
from stylegrow.metrics.reals import blurred, blurred_images, choose_reals, noisy_images
from stylegrow.metrics.table import METRICS, check_names
from stylegrow.sampling.generation import Setting
from tests.stylegrow.data.image_files import folder_of
from tests.stylegrow.metrics.conftest import CLASSES, a_generator

QUICK = ("fd", "kid", "pr", "dc")


class Showing(progan.Generator):
    """A generator in name, which shows the given images one after the other."""

    def __init__(self, images):
        super().__init__(resolution=64, z_dim=1, image_channels=images.shape[1], fmap_base=64, fmap_max=1)
        self.images, self.calls = images, 0

    def forward(self, z, labels=None, resolution=None, alpha=1.0):
        start, self.calls = self.calls, self.calls + len(z)
        return torch.from_numpy(self.images[start : self.calls].astype(np.float32)) / 127.5 - 1


def test_a_generator_of_the_floors_pictures_is_as_good_as_the_floor(faces, quick, tmp_path):
    evaluator = Evaluator(faces, ("fd", "swd", "msssim", "pr", "dc", "attributes"), 40, cache=tmp_path, quiet=True)
    results = evaluator.evaluate(Showing(evaluator.reals.read(evaluator.reals.others)))
    assert [result.name for result in results][:7] == [
        "fd",
        "swd_64",
        "swd_32",
        "swd_16",
        "swd_avg",
        "msssim",
        "precision",
    ]
    for result in results:
        tolerance = 0.1 if result.name.startswith("swd") else 0  # its patches are drawn anew
        assert result.value == pytest.approx(result.floor, rel=tolerance, abs=1e-6), result
        assert result.samples == 40


def test_numbers_are_those_of_their_functions(faces, quick, tmp_path):
    evaluator = Evaluator(faces, ("kid", "fd"), 40, seed=3, cache=tmp_path, quiet=True)
    pictures = evaluator.reals.read(evaluator.reals.others)[..., ::-1]
    kid, fd = evaluator.evaluate(Showing(pictures))
    reals, others = (
        quick.of(evaluator.reals.read(which)) for which in (evaluator.reals.chosen, evaluator.reals.others)
    )
    assert fd.value == pytest.approx(frechet_distance(reals, quick.of(np.ascontiguousarray(pictures))))
    assert (kid.floor, kid.floor_deviation) == pytest.approx(kernel_distance(reals, others, 3))
    assert (kid.features, kid.better) == ("Averages", "lower")


def test_real_pictures_are_looked_at_once(faces, quick, tmp_path):
    evaluator = Evaluator(faces, QUICK, 20, cache=tmp_path, quiet=True)
    first = evaluator.evaluate(a_generator())
    assert quick.network.seen == 60
    assert evaluator.evaluate(a_generator()) == first
    assert quick.network.seen == 80
    assert evaluate(a_generator(), faces, QUICK, 20, cache=tmp_path, quiet=True) == first
    assert quick.network.seen == 100


def test_results_repeat_for_a_seed_and_leave_chance_alone(faces, quick, tmp_path):
    generator = a_generator("stylegan")

    def found(seed):
        names = (*QUICK, "swd", "msssim", "attributes")
        return evaluate(generator, faces, names, 20, seed=seed, cache=tmp_path, quiet=True)

    torch.manual_seed(1)
    np.random.seed(1)
    expected = torch.rand(1), np.random.rand()
    torch.manual_seed(1)
    np.random.seed(1)
    first, again, other = found(0), found(0), found(1)
    assert first == again
    assert first != other
    assert (torch.rand(1), np.random.rand()) == expected


def test_results_do_not_depend_on_the_batch(faces, quick, tmp_path):
    def found(batch):
        settings = {"cache": tmp_path, "quiet": True, "batch": batch}
        results = evaluate(a_generator("stylegan"), faces, ("fd", "msssim", "attributes"), 21, **settings)
        return {result.name: result.value for result in results}

    assert found(3) == pytest.approx(found(8), rel=1e-2)


def test_the_generator_stays_as_it_was(faces, quick, tmp_path):
    generator = a_generator("stylegan").train()
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    evaluate(generator, faces, ("fd",), 20, cache=tmp_path, quiet=True)
    assert generator.training
    for name, value in generator.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_stages_are_measured_at_full_size(faces, quick, tmp_path):
    evaluator = Evaluator(faces, ("fd",), 20, cache=tmp_path, quiet=True)
    (small,) = evaluator.evaluate(a_generator(), Setting(resolution=16))
    (large,) = evaluator.evaluate(a_generator())
    assert small.floor == large.floor
    assert small.value != large.value
    pictures = next(evaluator._generated(a_generator(), Setting(resolution=16), 4))
    assert pictures.shape == (4, 3, 64, 64)
    assert np.array_equal(pictures, pictures[:, :, ::4, ::4].repeat(4, axis=2).repeat(4, axis=3))


def test_labels_are_drawn_as_the_data_has_them(faces, quick, tmp_path):
    evaluator = Evaluator(faces, ("fd",), 40, cond="hair", cache=tmp_path, quiet=True)
    generator = a_generator("stylegan", label_dim=CLASSES)
    evaluator.evaluate(generator)
    labels = evaluator._labels(generator)
    assert labels.shape == (40, CLASSES)
    true = faces.labels("hair", evaluator.reals.training).mean(axis=0)
    assert np.abs(labels.mean(dim=0).numpy() - true).max() < 0.2
    for cond, problem in ((None, "are not known"), ("mouth", "mouth has 5"), ("tail", "does not have")):
        with pytest.raises(InputError, match=f"^--model: .*{problem}"):
            Evaluator(faces, ("fd",), 20, cond=cond, cache=tmp_path).evaluate(generator)


def test_attributes_tell_a_generator_of_one_face(faces, quick, tmp_path):
    evaluator = Evaluator(faces, ("attributes",), 60, cache=tmp_path, quiet=True)
    face = evaluator.reals.chosen[:1]
    whole, *each = evaluator.evaluate(Showing(evaluator.reals.read(face).repeat(60, axis=0)))
    assert [result.details["attribute"] for result in each] == list(toonhead.ATTRIBUTES)
    skin = next(result for result in each if result.name == "attributes_skin_color")
    shown = toonhead.classes("skin_color")[int(faces.labels("skin_color", face).argmax())]
    true = skin.details["shares"][shown]["true"]
    assert skin.value == pytest.approx(1 - true)  # all the probability is in one place
    assert skin.floor < 0.2
    assert skin.details["accuracy"] > 0.95
    assert set(skin.details["missing"]) <= set(toonhead.classes("skin_color")) - {shown}
    assert any(value.startswith("skin_color ") for value in whole.details["missing"])
    assert whole.value == pytest.approx(np.mean([result.value for result in each]))
    assert json.loads(json.dumps(skin.to_json()))["details"]["accuracy"] == skin.details["accuracy"]


def test_neighbours_tell_a_generator_that_memorises(faces, quick, tmp_path):
    evaluator = Evaluator(faces, ("neighbours",), 40, cache=tmp_path, quiet=True)
    (copied,) = evaluator.evaluate(Showing(evaluator.reals.read(evaluator.reals.chosen)))
    (new,) = evaluator.evaluate(Showing(evaluator.reals.read(evaluator.reals.held_out)))
    assert copied.value == pytest.approx(0, abs=1e-5)
    assert copied.floor == new.floor == pytest.approx(new.value, rel=1e-5)
    assert new.value > 0.1
    assert copied.samples == 20  # as many as are held out
    assert copied.details["nearest"][0] == faces.names[int(evaluator.reals.chosen[0])]
    assert copied.figure.size[0] > 6 * 64


def test_paths_have_no_floor(faces, quick, tmp_path):
    results = evaluate(a_generator("stylegan"), faces, ("ppl",), 20, cache=tmp_path)
    assert [result.name for result in results] == ["ppl_z_full", "ppl_z_end", "ppl_w_full", "ppl_w_end"]
    assert all(result.floor is None and result.value > 0 and "EfficientNet" in result.features for result in results)


def test_damaged_reals_are_worse_than_the_floor(faces, quick, tmp_path):
    evaluator = Evaluator(faces, ("swd",), 40, cache=tmp_path, quiet=True)
    for damaged in (evaluator.blurred(), evaluator.noisy(80)):
        assert damaged[0].name == "swd_64"
        assert damaged[0].value > 1.5 * damaged[0].floor
    assert evaluator.noisy(0)[0].value == pytest.approx(evaluator.noisy(0)[0].floor, rel=0.2)  # other patches
    assert evaluator.noisy(80)[0].value == evaluator.noisy(80)[0].value


def test_blur_is_gaussian():
    point = torch.zeros(1, 1, 21, 21, dtype=torch.float64)
    point[0, 0, 10, 10] = 1
    spread = blurred(point, 1.5)[0, 0]
    places = torch.arange(21, dtype=torch.float64) - 10
    assert spread.sum() == pytest.approx(1)
    assert (spread.sum(dim=0) * places**2).sum() == pytest.approx(1.5**2, rel=0.01)
    assert torch.allclose(spread, spread.T)
    assert (blurred_images(np.full((2, 3, 8, 8), 77, np.uint8), 1) == 77).all()


def test_noise_is_normal_and_stays_within_the_greys():
    grey, white = (np.full((4, 3, 64, 64), value, np.uint8) for value in (100, 255))
    noise = noisy_images(grey, 3.0, np.random.default_rng(0)).astype(float) - 100
    assert noise.mean() == pytest.approx(0, abs=0.05)
    assert noise.var() == pytest.approx(3.0**2 + 1 / 12, rel=0.02)  # and rounding's
    assert noisy_images(white, 3.0, np.random.default_rng(0)).min() >= 235


def test_reals_and_floor_share_no_picture(faces):
    reals = choose_reals(faces, 64, 70, seed=1)
    training, held_out = faces.split()
    assert not set(reals.chosen) & set(reals.others)
    assert set(reals.chosen) | set(reals.others) == set(training)
    assert set(reals.held_out) == set(held_out)
    given = choose_reals(faces, 64, 30, held_out=[3, 5])
    assert set(given.held_out) == {3, 5}
    assert len(given.training) == 158


@pytest.mark.parametrize(
    ("names", "inception", "problem"),
    [
        ([], False, "names none"),
        (["fd", "lpips"], False, "lpips: there is no such metric; choose from fd, fid, kid"),
        (["fid"], False, "fid: is by Inception's features"),
    ],
)
def test_names_that_are_refused(names, inception, problem):
    with pytest.raises(InputError, match=problem):
        check_names(names, inception)


def test_only_inceptions_distance_is_the_fid(faces, averages, monkeypatch, tmp_path):
    assert check_names(["fid", "kid", "fd"], inception=True) == ("fd", "kid")
    object.__setattr__(averages, "inception", True)
    monkeypatch.setattr("stylegrow.metrics.evaluation.find_features", lambda *_: averages)
    results = evaluate(a_generator(), faces, ["fid"], 20, features="inception", cache=tmp_path, quiet=True)
    assert [result.name for result in results] == ["fid"]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"samples": 71}, "--samples 71: give a number from 20 to 70"),
        ({"samples": 19}, "--samples 19: give a number from 20"),
        ({"resolution": 128}, "--data: the images are prepared at 64 px, the model draws 128 px"),
        ({"names": ["swd"], "resolution": 8}, "--metrics swd: needs images of at least 16 px"),
        ({"names": ["msssim"], "resolution": 8}, "--metrics msssim: needs images of at least 16 px"),
        ({"held_out": range(130)}, "--data: has 30 training images; 40 are the least"),
    ],
)
def test_what_cannot_be_measured(faces, quick, arguments, problem):
    with pytest.raises(InputError, match=problem):
        Evaluator(faces, **({"names": ("fd",)} | arguments))


def test_attributes_are_the_embedded_faces_own(quick, tmp_path):
    dataset = open_dataset(folder_of(tmp_path / "pics", 60, (16, 16)), resolution=16, cache=tmp_path, quiet=True)
    with pytest.raises(InputError, match="--metrics attributes: is for the embedded faces"):
        Evaluator(dataset, ("attributes",))


@pytest.mark.parametrize(
    ("generator", "problem"),
    [
        ({"resolution": 32}, "draws 32 px, the real images have 64 px"),
        ({"channels": 1}, "draws 1 colour channels, the data has 3"),
    ],
)
def test_models_that_do_not_fit(faces, quick, generator, problem, tmp_path):
    with pytest.raises(InputError, match=f"^--model: {problem}"):
        Evaluator(faces, ("fd",), 20, cache=tmp_path).evaluate(a_generator(**generator))


@pytest.mark.parametrize("architecture", ["progan", "stylegan"])
def test_grey_pictures(quick, tmp_path, architecture):
    """All metrics but attributes, which are refused."""
    pictures = folder_of(tmp_path / "pics", 60, (16, 16))
    dataset = open_dataset(pictures, resolution=16, channels="grey", cache=tmp_path, quiet=True)
    generator = a_generator(architecture, resolution=16, channels=1)
    names = ("fd", "kid", "pr", "dc", "swd", "msssim", "ppl", "neighbours")
    results = evaluate(generator, dataset, names, 20, cache=tmp_path, quiet=True)
    paths = ["ppl_z_full", "ppl_z_end", *(["ppl_w_full", "ppl_w_end"] if architecture == "stylegan" else [])]
    others = ["fd", "kid", "precision", "recall", "density", "coverage", "swd_16", "swd_avg", "msssim"]
    assert [result.name for result in results] == [*others, *paths, "neighbours"]
    known = {name: metric for metric in METRICS.values() for name in metric.results}
    assert all(result.better == known[result.name.partition("_")[0]].better for result in results)
    assert all(np.isfinite(result.value) for result in results)
    with pytest.raises(InputError, match="--metrics attributes: is for the embedded faces"):
        evaluate(generator, dataset, ("attributes",), 20, cache=tmp_path, quiet=True)
