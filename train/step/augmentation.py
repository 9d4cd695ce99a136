"""Augmentation of all that the critic sees, reals and fakes alike, so that it cannot learn a small set by heart.

The transforms are those of DiffAugment (Zhao et al. 2020, https://arxiv.org/abs/2006.10738). Each is applied to an
image with probability p, independently of the others and of other images, and p is fixed or adjusted as in ADA (Karras
et al. 2020, https://arxiv.org/abs/2006.06676). All are differentiable any number of times, and look at no value.
"""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from train.step.config import AUGMENTATIONS, StepConfig

# Of ADA, Karras 2020, section 3:
TARGET = 0.6  # of the mean sign of the critic's scores of reals
IMAGES_TO_1 = 500_000  # in which p goes from 0 to 1
STEPS_BETWEEN = 4  # of the critic, from one adjustment of p to the next
NUMBERS = 4  # uniform numbers of a transform and image: whether it is applied, and at most three for how


class Augmentation(nn.Module):
    """Transforms of images, and the probability p [] of each. With ADA it is state, that of a run's checkpoints.

    `processes` share the batches that `adjust` hears of.
    """

    def __init__(self, config: StepConfig, device: torch.device, processes: int = 1) -> None:
        super().__init__()
        self.names, self.processes = transform_names(config.augment), processes
        self.enabled, self.adaptive = bool(self.names), bool(self.names) and config.augment_p == "ada"
        self.p: Tensor
        self.signs: Tensor
        self.steps: Tensor
        start = {"p": 0.0 if config.augment_p == "ada" else float(config.augment_p), "signs": 0.0, "steps": 0.0}
        for name, value in start.items():
            self.register_buffer(name, torch.tensor(value, device=device), persistent=self.adaptive)

    def forward(self, images: Tensor, uniforms: Tensor | None) -> Tensor:
        """Images [N, C, r, r] augmented by numbers in [0, 1), [N, transforms, NUMBERS]; without numbers as they are."""
        if uniforms is None:
            return images
        for place, (name, transform) in enumerate(TRANSFORMS.items()):
            if name in self.names:
                chance, *numbers = uniforms[:, place, :, None, None, None].unbind(1)
                images = torch.where(chance < self.p, transform(images, *numbers), images)
        return images

    @torch.no_grad()
    def adjust(self, sign: Tensor, images: int) -> None:
        """Move p, every few calls, by the mean sign [] of the critic's scores of a batch of reals (equation 1).

        It is r_t, of 1 where the critic knows every real. `images` is a process's share of the batch.
        """
        self.signs += sign
        self.steps += 1
        due = self.steps == STEPS_BETWEEN
        amount = due * (STEPS_BETWEEN * images * self.processes / IMAGES_TO_1)
        # Rounded, so that how a mean was summed up does not decide where it is the target.
        self.p += amount * (self.signs / STEPS_BETWEEN - TARGET).round(decimals=4).sign()
        self.p.clamp_(0, 1)
        self.signs *= ~due
        self.steps *= ~due


def transform_names(text: str) -> list[str]:
    """The transforms that --augment asks for; none for "no"."""
    return [] if text == "no" else text.split(",")


def color(images: Tensor, brightness: Tensor, saturation: Tensor, contrast: Tensor) -> Tensor:
    """Brightness + [-0.5, 0.5), then saturation x [0, 2), then contrast x [0.5, 1.5), by numbers [N, 1, 1, 1]."""
    images = images + (brightness - 0.5)
    grey = images.mean(dim=1, keepdim=True)
    images = grey + (images - grey) * (2 * saturation)
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return mean + (images - mean) * (contrast + 0.5)


def translation(images: Tensor, down: Tensor, right: Tensor, unused: Tensor) -> Tensor:
    """A shift by whole pixels, up to an eighth of the image in each direction; what comes in is 0, the middle grey."""
    most = (images.shape[-1] + 4) // 8
    return cast(Tensor, Shift.apply(images, *(whole(number, 2 * most + 1) - most for number in (down, right))))


class Shift(torch.autograd.Function):
    """Images [N, C, r, r] moved by whole numbers of pixels [N, 1, 1, 1] each; the gradient is moved back.

    So it is only read from, where PyTorch's own would add into memory in an order that no GPU repeats.
    """

    @staticmethod
    def forward(ctx: Any, images: Tensor, down: Tensor, right: Tensor) -> Tensor:
        ctx.save_for_backward(down, right)
        n, channels, size, _ = images.shape
        places = torch.arange(size, device=images.device)
        rows, columns = places.reshape(1, 1, -1, 1) - down, places.reshape(1, 1, 1, -1) - right
        outside = (rows < 0) | (rows >= size) | (columns < 0) | (columns >= size)
        origin = (rows % size * size + columns % size).reshape(n, -1, 1).expand(-1, -1, channels)
        moved = images.permute(0, 2, 3, 1).flatten(1, 2).gather(1, origin)
        return torch.where(outside, 0.0, moved.unflatten(1, (size, size)).permute(0, 3, 1, 2))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (gradient,), (down, right) = gradients, ctx.saved_tensors
        return cast(Tensor, Shift.apply(gradient, -down, -right)), None, None


def cutout(images: Tensor, down: Tensor, right: Tensor, unused: Tensor) -> Tensor:
    """0, the middle grey, in a square of half the image's side with its centre anywhere in the image."""
    size = images.shape[-1]
    places = torch.arange(size, device=images.device)
    rows = places.reshape(1, 1, -1, 1) - whole(down, size + 1) + size // 4
    columns = places.reshape(1, 1, 1, -1) - whole(right, size + 1) + size // 4
    half = size // 2
    return torch.where((rows >= 0) & (rows < half) & (columns >= 0) & (columns < half), 0.0, images)


def whole(uniform: Tensor, count: int) -> Tensor:
    """Numbers in [0, 1) as whole ones below `count`, each as likely as the others."""
    return (uniform * count).floor().long()


Transform = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
TRANSFORMS: dict[str, Transform] = dict(zip(AUGMENTATIONS, (color, translation, cutout), strict=True))
