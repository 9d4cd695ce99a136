"""From an image file to a square image: size, orientation, colour profile, transparency, crop and resize."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageCms, ImageOps

from stylegrow.common.text import one_line
from stylegrow.data.request import Shape

MIN_SIDE = 4
MAX_PIXELS = 100_000_000

# Formats that hold one still image and need no outside program (EPS would start Ghostscript).
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "QOI", "TGA")
GREY_MODES = ("1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "F")
MAGIC = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"RIFF", b"BM", b"II*\0", b"MM\0*")

# JPEGs are decoded, and others averaged, down to no less than this many times the wanted size before Lanczos: the
# difference is far below one grey level, and a large photograph is read several times faster.
REDUCING_GAP = 3


class UnusableError(Exception):
    """Why one file is left out; the text goes into the report."""


@dataclass(frozen=True)
class SquareImage:
    """An image in its final size: `pixels` is uint8 [C, r, r]; `classes` holds a class index an attribute."""

    pixels: np.ndarray
    enlarged: bool = False
    profile_ignored: bool = False
    classes: tuple[int, ...] = ()


def open_image(file: BinaryIO) -> Image.Image:
    """The still image in `file`, its header read and its pixels not. Raises UnusableError."""
    head = file.read(4)
    file.seek(0)
    if not head:
        raise UnusableError("empty file")
    with explained():
        try:
            image = Image.open(file, formats=_formats())
        except Image.DecompressionBombError:
            raise UnusableError("above 100 megapixels") from None
        except Image.UnidentifiedImageError:
            raise UnusableError("corrupt" if head.startswith(MAGIC) else "not an image") from None
        frames = getattr(image, "n_frames", 1)
        palette_of(image)
    if image.width * image.height > MAX_PIXELS:
        raise UnusableError("above 100 megapixels")
    if min(image.size) < MIN_SIDE:
        raise UnusableError(f"smaller than {MIN_SIDE} px ({image.width}x{image.height})")
    # Phones store a photograph and its gain map as the two frames of an MPO file: the first is the photograph.
    if frames > 1 and image.format != "MPO":
        raise UnusableError("more than one page" if image.format == "TIFF" else "animated")
    return image


@cache
def _formats() -> tuple[str, ...]:
    """Those of FORMATS that this Pillow can open."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Raises UnusableError for whatever is raised inside: decoders raise all that a broken file leads them to."""
    try:
        yield
    except UnusableError:
        raise
    except Exception as error:
        raise UnusableError(explain(error)) from error


def explain(error: Exception) -> str:
    """A reason for the report, from what a decoder raised."""
    if isinstance(error, MemoryError):
        return "not enough memory"
    if "truncated" in str(error).lower():
        return "truncated"
    return f"corrupt ({one_line(error)})"


def is_grey(image: Image.Image) -> bool:
    """Whether the header says that the image has no colour."""
    colours = palette_of(image)
    if colours is not None:
        return bool((colours == colours[:, :1]).all())
    return image.mode in GREY_MODES


def palette_of(image: Image.Image) -> np.ndarray | None:
    """The red, green and blue [n, 3] of an opened image's palette, if it has one. Raises UnusableError for a bad one.

    Those of two bytes a colour, as old TGA files have, are [n, 2].
    """
    if image.mode not in ("P", "PA") or image.palette is None:
        return None
    order, content = image.palette.getdata()
    letters, _, layout = order.partition(";")
    size = 2 if layout == "15" else len(letters)
    values = np.frombuffer(bytes(content), np.uint8)
    if len(values) % size:
        raise UnusableError(f"corrupt (a palette of {len(values)} bytes)")
    if layout == "15":
        return values.reshape(-1, 2)
    rows = values.reshape(size, -1).T if layout == "L" else values.reshape(-1, size)  # "L": plane after plane
    return rows[:, [letters.index(colour) for colour in "RGB"]]


def square(image: Image.Image, shape: Shape) -> SquareImage:
    """`image` upright, in sRGB, on white where transparent, cropped or padded to the shape. Raises UnusableError."""
    with explained():
        return _square(image, shape)


def _square(image: Image.Image, shape: Shape) -> SquareImage:
    resolution, size = shape.resolution, image.size
    colours = palette_of(image)
    image.draft(None, (REDUCING_GAP * resolution, REDUCING_GAP * resolution))
    image.load()
    # A GIF may name a colour that it lacks where it is transparent.
    if colours is not None and image.format != "GIF" and np.asarray(image.getchannel(0)).max() >= len(colours):
        raise UnusableError("corrupt (colours that its palette lacks)")
    profile = image.info.get("icc_profile")
    grey_profile_fits = image.mode in GREY_MODES
    with contextlib.suppress(Exception):  # broken metadata around sound pixels
        ImageOps.exif_transpose(image, in_place=True)
    image = _eight_bits(image)
    if size == (28, 28):  # MNIST's size: a border of two pixels is customary
        image, ignored = _finish(image, profile, grey_profile_fits, shape.channels)
        image = ImageOps.expand(image, 2)
        if resolution != 32:
            image = image.resize((resolution, resolution), Image.Resampling.LANCZOS)
        return SquareImage(_planes(image), enlarged=resolution > 32, profile_ignored=ignored)
    resized = _crop(image, resolution) if shape.fit == "crop" else _shrink(image, resolution)
    final, ignored = _finish(resized, profile, grey_profile_fits, shape.channels)
    if final.size != (resolution, resolution):
        wide, high = resolution - final.width, resolution - final.height
        final = ImageOps.expand(final, (wide // 2, high // 2, wide - wide // 2, high - high // 2))
    side = min(size) if shape.fit == "crop" else max(size)
    return SquareImage(_planes(final), enlarged=side < resolution, profile_ignored=ignored)


def _eight_bits(image: Image.Image) -> Image.Image:
    """`image` as one of L, RGB, RGBA and CMYK."""
    if image.mode.startswith("I"):
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise UnusableError("32-bit samples")
        return Image.fromarray(np.rint(values / 257).astype(np.uint8))
    if image.mode == "F":
        raise UnusableError("floating-point samples")
    if image.has_transparency_data:
        return image.convert("RGBA")
    if image.mode in ("L", "RGB", "CMYK"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def _crop(image: Image.Image, resolution: int) -> Image.Image:
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    box = (left, top, left + side, top + side)
    if side == resolution:
        return image.crop(box)
    return image.resize((resolution, resolution), Image.Resampling.LANCZOS, box, REDUCING_GAP)


def _shrink(image: Image.Image, resolution: int) -> Image.Image:
    """`image` with its longer side at `resolution`."""
    longer = max(image.size)
    width, height = (max(1, round(side * resolution / longer)) for side in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=REDUCING_GAP)


def _finish(
    image: Image.Image, profile: bytes | None, grey_profile_fits: bool, channels: int
) -> tuple[Image.Image, bool]:
    """(`image` in sRGB or grey, opaque, with `channels` planes; whether a profile had to be ignored)."""
    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    image, ignored = _to_srgb(image, profile, grey_profile_fits) if profile else (image, False)
    if alpha is not None:
        image = image.convert("RGB")
        image.putalpha(alpha)
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("L" if channels == 1 else "RGB"), ignored


def _to_srgb(image: Image.Image, profile: bytes, grey_profile_fits: bool) -> tuple[Image.Image, bool]:
    """(`image` with its embedded colour profile applied, False), or (`image`, True) where that cannot be done."""
    try:
        mode, transform = _transform(profile)
        if (mode == "L" and not grey_profile_fits) or (mode == "CMYK") != (image.mode == "CMYK"):
            return image, True
        if transform is None:
            return image, False
        return ImageCms.applyTransform(image.convert(mode), transform) or image, False
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image, True


@lru_cache(maxsize=32)
def _transform(profile: bytes) -> tuple[str, ImageCms.ImageCmsTransform | None]:
    """(the image mode that the profile describes, its transform to sRGB or None where that changes nothing)."""
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    mode = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}.get(source.profile.xcolor_space.strip())
    if mode is None:
        raise ValueError("a profile for another kind of image")
    transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    if mode == "RGB":  # nearly all profiles are sRGB itself: then the pixels stay as they are
        steps = np.linspace(0, 255, 9).round().astype(np.uint8)
        colours = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(9, 81, 3)
        seen = np.asarray(ImageCms.applyTransform(Image.fromarray(colours), transform))
        if np.abs(seen.astype(int) - colours).max() <= 1:
            return mode, None
    return mode, transform


def _planes(image: Image.Image) -> np.ndarray:
    pixels = np.asarray(image)
    return np.ascontiguousarray(pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1))
