"""Videos that browsers play: H.264 by PyAV, or an animated WebP or GIF for pages that show only images.

Frames go to the encoder one by one; none is kept.
"""

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from stylegrow.common.files import replacing
from stylegrow.rendering.grids import exif_text

QUALITY = "17"  # x264's crf: what it loses cannot be seen
BT709 = LIMITED = 1  # FFmpeg's numbers
BRIEFEST = 11  # ms; browsers show the frame of a WebP that is to last 10 or less for 100
VideoFormat = Literal["mp4", "webp", "gif"]


def write_video(
    folder: Path,
    name: str,
    frames: Iterable[np.ndarray],
    count: int,
    fps: int,
    text: Mapping[str, str] | None = None,
    file_format: VideoFormat | None = None,
) -> Path:
    """Write `count` frames [H, W, C] (uint8, H and W even) as folder/name.mp4, .webp or .gif.

    Where no `file_format` is given it is an mp4, or a WebP without an encoder of H.264. The file is there whole or not
    at all; the `text` chunks of a PNG go into its metadata, which a GIF has none of. Returns its path. OSError when it
    cannot be written.
    """
    file_format = file_format or ("mp4" if has_h264() else "webp")
    write = {"mp4": _write_mp4, "webp": _write_webp, "gif": _write_gif}[file_format]
    path = folder / f"{name}.{file_format}"
    with replacing(path) as partial:
        write(partial, (np.broadcast_to(frame, (*frame.shape[:2], 3)) for frame in frames), count, fps, text or {})
    return path


def has_h264() -> bool:
    """Whether PyAV is there, and its FFmpeg was built with x264, as that in its wheels is."""
    try:
        import av

        av.codec.Codec("libx264", "w")
    except (ImportError, ValueError):
        return False
    return True


def _write_mp4(path: Path, frames: Iterator[np.ndarray], count: int, fps: int, text: Mapping[str, str]) -> None:
    import av

    first = next(frames)
    # The index goes to the front ("faststart"), so that a browser plays before all is there.
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as video:
        video.metadata.update({"comment": text.get("parameters", ""), "copyright": text.get("Source", "")})
        stream = video.add_stream("libx264", rate=fps, options={"crf": QUALITY})
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt = "yuv420p"  # all that browsers surely play
        # Said in the file, since players guess the colour matrix by the size.
        context = stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = BT709
        context.color_range = LIMITED
        for image in chain([first], frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            video.mux(stream.encode(frame.reformat(format="yuv420p", dst_colorspace=BT709, dst_color_range=LIMITED)))
        video.mux(stream.encode(None))


def _write_gif(path: Path, frames: Iterator[np.ndarray], count: int, fps: int, text: Mapping[str, str]) -> None:
    import av

    first, pace = next(frames), Fraction(1, fps)
    height, width = first.shape[:2]
    with av.open(str(path), "w", format="gif") as video:
        stream = video.add_stream("gif", rate=fps)
        stream.height, stream.width, stream.pix_fmt = height, width, "pal8"
        graph = av.filter.Graph()
        source = graph.add_buffer(width=width, height=height, format=av.VideoFormat("rgb24"), time_base=pace)
        # A palette for each frame: one for all would have to see all of them first.
        split, palette = graph.add("split"), graph.add("palettegen", "stats_mode=single")
        paletted, sink = graph.add("paletteuse", "new=1"), graph.add("buffersink")
        source.link_to(split)
        split.link_to(paletted, 0, 0)
        split.link_to(palette, 1, 0)
        palette.link_to(paletted, 0, 1)
        paletted.link_to(sink)
        graph.configure()
        for index, image in enumerate(chain([first], frames)):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            frame.pts, frame.time_base = index, pace
            graph.vpush(frame)
            video.mux(stream.encode(graph.vpull()))
        video.mux(stream.encode(None))


def _write_webp(path: Path, frames: Iterator[np.ndarray], count: int, fps: int, text: Mapping[str, str]) -> None:
    images = map(Image.fromarray, frames)
    timing = {"duration": max(round(1000 / fps), BRIEFEST), "loop": 0}
    more: Any = [_Following(images, count - 1)]
    next(images).save(path, "WEBP", save_all=True, append_images=more, quality=90, exif=exif_text(text), **timing)


class _Following:
    """Images as the frames of one, as Pillow reads them: each is made when it comes to it."""

    def __init__(self, images: Iterator[Image.Image], count: int) -> None:
        self.n_frames, self._images = count, images

    def seek(self, index: int) -> None:
        self._image = next(self._images)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._image, name)
