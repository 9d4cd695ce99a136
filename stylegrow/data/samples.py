"""From an opened image to 8-bit samples: grey, RGB, RGBA or CMYK."""

from __future__ import annotations

import struct
from typing import BinaryIO

import numpy as np
from PIL import Image, ImagePalette

from stylegrow.data.formats import CONVERT, jpeg2000_kind
from stylegrow.data.tiff import Tags
from stylegrow.data.unusable import UnusableError

WHITE = 65535
# An image of 16 bits without a sample from here on holds 8 to 12 bits, and is nearly black.
DARK = 4096
COLOURS = ("RGB", "RGBA", "LA")
GREY_SCALES = {"L;2": 85, "L;4": 17}  # Pillow's raw modes of PNG, and what they multiply samples by


def note_samples(image: Image.Image, file: BinaryIO, tags: Tags | None) -> None:
    """Note in an opened image's `info` what Pillow forgets: which sample is white, whether the image is a negative,
    and whether colours of 16 bits are cut to 8.

    A palette that Pillow would misread is put right. Raises UnusableError for an image of which it makes other pixels.
    """
    white = None
    tiles = getattr(image, "tile", None)
    raw = tiles[0][3] if tiles else ""
    raw = str(raw[0] if isinstance(raw, tuple) and raw else raw)
    image.info["cut"] = ";16" in raw and image.mode in COLOURS
    if tags is not None:
        white, image.info["negative"] = tags.white, tags.is_inverted
        if image.mode in ("P", "PA") and (palette := tags.palette):
            image.palette = ImagePalette.raw("RGB;L", palette)
    elif image.format == "PNG":
        if "transparency" in image.info and raw == "RGB;16B":
            raise UnusableError(f"16-bit RGB with a transparent colour {CONVERT}")
        if "transparency" in image.info and raw in GREY_SCALES:
            image.info["transparency"] *= GREY_SCALES[raw]
        if image.mode.startswith("I"):
            white = _significant_white(file)
    elif image.format == "JPEG2000":
        place = file.tell()
        if kind := jpeg2000_kind(file):
            raise UnusableError(f"{kind} {CONVERT}")
        file.seek(place)
    image.info["white"] = white or WHITE


def _significant_white(file: BinaryIO) -> int | None:
    """The largest sample of the significant bits that a grey PNG names, if it does."""
    place = file.tell()
    file.seek(8)
    while len(head := file.read(8)) == 8 and head[4:] not in (b"IDAT", b"IEND"):
        if head[4:] == b"sBIT":
            bits = file.read(1)[0]
            break
        file.seek(struct.unpack(">I", head[:4])[0] + 4, 1)
    else:
        bits = 0
    file.seek(place)
    return 2**bits - 1 if 8 <= bits < 16 else None


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


def check_colours(image: Image.Image, palette: np.ndarray | None) -> None:
    """Raises UnusableError where a loaded image uses colours that its palette lacks."""
    # A GIF may name such a colour where it is transparent.
    if palette is not None and image.format != "GIF" and np.asarray(image.getchannel(0)).max() >= len(palette):
        raise UnusableError("corrupt (colours that its palette lacks)")


def eight_bits(image: Image.Image) -> tuple[Image.Image, bool]:
    """(A loaded image as one of L, RGB, RGBA and CMYK, whether its range is doubtful and it is nearly black)."""
    if image.mode.startswith("I"):
        return _scaled(image)
    if image.mode == "F":
        raise UnusableError("floating-point samples are not read: convert it to PNG or JPEG")
    dark = image.info.get("cut", False) and _most(image) < DARK / 256
    if image.has_transparency_data:
        return image.convert("RGBA"), dark
    if image.mode in ("L", "RGB", "CMYK"):
        return image, dark
    return image.convert("L" if image.mode == "1" else "RGB"), dark


def _most(image: Image.Image) -> int:
    """The largest sample but for those of alpha."""
    colours = np.asarray(image) if image.mode == "RGB" else np.asarray(image)[..., :-1]
    return int(colours.max())


def _scaled(image: Image.Image) -> tuple[Image.Image, bool]:
    values = np.asarray(image)
    most = int(values.max())
    if values.min() < 0 or most > WHITE:
        raise UnusableError("32-bit samples are not read: convert it to 16 or 8 bits")
    white = image.info.get("white", WHITE)
    white = white if most <= white else WHITE
    levels = np.rint(values * (255 / white)).astype(np.uint8)
    dark = white == WHITE and 0 < most < DARK
    if image.info.get("negative"):
        levels, dark = 255 - levels, False
    grey = Image.fromarray(levels)
    if (transparent := image.info.get("transparency")) is None:
        return grey, dark
    alpha = Image.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8))
    return Image.merge("LA", (grey, alpha)).convert("RGBA"), dark
