"""What stands before the pages: which requests reach Gradio at all, and what of them it is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.web.hosts import Hosts, name_of
from app.web.login import Login
from stylegrow.common.text import printable

LARGEST_BODY = 12 * 10**6  # bytes: a file of 10 MB and what is around it
# What proxies say of a visitor, and Gradio believes.
FORWARDED = {"forwarded", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-for", "x-gradio-server"}
STARTUP = "/gradio_api/startup-events"  # which Gradio asks itself for before it serves


@dataclass
class Rules:
    """What a gate goes by. `owns` tells whether a session's job is one of its own, or gone."""

    hosts: Hosts
    owns: Callable[[str, str], bool]
    login: Login | None = None
    behind_proxy: bool = False
    root: str = ""  # the path that a proxy in front adds
    starting: bool = True


class Gate:
    """An ASGI application before another one."""

    def __init__(self, app: ASGIApp, rules: Rules) -> None:
        self._app, self._rules = app, rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._rules.hosts.accept(host, scope["server"][0]):
            name = printable(name_of(host))[:100]
            said = f"This server does not go by the name {name!r}; --allowed-hosts {name} would allow it.\n"
            return await PlainTextResponse(said, 421)(scope, receive, send)
        scope = self._believed(scope, headers)
        try:
            body = await _read(headers, receive)
        except _TooLarge:
            said = f"This is too large: at most {LARGEST_BODY // 10**6} MB.\n"
            return await PlainTextResponse(said, 413, {"connection": "close"})(scope, receive, send)
        except _Gone:
            return None
        answer = await self._answer(scope, body)
        if answer is not None:
            return await answer(scope, receive, send)
        return await self._app(scope, receive if body is None else _replay(body, receive), send)

    def _believed(self, scope: Scope, headers: Headers) -> Scope:
        """The request without what anybody could have said of itself; behind a proxy, from whom the proxy says."""
        if not self._rules.behind_proxy:
            kept = [(name, value) for name, value in scope["headers"] if name.decode("latin-1") not in FORWARDED]
            return {**scope, "headers": kept}
        address = headers.get("x-forwarded-for", "").rpartition(",")[2].strip()  # by the proxy that is next to us
        return {**scope, "client": (address, 0)} if address else scope

    async def _answer(self, scope: Scope, body: bytes | None) -> Response | None:
        """Ours, where the app is not to be asked."""
        rules = self._rules
        path = scope["path"].removeprefix(rules.root).rstrip("/") or "/"
        if rules.login is not None and not (rules.starting and path == STARTUP):
            answer = await rules.login.answer(Request(scope, _replay(body or b"", None)), path)
            if answer is not None:
                return answer
        if path == "/gradio_api/cancel" and not self._may_cancel(body or b""):
            return PlainTextResponse("This is not yours to cancel.\n", 403)
        if path.startswith("/gradio_api/stream/") and path.endswith("/close"):  # ends anybody's, and no page asks it
            return PlainTextResponse("There is nothing here.\n", 404)
        return None

    def _may_cancel(self, body: bytes) -> bool:
        try:
            asked = json.loads(body)
            return self._rules.owns(str(asked["session_hash"]), str(asked["event_id"]))
        except (ValueError, KeyError, TypeError, RecursionError):
            return False


class _TooLarge(Exception):
    pass


class _Gone(Exception):
    pass


async def _read(headers: Headers, receive: Receive) -> bytes | None:
    """All of a request's body before anything looks at it, None where it has none."""
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length[:20]) > LARGEST_BODY:
        raise _TooLarge
    if length == "0" and "transfer-encoding" not in headers:
        return None
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        body += message.get("body", b"")
        if len(body) > LARGEST_BODY:
            raise _TooLarge
        if not message.get("more_body", False):
            return bytes(body)


def _replay(body: bytes, receive: Receive | None) -> Receive:
    """Gives what was read, and then what `receive` tells, which is when the visitor leaves."""
    told = False

    async def again() -> Message:
        nonlocal told
        if told:
            return await receive() if receive is not None else {"type": "http.disconnect"}
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
