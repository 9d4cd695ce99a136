"""Translation between GFLASH and the cascade by one encoder and two decoders, the scheme by which faces are swapped.

One encoder and a decoder for each of two domains learn to reproduce images of both; a shower of one domain, encoded and
decoded by the other's decoder, is to be as the other domain would have it. Nothing in the losses says that it is.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.physics.networks import Layers, draw, fitted
from benchmarks.physics.refining import PIXELS, judged
from benchmarks.physics.samples import Pixels, part
from stylegrow.physics.observables import Showers, centre_of_gravity, impact_correlation, layer_sums, separations

NAMES = ("gflash", "cascade")


class Autoencoders(nn.Module):
    """An encoder that both domains share, and a decoder for each."""

    def __init__(self, code: int) -> None:
        super().__init__()
        self.encoder = Layers(PIXELS, code, hidden=2)
        self.decoders = nn.ModuleDict({name: Layers(code, PIXELS, hidden=2) for name in NAMES})

    def forward(self, images: Tensor, to: str) -> Tensor:
        """Images [N, 3, n, n] as those of a domain."""
        return self.decoders[to](self.encoder(images)).view_as(images)


def carried(showers: Showers, source: Showers) -> dict[str, float]:
    """What translated showers keep of those that they were: correlations of ln(signal) and of the centre of gravity
    with the own source's, of the centre of gravity with the impact, and the deviation of ln(signal / source's)."""
    both = [np.log1p(layer_sums(one.deposits).sum(axis=1)) for one in (showers, source)]
    centres = [centre_of_gravity(one.deposits.sum(axis=1, keepdims=True)).ravel() for one in (showers, source)]
    return {
        "signal": float(np.corrcoef(both)[0, 1]),
        "shift": float((both[0] - both[1]).mean()),
        "spread": float((both[0] - both[1]).std()),
        "centre": float(np.corrcoef(centres)[0, 1]),
        "impact": impact_correlation(showers),
    }


def study(data: Showers, simulation: Showers, code: int, seed: int, steps: int) -> dict[str, Any]:
    """Train on all but the last fifth of both; what translations and reproductions of that fifth are like."""
    torch.manual_seed(seed)
    pixels, split = Pixels.of(data.deposits), len(data.energy) * 4 // 5
    sets = dict(zip(NAMES, (simulation, data), strict=True))
    images = {name: pixels.images(one.deposits) for name, one in sets.items()}
    network = Autoencoders(code)

    def loss() -> Tensor:
        total = torch.zeros(())
        for name, of_domain in images.items():
            (batch,) = draw(of_domain[:split])
            total = total + (network(batch, name) - batch).square().mean()
        return total

    fitted(network, loss, steps)
    apart = {name: part(one, split) for name, one in sets.items()}
    found: dict[str, Any] = {}
    for source in NAMES:
        for to in NAMES:
            with torch.inference_mode():
                made = network(images[source][split:], to)
            showers = apart[source]._replace(deposits=pixels.deposits(made))
            reals = {name: part(one, 0, len(showers.energy)) for name, one in sets.items()}
            found[f"{source} to {to}"] = {
                **carried(showers, apart[source]),
                "as": {name: float(np.mean(list(separations(one, showers).values()))) for name, one in reals.items()},
                "judged": judged(showers, reals[to]),
            }
    reals = {name: part(one, 0, split // 4) for name, one in sets.items()}
    found["unchanged"] = {
        source: {to: float(np.mean(list(separations(reals[to], apart[source]).values()))) for to in NAMES}
        for source in NAMES
    }
    return found
