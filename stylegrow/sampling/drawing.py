"""From seeds to images: the latent and the noise of a seed, and images in batches that memory can hold.

All that is random is drawn on the processor for one seed at a time, so that neither the batch nor the device changes
what a seed looks like.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from stylegan.config import layer_sizes
from stylegrow.architectures import has_styles

if TYPE_CHECKING:
    import stylegan
    from stylegrow.architectures import Generator

NoiseMode = Literal["const", "random", "none"]
LARGEST_BATCH, PIXELS_ON_CPU, PIXELS_ON_GPU = 32, 1 << 20, 4 << 20


@dataclass(frozen=True)
class Look:
    """What decides on an image beside its seed and labels. ProGAN has neither truncation nor noise.

    `psi` and `cutoff` are truncation's; `noise` is "const" (the network's own maps), "random" (drawn from `noise_seed`
    and the image's seed) or "none"; `resolution` (None: the network's own) and `alpha` are the stage.
    """

    psi: float = 1.0
    cutoff: int | None = None
    noise: NoiseMode = "const"
    noise_seed: int = 0
    resolution: int | None = None
    alpha: float = 1.0


def latents(seeds: Sequence[int], z_dim: int) -> Tensor:
    """The latents [N, z_dim] of seeds from 0 to 2^32 - 1, which is all that torch's generator tells apart."""
    return torch.stack([torch.randn(z_dim, generator=torch.Generator("cpu").manual_seed(seed)) for seed in seeds])


def noise_maps(generator: stylegan.Generator, seeds: Sequence[int], look: Look) -> list[Tensor]:
    """ "random" noise: a map [N, 1, h, w] for each layer of the stage, on the CPU."""
    sizes = layer_sizes(look.resolution or generator.resolution)
    return [
        torch.stack(
            [torch.randn(1, size, size, generator=_noise_generator(look.noise_seed, seed, layer)) for seed in seeds]
        )
        for layer, size in enumerate(sizes)
    ]


def _noise_generator(noise_seed: int, seed: int, layer: int) -> torch.Generator:
    digest = hashlib.blake2b(f"noise {noise_seed} {seed} {layer}".encode(), digest_size=4).digest()
    return torch.Generator("cpu").manual_seed(int.from_bytes(digest, "little"))


@torch.inference_mode()
def rows(generator: stylegan.Generator, z: Tensor, labels: Tensor | None = None) -> Tensor:
    """A StyleGAN's styles [N, num_layers, w_dim], not truncated, of latents [N, z_dim] and labels; on its device."""
    device = generator.w_avg.device
    w = generator.mapping(z.to(device), None if labels is None else labels.to(device))
    return generator.truncate(w)


@torch.inference_mode()
def draw(
    generator: Generator, inputs: Tensor, look: Look, seeds: Sequence[int], labels: Tensor | None = None
) -> Tensor:
    """Images [N, C, r, r] as one batch, float32, on the CPU.

    `inputs` are a StyleGAN's rows [N, num_layers, w_dim], which are truncated here, or a ProGAN's latents [N, z_dim],
    to which the labels [N, label_dim] belong; the seeds are those of the noise. Not TF32, which would let the batch
    change the images.
    """
    device = next(generator.parameters()).device
    inputs = inputs.to(device)
    with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
        if has_styles(generator):
            noise: str | list[Tensor] = look.noise
            if look.noise == "random":
                noise = [one.to(device) for one in noise_maps(generator, seeds, look)]
            ws = generator.truncate(inputs, look.psi, look.cutoff)
            return generator.synthesis(ws, look.resolution, look.alpha, noise).float().cpu()
        labels = None if labels is None else labels.to(device)
        return generator(inputs, labels, resolution=look.resolution, alpha=look.alpha).float().cpu()


def images(
    generator: Generator, seeds: Sequence[int], look: Look | None = None, labels: Tensor | None = None, batch: int = 0
) -> Iterator[Tensor]:
    """The images of the seeds, with labels [N, label_dim] where the network takes them, batch after batch.

    Each is [n, C, r, r], float32, on the CPU; `batch` is by default what the device can hold.
    """
    look = look or Look()
    for part in parts(len(seeds), batch or largest_batch(generator, look)):
        own = None if labels is None else labels[part]
        z = latents(seeds[part], generator.z_dim)
        inputs = rows(generator, z, own) if has_styles(generator) else z
        yield draw(generator, inputs, look, seeds[part], own)


def parts(count: int, size: int) -> Iterator[slice]:
    """Slices of at most `size` that cover `count`."""
    return (slice(start, min(start + size, count)) for start in range(0, count, size))


def largest_batch(generator: Generator, look: Look) -> int:
    """How many images of this stage to draw at once: 1 of 1024 px on a CPU, about 1.5 GB of them on a GPU."""
    stage = look.resolution or generator.resolution
    pixels = PIXELS_ON_CPU if next(generator.parameters()).device.type == "cpu" else PIXELS_ON_GPU
    return max(1, min(pixels // stage**2, LARGEST_BATCH))
