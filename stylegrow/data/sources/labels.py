"""Labels of image files: an official dataset.json, or the folders they lie in."""

import json
from collections.abc import Mapping, Sequence

import numpy as np

from stylegrow.common.errors import DataError
from stylegrow.common.text import printable

MAX_LABEL = 65_535

# For each attribute: the names of its classes, and the index of each image's class [n] or a float vector [n, classes].
Labels = dict[str, tuple[tuple[str, ...], np.ndarray]]
Table = Mapping[str, int | tuple[float, ...]]  # a class or a vector for each file name


def read_table(content: bytes, place: str, prefix: str = "") -> Table | None:
    """The labels of a dataset.json, its file names below `prefix`; {} where it holds none, None for another JSON file.

    Raises DataError, which names `place`, for a damaged one.
    """
    try:
        table = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place} is not valid JSON ({error}): repair or remove it") from error
    if not isinstance(table, dict) or "labels" not in table:
        return None
    labels: dict[str, int | tuple[float, ...]] = {}
    for entry in table["labels"] or ():
        match entry:
            case [str(name), int(label)] if not isinstance(label, bool) and 0 <= label <= MAX_LABEL:
                labels[prefix + name.replace("\\", "/")] = label
            case [str(name), [*values]] if values and all(isinstance(v, int | float) for v in values):
                labels[prefix + name.replace("\\", "/")] = tuple(map(float, values))
            case _:
                shown = printable(json.dumps(entry))[:60]
                reason = "is not [file, class number] or [file, [numbers]]: repair it"
                raise DataError(f"{place}: the label {shown} {reason}")
    return labels


def labels_of_table(table: Table, names: Sequence[str]) -> Labels:
    """The table's labels where it has one of the same kind for every image, else none."""
    values = [table.get(name) for name in names]
    if all(isinstance(value, int) for value in values):
        classes = np.array(values, np.int64)
        return {"class": (tuple(map(str, range(int(classes.max()) + 1))), classes)}
    widths = {len(value) if isinstance(value, tuple) else None for value in values}
    if len(widths) != 1 or None in widths:
        return {}
    vectors = np.array(values, np.float32)
    return {"class": (tuple(map(str, range(vectors.shape[1]))), vectors)}


def labels_of_folders(names: Sequence[str]) -> Labels:
    """The outermost folders that tell images apart, where every image is in one of at least two."""
    parts = [name.split("/")[:-1] for name in names]
    shared = 0
    while all(len(folders) > shared and folders[shared] == parts[0][shared] for folders in parts):
        shared += 1
    outer = [folders[shared] if len(folders) > shared else None for folders in parts]
    if None in outer:
        return {}
    classes, indices = np.unique(np.array(outer, dtype=object), return_inverse=True)
    return {"class": (tuple(classes), indices.reshape(-1).astype(np.int64))}
