"""Files of real and of generated pictures cannot be told apart but by what they show."""

import random
import stat
import sys

import numpy as np
import pytest
from PIL import Image

from app.game import anti_cheat
from stylegrow.metrics.flatness import corner_deviations


def smooth(size=64, channels=3):
    ramp = np.linspace(0, 255, size).astype(np.uint8)
    return np.broadcast_to(ramp[:, None, None], (size, size, channels)).copy()


def noisy(size=64, channels=3, seed=0):
    return np.random.RandomState(seed).randint(0, 256, (size, size, channels)).astype(np.uint8)


def segments(content: bytes) -> list[tuple[int, bytes]]:
    """The marker segments of a JPEG up to the scan."""
    found, at = [], 2
    while True:
        marker, length = content[at + 1], int.from_bytes(content[at + 2 : at + 4], "big")
        found.append((marker, content[at + 4 : at + 2 + length]))
        at += 2 + length
        if marker == 0xDA:
            return found


def test_files_have_the_same_length_though_their_pictures_do_not(tmp_path):
    """Rule 3."""
    rng = random.Random(0)
    lengths = set()
    for pictures in ([smooth(), noisy()], [smooth(), smooth()], [noisy(size=256), smooth(size=256), smooth(), noisy()]):
        sizes = {path.stat().st_size for path in anti_cheat.publish(pictures, tmp_path, rng, 512)}
        assert len(sizes) == 1
        assert sizes.pop() % (16 << 10) == 0
        lengths.add(len(anti_cheat.encoded(anti_cheat.enlarged(pictures[0], 512))))
    assert len(lengths) > 1
    paths = anti_cheat.publish([smooth(), noisy(size=256)], tmp_path, rng, 512)
    biggest = max(len(path.read_bytes().rstrip(b"\0")) for path in paths)
    assert paths[0].stat().st_size - biggest < 16 << 10  # and no longer than it takes


def test_files_decode_to_what_was_given(tmp_path):
    pictures = [smooth(), noisy(channels=1), smooth(channels=1)]
    paths = anti_cheat.publish(pictures, tmp_path, random.Random(0), 64)
    for path, picture in zip(paths, pictures, strict=True):
        with Image.open(path) as image:
            image.load()
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (64, 64))
            assert np.abs(np.asarray(image).astype(int) - picture).mean() < 3


def test_mottled_files_do_not_tell_flat_pictures_from_slightly_uneven_ones(tmp_path):
    """In 200 pairs the rule "the flatter one" is right in less than three of four; without mottles always."""
    rng, chance = random.Random(0), np.random.RandomState(0)
    flat = np.full((64, 64, 3), 200, np.uint8)

    def right(rounds, uneven):
        count = 0
        for _ in range(rounds):
            other = np.clip(flat + chance.normal(0, 1.5, flat.shape), 0, 255).astype(np.uint8)
            paths = anti_cheat.publish([flat, other], tmp_path, rng, 64, uneven)
            pixels = np.stack([np.asarray(Image.open(path)) for path in paths]).transpose(0, 3, 1, 2)
            count += int(np.argmin(corner_deviations(pixels))) == 0
        return count / rounds

    assert right(20, 0.0) == 1.0
    assert 0.4 < right(200, 1.5) < 0.75


@pytest.mark.parametrize(("size", "side"), [(8, 4), (64, 32), (512, 64)])
def test_thumbnails_have_the_mean_colour_of_the_pixels_that_they_replace(size, side):
    picture = noisy(size)
    small = anti_cheat.thumbnail(picture)
    blocks = picture.reshape(side, size // side, side, size // side, 3).mean((1, 3))
    assert small.shape == (side, side, 3)
    assert np.abs(small - blocks).max() <= 0.5


def test_headers_are_the_same_and_say_nothing(tmp_path):
    """Rule 2: one encoder, with the same tables for all, and no metadata."""
    paths = anti_cheat.publish([smooth(), noisy(), noisy(channels=1)], tmp_path, random.Random(0), 128)
    first, *others = [segments(path.read_bytes()) for path in paths]
    assert all(other == first for other in others)
    markers = [marker for marker, _ in first]
    # JFIF, quantisation, baseline frame, Huffman tables, scan: no Exif (E1), ICC (E2) or comment (FE), not progressive.
    assert set(markers) == {0xE0, 0xDB, 0xC0, 0xC4, 0xDA}
    frame = next(content for marker, content in first if marker == 0xC0)
    assert [frame[7], frame[10], frame[13]] == [0x22, 0x11, 0x11]  # 4:2:0


def test_names_say_nothing_and_never_repeat(tmp_path):
    """Rule 4."""
    rng = random.Random(0)
    names = [path.name for _ in range(20) for path in anti_cheat.publish([smooth(8), noisy(8)], tmp_path, rng, 8)]
    assert len(set(names)) == len(names)
    assert all(len(name) == 36 and set(name[:32]) <= set("0123456789abcdef") and name[32:] == ".jpg" for name in names)
    assert {path.name for path in tmp_path.iterdir()} == set(names)


def test_a_picture_that_comes_again_is_another_file(tmp_path):
    """Rule 5: a page's address of a file is the hash of its bytes."""
    rng, picture = random.Random(0), smooth()
    contents = {
        path.read_bytes() for _ in range(10) for path in anti_cheat.publish([picture, picture], tmp_path, rng, 64)
    }
    assert len(contents) == 20


def test_disturbance_is_one_grey_level_up_or_down():
    picture = np.full((200, 200, 3), 128, np.uint8)
    changed = anti_cheat.disturbed(picture, np.random.default_rng(0)).astype(int) - 128
    assert set(np.unique(changed)) == {-1, 0, 1}
    assert [(changed == step).mean() for step in (-1, 0, 1)] == pytest.approx([1 / 3] * 3, abs=0.01)
    ends = np.array([[[0, 255, 0]]], np.uint8)
    for seed in range(20):
        assert np.abs(anti_cheat.disturbed(ends, np.random.default_rng(seed)).astype(int) - ends).max() <= 1


def test_times_are_the_same_whole_second(tmp_path, monkeypatch):
    """Rule 6: a server tells a file's time as Last-Modified."""
    monkeypatch.setattr(anti_cheat.time, "time", lambda: 1_700_000_000.9)
    paths = anti_cheat.publish([smooth(8), noisy(8), noisy(8, seed=1), smooth(8)], tmp_path, random.Random(0), 8)
    assert {path.stat().st_mtime_ns for path in paths} == {1_700_000_000 * 10**9}


def test_order_of_writing_is_chance(tmp_path, monkeypatch):
    """Rule 6."""
    written = []
    monkeypatch.setattr(anti_cheat, "write", lambda path, content: (written.append(path), path.write_bytes(content)))
    rng, first = random.Random(0), [0, 0]
    for _ in range(400):
        written.clear()
        paths = anti_cheat.publish([smooth(8), noisy(8)], tmp_path, rng, 8)
        first[paths.index(written[0])] += 1
    assert sum((n - 200) ** 2 / 200 for n in first) < 10.83  # chi-square with one degree of freedom, p = 0.001


@pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX's")
def test_files_belong_to_nobody_else(tmp_path):
    from app.game.game import Game

    game = Game(tmp_path)
    assert stat.S_IMODE(game.folder.stat().st_mode) == 0o700
    game.close()
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_of_a_round_that_could_not_be_written(tmp_path, monkeypatch):
    write = anti_cheat.write

    def full(path, content):
        if list(tmp_path.iterdir()):
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device")
        write(path, content)

    monkeypatch.setattr(anti_cheat, "write", full)
    with pytest.raises(OSError, match="No space"):
        anti_cheat.publish([smooth(8), noisy(8)], tmp_path, random.Random(0), 8)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("resolution", "size"), [(4, 512), (64, 512), (512, 512), (1024, 1024)])
def test_shown_size(resolution, size):
    assert anti_cheat.shown_size(resolution) == size
