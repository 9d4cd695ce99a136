"""The game over HTTP: its endpoints, what they say, and that nothing tells the truth before the answer."""

import io
import json
import logging
import re
import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import stylegan
from app.game.rules import LETTERS, MODES
from app.game.wording import KNOWN_LIMIT
from app.web.discretion import SHOWN
from stylegrow.models import save_model
from tests.app.asking import ask, connect
from tests.small_models import style

OVER = "That round is over; press Next."
REALS = 20
NEW = {"mode": "pair", "difficulty": "normal", "rounds": "endless", "thumbnails": False, "model": "judged"}
ENDPOINTS = {
    "game_new": 5, "game_answer": 3, "game_standing": 0, "game_stats": 1, "game_csv": 0, "game_reset": 1,
    "leaderboard": 3, "leaderboard_join": 1, "leaderboard_return": 1, "leaderboard_leave": 0,
}  # fmt: skip


@dataclass(frozen=True)
class App:
    url: str
    demo: Any
    http: httpx.Client


@pytest.fixture(scope="module")
def app(models, tmp_path_factory):
    """A served game of two models, one with a critic; its real pictures are white, and no generated one is."""
    from app.web.models import Models
    from app.web.options import Serve
    from app.web.server import build_app, launch

    folder = tmp_path_factory.mktemp("game")
    critic = stylegan.Discriminator(16, fmap_base=64, fmap_max=8)
    save_model(folder / "judged", style(16), critic)
    (folder / "SECRET-REALS").mkdir()
    for number in range(REALS):
        Image.new("RGB", (16, 16), (255, 255, 255 - number)).save(folder / "SECRET-REALS" / f"{number}.jpg")
    (folder / "files").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder / "files"))
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setattr("app.game.anti_cheat.SMALLEST_SHOWN", 64)
        patch.setattr("app.game.game.QUICKEST_RANKED", 0.0)
        options = Serve(
            model=(str(folder / "judged"), str(models / "run"), str(models / "style")),
            real_images=str(folder / "SECRET-REALS"),
            leaderboard=str(folder / "board.sqlite"),
            device="cpu",
        )
        demo = build_app(Models(options.model, device="cpu"), options, folder / "files")
        url = launch(demo, options).rstrip("/")
        with httpx.Client(base_url=url, timeout=60) as http:
            yield App(url, demo, http)
        demo.close(verbose=False)


class Player:
    """A visitor with a session of its own, who asks as a page does; Gradio's client would first read all endpoints."""

    def __init__(self, app):
        self.app, self.session = app, secrets.token_hex(5)

    def predict(self, *data, api_name, **named):
        name = api_name.strip("/")
        data = [*data, *named.values()] or (["all"] if name in ("game_stats", "game_reset") else [])
        _, output = streamed(self.app, self.session, number_of(self.app, name), data)
        files = self.app.demo.GRADIO_CACHE
        found = [
            one["path"].replace(SHOWN, files) if isinstance(one, dict) and "path" in one else one for one in output
        ]
        return found if len(found) > 1 else found[0]


@pytest.fixture
def player(app):
    """Makes visitors."""
    return lambda: Player(app)


@pytest.fixture
def client(app):
    """A visitor by Gradio's own client."""
    return connect(app.url, httpx_kwargs={"timeout": 60})


def new_round(client, **changes):
    """A round: the paths of its pictures, its id, and what is asked."""
    *pictures, round_id, status = client.predict(**(NEW | changes), api_name="/game_new")
    return pictures, round_id, status


def answer(client, round_id, choice, confidence=None):
    return client.predict(round_id, choice, confidence, api_name="/game_answer")


def white(picture):
    """Whether a picture, a path or the bytes of a file, is one of the reals."""
    with Image.open(io.BytesIO(picture) if isinstance(picture, bytes) else picture) as image:
        return np.asarray(image).mean() > 240


def truth_of(pictures):
    shown = [white(path) for path in pictures if path]
    if len(shown) == 1:
        return "real" if shown[0] else "generated"
    return LETTERS[shown.index(True)]


def number_of(app, name):
    return next(key for key, fn in app.demo.fns.items() if fn.api_name == name)


def streamed(app, session, number, data):
    """All that the server sends to a page's session about one call, as it is on the wire, and the call's output."""
    body = {"fn_index": number, "data": data, "session_hash": session}
    joined = app.http.post("/gradio_api/queue/join", json=body)
    if joined.status_code != 200:
        raise ValueError(joined.text)
    with app.http.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as stream:
        text = "".join(stream.iter_text())
    messages = [json.loads(line[len("data: ") :]) for line in text.splitlines() if line.startswith("data: ")]
    done = next(message for message in messages if message["msg"] == "process_completed")
    if not done["success"]:
        raise ValueError(text)
    return text, done["output"].get("data")


def new_of(app, session, **changes):
    return streamed(app, session, number_of(app, "game_new"), list((NEW | changes).values()))


@pytest.mark.parametrize(("mode", "count"), [("pair", 2), ("single", 1), ("odd", 4), ("blitz", 2), ("critic", 2)])
def test_every_mode_is_played(player, mode, count):
    client = player()
    for right in (True, False):
        pictures, round_id, status = new_round(client, mode=mode)
        assert [picture is not None for picture in pictures] == [number < count for number in range(4)]
        assert tuple(status["choices"]) == MODES[mode].choices
        truth = truth_of(pictures)
        choice = truth if right else next(one for one in status["choices"] if one != truth)
        result = answer(client, round_id, choice, "think")
        assert (result["right"], result["truth"]) == (right, truth)
        assert result["text"].startswith("Correct - " if right else "Not this time - ")
        assert len(result["captions"]) == len(result["critic"]["scores"]) == count
        for picture, drawn in zip(pictures, result["generated"], strict=False):
            assert white(picture) == (drawn is None)
        assert result["tip"]
    assert client.predict(api_name="/game_standing")["right"] == 1


def test_generated_pictures_can_be_opened_in_generate(client):
    """The seed, psi and model of the answer give the same picture there."""
    pictures, round_id, status = new_round(client, difficulty="hard")
    result = answer(client, round_id, "A")
    place = next(number for number, drawn in enumerate(result["generated"]) if drawn)
    drawn = result["generated"][place]
    assert (drawn["psi"], drawn["label"], status["model"]) == (0.7, None, "judged")
    gallery, _ = client.predict(
        str(drawn["seed"]),
        drawn["psi"],
        18,
        "const",
        0,
        None,
        4,
        9,
        1,
        "own",
        "png",
        status["model"],
        api_name="/generate",
    )
    with Image.open(gallery[0]["image"]) as again, Image.open(pictures[place]) as shown:
        large = np.asarray(again.convert("RGB").resize((64, 64), Image.Resampling.BICUBIC), float)
        assert np.abs(large - np.asarray(shown, float)).mean() < 8  # of 255: JPEG and its disturbance


class TestRules:
    """The rules against cheating on the web; without it they are in test_game_rules.py and test_fair.py."""

    def test_1_the_answer_is_on_the_server_alone(self, app):
        """Not in the page, its configuration, the stream of events, nor what Gradio would save as a link."""
        for _ in range(3):
            session = secrets.token_hex(5)
            text, (*_, round_id, _) = new_of(app, session)
            link = app.http.get("/gradio_api/deep_link", params={"session_hash": session}).text
            page = app.http.get(f"/?deep_link={link}&tab=game").text
            before = [text, page, app.http.get("/config").text, app.http.get("/").text, link]
            before += [path.read_text() for path in Path(app.demo.GRADIO_CACHE).rglob("*.json")]
            _, (result,) = streamed(app, session, number_of(app, "game_answer"), [round_id, "A", None])
            (drawn,) = (one for one in result["generated"] if one)
            for what in before:
                assert str(drawn["seed"]) not in what
                assert result["text"] not in what
                assert "SECRET-REALS" not in what

    def test_1_and_9_a_round_is_told_in_the_same_words_whatever_is_true(self, app):
        """And in no more of them than these."""
        told = {}
        for _ in range(12):
            text, (*pictures, round_id, status) = new_of(app, secrets.token_hex(5))
            assert set(status) == {"model", "question", "alternatives", "choices", "buttons", "standing"}
            assert set(status["standing"]) == {
                *("mode", "difficulty", "level", "length", "number", "answered", "right", "abandoned", "streak"),
                *("critic_right", "seconds_left", "finished", "text"),
            }
            assert re.fullmatch("[0-9a-f]{32}", round_id)
            truth = "AB"[[white(fetched(app, one).content) for one in pictures[:2]].index(True)]
            ids = r"[0-9a-f]{32}"
            timings = r'"(event_id|time_limit|\w*(duration|eta|time))": ?("ID"|[-+.e\d]+|null)'
            told.setdefault(truth, set()).add(re.sub(timings, "", re.sub(ids, "ID", text)))
        assert set(told) == {"A", "B"}
        assert len(told["A"] | told["B"]) == 1

    def test_2_to_6_the_files_of_a_round_differ_in_nothing_but_the_picture(self, app):
        for mode in ("pair", "odd"):
            _, data = new_of(app, secrets.token_hex(5), mode=mode)
            pictures = [one for one in data[:4] if one]
            answers = [fetched(app, one) for one in pictures]
            names = [one["path"].rsplit("/", 1)[1] for one in pictures]
            assert all(re.fullmatch(r"[0-9a-f]{32}\.jpg", name) for name in names)
            assert [one["orig_name"] for one in pictures] == names
            assert [len(one.content) % (16 << 10) for one in answers] == [0] * len(answers)
            headers = []
            for name, one in zip(names, answers, strict=True):
                assert int(one.headers["content-length"]) == len(one.content)
                assert "last-modified" in one.headers
                headers.append({key: value.replace(name, "") for key, value in one.headers.items() if key != "date"})
            assert all(one == headers[0] for one in headers)
            told = [
                {key: value for key, value in one.items() if key not in ("path", "url", "orig_name")}
                for one in pictures
            ]
            assert all(one == told[0] for one in told)
            kinds = set()
            for one in answers:
                with Image.open(io.BytesIO(one.content)) as image:
                    kinds.add((image.format, image.mode, image.size, str(image.info), str(image.quantization)))
            assert len(kinds) == 1

    def test_4_files_of_others_are_not_served(self, app):
        for path in ("SECRET-REALS/0.jpg", "board.sqlite", "judged/config.json"):
            place = Path(app.demo.GRADIO_CACHE).parent / path
            assert place.exists()
            assert app.http.get(f"/gradio_api/file={place}").status_code == 403

    def test_5_every_picture_has_a_new_address_and_other_bytes(self, app):
        session, urls, contents = secrets.token_hex(5), [], []
        for _ in range(REALS + 5):  # so that reals come again
            _, (*pictures, _, _) = new_of(app, session)
            urls += [one["url"] for one in pictures[:2]]
            contents += [fetched(app, one).content for one in pictures[:2]]
        assert len(set(urls)) == len(urls)
        assert len(set(contents)) == len(contents)

    def test_7_the_places_of_pictures_differ_in_their_letters_alone(self, app):
        components = app.http.get("/config").json()["components"]
        seen = []
        for letter in LETTERS:
            (picture,) = (one for one in components if one["props"].get("label") == f"Picture {letter}")
            text = json.dumps({key: value for key, value in picture["props"].items() if key != "_selectable"})
            assert picture["props"]["alt_text"] == f"Picture {letter}"
            assert picture["props"]["buttons"] == ["fullscreen"]
            assert picture["props"].get("value") is None
            seen.append(text.replace(f"Picture {letter}", "Picture"))
            (button,) = (one for one in components if one["props"].get("elem_id") == f"pick-{letter}")
            assert button["props"]["value"] == f"Picture {letter} is real"
        assert len(set(seen)) == 1

    @pytest.mark.parametrize("forged", ["", "0" * 32, "<b>", "x" * 10_000, "../../etc/passwd"])
    def test_8_forged_rounds_are_over(self, player, forged):
        client = player()
        new_round(client)
        with pytest.raises(Exception, match=re.escape(OVER)):
            answer(client, forged, "A")

    def test_8_rounds_of_others_are_over_and_stay_open_for_them(self, player):
        mine, yours = player(), player()
        _, my_round, _ = new_round(mine)
        pictures, your_round, _ = new_round(yours)
        for choice in "AB":
            with pytest.raises(Exception, match=re.escape(OVER)):
                answer(mine, your_round, choice)
            with pytest.raises(Exception, match=re.escape(OVER)):
                answer(player(), my_round, choice)
        assert answer(yours, your_round, truth_of(pictures))["right"]

    def test_8_a_double_click_counts_once_and_a_second_try_is_refused(self, client):
        pictures, round_id, _ = new_round(client)
        wrong = "AB".replace(truth_of(pictures), "")
        with ThreadPoolExecutor(4) as clicks:
            results = list(clicks.map(lambda _: answer(client, round_id, wrong), range(4)))
        assert all(result == results[0] for result in results)
        with pytest.raises(Exception, match=re.escape(OVER)):
            answer(client, round_id, truth_of(pictures))
        assert client.predict(api_name="/game_stats")["n"] == 1

    def test_8_skipping_is_counted_and_the_old_round_over(self, player):
        client = player()
        _, first, _ = new_round(client)
        _, _, status = new_round(client)
        assert status["standing"]["abandoned"] == 1
        with pytest.raises(Exception, match=re.escape(OVER)):
            answer(client, first, "A")
        assert client.predict(api_name="/game_stats")["abandoned"] == 1

    def test_9_nothing_is_kept_or_said_elsewhere(self, app, player, caplog, capfd):
        config = app.http.get("/config").json()
        assert not config.get("run_history")
        assert app.http.get("/monitoring").status_code >= 400
        for fn in app.demo.fns.values():
            assert not hasattr(fn.fn, "cache")
        caplog.set_level(logging.DEBUG)
        client = player()
        for mode in ("pair", "single"):
            pictures, round_id, _ = new_round(client, mode=mode)
            result = answer(client, round_id, truth_of(pictures))
        seeds = [str(drawn["seed"]) for drawn in result["generated"] if drawn]
        said = caplog.text + "".join(capfd.readouterr())
        assert not any(word in said for word in [round_id, result["text"], *seeds])

    def test_9_the_seed_comes_with_the_answer(self, player):
        client = player()
        seeds = []
        for _ in range(4):
            _, round_id, status = new_round(client)
            assert "seed" not in json.dumps(status)
            seeds += [drawn["seed"] for drawn in answer(client, round_id, "A")["generated"] if drawn]
        assert len(set(seeds)) == 4
        assert max(seeds) > 1 << 20  # no counter

    def test_10_the_known_limit_is_stated(self, app):
        assert KNOWN_LIMIT in app.http.get("/config").text


def fetched(app, picture):
    """A picture as a browser gets it."""
    answer = app.http.get(picture["url"])
    answer.raise_for_status()
    return answer


def test_two_visitors_see_only_their_own(player):
    one, other = player(), player()
    for client in (one, other, one):
        pictures, round_id, status = new_round(client, rounds="10")
        answer(client, round_id, truth_of(pictures), "sure")
        assert status["standing"]["number"] == client.predict(api_name="/game_stats")["n"]
    assert [client.predict(api_name="/game_stats")["n"] for client in (one, other)] == [2, 1]
    assert one.predict(api_name="/game_standing")["text"] == "Round 2 of 10: 2 of 2 right."
    one.predict(api_name="/game_reset")
    assert one.predict(api_name="/game_standing") is None
    assert other.predict(api_name="/game_stats")["n"] == 1


def test_statistics_are_of_what_was_played(player):
    client = player()
    for mode, right, confidence in (("pair", True, "sure"), ("pair", False, "guess"), ("odd", True, None)):
        pictures, round_id, status = new_round(client, mode=mode)
        truth = truth_of(pictures)
        answer(client, round_id, truth if right else next(one for one in status["choices"] if one != truth), confidence)
    stats = client.predict(api_name="/game_stats")
    assert (stats["n"], stats["right"], stats["streak"], stats["chance"]) == (
        3,
        2,
        1,
        pytest.approx((0.5 * 2 + 0.25) / 3),
    )
    assert stats["by_confidence"]["sure"]["accuracy"] == 1
    assert stats["by_difficulty"] == {"normal": {name: stats[name] for name in ("n", "right", "accuracy", "interval")}}
    assert client.predict("odd", api_name="/game_stats")["n"] == 1
    names, *lines = client.predict(api_name="/game_csv").splitlines()
    assert names.startswith("round,mode,difficulty,psi")
    assert [line.split(",")[1] for line in lines] == ["pair", "pair", "odd"]


def test_rounds_without_a_session_are_over(app):
    """Plain HTTP without a session is another visitor with each call."""
    done, said = ask(app.url, "game_new", list(NEW.values()))
    assert done
    (round_id,) = re.findall(r'"([0-9a-f]{32})"', said)
    for choice in "AB":
        done, said = ask(app.url, "game_answer", [round_id, choice, None])
        assert not done
        assert OVER in said


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("game_new", [None, "normal", "10", False, "judged"], "Mode must be one of: pair, single, odd, blitz, critic."),
        ("game_new", ["poker", "normal", "10", False, "judged"], "poker"),
        ("game_new", ["pair", None, "10", False, "judged"], "Difficulty must be one of: follow, easy, normal, hard."),
        ("game_new", ["pair", "normal", None, False, "judged"], "Rounds must be one of: 10, 20, endless."),
        ("game_new", ["pair", "normal", float("nan"), False, "judged"], "list of choices"),
        ("game_new", ["pair", "normal", -10, False, "judged"], "list of choices"),
        ("game_new", ["pair", "normal", "10", False, "nobody"], "nobody"),
        ("game_new", ["pair", "normal", "10", False, None], "There is no such model here"),
        (
            "game_new",
            ["pair", "hard", "10", False, "run"],
            'Difficulty hard needs a StyleGAN model or a critic; "run" has neither.',
        ),
        ("game_new", ["critic", "normal", "10", False, "run"], "Beat the critic needs the model's own critic"),
        ("game_answer", [None, "A", None], OVER),
        ("game_answer", [7, "A", None], OVER),
        ("game_answer", [["x"] * 10_000, "A", None], OVER),
        ("game_answer", ["<script>alert(1)</script>", "A", None], OVER),
        ("game_answer", ["0" * 32, None, None], "Choose one of: A, B, C, D, real, generated."),
        ("game_answer", ["0" * 32, {"a": [1]}, None], "Choose one of: A, B, C, D, real, generated."),
        ("game_answer", ["0" * 32, "<b>", None], "Choose one of: A, B, C, D, real, generated."),
        ("game_answer", ["0" * 32, float("nan"), None], "Choose one of: A, B, C, D, real, generated."),
        ("game_answer", ["0" * 32, "A", "certain"], "certain"),
        ("game_stats", ["poker"], "poker"),
        ("game_stats", [None], "Mode must be one of: all, pair, single, odd, blitz, critic."),
        ("leaderboard", ["pair", "normal", "nobody"], "nobody"),
        ("leaderboard_join", [None], "A nickname is a text of at most 1000 characters."),
        ("leaderboard_join", [""], "A nickname is a text of at most 1000 characters."),
        ("leaderboard_join", ["x" * 10**6], "A nickname is a text of at most 1000 characters."),
        ("leaderboard_join", ["x" * 21], "A nickname has 2 to 20 letters, digits, spaces or signs."),
        ("leaderboard_join", ["\u202exx"], "A nickname has 2 to 20 letters, digits, spaces or signs."),
        ("leaderboard_return", [["x"] * 1000], "A key is a text of at most 100 characters."),
        ("leaderboard_return", ["x"], "Nobody on the leaderboard has this token."),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(app, capfd, name, data, said):
    done, answered = ask(app.url, name, data)
    assert not done
    assert said in answered
    assert "Traceback" not in "".join([answered, *capfd.readouterr()])


THINGS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=30)
    | st.sampled_from(["pair", "A", "<b>"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=15, derandomize=True, deadline=None)
@given(data=st.data())
def test_whatever_endpoints_are_given_the_game_goes_on(app, data):
    name = data.draw(st.sampled_from(sorted(ENDPOINTS)))
    _, said = ask(app.url, name, data.draw(st.lists(THINGS, min_size=ENDPOINTS[name], max_size=ENDPOINTS[name])))
    assert "Traceback" not in said
    assert ask(app.url, "game_standing", [])[0]


def test_endpoints_are_as_they_are_said_to_be(app):
    """Public ones with documentation; those that run the network wait in one line, the others for nobody."""
    found = {fn.api_name: fn for fn in app.demo.fns.values() if fn.api_visibility == "public"}
    assert found.keys() >= ENDPOINTS.keys()
    for name, inputs in ENDPOINTS.items():
        fn = found[name]
        assert fn.api_description
        assert len(fn.inputs) == inputs
        assert (fn.validator is not None) == (inputs > 0)
        assert (fn.concurrency_id == "gpu") == (name == "game_new")
        assert fn.concurrency_limit == (1 if name == "game_new" else None)


def test_links_choose_how_to_play_and_nothing_else(app):
    """`read` is tested with its page; here, that no field of the game but these can be set from outside."""
    known = {"mode": "odd", "difficulty": "hard", "round": "x", "round_id": "x", "choice": "A", "confidence": "sure"}
    page = app.http.get("/", params={"tab": "game", **known})
    assert page.status_code == 200
    fields = next(fn for fn in app.demo.fns.values() if fn.targets and fn.targets[0][1] == "load").outputs
    labels = {component.label for component in fields if hasattr(component, "label")}
    assert {"What to play", "Difficulty"} <= labels
    assert not labels & {"Round", "Choice", "Status", "Result", "Rounds"}
    assert not [one for one in labels if str(one).startswith("How sure")]


class TestLeaderboard:
    def test_from_twenty_rounds_on(self, player):
        client, way = player(), ["single", "easy", "judged"]
        key = client.predict("Zoë <b>", api_name="/leaderboard_join")
        for number in range(20):
            if number in (0, 19):
                board = client.predict(*way, api_name="/leaderboard")
                assert (board["top"], board["own"]["rounds"]) == ([], number)
            pictures, round_id, _ = new_round(client, mode="single", difficulty="easy")
            answer(client, round_id, truth_of(pictures))
        board = player().predict(*way, api_name="/leaderboard")
        assert board["own"] is None
        (line,) = board["top"]
        assert (line["name"], line["rounds"], line["correct"]) == ("Zoë <b>", 20, 20)
        assert line["bound"] == pytest.approx(0.839, abs=0.001)
        elsewhere = player()
        assert elsewhere.predict(key, api_name="/leaderboard_return") == "Zoë <b>"
        assert elsewhere.predict(api_name="/leaderboard_leave") == "Erased."
        assert elsewhere.predict(api_name="/leaderboard_leave") == "You are not on the leaderboard."
        assert client.predict(*way, api_name="/leaderboard")["top"] == []

    def test_taken_and_unwanted_nicknames(self, player):
        player().predict("Ada", api_name="/leaderboard_join")
        for name, said in (("ADA", "taken"), ("sh1thead", "choose another nickname")):
            with pytest.raises(Exception, match=said):
                player().predict(name, api_name="/leaderboard_join")


@pytest.fixture(scope="module", params=[True, False])
def bare(request, models, tmp_path_factory):
    """An app without real pictures and leaderboard, and with or without a model."""
    from app.web.models import Models
    from app.web.options import Serve
    from app.web.server import build_app, launch

    files = tmp_path_factory.mktemp("bare")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(files))
        patch.setenv("HF_HUB_OFFLINE", "1")
        options = Serve(model=(str(models / "style"),) if request.param else (), device="cpu")
        loaded = Models(options.model, None if request.param else files, "cpu")
        demo = build_app(loaded, options, files)
        url = launch(demo, options).rstrip("/")
        with httpx.Client(base_url=url, timeout=60) as http:
            yield App(url, demo, http), loaded.first
        demo.close(verbose=False)


def test_what_is_missing_is_said(bare, capfd):
    app, model = bare
    done, said = ask(app.url, "game_new", ["pair", "normal", "10", False, model])
    assert not done
    missing = "The game needs real photos: start the app with --real-images DIR (at least 20)."
    assert (missing if model else "No model is loaded.") in said
    assert "This app keeps no leaderboard." in ask(app.url, "leaderboard_join", ["Zoë"])[1]
    components = app.http.get("/config").json()["components"]
    (head,) = (one for one in components if one["props"].get("elem_id") == "game-head")
    assert ("No model is loaded." in head["props"]["value"]) == (model is None)
    (thumbnails,) = (one for one in components if one["props"].get("elem_id") == "game-thumbnails")
    assert "leaderboard" not in thumbnails["props"]["label"]
    if model:  # what the tab shows when it is opened
        opened = next(key for key, fn in app.demo.fns.items() if [one._id for one in fn.outputs[:1]] == [head["id"]])
        _, (title, *_) = streamed(app, "me", opened, ["game", model, "pair"])
        assert missing in title
    assert "Traceback" not in "".join(capfd.readouterr())
