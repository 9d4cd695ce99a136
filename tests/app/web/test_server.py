"""`python -m app`: its options, how it starts and what it says, and links."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from app.__main__ import main
from app.web import server
from app.web.files import new_folder, sweep, temporary_folder
from app.web.gate import Rules
from app.web.hosts import Hosts
from app.web.models import NO_MODEL, Models
from app.web.options import Serve
from app.web.server import build_app, launch, serve
from stylegrow.common.commandline import parse
from stylegrow.common.errors import InputError
from tests.app.asking import WEB, ask, connect

ROOT = Path(__file__).parents[3]


def test_options():
    assert parse(Serve, "app", []) == Serve()
    words = ["--model", "a", "--model", "b", "--host", "0.0.0.0", "--port", "80", "--auth", "me:secret", "--open"]
    assert parse(Serve, "app", words) == Serve(model=("a", "b"), host="0.0.0.0", port=80, auth="me:secret", open=True)
    assert parse(
        Serve, "app", ["--real-images", "r", "--runs", "x", "--leaderboard", "f", "--max-frames", "10"]
    ) == Serve(real_images="r", runs="x", leaderboard="f", max_frames=10)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--auth", "me"], "--auth: write it as user:password"),
        (["--auth", ":x"], "--auth"),
        (["--auth-file", "nowhere"], "--auth-file nowhere"),
        (["--auth-file", "x", "--auth", "me:secret"], "--auth, --auth-file"),
        (["--port", "70000"], "--port 70000: give a whole number from 1 to 65,535"),
        (["--port", "x"], "--port: cannot be read as INT"),
        (["--max-batch", "0"], "--max-batch 0"),
        (["--max-frames", "1"], "--max-frames 1"),
        (["--real-images", "nowhere"], "--real-images nowhere: is no folder"),
        (["--real-images", "fashion-mnist", "--models-dir", "nowhere"], "--models-dir nowhere"),  # not the first
        (["--models-dir", "nowhere"], "--models-dir nowhere: is no folder"),
        (["--model", "nowhere"], "nowhere: there is no such folder"),
        (["--prot", "1"], "perhaps --port was meant"),
        (["paint"], "'paint': there is no such option"),
    ],
)
def test_what_cannot_be_is_one_line_and_status_2(words, said, capsys):
    assert main(words) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert said in err


def test_a_port_in_use_is_one_line(models, capsys):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert main(["--model", str(models / "silent"), "--device", "cpu", "--port", str(port)]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert f"--port {port}: in use" in err


def test_a_server_slow_to_start_is_waited_for_and_one_that_ends_is_not(monkeypatch):
    import uvicorn
    from gradio import http_server
    from gradio.exceptions import ServerFailedToStartError

    usual, now, end = http_server.Server, [0.0], threading.Event()

    def wait(_):
        now[0] += 10
        slow.started = slow.started or now[0] == 60  # Gradio waits for 5 s

    monkeypatch.setattr(server, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=wait))
    with server._gated(Rules(Hosts(()), lambda session, job: True)):
        slow, gone, stuck = (http_server.Server(uvicorn.Config(app=None)) for _ in range(3))
        slow.run, gone.run, stuck.run = end.wait, lambda: None, end.wait
        slow.run_in_thread()
        for failing in (gone, stuck):
            with pytest.raises(ServerFailedToStartError):
                failing.run_in_thread()
    end.set()
    assert now[0] > server.LONGEST_START
    assert stuck.should_exit
    assert http_server.Server is usual


@pytest.fixture
def started(monkeypatch, models):
    """Runs serve() with its server left out, and tells what would have been started."""
    calls = []

    class Page:
        def block_thread(self):
            folder = Path(os.environ["GRADIO_TEMP_DIR"])
            calls.append((folder, folder.stat().st_mode & 0o777))

        def close(self, verbose):
            calls.append("closed")

    monkeypatch.setattr(server, "build_app", lambda *arguments: Page())
    monkeypatch.setattr(server, "launch", lambda *arguments: "http://here/")

    def run(**options):
        serve(Serve(model=(str(models / "silent"),), device="cpu", **options))
        return calls

    return run


def test_files_are_nobody_elses_and_go_with_the_server(started, monkeypatch, capsys):
    monkeypatch.delenv("GRADIO_TEMP_DIR", raising=False)
    (folder, mode), closed = started()
    assert closed == "closed"
    assert not folder.exists()
    assert "GRADIO_TEMP_DIR" not in os.environ
    if os.name == "posix":
        assert mode == 0o700
    said = capsys.readouterr()
    assert said.out == "Stylegrow is at http://here/ (Ctrl-C stops it)\n"
    assert said.err == ""


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_files_go_when_sigterm_comes(started, monkeypatch, models, tmp_path):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    seen = []

    def end(*arguments):
        seen.extend(tmp_path.iterdir())
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(server, "launch", end)
    with pytest.raises(SystemExit) as ended:
        main(["--model", str(models / "silent"), "--device", "cpu"])
    assert ended.value.code == 143
    assert len(seen) == 1
    assert list(tmp_path.iterdir()) == []
    assert os.environ["GRADIO_TEMP_DIR"] == str(tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="locks of POSIX")
def test_what_a_kill_has_left_goes_and_nothing_else(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    for folder in (tmp_path / "stylegrow-app-killed", elsewhere, tmp_path / "stylegrow-app-other", tmp_path / "mine"):
        folder.mkdir()
        (folder / "image.png").touch()
    for folder in (tmp_path / "stylegrow-app-killed", elsewhere, tmp_path / "mine"):
        (folder / ".held").touch()
    (tmp_path / "stylegrow-app-link").symlink_to(elsewhere)
    with temporary_folder(str(tmp_path)) as first, temporary_folder(str(tmp_path)) as second:
        left = {"elsewhere", "mine", "stylegrow-app-other", "stylegrow-app-link"}
        assert {path.name for path in tmp_path.iterdir()} == left | {first.name, second.name}
    assert {path.name for path in tmp_path.iterdir()} == left
    assert (elsewhere / "image.png").exists()


@pytest.mark.parametrize(
    ("options", "warned"),
    [
        ({"host": "0.0.0.0"}, True),
        ({"host": "0.0.0.0", "auth": "me:secret"}, False),
        ({"share": True}, True),
        ({"host": "localhost"}, False),
    ],
)
def test_it_warns_when_anyone_may_come(started, options, warned, capsys):
    started(**options)
    assert ("warning: anyone" in capsys.readouterr().err) == warned


def test_without_a_model_the_page_says_how_to_get_one(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    demo = build_app(Models(folder=str(tmp_path)), Serve(), tmp_path)
    url = launch(demo, Serve()).rstrip("/")
    try:
        config = httpx.get(f"{url}/config").text
        for command in ("make train NETWORK=stylegan", "python -m app --model PATH"):
            assert command in config
        done, said = ask(url, "generate", ["0", 0.7, 18, "const", 0, None, 4, 9, 1, "own", "png", None])
        assert not done
        assert NO_MODEL in said
    finally:
        demo.close(verbose=False)


def test_the_password_may_stand_in_a_file_or_the_environment(tmp_path, monkeypatch):
    file = tmp_path / "auth"
    file.write_text("me:se:cret\nmore\n")
    monkeypatch.setenv("STYLEGROW_AUTH", "you:other")
    assert server.read_auth(Serve(auth_file=str(file))) == ("me", "se:cret")
    assert server.read_auth(Serve(auth="a:b")) == ("a", "b")
    assert server.read_auth(Serve()) == ("you", "other")
    monkeypatch.delenv("STYLEGROW_AUTH")
    assert server.read_auth(Serve()) is None
    file.write_bytes(b"\xff\xfe")
    for wrong in (file, tmp_path):
        with pytest.raises(InputError, match="--auth-file"):
            server.read_auth(Serve(auth_file=str(wrong)))


@pytest.fixture
def locked(tmp_path, models, monkeypatch):
    """An app that asks for a password: its address and its page."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    demo = build_app(Models([str(models / "silent")], device="cpu"), Serve(), tmp_path)
    yield launch(demo, Serve(), ("me", "secret")).rstrip("/"), demo
    demo.close(verbose=False)


def test_without_a_login_nothing_but_the_login_answers(locked):
    url, demo = locked
    with httpx.Client() as visitor:
        for template, methods in demo.app.openapi()["paths"].items():
            path = re.sub("{.*?}", "x", template)
            for method in methods:
                answer = visitor.request(method, url + path, json={})
                if path.rstrip("/") in ("", "/login"):
                    assert answer.status_code in (200, 400, 401)
                    assert "silent" not in answer.text
                    assert "generate" not in answer.text
                else:
                    assert answer.status_code == 401, (method, path)
                    assert len(answer.content) < 100
        assert visitor.get(f"{url}/gradio_api/startup-events").status_code == 401
        assert visitor.post(f"{url}/login", data={"username": "me", "password": "secret"}).status_code == 200
        assert "silent" in visitor.get(f"{url}/config").text
        assert "generate" in visitor.get(url).text


def test_programs_log_in_as_with_any_gradio_app(locked):
    client = connect(locked[0], auth=("me", "secret"))
    assert "silent" in str(client.predict(api_name="/models"))


def test_only_an_own_job_can_be_cancelled(app):
    assert ask(app.url, "models", [])[0]
    line = next(iter(app.demo._queue.event_queue_per_concurrency_id))

    class Job:
        session_hash, concurrency_id = "mine", line

    jobs = app.demo._queue.event_ids_to_events
    jobs["job"] = Job
    try:
        for session, status in (("another", 403), ("mine", 200)):
            body = {"session_hash": session, "fn_index": 0, "event_id": "job"}
            assert WEB.post(f"{app.url}/gradio_api/cancel", json=body).status_code == status
            assert WEB.post(f"{app.url}/gradio_api/stream/job/close").status_code == 404
    finally:
        jobs.pop("job", None)


def test_old_files_are_swept_and_nothing_else(tmp_path):
    old, new = new_folder(tmp_path), new_folder(tmp_path)
    (old / "a.png").write_bytes(b"x")
    (tmp_path / "mine").mkdir()
    for folder in (old, tmp_path / "mine"):
        os.utime(folder, (1, 1))
    sweep(tmp_path, 7200)
    assert {path.name for path in tmp_path.iterdir()} == {new.name, "mine"}


def test_telemetry_is_off_before_gradio_can_ask():
    code = (
        "import app, os, sys; assert 'gradio' not in sys.modules;"
        "print(os.environ['GRADIO_ANALYTICS_ENABLED'], os.environ['HF_HUB_DISABLE_TELEMETRY'])"
    )
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("GRADIO", "HF_"))}
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, env=clean)
    assert ended.stdout.split() == ["False", "1"], ended.stderr


def test_models_checks_and_the_command_line_do_without_gradio():
    code = "import sys, app.web.models, app.web.checks, app.web.server; "
    code += "sys.exit('gradio' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_links_set_what_is_fine_and_leave_the_rest(models, tmp_path, monkeypatch):
    from app.web.context import Context
    from app.web.pages import links

    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    kept, connect = [], links.connect
    monkeypatch.setattr(links, "connect", lambda context, *more: kept.append(context) or connect(context, *more))
    build_app(Models([str(models / "style"), str(models / "run")], device="cpu"), Serve(), tmp_path)
    context: Context = kept[0]
    given = {
        "tab": "mix", "model": "run", "seeds": "1,5-9", "psi": "-0.5", "noise": "random", "noise_seed": "7", "a": "3",
        "layers": "0-3", "keys": "0-3",
    }  # fmt: skip
    mixing = {"tab": "mix", "model": "run", "psi": -0.5, "a": 3, "layers": "0-3"}
    assert links.read(context, given) == mixing  # each tab has fields of its own
    generated = links.read(context, given | {"tab": "generate"})
    assert generated.items() >= {"seeds": "1,5-9", "psi": -0.5, "noise": "random", "noise_seed": 7}.items()
    assert not {"layers", "keys", "a"} & generated.keys()
    wrong = {
        "tab": "nowhere", "model": "../run", "seeds": "<b>", "psi": "9", "noise": "loud", "noise_seed": "-1", "a": "x",
        "layers": "0-99", "keys": "5", "other": "1", "cutoff": "1" * 3000,
    }  # fmt: skip
    assert links.read(context, wrong) == {}


@pytest.mark.parametrize(("device", "where"), [("cpu", "computer"), ("cuda", "GPU")])
def test_a_batch_that_did_not_fit_is_said_once(models, tmp_path, monkeypatch, device, where):
    import gradio as gr
    import torch

    from app.web.context import Context, Limits
    from app.web.pages import controls
    from stylegrow.sampling import generation

    offered, said, whole = Models([str(models / "style")], device="cpu"), [], generation.generate

    def cramped(generator, inputs, *more):
        if len(inputs) > 4:
            raise torch.OutOfMemoryError("out of memory")
        return whole(generator, inputs, *more)

    monkeypatch.setattr(gr, "Warning", said.append)
    monkeypatch.setattr(generation, "generate", cramped)
    monkeypatch.setattr(offered, "device", lambda: device)
    sampler = controls.start_drawing(Context(offered, Limits(), tmp_path), "style", 32).sampler
    assert len(list(sampler.images(range(32), sampler.setting()))) == 32
    assert said == [f"The {where} ran out of memory at 32 images. I retried with 8 and made 32; ask for fewer."]


MOVED = [1, 2, "0-3", 0.5, None, "silent"]  # of the mixing tab


def test_what_moves_asks_for_the_login_too(locked):
    url, _ = locked
    with httpx.Client() as visitor:
        assert visitor.post(f"{url}/live/mix", json=MOVED).status_code == 401
        visitor.post(f"{url}/login", data={"username": "me", "password": "secret"})
        answer = visitor.post(f"{url}/live/mix", json=MOVED)
        assert answer.status_code == 200
        assert answer.json()[0][0] == "#mixed img"


def test_what_moves_is_drawn_behind_a_root_path(tmp_path, models, monkeypatch):
    """Whether the proxy passes the path on or takes it off."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    options = Serve(root_path="/faces")
    demo = build_app(Models([str(models / "silent")], device="cpu"), options, tmp_path)
    url = launch(demo, options).rstrip("/")
    address = re.sub("/faces$", "", url)
    try:
        for path in ("/live/mix", "/faces/live/mix"):
            assert httpx.post(address + path, json=MOVED).status_code == 200, path
    finally:
        demo.close(verbose=False)
