"""Damaged files: mutations of sound ones, the same for the same seed, for tests and for longer searches."""

import io
import json
import random
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from PIL import Image

NESTED = json.loads("[" * 500 + "]" * 500)
VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 5, 1e308, -0.5, 10**30, 10**401, float("nan"), "", "x", "8", [], {}, [[]], [1], NESTED),
)
EXTREME = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
PNG = b"\x89PNG\r\n\x1a\n"


def mutated(content: bytes, count: int, seed: int) -> Iterator[bytes]:
    """`count` mutations of a file, each by one to three changes; half of the PNGs have right checksums again."""
    source = random.Random(seed)
    for _ in range(count):
        changed = bytearray(content)
        for _ in range(source.randint(1, 3)):
            source.choice(CHANGES)(changed, source)
        yield with_checksums(bytes(changed)) if source.random() < 0.5 else bytes(changed)


def mutated_json(content: bytes, count: int, seed: int) -> Iterator[bytes]:
    """`count` mutations of a JSON file: by turns damaged as any file is, and with another value somewhere."""
    source = random.Random(seed)
    damaged = mutated(content, count, seed)
    for number in range(count):
        if number % 2:
            found = {"": json.loads(content)}
            place: Any = source.choice([*_containers(found)])
            keys = list(place) if isinstance(place, dict) else range(len(place))
            place[source.choice(keys)] = source.choice(VALUES)
            yield json.dumps(found[""]).encode()
        else:
            yield next(damaged)


def with_checksums(content: bytes) -> bytes:
    """A PNG whose chunks have the checksums of what they hold; other files as they are."""
    if not content.startswith(PNG):
        return content
    result, place = bytearray(content), len(PNG)
    while place + 12 <= len(result):
        (size,) = struct.unpack_from(">I", result, place)
        end = place + 8 + size
        if end + 4 > len(result):
            break
        struct.pack_into(">I", result, end, zlib.crc32(result[place + 4 : end]))
        place = end + 4
    return bytes(result)


def image_files(size: tuple[int, int] = (24, 20)) -> dict[str, bytes]:
    """A small image in every format and kind of pixel that is read, by name."""
    width, height = size
    values = np.random.RandomState(0).randint(0, 256, (height, width, 4)).astype(np.uint8)
    rgb, rgba, grey = Image.fromarray(values[..., :3]), Image.fromarray(values), Image.fromarray(values[..., 0])
    sixteen = Image.fromarray(values[..., 0].astype(np.uint16) * 257)
    palette = rgb.quantize(16)
    kinds: dict[str, tuple[Image.Image, str, dict[str, Any]]] = {
        "jpeg": (rgb, "JPEG", {}),
        "jpeg-progressive": (rgb, "JPEG", {"progressive": True}),
        "jpeg-cmyk": (rgb.convert("CMYK"), "JPEG", {}),
        "png": (rgb, "PNG", {}),
        "png-rgba": (rgba, "PNG", {}),
        "png-16": (sixteen, "PNG", {}),
        "png-palette": (palette, "PNG", {"transparency": 3}),
        "png-1": (grey.convert("1"), "PNG", {}),
        "webp": (rgb, "WEBP", {}),
        "webp-lossless": (rgba, "WEBP", {"lossless": True}),
        "avif": (rgb, "AVIF", {}),
        "gif": (palette, "GIF", {"transparency": 3}),
        "bmp": (rgb, "BMP", {}),
        "bmp-palette": (palette, "BMP", {}),
        "tiff": (rgb, "TIFF", {}),
        "tiff-16": (sixteen, "TIFF", {}),
        "tiff-palette": (palette, "TIFF", {}),
        "tiff-lzw": (rgba, "TIFF", {"compression": "tiff_lzw"}),
        "tiff-deflate": (rgb, "TIFF", {"compression": "tiff_adobe_deflate"}),
        "tiff-jpeg": (rgb, "TIFF", {"compression": "jpeg"}),
        "tiff-fax": (grey.convert("1"), "TIFF", {"compression": "group4"}),
        "ppm": (rgb, "PPM", {}),
        "pgm": (sixteen, "PPM", {}),
        "jpeg2000": (rgb, "JPEG2000", {}),
        "jp2": (rgba, "JPEG2000", {"no_jp2": False}),
        "qoi": (rgb, "QOI", {}),
        "tga": (rgba, "TGA", {"compression": "tga_rle"}),
        "tga-palette": (palette, "TGA", {}),
    }
    Image.init()
    files = {}
    for name, (image, kind, options) in kinds.items():
        if kind in Image.SAVE:
            file = io.BytesIO()
            image.save(file, kind, **options)
            files[name] = file.getvalue()
    return files


def _containers(value: Any) -> Iterator[Any]:
    """The lists and objects in a JSON value that hold something."""
    if isinstance(value, dict | list) and value:
        yield value
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _containers(inner)


def _cut(content: bytearray, source: random.Random) -> None:
    del content[source.randrange(len(content) + 1) :]


def _flip(content: bytearray, source: random.Random) -> None:
    if content:
        content[source.randrange(len(content))] ^= 1 << source.randrange(8)


def _byte(content: bytearray, source: random.Random) -> None:
    """A byte among the first hundred, where headers are."""
    if content:
        content[source.randrange(min(100, len(content)))] = source.randrange(256)


def _number(content: bytearray, source: random.Random) -> None:
    """A number of one to four bytes becomes an extreme one."""
    size, order = source.choice((1, 2, 4)), source.choice(("little", "big"))
    start = source.randrange(max(1, len(content) - size))
    value = source.choice(EXTREME) & (256**size - 1)
    content[start : start + size] = value.to_bytes(size, order)


def _fill(content: bytearray, source: random.Random) -> None:
    start = source.randrange(len(content) + 1)
    size = min(source.randrange(1, 40), len(content) - start)
    content[start : start + size] = bytes([source.choice((0, 255))]) * size


def _insert(content: bytearray, source: random.Random) -> None:
    start = source.randrange(len(content) + 1)
    content[start:start] = source.randbytes(source.randrange(1, 20))


def _remove(content: bytearray, source: random.Random) -> None:
    start = source.randrange(len(content) + 1)
    del content[start : start + source.randrange(1, 20)]


def _move(content: bytearray, source: random.Random) -> None:
    """A piece overwrites another."""
    size = source.randrange(1, 40)
    start, target = source.randrange(len(content) + 1), source.randrange(len(content) + 1)
    piece = content[start : start + size]
    content[target : target + len(piece)] = piece


Change = Callable[[bytearray, random.Random], None]
CHANGES: tuple[Change, ...] = (_cut, _flip, _byte, _number, _number, _fill, _insert, _remove, _move)
