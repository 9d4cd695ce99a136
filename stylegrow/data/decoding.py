"""From an image file to a square image: size, orientation, colour profile, transparency, crop and resize."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageCms, ImageOps

from stylegrow.common.errors import InputError
from stylegrow.data.formats import CONVERT, HEAD_BYTES, is_read, is_tiff, jpeg_kind, readable, why_not_read
from stylegrow.data.request import Shape
from stylegrow.data.samples import check_colours, eight_bits, note_samples, palette_of
from stylegrow.data.tiff import Tags
from stylegrow.data.unusable import UnusableError, explained

MIN_SIDE = 4
MAX_PIXELS = 100_000_000

GREY_MODES = ("1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "F")

# JPEGs are decoded, and others averaged, down to no less than this many times the wanted size before Lanczos: the
# difference is far below one grey level, and a large photograph is read several times faster.
REDUCING_GAP = 3


@dataclass(frozen=True)
class SquareImage:
    """An image in its final size: `pixels` is uint8 [C, r, r]; `classes` holds a class index an attribute.

    It is `dark` where its 16-bit samples are those of fewer bits, so that it is nearly black; `size` is its original
    width and height.
    """

    pixels: np.ndarray
    enlarged: bool = False
    profile_ignored: bool = False
    dark: bool = False
    size: tuple[int, int] = (0, 0)
    classes: tuple[int, ...] = ()


def open_image(file: BinaryIO) -> Image.Image:
    """The still image in `file`, its header read and its pixels not. Raises UnusableError."""
    with explained():
        head = file.read(HEAD_BYTES)
        if reason := "empty file" if not head else why_not_read(head):
            raise UnusableError(reason)
        tags = Tags(file) if is_tiff(head) else None
        if tags is not None and (reason := tags.why_not_read()):
            raise UnusableError(reason)
        file.seek(0)
        try:
            image = Image.open(file, formats=readable())
        except Image.DecompressionBombError:
            raise UnusableError("above 100 megapixels") from None
        except Image.UnidentifiedImageError:
            kind = tags.kind if tags else jpeg_kind(file)
            reason = f"{kind} {CONVERT}" if kind else "corrupt" if is_read(head) else "not an image"
            raise UnusableError(reason) from None
        frames = getattr(image, "n_frames", 1)
        note_samples(image, file, tags)
        palette_of(image)
    if image.width * image.height > MAX_PIXELS:
        raise UnusableError("above 100 megapixels")
    if min(image.size) < MIN_SIDE:
        raise UnusableError(f"smaller than {MIN_SIDE} px ({image.width}x{image.height})")
    # Phones store a photograph and its gain map as two frames of an MPO or HEIC file: the first is the photograph.
    if frames > 1 and image.format not in ("MPO", "HEIF"):
        raise UnusableError("more than one page" if image.format == "TIFF" else "animated")
    return image


def read_square(path: Path, shape: Shape, called: str, most_pixels: int = MAX_PIXELS) -> np.ndarray:
    """The pixels of an image file, uint8 [C, r, r], made square as the shape says. InputError, which calls it so."""
    try:
        if not path.is_file():
            raise UnusableError("there is no such file")
        with path.open("rb") as file:
            image = open_image(file)
            if image.width * image.height > most_pixels:
                raise UnusableError(f"above {most_pixels // 1_000_000} megapixels")
            return square(image, shape).pixels
    except (UnusableError, OSError) as error:
        raise InputError(f"{called}: {getattr(error, 'strerror', None) or error}; give another image") from error


def is_grey(image: Image.Image) -> bool:
    """Whether the header says that the image has no colour."""
    colours = palette_of(image)
    if colours is not None:
        return bool((colours == colours[:, :1]).all())
    return image.mode in GREY_MODES


def square(image: Image.Image, shape: Shape, black_frame: bool = False) -> SquareImage:
    """`image` upright, in sRGB, opaque, made square as the shape says. Raises UnusableError.

    Those of 28 px get the frame of two pixels that is customary for MNIST: black, or the colours at their border.
    """
    with explained():
        return _square(image, shape, black_frame)


def _square(image: Image.Image, shape: Shape, black_frame: bool) -> SquareImage:
    resolution, size = shape.resolution, image.size
    colours = palette_of(image)
    image.draft(None, (REDUCING_GAP * resolution, REDUCING_GAP * resolution))
    image.load()
    check_colours(image, colours)
    profile = image.info.get("icc_profile")
    grey_profile_fits = image.mode in GREY_MODES
    with contextlib.suppress(Exception):  # broken metadata around sound pixels
        ImageOps.exif_transpose(image, in_place=True)
    upright = size if (image.width > image.height) == (size[0] > size[1]) else size[::-1]
    image, dark = eight_bits(image)
    if size == (28, 28):
        image, ignored = _finish(image, profile, grey_profile_fits, shape)
        pixels = np.asarray(image)
        sides = ((2, 2), (2, 2), (0, 0))[: pixels.ndim]
        image = Image.fromarray(np.pad(pixels, sides, mode="constant" if black_frame else "edge"))
        if resolution != 32:
            image = image.resize((resolution, resolution), Image.Resampling.LANCZOS)
        return SquareImage(_planes(image), enlarged=resolution > 32, profile_ignored=ignored, dark=dark, size=upright)
    final, ignored = _finish(FITTED[shape.fit](image, resolution), profile, grey_profile_fits, shape)
    if final.size != (resolution, resolution):
        final = _padded(final, shape)
    side = max(size) if shape.fit == "pad" else min(size)
    return SquareImage(_planes(final), enlarged=side < resolution, profile_ignored=ignored, dark=dark, size=upright)


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


def _stretch(image: Image.Image, resolution: int) -> Image.Image:
    return image.resize((resolution, resolution), Image.Resampling.LANCZOS, reducing_gap=REDUCING_GAP)


FITTED = {"crop": _crop, "pad": _shrink, "stretch": _stretch}


def _padded(image: Image.Image, shape: Shape) -> Image.Image:
    """`image` between bars, of the colour given or the median of those edges of it that they touch."""
    wide, high = shape.resolution - image.width, shape.resolution - image.height
    color: str | tuple[int, ...] | None = shape.pad_color
    if color is None:
        pixels = _planes(image)
        edges = pixels[..., [0, -1]] if wide else pixels[:, [0, -1]]
        color = tuple(np.median(edges, axis=(1, 2)).round().astype(int).tolist())
    return ImageOps.expand(image, (wide // 2, high // 2, wide - wide // 2, high - high // 2), color)


def _finish(
    image: Image.Image, profile: bytes | None, grey_profile_fits: bool, shape: Shape
) -> tuple[Image.Image, bool]:
    """(`image` in sRGB or grey, opaque, with the shape's channels; whether a profile had to be ignored)."""
    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    image, ignored = _to_srgb(image, profile, grey_profile_fits) if profile else (image, False)
    if alpha is not None:
        image = image.convert("RGB")
        image.putalpha(alpha)
        image = Image.alpha_composite(Image.new("RGBA", image.size, shape.background), image)
    return image.convert("L" if shape.channels == 1 else "RGB"), ignored


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
