"""Single images: what becomes of their pixels, and why some are not used."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from stylegrow.data.decoding import is_grey, open_image, square
from stylegrow.data.request import Shape
from stylegrow.data.unusable import UnusableError
from tests.stylegrow.data.image_files import GREEN as G
from tests.stylegrow.data.image_files import RED as R
from tests.stylegrow.data.image_files import (
    black_only_profile,
    encoded,
    grey_profile,
    noise,
    png_header,
    rgb_profile,
)


def made(content: bytes, resolution=8, channels=3, fit="crop", **colours):
    return square(open_image(io.BytesIO(content)), Shape(resolution, channels, fit, **colours))


def rows(image):
    """[r, r, 3] or [r, r]."""
    return image.pixels[0] if len(image.pixels) == 1 else image.pixels.transpose(1, 2, 0)


def whole(value, mode="RGB", size=(8, 8)):
    return np.asarray(Image.new(mode, size, value))


@pytest.mark.parametrize(("size", "box"), [((8, 8), np.s_[:]), ((13, 8), np.s_[:, 2:10]), ((8, 11), np.s_[1:9])])
def test_crop_takes_the_centre(size, box):
    pixels = noise(size)
    image = made(encoded(pixels))
    assert np.array_equal(rows(image), pixels[box])
    assert image.pixels.flags.c_contiguous
    assert not image.enlarged


@pytest.mark.parametrize("size", [(8, 4), (4, 8), (8, 5)])
def test_pad_keeps_all_between_bars_of_the_borders_colour(size):
    pixels = noise(size)
    pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1] = (10, 20, 30), (10, 20, 30), (10, 20, 30), (10, 20, 30)
    expected = np.full((8, 8, 3), (10, 20, 30), np.uint8)
    left, top = (8 - size[0]) // 2, (8 - size[1]) // 2
    expected[top : top + size[1], left : left + size[0]] = pixels
    assert np.array_equal(rows(made(encoded(pixels), fit="pad")), expected)


def test_pad_takes_the_commonest_colour_of_the_edges_that_bars_touch():
    pixels = noise((16, 8))
    pixels[0, 3:], pixels[-1, 2:] = 200, 200
    image = rows(made(encoded(pixels), resolution=16, fit="pad"))
    assert (image[:4] == 200).all()
    assert (image[12:] == 200).all()
    grey = rows(made(encoded(whole(90, "L", (4, 8))), channels=1, fit="pad"))
    assert (grey == 90).all()


@pytest.mark.parametrize(("channels", "expected"), [(3, (255, 128, 0)), (1, round(0.299 * 255 + 0.587 * 128))])
def test_pad_by_a_colour(channels, expected):
    image = rows(made(encoded(whole("red", size=(64, 16))), 16, channels, "pad", pad_color="#ff8000"))
    assert (image[[0, 5, 10, 15]] == expected).all()
    assert (image[6:10] == ((255, 0, 0) if channels == 3 else 76)).all()


def test_stretch_keeps_all():
    pixels = noise((2, 2)).repeat(20, 0).repeat(4, 1)
    image = rows(made(encoded(pixels), fit="stretch")).astype(int)
    assert np.abs(image[[0, 0, 7, 7], [0, 7, 0, 7]] - pixels[[0, 0, 39, 39], [0, 7, 0, 7]]).max() <= 8
    assert np.array_equal(rows(made(encoded(noise((8, 8))), fit="stretch")), noise((8, 8)))


def test_downscaling_is_close_to_the_average_of_the_area():
    y, x = np.mgrid[:256, :256] / 256
    scene = np.stack([128 + 100 * np.sin(5 * x + 3 * y), 255 * x * y, 128 + 90 * np.cos(7 * y)], -1)
    small = rows(made(encoded(np.rint(scene).astype(np.uint8)), resolution=16)).astype(float)
    assert np.abs(small - scene.reshape(16, 16, 16, 16, 3).mean((1, 3)))[1:-1, 1:-1].max() < 2


def test_downscaling_leaves_no_fine_pattern():
    stripes = np.zeros((256, 256), np.uint8)
    stripes[:, ::2] = 255
    small = rows(made(encoded(stripes), resolution=32, channels=1)).astype(int)
    assert np.abs(small - 127.5).max() <= 2


def test_large_jpeg_equals_its_png():
    y, x = np.mgrid[:1024, :768] / 700
    scene = np.stack([128 + 100 * np.sin(5 * x + 3 * y), 200 * x * x, 128 + 90 * np.cos(7 * y)], -1).astype(np.uint8)
    png, jpeg = (rows(made(encoded(scene, kind, quality=95), 32)).astype(int) for kind in ("PNG", "JPEG"))
    assert np.abs(png - jpeg).max() <= 3


@pytest.mark.parametrize(
    ("size", "fit", "enlarged"),
    [((7, 40), "crop", True), ((7, 40), "pad", False), ((7, 6), "pad", True), ((7, 40), "stretch", True)],
)
def test_enlarged_images_are_counted(size, fit, enlarged):
    assert made(encoded(noise(size)), fit=fit).enlarged == enlarged


@pytest.mark.parametrize("channels", [1, 3])
def test_28_px_get_a_frame_of_their_border(channels):
    pixels = noise((28, 28), channels=channels)
    image = made(encoded(pixels), resolution=32, channels=channels)
    assert np.array_equal(rows(image)[2:30, 2:30], pixels)
    assert np.array_equal(rows(image)[:2, 2:30], np.stack([pixels[0]] * 2))
    assert np.array_equal(rows(image)[30, 31], pixels[27, 27])
    assert not image.enlarged
    assert made(encoded(pixels), resolution=64).enlarged
    assert (rows(made(encoded(whole("white", size=(28, 28))), resolution=32)) == 255).all()


def test_28_px_of_digits_get_a_black_frame():
    pixels = noise((28, 28), channels=1)
    image = square(Image.fromarray(pixels), Shape(32, 1), black_frame=True)
    assert np.array_equal(image.pixels[0, 2:30, 2:30], pixels)
    assert image.pixels[0].sum() == pixels.sum(dtype=int)


@pytest.mark.parametrize(
    ("orientation", "turn"),
    [
        (1, lambda a: a),
        (2, np.fliplr),
        (3, lambda a: np.rot90(a, 2)),
        (4, np.flipud),
        (5, lambda a: a.swapaxes(0, 1)),
        (6, lambda a: np.rot90(a, -1)),
        (7, lambda a: np.rot90(a, 2).swapaxes(0, 1)),
        (8, np.rot90),
        (77, lambda a: a),
    ],
)
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_orientation(orientation, turn, kind):
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = noise((12, 8))
    options = {"lossless": True} if kind == "WEBP" else {}
    upright = np.ascontiguousarray(turn(pixels))
    expected = rows(made(encoded(upright)))
    assert np.array_equal(rows(made(encoded(pixels, kind, exif=exif, **options))), expected)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_broken_metadata_is_no_reason_to_skip():
    pixels = noise((8, 8))
    assert np.array_equal(rows(made(encoded(pixels, exif=b"Exif\0\0MM\0*\xff\xff\xff\xff"))), pixels)


@pytest.mark.parametrize(
    ("colour", "mode", "profile", "channels", "expected"),
    [
        ("red", "RGB", rgb_profile(red=G, green=R), 3, (0, 255, 0)),
        ((55, 55, 55), "RGB", rgb_profile(gamma=1.0), 3, 128),  # the linear value of sRGB's 128 is 55.04
        (55, "L", grey_profile(1.0), 1, 128),
        (55, "L", grey_profile(1.0), 3, 128),
        (55, "L", rgb_profile(gamma=1.0), 1, 128),
        ((255, 255, 255, 0), "CMYK", black_only_profile(), 3, 255),
        ((0, 0, 0, 255), "CMYK", black_only_profile(), 3, 0),
    ],
)
def test_profile_is_applied(colour, mode, profile, channels, expected):
    content = encoded(Image.new(mode, (8, 8), colour), "TIFF", icc_profile=profile)
    image = made(content, channels=channels)
    assert np.abs(rows(image).astype(int) - expected).max() <= 1
    assert not image.profile_ignored


def test_cmyk_without_a_profile():
    assert (rows(made(encoded(Image.new("CMYK", (8, 8), (255, 0, 0, 0)), "TIFF"))) == (0, 255, 255)).all()


SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
UNUSABLE = (b"no profile", rgb_profile()[:200], black_only_profile(), grey_profile(1.0))


@pytest.mark.parametrize("profile", [SRGB, *UNUSABLE])
def test_srgb_and_unusable_profiles_change_nothing(profile):
    pixels = noise((8, 8))
    image = made(encoded(pixels, icc_profile=profile))
    assert np.array_equal(rows(image), pixels)
    assert image.profile_ignored == (profile is not SRGB)


def test_transparency_is_on_white():
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[:, :4] = (10, 20, 30, 255)
    pixels[:, 4:] = (10, 20, 30, 0)
    image = rows(made(encoded(pixels)))
    assert (image[:, :4] == (10, 20, 30)).all()
    assert (image[:, 4:] == 255).all()


@pytest.mark.parametrize(("channels", "expected"), [(3, (0, 128, 255)), (1, round(0.587 * 128 + 0.114 * 255))])
def test_transparency_is_on_the_background(channels, expected):
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[:, :4, 3] = 255
    image = rows(made(encoded(pixels), channels=channels, background="#0080ff"))
    assert not image[:, :4].any()
    assert (image[:, 4:] == expected).all()


def test_hidden_colours_do_not_bleed():
    pixels = np.zeros((64, 64, 4), np.uint8)
    pixels[:, :32] = (255, 255, 255, 255)
    assert (rows(made(encoded(pixels))) == 255).all()


def test_profile_and_transparency_together():
    pixels = np.full((8, 8, 4), (255, 0, 0, 128), np.uint8)
    image = rows(made(encoded(pixels, icc_profile=rgb_profile(red=G, green=R))))
    assert np.abs(image.astype(int) - (127, 255, 127)).max() <= 2


def test_palette_with_transparency():
    image = Image.fromarray(np.array([[0, 1]] * 2, np.uint8).repeat(4, 0).repeat(4, 1), "P")
    image.putpalette([200, 100, 50, 0, 0, 255])
    for kind in ("PNG", "GIF"):
        read = rows(made(encoded(image, kind, transparency=1)))
        assert (read[:, :4] == (200, 100, 50)).all()
        assert (read[:, 4:] == 255).all()


def test_sixteen_bits():
    values = np.arange(64, dtype=np.uint16).reshape(8, 8)
    for kind in ("PNG", "TIFF"):
        image = made(encoded(values * 4 * 257, kind), channels=1)
        assert np.array_equal(image.pixels[0], values * 4)
    image = made(encoded(np.full((8, 8), 65535, np.uint16)), channels=3)
    assert (image.pixels == 255).all()


def test_one_bit():
    pixels = noise((8, 8), channels=1) > 127
    assert np.array_equal(made(encoded(pixels), channels=1).pixels[0], pixels * 255)


def test_grey_among_rgb_and_rgb_among_grey():
    grey = noise((8, 8), channels=1)
    assert np.array_equal(rows(made(encoded(grey), channels=3)), np.stack([grey] * 3, -1))
    colour = rows(made(encoded(whole((100, 200, 50))), channels=1))
    assert (colour == round(0.299 * 100 + 0.587 * 200 + 0.114 * 50)).all()


def grey(content: bytes) -> bool:
    return is_grey(open_image(io.BytesIO(content)))


def test_grey_is_known_from_the_header():
    pixels = noise((8, 8), channels=1)
    assert grey(encoded(pixels))
    assert grey(encoded(pixels, "JPEG"))
    assert grey(encoded(pixels.astype(np.uint16) * 257))
    assert grey(encoded(np.stack([pixels, pixels], -1)))
    assert not grey(encoded(noise((8, 8))))
    palette = Image.fromarray(pixels, "P")
    for kind in ("PNG", "TIFF"):
        for colours in (lambda i: (i, i, i)), (lambda i: (i, i, 255 - i)):
            palette.putpalette([v for i in range(256) for v in colours(i)])
            assert grey(encoded(palette, kind)) == (colours(1) == (1, 1, 1))


def several(kind: str) -> bytes:
    frames = [Image.fromarray(noise((8, 8), seed)) for seed in range(3)]
    return encoded(frames[0], kind, save_all=True, append_images=frames[1:])


def test_photograph_with_a_second_frame_is_used():
    content = several("MPO")
    if Image.open(io.BytesIO(content)).format != "MPO":
        pytest.skip("Pillow 11.0 cannot write this format")
    plain = rows(made(content))
    assert np.array_equal(plain, rows(made(encoded(noise((8, 8)), "JPEG"))))


JPEG = encoded(noise((64, 64)), "JPEG")
PNG = encoded(noise((64, 64)))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"Dear diary", "not an image"),
        (JPEG[: len(JPEG) // 2], "truncated"),
        (PNG[: len(PNG) // 2], "truncated"),
        (PNG[:60] + bytes(200) + PNG[260:], "corrupt"),
        (PNG[:12], "corrupt"),
        (JPEG[:20], "corrupt"),
        (several("GIF"), "animated"),
        (several("PNG"), "animated"),
        (several("WEBP"), "animated"),
        (several("TIFF"), "more than one page"),
        (encoded(noise((3, 50))), "smaller than 4 px"),
        (png_header(10_001, 10_000), "above 100 megapixels"),
        (png_header(100_000, 100_000), "above 100 megapixels"),
        (encoded(np.zeros((8, 8), np.float32), "TIFF"), "floating-point"),
        (encoded(np.full((8, 8), 70_000, np.int32), "TIFF"), "32-bit"),
    ],
)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_unusable_files_have_their_reasons(content, reason):
    with pytest.raises(UnusableError, match=reason):
        made(content)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_100_megapixels_are_read():
    assert open_image(io.BytesIO(png_header(10_000, 10_000))).size == (10_000, 10_000)
