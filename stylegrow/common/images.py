"""Images as generators give them, in -1 to 1, and as files show them, in 0 to 255."""

from typing import Any

import numpy as np


def colours(images: np.ndarray) -> np.ndarray:
    """Images [..., C] as files can hold them: two channels get a third, which is empty."""
    if images.shape[-1] != 2:
        return images
    return np.concatenate([images, np.zeros_like(images[..., :1])], axis=-1)


def to_uint8(images: Any) -> np.ndarray:
    """Images [N, C, H, W], a float tensor on any device or an array, as uint8 [N, H, W, C], two channels as `colours`.

    The nominal range [-1, 1] becomes 0 to 255 as in the official programs: x * 127.5 + 128, saturated and truncated.
    What is not a number becomes 0.
    """
    if hasattr(images, "detach"):
        images = images.detach().float().cpu().numpy()
    scaled = np.nan_to_num(np.asarray(images, dtype=np.float32) * np.float32(127.5) + np.float32(128))
    return np.ascontiguousarray(colours(np.clip(scaled, 0, 255).astype(np.uint8).transpose(0, 2, 3, 1)))
