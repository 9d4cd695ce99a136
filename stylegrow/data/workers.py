"""Many tasks over several processes, results in order."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import types
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from stylegrow.common.errors import DataError

SECONDS_BETWEEN_LOOKS = 1.0  # at whether all workers live
_shared: Any = None  # in a worker: what `Workers` was given


class Workers:
    """`count` processes that call functions of (`shared`, *task); one is this process itself.

    They are started by the method spawn at the first task, import nothing but the function's module, leave Ctrl-C to
    this process, and end when it ends, however that happens.
    """

    def __init__(self, count: int, shared: Any) -> None:
        self.count = count
        self._shared = shared
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(count, context, _start, (shared,)) if count > 1 else None

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def map(self, function: Callable[..., Any], tasks: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
        """The results in the order of the tasks. Raises what the function raises, and DataError when a worker dies."""
        if self._pool is None:
            for task in tasks:
                with warnings.catch_warnings():
                    _ignore_warnings()
                    result = function(self._shared, *task)
                yield result
            return
        try:
            # A few tasks ahead of the one that is waited for: all workers stay busy, and results do not pile up.
            waiting: deque[Future[Any]] = deque()
            for task in tasks:
                with _bare_main():
                    waiting.append(self._pool.submit(_run, function, task))
                if len(waiting) >= 3 * self.count:
                    yield self._result(waiting.popleft())
            while waiting:
                yield self._result(waiting.popleft())
        except BrokenProcessPool as error:
            raise DataError("a worker process died (out of memory?): use fewer --workers") from error
        except OSError as error:
            raise DataError(f"worker processes failed ({error}): use fewer --workers") from error

    def _result(self, task: Future[Any]) -> Any:
        """What a task gives. BrokenProcessPool when a worker has died.

        The pool notices that itself, unless one is killed within its result, whose rest it then waits for, for ever:
        any worker could still write it, and this process too.
        """
        while True:
            with contextlib.suppress(TimeoutError):
                return task.result(SECONDS_BETWEEN_LOOKS)
            if task.done():
                return task.result()
            pool: Any = self._pool
            workers = list((pool._processes or {}).values())
            if any(worker.exitcode is not None for worker in workers):
                for worker in workers:
                    worker.kill()
                pool._result_queue._writer.close()


def _start(shared: Any) -> None:
    global _shared
    _shared = shared
    _ignore_warnings()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)


def _ignore_warnings() -> None:
    warnings.simplefilter("ignore")  # Pillow's, about metadata and sizes: files that matter are reported


def _run(function: Callable[..., Any], task: tuple[Any, ...]) -> Any:
    return function(_shared, *task)


@contextlib.contextmanager
def _bare_main() -> Iterator[None]:
    """Processes started inside do not import the running script once more.

    The method spawn would have each of them do so: a training script would cost them the import of torch, and one
    without the `if __name__ == "__main__"` guard would start itself over. Nor do they need BLAS threads or Ctrl-C.
    """
    main, blas = sys.modules["__main__"], os.environ.get("OPENBLAS_NUM_THREADS")
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if hasattr(signal, "pthread_sigmask") else None
    sys.modules["__main__"] = types.ModuleType("__main__")
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    try:
        yield
    finally:
        sys.modules["__main__"] = main
        del os.environ["OPENBLAS_NUM_THREADS"]
        if blas is not None:
            os.environ["OPENBLAS_NUM_THREADS"] = blas
        if mask is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
