"""What the web server answers to requests that none of our pages makes: a line, and no traceback in the log."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from httpx import InvalidURL


def _answer(status: int, text: str) -> Callable[[Request, Exception], JSONResponse]:
    return lambda request, error: JSONResponse({"detail": text}, status)


# Gradio raises these for a body that is no JSON of its kind (such as NaN), for a function that there is not, and for
# an address that is none.
HANDLERS: dict[Any, Any] = {
    RequestValidationError: _answer(422, "This request cannot be read."),
    KeyError: _answer(404, "There is no such function here."),
    InvalidURL: _answer(404, "There is nothing here."),
}


class _Streams(logging.Filter):
    """Leaves out that a stream which somebody asked for is not there: the answer says so, but too late for a status."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return not (isinstance(error, RuntimeError) and "response already started" in str(error))


STREAMS = _Streams()


def quiet_log() -> None:
    """Keep out of the web server's log what is no mistake of anybody's but who asked."""
    logging.getLogger("uvicorn.error").addFilter(STREAMS)  # once, however often this is called
