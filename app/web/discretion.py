"""Keeps to itself where files lie on this machine, and at which addresses objects are: Gradio's answers name both."""

from __future__ import annotations

import json
import re
from pathlib import Path

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SHOWN = "/stylegrow-files"  # what visitors see, and give back, for the folder of files
TEXTS = ("application/json", "text/event-stream", "text/html", "text/plain")
OBJECT = re.compile(rb"<[\w.]+\.(\w+) object at 0x[0-9a-f]+>")


class Discretion:
    """An ASGI application before another one, which gets each request's body as one message.

    Texts are answered with SHOWN for the folder, each message for itself, as Gradio writes no path in two of them.
    """

    def __init__(self, app: ASGIApp, files: Path) -> None:
        self._app, self._files = app, str(files)
        self._hidden = json.dumps(self._files)[1:-1].encode()  # as it stands in JSON
        # The end of a name, so that another folder beside this one is not taken for it.
        self._names = re.compile(re.escape(self._hidden) + rb"(?![\w.-])")
        self._shown = re.compile(re.escape(SHOWN.encode()) + rb"(?![\w.-])")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        path = scope["path"].replace(f"file={SHOWN}/", f"file={self._files}/")

        async def received() -> Message:
            message = await receive()
            kind = MutableHeaders(scope=scope).get("content-type", "")
            if message["type"] == "http.request" and kind.startswith("application/json"):
                message = {**message, "body": self._shown.sub(lambda _: self._hidden, message.get("body", b""))}
            return message

        await self._app({**scope, "path": path}, received, self._sending(send))

    def _sending(self, send: Send) -> Send:
        start: Message | None = None  # of a text, whose length is known with its first message
        text = False

        async def sent(message: Message) -> None:
            nonlocal start, text
            if message["type"] == "http.response.start":
                kind = MutableHeaders(raw=message["headers"]).get("content-type", "")
                text = kind.startswith(TEXTS)
                if text:
                    start = message
                    return
            elif text and message["type"] == "http.response.body":
                body = OBJECT.sub(rb"\1", self._names.sub(SHOWN.encode(), message.get("body", b"")))
                if start is not None:
                    headers = MutableHeaders(raw=start["headers"])
                    if message.get("more_body", False):
                        del headers["content-length"]
                    elif body:  # none is the answer to HEAD
                        headers["content-length"] = str(len(body))
                    await send(start)
                    start = None
                message = {**message, "body": body}
            await send(message)

        return sent
