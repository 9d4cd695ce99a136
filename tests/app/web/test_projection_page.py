"""The page of a visitor's own picture: projected, shown while it is, cancelled, kept, and used."""

import numpy as np
import pytest
from gradio_client import handle_file
from PIL import Image

from tests.app.asking import ask, connect
from tests.app.browsing import drawn, expect, tab
from tests.small_models import close


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    path = tmp_path_factory.mktemp("own") / "me.png"
    Image.fromarray(np.random.RandomState(0).randint(0, 256, (64, 90, 3)).astype(np.uint8)).save(path)
    return path


@pytest.fixture(scope="module")
def client(app):
    return connect(app.url)


def projected(client, path, **changes):
    asked = {"picture": handle_file(str(path)), "space": "w+", "steps": 10, "label": None, "model": "style"}
    return client.predict(api_name="/project", **(asked | changes))


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image.resize((64, 64), Image.Resampling.NEAREST))


def test_a_picture_becomes_a_latent_that_draws_what_is_shown(client, sampler, picture):
    _, original, result, latent, said = projected(client, picture)
    with Image.open(picture) as image:
        assert close(pixels(original), image.crop((13, 0, 77, 64)))
    style = sampler("style")
    (own,) = style.read_latents(latent, "")
    image = pixels(result)
    assert close(image, next(style.images([own], style.setting())))
    assert "latent" in said["message"]
    assert close(pixels(projected(client, latent)[2]), image)  # the latent itself is read too


def test_what_cannot_be_projected_is_a_sentence(client, app, tmp_path, picture):
    (tmp_path / "words.png").write_text("words")
    (tmp_path / "words.npz").write_text("words")
    for path, changes, words in (
        (tmp_path / "words.png", {}, "not an image"),
        (tmp_path / "words.npz", {}, "no file of latents"),
        (picture, {"model": "run"}, "needs a StyleGAN"),
        (picture, {"steps": 9}, ""),
        (picture, {"space": "z"}, ""),
    ):
        with pytest.raises(Exception, match=words):
            projected(client, path, **changes)
    for nothing in (None, {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}, 3, ["a"]):
        assert not ask(app.url, "project", [nothing, "w+", 10, None, "style"])[0]


def test_the_page_projects_cancels_and_uses_what_it_found(visit, picture):
    page = visit(width=390, height=844)
    tab(page, "Your picture")
    places = [page.locator(name).bounding_box()["y"] for name in ("#own-upload", "#project", "#own-original")]
    assert places == sorted(places)  # what is to be done stands first
    expect(page.locator("#own-mix")).to_be_hidden()  # there is nothing to mix yet
    page.locator("#own-upload input[type=file]").set_input_files(str(picture))
    expect(page.locator("#own-upload")).to_contain_text("me")
    page.get_by_role("button", name="Advanced").filter(visible=True).click()
    page.get_by_label("number input for Steps").filter(visible=True).fill("500")
    page.locator("#project").click()
    expect(page.locator("#project-way progress")).to_be_visible()
    drawn(page, "#own-projected img")  # while it is on its way
    page.locator("#project-cancel").click()
    expect(page.locator("#said")).to_have_text("Cancelled.")
    expect(page.locator("#project-way progress")).to_have_count(0)
    page.get_by_label("number input for Steps").filter(visible=True).fill("10")
    page.locator("#project").click()
    expect(page.locator("#said")).to_contain_text("Found the latent")
    for button, made in (("#own-mix", "#own-mixes img"), ("#own-move", "#own-video video")):
        page.locator(button).click()
        expect(page.locator(made)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
