"""Files by their first bytes: the image formats that are read, and those that are known and not read."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterable
from functools import cache
from typing import BinaryIO

from stylegrow.common.standins import stand_in
from stylegrow.common.text import counted

# Formats that hold one still image and need no outside program (EPS would start Ghostscript).
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "QOI", "TGA", "HEIF")
HEIF_PLUGIN = "pillow_heif"
READ = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"RIFF", b"BM", b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP")
TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
HEAD_BYTES = 1024

NOT_READ = {
    b"8BPS": "PSD",
    b"gimp xcf": "XCF",
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL ": "JPEG XL",
    b"v/1\x01": "OpenEXR",
    b"#?RADIANCE": "Radiance HDR",
    b"#?RGBE": "Radiance HDR",
    b"DDS ": "DDS",
    b"\0\0\1\0": "ICO",
    b"icns": "ICNS",
    b"%PDF": "PDF",
    b"%!PS": "EPS",
    b"\xc5\xd0\xd3\xc6": "EPS",
    b"AT&TFORM": "DjVu",
    b"\xd7\xcd\xc6\x9a": "WMF",
    b"BPG\xfb": "BPG",
    b"SIMPLE  =": "FITS",
    b"P7\n": "PAM",
    b"PF\n": "PFM",
    b"\x89HDF": "HDF5",
    b"IIRO": "camera raw (ORF)",
    b"IIRS": "camera raw (ORF)",
    b"MMOR": "camera raw (ORF)",
    b"IIU\0": "camera raw (RW2)",
    b"FUJIFILMCCD-RAW": "camera raw (RAF)",
    b"FOVb": "camera raw (X3F)",
    b"\0MRM": "camera raw (MRW)",
    b"\x1aE\xdf\xa3": "a video",
    b"PK\3\4": "a zip file",
    b"\x1f\x8b": "a gzip file",
    b"7z\xbc\xaf\x27\x1c": "a 7z file",
    b"Rar!": "a RAR file",
}
HEIC = "HEIC"
CONVERT = "is not read: convert it to PNG or JPEG"


@cache
def readable() -> tuple[str, ...]:
    """Those of FORMATS that this Pillow can open, with the plugin for HEIC where that is installed."""
    from PIL import Image

    Image.init()
    with contextlib.suppress(ImportError):
        importlib.import_module(HEIF_PLUGIN).register_heif_opener()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def plugins_for(names: Iterable[str]) -> list[str]:
    """The plugins that decide whether files of these names can be read."""
    is_heif = any(name.lower().endswith((".heic", ".heif", ".hif")) for name in names)
    return [HEIF_PLUGIN] if is_heif and "HEIF" in readable() else []


def is_tiff(head: bytes) -> bool:
    """Whether a file is a TIFF."""
    return head.startswith(TIFF)


def is_read(head: bytes) -> bool:
    """Whether a file begins like those of a format that is read and has a mark of its own."""
    return head.startswith(READ) or is_tiff(head)


def why_not_read(head: bytes) -> str | None:
    """Why a file that begins with `head` (HEAD_BYTES, if it has as many) is not read, where that tells."""
    if found := stand_in(head):
        return found
    kind = next((kind for mark, kind in NOT_READ.items() if head.startswith(mark)), None)
    if head[4:8] == b"ftyp":
        kind = _media_kind(head[8:12], head[16 : int.from_bytes(head[:4], "big")])
    elif is_tiff(head) and head[8:10] == b"CR":
        kind = "camera raw (CR2)"
    elif head[:4] == b"RIFF" and head[8:12] != b"WEBP":
        kind = "a video" if head[8:11] == b"AVI" else "a RIFF file, no WebP,"
    elif head[128:132] == b"DICM":
        kind = "DICOM"
    elif head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<" and b"<svg" in head.lower():
        kind = "SVG"
    if kind == HEIC:
        return f"{HEIC} is not read: install pillow-heif, or convert it to PNG or JPEG"
    return kind and f"{kind} {CONVERT}"


def _media_kind(brand: bytes, others: bytes) -> str | None:
    """What a file of ISO's base media format is, where it is not read."""
    if brand in (b"avif", b"avis") or b"avif" in others:
        return None if "AVIF" in readable() else "AVIF"
    if brand in (b"mif1", b"msf1") or brand[:3] in (b"hei", b"hev"):
        return None if "HEIF" in readable() else HEIC
    return "camera raw (CR3)" if brand == b"crx " else "a video"


def jpeg_kind(file: BinaryIO) -> str | None:
    """What kind of JPEG a file is, where its header says that it is one of more than 8 bits or of other colours."""
    file.seek(0)
    if file.read(2) != b"\xff\xd8":
        return None
    while len(head := file.read(4)) == 4 and head[0] == 0xFF:
        size = int.from_bytes(head[2:], "big") - 2
        if 0xC0 <= head[1] <= 0xCF and head[1] not in (0xC4, 0xC8, 0xCC):  # a start of frame
            frame = file.read(6)
            unusual = len(frame) == 6 and (frame[0] != 8 or frame[5] not in (1, 3, 4)) and frame[0] in (8, 12, 16)
            return f"{frame[0]}-bit JPEG of {counted(frame[5], 'channel')}" if unusual else None
        file.seek(max(size, 0), 1)
    return None


def jpeg2000_kind(file: BinaryIO) -> str | None:
    """What kind of JPEG 2000 a file is, where it has several channels of more than 8 bits: Pillow makes white black."""
    file.seek(0)
    _, _, header = file.read().partition(b"\xff\x4f\xff\x51")
    channels = int.from_bytes(header[36:38], "big")
    bits = 1 + max((depth & 0x7F for depth in header[38 : 38 + 3 * channels : 3]), default=0)
    return f"{bits}-bit JPEG 2000 of {channels} channels" if channels > 1 and bits > 8 else None
