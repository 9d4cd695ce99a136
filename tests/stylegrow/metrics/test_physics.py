"""FPD and KPD against jetnet's own numbers, classifiers and observables on showers made by hand."""

import numpy as np
import pytest
import torch

import progan
from stylegrow.common.errors import InputError
from stylegrow.data import open_dataset
from stylegrow.metrics import Evaluator, physics
from stylegrow.metrics.results import observable_tables
from stylegrow.physics.observables import Showers


def correlated(seed=0):
    """Two samples of features that differ a little, and one that is as the first."""
    rng = np.random.default_rng(seed)
    mixture = rng.normal(size=(6, 6))
    first = rng.normal(size=(3000, 6)) @ mixture
    return first, rng.normal(0.1, 1.1, size=(2500, 6)) @ mixture, rng.normal(size=(3000, 6)) @ mixture


def test_fpd_and_kpd_are_those_of_jetnet():
    # jetnet 0.2.5: kpd(x, y, batch_size=500) and fpd(x, y, min_samples=1000, max_samples=2500), whose line is fitted by
    # an iteration that stops early.
    x, y, alike = correlated()
    assert physics.kpd(x, y, 500) == pytest.approx((0.005717112447753081, 0.0035144266070441486), rel=1e-7)
    assert physics.fpd(x, y, 1000, 2500) == pytest.approx((0.013100289338175688, 0.0006221190619672095), rel=1e-3)
    assert physics.kpd(x, alike, 500) == pytest.approx((0.0005322881908313981, 0.000997444158391114), rel=1e-7)
    assert physics.fpd(x, alike, 1000, 2500) == pytest.approx((0.0009773320360819107, 0.0002943842676963403), rel=1e-3)


def test_features_that_are_always_0_and_those_of_other_units_change_nothing():
    x, y, _ = correlated()
    units = np.array([1000.0, 1, 1e-6, 1, 7, 1])
    assert physics.kpd(x * units, y * units, 500) == pytest.approx(physics.kpd(x, y, 500))
    nothing = [np.c_[one, np.zeros(len(one))] for one in (x, y)]
    assert physics.fpd(*nothing, 500, 1000) == pytest.approx(physics.fpd(x, y, 500, 1000))


def test_of_few_showers_as_many_are_drawn_as_there_are():
    x, y, _ = (one[:100] for one in correlated())
    assert physics.fpd(x, y) == physics.fpd(x, y, 40, 100)
    assert physics.kpd(x, y) == physics.kpd(x, y, 100)


def some(count=300, seed=0, width=0.6, response=80.0):
    """Showers in made-up Gaussian columns, of counted particles: they are told apart by their width and response."""
    rng = np.random.default_rng(seed)
    energy, impact = 10 ** rng.uniform(1, 2, count), rng.uniform(-0.5, 0.5, (count, 2))
    places = np.arange(16) / 2 - 3.75
    down, across = (np.exp(-((places - impact[:, axis, None]) ** 2) / (2 * width**2)) for axis in (1, 0))
    shape = down[:, :, None] * across[:, None, :]
    shape *= response * energy[:, None, None] / shape.sum(axis=(1, 2), keepdims=True)
    layers = shape[:, None] * np.array([0.3, 0.4, 0.3])[:, None, None]
    return Showers(rng.poisson(layers).astype(np.float32), energy, impact)


def test_classifiers_tell_other_showers_and_not_those_of_the_same_kind():
    reals, alike, wider = some(), some(seed=1), some(seed=2, width=0.75)
    state = torch.random.get_rng_state()
    same, other = (physics.compare_showers("auc", reals, one, seed=0) for one in (alike, wider))
    for name in ("auc_observables", "auc_images"):
        assert same[name][0] == pytest.approx(0.5, abs=0.12), name
        assert other[name][0] > 0.95, name
    assert torch.equal(state, torch.random.get_rng_state())


def test_observables_are_compared_with_those_of_the_reals():
    reals, others = some(), some(seed=1)
    found = {one.name: one for one in physics.compare_observables(reals, others, reals)}
    assert list(found) == ["separation", "response", "resolution", "hits", "impact", "correlation"]
    assert [found[name].value for name in found] == [0, 0, 1, 0, 0, 0]
    assert found["response"].floor < 0.01
    assert found["impact"].floor < 0.01

    louder = some(seed=2, response=100.0)
    moved = louder._replace(impact=-louder.impact)
    found = {one.name: one for one in physics.compare_observables(moved, others, reals)}
    assert found["response"].value == pytest.approx(0.25, abs=0.01)
    assert found["impact"].value == pytest.approx(2, abs=0.05)
    assert found["separation"].details["separations"]["response"] == pytest.approx([1, 0.02], abs=0.02)
    assert found["response"].details["bins"]["generated"]["response"] == pytest.approx([100] * 5, rel=0.01)
    whole = louder._replace(impact=None)  # as of a generator that knows energies only
    assert "impact" not in {one.name for one in physics.compare_observables(whole, others, reals)}


def test_tables_hold_every_observable_and_every_bin():
    separations, bins = observable_tables(physics.compare_observables(some(), some(seed=1), some()))
    assert [line.split()[0] for line in separations[1:4]] == ["longitudinal", "radial", "cell"]
    assert len(bins) == 6
    assert all("GeV" in line and "%" in line for line in bins[1:])


class Remembering(progan.Generator):
    """A generator in name, which shows a data set's own image of the energy that it is told."""

    def __init__(self, dataset, names=("energy", "impact_x", "impact_y")):
        super().__init__(16, z_dim=1, label_dim=len(names), label_kind="vector", fmap_base=16, fmap_max=1)
        everything = np.arange(len(dataset))
        self.images = torch.from_numpy(dataset.read(everything, 16)).float() / 127.5 - 1
        self.energies = torch.from_numpy(dataset.labels("energy"))[:, 0]

    def forward(self, z, labels=None, resolution=None, alpha=1.0):
        return self.images[(labels[:, :1] - self.energies).abs().argmin(dim=1)]


@pytest.fixture(scope="module")
def cascades(tmp_path_factory):
    """64 showers of 16 x 16 cells."""
    return open_dataset("calorimeter", count=64, resolution=16, cache=tmp_path_factory.mktemp("cache"), quiet=True)


def test_a_generator_is_judged_by_the_energies_that_it_was_told(cascades):
    settings = {"cond": "electron", "quiet": True}
    evaluator = Evaluator(cascades, ("observables", "kpd"), 22, **settings)
    found = {result.name: result for result in evaluator.evaluate(Remembering(cascades))}
    assert list(found) == ["separation", "response", "resolution", "hits", "impact", "correlation", "kpd"]
    assert found["response"].value < 0.1
    assert found["impact"].value < 0.02
    responses = [value for value in found["response"].details["bins"]["generated"]["response"] if value is not None]
    assert responses == pytest.approx([84] * len(responses), rel=0.06)  # 18 % / sqrt(E) of few showers
    dark = {result.name: result.value for result in evaluator.evaluate(Blank(cascades))}
    assert dark["response"] == pytest.approx(1)
    assert dark["kpd"] > 10 * found["kpd"].value

    evaluator = Evaluator(cascades, ("observables",), 22, **settings | {"cond": "energy"})
    found = [result.name for result in evaluator.evaluate(Remembering(cascades, ("energy",)))]
    assert "impact" not in found
    assert [result.name for result in evaluator.blurred()] == found


class Blank(Remembering):
    """Nothing, whatever is asked for."""

    def forward(self, z, labels=None, resolution=None, alpha=1.0):
        return torch.full((len(z), 3, 16, 16), -1.0)


@pytest.mark.parametrize("name", ["observables", "fpd", "kpd", "auc"])
def test_metrics_of_showers_are_refused_for_other_data(faces, cascades, name):
    with pytest.raises(InputError, match=rf"^--metrics {name}: [^\n]*leave it out"):
        Evaluator(faces, (name,), 20)
    with pytest.raises(InputError, match=rf"^--metrics {name}: [^\n]*labels$"):
        Evaluator(cascades, (name,), 20, quiet=True).evaluate(progan.Generator(16, z_dim=1, fmap_base=16, fmap_max=1))


@pytest.mark.parametrize("name", ["flatness", "intact", "siblings", "attributes", "mixing"])
def test_metrics_of_pictures_are_refused_for_showers(cascades, name):
    with pytest.raises(InputError, match=rf"^--metrics {name}: [^\n]*leave it out"):
        Evaluator(cascades, (name,), 20)
