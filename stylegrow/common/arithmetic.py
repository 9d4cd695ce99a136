"""How a GPU computes: float32 as such or in TF32, the same bits each time or as fast as it can."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from threading import RLock

import torch
from torch.backends import cuda, cudnn

_flags = RLock()


@contextmanager
def exact_float32(device: torch.device) -> Iterator[None]:
    """Within, a GPU multiplies float32 as such, and not in TF32, which would let the batch change the images.

    Threads take turns on a GPU, whose flags they share.
    """
    with nullcontext() if device.type == "cpu" else _flags:
        before = cuda.matmul.allow_tf32
        with cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
            cuda.matmul.allow_tf32 = False
            try:
                yield
            finally:
                cuda.matmul.allow_tf32 = before


def set_arithmetic(device: torch.device, tf32: bool, deterministic: bool) -> None:
    """How this process computes on a CUDA device from now on, but for what is exact_float32; before it first does.

    `deterministic`: the same bits each time, and a warning that names what cannot be so. Otherwise cuDNN tries which of
    its algorithms is fastest. Other devices are left as they are.
    """
    if device.type != "cuda":
        return
    cuda.matmul.allow_tf32 = cudnn.allow_tf32 = tf32
    cudnn.benchmark, cudnn.deterministic = not deterministic, False  # the latter is asked for below, of all libraries
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.use_deterministic_algorithms(deterministic, warn_only=True)
