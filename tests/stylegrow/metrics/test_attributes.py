import numpy as np
import pytest
import torch

from stylegrow.common.errors import InputError
from stylegrow.data.sources import toonhead
from stylegrow.metrics import classifier
from stylegrow.metrics.attributes import coverage, frequencies, total_variation

UNSEEN = range(5_000_000, 5_000_100)


def test_total_variation():
    assert total_variation(np.array([0.5, 0.5, 0]), np.array([0.5, 0.5, 0])) == 0
    assert total_variation(np.array([1, 0]), np.array([0, 1])) == 1
    assert total_variation(np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.3, 0.5])) == pytest.approx(0.3)


def test_frequencies_count_all_classes():
    assert frequencies(np.array([0, 2, 2, 2]), 4).tolist() == [0.25, 0, 0.75, 0]


def test_coverage_names_what_is_missing():
    true = np.array([0.5, 0.3, 0.19, 0.01])
    drawn = np.array([0.68, 0.3, 0.02, 0])
    found = coverage(drawn, true, true, ("a", "b", "c", "d"), 100)
    # c is drawn more than a tenth as often as it should be; one d among a hundred is too few to miss.
    assert found["missing"] == []
    assert coverage(drawn, true, true, ("a", "b", "c", "d"), 1000)["missing"] == ["d"]
    drawn = np.array([0.69, 0.3, 0.01, 0])
    assert coverage(drawn, true, true, ("a", "b", "c", "d"), 1000)["missing"] == ["c", "d"]
    assert found["shares"]["a"] == {"generated": 0.68, "floor": 0.5, "true": 0.5}


def test_the_bundled_classifier_reads_unseen_faces():
    images, labels = classifier.rendered(UNSEEN)
    found = classifier.load_classifier().read(images.numpy())
    right = {name: (found[name] == labels[:, i].numpy()).mean() for i, name in enumerate(toonhead.ATTRIBUTES)}
    # Dresses, jackets and T-shirts look alike in the part that is seen.
    hard = {"mouth": 0.85, "clothes": 0.5}
    assert all(share >= hard.get(name, 0.95) for name, share in right.items()), right


def test_the_classifier_reads_pictures_of_other_sizes():
    reader = classifier.load_classifier()
    images = classifier.rendered(range(3))[0].numpy()
    large = images.repeat(2, axis=2).repeat(2, axis=3)
    assert all(
        np.array_equal(a, b) for a, b in zip(reader.read(images).values(), reader.read(large).values(), strict=True)
    )
    assert len(reader.read(images[..., ::4, ::4])["hair"]) == 3


def test_training_learns_and_repeats(tmp_path, monkeypatch):
    monkeypatch.setattr(classifier, "BATCH", 16)
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, second = (classifier.train(faces=16, steps=40) for _ in range(2))
    assert torch.equal(torch.rand(1), expected)  # the caller's chance is left alone
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)
    images, labels = classifier.rendered(range(classifier.FIRST_FACE, classifier.FIRST_FACE + 16))
    found = first.read(images.numpy())
    assert np.mean([found[name] == labels[:, i].numpy() for i, name in enumerate(toonhead.ATTRIBUTES)]) > 0.9
    classifier.save_classifier(first, tmp_path / "weights.safetensors")
    loaded = classifier.load_classifier(tmp_path / "weights.safetensors")
    assert np.array_equal(loaded.read(images.numpy())["hair"], first.read(images.numpy())["hair"])
    assert [path.name for path in tmp_path.iterdir()] == ["weights.safetensors"]


def test_a_classifier_of_other_faces_is_refused(monkeypatch):
    monkeypatch.setattr(toonhead, "ATTRIBUTES", ("hair", "mouth"))
    with pytest.raises(InputError, match=r"other attributes.*python -m stylegrow\.metrics\.classifier"):
        classifier.load_classifier()


def test_the_bundled_file_is_small():
    assert classifier.FILE.stat().st_size < 3e6
