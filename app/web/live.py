"""What is drawn while a slider moves: single images, past the line in which whole requests wait."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import anyio
import gradio as gr
import numpy as np
from anyio.to_thread import run_sync
from PIL import Image
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

# An image [H, W, C] (uint8), and where it goes: the index-th element of a selector.
Placed = tuple[str, int, np.ndarray]
QUALITY = 90  # of JPEG: some 0.2 ms at 64 px, where PNG takes 2 ms
MOST_WAITING = 16  # each page has at most one under way


class Live:
    """The functions that draw what moves, by name, and the server's route to them, `/live/NAME`.

    A request's body is a JSON list, the values of the function's inputs. The answer is a JSON list of [selector, index,
    image as a data URL]; 422 with a sentence when the values are refused, 503 when too many wait.
    """

    def __init__(self) -> None:
        self.works: dict[str, tuple[int, Callable[..., Iterable[Placed]]]] = {}
        self.route = Route("/live/{name}", self.answer, methods=["POST"])
        self._turns = anyio.CapacityLimiter(1)
        self._waiting = 0

    async def answer(self, request: Request) -> Response:
        """One request's."""
        if request.path_params["name"] not in self.works:
            return PlainTextResponse("There is nothing here.\n", 404)
        count, work = self.works[request.path_params["name"]]
        try:
            values = json.loads(await request.body())
        except (ValueError, RecursionError):
            values = None
        if not isinstance(values, list) or len(values) != count:
            return PlainTextResponse(f"Give a list of {count} values.\n", 422)
        if self._waiting >= MOST_WAITING:
            return PlainTextResponse("The server is busy.\n", 503)
        self._waiting += 1
        try:
            return JSONResponse(await run_sync(_encoded, work, values, limiter=self._turns))
        except gr.Error as error:
            return PlainTextResponse(f"{error.message}\n", 422)
        finally:
            self._waiting -= 1


class Page(gr.Blocks):
    """Gradio's page, with what it draws live beside Gradio's own routes."""

    def __init__(self, live: Live, **settings: Any) -> None:
        super().__init__(**settings)
        self.live = live


def _encoded(work: Callable[..., Iterable[Placed]], values: Sequence[Any]) -> list[Any]:
    return [[selector, index, data_url(image)] for selector, index, image in work(*values)]


def data_url(image: np.ndarray) -> str:
    """An image [H, W, C] (uint8) as a JPEG within a URL."""
    file = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).save(file, "JPEG", quality=QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
