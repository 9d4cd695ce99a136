"""The app in a real browser: every tab, the game by keyboard, small screens, light and dark, and nobody else asked."""

import json
import re

import pytest

from tests.app.browsing import drawn, expect, expect_readable, tab
from tests.app.serving import serving, write_run

TABS = (
    "Generate", "Mixing", "Directions", "Truncation", "Growth", "Interpolate", "Your picture", "Which is real?",
    "Training", "About",
)  # fmt: skip
# What a tab shows without being asked.
SHOWN_AT_ONCE = {
    "Generate": "#pictures img", "Mixing": "#mixed img", "Directions": "#children img", "Truncation": "#truncated img",
    "Growth": "#faded img", "Training": "#snapshot img",
}  # fmt: skip


def test_generate_by_link_keyboard_and_mouse(visit):
    page = visit("?tab=generate&seeds=21-23&psi=0.5", refused=True)
    pictures, seeds = page.locator("#pictures img"), page.locator("#seeds").locator("input, textarea")
    expect(pictures).to_have_count(3)
    expect(pictures.first).to_have_attribute("alt", "Generated image, seed 21, truncation 0.5, model style")
    page.keyboard.press("s")
    expect(seeds).not_to_have_value("21-23")
    expect(pictures.first).not_to_have_attribute("alt", re.compile("seed 21,"))
    seeds.fill("11,12")
    page.locator("#generate").click()
    expect(pictures).to_have_count(2)
    expect(page.locator("#said")).to_contain_text("Generated 2 images")
    page.locator("#pictures button.thumbnail-item").nth(1).click()
    expect(page.get_by_role("heading", name="Seed 12")).to_be_visible()
    drawn(page, "#detail img")
    seeds.fill("5-")
    page.locator("#generate").click()
    expect(page.get_by_text('Could not read "5-"').first).to_be_visible()


def test_every_tab_shows_something_when_it_is_opened(visit):
    page = visit(width=1280)
    expect(page.get_by_role("tab")).to_have_text(list(TABS))
    for name, picture in SHOWN_AT_ONCE.items():
        tab(page, name)
        drawn(page, picture)
    expect(page.locator("#said")).to_have_text("")  # it is about the tab that is seen
    tab(page, "Generate")
    expect(page.locator("#said")).to_contain_text("Generated 4 images")
    tab(page, "About")
    for name in ("/generate(", "/run_stats(run)", "/game_new("):
        expect(page.get_by_text(name).filter(visible=True).first).to_be_visible()
    tab(page, "Interpolate")
    panel = page.get_by_role("tabpanel").filter(visible=True)
    panel.get_by_label("Seeds").fill("0-1")
    page.locator("#make-video").click()
    page.wait_for_function("document.querySelector('video')?.readyState >= 2")


def test_nothing_is_touched_before_the_link_is_read(visit):
    held = []

    def hold(page):
        page.route("**/queue/join*", lambda route: held.append(route))

    page = visit("?tab=generate&seeds=3&psi=0.5", before=hold)
    psi, mixing = slider(page, "Truncation (psi)"), page.get_by_role("tab", name="Mixing", exact=True)
    expect(mixing).to_be_visible()
    page.wait_for_function("document.querySelector('#seeds textarea, #seeds input')?.value === '0-3'")
    box = mixing.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.keyboard.press("s")
    expect(mixing).to_have_attribute("aria-selected", "false")
    page.unroute("**/queue/join*")  # which lets what was held go on
    mixing.click()
    drawn(page, "#mixed img")
    expect(mixing).to_have_attribute("aria-selected", "true")
    tab(page, "Generate")
    drawn(page, "#pictures img")
    expect(page.locator("#pictures img")).to_have_attribute("alt", re.compile("seed 3, truncation 0.5,"))
    expect(psi).to_have_value("0.5")


def test_mixing_by_clicking(visit):
    page = visit("?tab=mix&rows=0-1&cols=6-8")
    mixed = page.locator("#mixed img")
    for name, place, seeds in (("rows", 1, (1, 6)), ("cols", 2, (1, 8))):
        drawn(page, f"#{name} img")
        page.locator(f"#{name} button.thumbnail-item").nth(place).click()
        expect(mixed).to_have_attribute("alt", re.compile("seed {} with layers 0-3 of seed {},".format(*seeds)))
    page.locator("#bands button.thumbnail-item").nth(1).click()
    expect(mixed).to_have_attribute("alt", re.compile("seed 1 with layers 4-7 of seed 8,"))
    page.get_by_role("radio", name=re.compile("^Coarse: overall shape")).check()
    expect(mixed).to_have_attribute("alt", re.compile("seed 1 with layers 0-3 of seed 8,"))
    page.locator("#mix-grid").click()
    drawn(page, "#mixing-figure img")
    page.get_by_role("button", name="Every mix as a picture of its own").click()
    page.locator("#cells button.thumbnail-item").nth(1).click()
    expect(mixed).to_have_attribute("alt", re.compile("seed 0 with layers 0-3 of seed 7,"))


def test_a_slow_model_opens_the_mixing_tab_with_pictures(models, windows, tmp_path):
    with serving(models, tmp_path, ["style"]) as served:
        page, drawings = windows(viewport={"width": 1280, "height": 800}).new_page(), []
        for layer in served.models.sampler("style").generator.modules():
            layer.register_forward_hook(lambda *_: drawings.append("drawn"))
        for seconds, faces in ((5.0, 0), (1.2, 6), *[(0.1, 6)] * 3):
            served.models.seconds = served.models.measured_again = lambda name, seconds=seconds: seconds
            page.goto(f"{served.url}/?tab=mix")
            drawn(page, "#mixed img")
            expect(page.locator("#rows img")).to_have_count(faces)
            expect(page.locator("#cols img")).to_have_count(faces)
            expect(page.locator("#bands img")).to_have_count(faces // 2)
            said = re.compile("takes its time" if faces == 0 else "Seed [0-9]+ with layers 0-3")
            expect(page.locator("#said")).to_contain_text(said)
            drawings.append("opened")
        assert drawings[0] == "drawn"
        assert drawings[-4:] == ["opened"] * 4  # it is drawn once
        page.close()


def test_a_slow_model_s_tabs_say_how_to_draw_and_show_no_pictures_of_another(models, windows, tmp_path):
    tabs = {"generate": "#pictures", "directions": "#after", "growth": "#faded", "truncation": "#truncated"}
    with serving(models, tmp_path, ["style", "silent"]) as served:
        page = windows(viewport={"width": 1280, "height": 800}).new_page()
        served.models.seconds = served.models.measured_again = lambda model: 60.0 if model == "silent" else 0.001
        for name, selector in tabs.items():
            page.goto(f"{served.url}/?tab={name}")
            drawn(page, f"{selector} img")
            page.get_by_label("Model", exact=True).click()
            page.get_by_role("option", name="silent").click()
            expect(page.locator("#said")).to_contain_text("takes its time")
            expect(page.locator(f"{selector} img")).to_have_count(0)
        page.close()


def test_of_a_rather_slow_model_tabs_open_with_as_much_as_takes_no_time(models, windows, tmp_path):
    tabs = {
        "generate": (["#pictures", "#detail .large"], []),
        "directions": (["#before", "#after"], ["#children"]),
        "growth": (["#faded"], ["#ladder"]),
        "truncation": (["#changed"], ["#truncated"]),
    }
    with serving(models, tmp_path, ["style"]) as served:
        page = windows(viewport={"width": 1280, "height": 800}).new_page()
        served.models.seconds = served.models.measured_again = lambda model: 2.6
        for name, (there, left_out) in tabs.items():
            page.goto(f"{served.url}/?tab={name}")
            for selector in there:
                drawn(page, f"{selector} img")
            for selector in left_out:
                expect(page.locator(f"{selector} img")).to_have_count(0)
            expect(page.locator("#pictures img")).to_have_count(1 if name == "generate" else 0)
        page.close()


def test_what_a_progan_cannot_do_is_one_click_from_a_model_that_can(visit):
    page = visit("?tab=mix&model=run")
    page.get_by_role("button", name="Switch to style").click()
    drawn(page, "#mixed img")
    page.wait_for_url(re.compile("tab=mix&model=style&"))
    expect(page.locator("#drawn-mix")).to_be_hidden()


def test_a_run_goes_on_while_it_is_looked_at(visit, app):
    write_run(app.runs / "00003-goes-on")
    page = visit("?tab=training&run=00003-goes-on", clock=True)
    drawn(page, "#snapshot img")
    summary, asked = page.locator("#run-summary"), []
    expect(summary).to_contain_text("Running")
    expect(summary).to_contain_text("29 kimg of 40 kimg")
    expect(page.locator("canvas.marks, svg.marks")).to_have_count(3)  # this run tells no scores
    assert page.locator("#snapshot img").bounding_box()["width"] > 600  # of 96 px
    expect(page.locator("#snapshot-number")).to_contain_text("3 snapshots, from 0 to 20 kimg")
    page.locator("#snapshot-number input[type=range]").focus()
    page.keyboard.press("Home")
    expect(page.get_by_text("At 0 kimg")).to_be_visible()
    with (app.runs / "00003-goes-on" / "stats.jsonl").open("a") as stats:
        stats.write("\n" + json.dumps({"kimg": 39.5, "resolution": 32, "left_sec": 10}) + "\n")
    page.clock.run_for(11_000)
    expect(summary).to_contain_text("39.5 kimg of 40 kimg")
    expect(page.get_by_text("At 0 kimg")).to_be_visible()
    with page.expect_request("**/queue/join**"):  # for the link of the tab
        tab(page, "About")
    page.on("request", lambda request: asked.append(request.url) if "queue/join" in request.url else None)
    page.clock.run_for(60_000)
    assert asked == []  # where nobody looks nothing is asked


def test_a_run_before_its_first_tick_says_so(visit, app):
    run = app.runs / "00004-begins"
    write_run(run)
    for file in (run / "stats.jsonl", *run.glob("fakes*.png")):
        file.unlink()
    page = visit("?tab=training&run=00004-begins")
    expect(page.locator("#run-summary")).to_contain_text("no numbers yet")
    expect(page.locator("#run-summary")).to_contain_text("nothing of 40 kimg")
    expect(page.get_by_text("It has drawn no pictures yet.")).to_be_visible()
    expect(page.locator("#snapshot")).to_be_hidden()


def test_the_game_by_keyboard_to_the_end(visit):
    page = visit("?tab=game")
    game = page.locator("#game")
    page.locator("#game-start").focus()
    page.keyboard.press("Enter")
    for number in range(10):
        expect(game).to_have_attribute("data-state", "open")
        expect(page.locator("#game-A img")).to_have_attribute("alt", "Picture A")
        expect(page.locator("#game-B img")).to_have_attribute("alt", "Picture B")
        page.keyboard.press("1" if number % 2 else "b")
        expect(game).to_have_attribute("data-state", "answered" if number < 9 else "finished")
        expect(page.locator("#game-banner strong")).to_have_text(re.compile("^(Correct|Not this time) - [AB] is"))
        if number < 9:
            expect(page.locator("#game-next")).to_be_focused()
            page.keyboard.press("Enter" if number % 2 else "n")
    expect(page.locator("#game-again")).to_be_focused()
    expect(page.locator("#game-score")).to_contain_text("10")


def test_a_phone_needs_no_sideways_scrolling(visit):
    page = visit(width=390, height=844, has_touch=True, is_mobile=True)
    for name in TABS:
        tab(page, name)
        if name in SHOWN_AT_ONCE:
            drawn(page, SHOWN_AT_ONCE[name])
        for width in (320, 390):
            page.set_viewport_size({"width": width, "height": 844})
            page.wait_for_function("width => innerWidth === width", arg=width)
            page.evaluate("() => new Promise((laid) => requestAnimationFrame(() => requestAnimationFrame(laid)))")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, name


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_light_and_dark(visit, scheme):
    page = visit("?tab=generate&model=run&seeds=5&grown=2", color_scheme=scheme)
    alt = "Generated image, seed 5, stage 8 px, model run"  # what a link says of a model holds
    expect(page.locator("#pictures img")).to_have_attribute("alt", alt)
    bright = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0] > 128")
    assert bright == (scheme == "light")
    for selector in ("h1", ".badge", "#generate", "#random", "[role=tab][aria-selected=true]", "[role=tab]", "label"):
        expect_readable(page, selector)
    expect_readable(page, "#show-pixels input:not(:checked)", "borderTopColor", 3)


def slider(page, label):
    """The range of a slider that is seen."""
    return page.get_by_role("slider", name=f"range slider for {label}").filter(visible=True).first


@pytest.mark.parametrize(
    ("query", "label", "selector"),
    [
        ("?tab=generate&seeds=3-5", "Truncation (psi)", "#detail .large img"),
        ("?tab=mix", "Copy this layer and all after it", "#mixed img"),
        ("?tab=directions", "PCA 1", "#after img"),
        ("?tab=growth&alpha=0", "Alpha", "#faded img >> nth=1"),
    ],
)
def test_what_moves_is_drawn_while_it_moves_and_for_good_when_it_rests(visit, query, label, selector):
    page = visit(query)
    image = page.locator(selector)
    drawn(page, selector.partition(" >>")[0])
    if "tab=mix" in query:
        page.get_by_role("button", name="Single layers, and a crossover").click()
    first = image.get_attribute("src")
    slider(page, label).focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    expect(image).to_have_attribute("srcset", re.compile("^data:image/jpeg"))
    expect(image).not_to_have_attribute("srcset", re.compile("."))
    expect(image).not_to_have_attribute("src", first)


def test_late_answers_never_overwrite_newer_ones(visit):
    page = visit("?tab=generate&seeds=3")
    drawn(page, "#detail .large img")
    held = []
    page.route("**/live/generate", lambda route: held.append(route))
    psi = slider(page, "Truncation (psi)")
    psi.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#pictures img")).to_have_attribute("alt", re.compile("truncation 0.8,"))
    page.wait_for_function("!window.stylegrow.live.states.generate.images.size")
    assert len(held) == 1  # one at a time, however many moves
    held[0].continue_()
    page.wait_for_function("!window.stylegrow.live.states.generate.wanted")  # it is back, and the newest are asked for
    expect(page.locator("#detail .large img")).not_to_have_attribute("srcset", re.compile("."))
    page.unroute_all(behavior="ignoreErrors")


def test_seeds_are_one_field_and_the_address_names_them(visit):
    page = visit("?seeds=100-103")
    seeds, count = page.locator("#seeds").locator("input, textarea"), page.locator("#count input[type=range]")
    drawn(page, "#pictures img")
    for button, text in (("next", "104-107"), ("next", "108-111"), ("previous", "104-107")):
        page.locator(f"#{button}").click()
        expect(seeds).to_have_value(text)
    seeds.fill("500-502")
    page.keyboard.press("Enter")
    expect(page.locator("#pictures img")).to_have_count(3)
    expect(count).to_have_value("3")
    count.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#pictures img")).to_have_count(4)
    page.wait_for_url(re.compile("tab=generate.*seeds=500-503"))


def test_a_link_restores_images_and_controls_alike(visit):
    page = visit("?tab=mix&layers=middle&psi=0.5&a=2&rows=1-2&cols=6-7")
    alt = re.compile("seed 2 with layers 4-7 of seed 6, truncation 0.5")
    expect(page.locator("#mixed img")).to_have_attribute("alt", alt)
    expect(page.get_by_role("radio", name=re.compile("^Middle"))).to_be_checked()
    page.get_by_role("radio", name=re.compile("^Coarse")).check()
    page.wait_for_url(re.compile("tab=mix.*layers=coarse"))
    # Drawn before the page goes, which would cut the request off.
    expect(page.locator("#mixed img")).to_have_attribute("alt", re.compile("seed 2 with layers 0-3 of seed 6"))
    page.goto(page.url)
    expect(page.locator("#mixed img")).to_have_attribute("alt", re.compile("seed 2 with layers 0-3 of seed 6"))
    page = visit("?tab=generate&seeds=7&psi=0.35")
    drawn(page, "#detail .large img")
    page.get_by_role("button", name="To mixing: face").click()
    expect(page.locator("#mixed img")).to_have_attribute(
        "alt", re.compile("^Generated image, seed 7 .* truncation 0.35")
    )


def test_directions_go_from_a_link_to_sliders_to_a_child(visit):
    page = visit("?tab=directions&seed=5&amounts=PCA 1:2,SeFa fine 1:-1&children=7")
    after = page.locator("#after img")
    expect(after).to_have_attribute("alt", "Face of seed 5, moved by PCA 1:2,SeFa fine 1:-1, model style")
    first = slider(page, "PCA 1")
    expect(first).to_have_value("2")
    page.locator(".resets", has_text="PCA 1").get_by_label("Reset to default value").click()
    expect(after).to_have_attribute("alt", "Face of seed 5, moved by SeFa fine 1:-1, model style")
    expect(first).to_have_value("0")
    page.locator("#children button.thumbnail-item").nth(2).click()
    expect(after).to_have_attribute("alt", re.compile("seed 5, moved by SeFa fine 1:-1,PCA 1:"))
    expect(first).not_to_have_value("0")
    page.wait_for_url(re.compile("tab=directions.*amounts=SeFa"))
    page.locator("#reset-directions").click()
    expect(after).to_have_attribute("alt", "Face of seed 5, not moved, model style")
    expect(first).to_have_value("0")


def test_a_phone_shows_random_and_the_image_first_and_four_tabs(visit):
    page = visit(width=390, height=844, has_touch=True, is_mobile=True)
    drawn(page, "#detail .large img")
    for name in TABS[:4]:
        expect(page.get_by_role("tab", name=name, exact=True)).to_be_visible()
    for selector in ("#random", "#detail .large img"):
        box = page.locator(selector).bounding_box()
        assert box["y"] + box["height"] <= 844
    page.set_viewport_size({"width": 1440, "height": 900})
    page.wait_for_function("document.querySelector('#detail .large img').getBoundingClientRect().width >= 512")


def test_undo_history_and_favourites_restore_image_and_controls(visit):
    page = visit("?tab=generate&seeds=3-4&psi=0.5")
    large, past = page.locator("#detail .large img"), page.locator("#past button")
    seeds, psi = page.locator("#seeds").locator("input, textarea"), slider(page, "Truncation (psi)")

    def shows(seed, truncation):
        expect(large).to_have_attribute("alt", re.compile(f"seed {seed}, truncation {truncation:g},"))
        expect(psi).to_have_value(f"{truncation:g}")

    expect(past).to_have_count(1)
    page.locator("#next").click()
    expect(past).to_have_count(2)
    page.locator("#pictures button.thumbnail-item").nth(1).click()
    expect(past).to_have_count(3)
    page.locator("#favourite").click()
    psi.focus()
    page.keyboard.press("ArrowRight")
    expect(past).to_have_count(4)
    shows(6, 0.55)
    page.keyboard.press("Control+z")
    shows(6, 0.5)
    page.locator("#undo").click()
    shows(5, 0.5)
    page.locator("#undo").click()
    shows(3, 0.5)
    expect(seeds).to_have_value("3-4")
    expect(page.locator("#undo")).to_be_disabled()
    past.nth(3).click()
    shows(6, 0.55)
    page.locator(".resets", has=psi).get_by_label("Reset to default value").click()
    shows(6, 0.7)
    expect(past).to_have_count(5)
    page.wait_for_url(re.compile("seeds=5-6.*chosen=6.*psi=0.7"))
    page = visit("?tab=about")  # another page of the same browser
    tab(page, "Generate")
    page.locator("#favourites button").click()
    expect(page.locator("#detail .large img")).to_have_attribute("alt", re.compile("seed 6, truncation 0.5,"))
    expect(page.locator("#favourite")).to_have_attribute("aria-pressed", "true")
    page.locator("#favourite").click()
    expect(page.locator("#favourites button")).to_have_count(0)
