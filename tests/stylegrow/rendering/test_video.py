"""Videos: what is decoded is what was given, in a form that browsers play."""

import numpy as np
import pytest
from PIL import Image, ImageSequence

from stylegrow.rendering import video
from tests.held_frames import Held

av = pytest.importorskip("av")
TEXT = {"parameters": '{"seed": 1}', "Source": "Zoë"}


def smooth(count, height=64, width=96, channels=3):
    """Frames of moving colour ramps."""
    y, x = np.mgrid[:height, :width]
    for index in range(count):
        ramps = [(x * 2 + index * 9) % 256, y * 2 + 40, 255 - y - x // 2][:channels]
        yield np.stack([np.minimum(ramp, 255) for ramp in ramps], axis=2).astype(np.uint8)


def decoded(path):
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


@pytest.mark.parametrize("channels", [1, 3])
def test_the_frames_come_back(tmp_path, channels):
    path = video.write_video(tmp_path, "video", smooth(7, channels=channels), 7, 24, TEXT)
    assert path == tmp_path / "video.mp4"
    assert [found.name for found in tmp_path.iterdir()] == ["video.mp4"]
    frames = decoded(path)
    assert len(frames) == 7
    for given, found in zip(smooth(7, channels=channels), frames, strict=True):
        assert found.shape == (64, 96, 3)
        assert np.abs(found.astype(float) - given).mean() < 4


def test_colours_come_back(tmp_path):
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (200, 120, 90), (255, 255, 255), (0, 0, 0)]
    path = video.write_video(tmp_path, "video", (np.full((32, 32, 3), colour, np.uint8) for colour in colours), 6, 5)
    for colour, frame in zip(colours, decoded(path), strict=True):
        assert np.abs(frame.astype(int) - colour).max() <= 3


def test_browsers_play_it(tmp_path):
    path = video.write_video(tmp_path, "video", smooth(3), 3, 30, TEXT)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        assert (context.name, context.pix_fmt, stream.average_rate) == ("h264", "yuv420p", 30)
        assert (context.colorspace, context.color_range) == (1, 1)
        assert (container.metadata["comment"], container.metadata["copyright"]) == (TEXT["parameters"], "Zoë")
    content = path.read_bytes()
    assert 0 < content.find(b"moov") < content.find(b"mdat")


@pytest.mark.parametrize(("h264", "form"), [(False, None), (True, "webp")])
def test_a_video_can_be_an_animated_webp(tmp_path, monkeypatch, h264, form):
    monkeypatch.setattr(video, "has_h264", lambda: h264)
    path = video.write_video(tmp_path, "video", smooth(4), 4, 25, TEXT, form)
    assert path == tmp_path / "video.webp"
    with Image.open(path) as image:
        frames = [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(image)]
        assert (image.info["duration"], image.info["loop"]) == (40, 0)
        assert image.getexif()[0x010E] == TEXT["parameters"]
    assert len(frames) == 4
    for given, found in zip(smooth(4), frames, strict=True):
        assert np.abs(found.astype(float) - given).mean() < 6


def test_frames_of_a_webp_are_not_so_brief_that_browsers_slow_them_down(tmp_path):
    with Image.open(video.write_video(tmp_path, "video", smooth(2), 2, 120, TEXT, "webp")) as image:
        image.load()
        assert image.info["duration"] == 11


@pytest.mark.parametrize("missing", [ImportError("no av"), ValueError("no such codec")])
def test_an_encoder_that_is_missing_is_found(monkeypatch, missing):
    def codec(name, mode):
        raise missing

    assert video.has_h264()
    monkeypatch.setattr(av.codec, "Codec", codec)
    assert not video.has_h264()


@pytest.mark.parametrize("h264", [True, False])
@pytest.mark.parametrize("stop", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_a_video_that_is_cut_off_leaves_the_old_one(tmp_path, monkeypatch, h264, stop):
    monkeypatch.setattr(video, "has_h264", lambda: h264)
    path = video.write_video(tmp_path, "video", smooth(2), 2, 24)
    before = path.read_bytes()

    def frames():
        yield from smooth(3)
        raise stop

    with pytest.raises(type(stop)):
        video.write_video(tmp_path, "video", frames(), 4, 24)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_gif_has_the_frames_and_their_colours(tmp_path):
    path = video.write_video(tmp_path, "video", smooth(5), 5, 25, TEXT, "gif")
    with Image.open(path) as image:
        frames = [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(image)]
        assert (image.info["duration"], image.info["loop"]) == (40, 0)
    assert len(frames) == 5
    for given, found in zip(smooth(5), frames, strict=True):
        assert np.abs(found.astype(float) - given).mean() < 12


@pytest.mark.parametrize("form", ["mp4", "webp", "gif"])
def test_a_long_video_holds_few_frames(tmp_path, form):
    frames = Held(smooth(150, 16, 16))
    video.write_video(tmp_path, "video", frames, 150, 24, None, form)
    assert 0 < frames.most <= 4
