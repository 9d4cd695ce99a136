"""The video's page: frames on their way to files, and what is shown and can be stopped meanwhile."""

import zipfile

import numpy as np
import pytest
from PIL import Image

from app.web.pages.interpolation import make_files
from tests.app.browsing import expect
from tests.held_frames import Held


@pytest.mark.parametrize("also", ["nothing", "webp", "gif", "frames"])
def test_a_long_video_and_its_other_file_hold_few_frames(tmp_path, also):
    frames = Held(np.full((16, 16, 1), 97 * index % 251, np.uint8) for index in range(150))
    made, other = make_files(tmp_path, frames, 150, 32, 24, {"parameters": "{}"}, also)
    assert 0 < frames.most <= 4
    assert made.is_file()
    assert len(list(tmp_path.iterdir())) == (1 if also == "nothing" else 2)
    if also == "nothing":
        assert other is None
    elif also == "frames":
        with zipfile.ZipFile(other) as archive:
            assert len(archive.namelist()) == 150
            assert np.all(np.asarray(Image.open(archive.open("frame0149.png"))) == 97 * 149 % 251)
    else:
        with Image.open(other) as image:
            assert (image.n_frames, image.size) == (150, (32, 32))


SEEN = """() => {
    window.seen = [];
    const look = () => {
        const able = !document.querySelector("#stop-video").disabled;
        const previewed = Boolean(document.querySelector("#preview img")?.checkVisibility());
        const now = `${able ? "can" : "cannot"} stop, ${previewed ? "preview" : "none"}`;
        if (window.seen.at(-1) !== now) window.seen.push(now);
    };
    look();
    new MutationObserver(look).observe(document.body, {subtree: true, childList: true, attributes: true});
}"""


def test_a_preview_comes_before_the_video_and_stop_is_there_while_it_runs(visit):
    page = visit("?tab=video&keys=0-1&frames=60")
    expect(page.locator("#stop-video")).to_be_disabled()
    page.evaluate(SEEN)
    page.locator("#make-video").click()
    page.wait_for_function("document.querySelector('video')?.readyState >= 2")
    page.wait_for_function("window.seen.length > 2 && window.seen.at(-1) === window.seen[0]")
    seen = page.evaluate("window.seen")
    assert "can stop, preview" in seen
    assert seen[0] == "cannot stop, none"
