"""What the tags of a TIFF say of its image, and what Pillow would read wrongly."""

from __future__ import annotations

from typing import Any, BinaryIO

from PIL.TiffImagePlugin import COMPRESSION_INFO, ImageFileDirectory_v2

from stylegrow.data.formats import CONVERT

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, PLANAR = 256, 257, 258, 259, 262, 284
NEW_KIND, OLD_KIND, SAMPLES, MAX_SAMPLE, PALETTE, SUB_IMAGES, INKS, EXTRA, SAMPLE_FORMAT = (
    *(254, 255, 277, 281, 320, 330, 332, 338, 339),
)
PREDICTOR = 317
DIFFERENCED = (5, 8, 32946, 34925, 50000)  # the compressions that know a predictor
DNG_VERSION = 50706
COLOURS = {
    **{0: "white-is-zero grey", 1: "grey", 2: "RGB", 3: "palette", 4: "mask", 5: "CMYK", 6: "YCbCr"},
    **{8: "Lab", 9: "Lab", 10: "Lab", 32844: "LogL", 32845: "LogLuv", 32803: "camera raw", 34892: "camera raw"},
}
NUMBERS = {2: "signed ", 3: "floating-point ", 5: "complex ", 6: "complex "}
RAW = "camera raw, which begins with a thumbnail, is not read: convert it to PNG or JPEG"
MOST_SUB_IMAGES = 16


class Tags:
    """The tags of one image in a TIFF file, by default the first. Raises whatever Pillow does for damaged ones."""

    def __init__(self, file: BinaryIO, offset: int | None = None) -> None:
        file.seek(0)
        head = file.read(8)
        if head[2:4] in (b"+\0", b"\0+"):  # BigTIFF
            head += file.read(8)
        self._tags = ImageFileDirectory_v2(head)
        self._file = file
        file.seek(self._tags.next if offset is None else offset)
        self._tags.load(file)

    def all(self, tag: int, default: Any = ()) -> tuple[Any, ...]:
        """The values of a tag."""
        value = self._tags.get(tag, default)
        return value if isinstance(value, tuple) else (value,)

    def one(self, tag: int, default: int) -> int:
        """The first value of a tag."""
        return int((*self.all(tag), default)[0])

    @property
    def kind(self) -> str | None:
        """What kind of image it is, for people; None where the tags make no sense."""
        colour, depths = COLOURS.get(self.one(PHOTOMETRIC, -1)), set(self.all(BITS, 1))
        if colour is None or WIDTH not in self._tags or HEIGHT not in self._tags or not 0 < max(depths) <= 64:
            return None
        numbers = NUMBERS.get(self.one(SAMPLE_FORMAT, 1), "")
        alpha = " with alpha" if {1, 2} & set(self.all(EXTRA)) else " with more channels" if self.all(EXTRA) else ""
        planes = " in separate planes" if self.one(PLANAR, 1) == 2 else ""
        compression = self.one(COMPRESSION, 1)
        packed = "" if compression in COMPRESSION_INFO else f", compression {compression}"
        return f"{numbers}{max(depths)}-bit {colour}{alpha}{planes}{packed}"

    def why_not_read(self) -> str | None:
        """Why the image is left out: it is no image but a thumbnail, or Pillow would read other pixels."""
        photometric, bits = self.one(PHOTOMETRIC, -1), max(self.all(BITS, 1))
        if DNG_VERSION in self._tags or photometric in (32803, 34892) or self._is_thumbnail():
            return RAW
        formats, samples = set(self.all(SAMPLE_FORMAT, 1)), self.one(SAMPLES, 1)
        compressed = self.one(COMPRESSION, 1) != 1
        wrong = (
            formats - {1, 2, 4}
            or (2 in formats and bits != 32)  # of 32 bits, those that are not negative are read
            or (self.one(PLANAR, 1) == 2 and (samples == 2 or (bits > 8 and not compressed)))
            or (photometric == 6 and samples > 1 and not compressed)
            or photometric in (8, 9, 10)
            or self.one(INKS, 1) != 1
            or (self.one(PREDICTOR, 1) != 1 and self.one(COMPRESSION, 1) not in DIFFERENCED)
        )
        return f"{self.kind or 'unknown samples'} {CONVERT}" if wrong else None

    def _is_thumbnail(self) -> bool:
        """Whether the image is said to be a reduced one, or a larger one lies below it."""
        if self.one(NEW_KIND, 0) & 1 or self.one(OLD_KIND, 1) == 2:
            return True
        return any(self._area_below(offset) > self._area() for offset in self.all(SUB_IMAGES)[:MOST_SUB_IMAGES])

    def _area(self) -> int:
        return self.one(WIDTH, 0) * self.one(HEIGHT, 0)

    def _area_below(self, offset: int) -> int:
        try:
            return Tags(self._file, offset)._area()
        except Exception:  # a damaged sub-image is no reason to leave the image out
            return 0

    @property
    def is_inverted(self) -> bool:
        """Whether Pillow gives the negative: grey of 16 bits where 0 is white."""
        return self.one(PHOTOMETRIC, 1) == 0 and max(self.all(BITS, 1)) == 16

    @property
    def white(self) -> int | None:
        """The sample that is white, where that is not the largest of 16 bits: 4095 for 12 bits.

        MaxSampleValue is also written as a mere statistic; it is a range where it is the largest number of some bits.
        """
        bits, most = max(self.all(BITS, 1)), self.one(MAX_SAMPLE, 0)
        if 8 < bits < 16:
            return 2**bits - 1
        return most if 255 <= most < 65535 and not most & (most + 1) else None

    @property
    def palette(self) -> bytes | None:
        """The palette where it is written in bytes, of which Pillow would make black."""
        values = self.all(PALETTE)
        return bytes(values) if values and max(values) < 256 else None
