"""Numbers of two sets of showers, real and generated: observables, FPD and KPD, and a classifier that tells them apart.

FPD and KPD are those of Kansal et al. 2023 (arXiv:2211.10295) as the package jetnet computes them, with its sizes of
samples or, where there are fewer showers, in the same proportions. All are computed in float64.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from stylegrow.metrics.fidelity import frechet_distance, polynomial_mmd
from stylegrow.metrics.results import Result
from stylegrow.physics import observables
from stylegrow.physics.intensity import MIP_ROOT
from stylegrow.physics.observables import EnergyBins, Showers
from stylegrow.physics.tungsten import CALORIMETER

if TYPE_CHECKING:
    from stylegrow.data import Dataset

SEED = 42  # jetnet's
DEGREE, KPD_BATCHES, KPD_SAMPLES = 4, 10, 5_000
FPD_POINTS, FPD_BATCHES, FPD_LEAST, FPD_MOST = 10, 20, 20_000, 50_000
WIDTHS, STEPS, BATCH, LEARNING_RATE = (16, 32, 32), 300, 64, 2e-3
TINY = 1e-9  # so that what is the same everywhere can be scaled


def read_showers(images: np.ndarray, dataset: Dataset, places: np.ndarray, cond: str | None) -> Showers:
    """The showers of images [N, 3, n, n] (uint8), whose labels are those of a data set's images `places` [N].

    Impacts are known where `cond`, the labels that a generator is told, are all that the data has.
    """
    electrons = dataset.labels(str(dataset.cond), places).astype(np.float64)
    impact = electrons[:, 1:] if cond == dataset.cond else None
    return Showers(read_deposits(images), electrons[:, 0], impact)


def read_deposits(images: np.ndarray) -> np.ndarray:
    """The deposits [N, 3, n, n] in MIP of images (uint8) of showers.

    A cell of n x n holds the mean of the calorimeter's own cells in it, or its share of one that is larger.
    """
    joined = max(CALORIMETER.cells // images.shape[-1], 1) ** 2
    return MIP_ROOT.decode(images, joined) * (CALORIMETER.cells / images.shape[-1]) ** 2


def compare_showers(
    name: str, reals: Showers, others: Showers, seed: int, device: torch.device | str = "cpu"
) -> dict[str, tuple[float, float | None]]:
    """The results of a metric of showers by their names, each with its deviation where there is one."""
    if name == "auc":
        return {
            "auc_observables": auc_of_observables(reals, others, seed),
            "auc_images": (auc_of_images(reals, others, seed, device), None),
        }
    distance = fpd if name == "fpd" else kpd
    return {name: distance(observables.features(reals), observables.features(others))}


def fpd(
    reals: np.ndarray, others: np.ndarray, least: int | None = None, most: int | None = None
) -> tuple[float, float]:
    """(Frechet physics distance, its standard error) of features [N, D] and [M, D].

    The intercept of a line through mean Frechet distances over 1/n, for samples of n = `least` to `most` features drawn
    with replacement; neither intercept nor slope is below 0.
    """
    x, y = _scaled(reals, others)
    most = most or min(FPD_MOST, len(x), len(y))
    least = least or most * FPD_LEAST // FPD_MOST
    sizes = (1 / np.linspace(1 / least, 1 / most, FPD_POINTS)).astype(int)
    rng = np.random.default_rng(SEED)
    values = [
        np.mean([frechet_distance(*(one[rng.choice(len(one), size)] for one in (x, y))) for _ in range(FPD_BATCHES)])
        for size in sizes
    ]
    return _intercept(1 / sizes, np.array(values))


def kpd(reals: np.ndarray, others: np.ndarray, samples: int | None = None) -> tuple[float, float]:
    """(kernel physics distance, its error) of features [N, D] and [M, D].

    The median, and half of the range from the 16.275th to the 83.725th percentile, of the squared maximum mean
    discrepancy with the kernel (x.y / D + 1)^4 over 10 draws of `samples` features, with replacement.
    """
    x, y = _scaled(reals, others)
    samples = samples or min(KPD_SAMPLES, len(x), len(y))
    values = []
    for batch in range(KPD_BATCHES):
        rng = np.random.default_rng(SEED + 1000 * batch)
        a, b = (one[rng.choice(len(one), samples)] for one in (x, y))
        values.append(polynomial_mmd(a, b, DEGREE))
    low, high = np.percentile(values, (16.275, 83.725))
    return float(np.median(values)), float(high - low) / 2


def _scaled(reals: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Features over the reals' largest absolute values."""
    largest = np.abs(reals).max(axis=0)
    largest[largest == 0] = 1
    return reals / largest, others / largest


def _intercept(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """(intercept, its standard error) of the line through points [P] that fits best; it and the slope are not negative.

    `y` are not negative, so that one of them at most would be.
    """
    terms = np.stack([np.ones_like(x), x], axis=1)
    fit = np.linalg.lstsq(terms, y)[0]
    if fit[1] < 0:
        fit = np.array([y.mean(), 0.0])
    elif fit[0] < 0:
        fit = np.array([0.0, (x @ y) / (x @ x)])
    covariance = np.linalg.inv(terms.T @ terms) * ((y - terms @ fit) ** 2).sum() / (len(x) - 2)
    return float(fit[0]), float(np.sqrt(covariance[0, 0]))


def auc_of_observables(reals: Showers, others: Showers, seed: int) -> tuple[float, float]:
    """(mean, standard deviation) over two halves of the AUC of boosted trees that tell `others` by their observables.

    Each half is judged by trees that were fitted to the other. 0.5 where nothing tells them apart, 1 where all does.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score

    x = np.concatenate([observables.features(one) for one in (reals, others)])
    halves, truth = _halves(len(reals.energy), len(others.energy), seed)
    found = []
    for fitted, judged in (halves, halves[::-1]):
        trees = HistGradientBoostingClassifier(early_stopping=True, random_state=seed).fit(x[fitted], truth[fitted])
        found.append(roc_auc_score(truth[judged], trees.predict_proba(x[judged])[:, 1]))
    return float(np.mean(found)), float(np.std(found, ddof=1))


def auc_of_images(reals: Showers, others: Showers, seed: int, device: torch.device | str = "cpu") -> float:
    """The AUC of a small convolutional network that tells `others` by the roots of their signals and their energies.

    It is trained on one half, for so short that it takes seconds: a larger one would find more.
    """
    from sklearn.metrics import roc_auc_score

    roots = np.sqrt(np.concatenate([reals.deposits, others.deposits]))
    roots = roots / np.maximum(roots.std(axis=(0, 2, 3), keepdims=True), TINY)
    energy = np.log10(np.concatenate([reals.energy, others.energy]))
    energy = (energy - energy.mean()) / max(energy.std(), TINY)
    maps = np.broadcast_to(energy[:, None, None, None], (len(energy), 1, *roots.shape[2:]))
    images = torch.from_numpy(np.concatenate([roots, maps], axis=1).astype(np.float32))
    (fitted, judged), truth = _halves(len(reals.energy), len(others.energy), seed)
    # The seed is this function's own: on a CPU torch's generator stays as it was.
    with torch.enable_grad(), torch.inference_mode(False), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _trained(images[fitted].clone().to(device), torch.from_numpy(truth[fitted]).float().to(device))
    with torch.inference_mode():
        scores = [network(part.to(device)).cpu() for part in images[judged].split(4 * BATCH)]
    return float(roc_auc_score(truth[judged], torch.cat(scores)[:, 0].numpy()))


def _halves(reals: int, others: int, seed: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Two halves of the indices of both sets, one after the other, each with half of either; which are the others'."""
    rng = np.random.default_rng(seed)
    orders = rng.permutation(reals), reals + rng.permutation(others)
    return [np.concatenate([order[start::2] for order in orders]) for start in (0, 1)], np.repeat(
        [0, 1], [reals, others]
    )


def _trained(images: Tensor, truth: Tensor) -> nn.Module:
    """A network to logits [N, 1] of images [N, C, n, n], trained on its device with batches drawn on the CPU."""
    layers: list[nn.Module] = []
    for inputs, width in zip((images.shape[1], *WIDTHS), WIDTHS, strict=False):
        layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.LeakyReLU(0.2), nn.AvgPool2d(2)]
    side = images.shape[-1] >> len(WIDTHS)
    network = nn.Sequential(
        *layers, nn.Flatten(), nn.Linear(WIDTHS[-1] * side**2, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1)
    )
    network.to(images.device)
    optimizer = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=STEPS)
    for _ in range(STEPS):
        chosen = torch.randint(len(images), (BATCH,)).to(images.device)
        loss = functional.binary_cross_entropy_with_logits(network(images[chosen])[:, 0], truth[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return network.eval()


def compare_observables(generated: Showers, others: Showers, reals: Showers) -> list[Result]:
    """How far generated showers are from the reals in their observables, and `others`, real ones, for the floor.

    The mean separation power of all; the largest deviation of response and hits, and of the resolution the ratio
    furthest from 1, of five bins of the energy; how much the correlations with the impact and between layers differ.
    Details of the first two results hold each observable's separation power, and the numbers of the bins.
    """
    edges = observables.energy_edges(reals.energy)
    bins = {"real": EnergyBins.of(reals, edges), "generated": EnergyBins.of(generated, edges)}
    powers, floors = (observables.separations(reals, one) for one in (generated, others))
    values, floor = _deviations(bins["real"], generated, reals, edges), _deviations(bins["real"], others, reals, edges)
    values["separation"], floor["separation"] = (float(np.mean(list(found.values()))) for found in (powers, floors))
    of_bins = {"energy": edges.tolist()} | {name: _listed(found) for name, found in bins.items()}
    details: dict[str, dict[str, Any]] = {
        "separation": {"separations": {name: [power, floors[name]] for name, power in powers.items()}},
        "response": {"bins": of_bins},
    }
    samples = len(generated.energy)
    return [
        Result(
            name, values[name], floor[name], samples,
            better="floor" if name == "resolution" else "lower", details=details.get(name, {}),
        )
        for name in ("separation", "response", "resolution", "hits", "impact", "correlation")
        if name in values
    ]  # fmt: skip


def _deviations(real: EnergyBins, others: Showers, reals: Showers, edges: np.ndarray) -> dict[str, float]:
    found = EnergyBins.of(others, edges)
    with np.errstate(divide="ignore"):  # the log of 0 where all showers of a bin are as one
        distances = np.abs(np.log(ratios := found.resolution / real.resolution))
    correlations = observables.layer_correlations(others) - observables.layer_correlations(reals)
    values = {
        "response": float(np.nanmax(np.abs(found.response / real.response - 1))),
        "resolution": float(ratios[np.nanargmax(distances)]),
        "hits": float(np.nanmax(np.abs(found.hits / real.hits - 1))),
        "correlation": float(np.abs(correlations).max()),
    }
    if others.impact is not None and reals.impact is not None:
        values["impact"] = abs(observables.impact_correlation(others) - observables.impact_correlation(reals))
    return values


def _listed(bins: EnergyBins) -> dict[str, list[float | None]]:
    """Ready for JSON; None in bins of too few showers."""
    found = {name: getattr(bins, name).tolist() for name in ("response", "resolution", "hits")}
    return {name: [value if np.isfinite(value) else None for value in values] for name, values in found.items()}
