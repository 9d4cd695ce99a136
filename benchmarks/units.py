"""Studies of many trainings: each a unit in a process of its own, and kept when it ends, so that a study can go on."""

from __future__ import annotations

import json
import multiprocessing
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any, NamedTuple

import torch
from tqdm import tqdm

from stylegrow.common.files import write_whole


class Unit(NamedTuple):
    """What a function of a module computes from arguments: a dictionary that JSON can hold."""

    kind: str
    function: Callable[..., dict[str, Any]]
    arguments: tuple[Any, ...]

    @property
    def file(self) -> str:
        """The name that its result is kept under, which kind and arguments make."""
        return "-".join([self.kind, *(str(part).replace(" ", "") for part in self.arguments)]) + ".json"


Results = Mapping[Unit, dict[str, Any]]


def run_units(units: Sequence[Unit], folder: Path, workers: int) -> Results:
    """Results of all units in their order; those that the folder holds already are not computed again.

    So many run at once, each on one thread. What ended before an exception or an interrupt is kept. However this
    process ends, the others end with it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    results = {}
    for unit in units:
        if (path := folder / unit.file).is_file():
            results[unit] = json.loads(path.read_bytes())
    os.environ["OMP_NUM_THREADS"] = "1"  # of the processes to come
    with (
        tqdm(total=len(units), initial=len(results), unit="training", dynamic_ncols=True) as bar,
        ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), end_with_parent) as pool,
    ):
        left = [unit for unit in units if unit not in results]
        waiting = {pool.submit(compute, unit, folder): unit for unit in left}
        try:
            for done in as_completed(waiting):
                results[waiting[done]] = done.result()
                bar.update()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return {unit: results[unit] for unit in units}


def end_with_parent() -> None:
    """End this process, a worker, as soon as its parent is gone, which it else would wait for."""

    def watch() -> None:
        if (parent := multiprocessing.parent_process()) is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def compute(unit: Unit, folder: Path) -> dict[str, Any]:
    """Compute one unit in this process and keep its result."""
    torch.set_num_threads(1)
    result = unit.function(*unit.arguments)
    write_whole(folder / unit.file, json.dumps(result).encode())
    return result
