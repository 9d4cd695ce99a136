"""The gate and the login before the pages, on an application that tells what reached it."""

import asyncio
import json

import httpx
import pytest

from app.web.gate import LARGEST_BODY, Gate, Rules
from app.web.hosts import Hosts, hosts_of
from app.web.login import FIRST_DELAY, FORGIVEN, LONGEST_DELAY, MOST_ADDRESSES, MOST_WAITING, Login
from tests.app.asking import finished

RIGHT, WRONG = {"username": "me", "password": "secret"}, {"username": "me", "password": "guess"}


async def told(scope, receive, send):
    """Answers with what it was given."""
    body = (await receive()).get("body", b"")
    headers = {name.decode(): value.decode() for name, value in scope["headers"]}
    said = {"path": scope["path"], "bytes": len(body), "headers": headers, "client": scope["client"][0]}
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps(said).encode()})


def rules(**given):
    return Rules(
        **({"hosts": Hosts(("here",)), "owns": lambda session, job: session == job, "starting": False} | given)
    )


def asking(given, client="1.2.3.4", host="here"):
    """A visitor of a gate with these rules."""
    transport = httpx.ASGITransport(app=Gate(told, given), client=(client, 1))
    return httpx.AsyncClient(transport=transport, base_url=f"http://{host}:7860")


def run(coroutine):
    return finished(coroutine)


def test_bodies_are_bounded_before_anything_reads_them():
    read = []

    async def endless():
        for _ in range(1000):
            read.append(10**6)
            yield b"x" * 10**6

    async def few():
        for _ in range(3):
            yield b"x" * 1000

    async def visit():
        async with asking(rules()) as visitor:
            assert (await visitor.post("/", content=b"x" * LARGEST_BODY)).json()["bytes"] == LARGEST_BODY
            assert (await visitor.post("/", content=few())).json()["bytes"] == 3000
            assert (await visitor.post("/")).json()["bytes"] == 0
            assert (await visitor.post("/", content=endless())).status_code == 413
            for length in (str(LARGEST_BODY + 1), "9" * 5000, "-1", "x"):
                answer = await visitor.post("/", content=b"x", headers={"content-length": length})
                assert answer.status_code == 413

    run(visit())
    assert sum(read) <= LARGEST_BODY + 2 * 10**6


@pytest.mark.parametrize(
    ("listening", "host", "status"),
    [
        ("127.0.0.1", "127.0.0.1:7860", 200),
        ("127.0.0.1", "localhost", 200),
        ("127.0.0.1", "LocalHost.:1", 200),
        ("127.0.0.1", "[::1]:7860", 200),
        ("127.0.0.1", "evil.example:7860", 421),
        ("127.0.0.1", "127.0.0.1.evil.example", 421),
        ("127.0.0.1", "localhost.evil.example", 421),
        ("127.0.0.1", "10.0.0.7", 421),
        ("127.0.0.1", "", 421),
        ("127.0.0.1", "faces.allowed.example", 200),
        ("127.0.0.1", "allowed.example", 421),
        ("127.0.0.1", "me-faces.hf.space", 200),
        ("10.0.0.7", "10.0.0.7:80", 200),
        ("10.0.0.7", "localhost", 421),
        ("0.0.0.0", "10.0.0.7", 200),  # an address cannot be pointed elsewhere
        ("0.0.0.0", "[fe80::1]:7860", 200),
        ("0.0.0.0", "evil.example", 421),
    ],
)
def test_only_names_of_ours_are_answered_to(listening, host, status, monkeypatch):
    monkeypatch.setenv("SPACE_HOST", "me-faces.hf.space")
    hosts = hosts_of(listening, ["*.Allowed.example"])

    async def visit():
        async with asking(rules(hosts=hosts), host="elsewhere") as visitor:
            answer = await visitor.get("/", headers={"host": host, "origin": f"http://{host}"})
            assert answer.status_code == status
            assert len(answer.text) < 500

    run(visit())


def test_a_proxy_is_believed_where_there_is_one():
    said = {"x-forwarded-host": "evil.example", "x-forwarded-for": "6.6.6.6, 5.5.5.5", "x-gradio-server": "http://evil"}

    async def visit(behind_proxy):
        async with asking(rules(behind_proxy=behind_proxy)) as visitor:
            return (await visitor.get("/", headers=said)).json()

    alone, behind = run(visit(False)), run(visit(True))
    assert alone["client"] == "1.2.3.4"
    assert not said.keys() & alone["headers"].keys()
    assert behind["client"] == "5.5.5.5"  # what the proxy itself has added
    assert behind["headers"]["x-forwarded-host"] == "evil.example"


def test_jobs_of_others_are_not_cancelled():
    async def visit():
        async with asking(rules()) as visitor:
            for session, status in (("job", 200), ("another", 403)):
                body = {"session_hash": session, "event_id": "job", "fn_index": 1}
                for path in ("/gradio_api/cancel", "/gradio_api/cancel/"):
                    assert (await visitor.post(path, json=body)).status_code == status
            for body in (b"", b"[]", b"[" * 10**5, b"{}", b"\xff"):
                assert (await visitor.post("/gradio_api/cancel", content=body)).status_code == 403
            assert (await visitor.post("/gradio_api/stream/job/close")).status_code == 404

    run(visit())


def test_a_browser_logs_in_and_out():
    async def visit():
        async with asking(rules(login=Login("me", "secret", sleep=nothing))) as visitor:
            html = {"accept": "text/html"}
            page = await visitor.get("/", params={"seeds": '1"><b>'})
            assert page.status_code == 200
            assert "<form" in page.text
            assert "<b>" not in page.text
            assert (await visitor.get("/gradio_api/info")).status_code == 401
            wrong = await visitor.post("/login?tab=mix", data=WRONG, headers=html)
            assert wrong.status_code == 400
            assert 'action="login?tab=mix"' in wrong.text
            for kind in ("multipart/form-data", "multipart/form-data; boundary=x", "text/plain"):
                answer = await visitor.post("/login", content=b"--x\r\nnonsense", headers={"content-type": kind})
                assert answer.status_code == 400
            right = await visitor.post("/login?tab=mix", data=RIGHT, headers=html)
            assert right.status_code == 303
            assert right.headers["location"] == "./?tab=mix"
            assert {"HttpOnly", "SameSite=Lax"} <= set(right.headers["set-cookie"].split("; "))
            assert (await visitor.get("/gradio_api/info")).json()["path"] == "/gradio_api/info"
            assert (await visitor.get("/logout")).status_code == 303
            assert (await visitor.get("/gradio_api/info")).status_code == 401
            visitor.cookies.set("stylegrow-7860", "")
            assert (await visitor.get("/gradio_api/info")).status_code == 401

    run(visit())


def test_a_login_behind_a_proxy_that_adds_a_path():
    async def visit():
        given = rules(login=Login("me", "secret", root="/faces"), root="/faces", behind_proxy=True)
        async with asking(given) as visitor:
            assert 'action="/faces/login"' in (await visitor.get("/")).text
            assert (await visitor.get("/faces/config")).status_code == 401
            answer = await visitor.post("/faces/login", data=RIGHT, headers={"x-forwarded-proto": "https"})
            assert answer.json() == {"success": True}
            assert "Secure" in answer.headers["set-cookie"]

    run(visit())


async def nothing(seconds):
    """Waits for no time."""


def test_every_wrong_password_makes_the_next_one_slower():
    waits, now = [], [0.0]

    async def sleep(seconds):
        waits.append(seconds)

    async def visit():
        login = Login("me", "secret", clock=lambda: now[0], sleep=sleep)
        given = rules(login=login)

        async def try_as(client, form):
            async with asking(given, client) as visitor:
                return (await visitor.post("/login", data=form)).status_code

        for _ in range(10):
            assert await try_as("1.2.3.4", WRONG) == 400
        assert waits == [min(FIRST_DELAY * 2**n, LONGEST_DELAY) for n in range(10)]
        for client, wait in (("5.6.7.8", FIRST_DELAY), ("2001:db8::1", FIRST_DELAY), ("2001:db8::2", 2 * FIRST_DELAY)):
            await try_as(client, WRONG)
            assert waits[-1] == wait
        now[0] += FORGIVEN + 1
        await try_as("1.2.3.4", WRONG)
        assert waits[-1] == FIRST_DELAY
        assert await try_as("1.2.3.4", RIGHT) == 200
        await try_as("1.2.3.4", WRONG)
        assert waits[-1] == FIRST_DELAY

    run(visit())


def test_many_logins_at_once_take_turns_and_are_bounded():
    async def visit():
        open_, at_once = asyncio.Event(), []

        async def sleep(seconds):
            at_once.append(seconds)
            await open_.wait()

        login = Login("me", "secret", sleep=sleep)
        async with asking(rules(login=login)) as visitor:
            tries = [asyncio.create_task(visitor.post("/login", data=WRONG)) for _ in range(3 * MOST_WAITING)]
            refused, pending = await asyncio.wait(tries, return_when=asyncio.FIRST_COMPLETED)
            while len(pending) > MOST_WAITING:
                more, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                refused |= more
            assert {task.result().status_code for task in refused} == {429}
            assert len(at_once) == 1
            open_.set()
            assert {answer.status_code for answer in await asyncio.gather(*pending)} == {400}
        for number in range(MOST_ADDRESSES + 50):
            async with asking(rules(login=login), f"10.0.{number // 256}.{number % 256}") as visitor:
                await visitor.post("/login", data=WRONG)
        assert len(login._failures) == MOST_ADDRESSES

    run(visit())
