"""Every endpoint, and every function without a name, given what nobody polite would give: it says so and stays up."""

import io
import json

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.app.asking import WEB, ask
from tests.app.serving import RUN

# What is asked of an endpoint where its own default would take long, or where it has none.
QUICK = {
    "keys": "0-1", "frames": 2, "draws": 2, "run": RUN, "snapshot": 1, "round_id": "x", "choice": "A", "key": "x",
    "nickname": "Zoë",
}  # fmt: skip
NASTY = [
    True, False, 0, 1.5, 1e308, -(10**30), 2**64, float("nan"), float("inf"), "", " ", "x", "5-", "0-3", "NaN", "1e9",
    "-0", "\0", "\ud800", "١٢", "9" * 3000, "0-4294967295", "'; DROP TABLE players; --", "/etc/passwd",
    "../../../../etc/passwd", "file:///etc/passwd", "http://127.0.0.1:1/", "%2e%2e%2f", "{{7*7}}", "con", [], [None],
    [[[[[]]]]], {}, {"url": "http://127.0.0.1:1/x"}, {"__type__": "update", "value": 1}, {"pictures": [{"seed": 1}]},
]  # fmt: skip
WORST = [
    None, -1, 10**400, "<script>alert(1)</script>", ["a"] * 500,
    {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}},
]  # fmt: skip
FILES = {
    "file",
    "image",
    "gallery",
    "video",
    "audio",
    "uploadbutton",
    "imageeditor",
    "imageslider",
    "multimodaltextbox",
}
MISTAKES = ("Traceback", "object has no attribute", "unsupported operand", "upstream Gradio app", "root:x:", " at 0x")


@pytest.fixture(scope="module")
def config(app):
    return WEB.get(f"{app.url}/config").json()


@pytest.fixture(scope="module")
def endpoints(app):
    """The arguments of every endpoint, such as would be fine."""
    named = WEB.get(f"{app.url}/gradio_api/info").json()["named_endpoints"]
    return {
        name.strip("/"): [QUICK.get(one["parameter_name"], one.get("parameter_default")) for one in about["parameters"]]
        for name, about in named.items()
    }


@pytest.fixture(autouse=True)
def no_mistake_is_logged(app, capfd):
    """After each test the log holds no traceback, and the app works."""
    yield
    assert ask(app.url, "models", [])[0]
    said = capfd.readouterr()
    assert "Traceback" not in said.err + said.out


def proper(said):
    """What an endpoint answered is an answer, not an accident."""
    assert said
    assert not [mistake for mistake in MISTAKES if mistake in said]


def test_these_are_the_endpoints(endpoints):
    assert len(endpoints) >= 20
    assert {"generate", "interpolate", "run_stats", "game_new", "game_answer", "leaderboard_join"} <= endpoints.keys()


@pytest.mark.parametrize("value", WORST, ids=lambda value: ascii(value)[:30])
def test_the_same_for_every_argument(app, endpoints, value):
    for name, arguments in endpoints.items():
        if arguments:
            proper(ask(app.url, name, [value] * len(arguments))[1])


def test_one_bad_argument_among_good_ones(app, endpoints):
    places = [(name, place) for name, arguments in sorted(endpoints.items()) for place in range(len(arguments))]
    texts = st.text(max_size=30) | st.integers() | st.floats() | st.lists(st.integers(), max_size=3)

    @settings(derandomize=True, max_examples=60, deadline=None)
    @given(st.sampled_from(places), st.sampled_from(NASTY + WORST) | texts)
    def asked(place, value):
        name, at = place
        arguments = list(endpoints[name])
        arguments[at] = value
        proper(ask(app.url, name, arguments)[1])

    asked()


@pytest.mark.parametrize("data", ["text", [], [None] * 40], ids=str)
def test_no_arguments_or_other_than_a_list(app, endpoints, data):
    for name in endpoints:
        proper(ask(app.url, name, data)[1])


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 5000, b'{"data": NaN}'], ids=str)
def test_bodies_that_are_no_json(app, body):
    answer = WEB.post(f"{app.url}/gradio_api/call/generate", content=body, headers={"content-type": "application/json"})
    assert 400 <= answer.status_code < 500


def test_ten_megabytes_of_text(app, endpoints):
    for name, value in (
        ("generate", "1," * 5_000_000),
        ("run_stats", "x" * 10_000_000),
        ("game_answer", "x" * 10_000_000),
    ):
        arguments = [value, *endpoints[name][1:]]
        done, said = ask(app.url, name, arguments)
        assert not done
        assert len(said) < 2000
        proper(said)


def test_only_the_projection_takes_a_file(config):
    kinds = {one["id"]: one["type"] for one in config["components"]}
    taking = [
        function["api_name"]
        for function in config["dependencies"]
        if function["backend_fn"] and {kinds[place] for place in function["inputs"]} & FILES
    ]
    assert taking == ["project"]


def upload(app, content, name="picture.gif"):
    return WEB.post(f"{app.url}/gradio_api/upload", files={"files": (name, content)}, headers={"connection": "close"})


def test_files_above_ten_megabytes_are_not_taken(app):
    assert upload(app, b"x" * (10 * 2**20 + 1000)).status_code == 413


def test_a_gif_bomb_is_never_opened(app, endpoints):
    bomb = io.BytesIO()
    blank = Image.new("P", (8000, 8000))
    blank.save(bomb, "GIF", save_all=True, append_images=[blank] * 2)
    answer = upload(app, bomb.getvalue())
    path = answer.json()[0] if answer.status_code == 200 else "nowhere"
    for name, arguments in endpoints.items():
        proper(ask(app.url, name, [{"path": path, "meta": {"_type": "gradio.FileData"}}] * len(arguments))[1])


@pytest.mark.parametrize("name", ["../../x.html", "/etc/cron.d/x", "x\0y", "a" * 3000, "", "con", "x.html"])
def test_names_of_uploads_lead_nowhere(app, name):
    answer = upload(app, b"<script>alert(1)</script>", name)
    if answer.status_code == 200:
        path = answer.json()[0]
        assert ".." not in path
        got = WEB.get(f"{app.url}/gradio_api/file={path}")
        # A page of a stranger's must not run as one of ours.
        assert got.status_code in (403, 404) or "attachment" in got.headers["content-disposition"]


def test_nothing_is_served_that_is_not_ours(app):
    given = [
        app.runs / RUN / "stats.jsonl", app.runs / RUN / "fakes000000.png", app.reals / "0.png", app.leaderboard,
    ]  # fmt: skip
    paths = [
        *map(str, given), "/etc/passwd", "../../../../etc/passwd", "app/game.py", ".git/config", "/proc/self/environ",
        "/dev/zero", "file:///etc/passwd", "%2fetc%2fpasswd", "//etc/passwd", "C:\\Windows\\win.ini", "\0", "", "~",
    ]  # fmt: skip
    for path in paths:
        for place in (f"/gradio_api/file={path}", f"/file={path}", f"/static/{path}", f"/assets/{path}", f"/{path}"):
            try:
                answer = WEB.get(app.url + place)
            except httpx.InvalidURL:
                continue
            ours = "<html" in answer.text and "root:" not in answer.text  # the page itself
            assert answer.status_code in (400, 403, 404, 405, 422) or ours, place
    direct = WEB.get(f"{app.url}/gradio_api/file=/etc/passwd")
    assert direct.status_code == 403


def test_the_server_asks_nobody_for_a_visitor(app):
    for place in ("file=http://127.0.0.1:1/x", "proxy=http://127.0.0.1:1/x", "file=http://169.254.169.254/latest"):
        assert WEB.get(f"{app.url}/gradio_api/{place}").status_code >= 400


def tell(app, index, data, session):
    """What the queue says of a function called by its number: the last message about it."""
    body = {"fn_index": index, "data": data, "session_hash": session, "event_data": None, "trigger_id": None}
    place, kind = f"{app.url}/gradio_api/queue", {"content-type": "application/json"}
    joined = WEB.post(f"{place}/join", content=json.dumps(body), headers=kind)
    if joined.status_code != 200:
        return joined.text
    with WEB.stream("GET", f"{place}/data", params={"session_hash": session}) as stream:
        for line in stream.iter_lines():
            if '"msg":"process_completed"' in line.replace(" ", "") or '"msg":"unexpected_error"' in line.replace(
                " ", ""
            ):
                return line
    return ""


@pytest.mark.parametrize("value", [None, {"path": "/etc/passwd"}], ids=str)
def test_functions_without_a_name(app, config, value):
    called = 0
    for function in config["dependencies"]:
        if function["backend_fn"] and function["inputs"]:
            proper(tell(app, function["id"], [value] * len(function["inputs"]), f"forger{called}"))
            called += 1
    assert called > 30


def test_a_function_that_is_not_there(app):
    for index in (-1, 10**6):
        assert "There is no such function here." in tell(app, index, [], "forger")
    for path in ("call/nothing/x", "call/generate/unknown", "queue/data?session_hash=unknown"):
        with pytest.raises(httpx.RemoteProtocolError):  # it is too late for a status, so the stream just ends
            WEB.get(f"{app.url}/gradio_api/{path}")


@pytest.mark.parametrize("way", ["run", "api"])
def test_nobody_goes_past_the_line(app, endpoints, way):
    for name, arguments in endpoints.items():
        answer = WEB.post(f"{app.url}/gradio_api/{way}/{name}", json={"data": arguments})
        assert answer.status_code == 404


def test_somebody_elses_round_and_nicknames_with_markup(app):
    for forged in ("x", "0" * 32, "", "../x", "<b>"):
        done, said = ask(app.url, "game_answer", [forged, "A", None])
        assert not done
        assert "That round is over; press Next." in said
    done, said = ask(app.url, "leaderboard_join", ["<script>alert(1)</script>"])
    assert done or "<script" not in said
    board = ask(app.url, "leaderboard", ["pair", "normal", "style"])[1]
    assert "<script" not in board
