"""Videos that browsers play: H.264 by PyAV, or an animated WebP for pages that show only images."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from stylegrow.common.files import replacing
from stylegrow.rendering.grids import exif_text

QUALITY = "17"  # x264's crf: what it loses cannot be seen
BT709 = LIMITED = 1  # FFmpeg's numbers
BRIEFEST = 11  # ms; browsers show the frame of a WebP that is to last 10 or less for 100
VideoFormat = Literal["mp4", "webp"]


def write_video(
    folder: Path,
    name: str,
    frames: Iterable[np.ndarray],
    fps: int,
    text: Mapping[str, str] | None = None,
    file_format: VideoFormat | None = None,
) -> Path:
    """Write frames [H, W, C] (uint8, H and W even) as folder/name.mp4 or .webp.

    Where no `file_format` is given it is an mp4, or a WebP without an encoder of H.264. The file is there whole or not
    at all; the `text` chunks of a PNG go into its metadata. Returns its path. OSError when it cannot be written.
    """
    file_format = file_format or ("mp4" if has_h264() else "webp")
    write = _write_mp4 if file_format == "mp4" else _write_webp
    path = folder / f"{name}.{file_format}"
    with replacing(path) as partial:
        write(partial, (np.broadcast_to(frame, (*frame.shape[:2], 3)) for frame in frames), fps, text or {})
    return path


def has_h264() -> bool:
    """Whether PyAV is there, and its FFmpeg was built with x264, as that in its wheels is."""
    try:
        import av

        av.codec.Codec("libx264", "w")
    except (ImportError, ValueError):
        return False
    return True


def _write_mp4(path: Path, frames: Iterator[np.ndarray], fps: int, text: Mapping[str, str]) -> None:
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


def _write_webp(path: Path, frames: Iterator[np.ndarray], fps: int, text: Mapping[str, str]) -> None:
    images = map(Image.fromarray, frames)
    timing = {"duration": max(round(1000 / fps), BRIEFEST), "loop": 0}
    next(images).save(path, "WEBP", save_all=True, append_images=images, quality=90, exif=exif_text(text), **timing)
