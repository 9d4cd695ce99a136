from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from stylegrow.common.errors import InputError
from stylegrow.metrics import features
from stylegrow.metrics.features import RealFeatures, find_features
from stylegrow.metrics.inception import Inception, resized
from stylegrow.metrics.reals import choose_reals


def random_images(count=3, size=64, channels=3):
    return np.random.RandomState(0).randint(0, 256, (count, channels, size, size)).astype(np.uint8)


@pytest.fixture(scope="module")
def embedded():
    return find_features()


def test_embedded_features_need_no_network(embedded):
    found = embedded.of(random_images())
    assert found.shape == (3, embedded.dim) == (3, 1280)
    assert found.dtype == np.float32
    assert embedded.name == "EfficientNet-Lite0"
    assert not embedded.inception


def test_embedded_features_know_images(embedded):
    # A image is nearer to itself a little brighter than to another.
    first, second = random_images(2)
    a, brighter, b = embedded.of(np.stack([first, np.clip(first + 4.0, 0, 255).astype(np.uint8), second[:, ::-1]]))
    assert np.linalg.norm(a - brighter) < np.linalg.norm(a - b)


def test_features_do_not_depend_on_the_batch(embedded, monkeypatch):
    images = random_images()
    whole = embedded.of(images)
    monkeypatch.setattr(features, "BATCH_CPU", 2)
    assert np.allclose(embedded.of(images), whole, atol=1e-4)


def test_grey_pictures_are_shown_in_all_channels(embedded):
    grey = random_images(1, channels=1)
    assert np.array_equal(embedded.of(grey), embedded.of(grey.repeat(3, axis=1)))


def test_embedded_input_is_as_it_was_trained(embedded):
    flat = embedded.network.inputs(torch.full((1, 3, 64, 64), 255.0))
    assert flat.shape == (1, 3, 224, 224)
    assert torch.allclose(flat, torch.tensor(1.0))
    images = torch.from_numpy(random_images(1, size=224)).float()
    assert torch.equal(embedded.network.inputs(images), (images - 127) / 128)


def test_embedded_stages_are_five(embedded):
    with torch.inference_mode():
        stages = embedded.network.stages(torch.from_numpy(random_images(1)).float())
    assert [list(stage.shape[1:]) for stage in stages] == [
        [16, 112, 112],
        [24, 56, 56],
        [40, 28, 28],
        [112, 14, 14],
        [320, 7, 7],
    ]


def test_making_networks_leaves_the_callers_chance_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    find_features()
    assert torch.equal(torch.rand(3), expected)


def inception_weights():
    """Weights drawn in the order of their names, about as large as they need to be for features of all sizes."""
    numbers, state = np.random.RandomState(0), {}
    for name, value in sorted(Inception().state_dict().items()):
        drawn = numbers.standard_normal(value.shape) if value.dtype.is_floating_point else np.zeros(value.shape)
        if value.dim() > 1:
            drawn *= np.sqrt(2 / np.prod(value.shape[1:]))
        elif name.endswith(("var", "bn.weight")):
            drawn = np.abs(1 + 0.1 * drawn)
        else:
            drawn *= 0.1
        state[name] = torch.tensor(drawn, dtype=value.dtype)
    return state, numbers


def test_inception_is_that_of_torch_fidelity(tmp_path):
    state, numbers = inception_weights()
    torch.save(state, tmp_path / "weights.pth")
    network = find_features(str(tmp_path / "weights.pth"))
    assert network.inception
    assert network.name == "Inception-v3"
    assert network.key.startswith("inception-")
    found = network.of(numbers.randint(0, 256, (2, 3, 64, 64)).astype(np.uint8))
    # What torch-fidelity 0.4's own network gives for these weights and images.
    expected = [[0.0, 0.6362001300, 0.6507976055, 0.9955413342], [0.0, 0.5997498035, 0.6765846014, 0.9863151312]]
    assert found.shape == (2, 2048)
    assert np.allclose(found[:, :4], expected, atol=1e-4)
    assert np.allclose(found.mean(axis=1), [0.6886128783, 0.6849256754], atol=1e-5)
    assert np.allclose(found.std(axis=1, ddof=1), [0.9140917063, 0.9108642340], atol=1e-5)


def test_inception_has_as_many_parameters_as_published():
    with torch.device("meta"):
        network = Inception()
    # Without the classifier: 21.8 million, as tf.keras.applications.InceptionV3(include_top=False) has.
    own = sum(p.numel() for name, p in network.state_dict().items() if name[:2] != "fc" and "num_batches" not in name)
    unused = sum(m.num_features for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d))
    assert own - unused == 21_802_784  # Keras leaves out the scale of batch norm


def test_inception_input_is_enlarged_as_tensorflow_1_does():
    line = torch.tensor([0.0, 10.0]).reshape(1, 1, 1, 2).expand(1, 1, 2, 2)
    assert resized(line, 4)[0, 0].tolist() == [[0, 5, 10, 10]] * 4
    same = torch.rand(1, 3, 299, 299)
    assert torch.equal(resized(same, 299), same)


@pytest.mark.parametrize("content", [None, b"", b"no weights", "other"])
def test_files_that_are_not_inceptions_weights(tmp_path, content):
    path = tmp_path / "weights.pth"
    if content == "other":
        torch.save({"layer": torch.zeros(1)}, path)
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=f"^--features {path}: ") as caught:
        find_features(str(path))
    assert "\n" not in str(caught.value)


def test_a_pickle_is_not_run(tmp_path):
    path = tmp_path / "weights.pth"
    torch.save({"layer": functional.relu}, path)  # a function: only an unsafe load would give it
    with pytest.raises(InputError, match="no file of weights"):
        find_features(str(path))


def test_inception_is_downloaded_once(tmp_path, monkeypatch):
    calls = []

    def download(url, path, digest, progress):
        calls.append((url, digest))
        Path(path).write_bytes(b"weights")

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    first, second = (features.download_inception(tmp_path) for _ in range(2))
    assert calls == [(features.INCEPTION_URL, "6726825d")]
    assert first == second
    assert first.read_bytes() == b"weights"
    assert list(first.parent.iterdir()) == [first]


def test_inception_offline_is_one_clear_line(tmp_path, monkeypatch):
    def download(url, path, digest, progress):
        raise OSError("<urlopen error [Errno -2] Name or service not known>")

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    with pytest.raises(InputError, match=r"cannot be downloaded.*give the file to --features, or use") as caught:
        find_features("inception", cache=tmp_path)
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "metrics").iterdir()) == []


def real_features(faces, averages, cache, **settings):
    return RealFeatures(choose_reals(faces, 16, 30, **settings), averages, cache, quiet=True)


def test_features_of_reals_are_computed_once(faces, averages, tmp_path):
    first = real_features(faces, averages, tmp_path).of(np.array([5, 2, 9]))
    assert averages.network.seen == 3
    again = real_features(faces, averages, tmp_path).of(np.array([9, 7, 5]))
    assert averages.network.seen == 4
    assert np.array_equal(again[[0, 2]], first[[2, 0]])
    assert np.array_equal(first, averages.of(faces.read(np.array([5, 2, 9]), 16)))


def test_features_of_other_pictures_are_kept_apart(faces, averages, tmp_path):
    indices = np.arange(20)
    unchanged = real_features(faces, averages, tmp_path).of(indices)
    mirrored = real_features(faces, averages, tmp_path, mirror=True).of(indices)
    assert averages.network.seen == 40
    flipped = averages.of(np.ascontiguousarray(faces.read(indices, 16)[..., ::-1]))
    same, turned = (np.isclose(mirrored, other).all(axis=1) for other in (unchanged, flipped))
    assert (same ^ turned).all()
    assert 0 < same.sum() < 20


def test_a_damaged_cache_is_computed_anew(faces, averages, tmp_path):
    whole = real_features(faces, averages, tmp_path).of(np.arange(3))
    (file,) = (tmp_path / "metrics").iterdir()
    content = file.read_bytes()
    for damaged in (content[: len(content) // 2], b"", b"PK\x03\x04"):
        file.write_bytes(damaged)
        assert np.array_equal(real_features(faces, averages, tmp_path).of(np.arange(3)), whole)


def test_a_cache_that_cannot_be_written(faces, averages, tmp_path):
    (tmp_path / "metrics").write_bytes(b"a file, where a folder is to be")
    with pytest.raises(InputError, match=r"^--cache: .*cannot be written"):
        real_features(faces, averages, tmp_path).of(np.arange(3))
