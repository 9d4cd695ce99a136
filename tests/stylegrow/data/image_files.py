"""Files that the tests of `data` read: profiles, broken and unusual images."""

import io
import pickle
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

# sRGB's primaries and white, adapted to D50 as profiles hold them.
RED, GREEN, BLUE = (0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410)
D50 = (0.9642, 1.0, 0.8249)


def noise(size, seed=0, channels=3):
    """Random pixels uint8 [height, width(, channels)]."""
    shape = (size[1], size[0]) + ((channels,) if channels > 1 else ())
    return np.random.RandomState(seed).randint(0, 256, shape).astype(np.uint8)


def save(path: Path, pixels, **options) -> Path:
    """Write pixels to an image file and make its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def folder_of(path: Path, count: int, size=(8, 8)) -> Path:
    """A folder of PNGs with random pixels."""
    for i in range(count):
        save(path / f"{i:04d}.png", noise(size, seed=i))
    return path


def png_header(width: int, height: int) -> bytes:
    """The start of a PNG that announces a size."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    end = b"IEND"
    chunks = [struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in (head, b"IDAT" + b"x", end)]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def rgb_profile(red=RED, green=GREEN, blue=BLUE, gamma=2.2) -> bytes:
    """A colour profile with these primaries and one exponent for all three curves."""
    tags = {b"wtpt": _xyz(D50), b"rXYZ": _xyz(red), b"gXYZ": _xyz(green), b"bXYZ": _xyz(blue)}
    return _profile(b"RGB ", b"XYZ ", tags | {name: _gamma(gamma) for name in (b"rTRC", b"gTRC", b"bTRC")})


def grey_profile(gamma: float) -> bytes:
    """A profile of grey values with an exponent."""
    return _profile(b"GRAY", b"XYZ ", {b"wtpt": _xyz(D50), b"kTRC": _gamma(gamma)})


def black_only_profile() -> bytes:
    """A CMYK profile in which the black ink alone matters: none is white, full is black."""
    ramp = bytes(range(256))
    table = b"".join(bytes((0 if node & 1 else 255, 128, 128)) for node in range(16))
    lut = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0)) + struct.pack(">9i", *(65536 * (i % 4 == 0) for i in range(9)))
    return _profile(b"CMYK", b"Lab ", {b"wtpt": _xyz(D50), b"A2B0": lut + 4 * ramp + table + 3 * ramp})


def _profile(space: bytes, pcs: bytes, tags: dict[bytes, bytes]) -> bytes:
    kind = b"prtr" if space == b"CMYK" else b"mntr"
    tags = {b"desc": b"desc\0\0\0\0\0\0\0\x02t\0" + bytes(78), b"cprt": b"text\0\0\0\0\0"} | tags
    table, body = struct.pack(">I", len(tags)), b""
    for name, content in tags.items():
        table += name + struct.pack(">II", 132 + 12 * len(tags) + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    head = struct.pack(">4xI", 0x02100000) + kind + space + pcs + bytes(12) + b"acsp" + bytes(28)
    head += struct.pack(">3i", *(round(65536 * v) for v in D50))
    head = struct.pack(">I", 128 + len(table) + len(body)) + head
    return head + bytes(128 - len(head)) + table + body


def _xyz(values) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(65536 * v) for v in values))


def _gamma(value: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(256 * value))


def encoded(image, kind="PNG", **options) -> bytes:
    """The bytes of an image file, of pixels or a Pillow image."""
    file = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(file, kind, **options)
    return file.getvalue()


def idx(values: np.ndarray, magic: int | None = None) -> bytes:
    """The content of an idx file of bytes, as MNIST's are."""
    return struct.pack(f">{1 + values.ndim}i", magic or 0x800 + values.ndim, *values.shape) + values.tobytes()


def png(samples: np.ndarray, depth: int, colour: int, *chunks: bytes) -> bytes:
    """A PNG of samples [height, width(, channels)] of so many bits and a colour type; `chunks` come before the data."""
    rows = samples.reshape(len(samples), -1)
    if depth == 16:
        lines = [row.astype(">u2").tobytes() for row in rows]
    else:
        bits = (rows[..., None] >> np.arange(depth - 1, -1, -1)) & 1
        lines = [np.packbits(row.reshape(-1)).tobytes() for row in bits]
    head = b"IHDR" + struct.pack(">IIBBBBB", samples.shape[1], len(samples), depth, colour, 0, 0, 0)
    data = b"IDAT" + zlib.compress(b"".join(b"\0" + line for line in lines))
    content = b"\x89PNG\r\n\x1a\n"
    for chunk in (head, *chunks, data, b"IEND"):
        content += struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return content


def tiff(data: bytes, size: tuple[int, int], order="<", below: dict | None = None, **tags) -> bytes:
    """An uncompressed TIFF; tags are named t258=(8,) by their numbers, and `below` has those of a sub-image."""
    numbers: dict[int, tuple[int, ...]] = {
        256: (size[0],),
        257: (size[1],),
        258: (8,),
        259: (1,),
        262: (1,),
        277: (1,),
        278: (size[1],),
    }
    numbers |= {int(name[1:]): values for name, values in tags.items()} | {273: (8,), 279: (len(data),)}
    content = {"<": b"II*\0", ">": b"MM\0*"}[order] + bytes(4) + data
    content += bytes(len(content) % 2)
    if below is not None:
        numbers[330] = (len(content),)
        content += _directory(len(content), below, order)
    return content[:4] + struct.pack(f"{order}I", len(content)) + content[8:] + _directory(len(content), numbers, order)


def _directory(start: int, numbers: dict[int, tuple[int, ...]], order: str) -> bytes:
    table, more = struct.pack(f"{order}H", len(numbers)), b""
    end = start + 2 + 12 * len(numbers) + 4
    for tag, values in sorted(numbers.items()):
        kind, letter = (4, "I") if max(values) > 65535 or tag in (273, 279, 330) else (3, "H")
        packed = struct.pack(f"{order}{len(values)}{letter}", *values)
        table += struct.pack(f"{order}HHI", tag, kind, len(values))
        table += packed.ljust(4, b"\0") if len(packed) <= 4 else struct.pack(f"{order}I", end + len(more))
        more += packed if len(packed) > 4 else b""
    return table + bytes(4) + more


def cifar_batches(folder: Path, count=3) -> np.ndarray:
    """CIFAR-10's files with a few images each; all images [N, 32, 32, 3]."""
    folder.mkdir(parents=True)
    pixels = np.stack([noise((32, 32), seed) for seed in range(5 * count)])
    for number in range(5):
        rows = pixels[number * count : (number + 1) * count].transpose(0, 3, 1, 2).reshape(count, -1)
        content = {b"data": rows, b"labels": [(number + i) % 10 for i in range(count)], b"batch_label": b"x"}
        (folder / f"data_batch_{number + 1}").write_bytes(pickle.dumps(content, 2))
    return pixels


def varint(value: int) -> bytes:
    content = b""
    while value > 127:
        content, value = content + bytes([value & 127 | 128]), value >> 7
    return content + bytes([value])


def delimited(number: int, content: bytes) -> bytes:
    """A field of bytes in a protocol buffer message."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def example(image: np.ndarray, packed: bool) -> bytes:
    """A tf.train.Example of an image [C, H, W], its integers packed or one by one."""
    sizes = [varint(size) for size in image.shape]
    numbers = delimited(1, b"".join(sizes)) if packed else b"".join(b"\x08" + size for size in sizes)
    features = {b"shape": delimited(3, numbers), b"data": delimited(1, delimited(1, image.tobytes()))}
    entries = [delimited(1, delimited(1, key) + delimited(2, value)) for key, value in features.items()]
    return delimited(1, b"".join(entries))


def records(path: Path, images: np.ndarray, packed=True) -> Path:
    """A file of TFRecords of images [N, C, H, W]."""
    path.parent.mkdir(parents=True, exist_ok=True)
    parts = [example(image, packed) for image in images]
    path.write_bytes(b"".join(struct.pack("<QI", len(part), 0) + part + bytes(4) for part in parts))
    return path
