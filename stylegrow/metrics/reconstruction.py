"""How well a VAE gives images back that it did not see in training, and principal components of as many numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from stylegrow.architectures import architecture_of
from stylegrow.sampling import generation
from vae.bound import DEVIATION, divergence

if TYPE_CHECKING:
    import vae
    from stylegrow.architectures import Generator

BATCH = 32
ROOM = 2**27  # numbers of the images that principal components are of
ROUNDS, SPARE = 4, 10  # of the search for them, and how many more than asked for it keeps
SCALE = 127.5  # grey levels


class Fit(NamedTuple):
    """How images fit a VAE: the root mean square error of reconstructions in grey levels, and the evidence lower bound
    in nats a value, without its constant as training reports it, with its divergence in nats an image."""

    rmse: float
    elbo: float
    divergence: float


def encoded(
    encoder: vae.Encoder, images: np.ndarray, labels: Tensor | None, alpha: float = 1.0
) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor | None]]:
    """Some images at a time, as [n, C, r, r] in [-1, 1], mean and log variance of their latents, and their labels."""
    device = next(encoder.parameters()).device
    for part in generation.parts(len(images), BATCH):
        reals = torch.from_numpy(images[part]).to(device).float() / SCALE - 1
        its = None if labels is None else labels[part].float().to(device)
        yield reals, *encoder(reals, its, alpha), its


@torch.inference_mode()
def reconstruct(
    encoder: vae.Encoder, decoder: Generator, images: np.ndarray, labels: Tensor | None = None, alpha: float = 1.0
) -> Tensor:
    """Images [N, C, r, r], in [-1, 1], decoded from the means of the latents of images [N, C, r, r] (uint8)."""
    decoded = [
        given_back(decoder, mean, its, reals.shape[-1], alpha)
        for reals, mean, _, its in encoded(encoder, images, labels, alpha)
    ]
    return torch.cat(decoded)


def given_back(decoder: Generator, mean: Tensor, labels: Tensor | None, resolution: int, alpha: float) -> Tensor:
    """Images [N, C, r, r], in [-1, 1], decoded from means of latents [N, z_dim]; on the processor."""
    images: Tensor = architecture_of(decoder).sample(decoder, mean, labels, resolution, alpha)
    return images.clamp(-1, 1).cpu()


@torch.inference_mode()
def fit_of(
    encoder: vae.Encoder,
    decoder: Generator,
    images: np.ndarray,
    labels: Tensor | None = None,
    alpha: float = 1.0,
    seed: int = 0,
) -> Fit:
    """How images [N, C, r, r] (uint8) fit; the bound is with one latent an image, drawn from the seed."""
    random, squares, divergences = torch.Generator().manual_seed(seed), 0.0, 0.0
    reconstructed = []
    for reals, mean, log_variance, its in encoded(encoder, images, labels, alpha):
        z = mean + (log_variance / 2).exp() * torch.randn(mean.shape, generator=random).to(mean)
        decoded = architecture_of(decoder).sample(decoder, z, its, reals.shape[-1], alpha)
        squares += (reals - decoded).square().sum().item()
        divergences += divergence(mean, log_variance).sum().item()
        reconstructed.append(given_back(decoder, mean, its, reals.shape[-1], alpha))
    rmse = error(images, torch.cat(reconstructed))
    return Fit(rmse, -(squares / (2 * DEVIATION**2) + divergences) / images.size, divergences / len(images))


def error(images: np.ndarray, decoded: Tensor) -> float:
    """The root mean square error in grey levels of images in [-1, 1] beside those in uint8, both [N, C, r, r]."""
    reals = torch.from_numpy(images).float() / SCALE - 1
    return SCALE * math.sqrt((reals - decoded).square().mean(dtype=torch.float64).item())


def principal_components(images: np.ndarray, count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """(mean [D], directions [D, count]) of images [N, C, r, r] (uint8) with the most variance; at most N - 1.

    By subspace iteration from random directions (Halko, Martinsson and Tropp 2011, algorithm 4.4).
    """
    rows = torch.from_numpy(images).flatten(1).float() / SCALE - 1
    mean = rows.mean(dim=0)
    rows -= mean
    count = min(count, len(rows) - 1, rows.shape[1])
    width = min(count + SPARE, rows.shape[1])
    basis = torch.randn(rows.shape[1], width, generator=torch.Generator().manual_seed(seed))
    for _ in range(ROUNDS):
        basis = torch.linalg.qr(rows.T @ (rows @ basis)).Q
    turn = torch.linalg.svd(rows @ basis, full_matrices=False).Vh[:count]
    return mean, basis @ turn.T


def component_error(training: np.ndarray, images: np.ndarray, count: int) -> float:
    """The `error` of images given back by so many principal components of training images; uint8 [N, C, r, r]."""
    mean, directions = principal_components(training[: max(ROOM // images[0].size, 2)], count)
    centred = torch.from_numpy(images).flatten(1).float() / SCALE - 1 - mean
    decoded = (centred @ directions @ directions.T + mean).clamp(-1, 1)
    return error(images, decoded.reshape(images.shape))
