"""How quick the browser app is, and whether it stays up: `python -m benchmarks.app`.

It serves a model and asks as browsers do: one visitor's clicks, many visitors at once, many requests one after the
other. It prints a table; on a quiet machine the figures are those that the README names.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil

Ask = Callable[[str, Sequence[Any]], str]
VISITORS, SEVERAL = 32, 10


def main() -> None:
    """Measure, and print."""
    arguments = _arguments()
    from app.web.models import Models
    from app.web.options import Serve
    from app.web.server import build_app, launch

    with tempfile.TemporaryDirectory() as files:
        os.environ["GRADIO_TEMP_DIR"] = files
        models = Models([arguments.model] if arguments.model else [], device=arguments.device)
        name = models.first
        if name is None:
            raise SystemExit("error: there is no model; name one with --model")
        models.engine(name)
        demo = build_app(models, Serve(), Path(files))
        url = launch(demo, Serve())
        try:
            _report(url.rstrip("/"), name, models.cards[name].mixable, arguments.requests)
        finally:
            demo.close(verbose=False)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.app", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", help="a model (default: the first that is bundled)")
    parser.add_argument("--device", help="default: the GPU, if there is one")
    parser.add_argument("--requests", type=int, default=2000, help="requests whose memory is watched")
    return parser.parse_args()


def _report(url: str, name: str, mixable: bool, requests: int) -> None:
    """All rows of the table."""
    ask = asker(url)
    generate = ["0-3", 0.7, 18, "const", 0, None, 4, 9, 1, "own", "png", name]
    page, assets = first_page(url)
    print(f"| {name} | |\n|---|---|")
    print(f"| the page and its {assets} files of scripts | {page * 1000:.0f} ms |")
    print(f"| Generate, 4 images | {_median(lambda: ask('generate', generate)) * 1000:.0f} ms |")
    if mixable:
        grid = ["0-4", "5-9", "coarse", 0.7, None, name]
        print(f"| style mixing, a grid of 5 by 5 | {_median(lambda: ask('style_mix', grid)) * 1000:.0f} ms |")
    served, busy, failed, seconds = at_once(ask, generate)
    print(
        f"| {VISITORS} visitors at once | {served} served in {seconds:.1f} s, {busy} told it is busy, {failed} errors |"
    )
    growth = memory(ask, generate, requests)
    print(f"| memory | {growth[0]:.0f} MB, after {requests:,} more requests {growth[1]:.0f} MB |")


def asker(url: str) -> Ask:
    """Asks an endpoint over HTTP, as the page does, and gives what it answered."""
    import httpx

    client = httpx.Client(timeout=300, limits=httpx.Limits(max_connections=2 * VISITORS))

    def ask(name: str, data: Sequence[Any]) -> str:
        place = f"{url}/gradio_api/call/{name}"
        begun = client.post(place, json={"data": list(data)})
        if begun.status_code != 200:
            return begun.text
        with client.stream("GET", f"{place}/{begun.json()['event_id']}") as stream:
            return "".join(stream.iter_text())

    return ask


def first_page(url: str) -> tuple[float, int]:
    """Seconds to get the page, its configuration and the scripts that it names, and how many those are."""
    import re

    import httpx

    start = time.perf_counter()
    with httpx.Client(timeout=60) as client:
        text = client.get(url).text
        client.get(f"{url}/config")
        names = set(re.findall(r'(?:src|href)="(?:\./)?(assets/[^"]+)"', text))
        for name in names:
            client.get(f"{url}/{name}")
    return time.perf_counter() - start, len(names)


def at_once(ask: Ask, data: Sequence[Any]) -> tuple[int, int, int, float]:
    """How many of VISITORS who come at once are served, told that it is busy, and fail; and the seconds for all."""
    start = time.perf_counter()
    with ThreadPoolExecutor(VISITORS) as pool:
        said = list(pool.map(lambda _: ask("generate", data), range(VISITORS)))
    served = sum("event: complete" in one for one in said)
    busy = sum("full" in one or "busy" in one for one in said)
    return served, busy, VISITORS - served - busy, time.perf_counter() - start


def memory(ask: Ask, data: Sequence[Any], requests: int) -> tuple[float, float]:
    """MB in use once Gradio remembers as many sessions as it may, each request being one; and after all requests."""
    from app.web.server import SESSIONS

    process = psutil.Process()
    for _ in range(SESSIONS):
        ask("generate", data)
    before = process.memory_info().rss / 1e6
    for _ in range(requests):
        ask("generate", data)
    return before, process.memory_info().rss / 1e6


def _median(work: Callable[[], Any]) -> float:
    """Seconds, of several tries after one to warm up; all must succeed."""
    seconds = []
    for _ in range(SEVERAL + 1):
        start = time.perf_counter()
        answer = work()
        seconds.append(time.perf_counter() - start)
        if "event: complete" not in answer:
            raise SystemExit(f"error: the app answered {json.dumps(answer)[:300]}")
    return statistics.median(seconds[1:])


if __name__ == "__main__":
    main()
