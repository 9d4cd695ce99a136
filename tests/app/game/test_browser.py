"""The game in a real browser: keys, focus, what is read aloud, a phone, and a page that tells nothing too early."""

import re

import pytest

from app.game import rules
from app.game.rules import Mode
from tests.app.browsing import expect, expect_readable

SHOWN = "#game[data-state=open]"
OVER = "#game:is([data-state=answered], [data-state=finished])"
BANNER = re.compile(r"^(Correct|Not this time) - ")


@pytest.fixture(scope="module")
def desk(windows, app):
    """One page for all tests on a desk's screen: loading it takes longer than all that they do with it."""
    page, wrong = windows(viewport={"width": 1280, "height": 800}).new_page(), []
    page.on("console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(f"{app.url}/?tab=game")
    page.locator("#game-statistics > button").click()
    yield page
    page.close()
    assert wrong == []


@pytest.fixture
def play(desk):
    """Starts a mode by key, as if nothing had been played; returns the page."""

    def started(mode="pair", until=SHOWN):
        desk.locator("#game-reset").click()
        expect(desk.locator("#game-numbers")).to_contain_text("No answers yet")
        expect(desk.locator("#game-title")).to_have_text("Which picture is real?")
        desk.locator(f"#game-mode input[value={mode}]").check()
        desk.keyboard.press("n")
        expect(desk.locator(until)).to_be_visible()
        return desk

    return started


@pytest.mark.parametrize(
    ("mode", "keys"), [("pair", "1b"), ("single", "rG"), ("odd", "14D"), ("blitz", "A2")], ids=lambda one: one
)
def test_every_answer_has_a_key(play, mode, keys):
    page = play(mode)
    for number, key in enumerate(keys, 1):
        expect(page.locator("#game-question")).to_be_focused()
        page.keyboard.press(key)
        expect(page.locator(OVER)).to_be_visible()
        expect(page.locator("#game-banner")).to_have_text(re.compile("^[✓✗] +(Correct|Not this time) - "))
        expect(page.locator("#game-said")).to_have_text(BANNER)  # read aloud
        expect(page.locator("#game-score")).to_have_text(re.compile(f"of {number} right"))
        expect(page.locator("#game-next")).to_be_focused()
        places = page.locator(".game-place").filter(visible=True)
        assert places.count() == rules.MODES[mode].images
        for place in places.all():
            assert place.get_attribute("data-was") in ("real", "generated")
            expect(place.locator(".game-was")).to_have_text(
                re.compile(r"real picture|generated, seed [0-9]+, psi [0-9.]+$")
            )
        page.keyboard.press("Enter")
        expect(page.locator(SHOWN)).to_be_visible()
    page.keyboard.press("n")  # skips
    expect(page.locator("#game-score")).to_contain_text("1 skipped")


def test_the_page_is_the_same_whatever_is_true(play):
    """Rules 1 and 7: the places differ in their letters alone, and what the page holds does not tell the seed."""
    page = play("odd")
    for _ in range(2):
        places = []
        for letter in "ABCD":
            html = page.locator(f"#game-{letter}").evaluate("(one) => one.outerHTML")
            html = re.sub(r'<div id="game-single".*?</div>', "", html.replace(f"Picture {letter}", "Picture"))
            html = re.sub(r"[0-9a-f]{32}", "ID", html)
            places.append(re.sub(rf"(game|pick)-{letter}\b|html-\w+|component-\d+|<!--.*?-->", "", html))
        assert places[1] == places[2] == places[3]
        assert re.sub(r"\s", "", places[1]) in re.sub(r"\s", "", places[0]) or places[0] == places[1]
        before = page.content() + page.evaluate("JSON.stringify([localStorage, sessionStorage, window.gradio_config])")
        before += page.evaluate("JSON.stringify(window.stylegrow.game.round)")
        page.keyboard.press("1")
        expect(page.locator(OVER)).to_be_visible()
        seeds = re.findall(r"seed (\d+)", " ".join(page.locator(".game-was").all_inner_texts()))
        assert len(seeds) == 3
        assert not [seed for seed in seeds if seed in before]
        page.keyboard.press("n")
        expect(page.locator(SHOWN)).to_be_visible()
        assert page.locator("#game [data-was]").count() == 0


def test_space_magnifies_all_pictures_while_it_is_held(play):
    page = play()
    zoomed = page.locator("#game[data-zoom]")
    place = "getComputedStyle(document.querySelector('#game-%s img')).transformOrigin"
    page.keyboard.down(" ")
    expect(zoomed).to_be_visible()
    before = page.evaluate(place % "A")
    page.keyboard.press("ArrowRight")
    page.wait_for_function(f"{place % 'A'} === {place % 'B'} && {place % 'A'} !== '{before}'")
    page.keyboard.up(" ")
    expect(zoomed).to_have_count(0)
    page.keyboard.press("1")
    expect(page.locator("#game-next")).to_be_focused()
    page.evaluate("window.stylegrow.game.LONG = 0")  # any press is a long one
    page.keyboard.down(" ")
    expect(zoomed).to_be_visible()
    page.keyboard.up(" ")
    expect(zoomed).to_have_count(0)
    expect(page.locator(OVER)).to_be_visible()
    page.evaluate("window.stylegrow.game.LONG = 1e9")
    page.keyboard.press(" ")
    expect(page.locator(SHOWN)).to_be_visible()  # the next round
    for pressed in ("true", "false"):
        page.locator("#game-magnify").click()
        expect(page.locator("#game-magnify")).to_have_attribute("aria-pressed", pressed)


def test_keys_are_listed_can_be_switched_off_and_do_not_disturb_typing(play):
    page = play()
    page.keyboard.press("?")
    expect(page.locator("#game-keys table")).to_be_visible()
    page.locator("#game-keys-on").uncheck()
    for key in ("1", "n", "?"):
        page.keyboard.press(key)
    expect(page.locator(SHOWN)).to_be_visible()
    expect(page.locator("#game-score")).to_have_text("Round 1 of 10, normal.")
    page.locator("#game-keys-on").check()
    opened(page, "#game-leaderboard")
    name = page.locator("#game-nickname").get_by_role("textbox")
    name.fill("")
    name.press_sequentially("1n ?")
    page.keyboard.press("Control+1")
    expect(name).to_have_value("1n ?")
    expect(page.locator(SHOWN)).to_be_visible()
    page.locator("#game-question").focus()
    page.keyboard.press("1")
    expect(page.locator(OVER)).to_be_visible()
    page.keyboard.press("?")
    expect(page.locator("#game-keys table")).to_be_hidden()


def opened(page, accordion):
    """Opens it, if it is not."""
    if page.locator(f"{accordion} .label-wrap.open").count() == 0:
        page.locator(f"{accordion} > button").click()


def test_a_double_click_is_one_answer(play):
    page = play()
    page.locator("#pick-A").dblclick()
    expect(page.locator(OVER)).to_be_visible()
    expect(page.locator("#game-score")).to_have_text(re.compile("Round 1 of 10, normal: [01] of 1 right"))
    assert page.locator(".toast-body").count() == 0


def test_a_generated_picture_opens_in_generate(play):
    page = play()
    page.keyboard.press("1")
    link = page.locator(".game-caption a")
    expect(link).to_be_visible()
    (seed,) = re.findall(r"seed (\d+)", " ".join(page.locator(".game-was").all_inner_texts()))
    with page.context.expect_page() as new:
        link.click()
    expect(new.value.locator("#seeds").get_by_role("textbox")).to_have_value(seed)
    expect(new.value.locator("#pictures img")).to_have_attribute("alt", re.compile(f"seed {seed}, truncation 1,"))
    new.value.close()


def test_a_blitz_ends_by_itself(play, monkeypatch):
    monkeypatch.setitem(rules.MODES, "blitz", Mode("Blitz", 2, seconds=1.0))
    page = play("blitz", until="#game[data-state=finished]")
    expect(page.locator("#game-banner")).to_contain_text("Time is up")
    expect(page.locator("#game-said")).to_have_text(re.compile("^Time is up"))
    expect(page.locator("#game-again")).to_be_focused()
    monkeypatch.undo()  # or the next one is over before it is seen
    page.keyboard.press("Enter")
    expect(page.locator(SHOWN)).to_be_visible()


def test_on_a_phone_pictures_are_stacked_and_answers_stay_at_the_bottom(visit):
    page = visit("?tab=game", width=390, height=844, has_touch=True, is_mobile=True)
    page.locator("#game-start").tap()
    expect(page.locator(SHOWN)).to_be_visible()
    first, second = (page.locator(f"#game-{letter} .game-picture").bounding_box() for letter in "AB")
    assert second["y"] > first["y"] + first["height"]
    assert second["y"] + second["height"] < 844 - 64  # both are seen
    for letter in "AB":
        box = page.locator(f"#pick-{letter}").bounding_box()
        assert box["height"] >= 44
        assert 780 < box["y"] < box["y"] + box["height"] <= 844
    page.locator("#pick-B").tap()
    expect(page.locator(OVER)).to_be_visible()
    for one in ("#game-banner", "#game-next"):
        box = page.locator(one).bounding_box()
        assert 0 <= box["x"] < box["x"] + box["width"] <= 390
        assert 700 < box["y"] < box["y"] + box["height"] <= 844
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator("#game-next").tap()
    expect(page.locator(SHOWN)).to_be_visible()


def test_statistics_are_shown_and_saved(play):
    page = play()
    page.locator("#game-confidence label").first.click()
    page.keyboard.press("2")
    expect(page.locator(OVER)).to_be_visible()
    expect(page.locator("#game-numbers")).to_contain_text(re.compile("when sure *(0|100) %"))
    with page.expect_download() as saved:
        page.locator("#game-csv").click()
    assert saved.value.suggested_filename == "which-is-real.csv"
    assert saved.value.path().read_text().splitlines()[1].startswith("1,pair,normal,1,2,")
    page.locator("#game-reset").click()
    expect(page.locator("#game-numbers")).to_contain_text("No answers yet")
    expect(page.locator("#game-start")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_light_and_dark(play, scheme):
    page = play()
    page.evaluate("(dark) => document.body.classList.toggle('dark', dark)", scheme == "dark")
    for selector in ("#game-question", "#game-score", ".game-label", "#pick-A", "#game-confidence label"):
        expect_readable(page, selector)
    page.keyboard.press("1")
    expect(page.locator(OVER)).to_be_visible()
    for selector in ("#game-banner strong", "#game-tip", ".game-was", ".game-caption a", "#game-next"):
        expect_readable(page, selector)
    page.evaluate("document.body.classList.remove('dark')")


def test_nicknames_are_text_and_come_back_with_the_browser(play):
    page = play()
    opened(page, "#game-leaderboard")
    page.locator("#game-nickname").get_by_role("textbox").fill("<img src=x>")
    page.locator("#game-join").click()
    expect(page.locator("#game-board")).to_contain_text("<img src=x>")
    assert page.locator("#game-board img").count() == 0
    page.reload()
    expect(page.locator("#game-player")).to_have_text("You play as <img src=x>.")
    opened(page, "#game-leaderboard")
    page.locator("#game-leave").click()
    expect(page.locator("#game-player")).to_have_text("Erased.")
    expect(page.locator("#game-board")).not_to_contain_text("<img")
