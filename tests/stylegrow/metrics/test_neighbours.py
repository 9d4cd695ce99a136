import numpy as np
import pytest

from stylegrow.metrics import neighbours


def test_the_nearest_come_first():
    training = np.array([[0.0], [10], [11], [20]])
    places, lengths = neighbours.nearest(np.array([[10.6], [19.0]]), training, 3)
    assert places.tolist() == [[2, 1, 3], [3, 2, 1]]
    assert np.allclose(lengths, [[0.4, 0.6, 9.4], [1, 8, 9]])


def test_a_copy_has_no_distance(monkeypatch):
    monkeypatch.setattr(neighbours, "BLOCK", 3)
    training = np.random.RandomState(0).standard_normal((20, 6))
    places, lengths = neighbours.nearest(training[[4, 7, 11, 2]], training, 1)
    assert places[:, 0].tolist() == [4, 7, 11, 2]
    assert np.allclose(lengths, 0, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_figure_has_a_row_for_each_image(channels):
    generated = np.full((2, channels, 64, 64), 200, np.uint8)
    reals = [np.full((3, channels, 64, 64), 10 * (row + 1), np.uint8) for row in range(2)]
    figure = neighbours.figure(generated, reals, np.ones((2, 3)), 0.5)
    found, counts = np.unique(np.array(figure)[..., 0], return_counts=True)
    pixels = dict(zip(found.tolist(), counts.tolist(), strict=True))
    assert pixels[200] >= 2 * 64**2
    assert pixels[10] >= 3 * 64**2
    assert pixels[20] >= 3 * 64**2
