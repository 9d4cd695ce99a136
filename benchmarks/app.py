"""How quick the browser app is, and whether it stays up: `python -m benchmarks.app`.

It serves a model and asks as browsers do: one visitor's clicks, many visitors at once, many requests one after the
other, then, for some minutes, several at once among whom one call in ten is hostile; and at last a real browser, which
needs playwright and a Chromium ($CHROMIUM, or chromium on the PATH), drags a slider. It prints a table; on a quiet
machine the figures are those that the README names.
"""

import contextlib
import math
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median
from typing import Any

import httpx
import psutil

from benchmarks.timing import seconds_each
from stylegrow.common.commandline import parse, run_command
from stylegrow.common.errors import RunError
from stylegrow.common.tables import markdown_table
from stylegrow.models.folders import ZOO
from stylegrow.models.info import models_in, read_info

Ask = Callable[[str, Sequence[Any]], str]
VISITORS, SEVERAL = 32, 10
CROWD, HOSTILE = 16, 0.1  # visitors at once for minutes; the share of their calls that are hostile
SETTLED = 120.0  # seconds after which memory is to be flat, or half of the time
DRAGGED = ("stylegan-toonhead64", "stylegan-toonhead256")
DRAGGING, A_WAY, A_MOVE = 10.0, 2.0, 0.016  # seconds in all, to and fro once, and between a mouse's reports
LARGE = "#detail .large img"
COUNT = f"""() => {{
    window.redrawn = 0;
    const image = document.querySelector({LARGE!r});
    image.addEventListener("load", () => {{ if (image.srcset) window.redrawn++; }});
}}"""  # what is drawn while it moves lies in srcset


@dataclass(frozen=True)
class Options:
    """Serve a model in the browser app, and time what visitors do."""

    model: str | None = None
    """A model; without it, the first that is bundled."""
    device: str | None = None
    """Where; without it, the GPU, if there is one."""
    requests: int = 2000
    """Requests whose memory is watched; 0 leaves all out but the minutes."""
    minutes: float = 1.0
    """Minutes of 16 visitors at once, some of them hostile, whose memory is watched; 10 show whether it is flat."""
    drag: tuple[str, ...] = DRAGGED
    """StyleGANs whose psi a browser drags on Generate."""


def main() -> int:
    """The command line; returns the exit status."""
    options = parse(Options, "python -m benchmarks.app")
    info = read_info(options.model or models_in(ZOO)[0])
    dragged = [read_info(model) for model in options.drag]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["--port", str(port), *(["--device", options.device] if options.device else [])]
    for folder in dict.fromkeys([info.folder, *(one.folder for one in dragged)]):
        words += ["--model", str(folder)]
    server = psutil.Popen([sys.executable, "-m", "app", *words], stdout=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(url, server)
        rows = measure(url, server, info.name, info.mixable, options.requests) if options.requests else []
        rows += load(url, server, info.name, 60 * options.minutes) if options.minutes else []
        rows += [[f"dragging psi, {one.name}", drag(url, one.name)] for one in dragged]
    finally:
        server.terminate()
        server.wait()
    print(markdown_table([info.name, ""], rows))
    return 0


def wait_for(url: str, server: psutil.Popen) -> None:
    """Return when the server answers. RunError where it ended."""
    while server.poll() is None:
        with contextlib.suppress(httpx.HTTPError):
            httpx.get(url, timeout=60)
            return
        time.sleep(0.2)
    raise RunError(f"the app ended with status {server.returncode}")


def measure(url: str, server: psutil.Popen, name: str, mixable: bool, requests: int) -> list[list[str]]:
    """The rows of the table."""
    ask = asker(url)
    generate = ["0-3", 0.7, 18, "const", 0, None, 4, 9, 1, "own", "png", name]
    page, assets = first_page(url)
    rows = [
        [f"the page and its {assets} files of scripts", f"{page * 1000:.0f} ms"],
        ["Generate, 4 images", milliseconds(ask, "generate", generate)],
    ]
    if mixable:
        grid = ["0-4", "5-9", "coarse", 0.7, None, name]
        rows.append(["style mixing, a grid of 5 by 5", milliseconds(ask, "style_mix", grid)])
    served, busy, failed, seconds = at_once(ask, generate)
    answers = f"{served} served in {seconds:.1f} s, {busy} answered that it is busy, {failed} errors"
    before, after = memory(ask, server, generate, requests)
    rows.append([f"{VISITORS} visitors at once", answers])
    return [*rows, ["memory", f"{before:.0f} MB, after {requests:,} more requests {after:.0f} MB"]]


def asker(url: str) -> Ask:
    """Asks an endpoint over HTTP, as the page does, and gives what it answered."""
    client = httpx.Client(timeout=300, limits=httpx.Limits(max_connections=2 * VISITORS))

    def ask(name: str, data: Sequence[Any]) -> str:
        place = f"{url}/gradio_api/call/{name}"
        answer = client.post(place, json={"data": list(data)})
        if answer.status_code != 200:
            return answer.text
        with client.stream("GET", f"{place}/{answer.json()['event_id']}") as stream:
            return "".join(stream.iter_text())

    return ask


def first_page(url: str) -> tuple[float, int]:
    """Seconds to get the page, its configuration and the scripts that it names, and how many those are."""
    start = time.perf_counter()
    with httpx.Client(timeout=60) as client:
        text = client.get(url).text
        client.get(f"{url}/config")
        names = set(re.findall(r'(?:src|href)="(?:\./)?(assets/[^"]+)"', text))
        for name in names:
            client.get(f"{url}/{name}")
    return time.perf_counter() - start, len(names)


def at_once(ask: Ask, data: Sequence[Any]) -> tuple[int, int, int, float]:
    """How many of VISITORS who come at once are served, hear that it is busy, and fail; and the seconds for all."""
    start = time.perf_counter()
    with ThreadPoolExecutor(VISITORS) as pool:
        answers = list(pool.map(lambda _: ask("generate", data), range(VISITORS)))
    served = sum("event: complete" in answer for answer in answers)
    busy = sum("full" in answer or "busy" in answer for answer in answers)
    return served, busy, VISITORS - served - busy, time.perf_counter() - start


def memory(ask: Ask, server: psutil.Popen, data: Sequence[Any], requests: int) -> tuple[float, float]:
    """MB in use once Gradio remembers as many sessions as it may, each request being one; and after all requests."""
    from app.web.server import SESSIONS

    found = []
    for count in (SESSIONS, requests):
        for _ in range(count):
            ask("generate", data)
        found.append(megabytes(server))
    return found[0], found[1]


def load(url: str, server: psutil.Popen, name: str, seconds: float) -> list[list[str]]:
    """Rows on CROWD visitors for so long: their calls, and MB in use once settled and at the end."""
    counts: Counter[str] = Counter()
    start = time.monotonic()

    def visit(number: int) -> None:
        chance = random.Random(number)
        with httpx.Client(timeout=60) as client:
            while time.monotonic() - start < seconds:
                hostile = chance.random() < HOSTILE
                try:
                    said = chance.choice(HOSTILITIES)(client, url) if hostile else friendly(client, url, name, chance)
                except httpx.HTTPError as error:
                    said = type(error).__name__
                counts[f"{'hostile' if hostile else 'friendly'}: {said}"] += 1

    with ThreadPoolExecutor(CROWD) as pool:
        visits = [pool.submit(visit, number) for number in range(CROWD)]
        settled = min(SETTLED, seconds / 2)
        time.sleep(settled)
        before = megabytes(server)
        for ended in visits:
            ended.result()
    after = megabytes(server)
    calls = ", ".join(f"{count:,} {said}" for said, count in sorted(counts.items()))
    return [
        [f"{CROWD} visitors for {seconds / 60:g} min, {HOSTILE:.0%} of the calls hostile", calls],
        ["memory meanwhile", f"{before:.0f} MB after {settled:.0f} s, {after:.0f} MB at the end"],
    ]


def friendly(client: httpx.Client, url: str, name: str, chance: random.Random) -> str:
    """What a visitor does: images of some seed; and whether they came."""
    seed = chance.randrange(2**32)
    data = [str(seed), 0.7, 18, "const", 0, None, 4, 9, 1, "own", "png", name]
    answer = client.post(f"{url}/gradio_api/call/generate", json={"data": data})
    if answer.status_code != 200:
        return "busy" if answer.status_code == 503 else f"status {answer.status_code}"
    with client.stream("GET", f"{url}/gradio_api/call/generate/{answer.json()['event_id']}") as stream:
        text = "".join(stream.iter_text())
    return "served" if "event: complete" in text else "failed"


def drag(url: str, name: str) -> str:
    """How often a browser shows a new large image of Generate while psi is dragged to and fro."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return "playwright is not installed"
    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        return "there is no Chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(120_000)
        page.goto(f"{url}/?tab=generate&model={name}&seeds=0-3")
        page.wait_for_function(f"document.querySelector({LARGE!r})?.naturalWidth > 0")
        slider = page.locator("input[type=range][aria-label*='psi']").locator("visible=true").first
        slider.scroll_into_view_if_needed()
        place: Any = slider.bounding_box()
        middle, height = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
        page.mouse.move(middle, height)
        page.mouse.down()
        page.evaluate(COUNT)
        start = time.perf_counter()
        while (passed := time.perf_counter() - start) < DRAGGING:
            page.mouse.move(middle + 0.45 * place["width"] * math.sin(2 * math.pi * passed / A_WAY), height)
            page.wait_for_timeout(1000 * A_MOVE)
        redrawn = page.evaluate("window.redrawn")
        browser.close()
    return f"{redrawn / passed:.1f} new images a second"


def _post(path: str, body: bytes, **headers: str) -> Callable[[httpx.Client, str], str]:
    """A hostile call; what it gives is the status."""
    headers = {"content-type": "application/json"} | headers

    def call(client: httpx.Client, url: str) -> str:
        return f"status {client.post(url + path, content=body, headers=headers).status_code}"

    return call


HOSTILITIES = (
    _post("/gradio_api/call/generate", b" " * 13_000_000),
    _post("/gradio_api/call/generate", b'{"data": ["' + b"1," * 500_000 + b'"]}'),
    _post("/gradio_api/call/generate", b"[" * 100_000),
    _post("/gradio_api/call/generate", b'{"data": []}'),
    _post("/gradio_api/call/generate", b'{"data": [{"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}]}'),
    _post("/gradio_api/cancel", b'{"session_hash": "x", "fn_index": 0, "event_id": "y"}'),
    _post("/gradio_api/queue/join", b'{"fn_index": 1000000, "data": [], "session_hash": "x"}'),
    _post("/gradio_api/call/generate", b"{}", host="elsewhere.example"),
    _post("/gradio_api/upload", b"--x\r\nnonsense", **{"content-type": "multipart/form-data; boundary=x"}),
)


def megabytes(server: psutil.Popen) -> float:
    """In use by the server."""
    return float(server.memory_info().rss / 1e6)


def milliseconds(ask: Ask, name: str, data: Sequence[Any]) -> str:
    """The median time of several requests after one to warm up; all must succeed."""

    def request() -> None:
        if "event: complete" not in (answer := ask(name, data)):
            raise SystemExit(f"error: the app answered {answer[:300]!r}")

    return f"{median(seconds_each(request, SEVERAL)) * 1000:.0f} ms"


if __name__ == "__main__":
    sys.exit(run_command(main))
