"""One served app and one browser for all tests of the session."""

import json
import tempfile
from urllib.parse import urlsplit

import pytest

from tests.app.browsing import PATIENCE, PLOTS, REFUSED, expect, find_chromium, sync_playwright
from tests.app.serving import serving


@pytest.fixture(scope="package", autouse=True)
def temporary(tmp_path_factory):
    """What Gradio's client leaves in the folder for temporary files goes with the tests' own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("temporary")))
        yield


@pytest.fixture(scope="session")
def app(models, tmp_path_factory):
    """An app with all that it can be given, on the small models of every kind, the StyleGAN first."""
    with serving(models, tmp_path_factory.mktemp("served")) as served:
        yield served


@pytest.fixture(scope="session")
def browser():
    program = find_chromium()
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        yield started
        started.close()


@pytest.fixture(scope="session")
def windows(browser):
    """Makes a browser's window of a kind, in which what is loaded once need not be loaded again."""
    kept = {}

    def window(clock=False, **kind):  # a clock that a test turns is that of all pages of a window
        key = json.dumps([clock, kind], sort_keys=True)
        if key not in kept:
            kept[key] = browser.new_context(**({"reduced_motion": "reduce"} | kind))
            kept[key].set_default_timeout(PATIENCE)
        return kept[key]

    yield window
    for context in kept.values():
        context.close()


@pytest.fixture
def visit(windows, app):
    """Opens the app; when the test ends nobody else has been asked and nothing has gone wrong."""
    asked, wrong, fine, pages = set(), [], [], []

    def opened(query="", width=1280, height=800, refused=False, clock=False, before=None, **kind):
        """`refused`: whether something is asked for that the server is to refuse, which browsers report.

        `clock`: whether the test can turn the page's clock forward. `before` is called with the empty page.
        """
        page = windows(clock, viewport={"width": width, "height": height}, **kind).new_page()
        pages.append(page)
        page.on("request", lambda request: asked.add(urlsplit(request.url).hostname))
        page.on("response", lambda answer: wrong.append(f"status of {answer.status}") if answer.status >= 400 else None)
        page.on("console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        fine.append(REFUSED if refused else PLOTS)
        if clock:
            page.clock.install()
        if before:
            before(page)
        page.goto(f"{app.url}/{query}")
        expect(page.get_by_role("heading", name="Stylegrow", exact=True)).to_be_visible()
        return page

    yield opened
    for page in pages:
        page.close()
    assert {host for host in asked if host} == {"127.0.0.1"}
    assert [text for text in wrong if not any(known.search(text) for known in fine)] == []
