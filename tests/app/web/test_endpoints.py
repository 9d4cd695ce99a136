"""The served app, through gradio_client and plain HTTP: its endpoints, its sentences, and what must not get through."""

import base64
import functools
import io
import json
import re
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import httpx
import numpy as np
import pytest
from PIL import Image

from app.web.files import new_folder
from app.web.pages.interpolation import LONGEST_WAIT
from stylegrow.rendering import figures
from tests.app.asking import ask, connect
from tests.small_models import CREDIT, close

DOCUMENTED = {
    "/models", "/model_info", "/generate", "/style_mix", "/mix_pair", "/truncation_strip", "/noise_difference",
    "/noise_detail", "/noise_parts", "/edit", "/children", "/directions_strip", "/fade_in", "/stages", "/interpolate",
    "/project", "/runs", "/run_stats", "/run_snapshot",
    "/game_new", "/game_answer", "/game_standing", "/game_stats", "/game_csv", "/game_reset", "/leaderboard",
    "/leaderboard_join", "/leaderboard_return", "/leaderboard_leave",
}  # fmt: skip
LOOK = {"psi": 0.7, "label": None}
GENERATE = {
    "seeds": "0-1", "psi": 0.7, "cutoff": 18, "noise_mode": "const", "noise_seed": 0, "label": None, "z_limit": 4,
    "stage": 9, "alpha": 1, "size": "own", "format": "png", "model": "style",
}  # fmt: skip
INTERPOLATE = {
    "keys": "0-1", "frames": 8, "fps": 24, "loop": False, "ping_pong": False, "space": "w", "easing": "linear",
    "also": "nothing", "psi": 0.7, "label": None, "model": "style",
}  # fmt: skip
CALLS = {
    "generate": GENERATE,
    "style_mix": {"rows": "0-1", "cols": "2", "layers": "coarse", **LOOK, "model": "style"},
    "mix_pair": {"a": 1, "b": 2, "layers": "0-3", **LOOK, "model": "style"},
    "truncation_strip": {"seeds": "0", "psis": "1,0", "label": None, "model": "style"},
    "noise_detail": {"seeds": "0", "draws": 2, **LOOK, "model": "style"},
    "noise_parts": {"seeds": "0", **LOOK, "model": "style"},
    "noise_difference": {"seeds": "0", **LOOK, "model": "style"},
    "edit": {"seed": 3, "amounts": "PCA 1:2,SeFa coarse 1:-1.5", **LOOK, "model": "style"},
    "children": {"seed": 3, "amounts": "PCA 1:2", "draw": 1, **LOOK, "model": "style"},
    "directions_strip": {"seed": 3, "amounts": "PCA 2:1", **LOOK, "model": "style"},
    "fade_in": {"seed": 0, "stage": 3, "alpha": 0.5, **LOOK, "model": "style"},
    "stages": {"seeds": "0", **LOOK, "model": "style"},
    "interpolate": INTERPOLATE,
    "model_info": {"model": "style"},
}
SEED = "Seed must be a whole number from 0 to 4294967295."


@pytest.fixture(scope="module")
def client(app):
    """A visitor's client."""
    return connect(app.url)


def call(client, name, **changes):
    return client.predict(api_name=f"/{name}", **(CALLS[name] | changes))


def refused(app, name, **changes):
    """What an endpoint says when it does not do what it was asked."""
    done, said = ask(app.url, name, list((CALLS[name] | changes).values()))
    assert not done
    return said


def drawn(path):
    """The picture of a file, as an array [H, W, C]."""
    with Image.open(path) as image:
        array = np.asarray(image)
    return array if array.ndim == 3 else array[..., None]


def parameters(path):
    with Image.open(path) as image:
        return json.loads(image.text["parameters"]), image.text.get("Source")


def test_the_endpoints_are_those_that_are_documented(client, app):
    named = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert set(named) == DOCUMENTED
    config = httpx.get(f"{app.url}/config").text
    for name, about in named.items():
        for side in ("parameters", "returns"):
            assert not [
                one["label"] for one in about[side] if re.fullmatch(r"(value_\d+|parameter_\d+)?", one["label"])
            ]
        parameters = ", ".join(one["parameter_name"] for one in about["parameters"])
        assert f"{name}({parameters})" in config  # in About's table
        assert "Literal[]" not in str(about)


def test_models_tell_what_there_is(client):
    listed = client.predict(api_name="/models")
    assert [one["name"] for one in listed] == ["style", "classes", "growing", "silent", "one-style", "run"]
    info = call(client, "model_info", model="classes")
    assert (info["resolution"], info["classes"], info["generator"]["label_dim"]) == (16, ["cat", "2", "öwl"], 3)


def test_generate_gives_the_pictures_of_the_engine_with_their_story(client, sampler):
    gallery, said = call(client, "generate", seeds="3,7", psi=-0.5, cutoff=4)
    style = sampler("style")
    setting = style.setting(psi=-0.5, cutoff=4)
    assert [one["caption"] for one in gallery] == ["seed 3", "seed 7"]
    assert close([drawn(one["image"]) for one in gallery], list(style.images([3, 7], setting)))
    facts, credit = parameters(gallery[1]["image"])
    assert (facts["seed"], facts["psi"], facts["cutoff"], facts["weights"]) == (7, -0.5, 4, style.weights)
    assert credit == CREDIT
    assert said["message"].startswith("Generated 2 images in ")
    assert said["pictures"][0]["seed"] == 3
    assert said["alts"][0][1] == "Generated image, seed 3, truncation -0.5, model style"


def test_directions_are_those_of_the_engine(client, sampler):
    style = sampler("style")
    setting, found = style.setting(psi=0.7), style.directions
    amounts = {"PCA 1": 2.0, "SeFa coarse 1": -1.5}
    before, after, _ = call(client, "edit")
    expected = style.along([3, 3], [found.amounts({}), found.amounts(amounts)], setting)
    assert close([drawn(before), drawn(after)], list(expected))
    assert parameters(after)[0]["amounts"] == "PCA 1:2,SeFa coarse 1:-1.5"
    strip, _ = call(client, "directions_strip")
    rows = figures.directions_strip(style, [3], ["PCA 2"], [-3, -2, -1, 0, 1, 2, 3], setting)
    assert close(drawn(strip)[None], np.asarray(rows.image)[None])


def test_children_are_edits_and_their_draw_repeats_them(client):
    gallery, _ = call(client, "children")
    again, _ = call(client, "children")
    other, _ = call(client, "children", draw=2)
    assert len(gallery) == 8
    images = [[drawn(one["image"]) for one in family] for family in (gallery, again, other)]
    assert np.array_equal(images[0], images[1])
    assert not np.array_equal(images[0], images[2])
    text = parameters(gallery[4]["image"])[0]["amounts"]
    _, after, _ = call(client, "edit", amounts=text)
    assert close(drawn(after)[None], images[0][4][None])


def test_sizes_and_formats(client, sampler):
    gallery, _ = call(client, "generate", seeds="3", size="128", format="jpeg")
    with Image.open(gallery[0]["image"]) as image:
        assert (image.format, image.size) == ("JPEG", (128, 128))
        assert '"seed": 3' in image.getexif()[0x010E]


def test_generate_with_what_only_some_models_have(client, sampler):
    classes = sampler("classes")
    for label in ("2", "öwl"):
        gallery, _ = call(client, "generate", seeds="5", label=label, model="classes")
        assert close(drawn(gallery[0]["image"])[None], list(classes.images([5], classes.setting(label=label))))
    gallery, _ = call(client, "generate", seeds="5", model="run", psi=0.2, noise_mode="random")
    assert close(drawn(gallery[0]["image"])[None], list(sampler("run").images([5], sampler("run").setting())))
    style = sampler("style")
    gallery, _ = call(client, "generate", seeds="5", noise_mode="random", noise_seed=9)
    expected = style.images([5], style.setting(noise="random", noise_seed=9))
    assert close(drawn(gallery[0]["image"])[None], list(expected))


def test_a_progan_has_stages_and_a_truncation_of_its_own(client, sampler):
    run = sampler("run")
    gallery, said = call(client, "generate", seeds="5", model="run", z_limit=0.5, stage=2, alpha=0.25)
    expected = run.images([5], run.setting(z_limit=0.5, resolution=8, alpha=0.25))
    assert close(drawn(gallery[0]["image"])[None], list(expected))
    facts, _ = parameters(gallery[0]["image"])
    assert (facts["z_limit"], facts["resolution"], facts["alpha"]) == (0.5, 8, 0.25)
    assert said["alts"][0][1] == "Generated image, seed 5, stage 8 px, alpha 0.25, model run"
    style = sampler("style")
    gallery, _ = call(client, "generate", seeds="5", z_limit=0.5)
    assert close(drawn(gallery[0]["image"])[None], list(style.images([5], style.setting())))


def test_a_model_that_grows_is_drawn_as_far_as_it_has_grown(client, sampler):
    growing = sampler("growing")
    gallery, _ = call(client, "generate", seeds="5", model="growing")
    assert close(drawn(gallery[0]["image"])[None], list(growing.images([5], growing.setting())))


def test_mixing(client, sampler):
    style = sampler("style")
    path, said = call(client, "mix_pair")
    assert close(drawn(path), next(style.mixed([1], [2], range(4), style.setting())))
    assert said["message"] == "Seed 1 with layers 0-3 of seed 2."
    assert parameters(path)[0]["styles"] == [0, 1, 2, 3]
    path, said = call(client, "mix_pair", layers="")
    assert close(drawn(path), next(style.images([1], style.setting())))
    path, mixes, said = call(client, "style_mix", rows="0-1", cols="2-4", layers="5")
    facts, _ = parameters(path)
    assert (facts["rows"], facts["columns"], facts["styles"]) == ([0, 1], [2, 3, 4], [5])
    shown = mixes["value"] if isinstance(mixes, dict) else mixes
    assert [one["caption"] for one in shown] == ["0 + 2", "0 + 3", "0 + 4", "1 + 2", "1 + 3", "1 + 4"]
    assert len(said["alts"]) == 6
    facts, _ = parameters(shown[5]["image"])
    assert (facts["seed"], facts["styles_from"], facts["styles"]) == (1, 4, [5])
    expected = np.asarray(next(style.mixed([1], [4], [5], style.setting()))).repeat(2, 0).repeat(2, 1)
    assert close(drawn(shown[5]["image"]), expected)  # 64 px, at 128 in the figure


@pytest.mark.parametrize("name", ["truncation_strip", "noise_difference", "noise_detail", "noise_parts", "stages"])
def test_figures_say_how_they_were_made(client, name):
    path, said = call(client, name)
    facts, credit = parameters(path)
    assert (facts["seeds"], credit) == ([0], CREDIT)
    assert said["message"].startswith("Drew ")
    assert said["alts"][0][1]


def test_growth_shows_before_now_and_after(client, sampler):
    style = sampler("style")
    gallery, _ = call(client, "fade_in", alpha=0.25)
    assert [one["caption"] for one in gallery] == ["before", "alpha 0.25", "after"]
    for one, alpha in zip(gallery, (0, 0.25, 1), strict=True):
        setting = style.setting(resolution=16, alpha=alpha)
        assert close(drawn(one["image"]), next(style.growing.images([0], setting)))


@pytest.fixture
def from_8_px(app):
    """ "style", as a model that was trained from 8 px on."""
    card, sampler = app.models.card("style"), app.models.sampler("style")
    vars(card)["first_stage"] = sampler.first_stage = sampler.growing.first_stage = 8
    yield
    vars(card)["first_stage"] = sampler.first_stage = sampler.growing.first_stage = 4


def test_growth_leaves_out_the_stages_before_training_began(app, client, from_8_px):
    style = app.models.sampler("style")
    path, said = call(client, "stages")
    figure = figures.stages(style.growing, [0], style.setting())
    assert len(figure.lefts) == 4
    assert close(drawn(path), np.asarray(figure.image))
    assert said["alts"][0][1].startswith("Seeds 0 from 8 to 64 px")
    assert said["message"].startswith("Drew 4 images")
    said = refused(app, "fade_in", stage=1)
    assert 'Training of "style" began at 8 px, which is stage 2; choose that or more.' in said
    gallery, said = call(client, "fade_in", stage=2)
    whole = next(style.growing.images([0], style.setting(resolution=8, alpha=1.0)))
    assert all(close(drawn(one["image"]), whole) for one in gallery)
    assert said["message"].startswith("8 by 8 px, the first that was trained")
    gallery, _ = call(client, "fade_in", stage=3, alpha=0.25)
    assert not close(drawn(gallery[0]["image"]), drawn(gallery[2]["image"]))
    assert "which is stage 2; choose that or more." in refused(app, "generate", stage=1)


def test_a_video_and_what_comes_with_it(client, sampler):
    video, image, other, said = call(client, "interpolate", also="frames")
    video = video["video"] if isinstance(video, dict) else video
    assert image is None
    with av.open(video) as opened:
        stream = opened.streams.video[0]
        assert (stream.codec_context.name, sum(1 for _ in opened.decode(video=0))) == ("h264", 9)
        assert (stream.width, stream.height) == (256, 256)
    assert said["message"].startswith("A video of 9 frames in ")
    other = other["value"] if isinstance(other, dict) else other
    with zipfile.ZipFile(other) as archive:
        assert archive.namelist() == [f"frame{index:04d}.png" for index in range(9)]
        style = sampler("style")
        assert close(drawn(archive.open("frame0008.png")), next(style.images([1], style.setting())))
    for also in ("gif", "webp"):
        *_, other, _ = call(client, "interpolate", also=also, ping_pong=True, easing="spline")
        other = other["value"] if isinstance(other, dict) else other
        with Image.open(other) as image:
            assert image.n_frames > 8


@pytest.mark.parametrize(
    ("name", "changes", "text"),
    [
        ("generate", {"seeds": ""}, SEED),
        ("generate", {"seeds": "-1"}, f'{SEED} You gave "-1".'),
        ("generate", {"seeds": "x"}, f'{SEED} You gave "x".'),
        ("fade_in", {"seed": 1.5}, f'{SEED} You gave "1.5".'),
        ("fade_in", {"seed": None}, SEED),
        ("mix_pair", {"a": 2**32}, f"{SEED} You gave "),
        ("generate", {"seeds": "5-"}, 'Could not read "5-": write seeds like 1,4,10-15 (at most 64).'),
        ("style_mix", {"rows": "0-9"}, "Seeds '0-9': these are 10 seeds; give at most 6."),
        ("truncation_strip", {"psis": "1,5"}, "Truncation must be between -1 and 2."),
        ("truncation_strip", {"psis": "x"}, 'Could not read "x": write numbers like 1,.7,0,-1 (at most 12).'),
        (
            "interpolate",
            {"keys": "0-19", "frames": 120, "loop": True},
            "This video would have 2400 frames; the limit here is 240. Use fewer seeds or fewer frames per step.",
        ),
        ("interpolate", {"keys": "3"}, "Give at least 2 seeds"),
        ("style_mix", {"model": "run"}, 'Style mixing needs a StyleGAN model; "run" is a ProGAN.'),
        ("mix_pair", {"model": "run"}, 'Style mixing needs a StyleGAN model; "run" is a ProGAN.'),
        ("truncation_strip", {"model": "run"}, 'Truncation needs a StyleGAN model; "run" is a ProGAN.'),
        ("noise_detail", {"model": "run"}, 'Noise needs a StyleGAN model; "run" is a ProGAN.'),
        ("noise_parts", {"model": "silent"}, "was trained without noise"),
        ("mix_pair", {"model": "one-style"}, "was trained without"),
        ("edit", {"amounts": "PCA 1:4"}, 'Could not read "PCA 1:4": write directions and amounts from -3 to 3'),
        ("edit", {"amounts": "nose:1"}, "the model has PCA 1"),
        ("edit", {"model": "run"}, 'Moving along directions needs a StyleGAN model; "run" is a ProGAN.'),
        ("children", {"draw": 0.5}, "Draw must be a whole number from 0 to"),
        ("mix_pair", {"layers": "12"}, "the network has 10 layers here"),
        ("mix_pair", {"layers": "some"}, 'Could not read "some": give coarse, middle or fine, or layers like 0-3'),
        ("fade_in", {"stage": 9}, "greater than maximum"),
        ("fade_in", {"stage": 4, "model": "classes"}, '"classes" has 3 stages, of 4 to 16 px.'),
        ("generate", {"label": "dog", "model": "classes"}, "give one of cat, 2, öwl"),
        ("generate", {"label": "dog"}, '"style" has no classes; leave the class empty.'),
        ("generate", {"model": "nobody"}, "nobody is not in the list of choices"),
        ("generate", {"model": "../style"}, "../style is not in the list of choices"),
        ("generate", {"size": "9999"}, "9999"),
        ("truncation_strip", {"seeds": "0-7", "psis": "0,.1,.2,.3,.4,.5,.6,.7,.8"}, "These are 72 pictures"),
    ],
)
def test_what_cannot_be_is_said_and_leaves_no_trace_in_the_log(app, capfd, name, changes, text):
    assert text in refused(app, name, **changes)
    assert "Traceback" not in capfd.readouterr().err


def test_every_function_with_inputs_has_a_validator(app):
    functions = [one for one in app.demo.fns.values() if one.fn is not None and one.inputs]
    assert len(functions) > 20
    assert [one.name for one in functions if one.validator is None] == []


def test_all_that_draws_waits_in_one_line(app):
    lines = {one.api_name: (one.concurrency_id, one.concurrency_limit) for one in app.demo.fns.values()}
    for name in (f"/{name}" for name in CALLS if name != "model_info"):
        assert lines[name[1:]] == ("gpu", 1)


def test_two_visitors_see_only_their_own(app):
    clients = [connect(app.url) for _ in range(2)]

    def visit(number):
        seen = []
        for turn in range(3):
            seed = 100 * number + turn
            gallery, said = call(clients[number], "generate", seeds=str(seed), psi=0.5 + number / 10)
            facts, _ = parameters(gallery[0]["image"])
            seen.append((facts["seed"], facts["psi"], said["pictures"][0]["seed"]))
        return seen

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(visit, range(2)))
    for number, seen in enumerate(found):
        assert seen == [(100 * number + turn, 0.5 + number / 10, 100 * number + turn) for turn in range(3)]


def test_many_at_once_are_all_served(app):
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda seed: ask(app.url, "mix_pair", [seed, 1, "coarse", 0.7, None, "style"]), range(8)))
    assert all(one for one, _ in done)


@pytest.mark.parametrize("path", ["/etc/passwd", "app/server.py", "requirements.txt"])
def test_only_what_was_made_is_served(app, path):
    assert httpx.get(f"{app.url}/gradio_api/file={path}").status_code in (403, 404)
    assert httpx.get(f"{app.url}/gradio_api/file={Path(path).absolute()}").status_code in (403, 404)


def test_nothing_of_the_server_is_told_by_its_pages(app):
    assert httpx.get(f"{app.url}/monitoring").status_code in (403, 404)
    assert str(app.models.cards["style"].folder) not in httpx.get(f"{app.url}/config").text


def test_the_folders_of_files_are_nobody_elses(tmp_path):
    folder = new_folder(tmp_path)
    assert folder.stat().st_mode & 0o77 == 0
    assert len(folder.name) == 32
    assert LONGEST_WAIT < 1


def test_a_video_can_be_stopped(app):
    client = connect(app.url)
    job = client.submit(api_name="/interpolate", **(INTERPOLATE | {"keys": "0-1", "frames": 120, "loop": True}))
    job.cancel()
    assert ask(app.url, "mix_pair", list(CALLS["mix_pair"].values()))[0]  # the line is free again


def test_what_moves_is_drawn_past_the_line_and_checked_as_all_else(app, sampler):
    style = sampler("style")
    ask_live = functools.partial(httpx.post, f"{app.url}/live/mix")
    answer = ask_live(json=[1, 2, "0-3", 0.5, None, "style"])
    [[selector, index, url]] = answer.json()
    expected = io.BytesIO()
    Image.fromarray(next(style.mixed([1], [2], range(4), style.setting(psi=0.5)))).save(expected, "JPEG", quality=90)
    given = io.BytesIO(base64.b64decode(url.removeprefix("data:image/jpeg;base64,")))
    assert (selector, index) == ("#mixed img", 0)
    assert np.abs(drawn(given).astype(float) - drawn(expected)).mean() < 1
    for values in ([1, 2, "0-3", 9, None, "style"], [1], {}, "x", [[]] * 6, [1, 2, "0-3", 0.5, None, "run"]):
        assert ask_live(json=values).status_code == 422
    assert ask_live(content=b"[" * 5000).status_code == 422
    assert httpx.post(f"{app.url}/live/nothing", json=[]).status_code == 404
