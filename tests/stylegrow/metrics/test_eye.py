"""The numbers that follow the eye: flatness, intact, siblings and mixing."""

import numpy as np
import pytest
import torch

from stylegrow.common.errors import InputError
from stylegrow.data import open_dataset
from stylegrow.data.sources import toonhead
from stylegrow.metrics import Evaluator, evaluate, face_network, intact
from stylegrow.metrics.breaking import broken, smooth_noise, textured, warped
from stylegrow.metrics.flatness import corner_deviations, flatness
from stylegrow.metrics.mixing import mixtures, rows_of
from stylegrow.metrics.reals import blurred_images
from stylegrow.metrics.siblings import siblings
from stylegrow.sampling.generation import Setting, generate, latents, network_inputs
from tests.stylegrow.data.image_files import folder_of
from tests.stylegrow.metrics.conftest import a_generator
from tests.stylegrow.metrics.test_evaluation import Showing

UNSEEN = range(5_000_000, 5_000_300)


@pytest.fixture(scope="module")
def reals():
    """Faces [n, 3, 64, 64] (uint8) that the detector was not trained on."""
    return intact.rendered(UNSEEN)


@pytest.fixture(scope="module")
def detector():
    return intact.load_detector()


def as_bytes(faces):
    return ((faces.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).numpy()


def halves(faces, others, upright):
    """The left (or upper) halves of faces joined with the right (or lower) ones of others."""
    axis = 3 if upright else 2
    return torch.cat([faces.chunk(2, axis)[0], others.chunk(2, axis)[1]], axis)


def test_corners_are_known_values():
    images = np.full((4, 3, 64, 64), 90, np.uint8)
    images[1:, :, :4, 60:] = 200  # flat in itself: as even as before
    images[2:, 0, :2, :4] += 20  # half of the left corner is lighter by 20 in one of the channels
    images[3, :, :4, 60:62] -= 12
    assert corner_deviations(images).tolist() == [0, 0, 0, pytest.approx(10 / 3)]
    assert corner_deviations(images[3:, :1]).tolist() == [6]  # the right one of the grey image
    assert flatness(np.arange(11.0)) == {"flatness": 5, "flatness_p90": 9}


def test_siblings_are_known_shares():
    reals = np.arange(20.0)[:, None] ** 2
    # The nearest distances of squares are 1, 1, 3, 5, 7, ...; the 5th percentile is that of the second, 1.
    assert siblings(reals, reals) == 0
    fakes = reals.copy()
    fakes[10:13, 0] = 50, 50.5, 52
    assert siblings(reals, fakes) == 2 / 20
    assert siblings(reals, np.zeros((20, 1))) == 1


def test_the_bundled_detector_passes_reals_and_no_broken_face(reals, detector):
    torch.manual_seed(0)
    faces = reals / 127.5 - 1
    others = faces.roll(1, 0)

    def passed(images):
        return detector.passes(as_bytes(images)).mean()

    assert passed(faces) >= 0.98  # 0.99 of many
    for upright in (True, False):
        assert passed(halves(faces, others, upright)) <= 0.2
    assert passed(warped(faces)) <= 0.05
    found, seen = broken(faces)
    assert passed(found[seen]) <= 0.25
    assert passed(textured(faces)) >= 0.85  # texture alone breaks nothing


@pytest.mark.parametrize("size", [64, 128, 256])
def test_the_detector_works_at_all_sizes(detector, size):
    images = np.stack([toonhead.render(i, size) for i in UNSEEN[:40]]).transpose(0, 3, 1, 2)
    assert detector.passes(images).mean() >= 0.95
    joined = halves(torch.from_numpy(images), torch.from_numpy(images).roll(1, 0), upright=True)
    assert detector.passes(joined.numpy()).mean() <= 0.2
    assert detector.passes(blurred_images(images, size / 128)).mean() >= 0.9


def test_the_detectors_file_is_small(detector):
    assert intact.FILE.stat().st_size < 400_000
    assert all(tensor.dtype == torch.float32 for tensor in detector.parameters())


def test_a_detector_of_other_faces_is_refused(monkeypatch):
    monkeypatch.setattr(toonhead, "VERSION", "0")
    with pytest.raises(InputError, match=r"other faces.*python -m stylegrow\.metrics\.intact"):
        intact.load_detector()


def test_training_repeats_and_passes_nearly_all_held_out_reals(tmp_path, monkeypatch):
    monkeypatch.setattr(intact, "BATCH", 8)
    first, second = (intact.train(faces=16, held_out=30, steps=3) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    held_out = intact.rendered(range(face_network.FIRST_FACE + 16, face_network.FIRST_FACE + 46)).numpy()
    assert first.passes(held_out).sum() == 29  # the 99th percentile of 30 is below the largest
    first.half().save(tmp_path / "weights.safetensors", {})
    loaded = intact.load_detector(tmp_path / "weights.safetensors")
    assert np.abs(loaded.logits(held_out) - first.float().logits(held_out)).max() < 1e-6


def test_damage_is_where_it_should_be():
    torch.manual_seed(0)
    assert not broken(-torch.ones(2, 3, 64, 64))[1].any()  # one black image in the place of another
    ramp = torch.linspace(-1, 1, 64).expand(50, 3, 64, 64)
    assert torch.allclose(warped(ramp, 0.0), ramp, atol=1e-5)
    moved = (warped(ramp, 2.0) - ramp)[..., 16:48, 16:48] * 31.5  # px, along the ramp
    assert moved.std() == pytest.approx(2, rel=0.1)
    assert smooth_noise(5, 2, 4, 64).std(dim=(2, 3)).flatten().tolist() == pytest.approx([1] * 10)


def test_all_four_beside_their_floors(faces, quick, tmp_path):
    names = ("flatness", "intact", "siblings")
    evaluator = Evaluator(faces, names, 64, cache=tmp_path, quiet=True)
    images = evaluator.reals.read(evaluator.reals.others)
    results = {result.name: result for result in evaluator.evaluate(Showing(images))}
    assert list(results) == ["flatness", "flatness_p90", "intact", "siblings"]
    for result in results.values():
        assert result.value == result.floor
    assert results["flatness"].floor == results["flatness_p90"].floor == 0
    assert results["intact"].floor >= 0.95
    assert results["siblings"].floor < 0.2
    assert [result.better for result in results.values()] == ["lower", "lower", "higher", "lower"]

    def found(images):
        return {result.name: result.value for result in evaluator.evaluate(Showing(images))}

    copies = found(images[:1].repeat(64, axis=0))
    assert (copies["siblings"], copies["flatness"]) == (1, 0)
    joined = images.copy()
    joined[..., 32:] = np.roll(images, 1, 0)[..., 32:]
    assert found(joined)["intact"] < 0.25
    blurred = {result.name: result.value for result in evaluator.blurred()}
    assert blurred["intact"] > 0.8
    assert 1 < {result.name: result.value for result in evaluator.noisy(5)}["flatness"] < 6


def test_mixtures_take_their_layers_from_the_columns():
    generator, seeds, setting = a_generator("stylegan"), [1, 2, 3, 4], Setting(psi=0.7)
    ws = network_inputs(generator, latents(seeds, 8), setting)
    for band, layers in (("coarse", range(4)), ("middle", range(4, 8)), ("fine", range(8, 10))):
        expected = ws[1:2].clone()
        expected[:, layers] = ws[2:3, layers]
        images = torch.cat(list(mixtures(generator, seeds, band, setting, batch=3)))
        assert images.shape == (4, 3, 64, 64)
        assert torch.allclose(images[2:3], generate(generator, expected, setting, [2]), atol=1e-5)
    assert [rows_of(samples) for samples in (20, 1000)] == [4, 16]


def test_mixing_is_for_styles(faces, quick, tmp_path):
    evaluator = Evaluator(faces, ("mixing",), 20, cache=tmp_path, quiet=True)
    results = evaluator.evaluate(a_generator("stylegan"), Setting(noise="random", resolution=32))
    assert [result.name for result in results] == ["mixing_coarse", "mixing_middle", "mixing_fine"]
    assert all((result.samples, result.better) == (16, "higher") for result in results)
    assert all(result.value == 0 and result.floor >= 0.9 for result in results)  # untrained
    with pytest.raises(InputError, match="--metrics mixing: is for networks with styles"):
        evaluator.evaluate(a_generator("progan"))


def test_flatness_and_siblings_are_for_all_data(quick, tmp_path):
    dataset = open_dataset(folder_of(tmp_path / "pics", 60, (32, 32)), resolution=32, cache=tmp_path, quiet=True)
    generator = a_generator(resolution=32)
    results = evaluate(generator, dataset, ("flatness", "siblings"), 20, cache=tmp_path, quiet=True)
    assert [result.name for result in results] == ["flatness", "flatness_p90", "siblings"]
    for name in ("intact", "mixing"):
        with pytest.raises(InputError, match=f"--metrics {name}: is for the embedded faces"):
            Evaluator(dataset, (name,))
    small = open_dataset(count=60, resolution=32, cache=tmp_path, workers=1, quiet=True)
    with pytest.raises(InputError, match="--metrics intact: needs images of at least 64 px"):
        Evaluator(small, ("intact",))
