"""Figures: every cell is the image that its labels name."""

from dataclasses import replace

import numpy as np
import pytest

from stylegrow.common.errors import InputError
from stylegrow.rendering import figures
from stylegrow.rendering.grids import resized
from tests.small_models import close


def at(figure, row, column):
    return np.asarray(figure.cell(row, column))


def shown(image, size):
    return resized(np.broadcast_to(image, (*image.shape[:2], 3)), size)


@pytest.mark.parametrize("name", ["style", "run"])
def test_the_grid_is_in_the_order_of_the_seeds(sampler, name):
    one = sampler(name)
    setting = one.setting()
    figure = figures.sample_grid(one, [5, 1, 9, 2, 4], 2, setting)
    for index, seed in enumerate([5, 1, 9, 2, 4]):
        assert close(at(figure, *divmod(index, 2)), shown(next(one.images([seed], setting)), 128))
    assert (at(figure, 2, 1) == 255).all()


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        (2, [("coarse 4 px", [0, 1])]),
        (6, [("coarse 4-8 px", [0, 1, 2, 3]), ("middle 16 px", [4, 5])]),
        (10, [("coarse 4-8 px", [0, 1, 2, 3]), ("middle 16-32 px", [4, 5, 6, 7]), ("fine 64 px", [8, 9])]),
        (
            18,
            [("coarse 4-8 px", [*range(4)]), ("middle 16-32 px", [*range(4, 8)]), ("fine 64-1024 px", [*range(8, 18)])],
        ),
    ],
)
def test_the_papers_bands_follow_from_the_resolution(layers, expected):
    assert figures.bands(layers) == expected


def test_the_mixing_grid_shows_sources_and_mixtures(sampler):
    style = sampler("style")
    setting = style.setting()
    rows, columns, styles = [1, 2], [5, 6, 7], figures.bands(10)
    figure = figures.mixing_grid(style, rows, columns, styles, setting)
    assert (len(figure.tops), len(figure.lefts)) == (7, 4)
    assert (at(figure, 0, 0) == 255).all()
    alone = {seed: shown(next(style.images([seed], setting)), 128) for seed in rows + columns}
    for place, seed in enumerate(columns, 1):
        assert close(at(figure, 0, place), alone[seed])
    top = 1
    for _, layers in styles:
        for row in rows:
            assert close(at(figure, top, 0), alone[row])
            for place, column in enumerate(columns, 1):
                expected = next(style.mixed([row], [column], layers, setting))
                assert close(at(figure, top, place), shown(expected, 128))
            top += 1
    apart = np.diff(figure.tops).tolist()
    assert apart[0] == apart[2] == apart[4] > apart[1] == apart[3] == apart[5]


def test_the_truncation_strip_has_a_column_a_psi(sampler):
    style = sampler("style")
    setting = style.setting(cutoff=8)
    psis = [1, 0.7, 0, -1]
    figure = figures.truncation_strip(style, [3, 4], psis, setting, size=64)
    for row, seed in enumerate([3, 4]):
        for column, psi in enumerate(psis):
            assert close(at(figure, row, column), next(style.images([seed], replace(setting, psi=psi))))


def test_noise_detail_shows_draws_and_their_deviation(sampler):
    style = sampler("style")
    setting = style.setting(noise_seed=2)
    figure = figures.noise_detail(style, [3, 4], 6, setting, size=128)
    for row, seed in enumerate([3, 4]):
        draws = [next(style.images([seed], style.setting(noise="random", noise_seed=2 + n))) for n in range(6)]
        greys = np.stack(draws).astype(float).mean(axis=3)
        deviation = np.stack([grey.std(axis=0) for grey in [greys]])[0]
        down, across = figures.largest_window(deviation, 16)
        for column in range(4):
            assert close(at(figure, row, 1 + column), resized(draws[column][down, across], 128))
        grey = at(figure, row, 5)[::2, ::2, 0].astype(float)
        assert np.corrcoef(grey.ravel(), deviation.ravel())[0, 1] > 0.99
        image = at(figure, row, 0)
        red = (image == (255, 0, 0)).all(axis=2)
        assert red[down.start * 2, across.start * 2]
        assert red[down.stop * 2, across.stop * 2]
        assert (np.abs(image.astype(int) - resized(draws[0], 128)).max(axis=2) <= 1)[~red].all()
    brightest = max(at(figure, row, 5).max() for row in (0, 1))
    assert brightest == 255


def test_the_noise_difference_is_that_of_two_draws_as_many_times_as_it_says(sampler):
    style = sampler("style")
    setting = style.setting(noise_seed=2)
    figure, times = figures.noise_difference(style, [3, 4], setting, size=64)
    draws = [list(style.images([3, 4], replace(setting, noise="random", noise_seed=number))) for number in (2, 3)]
    largest = 0
    for row, (one, other) in enumerate(zip(*draws, strict=True)):
        apart = np.abs(one.astype(int) - other)
        largest = max(largest, apart.max())
        for column, expected in enumerate((one, other, apart * times)):
            assert (at(figure, row, column) == expected).all()
    assert largest * times <= 255 < largest * (times + 1)


def test_without_effect_of_noise_the_deviation_is_black(sampler):
    style = sampler("style")
    for name, parameter in style.generator.named_parameters():
        if name.endswith("noise_strength"):
            parameter.data.zero_()
    assert (at(figures.noise_detail(style, [3], 3, style.setting()), 0, 4) == 0).all()


def test_the_largest_window_has_the_largest_sum():
    values = np.random.default_rng(0).random((9, 11))
    for side in (1, 3, 9):
        sums = {
            (top, left): values[top : top + side, left : left + side].sum()
            for top in range(10 - side)
            for left in range(12 - side)
        }
        top, left = max(sums, key=sums.__getitem__)
        assert figures.largest_window(values, side) == (slice(top, top + side), slice(left, left + side))


def test_sizes(sampler):
    style = sampler("style")
    setting = style.setting()
    for wanted, size in ((None, 128), (32, 32), (64, 64), (192, 192)):
        assert figures.cell_size(style, setting, wanted, 4) == size
    for size in (0, -64, 16, 100):
        with pytest.raises(InputError, match="give 32 px or more"):
            figures.cell_size(style, setting, size, 4)
    with pytest.raises(InputError, match="8,193 images of 128 px are too many"):
        figures.cell_size(style, setting, None, 8193)
    full = replace(setting, resolution=1024)
    assert figures.cell_size(style, full, None, 1) == 256
    with pytest.raises(InputError, match="1,000 images of 1024 px are too many"):
        figures.cell_size(style, full, 1024, 1000)


def test_progress_counts_every_image(sampler):
    style = sampler("style")
    counts = []

    def progress(images, total):
        counts.append([total, 0])
        for image in images:
            counts[-1][1] += 1
            yield image

    setting = style.setting()
    figures.mixing_grid(style, [1], [2, 3], figures.bands(10)[:2], setting, progress=progress)
    figures.truncation_strip(style, [1], [1, 0.5], setting, progress=progress)
    figures.noise_detail(style, [1], 7, setting, progress=progress)
    assert counts == [[3, 3], [2, 2], [2, 2], [1, 1], [1, 1], [7, 7]]
