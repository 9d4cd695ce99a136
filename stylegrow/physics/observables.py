"""What physicists know showers by: profiles, hits, response, centres of gravity, and how far two sets differ in them.

Deposits are [N, 3, n, n] in MIP, the signal that a minimum-ionising particle leaves in a plane: three read-out layers
of n x n cells over a square of 8 Moliere radii. Energies are in GeV, lengths across the shower in Moliere radii.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from stylegrow.physics.tungsten import CALORIMETER, LAYERS

SIDE = CALORIMETER.cells * CALORIMETER.pitch
HIT = 0.5  # MIP; half of what a particle that crosses a plane at a right angle leaves there
NAMES = ("front", "middle", "rear")  # of the layers
# X0; a plane stands behind each.
DEPTHS = np.array([np.arange(1, CALORIMETER.planes + 1)[planes].mean() for planes in LAYERS])
ENERGY_BINS = 5
BINS, IN_BIN = 40, 20  # most of the histograms behind a separation power; showers in each, where there are fewer
# Finer towards the axis, where showers are dense; two cells of 16 to a side are as wide as the first two rings.
RINGS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, np.inf)
# MIP, a factor of 10^(1/4) each; the last bin takes what is above.
SPECTRUM = (*(HIT * 10 ** (k / 4) for k in range(17)), np.inf)


class Showers(NamedTuple):
    """Deposits [N, 3, n, n] (MIP) of particles with these energies [N] (GeV) and impacts [N, 2] (Moliere radii).

    The impact is where a particle meets the first plane, from its middle; None where it is not known.
    """

    deposits: np.ndarray
    energy: np.ndarray
    impact: np.ndarray | None = None


def layer_sums(deposits: np.ndarray) -> np.ndarray:
    """The signal of each layer [N, 3] in MIP."""
    return np.asarray(deposits, np.float64).sum(axis=(2, 3))


def layer_fractions(deposits: np.ndarray) -> np.ndarray:
    """The share of each layer in the signal [N, 3]; 0 for a shower without any."""
    return _divided(sums := layer_sums(deposits), sums.sum(axis=1, keepdims=True))


def hits(deposits: np.ndarray) -> np.ndarray:
    """How many cells of each layer [N, 3] hold more than `HIT`."""
    return (deposits > HIT).sum(axis=(2, 3))


def response(showers: Showers) -> np.ndarray:
    """The signal of a shower for each GeV of its particle [N], in MIP/GeV."""
    return layer_sums(showers.deposits).sum(axis=1) / showers.energy


def centre_of_gravity(deposits: np.ndarray) -> np.ndarray:
    """The mean place (x, y) of the signal in each layer [N, 3, 2], from the middle, in Moliere radii; 0 without any."""
    places, sums = cell_places(deposits.shape[-1]), layer_sums(deposits)
    columns, rows = (np.asarray(deposits, np.float64).sum(axis=axis) @ places for axis in (2, 3))
    return np.stack([_divided(columns, sums), _divided(rows, sums)], axis=-1)


def widths(deposits: np.ndarray) -> np.ndarray:
    """The standard deviation (x, y) of the signal in each layer [N, 3, 2] around its centre of gravity."""
    places, sums = cell_places(deposits.shape[-1]), layer_sums(deposits)
    squares = (np.asarray(deposits, np.float64).sum(axis=axis) @ places**2 for axis in (2, 3))
    means = np.stack([_divided(one, sums) for one in squares], axis=-1)
    return np.sqrt(np.maximum(means - centre_of_gravity(deposits) ** 2, 0))


def cell_places(cells: int) -> np.ndarray:
    """The middles of so many cells along a side [n], from its own middle, in Moliere radii."""
    return (np.arange(cells) - (cells - 1) / 2) * (SIDE / cells)


def radial_profile(deposits: np.ndarray, edges: Sequence[float] = RINGS) -> np.ndarray:
    """The share of the signal in each ring around the shower's axis [N, len(edges) - 1].

    The axis is the centre of gravity of all layers together; a cell counts where its middle lies.
    """
    deposits = np.asarray(deposits, np.float64).sum(axis=1, keepdims=True)
    places, centre = cell_places(deposits.shape[-1]), centre_of_gravity(deposits)[:, 0]
    across = places[None, None, :] - centre[:, 0, None, None]
    down = places[None, :, None] - centre[:, 1, None, None]
    ring = np.digitize(np.hypot(across, down), edges[1:-1])
    found = np.stack([(deposits[:, 0] * (ring == k)).sum(axis=(1, 2)) for k in range(len(edges) - 1)], axis=1)
    return _divided(found, found.sum(axis=1, keepdims=True))


def spectrum(deposits: np.ndarray, edges: Sequence[float] = SPECTRUM) -> np.ndarray:
    """How many cells hold a signal within each pair of edges, in the mean over showers [len(edges) - 1]."""
    return np.histogram(deposits, edges)[0] / len(deposits)


def layer_correlations(showers: Showers) -> np.ndarray:
    """Correlations [3, 3] between the layers' signals for each GeV; 0 of a layer whose signal is always the same."""
    return _correlations((layer_sums(showers.deposits) / showers.energy[:, None]).T)


def impact_correlation(showers: Showers) -> float:
    """The correlation of the centre of gravity with the impact, both coordinates together; 0 where one never changes.

    ValueError where impacts are not known.
    """
    if showers.impact is None:
        raise ValueError("these showers' impacts are not known")
    centres = centre_of_gravity(showers.deposits.sum(axis=1, keepdims=True))[:, 0]
    return float(_correlations(np.stack([centres.ravel(), np.ravel(showers.impact)]))[0, 1])


def energy_edges(energy: np.ndarray, bins: int = ENERGY_BINS) -> np.ndarray:
    """The edges [bins + 1] of bins that hold equally many of these energies (GeV)."""
    return np.quantile(energy, np.linspace(0, 1, bins + 1))


@dataclass(frozen=True)
class EnergyBins:
    """What showers of bins of the energy are like: [bins] each.

    The mean response (MIP/GeV); the resolution, its standard deviation over its mean; the mean number of hits. Bins of
    fewer than two showers have nan.
    """

    response: np.ndarray
    resolution: np.ndarray
    hits: np.ndarray

    @classmethod
    def of(cls, showers: Showers, edges: np.ndarray) -> EnergyBins:
        """Those between these edges (GeV); energies outside belong to the outermost bins."""
        place = np.digitize(showers.energy, edges[1:-1])
        own, cells = response(showers), hits(showers.deposits).sum(axis=1)
        parts = [np.flatnonzero(place == k) for k in range(len(edges) - 1)]

        def each(of: Callable[[np.ndarray], float]) -> np.ndarray:
            return np.array([of(part) if len(part) > 1 else np.nan for part in parts])

        means = each(lambda part: own[part].mean())
        deviations, found = each(lambda part: own[part].std(ddof=1)), each(lambda part: cells[part].mean())
        return cls(means, _divided(deviations, means), found)


def observables(showers: Showers) -> dict[str, np.ndarray]:
    """Numbers of each shower by their names, [N] each: what distances and classifiers take as its features."""
    sums, found = layer_sums(showers.deposits), {"response": response(showers)}
    total = sums.sum(axis=1)
    found["signal"] = np.log1p(total)
    found["depth"] = _divided(sums @ DEPTHS, total)
    centres, spreads = centre_of_gravity(showers.deposits), widths(showers.deposits)
    largest = _divided(showers.deposits.max(axis=(2, 3)).astype(np.float64), sums)
    layers = {"fraction": layer_fractions(showers.deposits), "hits": hits(showers.deposits), "largest": largest}
    layers |= {"x": centres[..., 0], "y": centres[..., 1], "width x": spreads[..., 0], "width y": spreads[..., 1]}
    for name, values in layers.items():
        found |= {f"{name} {layer}": values[:, k].astype(np.float64) for k, layer in enumerate(NAMES)}
    return found


def features(showers: Showers) -> np.ndarray:
    """The observables of each shower [N, D], float64."""
    return np.stack(list(observables(showers).values()), axis=1)


def discrimination(p: np.ndarray, q: np.ndarray) -> float:
    """The triangular discrimination of two histograms, 1/2 sum (p - q)^2 / (p + q): 0 if equal, 1 if apart.

    Each is divided by its sum. It is the separation power <S^2> of TMVA (Hoecker et al., physics/0703039) and of the
    CaloChallenge (Krause et al. 2024, arXiv:2410.21611). A histogram without entries is apart from all others.
    """
    p, q = (np.asarray(one, np.float64) for one in (p, q))
    if not (p.sum() > 0 and q.sum() > 0):
        return float(p.sum() != q.sum())
    p, q = p / p.sum(), q / q.sum()
    there = p + q > 0
    return float((((p - q)[there]) ** 2 / (p + q)[there]).sum() / 2)


def separation(a: np.ndarray, b: np.ndarray) -> float:
    """The triangular discrimination of two samples [N] and [M], by bins that hold equally many of both together.

    0 for a quantity that has one value. Samples of equal distributions get about (1/N + 1/M) / 4 for each bin.
    """
    # An even number: samples of equal size that are apart share no bin.
    bins = min(BINS, max(min(len(a), len(b)) // (2 * IN_BIN), 1) * 2)
    inner = np.unique(np.quantile(np.concatenate([a, b]), np.linspace(0, 1, bins + 1)[1:-1]))
    counts = [np.bincount(np.searchsorted(inner, one, side="left"), minlength=len(inner) + 1) for one in (a, b)]
    return discrimination(*counts)


def separations(reals: Showers, others: Showers) -> Mapping[str, float]:
    """The separation power of each observable, and of the mean profiles and the spectrum of the cells, by their names.

    Where impacts are known, the centre of gravity is taken from there.
    """
    pair = (reals, others)
    profiles = {
        "longitudinal profile": [
            layer_sums(one.deposits / one.energy[:, None, None, None]).mean(axis=0) for one in pair
        ],
        "radial profile": [radial_profile(one.deposits).mean(axis=0) for one in pair],
        "cell signals": [spectrum(one.deposits) for one in pair],
    }
    found = {name: discrimination(*both) for name, both in profiles.items()}
    of_reals, of_others = (_from_impact(one) for one in pair)
    return found | {name: separation(values, of_others[name]) for name, values in of_reals.items()}


def _from_impact(showers: Showers) -> dict[str, np.ndarray]:
    """The observables, centres of gravity from the impact."""
    found = observables(showers)
    if showers.impact is not None:
        for axis, name in enumerate("xy"):
            for layer in NAMES:
                found[f"{name} {layer}"] = found[f"{name} {layer}"] - showers.impact[:, axis]
    return found


def _divided(of: np.ndarray, by: np.ndarray) -> np.ndarray:
    """`of` / `by`, 0 where that is 0."""
    return np.divide(of, by, out=np.zeros(np.broadcast_shapes(np.shape(of), np.shape(by))), where=np.asarray(by) != 0)


def _correlations(rows: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nan_to_num(np.corrcoef(rows))
