"""Directions in w along which images change in one way, and the file beside a model that holds them.

Of any generator with styles: PCA of w (GANSpace, Härkönen et al. 2020) and SeFa (Shen and Zhou 2021), which needs no
images. Of attributes that somebody can read off the images: the normals of linear fits of what is read, made to leave
the other attributes (InterFaceGAN, Shen et al. 2020). All are as long as one standard deviation of w along them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from stylegrow.common.errors import InputError, ModelError
from stylegrow.common.files import write_whole
from stylegrow.common.schema import check, check_fields, load_json
from stylegrow.common.text import one_line, printable
from stylegrow.models.weights import DIRECTIONS
from stylegrow.sampling.inputs import BANDS, read_numbers, shown

if TYPE_CHECKING:
    import stylegan

AXES, AXES_OF_BAND = 8, 3  # of PCA; of SeFa for each band of layers
FARTHEST = 3.0  # standard deviations
COMPONENTS = 48  # principal ones of w, beyond which it hardly varies
RIDGE = 0.03  # of the fits, in units of the variance
APART = 3.0  # how much a direction gives way to what it is to leave alone; 0 not at all, without limit all of it
ANEW = "write it anew with stylegrow directions MODEL"


@dataclass(frozen=True)
class Direction:
    """What is known of a direction.

    `kind` is "attribute", "pca" or "sefa", `layers` where it acts, `deviation` that of w along it. `flips` and `back`
    tell of an attribute how often it comes FARTHEST along the direction and goes as far against it, `changes` how often
    the other attributes' readings change there; `share` is how much of the variance of w is along the direction.
    """

    name: str
    kind: str
    layers: list[int]
    deviation: float
    share: float = 0.0
    flips: float | None = None
    back: float | None = None
    changes: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Directions:
    """Directions of a model; their vectors [K, bands, w_dim], one for the layers of each band, as long as w varies."""

    known: list[Direction]
    vectors: Tensor

    def moved(self, ws: Tensor, amounts: Tensor, layers: Sequence[int] | None = None) -> Tensor:
        """ws [N, L, w_dim] moved by amounts [N or 1, K], in standard deviations, in layers (None: each one's own)."""
        acts = torch.zeros(len(self.known), ws.shape[1], dtype=ws.dtype)
        for index, one in enumerate(self.known):
            acts[index, [layer for layer in (one.layers if layers is None else layers) if layer < ws.shape[1]]] = 1
        parts = (
            one.to(ws) for one in (amounts, acts, self.vectors[:, [band_of(layer) for layer in range(ws.shape[1])]])
        )
        return ws + torch.einsum("nk,kl,klw->nlw", *parts)

    @property
    def names(self) -> list[str]:
        """Of all directions, in their order."""
        return [one.name for one in self.known]

    def check_name(self, direction: str, name: str = "amounts") -> None:
        """InputError, which calls the input `name`, for a direction that is not there."""
        if direction not in self.names:
            raise InputError(f"{name} {shown(direction)}: the model has {', '.join(map(printable, self.names))}")

    def amounts(self, given: Mapping[str, float]) -> list[float]:
        """How far to go along each direction, of amounts by name. InputError for names that are not there."""
        for direction in given:
            self.check_name(direction)
        return [given.get(direction, 0.0) for direction in self.names]


def read_amounts(text: str, name: str = "amounts") -> dict[str, float]:
    """The names and numbers of "beard:1.5,PCA 1:-2", each within FARTHEST. InputError."""
    found: dict[str, float] = {}
    for part in text.split(",") if text.strip() else ():
        direction, colon, number = part.rpartition(":")
        if not colon or not direction.strip():
            raise InputError(f"{name} {shown(text)}: cannot be read; write NAME:AMOUNT,NAME:AMOUNT")
        (amount,) = read_numbers(number, name, 1)
        if abs(amount) > FARTHEST:
            raise InputError(f"{name} {shown(part)}: give an amount from {-FARTHEST:g} to {FARTHEST:g}")
        found[direction.strip()] = amount
    return found


def unsupervised(generator: stylegan.Generator, w: Tensor, layers: int) -> Directions:
    """PCA of w [N, w_dim], and SeFa of each band of the first so many layers of a generator."""
    found = [(f"PCA {place + 1}", "pca", axis, [*range(layers)]) for place, axis in enumerate(principal_axes(w))]
    for band, (first, end) in BANDS.items():
        own = [*range(first, min(end or layers, layers))]
        axes: Iterable[Tensor] = sefa(style_weights(generator, own)) if own else ()
        found += [(f"SeFa {band} {place + 1}", "sefa", axis, own) for place, axis in enumerate(axes)]
    return measured(w, found)


def band_of(layer: int) -> int:
    """The place in BANDS of the band of a layer."""
    return sum(layer >= first for first, _ in BANDS.values()) - 1


def bands_text(layers: Sequence[int]) -> str:
    """The bands in which a direction acts, "all" or such as "coarse, middle"."""
    own = [name for place, name in enumerate(BANDS) if place in set(map(band_of, layers))]
    return "all" if len(own) == len(BANDS) else ", ".join(own)


def measured(w: Tensor, found: Sequence[tuple[str, str, Tensor, list[int]]]) -> Directions:
    """Directions of (name, kind, unit vectors [w_dim] or [bands, w_dim], layers), as long as w [N, w_dim] deviates."""
    centred = w.double() - w.double().mean(dim=0)
    total = centred.square().mean(dim=0).sum().clamp(min=torch.finfo(torch.float64).tiny)
    axes = torch.stack([axes.double().expand(len(BANDS), -1) for *_, axes, _ in found])
    variances = torch.einsum("nw,kbw->nkb", centred, axes).square().mean(dim=0)
    known = []
    for (name, kind, _, layers), own in zip(found, variances, strict=True):
        variance = own[[band_of(layer) for layer in layers]].mean()
        known.append(Direction(name, kind, layers, variance.sqrt().item(), (variance / total).item()))
    return Directions(known, (axes * variances.sqrt()[..., None]).float())


def principal_axes(w: Tensor, count: int = AXES) -> Tensor:
    """The axes [count, w_dim] along which w [N, w_dim] varies most, of length 1 (Härkönen et al. 2020, section 2.1)."""
    centred = w.double() - w.double().mean(dim=0)
    return _largest(centred.T @ centred, count)


def sefa(weights: Tensor, count: int = AXES_OF_BAND) -> Tensor:
    """The unit vectors n [count, w_dim] of largest |A n|, A [rows, w_dim] (Shen and Zhou 2021, equation 7)."""
    return _largest(weights.double().T @ weights.double(), count) if len(weights) else weights[:0]


def _largest(matrix: Tensor, count: int) -> Tensor:
    """The eigenvectors of largest eigenvalues [count, n] of a symmetric matrix, each with its largest entry above 0."""
    axes = torch.linalg.eigh(matrix).eigenvectors.T.flip(0)[:count]
    largest = axes.gather(1, axes.abs().argmax(dim=1, keepdim=True))
    return axes * largest.sign()


def style_weights(generator: stylegan.Generator, layers: Sequence[int]) -> Tensor:
    """The matrix [rows, w_dim] by which these layers make their scales and shifts of w; no rows without styles."""
    blocks = [block for _, block in generator.synthesis.blocks.items()]
    own: list[Any] = [part for block in blocks for part in (block.first, block.second)]
    styles = [own[layer].style for layer in layers if own[layer].style is not None]
    weights = [style.scaled(torch.float32)[0].detach().cpu() for style in styles]
    return torch.cat(weights) if weights else torch.zeros(0, generator.w_dim)


def attribute_axes(w: Tensor, scores: Tensor, others: Tensor, leave: Tensor) -> tuple[Tensor, Tensor]:
    """Unit vectors [A, bands, w_dim] along which scores [N, A] rise, and how steeply [A, bands], in deviations of both.

    w [bands, N, w_dim] are the styles of images, drawn for each band by themselves (style mixing), which tells what a
    band does from what the others do. The normals are those of a linear fit in whitened w (Shen et al. 2020, section
    2.2), turned away from those of `others` [N, R] (section 2.3) that an attribute is to `leave` [A, R].
    """
    bands, count, _ = w.shape
    pooled = w.double().flatten(0, 1)
    centred = pooled - pooled.mean(dim=0)
    variances, axes = (part[..., -COMPONENTS:] for part in torch.linalg.eigh(centred.T @ centred / len(centred)))
    x = (centred @ axes / variances.sqrt()).reshape(bands, count, -1).transpose(0, 1).flatten(1)
    ridge = RIDGE * count * torch.eye(x.shape[1], dtype=x.dtype)
    y = torch.cat([scores, others], dim=1).double()
    y = (y - y.mean(dim=0)) / y.std(dim=0).clamp(min=1e-6)
    normals = torch.linalg.solve(x.T @ x + ridge, x.T @ y).reshape(bands, -1, y.shape[1])
    found, gains = [], []
    for place in range(scores.shape[1]):
        own, left = normals[..., place], normals[:, :, scores.shape[1] :][..., leave[place]]
        turned = torch.linalg.solve(torch.eye(own.shape[1], dtype=x.dtype) + APART * left @ left.mT, own)
        turned = torch.nn.functional.normalize(turned, dim=1)
        found.append(torch.nn.functional.normalize(turned * variances.sqrt() @ axes.T, dim=1))
        gains.append((turned * own).sum(dim=1))
    return torch.stack(found), torch.stack(gains)


def joined(*parts: Directions) -> Directions:
    """All directions of several, in their order."""
    return Directions([one for part in parts for one in part.known], torch.cat([part.vectors for part in parts]))


def read(folder: Path, weights: str, width: int) -> Directions | None:
    """The directions beside a model whose weights have this digest and w this width; None where there is no file.

    ModelError for one that is damaged or of other weights.
    """
    from safetensors import SafetensorError, safe_open

    path = folder / DIRECTIONS
    if not path.is_file():
        return None
    try:
        with safe_open(path, "pt") as file:
            facts, vectors = file.metadata() or {}, file.get_tensor("vectors")
        known = check(load_json(facts["directions"].encode()), list[dict[str, Any]])
        found = Directions([check_fields(one, Direction) for one in known], vectors)
        fits = (
            vectors.dtype == torch.float32
            and vectors.shape == (len(known), len(BANDS), width)
            and vectors.isfinite().all()
        )
        if not fits or not all(one.layers and min(one.layers) >= 0 for one in found.known):
            raise ValueError("its vectors do not fit the model")
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        raise ModelError(f"{printable(path)}: is damaged ({one_line(error)}); {ANEW}") from error
    if facts.get("weights") != weights:
        raise ModelError(f"{printable(path)}: is of other weights; {ANEW}")
    return found


def write(folder: Path, directions: Directions, weights: str) -> Path:
    """Put directions beside the model whose weights have this digest. OSError when that fails."""
    from safetensors.torch import save

    path, known = folder / DIRECTIONS, json.dumps([asdict(one) for one in directions.known], ensure_ascii=False)
    metadata = {"format": "pt", "weights": weights, "directions": known}
    write_whole(path, save({"vectors": directions.vectors.contiguous()}, metadata=metadata))
    return path
