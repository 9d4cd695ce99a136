"""The data that a model was trained on, where its run is at hand or its facts name data that is embedded."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stylegrow.common.errors import DataError
from stylegrow.common.held_out import public_name
from stylegrow.common.text import printable
from stylegrow.data import Dataset, open_dataset
from stylegrow.data.dataset import is_prepared
from stylegrow.data.sources import EMBEDDED, TOONHEAD


def open_training_data(
    model: Path, training: Mapping[str, Any], resolution: int, cache: str | os.PathLike[str] | None, workers: int | None
) -> Dataset:
    """The data set of the model in this folder with these facts of its training, at a resolution.

    DataError, which asks for --data, where the facts name none, or one that is not at hand.
    """
    data = data_of_run(model, training)
    if data and is_prepared(data["prepared"]):
        return open_dataset(data["prepared"], resolution=resolution)
    for embedded in EMBEDDED:
        if held_out_of(embedded, training) is not None:
            return open_dataset(embedded, resolution=resolution, cache=cache, workers=workers)
    if data:
        raise DataError(
            f"{printable(model)}: the images prepared for its run are not in {printable(data['prepared'])} any more: "
            f"give --data {printable(data['source'])}, or where they are now"
        )
    name = training.get("data")
    known = (
        f"was trained on {printable(name)}, and its run is not at hand" if name else "does not tell its training data"
    )
    raise DataError(f"{printable(model)}: {known}: give the images with --data ({TOONHEAD}: the embedded faces)")


def faces_of(training: Mapping[str, Any]) -> list[int] | None:
    """The numbers of the embedded faces that were held out; None for other data, also in a folder of this name."""
    return held_out_of(TOONHEAD, training)


def held_out_of(embedded: str, training: Mapping[str, Any]) -> list[int] | None:
    """The numbers of one of EMBEDDED's images that were held out; None for other data."""
    held_out = training.get("held_out", [])
    if not str(training.get("data", "")).startswith(f"{embedded}, ") or not isinstance(held_out, list):
        return None
    found = [re.fullmatch(rf"{embedded}-(\d{{5,9}})", name) if isinstance(name, str) else None for name in held_out]
    numbers = [int(face[1]) for face in found if face]
    return numbers if len(numbers) == len(held_out) else None


def data_of_run(model: Path, training: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the run in whose folder a model lies (model/, best/, models/000100/) recorded of its data, if it is its run.

    At least "source" and "prepared", where the images came from and lie prepared.
    """
    for folder in list(model.resolve().parents)[:2]:
        try:
            data = json.loads((folder / "options.json").read_bytes())["data"]
            if [public_name(name) for name in data["held_out"]] == training.get("held_out", []):
                return {**data, "source": str(data.get("source")), "prepared": str(data["prepared"])}
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            continue
    return None
