"""Kinds of samples: what is read is what a second program wrote, and all else is left out with its kind named."""

import io
import itertools

import numpy as np
import pytest
import tifffile

from stylegrow.data import open_dataset
from stylegrow.data.decoding import open_image, square
from stylegrow.data.request import Shape
from stylegrow.data.unusable import UnusableError
from tests.stylegrow.data.image_files import encoded, noise, png, tiff

SIDE = 16


def read(content: bytes, channels: int) -> np.ndarray:
    """[16, 16, 3] or [16, 16]."""
    pixels = square(open_image(io.BytesIO(content)), Shape(SIDE, channels)).pixels.astype(float)
    return pixels[0] if channels == 1 else pixels.transpose(1, 2, 0)


def shares(channels: int, seed=0) -> np.ndarray:
    """Random parts of the largest sample."""
    return np.random.RandomState(seed).rand(SIDE, SIDE, channels)


COLOURS = {"minisblack": 1, "miniswhite": 1, "rgb": 3, "separated": 4}
ALPHAS = {"none": (), "straight": ("unassalpha",), "multiplied": ("assocalpha",), "unknown": ("unspecified",)}
KINDS = [kind for kind in itertools.product(COLOURS, ALPHAS) if kind != ("miniswhite", "multiplied")]  # not defined
LAYOUTS = list(itertools.product(("contig", "separate"), (None, "zlib"), "<>", (None, (16, 16))))


def seen(photometric: str, samples: np.ndarray, alpha: str) -> np.ndarray:
    """What an image of these shares shows on white, in 0 to 255: [16, 16, 3] or [16, 16]."""
    colour = samples[..., : COLOURS[photometric]]
    if photometric == "miniswhite":
        colour = 1 - colour
    if photometric == "separated":
        colour = (1 - colour[..., :3]) * (1 - colour[..., 3:])
    if alpha in ("straight", "multiplied"):
        cover = samples[..., -1:]
        colour = colour * (1 if alpha == "multiplied" else cover) + 1 - cover
    return 255 * (colour if colour.shape[-1] == 3 else colour[..., 0])


@pytest.mark.parametrize("bits", [8, 16, 32])
@pytest.mark.parametrize(("photometric", "alpha"), KINDS)
def test_tiffs_are_read_rightly_or_named(bits, photometric, alpha):
    samples = shares(COLOURS[photometric] + len(ALPHAS[alpha]))
    if alpha == "multiplied":
        samples[..., :-1] *= samples[..., -1:]
    whole = np.rint(samples * (2**bits - 1)).astype(f"u{bits // 8}")
    for planar, compression, order, tile in LAYOUTS:
        if planar == "separate" and whole.shape[-1] == 1:
            continue
        file = io.BytesIO()
        tifffile.imwrite(
            file,
            whole.squeeze() if planar == "contig" else np.ascontiguousarray(whole.transpose(2, 0, 1)),
            photometric=photometric,
            planarconfig=planar if whole.shape[-1] > 1 else None,
            extrasamples=ALPHAS[alpha] or None,
            compression=compression,
            byteorder=order,
            tile=tile,
            metadata=None,
        )
        expected = seen(photometric, samples, alpha)
        common = photometric in ("minisblack", "rgb") and alpha == "none" and bits < 32 and planar == "contig"
        try:
            pixels = read(file.getvalue(), 3 if expected.ndim == 3 else 1)
        except UnusableError as error:
            assert "not read" in str(error) and not common  # noqa: PT017, PT018
            continue
        assert np.abs(pixels - expected).max() < 3  # where 16 bits are cut to 8 before they are multiplied


@pytest.mark.parametrize("bits", [8, 16])
def test_white_is_zero(bits):
    whole = np.rint(shares(1)[..., 0] * (2**bits - 1)).astype(f"u{bits // 8}")
    content = tiff(whole.tobytes(), (SIDE, SIDE), t258=(bits,), t262=(0,))
    assert np.abs(read(content, 1) - (255 - whole / (257 if bits == 16 else 1))).max() <= 0.51


@pytest.mark.parametrize("factor", [1, 257])
def test_palettes_of_tiffs_in_bytes_and_in_words(factor):
    colours = np.random.RandomState(0).randint(0, 256, (3, 256))
    indices = noise((SIDE, SIDE), channels=1)
    palette = tuple((colours * factor).reshape(-1).tolist())
    content = tiff(indices.tobytes(), (SIDE, SIDE), t262=(3,), t320=palette)
    assert np.array_equal(read(content, 3), colours.T[indices])


DEPTHS = [(0, 1), (0, 2), (0, 4), (0, 8), (0, 16), (2, 8), (2, 16), (4, 8), (4, 16), (6, 8), (6, 16)]


@pytest.mark.parametrize(("colour", "depth"), DEPTHS)
@pytest.mark.parametrize("transparent", [False, True])
def test_pngs_are_read_rightly_or_named(colour, depth, transparent):
    channels = {0: 1, 2: 3, 4: 2, 6: 4}[colour]
    most = 2**depth - 1
    samples = np.random.RandomState(1).randint(0, most + 1, (SIDE, SIDE, channels))
    chunks, cover = [], np.ones((SIDE, SIDE, 1))
    if transparent and colour in (0, 2):
        key = samples[3, 3]
        chunks = [b"tRNS" + b"".join(int(value).to_bytes(2, "big") for value in key)]
        cover = 1.0 - (samples == key).all(-1, keepdims=True)
    shown = samples / most
    if colour in (4, 6):
        shown, cover = shown[..., :-1], shown[..., -1:]
    content = png(samples, depth, colour, *chunks)
    if chunks and (colour, depth) == (2, 16):
        with pytest.raises(UnusableError, match="transparent colour"):
            read(content, 3)
        return
    expected = 255 * (shown * cover + 1 - cover)
    result = read(content, 3 if channels > 2 else 1)
    assert np.abs(result - (expected if channels > 2 else expected[..., 0])).max() < 3


def test_palettes_of_pngs_with_transparency():
    for depth in (1, 2, 4, 8):
        count = min(2**depth, 20)
        colours = np.random.RandomState(depth).randint(0, 256, (count, 3)).astype(np.uint8)
        indices = np.random.RandomState(0).randint(0, count, (SIDE, SIDE))
        alphas = bytes([0, 128])
        content = png(indices, depth, 3, b"PLTE" + colours.tobytes(), b"tRNS" + alphas)
        cover = np.array([0, 128 / 255] + [1.0] * (count - 2))[indices][..., None]
        assert np.abs(read(content, 3) - (colours[indices] * cover + 255 * (1 - cover))).max() < 1.51


def test_jpeg_2000_of_more_bits_than_pillow_reads():
    content = encoded(noise((SIDE, SIDE)), "JPEG2000")
    depths = content.index(b"\xff\x4f\xff\x51") + 4 + 38
    assert content[depths] == 7
    with pytest.raises(UnusableError, match="12-bit JPEG 2000"):
        read(content[:depths] + b"\x0b" + content[depths + 1 :], 3)


def dark(content):
    return square(open_image(io.BytesIO(content)), Shape(SIDE, 1)).dark


def test_fewer_bits_in_more_are_counted_and_scaled_where_the_file_says_so():
    for bits, most in ((8, 255), (12, 4095)):
        values = np.rint(shares(1)[..., 0] * most).astype(np.uint16)
        values[0, 0] = most
        assert dark(encoded(values))
        assert dark(encoded(values, "TIFF"))
        assert dark(encoded(values.astype(np.int32), "TIFF"))
        assert np.abs(read(encoded(values), 1) - values / 257).max() <= 0.51
        said = (
            png(values, 16, 0, b"sBIT" + bytes([bits])),
            tiff(values.tobytes(), (SIDE, SIDE), t258=(16,), t281=(most,)),
            tiff(values.astype(np.uint32).tobytes(), (SIDE, SIDE), t258=(32,), t281=(most,)),
        )
        for content in said:
            assert not dark(content)
            assert np.abs(read(content, 1) - values / most * 255).max() <= 0.51


def test_colours_of_fewer_bits_in_more_are_counted():
    for colour, channels in ((2, 3), (6, 4), (4, 2)):
        values = np.rint(shares(channels) * 4095).astype(np.uint16)
        assert dark(png(values, 16, colour))
        assert not dark(png(values * 16, 16, colour))
        assert not dark(png(values // 4096, 8, colour))
    values = np.rint(shares(3) * 4095).astype(np.uint16)
    for compression, factor in ((None, 1), ("zlib", 1), (None, 16), ("zlib", 16)):
        file = io.BytesIO()
        tifffile.imwrite(file, values * factor, photometric="rgb", compression=compression, metadata=None)
        assert dark(file.getvalue()) == (factor == 1)


def test_ranges_that_do_not_hold_change_nothing():
    values = np.rint(shares(1)[..., 0] * 65535).astype(np.uint16)
    contents = (
        png(values, 16, 0, b"sBIT\x0c"),
        tiff(values.tobytes(), (SIDE, SIDE), t258=(16,), t281=(4095,)),  # samples above
        tiff(values.tobytes(), (SIDE, SIDE), t258=(16,), t281=(40_000,)),  # a statistic
    )
    for content in contents:
        assert np.abs(read(content, 1) - values / 257).max() <= 0.51
        assert not dark(content)
    assert not dark(encoded(np.zeros((SIDE, SIDE), np.uint16)))


def test_twelve_bits_packed():
    values = np.random.RandomState(0).randint(0, 4096, (SIDE, SIDE))
    bits = (values[..., None] >> np.arange(11, -1, -1)) & 1
    content = tiff(np.packbits(bits.reshape(SIDE, -1), axis=1).tobytes(), (SIDE, SIDE), t258=(12,))
    assert np.abs(read(content, 1) - values / 4095 * 255).max() <= 0.51


def test_dark_images_are_reported(tmp_path):
    (tmp_path / "images").mkdir()
    for name, factor in (("a.png", 257), ("b.png", 1)):
        content = encoded(noise((SIDE, SIDE), channels=1).astype(np.uint16) * factor)
        (tmp_path / "images" / name).write_bytes(content)
    dataset = open_dataset(tmp_path / "images", cache=tmp_path / "cache", quiet=True)
    assert dataset.report["dark"] == ["b.png"]
    assert any("b.png" in line for line in dataset.report_lines())


SMALL = noise((SIDE, SIDE), channels=1).tobytes()


@pytest.mark.parametrize(
    "content",
    [
        tiff(SMALL, (SIDE, SIDE), t254=(1,)),
        tiff(SMALL, (SIDE, SIDE), t255=(2,)),
        tiff(SMALL, (SIDE, SIDE), below={256: (4000,), 257: (3000,)}),
        tiff(SMALL, (SIDE, SIDE), ">", below={256: (4000,), 257: (3000,)}),
        tiff(SMALL, (SIDE, SIDE), t50706=(1, 4, 0, 0)),
        tiff(SMALL, (SIDE, SIDE), t262=(32803,)),
        b"II*\0\x10\0\0\0CR\2\0" + bytes(100),
        b"IIRO\x08\0\0\0" + bytes(100),
        b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom" + bytes(100),
    ],
)
def test_camera_raw_files_are_no_thumbnails(content):
    with pytest.raises(UnusableError, match="camera raw"):
        open_image(io.BytesIO(content))


@pytest.mark.parametrize(
    "content",
    [
        tiff(SMALL, (SIDE, SIDE), below={256: (8,), 257: (8,)}),
        tiff(SMALL, (SIDE, SIDE), t330=(100_000,)),
    ],
)
@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_smaller_and_damaged_sub_images_are_no_reason(content):
    assert np.array_equal(read(content, 1), noise((SIDE, SIDE), channels=1))


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (tiff(bytes(5 * 256), (SIDE, SIDE), t258=(8,) * 5, t262=(5,), t277=(5,), t338=(2,)), "8-bit CMYK with alpha"),
        (tiff(bytes(12 * 256), (SIDE, SIDE), t258=(32,) * 3, t262=(2,), t277=(3,), t339=(3,) * 3), "point 32-bit RGB"),
        (tiff(bytes(512), (SIDE, SIDE), t258=(16,), t339=(2,)), "signed 16-bit grey"),
        (tiff(bytes(3 * 256), (SIDE, SIDE), t258=(8,) * 3, t262=(8,), t277=(3,)), "8-bit Lab"),
        (tiff(bytes(3 * 256), (SIDE, SIDE), t258=(8,) * 3, t262=(6,), t277=(3,)), "8-bit YCbCr"),
        (tiff(bytes(256), (SIDE, SIDE), t259=(34712,)), "compression 34712"),
        (b"\xff\xd8\xff\xc1\x00\x0b\x0c\x00\x10\x00\x10\x01\x01\x11\x00" + bytes(50), "12-bit JPEG"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(50), "HEIC"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic" + bytes(50), "HEIC"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isomavc1" + bytes(50), "video"),
        (b"8BPS\0\1" + bytes(50), "PSD"),
        (b"\xff\x0a" + bytes(50), "JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(50), "JPEG XL"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b"<svg/>", "SVG"),
        (bytes(128) + b"DICM" + bytes(50), "DICOM"),
        (b"RIFF\0\0\0\0AVI LIST" + bytes(50), "video"),
        (b"<!DOCTYPE html><html><body>Quota exceeded", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "Git LFS"),
    ],
)
def test_known_kinds_are_named(content, kind):
    with pytest.raises(UnusableError, match=kind) as caught:
        open_image(io.BytesIO(content))
    assert "corrupt" not in str(caught.value)


def test_other_formats_without_loss_are_read():
    rgb = noise((SIDE, SIDE))
    for kind, options in (("WEBP", {"lossless": True}), ("JPEG2000", {}), ("PPM", {}), ("BMP", {})):
        assert np.array_equal(read(encoded(rgb, kind, **options), 3), rgb)
