"""Measuring a generator against a data set: `Evaluator`, which keeps what it knows of the real pictures."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from data import DataError, toonhead
from data.errors import printable
from data.pictures import to_uint8
from metrics import attributes, distances, msssim, neighbours, ppl, swd
from metrics.classifier import AttributeClassifier, load_classifier
from metrics.errors import MetricError
from metrics.features import EmbeddedNetwork, Features, RealFeatures, embedded, find_features, read
from metrics.names import DEFAULT, NEEDS, check_names
from metrics.results import Better, Result
from zoo import sampling

if TYPE_CHECKING:
    from data import Dataset
    from zoo.folders import Generator

LEAST, DEFAULT_SAMPLES = 20, 2000  # ten splits of two
BATCH = 64
REALS, OTHERS, FAKES, DIRECTIONS = range(4)  # streams of chance

Measured = dict[str, tuple[float, float | None]]
BETTER: dict[str, Better] = {
    "precision": "higher", "recall": "higher", "density": "higher", "coverage": "higher", "msssim": "floor",
}  # fmt: skip


@dataclass
class Digest:
    """What the metrics know of a set of pictures; None for what none of them asks."""

    features: np.ndarray | None = None  # [N, D]
    patches: swd.Descriptors | None = None
    similarity: float | None = None
    readings: dict[str, np.ndarray] | None = None  # class indices [N] by attribute


@dataclass(frozen=True)
class Sources:
    """Which pictures of the data set are used: sorted indices of training pictures and of held-out ones, and draws.

    `reals` and `others` [N] have no picture in common; `mirrored` [of all pictures] says which are shown mirrored.
    """

    training: np.ndarray
    held_out: np.ndarray
    reals: np.ndarray
    others: np.ndarray
    mirrored: np.ndarray = field(repr=False)


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
        quiet: keep back what there is to say on stderr.

    Raises MetricError, in one line, for what does not fit.
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
        self.dataset, self.seed, self.cond, self.quiet = dataset, seed, cond, quiet
        self.resolution = resolution or dataset.resolution
        self.names = check_names(names, features != "embedded")
        _check_pictures(self.names, dataset, self.resolution)
        self.sources = _sources(dataset, samples, seed, mirror, held_out)
        self.samples = len(self.sources.reals)
        self._batch = batch
        self._features: Features | None = None
        self._real_features: RealFeatures | None = None
        self._classifier: AttributeClassifier | None = None
        self._paths: EmbeddedNetwork | None = None
        self._known: tuple[Digest, Digest, Measured] | None = None
        self._load(features, device, cache)

    def _load(self, features: str, device: torch.device | str, cache: str | os.PathLike[str] | None) -> None:
        """The networks that the metrics need."""
        if "neighbours" in self.names or "features" in self._needs:
            self._features = find_features(features, device, cache)
            self._real_features = RealFeatures(
                self.dataset, self.resolution, self._features, self.sources.mirrored, cache
            )
        if "attributes" in self.names:
            self._classifier = load_classifier().to(device)
        if "ppl" in self.names:
            own = self._features.network if self._features else None
            self._paths = own if isinstance(own, EmbeddedNetwork) else embedded().to(device).eval()

    @property
    def _needs(self) -> set[str]:
        return {need for name in self.names if (need := NEEDS[name])}

    @torch.inference_mode()
    def evaluate(self, generator: Generator, look: sampling.Look | None = None) -> list[Result]:
        """All metrics of a generator, in the order asked for, floors beside them.

        `look` is its stage and truncation; by default its whole network, untruncated, with random noise. MetricError
        where the generator does not fit the data.
        """
        look = look or sampling.Look(noise="random")
        self._check_generator(generator)
        training = generator.training
        generator.eval()  # a StyleGAN in training would move its average w
        try:
            measured = self._measured(self._generated(generator, look), FAKES) if self._needs else ({}, Digest())
            results = self._results(*measured)
            if "ppl" in self.names:
                results += self._path_lengths(generator, look)
            if "neighbours" in self.names:
                results.append(self._neighbours(generator, look))
        finally:
            generator.train(training)
        order = {name: place for place, name in enumerate(self.names)}
        return sorted(results, key=lambda result: order[_metric_of(result.name)])

    @torch.inference_mode()
    def blurred(self, sigma: float = 1.0) -> list[Result]:
        """The same of real pictures, the floor's, blurred with a Gaussian of `sigma` pixels: what a bad number is."""
        return self._results(
            *self._measured((blur(images, sigma) for images in self._real(self.sources.others)), FAKES)
        )

    def _results(self, measured: Measured, digest: Digest) -> list[Result]:
        if not self._needs:
            return []
        floor, reals = self._reals()[2], self._reals()[1]
        results = [
            Result(
                name, value, floor[name][0], self.samples, deviation, floor[name][1], BETTER.get(name, "lower"),
                self._features.name if self._features and NEEDS[_metric_of(name)] == "features" else None,
            )
            for name, (value, deviation) in measured.items()
        ]  # fmt: skip
        return results + (self._coverage(digest, reals) if "attributes" in self.names else [])

    def _measured(self, batches: Iterable[np.ndarray], stream: int) -> tuple[Measured, Digest]:
        reals = self._reals()[0]
        digest = self._digest(batches, self._needs, stream)
        return self._compare(reals, digest), digest

    def _reals(self) -> tuple[Digest, Digest, Measured]:
        """(what is known of the real pictures, of the others, the floors)."""
        if self._known is None:
            found = []
            for stream, indices in ((REALS, self.sources.reals), (OTHERS, self.sources.others)):
                digest = self._digest(self._real(indices), self._needs - {"features"}, stream)
                if "features" in self._needs:
                    assert self._real_features is not None
                    digest.features = self._real_features.of(indices, self.quiet)
                found.append(digest)
            self._known = found[0], found[1], self._compare(*found)
        return self._known

    def _digest(self, batches: Iterable[np.ndarray], needs: set[str], stream: int) -> Digest:
        rng = np.random.default_rng([self.seed, stream])
        parts: dict[str, list[Any]] = {need: [] for need in needs}
        for images in batches if needs else ():
            colour = np.broadcast_to(images, (len(images), 3, *images.shape[2:]))
            if "features" in needs:
                assert self._features is not None
                parts["features"].append(self._features.of(images))
            if "patches" in needs:
                parts["patches"].append(swd.descriptors(colour, rng))
            if "similarity" in needs:
                pairs = len(images) // 2 * 2
                parts["similarity"].append(msssim.ms_ssim(colour[0:pairs:2], colour[1:pairs:2]))
            if "readings" in needs:
                assert self._classifier is not None
                parts["readings"].append(self._classifier.read(colour))
        joined: Mapping[str, Callable[[Any], Any]] = {
            "features": np.concatenate,
            "patches": swd.joined,
            "similarity": lambda values: float(np.concatenate(values).mean()),
            "readings": lambda values: {name: np.concatenate([one[name] for one in values]) for name in values[0]},
        }
        return Digest(**{need: joined[need](values) for need, values in parts.items()})

    def _compare(self, reals: Digest, others: Digest) -> Measured:
        """All numbers of a set of pictures but the attributes'."""
        found: Measured = {}
        if reals.features is not None and others.features is not None:
            found |= self._compare_features(reals.features, others.features)
        if reals.patches is not None and others.patches is not None:
            rng = np.random.default_rng([self.seed, DIRECTIONS])
            levels = swd.sliced_wasserstein(reals.patches, others.patches, rng)
            found |= {f"swd_{resolution}": (value, None) for resolution, value in levels.items()}
            found["swd_avg"] = float(np.mean(list(levels.values()))), None
        if others.similarity is not None:
            found["msssim"] = others.similarity, None
        return found

    def _compare_features(self, reals: np.ndarray, others: np.ndarray) -> Measured:
        found: Measured = {}
        assert self._features is not None
        if "fd" in self.names:
            name = "fid" if self._features.inception else "fd"
            found[name] = distances.frechet_distance(reals, others), None
        if "kid" in self.names:
            found["kid"] = distances.kernel_distance(reals, others, self.seed)
        if "pr" in self.names:
            precision, recall = distances.precision_recall(reals, others)
            found |= {"precision": (precision, None), "recall": (recall, None)}
        if "dc" in self.names:
            density, coverage = distances.density_coverage(reals, others)
            found |= {"density": (density, None), "coverage": (coverage, None)}
        return found

    def _coverage(self, generated: Digest, floor: Digest) -> list[Result]:
        """First the mean distance of all attributes, then each one's."""
        sizes = {name: len(toonhead.classes(name)) for name in toonhead.ATTRIBUTES}
        assert generated.readings is not None
        assert floor.readings is not None
        drawn, other = attributes.shares(generated.readings, sizes), attributes.shares(floor.readings, sizes)
        results = []
        for name in toonhead.ATTRIBUTES:
            true = self.dataset.labels(name, self.sources.training).mean(axis=0, dtype=np.float64)
            truth = self.dataset.labels(name, self.sources.others).argmax(axis=1)
            details: dict[str, Any] = {"attribute": name, "accuracy": float((floor.readings[name] == truth).mean())}
            details |= attributes.coverage(drawn[name], other[name], true, toonhead.classes(name), self.samples)
            value, least = (attributes.total_variation(found[name], true) for found in (drawn, other))
            results.append(Result(f"attributes_{name}", value, least, self.samples, details=details))
        mean, least = (float(np.mean([getattr(one, key) for one in results])) for key in ("value", "floor"))
        missing = [f"{one.details['attribute']} {value}" for one in results for value in one.details["missing"]]
        return [Result("attributes", mean, least, self.samples, details={"missing": missing}), *results]

    def _path_lengths(self, generator: Generator, look: sampling.Look) -> list[Result]:
        assert self._paths is not None
        results = []
        for space, where in ppl.variants(generator):
            arguments = (self._seeds(), space, where, look, self._labels(generator))
            value = ppl.path_length(generator, self._paths, *arguments, batch=self._batch)
            results.append(Result(f"ppl_{space}_{where}", value, None, self.samples, features=ppl.DISTANCE))
        return results

    def _neighbours(self, generator: Generator, look: sampling.Look) -> Result:
        """The mean distance to the nearest training picture, and that of as many held-out pictures."""
        assert self._features is not None
        assert self._real_features is not None
        held_out = self.sources.held_out
        count = min(self.samples, len(held_out)) or self.samples
        pictures = np.concatenate(list(self._generated(generator, look, count)))
        training = self._real_features.of(self.sources.training, self.quiet)
        places, lengths = neighbours.nearest(self._features.of(pictures), training, neighbours.NEAREST)
        floor = None
        if len(held_out):
            chosen = np.random.default_rng([self.seed, OTHERS]).permutation(held_out)[:count]
            floor = float(neighbours.nearest(self._real_features.of(chosen), training, 1)[1].mean())
        shown = [self._read(self.sources.training[row]) for row in places[: neighbours.SHOWN]]
        figure = neighbours.figure(pictures[: neighbours.SHOWN], shown, lengths[: neighbours.SHOWN], floor)
        details = {
            "nearest": [printable(self.dataset.names[int(index)]) for index in self.sources.training[places[:, 0]]],
            "distances": lengths[:, 0].tolist(),
        }
        value = float(lengths[:, 0].mean())
        return Result("neighbours", value, floor, count, None, None, "floor", self._features.name, details, figure)

    def _generated(self, generator: Generator, look: sampling.Look, count: int | None = None) -> Iterator[np.ndarray]:
        """The generator's pictures as uint8 [n, C, R, R], of all seeds or the first ones."""
        seeds, labels = self._seeds()[:count], self._labels(generator)
        batch = self._batch or sampling.largest_batch(generator, look)
        # Pairs for MS-SSIM lie in one batch.
        for images in sampling.images(
            generator, seeds, look, labels if labels is None else labels[:count], batch + batch % 2
        ):
            pictures = to_uint8(images).transpose(0, 3, 1, 2)
            factor = self.resolution // pictures.shape[-1]
            yield pictures.repeat(factor, axis=2).repeat(factor, axis=3)

    def _seeds(self) -> list[int]:
        return np.random.SeedSequence([self.seed, FAKES]).generate_state(self.samples).tolist()

    def _labels(self, generator: Generator) -> Tensor | None:
        """Labels [N, label_dim] as frequent as in the training pictures."""
        if not generator.label_dim:
            return None
        assert self.cond is not None
        chosen = np.random.default_rng([self.seed, FAKES]).choice(self.sources.training, self.samples)
        return torch.from_numpy(self.dataset.labels(self.cond, chosen))

    def _real(self, indices: np.ndarray) -> Iterator[np.ndarray]:
        return (self._read(indices[part]) for part in sampling.parts(len(indices), BATCH))

    def _read(self, indices: np.ndarray) -> np.ndarray:
        return read(self.dataset, indices, self.resolution, self.sources.mirrored)

    def _check_generator(self, generator: Generator) -> None:
        channels = generator.config["image_channels"]
        if generator.resolution != self.resolution:
            raise MetricError(
                f"--model: draws {generator.resolution} px, the real pictures have {self.resolution} px; "
                f"prepare the data at {generator.resolution} px"
            )
        if channels != self.dataset.channels:
            raise MetricError(
                f"--model: draws {channels} colour channels, the data has {self.dataset.channels}; give other data"
            )
        if generator.label_dim:
            classes = None if self.cond is None else len(_classes(self.dataset, self.cond))
            if classes != generator.label_dim:
                there = "the data's are not known" if classes is None else f"the data's {self.cond} has {classes}"
                raise MetricError(
                    f"--model: takes {generator.label_dim} classes, {there}; give the data that it was trained on"
                )


def evaluate(
    generator: Generator,
    dataset: Dataset,
    names: Sequence[str] = DEFAULT,
    samples: int | None = None,
    look: sampling.Look | None = None,
    **settings: Any,
) -> list[Result]:
    """Metrics of one generator; `settings` are Evaluator's, which is the better choice for more than one."""
    settings = {"resolution": generator.resolution, "device": next(generator.parameters()).device} | settings
    return Evaluator(dataset, names, samples, **settings).evaluate(generator, look)


def blur(images: np.ndarray, sigma: float) -> np.ndarray:
    """Pictures [N, C, H, W] (uint8) under a Gaussian of `sigma` pixels, edges repeated."""
    reach = int(np.ceil(4 * sigma))
    line = torch.exp(-(torch.arange(-reach, reach + 1, dtype=torch.float64) ** 2) / (2 * sigma**2))
    line = (line / line.sum()).float()
    x = torch.tensor(images).float().flatten(0, 1)[:, None]
    x = functional.conv2d(functional.pad(x, (0, 0, reach, reach), "replicate"), line[None, None, :, None])
    x = functional.conv2d(functional.pad(x, (reach, reach, 0, 0), "replicate"), line[None, None, None, :])
    return x.round().clamp(0, 255).to(torch.uint8).reshape(images.shape).numpy()


def _metric_of(name: str) -> str:
    """The metric that a result belongs to."""
    first = name.partition("_")[0]
    return {"fid": "fd", "precision": "pr", "recall": "pr", "density": "dc", "coverage": "dc"}.get(first, first)


def _check_pictures(names: Sequence[str], dataset: Dataset, resolution: int) -> None:
    if resolution not in dataset.levels:
        raise MetricError(
            f"--data: the pictures are prepared at {dataset.resolution} px, the model draws {resolution} px; "
            f"prepare them at {resolution} px"
        )
    if "attributes" in names and dataset.name != "toonhead":
        raise MetricError("--metrics attributes: is for the embedded faces; leave it out for other data")
    for name, least in (("swd", swd.LOWEST), ("msssim", msssim.LOWEST)):
        if name in names and resolution < least:
            raise MetricError(
                f"--metrics {name}: needs pictures of at least {least} px, not {resolution}; leave it out"
            )


def _sources(
    dataset: Dataset,
    samples: int | None,
    seed: int,
    mirror: bool,
    held_out: Sequence[int] | np.ndarray | None,
) -> Sources:
    """Draw real pictures, and as many others for the floor, from those that training sees."""
    if held_out is None:
        training, out = dataset.split()
    else:
        out = np.unique(np.asarray(held_out, np.int64))
        training = np.setdiff1d(np.arange(len(dataset)), out)
    most = len(training) // 2
    if most < LEAST:
        raise MetricError(
            f"--data: has {len(training)} training pictures; {2 * LEAST} are the least, half of them for the floor"
        )
    samples = min(DEFAULT_SAMPLES, most) if samples is None else samples
    if not LEAST <= samples <= most:
        why = f"the floor takes as many again, and there are {len(training):,} training pictures"
        raise MetricError(f"--samples {samples}: give a number from {LEAST} to {most:,}; {why}")
    order = np.random.default_rng([seed, REALS]).permutation(training)
    coins = np.random.RandomState(0).randint(0, 2, len(dataset))  # the same for every seed, as features are kept
    mirrored = coins.astype(bool) if mirror else np.zeros(len(dataset), bool)
    return Sources(training, out, order[:samples], order[samples : 2 * samples], mirrored)


def _classes(dataset: Dataset, cond: str) -> tuple[str, ...]:
    try:
        return dataset.classes(cond)
    except DataError as error:
        raise MetricError(f"--model: was trained on labels that the data lacks ({error})") from error
