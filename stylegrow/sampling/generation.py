"""From seeds to images: the latent and the noise of a seed, and images in batches that memory can hold.

All random numbers are drawn on the CPU for one seed at a time, so that neither the batch nor the device changes the
image of a seed.
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
from stylegrow.common.arithmetic import exact_float32

if TYPE_CHECKING:
    import stylegan
    from stylegrow.architectures import Generator

NoiseMode = Literal["const", "random", "none"]
LARGEST_BATCH, PIXELS_ON_CPU, PIXELS_ON_GPU = 32, 1 << 20, 4 << 20


@dataclass(frozen=True)
class Setting:
    """What an image depends on beside its model and seed.

    `psi` and `cutoff` (truncation) and `noise` are for generators with styles: "const" (the network's own maps),
    "random" (drawn from `noise_seed` and the image's seed) or "none". `resolution` (None: the network's own) and
    `alpha` are the stage. `label` is the number of a class or a whole label [label_dim], `z_limit` the truncation of a
    generator without styles (see `truncated_normal`).
    """

    psi: float = 1.0
    cutoff: int | None = None
    noise: NoiseMode = "const"
    noise_seed: int = 0
    resolution: int | None = None
    alpha: float = 1.0
    label: int | tuple[float, ...] | None = None
    z_limit: float | None = None


def latents(seeds: Sequence[int], z_dim: int) -> Tensor:
    """The latents [N, z_dim] of seeds from 0 to 2^32 - 1, which is all that torch's generator distinguishes."""
    return torch.stack([torch.randn(z_dim, generator=torch.Generator("cpu").manual_seed(seed)) for seed in seeds])


def truncated_normal(z: Tensor, limit: float) -> Tensor:
    """Normal values [N, z_dim] as those of a normal distribution cut off at -limit and limit, in the same order.

    The truncation trick of a network without w (Brock et al. 2019, section 3.1), which draws values again until they
    are within the limit; here each goes to its own quantile, so that images change little by little with the limit.
    """
    edge = torch.special.ndtr(torch.tensor(-limit, dtype=torch.float64))
    quantiles = torch.special.ndtri(edge + (1 - 2 * edge) * torch.special.ndtr(z.double()))
    return quantiles.clamp(-limit, limit).to(z.dtype)  # against rounding, far out


def noise_maps(generator: stylegan.Generator, seeds: Sequence[int], setting: Setting) -> list[Tensor]:
    """ "random" noise: a map [N, 1, h, w] for each layer of the stage, on the generator's device."""
    sizes = layer_sizes(setting.resolution or generator.resolution)
    return [
        torch.stack(
            [torch.randn(1, size, size, generator=_noise_source(setting.noise_seed, seed, layer)) for seed in seeds]
        ).to(generator.w_avg.device)
        for layer, size in enumerate(sizes)
    ]


def _noise_source(noise_seed: int, seed: int, layer: int) -> torch.Generator:
    digest = hashlib.blake2b(f"noise {noise_seed} {seed} {layer}".encode(), digest_size=4).digest()
    return torch.Generator("cpu").manual_seed(int.from_bytes(digest, "little"))


def labels_of(generator: Generator, setting: Setting, count: int) -> Tensor | None:
    """The setting's label, as often as asked for [count, label_dim]; None for none."""
    return None if setting.label is None else label_values(generator, setting.label).expand(count, -1)


def label_values(generator: Generator, label: int | tuple[float, ...]) -> Tensor:
    """A label [label_dim], of which a class is one-hot."""
    return torch.eye(generator.label_dim)[label] if isinstance(label, int) else torch.tensor(label)


@torch.inference_mode()
def network_inputs(generator: Generator, z: Tensor, setting: Setting, labels: Tensor | None = None) -> Tensor:
    """What `generate` takes for latents [N, z_dim]: ws [N, num_layers, w_dim], not truncated; without styles z itself.

    `labels` [N, label_dim] go before the setting's. ws are on the generator's device.
    """
    if not has_styles(generator):
        return z if setting.z_limit is None else truncated_normal(z, setting.z_limit)
    device = generator.w_avg.device
    labels = labels_of(generator, setting, len(z)) if labels is None else labels
    with exact_float32(device):
        return generator.truncate(generator.mapping(z.to(device), None if labels is None else labels.to(device)))


@torch.inference_mode()
def generate(
    generator: Generator, inputs: Tensor, setting: Setting, seeds: Sequence[int], labels: Tensor | None = None
) -> Tensor:
    """Images [N, C, r, r] of `network_inputs` as one batch, float32, on the CPU.

    ws are truncated here. The seeds are those of the noise; labels [N, label_dim] go before the setting's.
    """
    device = next(generator.parameters()).device
    inputs, stage = inputs.to(device), {"resolution": setting.resolution, "alpha": setting.alpha}
    with exact_float32(device):
        if has_styles(generator):
            noise = noise_maps(generator, seeds, setting) if setting.noise == "random" else setting.noise
            ws = generator.truncate(inputs, setting.psi, setting.cutoff)
            return generator.synthesis(ws, noise=noise, **stage).float().cpu()
        labels = labels_of(generator, setting, len(inputs)) if labels is None else labels
        return generator(inputs, None if labels is None else labels.to(device), **stage).float().cpu()


def images(
    generator: Generator,
    seeds: Sequence[int],
    setting: Setting | None = None,
    labels: Tensor | None = None,
    batch: int = 0,
) -> Iterator[Tensor]:
    """The images of the seeds, with labels [N, label_dim] where the network takes them, batch after batch.

    Each is [n, C, r, r], float32, on the CPU; `batch` is by default what the device can hold.
    """
    setting = setting or Setting()
    for part in parts(len(seeds), batch or largest_batch(generator, setting)):
        some_labels = None if labels is None else labels[part]
        inputs = network_inputs(generator, latents(seeds[part], generator.z_dim), setting, some_labels)
        yield generate(generator, inputs, setting, seeds[part], some_labels)


def parts(count: int, size: int) -> Iterator[slice]:
    """Slices of at most `size` that cover `count`."""
    return (slice(start, min(start + size, count)) for start in range(0, count, size))


def largest_batch(generator: Generator, setting: Setting) -> int:
    """How many images of this stage to generate at once: 1 of 1024 px on a CPU, about 1.5 GB of them on a GPU."""
    stage = setting.resolution or generator.resolution
    pixels = PIXELS_ON_CPU if next(generator.parameters()).device.type == "cpu" else PIXELS_ON_GPU
    return max(1, min(pixels // stage**2, LARGEST_BATCH))
