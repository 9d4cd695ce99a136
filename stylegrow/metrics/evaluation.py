"""Measuring generators against a data set: `Evaluator`, which keeps what it knows of the real pictures."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from stylegrow.common.images import to_uint8
from stylegrow.common.text import printable
from stylegrow.data.sources import toonhead
from stylegrow.metrics import attributes, neighbours, ppl
from stylegrow.metrics.anchors import blurred_pictures, noisy_pictures
from stylegrow.metrics.classifier import load_classifier
from stylegrow.metrics.digests import Digest, Instruments, Value, compare
from stylegrow.metrics.features import EmbeddedNetwork, RealFeatures, embedded, find_features
from stylegrow.metrics.names import BETTER, DEFAULT, NEEDS, check_names, metric_of
from stylegrow.metrics.reals import Reals, check_fit, check_generator, draw_reals
from stylegrow.metrics.results import Result
from stylegrow.sampling import drawing

if TYPE_CHECKING:
    from stylegrow.data import Dataset
    from stylegrow.models.folders import Generator

CHOSEN, OTHERS, FAKES, DIRECTIONS, NOISE = range(1, 6)  # streams of chance


class Evaluator:
    """Measures generators of one resolution against the training pictures of one data set.

    Real pictures are looked at when the first generator is measured, and their features are kept in the cache, so that
    later calls only cost the generator's own pictures. All is drawn from `seed`, and nothing from torch's or NumPy's
    own generators. Real pictures have the data set's full resolution at every stage of growing; those of a generator
    that is still growing are enlarged to it by repeating pixels, as in the official programs, so that all numbers of a
    run can be compared.

    Args:
        dataset: prepared at the generators' full resolution or above.
        names: metrics, of metrics.names.NEEDS.
        samples: pictures of each kind (generated, real, and other real for the floor); by default 2,000, at most half
            of the training pictures.
        resolution: of the generators; by default the data set's.
        features: "embedded", "inception", or the path of Inception's weights.
        mirror: show half of the real pictures mirrored, as training did.
        held_out: indices of pictures that training did not see; by default those of `dataset.split()`.
        cond: the attribute that a generator's labels mean.
        cache: as in data.open_dataset.
        device: where features are computed.
        batch: pictures to draw at once; by default what the device can hold.
        quiet: keep back what there is to say on stderr.

    Raises InputError, in one line, for what does not fit.
    """

    def __init__(
        self,
        dataset: Dataset,
        names: Sequence[str] = DEFAULT,
        samples: int | None = None,
        *,
        resolution: int | None = None,
        features: str = "embedded",
        seed: int = 0,
        mirror: bool = False,
        held_out: Sequence[int] | np.ndarray | None = None,
        cond: str | None = None,
        cache: str | os.PathLike[str] | None = None,
        device: torch.device | str = "cpu",
        batch: int = 0,
        quiet: bool = False,
    ) -> None:
        resolution = resolution or dataset.resolution
        self.names = check_names(names, inception=features != "embedded")
        check_fit(self.names, dataset, resolution)
        self.reals: Reals = draw_reals(dataset, resolution, samples, seed, mirror, held_out)
        self.samples = len(self.reals.chosen)
        self._seed, self._cond, self._batch, self._quiet = seed, cond, batch, quiet
        self._needs = {need for name in self.names if (need := NEEDS[name])}
        self._known: tuple[Digest, Digest, dict[str, Value]] | None = None
        self._load(features, device, cache)

    def _load(self, name: str, device: torch.device | str, cache: str | os.PathLike[str] | None) -> None:
        """The networks that the metrics need."""
        wanted = "neighbours" in self.names or "features" in self._needs
        features = find_features(name, device, cache) if wanted else None
        classifier = load_classifier().to(device) if "attributes" in self.names else None
        self._instruments = Instruments(features, classifier)
        self._real_features = RealFeatures(self.reals, features, cache, self._quiet) if features else None
        self._paths: EmbeddedNetwork | None = None
        if "ppl" in self.names:
            own = features.network if features else None
            self._paths = own if isinstance(own, EmbeddedNetwork) else embedded().to(device).eval()

    @torch.inference_mode()
    def evaluate(self, generator: Generator, look: drawing.Look | None = None) -> list[Result]:
        """All metrics of a generator, in the order asked for, floors beside them.

        `look` is its stage and truncation; by default its whole network, untruncated, with random noise. InputError
        where the generator does not fit the data.
        """
        look = look or drawing.Look(noise="random")
        shape = generator.resolution, generator.config["image_channels"], generator.label_dim
        check_generator(self.reals, *shape, self._cond)
        training = generator.training
        generator.eval()  # a StyleGAN in training would move its average w
        try:
            results = self._compared(self._generated(generator, look, self.samples))
            if "ppl" in self.names:
                results += self._path_lengths(generator, look)
            if "neighbours" in self.names:
                results.append(self._neighbours(generator, look))
        finally:
            generator.train(training)
        return sorted(results, key=lambda result: self.names.index(metric_of(result.name)))

    @torch.inference_mode()
    def blurred(self, sigma: float = 1.0) -> list[Result]:
        """What a bad number is: that of real pictures, the floor's, blurred with a Gaussian of `sigma` pixels."""
        return self._worse(lambda x: blurred_pictures(x, sigma))

    @torch.inference_mode()
    def noisy(self, deviation: float = 1.0) -> list[Result]:
        """What eyes hardly see makes: the numbers of the same pictures with noise of `deviation` grey levels."""
        rng = self._rng(NOISE)
        return self._worse(lambda x: noisy_pictures(x, deviation, rng))

    def _worse(self, damage: Callable[[np.ndarray], np.ndarray]) -> list[Result]:
        results = self._compared(damage(x) for x in self.reals.batches(self.reals.others))
        return sorted(results, key=lambda result: self.names.index(metric_of(result.name)))

    def _compared(self, batches: Iterable[np.ndarray]) -> list[Result]:
        """All that pictures alone tell."""
        if not self._needs:
            return []
        reals, others, floors = self._real_digests()
        digest = self._instruments.digest(batches, self._needs, self._rng(FAKES))
        features = self._instruments.features
        results = []
        for name, (value, deviation) in self._compare(reals, digest).items():
            floor, spread = floors[name]
            by = features.name if features and NEEDS[metric_of(name)] == "features" else None
            shown = "fid" if name == "fd" and features and features.inception else name
            better = BETTER.get(name, "lower")
            results.append(Result(shown, value, floor, self.samples, deviation, spread, better, by))
        return results + (self._coverage(digest, others) if "attributes" in self.names else [])

    def _compare(self, reals: Digest, others: Digest) -> dict[str, Value]:
        return compare(reals, others, self.names, self._seed, self._rng(DIRECTIONS))

    def _real_digests(self) -> tuple[Digest, Digest, dict[str, Value]]:
        """(what is known of the real pictures, the others' readings, their numbers: the floors)."""
        if self._known is None:
            found = []
            for stream, indices in ((CHOSEN, self.reals.chosen), (OTHERS, self.reals.others)):
                digest = self._instruments.digest(
                    self.reals.batches(indices), self._needs - {"features"}, self._rng(stream)
                )
                if self._real_features is not None and "features" in self._needs:
                    digest.features = self._real_features.of(indices)
                found.append(digest)
            # Of the others only the readings are asked for again; patches take much memory.
            self._known = found[0], Digest(readings=found[1].readings), self._compare(*found)
        return self._known

    def _coverage(self, generated: Digest, others: Digest) -> list[Result]:
        """The mean distance of all attributes, then each one's, from their frequencies in the training pictures."""
        assert generated.readings is not None
        assert others.readings is not None
        dataset, results = self.reals.dataset, []
        for name, readings in generated.readings.items():
            names, floor = toonhead.classes(name), others.readings[name]
            true = dataset.labels(name, self.reals.training).mean(axis=0, dtype=np.float64)
            truth = dataset.labels(name, self.reals.others).argmax(axis=1)
            drawn, least = (attributes.shares(found, len(names)) for found in (readings, floor))
            details = {
                "attribute": name,
                "accuracy": float((floor == truth).mean()),
                **attributes.coverage(drawn, least, true, names, self.samples),
            }
            value, floor_value = (attributes.total_variation(found, true) for found in (drawn, least))
            results.append(Result(f"attributes_{name}", value, floor_value, self.samples, details=details))
        missing = [f"{one.details['attribute']} {value}" for one in results for value in one.details["missing"]]
        mean, least_mean = (float(np.mean([getattr(one, key) for one in results])) for key in ("value", "floor"))
        return [Result("attributes", mean, least_mean, self.samples, details={"missing": missing}), *results]

    def _path_lengths(self, generator: Generator, look: drawing.Look) -> list[Result]:
        assert self._paths is not None
        results = []
        for space, where in ppl.variants(generator):
            value = ppl.path_length(
                generator, self._paths, self._seeds(), space, where, look, self._labels(generator), batch=self._batch
            )
            results.append(Result(f"ppl_{space}_{where}", value, None, self.samples, features=ppl.DISTANCE))
        return results

    def _neighbours(self, generator: Generator, look: drawing.Look) -> Result:
        """The mean distance to the nearest training picture, and that of as many held-out pictures."""
        features = self._instruments.features
        assert features is not None
        assert self._real_features is not None
        count = min(self.samples, len(self.reals.held_out)) or self.samples
        pictures = np.concatenate(list(self._generated(generator, look, count)))
        training = self._real_features.of(self.reals.training)
        places, lengths = neighbours.nearest(features.of(pictures), training, neighbours.NEAREST)
        floor = None
        if len(self.reals.held_out):
            held_out = self._rng(OTHERS).permutation(self.reals.held_out)[:count]
            floor = float(neighbours.nearest(self._real_features.of(held_out), training, 1)[1].mean())
        first = slice(neighbours.SHOWN)
        shown = [self.reals.read(self.reals.training[row]) for row in places[first]]
        names = [printable(self.reals.dataset.names[int(index)]) for index in self.reals.training[places[:, 0]]]
        return Result(
            "neighbours",
            float(lengths[:, 0].mean()),
            floor,
            count,
            better="floor",
            features=features.name,
            details={"nearest": names, "distances": lengths[:, 0].tolist()},
            figure=neighbours.figure(pictures[first], shown, lengths[first], floor),
        )

    def _generated(self, generator: Generator, look: drawing.Look, count: int) -> Iterator[np.ndarray]:
        """The generator's first `count` pictures, uint8 [n, C, R, R], an even number at a time."""
        labels, batch = self._labels(generator), self._batch or drawing.largest_batch(generator, look)
        labels = None if labels is None else labels[:count]
        for images in drawing.images(generator, self._seeds()[:count], look, labels, batch + batch % 2):
            pictures = to_uint8(images).transpose(0, 3, 1, 2)
            factor = self.reals.resolution // pictures.shape[-1]
            yield pictures.repeat(factor, axis=2).repeat(factor, axis=3)

    def _seeds(self) -> list[int]:
        return np.random.SeedSequence([self._seed, FAKES]).generate_state(self.samples).tolist()

    def _labels(self, generator: Generator) -> Tensor | None:
        """Labels [samples, label_dim] as frequent as in the training pictures."""
        if not generator.label_dim:
            return None
        assert self._cond is not None
        chosen = self._rng(FAKES).choice(self.reals.training, self.samples)
        return torch.from_numpy(self.reals.dataset.labels(self._cond, chosen))

    def _rng(self, stream: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, stream])


def evaluate(
    generator: Generator,
    dataset: Dataset,
    names: Sequence[str] = DEFAULT,
    samples: int | None = None,
    look: drawing.Look | None = None,
    **settings: Any,
) -> list[Result]:
    """Metrics of one generator; `settings` are Evaluator's, which is the better choice for more than one."""
    own: dict[str, Any] = {"resolution": generator.resolution, "device": next(generator.parameters()).device}
    return Evaluator(dataset, names, samples, **(own | settings)).evaluate(generator, look)
