"""The machine: its processors and its memory."""

import contextlib
import ctypes
import os
import platform
import subprocess
import sys
from pathlib import Path

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # glibc's numbers, in malloc.h
NEVER_TRIM, LARGEST_KEPT = 2**31 - 1, 2**30  # bytes


def keep_freed_memory() -> None:
    """Have the C library keep the memory of arrays up to a gigabyte for the next ones.

    It would give everything above 32 MB back to the system and fetch it anew, page by page: with large images that
    takes longer than what is computed in it. For the start of a program that makes such arrays over and over.
    """
    if sys.platform == "linux":
        with contextlib.suppress(AttributeError, OSError):  # other C libraries have no mallopt
            libc = ctypes.CDLL(None)
            libc.mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT)
            libc.mallopt(M_TRIM_THRESHOLD, NEVER_TRIM)


def available_cpus() -> int:
    """The CPUs this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor_name() -> str:
    """The processor's model name, or what is known of it."""
    try:
        if sys.platform == "darwin":
            words = ["sysctl", "-n", "machdep.cpu.brand_string"]
            return subprocess.run(words, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return next(line for line in lines if line.startswith("model name")).partition(":")[2].strip()
    except (OSError, subprocess.SubprocessError, StopIteration):
        return platform.processor() or platform.machine() or "unknown processor"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, a GPU's or the computer's, which torch says as a RuntimeError."""
    kinds: tuple[type[BaseException], ...] = (MemoryError,)
    if torch := sys.modules.get("torch"):  # where it is not loaded, it has raised nothing
        kinds += (torch.OutOfMemoryError,)
    return isinstance(error, kinds) or "can't allocate memory" in str(error)
