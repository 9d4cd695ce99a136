"""Asking a served app: by Gradio's client, and over plain HTTP as programs that are not polite do."""

import asyncio
import json
import tempfile
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

# One for all, since each new one reads the certificates of the world.
WEB = httpx.Client(timeout=60, verify=False, trust_env=False)


def connect(url: str, **more: Any) -> Any:
    """A visitor by Gradio's own client."""
    from gradio_client import Client

    # Its own default for what it downloads was made when it was imported, before the tests had a folder.
    return Client(url, download_files=tempfile.gettempdir(), verbose=False, analytics_enabled=False, **more)


def ask(url: str, name: str, data: Any) -> tuple[bool, str]:
    """Whether an endpoint did what it was asked, and all that it answered."""
    place = f"{url}/gradio_api/call/{name}"
    body = json.dumps({"data": data})
    begun = WEB.post(place, content=body, headers={"content-type": "application/json"})
    if begun.status_code != 200:
        return False, _plain(begun.text)
    with WEB.stream("GET", f"{place}/{begun.json()['event_id']}") as stream:
        said = "".join(stream.iter_text())
    events = [_plain(line.removeprefix("data: ")) for line in said.splitlines()]
    return "event: complete" in said, "\n".join(events)


def finished(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine gives; in a thread of its own, since the browser's tests have a loop in this one."""
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(asyncio.run, coroutine).result()


def _plain(text: str) -> str:
    """JSON with its letters and quotes as they are read; other text as it is."""
    try:
        return json.dumps(json.loads(text), ensure_ascii=False).replace('\\"', '"')
    except ValueError:
        return text
