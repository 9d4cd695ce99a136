"""Functions of tensors as CUDA graphs, which the GPU replays without the processor's help."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map_only

from train.distributed.processes import SingleProcess

T = TypeVar("T")
EAGER_CALLS = 3  # before a capture: they make Adam's state and let cuDNN choose its algorithms


class Graphs:
    """Calls functions of tensors: on a GPU a few times eagerly, then by replaying what was captured of them.

    A captured function reads and writes the same memory in each call. So inputs are copied to where they were the first
    time (`place`), results are overwritten by the next call, and a function must look at no value. After `release`
    everything begins anew, for inputs of other shapes. Elsewhere than on a GPU, and where a capture fails in any
    process, functions are simply called.
    """

    def __init__(self, processes: SingleProcess, enabled: bool) -> None:
        self.processes = processes
        self.say: Callable[[str], None] = print  # what a capture that failed is reported with
        self.enabled = enabled and processes.device.type == "cuda"
        self.stream: Any = torch.cuda.Stream(processes.device) if self.enabled else None
        self.release()

    def release(self) -> None:
        """Forget all captured functions and give their memory back."""
        self._static: dict[type, Any] = {}
        self._calls: Counter[Callable[..., Any]] = Counter()
        self._captured: dict[Callable[..., Any], tuple[torch.cuda.CUDAGraph, Any]] = {}
        self._pool = None
        if self.enabled:
            self._pool = torch.cuda.graph_pool_handle()
            torch.cuda.empty_cache()

    def place(self, inputs: T) -> T:
        """The inputs, a named tuple, on the device; in the same tensors each time where functions are captured."""
        device = self.processes.device
        if not self.enabled:
            return tree_map_only(Tensor, lambda tensor: tensor.to(device, non_blocking=True), inputs)
        if type(inputs) not in self._static:
            self._static[type(inputs)] = tree_map_only(Tensor, lambda one: torch.empty_like(one, device=device), inputs)
        static: T = self._static[type(inputs)]
        copy_into(static, inputs)
        return static

    def call(self, function: Callable[..., T], *inputs: Any) -> T:
        """The function's result on inputs that lie where those of the last call did."""
        if not self.enabled:
            return function(*inputs)
        if function in self._captured:
            graph, result = self._captured[function]
            graph.replay()
            return result
        self._calls[function] += 1
        if self._calls[function] > EAGER_CALLS and self._capture(function, *inputs):
            return self.call(function, *inputs)
        current = torch.cuda.current_stream()
        self.stream.wait_stream(current)
        with torch.cuda.stream(self.stream):
            result = function(*inputs)
        current.wait_stream(self.stream)
        return result

    def _capture(self, function: Callable[..., Any], *inputs: Any) -> bool:
        """Capture the function, which does not run it; whether all processes did. Otherwise none captures any more."""
        graph, failure, current = torch.cuda.CUDAGraph(), None, torch.cuda.current_stream()
        try:
            # Errors of this thread alone: the loader's pins memory meanwhile.
            with torch.cuda.graph(graph, self._pool, self.stream, capture_error_mode="thread_local"):
                result = function(*inputs)
        except RuntimeError as error:
            failure = str(error).partition("\n")[0]
            torch.cuda.set_stream(current)  # which the failed capture leaves at its own
        captured = torch.tensor([float(failure is None)], device=self.processes.device)
        self.processes.all_reduce_mean([captured])
        if float(captured) == 1.0:
            self._captured[function] = graph, result
            return True
        self.say(f"note: training goes on without CUDA graphs, {failure or 'which another process could not capture'}")
        self.release()
        self.enabled = False
        return False


def copy_into(static: Any, inputs: Any) -> None:
    """Copy a tree of tensors into another one of the same form; those that are on its device already all at once."""
    pairs = [pair for pair in zip(tree_leaves(static), tree_leaves(inputs), strict=True) if isinstance(pair[0], Tensor)]
    near = [(one, other) for one, other in pairs if one.device == other.device]
    if near:
        torch._foreach_copy_([one for one, _ in near], [other for _, other in near])
    for one, other in pairs:
        if one.device != other.device:
            one.copy_(other, non_blocking=True)
