"""Named directions in w of the embedded faces, by what the attribute classifier reads off a generator's images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from stylegrow.data.sources import toonhead
from stylegrow.metrics.classifier import load_classifier
from stylegrow.metrics.face_network import BATCH_READ
from stylegrow.sampling.directions import FARTHEST, Direction, Directions, attribute_axes, band_of, measured
from stylegrow.sampling.latents import Latent

if TYPE_CHECKING:
    from stylegrow.sampling.generation import Setting
    from stylegrow.sampling.sampler import Sampler

# Each direction: the attribute, its values at the end, and at the other end; those in neither are left out.
GROUPS = {
    "light hair": ("hair_color", ("caramel", "blonde", "grey", "pink"), ("black", "brown", "auburn")),
    "dyed hair": ("hair_color", ("pink", "blue"), ("black", "brown", "auburn", "caramel", "blonde", "red", "grey")),
    "light skin": ("skin_color", ("light",), ("deep", "brown")),
    "long hair": ("rear_hair", ("longStraight", "longWavy"), ("none", "neckHigh")),
    "beard": ("beard", ("chin", "chinMoustache", "fullBeard", "longBeard", "moustacheTwirl"), (toonhead.ABSENT,)),
    "mouth open": ("mouth", ("agape", "angry", "laugh"), ("sad", "smile")),
    "eyes closed": ("eyes", ("bow", "humble"), ("happy", "wide")),
}
MOST_FACES = 5000
TRIED, MEASURED = 12, 48  # faces that tell where a direction is to act, and those that its effect is measured on
LEAST = 30  # faces at either end, without which a direction is left out
SUREST = 8.0  # log odds, beyond which the classifier is sure
Readings = dict[str, np.ndarray]
Progress = Callable[[Iterable[Any], int], Iterable[Any]]


def face_directions(
    sampler: Sampler, progress: Progress, faces: int = 3000, tried: int = TRIED, measured_faces: int = MEASURED
) -> Directions | None:
    """The directions of GROUPS, of the faces that a model draws, with their effects; None where it draws none of them.

    They are fitted to at most MOST_FACES faces, each with coarse, middle and fine styles of different seeds. Of the
    layers that move a direction's attribute most, it acts in those where it changes most beside the others.
    """
    w = torch.stack([sampler.draw_w(range(start, start + faces)) for start in range(0, 3 * MOST_FACES, MOST_FACES)])
    layers = sampler.generator.num_layers
    mixed = w.transpose(0, 1)[:, [band_of(layer) for layer in range(layers)]].numpy()
    sources = [Latent(f"face {number}", number, "w", one) for number, one in enumerate(mixed)]
    return fitted(
        sampler,
        w,
        _logits(progress(sampler.images(sources, _setting(sampler)), faces)),
        progress,
        tried,
        measured_faces,
    )


def fitted(
    sampler: Sampler,
    w: Tensor,
    logits: np.ndarray,
    progress: Progress,
    tried: int = TRIED,
    measured_faces: int = MEASURED,
) -> Directions | None:
    """`face_directions` of w [bands, N, w_dim] and the classifier's logits of the faces that they make."""
    odds = {name: torch.log_softmax(torch.from_numpy(own), dim=1) for name, own in _by_attribute(logits).items()}
    ends = signs(_read(logits))
    shown = [name for name, sign in ends.items() if min((sign > 0).sum(), (sign < 0).sum()) >= LEAST]
    if not shown:
        return None
    scores = torch.stack([_log_odds(odds, name) for name in shown], dim=1).clamp(-SUREST, SUREST)
    others = torch.cat([scores, *odds.values()], dim=1).clamp(min=-SUREST)
    of = [*(name for name in shown), *(name for name, own in odds.items() for _ in range(own.shape[1]))]
    leave = torch.tensor([[one not in (name, GROUPS[name][0]) for one in of] for name in shown])
    axes, gains = attribute_axes(w, scores, others, leave)
    layers = range(sampler.layers(_setting(sampler)))
    tries: list[list[tuple[str, str, Tensor, list[int]]]] = [[], [], []]
    for name, own, gain in zip(shown, axes, gains, strict=True):
        order = [band for band in gain.argsort(descending=True).tolist() if any(band_of(one) == band for one in layers)]
        for count, try_ in enumerate(tries, start=1):
            try_.append((name, "attribute", own, [one for one in layers if band_of(one) in order[:count]]))
    pooled, first = w.flatten(0, 1), 3 * MOST_FACES
    found = [with_effects(sampler, measured(pooled, try_), range(first, first + tried), progress) for try_ in tries]
    best = [max(range(3), key=lambda at: _gain(same[at])) for same in zip(*(one.known for one in found), strict=True)]
    chosen = measured(pooled, [tries[at][place] for place, at in enumerate(best)])
    return with_effects(sampler, chosen, range(first + tried, first + tried + measured_faces), progress)


def _log_odds(odds: dict[str, Tensor], name: str) -> Tensor:
    """Of one end of GROUPS to the other [N]."""
    attribute, *ends = GROUPS[name]
    values = toonhead.classes(attribute)
    end, other = (odds[attribute][:, [values.index(value) for value in part]].logsumexp(dim=1) for part in ends)
    return end - other


def _gain(one: Direction) -> float:
    """How much more often an attribute changes than the others do."""
    return (one.flips or 0) / 2 + (one.back or 0) / 2 - float(np.mean(list(one.changes.values())))


def signs(readings: Readings) -> dict[str, np.ndarray]:
    """1, -1 or 0 [n] for each of GROUPS: at its end, at the other, in neither."""
    found = {}
    for name, (attribute, end, other) in GROUPS.items():
        values = np.array([(value in end) - float(value in other) for value in toonhead.classes(attribute)])
        found[name] = values[readings[attribute]]
    return found


def with_effects(sampler: Sampler, found: Directions, seeds: Sequence[int], progress: Progress) -> Directions:
    """Directions that know how often faces of these seeds change along them."""
    setting, count = _setting(sampler), len(seeds)
    before = _read(_logits(sampler.images(seeds, setting)))
    ways = [way * row for row in np.eye(len(found.known)) * FARTHEST for way in (1, -1)]
    amounts = np.repeat(ways, count, axis=0).tolist()
    images = sampler.along([*seeds] * len(ways), amounts, setting, found=found)
    after = _read(_logits(progress(images, len(amounts))))
    known = []
    for place, one in enumerate(found.known):
        there, back = (
            {name: read[count * way :][:count] for name, read in after.items()} for way in (2 * place, 2 * place + 1)
        )
        sign, forth, against = (signs(read)[one.name] for read in (before, there, back))
        own = GROUPS[one.name][0]
        changes = {
            name: float(np.mean([there[name] != before[name], back[name] != before[name]]))
            for name in before
            if name != own
        }
        flips, returns = _share(forth[sign < 0] > 0), _share(against[sign > 0] < 0)
        known.append(replace(one, flips=flips, back=returns, changes=changes))
    return replace(found, known=known)


def _share(true: np.ndarray) -> float | None:
    return float(true.mean()) if len(true) else None


def _setting(sampler: Sampler) -> Setting:
    return sampler.setting(psi=1.0, label="0" if sampler.labels.kind == "classes" else None)


def _by_attribute(logits: np.ndarray) -> dict[str, np.ndarray]:
    sizes = [len(toonhead.classes(name)) for name in toonhead.ATTRIBUTES]
    return dict(zip(toonhead.ATTRIBUTES, np.split(logits, np.cumsum(sizes)[:-1], axis=1), strict=True))


def _read(logits: np.ndarray) -> Readings:
    return {name: own.argmax(axis=1) for name, own in _by_attribute(logits).items()}


def _logits(images: Iterable[np.ndarray]) -> np.ndarray:
    """What the classifier says of images [H, W, 3] (uint8), which are not all kept."""
    images, classifier = iter(images), load_classifier()
    parts = iter(lambda: [image.transpose(2, 0, 1) for image in islice(images, BATCH_READ)], [])
    return np.concatenate([classifier.logits(np.stack(part)) for part in parts])
