"""What the benchmarks have in common: processes of their own, times, peaks of memory, the machine's own speed."""

import importlib.metadata
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

from stylegrow.common.system import processor_name

T = TypeVar("T")


def apart(function: Callable[..., T], *arguments: Any) -> T:
    """What a function of a module returns when a new process calls it, so that memory and caches are its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def interleaved(measure: Callable[..., T], options: Any, rows: Sequence[str], *case: Any) -> dict[str, list[T]]:
    """What `measure(options, row, *case)` returns for each row, each time in a process of its own.

    The rows are measured `options.repeats` times, forwards and backwards in turn, so that no row has the machine to
    itself while it is cool.
    """
    found: dict[str, list[T]] = {row: [] for row in rows}
    for repeat in range(options.repeats):
        for row in rows[:: -1 if repeat % 2 else 1]:
            found[row].append(apart(measure, options, row, *case))
    return found


def peak_memory(device: str = "cpu") -> float:
    """Bytes that this process has had in use at most: of the GPU's memory there, else of the machine's."""
    if device != "cpu":
        import torch

        return float(torch.cuda.max_memory_allocated())
    if sys.platform == "win32":
        import psutil

        return float(psutil.Process().memory_info().peak_wset)
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(most if sys.platform == "darwin" else 1024 * most)


def seconds_each(
    work: Callable[[], object],
    count: int,
    device: str = "cpu",
    warm_up: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> list[float]:
    """Seconds of each of `count` calls, after some that are not timed; on a GPU, until it has done its work."""
    times = []
    for index in range(warm_up + count):
        settle(device)
        start = clock()
        work()
        settle(device)
        if index >= warm_up:
            times.append(clock() - start)
    return times


def seconds_in_a_row(
    work: Callable[[], object],
    seconds: float,
    device: str = "cpu",
    least: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """Mean seconds of calls that follow each other for about so long, on a GPU without a wait between them."""
    settle(device)
    start, count = clock(), 0
    while count < least or clock() - start < seconds:
        work()
        count += 1
    settle(device)
    return (clock() - start) / count


def settle(device: str) -> None:
    """Wait for a GPU."""
    if device != "cpu":
        import torch

        torch.cuda.synchronize()


def machine_speed(bf16: bool, device: str = "cpu", clock: Callable[[], float] = time.perf_counter) -> float:
    """Floating-point operations a second of a large 3x3 convolution, channels-last, batch 8: the best of several."""
    import torch
    import torch.nn.functional as F

    maps, resolution = 512, 64
    dtype = torch.bfloat16 if bf16 else torch.float32
    layout = {"device": device, "dtype": dtype}
    x = torch.randn(8, maps, resolution, resolution, **layout).contiguous(memory_format=torch.channels_last)  # type: ignore[call-overload]
    weight = torch.randn(maps, maps, 3, 3, **layout).contiguous(memory_format=torch.channels_last)  # type: ignore[call-overload]
    with torch.no_grad():
        times = seconds_each(lambda: F.conv2d(x, weight, padding=1), 5 if device == "cpu" else 50, device, 2, clock)
    return 2 * 9 * 8 * maps**2 * resolution**2 / min(times)


def machine(threads: int, device: str = "cpu") -> str:
    """The machine in a line: processor, threads, how busy it is, and the version of PyTorch."""
    busy = f", load {os.getloadavg()[0]:.1f} at the start" if hasattr(os, "getloadavg") else ""
    return f"{processor_name()}, {threads} threads{busy}, torch {importlib.metadata.version('torch')}, {device}"


def ratio(of: float | None, to: float | None) -> str:
    """`of` / `to` as a table shows it; a dash where there is nothing to compare with."""
    return f"{of / to:.2f}x" if of and to else "-"


def operations_of(work: Callable[[], object]) -> int:
    """Floating-point operations of the convolutions and products that a function computes, derivatives included."""
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils.flop_counter import flop_registry

    class Counter(TorchDispatchMode):
        # FlopCounterMode itself cannot look on at derivatives of derivatives.
        total = 0

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = func(*args, **(kwargs or {}))
            if count := flop_registry.get(func.overloadpacket):
                self.total += count(*args, **(kwargs or {}), out_val=result)
            return result

    with Counter() as counter:
        work()
    return counter.total
