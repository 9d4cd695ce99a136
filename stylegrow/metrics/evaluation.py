"""Evaluating generators against a data set: `Evaluator`, which remembers what it needs of the real images."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from stylegrow.common.errors import InputError
from stylegrow.common.images import to_uint8
from stylegrow.common.text import printable
from stylegrow.metrics import fidelity, mixing, msssim, neighbours, physics, ppl, reconstruction, swd
from stylegrow.metrics.attributes import compare_attributes
from stylegrow.metrics.classifier import load_classifier
from stylegrow.metrics.features import EmbeddedNetwork, RealFeatures, embedded, find_features
from stylegrow.metrics.flatness import corner_deviations, flatness
from stylegrow.metrics.intact import load_detector
from stylegrow.metrics.reals import Reals, blurred_images, check_data, check_generator, choose_reals, noisy_images
from stylegrow.metrics.results import Result
from stylegrow.metrics.siblings import siblings
from stylegrow.metrics.table import DEFAULT, METRICS, check_names
from stylegrow.sampling import generation
from stylegrow.sampling.inputs import BANDS

if TYPE_CHECKING:
    import vae
    from stylegrow.architectures import Generator
    from stylegrow.data import Dataset

CHOSEN, OTHERS, FAKES, DIRECTIONS, NOISE = range(1, 6)  # streams of random numbers

# What a set of N images is known by, for each need of its metrics: features [N, D], patches by resolution, similarities
# of pairs [N / 2], readings [N] by attribute, deviations in corners [N], verdicts on faces [N], showers.
Digest = dict[str, Any]
Value = tuple[float, float | None]  # a number, and its standard deviation where it is a mean over splits


class Evaluator:
    """Evaluates generators of one resolution against the training images of one data set.

    Real images are looked at when the first generator is evaluated, and their features are kept in the cache, so that
    later calls only cost the generator's own images. All random numbers come from `seed`, and none from torch's or
    NumPy's own generators. Real images have the data set's full resolution at every stage of growing; those of a
    generator that is still growing are enlarged to it by repeating pixels, as in the official programs, so that all
    numbers of a run can be compared.

    Args:
        dataset: prepared at the generators' full resolution or above.
        names: of metrics.table.METRICS.
        samples: images of each kind (generated, real, and other real for the floor); by default 2,000, at most half of
            the training images.
        resolution: of the generators; by default the data set's.
        features: "embedded", "inception", or the path of Inception's weights.
        mirror: show half of the real images mirrored, as training did.
        held_out: indices of images that training did not see; by default those of `dataset.split()`.
        cond: the attribute that a generator's labels mean.
        cache: as in data.open_dataset.
        device: where features are computed.
        batch: images to draw at once; by default what the device can hold.
        quiet: print no progress on stderr.

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
        check_data(self.names, dataset, resolution)
        self.reals: Reals = choose_reals(dataset, resolution, samples, seed, mirror, held_out)
        self.samples = len(self.reals.chosen)
        self._seed, self._cond, self._batch, self._device = seed, cond, batch, device
        self._needs = {METRICS[name].needs for name in self.names} - {"generator", "encoder"}
        self._known: tuple[Digest, Digest, dict[str, Value]] | None = None
        network = None
        if "features" in self._needs or "neighbours" in self.names:
            self._features = find_features(features, device, cache)
            network = self._features.network
            self._real_features = RealFeatures(self.reals, self._features, cache, quiet)
        if "readings" in self._needs:
            self._classifier = load_classifier().to(device)
        if "mixing" in self.names:
            self._needs.add("verdicts")  # on the real images of its floor
        if "verdicts" in self._needs:
            self._detector = load_detector().to(device)
        if "ppl" in self.names:
            self._ppl_network = network if isinstance(network, EmbeddedNetwork) else embedded().to(device).eval()

    @torch.inference_mode()
    def evaluate(
        self, generator: Generator, setting: generation.Setting | None = None, encoder: vae.Encoder | None = None
    ) -> list[Result]:
        """All metrics of a generator, in the order asked for, floors beside them.

        `setting` is its stage and truncation; by default its whole network, untruncated, with random noise; `encoder`
        is a VAE's, for "reconstruction". InputError where the generator does not fit the data.
        """
        setting = setting or generation.Setting(noise="random")
        check_generator(self.reals, generator, self._cond, self.names)
        training = generator.training
        generator.eval()  # a StyleGAN in training would move its average w
        try:
            digest = self._digest(self._generated(generator, setting, self.samples), self._needs, FAKES)
            digest = self._with_showers(digest, self._labelled_as())
            results = []
            for name in self.names:
                match name:
                    case "ppl":
                        results += self._path_lengths(generator, setting)
                    case "neighbours":
                        results.append(self._neighbours(generator, setting))
                    case "mixing":
                        results += self._mixing(generator, setting)
                    case "reconstruction":
                        results += self._reconstruction(generator, setting, encoder)
                    case _:
                        results += self._compared(name, digest)
            return results
        finally:
            generator.train(training)

    def blurred(self, sigma: float = 1.0) -> list[Result]:
        """The results of real images, the floor's, blurred with a Gaussian of `sigma` pixels: bad numbers."""
        return self._damaged(lambda images: blurred_images(images, sigma))

    def noisy(self, deviation: float = 1.0) -> list[Result]:
        """The results of the same images with noise of `deviation` grey levels, which eyes hardly see."""
        rng = self._rng(NOISE)
        return self._damaged(lambda images: noisy_images(images, deviation, rng))

    @torch.inference_mode()
    def _damaged(self, damage: Callable[[np.ndarray], np.ndarray]) -> list[Result]:
        digest = self._digest((damage(images) for images in self.reals.batches(self.reals.others)), self._needs, FAKES)
        digest = self._with_showers(digest, self.reals.others)
        names = [name for name in self.names if METRICS[name].needs not in ("generator", "encoder")]
        return [result for name in names for result in self._compared(name, digest)]

    def _compared(self, name: str, digest: Digest) -> list[Result]:
        """The results of a metric that needs images alone."""
        reals, others, floors = self._real_digests()
        if name == "attributes":
            return compare_attributes(digest["readings"], others["readings"], self.reals)
        if name == "observables":
            return physics.compare_observables(digest["showers"], others["showers"], reals["showers"])
        metric, by, results = METRICS[name], None, []
        if metric.needs == "features":
            by = self._features.name
        for result, (value, deviation) in self._compare(name, reals, digest).items():
            floor, floor_deviation = floors[result]
            shown = "fid" if result == "fd" and self._features.inception else result
            results.append(Result(shown, value, floor, self.samples, deviation, floor_deviation, metric.better, by))
        return results

    def _compare(self, name: str, reals: Digest, others: Digest) -> dict[str, Value]:
        """The numbers of a set of images by the names of results."""
        match METRICS[name].needs:
            case "features" if name == "siblings":
                return {"siblings": (siblings(reals["features"], others["features"]), None)}
            case "features":
                return fidelity.compare_features(name, reals["features"], others["features"], self._seed)
            case "patches":
                found = swd.sliced_wasserstein(reals["patches"], others["patches"], self._rng(DIRECTIONS))
                levels: dict[str, Value] = {f"swd_{resolution}": (value, None) for resolution, value in found.items()}
                return levels | {"swd_avg": (float(np.mean(list(found.values()))), None)}
            case "similarity":
                return {"msssim": (float(others["similarity"].mean()), None)}
            case "corners":
                return {result: (value, None) for result, value in flatness(others["corners"]).items()}
            case "verdicts":
                return {"intact": (float(others["verdicts"].mean()), None)}
            case "showers" if name != "observables":
                return physics.compare_showers(name, reals["showers"], others["showers"], self._seed, self._device)
        return {}

    def _real_digests(self) -> tuple[Digest, Digest, dict[str, Value]]:
        """(digest of the real images, the others' readings, verdicts and showers, the others' numbers: the floors)."""
        if self._known is None:
            found = []
            for stream, indices in ((CHOSEN, self.reals.chosen), (OTHERS, self.reals.others)):
                found.append(self._digest(self.reals.batches(indices), self._needs - {"features"}, stream))
                found[-1] = self._with_showers(found[-1], indices)
                if "features" in self._needs:
                    found[-1]["features"] = self._real_features.of(indices)
            floors: dict[str, Value] = {}
            for name in self.names:
                floors |= self._compare(name, *found)
            # Of the others only these are needed again; patches take much memory.
            self._known = found[0], {need: found[1].get(need) for need in ("readings", "verdicts", "showers")}, floors
        return self._known

    def _digest(self, batches: Iterable[np.ndarray], needs: set[Any], stream: int) -> Digest:
        """What images [n, C, R, R] (uint8) are known by; batches are of even length but for the last."""
        rng = self._rng(stream)
        parts: dict[str, list[Any]] = {need: [] for need in needs}
        for images in batches if needs else ():
            rgb = np.broadcast_to(images, (len(images), 3, *images.shape[2:]))
            for need, found in parts.items():
                match need:
                    case "features":
                        found.append(self._features.of(images))
                    case "patches":
                        found.append(swd.descriptors(rgb, rng))
                    case "similarity":
                        pairs = len(rgb) // 2 * 2
                        found.append(msssim.ms_ssim(rgb[0:pairs:2], rgb[1:pairs:2]))
                    case "readings":
                        found.append(self._classifier.read(rgb))
                    case "corners":
                        found.append(corner_deviations(images))
                    case "verdicts":
                        found.append(self._detector.passes(rgb))
                    case "showers":
                        found.append(images)
        return {need: joined(found) for need, found in parts.items()}

    def _path_lengths(self, generator: Generator, setting: generation.Setting) -> list[Result]:
        results = []
        for space, where in ppl.variants(generator):
            value = ppl.path_length(
                generator, self._ppl_network, self._seeds(), space, where, setting, self._labels(generator),
                batch=self._batch,
            )  # fmt: skip
            results.append(Result(f"ppl_{space}_{where}", value, None, self.samples, features=ppl.DISTANCE))
        return results

    def _neighbours(self, generator: Generator, setting: generation.Setting) -> Result:
        """The mean distance to the nearest training image, and that of as many held-out images."""
        reals = self.reals
        count = min(self.samples, len(reals.held_out)) or self.samples
        images = np.concatenate(list(self._generated(generator, setting, count)))
        training = self._real_features.of(reals.training)
        places, distances = neighbours.nearest(self._features.of(images), training, neighbours.NEAREST)
        floor = None
        if len(reals.held_out):
            held_out = self._real_features.of(self._rng(OTHERS).permutation(reals.held_out)[:count])
            floor = float(neighbours.nearest(held_out, training, 1)[1].mean())
        first = slice(neighbours.SHOWN)
        shown = [reals.read(reals.training[row]) for row in places[first]]
        names = [printable(reals.dataset.names[int(index)]) for index in reals.training[places[:, 0]]]
        return Result(
            "neighbours",
            float(distances[:, 0].mean()),
            floor,
            count,
            better=METRICS["neighbours"].better,
            features=self._features.name,
            details={"nearest": names, "distances": distances[:, 0].tolist()},
            figure=neighbours.figure(images[first], shown, distances[first], floor),
        )

    def _mixing(self, generator: Generator, setting: generation.Setting) -> list[Result]:
        """The share of intact faces in a grid of mixtures, for each band of styles."""
        floor, side = float(self._real_digests()[1]["verdicts"].mean()), mixing.rows_of(self.samples)
        seeds, labels = self._seeds()[: 2 * side], self._labels(generator)
        labels = None if labels is None else labels[: 2 * side]
        results = []
        for band in BANDS:
            images = self._full_size(mixing.mixtures(generator, seeds, band, setting, labels, self._batch))
            intact = float(np.concatenate([self._detector.passes(part) for part in images]).mean())
            better = METRICS["mixing"].better
            results.append(Result(f"mixing_{band}", intact, floor, side**2, better=better))
        return results

    def _reconstruction(
        self, decoder: Generator, setting: generation.Setting, encoder: vae.Encoder | None
    ) -> list[Result]:
        """How well held-out images are given back, and how well principal components of training images do it."""
        if encoder is None:
            raise InputError("--metrics reconstruction: needs the encoder that was trained with the decoder")
        reals, resolution = self.reals, setting.resolution or decoder.resolution
        unseen = self._rng(OTHERS).permutation(reals.held_out)[: self.samples]
        if not len(unseen):
            raise InputError("--metrics reconstruction: needs held-out images, and there are none; leave it out")
        images = reals.dataset.read(unseen, resolution)
        labels = None
        if decoder.label_dim:
            labels = torch.from_numpy(reals.dataset.labels(str(self._cond), unseen))
        fit = reconstruction.fit_of(encoder, decoder, images, labels, setting.alpha, self._seed)
        training = reals.dataset.read(np.concatenate([reals.chosen, reals.others]), resolution)
        components = reconstruction.component_error(training, images, encoder.z_dim)
        found = {"rmse": fit.rmse, "pca": components, "kl": fit.divergence, "elbo": fit.elbo}
        return [
            Result(f"reconstruction_{name}", value, None, len(images), better="higher" if name == "elbo" else "lower")
            for name, value in found.items()
        ]

    def _generated(self, generator: Generator, setting: generation.Setting, count: int) -> Iterator[np.ndarray]:
        """The generator's first `count` images, uint8 [n, C, R, R], an even number at a time."""
        labels, batch = self._labels(generator), self._batch or generation.largest_batch(generator, setting)
        labels = None if labels is None else labels[:count]
        seeds = self._seeds()[:count]
        return self._full_size(generation.images(generator, seeds, setting, labels, batch + batch % 2))

    def _full_size(self, batches: Iterable[Tensor]) -> Iterator[np.ndarray]:
        """Batches of a stage's images as uint8 [n, C, R, R]."""
        for batch in batches:
            images = to_uint8(batch).transpose(0, 3, 1, 2)
            factor = self.reals.resolution // images.shape[-1]
            yield images.repeat(factor, axis=2).repeat(factor, axis=3)

    def _seeds(self) -> list[int]:
        return np.random.SeedSequence([self._seed, FAKES]).generate_state(self.samples).tolist()

    def _labels(self, generator: Generator) -> Tensor | None:
        """Labels [samples, label_dim] as frequent as in the training images."""
        if not generator.label_dim:
            return None
        assert self._cond is not None
        return torch.from_numpy(self.reals.dataset.labels(self._cond, self._labelled_as()))

    def _labelled_as(self) -> np.ndarray:
        """The training images [samples] whose labels generated images have."""
        return self._rng(FAKES).choice(self.reals.training, self.samples)

    def _with_showers(self, digest: Digest, places: np.ndarray) -> Digest:
        """A digest whose images of showers, if any, are showers of the labels of the data's images `places`."""
        if "showers" not in digest:
            return digest
        showers = physics.read_showers(digest["showers"], self.reals.dataset, places, self._cond)
        return digest | {"showers": showers}

    def _rng(self, stream: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, stream])


def joined(parts: Sequence[Any]) -> Any:
    """Arrays one after the other, or dictionaries of arrays likewise by their keys."""
    if isinstance(parts[0], dict):
        return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    return np.concatenate(parts)


def evaluate(
    generator: Generator,
    dataset: Dataset,
    names: Sequence[str] = DEFAULT,
    samples: int | None = None,
    setting: generation.Setting | None = None,
    encoder: vae.Encoder | None = None,
    **settings: Any,
) -> list[Result]:
    """The metrics of one generator, each beside its floor; see `Evaluator` for arguments, and for several models.

    `setting` and `encoder` are as in `Evaluator.evaluate`, `settings` are Evaluator's. Raises InputError for what does
    not fit.
    """
    own: dict[str, Any] = {"resolution": generator.resolution, "device": next(generator.parameters()).device}
    return Evaluator(dataset, names, samples, **(own | settings)).evaluate(generator, setting, encoder)
