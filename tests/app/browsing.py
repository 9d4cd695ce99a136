"""What the tests in a real browser have in common.

They need the package playwright and a Chromium: $CHROMIUM, or chromium on the PATH. Without one they are skipped, or
fail where STYLEGROW_BROWSER is "required".
"""

import os
import re
import shutil

import pytest

try:
    from playwright.sync_api import Error, Page, expect, sync_playwright
except ImportError:
    Error = Page = expect = sync_playwright = None  # type: ignore[assignment,misc]

PATIENCE = 60_000  # ms, for machines that are busy with other tests
# What Gradio's own plots say, and its streams when a job is cancelled.
PLOTS = re.compile("The input spec uses Vega-Lite|Method not implemented")
REFUSED = re.compile("status of 422")


def find_chromium():
    """Where the browser is. Skips where there is none, or fails where there must be one."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    missing = None
    if sync_playwright is None:
        missing = "playwright is not installed: pip install -r requirements-dev.txt"
    elif not found:
        missing = "there is no Chromium: install your system's package, or name the program in $CHROMIUM"
    if missing:
        (pytest.fail if os.environ.get("STYLEGROW_BROWSER") == "required" else pytest.skip)(missing)
    return found


def tab(page, name):
    """Open a tab as a visitor does, if need be out of the menu of those that do not fit.

    Gradio lays the tabs out anew whenever their room changes, so that one may be gone while it is clicked: again then.
    """
    tried, wanted = 0, page.get_by_role("tab", name=name, exact=True)
    listed = page.locator(".overflow-dropdown").get_by_text(name, exact=True)
    while True:
        tried += 1
        try:
            if wanted.is_visible():
                wanted.click(timeout=PATIENCE / 10)
            else:
                if not listed.is_visible():
                    page.locator(".overflow-menu > button").click(timeout=PATIENCE / 10)
                listed.click(timeout=PATIENCE / 10)
            expect(wanted).to_have_attribute("aria-selected", "true", timeout=PATIENCE / 10)
            return
        except (Error, AssertionError):
            if tried == 10:
                raise


def drawn(page, selector):
    """Wait until a picture is there with all of its pixels."""
    page.wait_for_function(
        "selector => [...document.querySelectorAll(selector)].some(one => one.complete && one.naturalWidth)",
        arg=selector,
    )


READABLE = """([selector, property, least]) => {
    const seen = (one) => one.checkVisibility({visibilityProperty: true}) && one.getBoundingClientRect().height > 0;
    const one = [...document.querySelectorAll(selector)].find(seen);
    if (!one) return false;
    const context = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
    const over = (colour, under) => {
        context.fillStyle = `rgb(${under})`; context.fillRect(0, 0, 1, 1);
        context.fillStyle = colour; context.fillRect(0, 0, 1, 1);
        return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
    };
    const above = [];
    for (let at = one; at; at = at.parentElement) above.unshift(getComputedStyle(at).backgroundColor);
    const back = above.reduce((under, colour) => over(colour, under), [255, 255, 255]);
    const light = (colour) => {
        const linear = (c) => c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4;
        const [r, g, b] = colour.map((c) => linear(c / 255));
        return .2126 * r + .7152 * g + .0722 * b;
    };
    const [a, b] = [light(over(getComputedStyle(one)[property], back)), light(back)];
    return (Math.max(a, b) + .05) / (Math.min(a, b) + .05) >= least;
}"""


def expect_readable(page, selector, what="color", least=4.5):
    """Text and what is behind it come to differ as WCAG 2.1 asks; colours fade for a moment when the theme changes."""
    try:
        page.wait_for_function(READABLE, arg=[selector, what, least])
    except Error:
        raise AssertionError(f"{selector}: contrast of its {what} stays below {least}") from None
