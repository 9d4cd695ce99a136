"""The app with a model of label vectors: its sliders, and what it draws with them."""

import json
import re
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from app.web.pages.controls import slider_ranges
from stylegrow.models import read_config, save_model
from stylegrow.models.labels import LabelSpace
from stylegrow.sampling.sampler import Sampler
from tests.app.asking import connect
from tests.app.browsing import PATIENCE, drawn, expect
from tests.app.serving import serving
from tests.small_models import close, style

VECTOR = {"label_dim": 3, "label_kind": "vector", "label_mean": [0.254, 500, 0.5], "label_deviation": [0.5, 300, 0.5]}
VALUES = {"min": [-0.5, 0.0, 0.0], "max": [1.0, 1000.0, 1.0], "examples": [[-0.5, 1000.0, 0.0], [1.0, 0.0, 1.0]]}
GENERATE = {
    "seeds": "3", "psi": 1, "cutoff": 18, "noise_mode": "const", "noise_seed": 0, "label": None, "z_limit": 4,
    "stage": 9, "alpha": 1, "size": "own", "format": "png", "model": "showers",
}  # fmt: skip


@pytest.fixture(scope="module")
def vectors(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vectors") / "showers"
    save_model(folder, style(16, **VECTOR), classes=["angle", "energy", "hat"], label_values=VALUES)
    return folder


@pytest.fixture(scope="module")
def served(models, vectors, tmp_path_factory):
    """An app that has a model of vectors beside others, and shows it first."""
    with serving(models, tmp_path_factory.mktemp("served"), (str(vectors), "classes", "run")) as app:
        yield app


@pytest.fixture(scope="module")
def client(served):
    return connect(served.url)


def test_a_slider_a_component_has_the_range_of_the_data(vectors):
    angle, energy, hat = slider_ranges(LabelSpace.of(read_config(vectors)))
    assert (angle["label"], angle["minimum"], angle["maximum"], angle["step"]) == ("angle", -0.5, 1, 0.01)
    assert angle["value"] == pytest.approx(0.25)
    assert (energy["maximum"], energy["step"], energy["value"]) == (1000, 10, 500)
    assert (hat["minimum"], hat["maximum"], hat["step"]) == (0, 1, 1)


def test_a_slider_goes_in_round_numbers_and_names_the_unit(vectors):
    space = LabelSpace.of(read_config(vectors))
    drawn = replace(space, least=(-0.4988, 10.057, 0.0), most=(0.49655, 99.58, 1.0), units=("R_M", "GeV", ""))
    angle, energy, hat = slider_ranges(drawn)
    assert (angle["label"], angle["minimum"], angle["maximum"], angle["step"]) == ("angle (R_M)", -0.499, 0.497, 0.001)
    assert (energy["label"], energy["minimum"], energy["maximum"], energy["step"]) == ("energy (GeV)", 10, 99.6, 0.1)
    assert hat["label"] == "hat"


@pytest.mark.parametrize("label", ["-0.5,200,1", "energy:200,angle:-0.5,hat:1", None])
def test_pictures_of_a_label(client, vectors, label):
    gallery, _ = client.predict(api_name="/generate", **(GENERATE | {"label": label}))
    sampler = Sampler(str(vectors), "cpu")
    with Image.open(gallery[0]["image"]) as image:
        assert close(np.asarray(image), next(sampler.images([3], sampler.setting(label=label))))
        given = json.loads(image.text["parameters"])["class"]
    assert (
        given == "angle:-0.5,energy:200,hat:1"
        if label
        else given in sampler.text(sampler.setting(), seed=3)["parameters"]
    )


def test_a_label_that_does_not_fit_is_a_sentence(client):
    for label, said in (("1,2", "2 of 3 values"), ("mass:1", "angle, energy, hat")):
        with pytest.raises(Exception, match=said):
            client.predict(api_name="/generate", **(GENERATE | {"label": label}))


def test_sliders_write_the_label_and_are_those_of_the_model(browser, served):
    page = browser.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(f"{served.url}/?tab=generate&seeds=3")
    drawn(page, "#pictures img")
    panel = page.get_by_role("tabpanel").filter(visible=True)
    panel.get_by_label("number input for energy").fill("200")
    panel.get_by_label("number input for energy").press("Tab")
    expect(panel.get_by_label("Label", exact=True)).to_have_value(re.compile("^0.25\\d*,200,"))
    page.locator("#generate").click()
    page.locator("#pictures button.thumbnail-item").first.click()
    expect(page.get_by_text("energy:200")).to_be_visible()
    page.close()


def test_a_video_goes_from_label_to_label(browser, served, tmp_path):
    page = browser.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(f"{served.url}/?tab=video&keys=3,3&frames=8")
    panel = page.get_by_role("tabpanel").filter(visible=True)
    expect(panel.get_by_label("Seeds")).to_have_value("3,3")  # the link has been followed
    panel.get_by_label("Label", exact=True).fill("0,0,0")
    panel.get_by_label("Label", exact=True).press("Enter")
    panel.get_by_label("Label at the last seed").fill("1,1000,1")
    page.locator("#make-video").click()
    page.wait_for_function("document.querySelector('video')?.readyState >= 2")
    newest = max(Path(served.files).rglob("interpolate.mp4"), key=lambda path: path.stat().st_mtime)
    with av.open(str(newest)) as video:
        facts = json.loads(video.metadata["comment"])
    assert (facts["class"], facts["to_class"], facts["space"]) == ("angle:0,energy:0,hat:0", "1,1000,1", "z")
    page.close()
