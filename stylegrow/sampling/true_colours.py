"""A generator's growth in true colours: the layers to images of its smaller stages, fitted to the images of the whole.

Such a layer was last trained when its stage was the newest, and the maps that it reads have changed since. It is a 1x1
convolution, that is linear, so that the one which comes nearest to the final images, averaged down to the stage's size,
is a least-squares fit (Karras et al. 2018, figure 2, for the layers).
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from progan.config import stages
from progan.layers import Conv2d
from stylegrow.architectures import has_styles
from stylegrow.common.files import write_whole
from stylegrow.models.weights import GROWTH
from stylegrow.sampling import generation
from stylegrow.sampling.generation import Setting

if TYPE_CHECKING:
    from stylegrow.architectures import Generator

IMAGES = 256
Colours = dict[str, Tensor]


def trunk(generator: Generator) -> Any:
    """The network that holds a generator's blocks and layers to images, each by stage."""
    return generator.synthesis if has_styles(generator) else generator


@torch.inference_mode()
def fit(
    generator: Generator,
    setting: Setting,
    first: int = 4,
    images: int = IMAGES,
    examples: Sequence[Sequence[float]] = (),
) -> Colours:
    """Weights [C, maps, 1, 1] and biases [C], as "16x16.weight" and so on, of the stages from `first` to the setting's.

    They are fitted to the images of the seeds from 0, of each example of a label in turn, clamped to [-1, 1]. None of a
    generator that scales its images to energies, since these are not linear in its maps.
    """
    if generator.config.channel_sums:
        return {}
    last = setting.resolution or generator.resolution
    fitted = [r for r in stages(last) if first <= r < last]
    blocks = trunk(generator).blocks
    maps: dict[int, Tensor] = {}

    def hook(r: int) -> Any:
        """What keeps a stage's maps, of a StyleGAN those that the image is made of."""
        return lambda _block, _inputs, output: maps.update({r: output[-1] if has_styles(generator) else output})

    hooks = [blocks[f"{r}x{r}"].register_forward_hook(hook(r)) for r in fitted]
    sums: dict[int, tuple[Tensor, Tensor]] = {}
    labels = torch.tensor([examples[seed % len(examples)] for seed in range(images)]) if examples else None
    try:
        for final in generation.images(generator, range(images), setting, labels):
            for r in fitted:
                x = maps[r].double().cpu().permute(0, 2, 3, 1).flatten(0, 2)
                x = torch.cat([x, x.new_ones(len(x), 1)], dim=1)
                y = F.adaptive_avg_pool2d(final.double().clamp(-1, 1), r).permute(0, 2, 3, 1).flatten(0, 2)
                products = (x.T @ x, x.T @ y)
                sums[r] = tuple(map(torch.add, sums[r], products)) if r in sums else products  # type: ignore[assignment]
    finally:
        for one in hooks:
            one.remove()
    colours: Colours = {}
    for r, (xx, xy) in sums.items():
        solution = torch.linalg.pinv(xx, hermitian=True) @ xy  # maps may depend on each other
        colours[f"{r}x{r}.weight"] = solution[:-1].T[..., None, None].float().contiguous()
        colours[f"{r}x{r}.bias"] = solution[-1].float().contiguous()
    return colours


def with_colours(generator: Generator, colours: Colours) -> Generator:
    """The generator with other layers to images at these stages; it shares all else with the one given."""

    def sharing(module: nn.Module, name: str, part: nn.Module) -> Any:
        copied = copy(module)
        copied._modules = module._modules | {name: part}
        return copied

    inner = trunk(generator)
    layers = nn.ModuleDict(dict(inner.to_image.items()))
    for stage in {name.partition(".")[0] for name in colours}:
        weight, bias = colours[f"{stage}.weight"], colours[f"{stage}.bias"]
        layer = Conv2d(weight.shape[1], weight.shape[0], 1, gain=1.0, equalized=False).eval()
        layer.load_state_dict({"weight": weight, "bias": bias})
        layers[stage] = layer.to(next(generator.parameters()).device)
    coloured = sharing(inner, "to_image", layers)
    return coloured if inner is generator else sharing(generator, "synthesis", coloured)


def read(folder: Path, weights: str) -> Colours | None:
    """The colours beside a model whose weights have this digest; None where there are none, or those of others."""
    from safetensors import SafetensorError, safe_open

    path = folder / GROWTH
    if not path.is_file():
        return None
    try:
        with safe_open(path, "pt") as file:
            if (file.metadata() or {}).get("weights") != weights:
                return None
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError):
        return None


def write(folder: Path, colours: Colours, weights: str) -> Path:
    """Put the colours beside the model whose weights have this digest. OSError when that fails."""
    from safetensors.torch import save

    path = folder / GROWTH
    write_whole(path, save(colours, metadata={"format": "pt", "weights": weights}))
    return path
