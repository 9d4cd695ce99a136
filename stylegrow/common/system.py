"""Memory of large arrays."""

import contextlib
import ctypes
import os
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # glibc's numbers, in malloc.h
NEVER_TRIM, LARGEST_KEPT = 2**31 - 1, 2**30  # bytes


def keep_freed_memory() -> None:
    """Have the C library keep the memory of arrays up to a gigabyte for the next ones, where it can be told to.

    It would give everything above 32 MB back to the system and fetch it anew, page by page: with large pictures that
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
