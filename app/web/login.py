"""The login: one user and password, the page that asks for them, and who has given them."""

from __future__ import annotations

import asyncio
import hmac
import html
import ipaddress
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any

from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

PAGE = Template((Path(__file__).parent / "static" / "login.html").read_text(encoding="utf-8"))
FIRST_DELAY, LONGEST_DELAY = 0.5, 30.0  # seconds that a wrong password costs, doubled each time
FORGIVEN = 900.0  # seconds after the last one
MOST_WAITING = 8  # logins of one address that wait for their turn
MOST_ADDRESSES, MOST_VISITORS = 1024, 10_000


@dataclass
class Failures:
    """Those of an address; logins from there take turns, so that many at once wait as long as one after the other."""

    count: int = 0
    last: float = 0.0
    waiting: int = 0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Login:
    """Lets in who knows the password, and tells them again by a cookie. Serves one event loop."""

    def __init__(
        self,
        user: str,
        password: str,
        root: str = "",
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        """`root` is the path that a proxy in front adds."""
        self._known = user.encode(), password.encode()
        self._root = root.rstrip("/")
        self._clock, self._sleep = clock, sleep
        self._visitors: OrderedDict[str, None] = OrderedDict()
        self._failures: OrderedDict[str, Failures] = OrderedDict()

    def knows(self, request: Request) -> bool:
        """Whether a request comes from somebody who has logged in."""
        return request.cookies.get(_cookie(request), "") in self._visitors

    async def answer(self, request: Request, path: str) -> Response | None:
        """What to answer instead of the app; None where the app may."""
        if path == "/login" and request.method == "POST":
            return await self._log_in(request)
        if path == "/logout" and self.knows(request):
            self._visitors.pop(request.cookies[_cookie(request)], None)
            return self._home(request)
        if self.knows(request):
            return self._home(request) if path == "/login" else None
        if path in ("/", "/login") and request.method in ("GET", "HEAD"):
            return self._page(request)
        return JSONResponse({"detail": "Log in first."}, 401)

    async def _log_in(self, request: Request) -> Response:
        form: Mapping[str, Any]
        try:
            form = await request.form()
        except MultiPartException:
            form = {}
        given = (str(form.get("username", "")).strip().encode(), str(form.get("password", "")).encode())
        user, password = map(hmac.compare_digest, self._known, given)
        verdict = await self._in_turn(_network(request), user and password)
        page = "text/html" in request.headers.get("accept", "")
        if verdict is None:
            said = "Too many logins from where you are wait for their turn; try again in a minute."
            return self._page(request, said, 429) if page else JSONResponse({"detail": said}, 429)
        if not verdict:
            said = "That is not the user and the password."
            return self._page(request, said, 400) if page else JSONResponse({"detail": said}, 400)
        token = secrets.token_urlsafe(32)
        self._visitors[token] = None
        if len(self._visitors) > MOST_VISITORS:
            self._visitors.popitem(last=False)
        answer = self._home(request) if page else JSONResponse({"success": True})
        answer.headers["set-cookie"] = f"{_cookie(request)}={token}; Path=/; HttpOnly; " + (
            # A Space is shown within another site's page, for whose visitors alone the cookie is then kept.
            "SameSite=None; Secure; Partitioned" if _by_https(request) else "SameSite=Lax"
        )
        return answer

    async def _in_turn(self, address: str, right: bool) -> bool | None:
        """`right`, after the wait that failures cost; None when too many of that address wait already."""
        failures = self._failures.get(address)
        if failures is None or (not failures.waiting and self._clock() - failures.last > FORGIVEN):
            failures = self._failures[address] = Failures()
        self._failures.move_to_end(address)
        if len(self._failures) > MOST_ADDRESSES:
            self._failures.popitem(last=False)
        if failures.waiting >= MOST_WAITING:
            return None
        failures.waiting += 1
        try:
            async with failures.turn:
                if right:
                    failures.count = 0
                else:
                    failures.count, failures.last = failures.count + 1, self._clock()
                    await self._sleep(min(FIRST_DELAY * 2 ** min(failures.count - 1, 30), LONGEST_DELAY))
                return right
        finally:
            failures.waiting -= 1

    def _page(self, request: Request, said: str = "", status: int = 200) -> Response:
        action = html.escape(f"{self._root}/login{_query(request)}" if self._root else f"login{_query(request)}")
        return HTMLResponse(
            PAGE.substitute(action=action, said=html.escape(said)), status, {"cache-control": "no-store"}
        )

    def _home(self, request: Request) -> Response:
        return RedirectResponse((f"{self._root}/" if self._root else "./") + _query(request), 303)


def _cookie(request: Request) -> str:
    """Its name: browsers send cookies to all ports of a host."""
    return f"stylegrow-{request.scope['server'][1]}"


def _query(request: Request) -> str:
    """What the page is opened with, such as a link's seeds, kept through the login."""
    return f"?{request.url.query}" if request.url.query else ""


def _by_https(request: Request) -> bool:
    return request.headers.get("x-forwarded-proto", request.url.scheme).startswith("https")


def _network(request: Request) -> str:
    """The address of who asks; of IPv6 the network, since one visitor has all of it."""
    host = request.client.host if request.client else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    return str(ipaddress.ip_network((address, 64), strict=False)) if address.version == 6 else host
