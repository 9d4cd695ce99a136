"""Labels of image files: an official dataset.json, or the folders they lie in."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from stylegrow.common.schema import load_json
from stylegrow.common.text import counted, printable

MAX_LABEL = 65_535
# The names of folders that a data set is cut into, which say nothing of what is in an image.
PART = re.compile(
    r"(train(ing)?|val(id(ation)?)?|test(ing)?|dev|eval(uation)?|hold-?out|extra|"
    r"ima?ges?|imgs?|photos?|pictures?|pics?|data|part|fold|split|batch|subset)[-_ ]?(\d+|set|[ab])?",
    re.IGNORECASE,
)
LARGEST_TABLE = 1 << 28  # bytes of a dataset.json; those of a million images have less than half of it
LARGEST_VALUE = 1e30  # of a vector's component, so that its deviation is a number too
SEPARATORS = ",:"  # between components where people write vectors
ENDING = re.compile(r"\.[A-Za-z][A-Za-z0-9]{1,4}$")  # ".png", but not the ".0001" of a number

# For each attribute: the names of its classes and the index of each image's class [n], or the names of a vector's
# components and each image's float vector [n, components].
Labels = dict[str, tuple[tuple[str, ...], np.ndarray]]
Label = int | tuple[float, ...]  # a class or a vector


@dataclass(frozen=True)
class Table:
    """The labels of a dataset.json: a class or a vector for each file name. It cannot be used if it has a `problem`."""

    place: str
    labels: Mapping[str, Label] = field(default_factory=dict)
    names: Sequence[str] = ()
    """of the classes, by their numbers, or of the vectors' components; may be empty"""
    folder: str = ""
    """what the names are below, with a slash at its end"""
    problem: str | None = None
    is_other: bool = False
    """a JSON file of something else: then the folders are the classes"""

    def labels_of(self, names: Sequence[str]) -> tuple[Labels, list[str]]:
        """(labels of the images `names`, where each has one of the same kind, else none; what to say about them)."""
        if self.problem:
            return {}, [f"{self.place} {self.problem}"]
        # What lies elsewhere keeps a name that no entry has.
        below = [name[len(self.folder) :] if name.startswith(self.folder) else f"/{name}" for name in names]
        matches = match(self.labels, below)
        missing = [name for name, entry in zip(names, matches, strict=True) if entry is None]
        if missing:
            problem = f"labels {len(names) - len(missing):,} of {counted(len(names), 'image')}, the first without is"
            return {}, [f"{self.place} {problem} {printable(missing[0])}: correct its names or complete it"]
        values = [self.labels[entry] for entry in matches if entry is not None]
        widths = [len(value) if isinstance(value, tuple) else None for value in values]
        for name, value, width in zip(names, values, widths, strict=True):
            if width != widths[0]:
                shown = f"{printable(name)} {json.dumps(value)} and {printable(names[0])} {json.dumps(values[0])}"
                return {}, [f"{self.place} gives {shown}, which are not labels of one kind: correct it"]
        numbers = np.array(values, np.int64 if widths[0] is None else np.float32)
        one_hot = is_one_hot(numbers)
        count = int(numbers.max()) + 1 if numbers.ndim == 1 else numbers.shape[1]
        if self.names and (len(self.names) < count or (len(self.names) > count and numbers.ndim == 2)):
            return {}, [f"{self.place} has {len(self.names)} label_names for labels of {count}: correct them"]
        if numbers.ndim == 1 or one_hot:
            return {"class": classes_of(numbers.argmax(axis=1) if one_hot else numbers, self.names)}, []
        for name in self.names:
            if any(mark in name for mark in SEPARATORS):
                return {}, [f"{self.place} has the label name {printable(name)!r}: name it without ',' and ':'"]
        return {"class": (tuple(self.names) or tuple(map(str, range(count))), numbers)}, []


def read_table(content: bytes, place: str, folder: str = "") -> Table:
    """The table of a dataset.json called `place`, its file names below `folder`. A damaged one has a problem."""
    try:
        table = load_json(content, LARGEST_TABLE)
    except ValueError as error:
        return Table(place, problem=f"{error}: repair or remove it")
    if not isinstance(table, dict) or "labels" not in table:
        reason = 'has no "labels", a list of [file, label]: it is not used'
        return Table(place, problem=reason, is_other=True)
    if table["labels"] is None:
        return Table(place, problem="has no labels")
    if not isinstance(table["labels"], list):
        return Table(place, problem='has "labels" that are no list of [file, label]: repair it')
    labels: dict[str, Label] = {}
    for entry in table["labels"]:
        label: Label
        match entry:
            case [str(name), int(number)] if not isinstance(number, bool) and 0 <= number <= MAX_LABEL:
                label = number
            case [str(name), [*values]] if values and all(isinstance(v, int | float) for v in values):
                if not all(abs(value) <= LARGEST_VALUE for value in values):
                    shown = f"{printable(name)} {json.dumps(values)[:200]}"
                    return Table(place, problem=f"gives {shown}, which are not all finite numbers: correct it")
                label = tuple(map(float, values))
            case _:
                shown = printable(json.dumps(entry))[:60]
                reason = "is not [file, class number] or [file, [numbers]]: repair it"
                return Table(place, problem=f"is damaged, the label {shown} {reason}")
        name = name.replace("\\", "/").removeprefix("./")
        if labels.setdefault(name, label) != label:
            return Table(place, problem=f"gives {printable(name)} two labels: repair it")
    names = table.get("label_names") or []
    if not (isinstance(names, list) and all(isinstance(name, str) and name for name in names)):
        return Table(place, problem='has "label_names" that are no list of names: repair it')
    if len(set(names)) < len(names):
        return Table(place, problem="has the same name twice in label_names: correct it")
    return Table(place, labels, names, folder)


def classes_of(numbers: np.ndarray, names: Sequence[str] = ()) -> tuple[tuple[str, ...], np.ndarray]:
    """(names of the classes that there are images of, index of each image's class [n]) of class numbers [n].

    `names` are those of all numbers; without them classes are called by their numbers.
    """
    used, indices = np.unique(numbers, return_inverse=True)
    return tuple(names[number] if len(names) else str(number) for number in used), indices.reshape(-1).astype(np.int64)


def is_one_hot(labels: np.ndarray) -> bool:
    """Whether labels are vectors [n, classes] that all stand for classes."""
    return labels.ndim == 2 and bool(np.isin(labels, (0, 1)).all() and (labels.sum(axis=1) == 1).all())


def match(entries: Mapping[str, Label], names: Sequence[str]) -> list[str | None]:
    """The entry that stands for each image: of the same name, else the one that can only mean this image.

    That is one whose path, without the ending, ends with that of the image or is the end of it, where no other entry
    and no other image do.
    """
    exact = set(entries).intersection(names)
    by_path, by_end = defaultdict(list), defaultdict(list)
    for entry in entries:
        if entry not in exact:
            path, *shorter = _ends(entry)
            by_path[path].append(entry)
            for end in shorter:
                by_end[end].append(entry)
    found: dict[str, str] = {}
    for name in names if by_path else ():
        if name not in exact:
            ends = list(_ends(name))
            candidates = [entry for end in ends for entry in by_path.get(end, ())] + by_end.get(ends[0], [])
            if len(candidates) == 1:
                found[name] = candidates[0]
    times: Counter[str | None] = Counter(found.values())
    return [name if name in exact else found[name] if times[found.get(name)] == 1 else None for name in names]


def _ends(name: str) -> Iterator[str]:
    """A path without the ending of its file, then the same below each of its folders."""
    parts = ENDING.sub("", name).split("/")
    return ("/".join(parts[i:]) for i in range(len(parts)))


def labels_of_folders(names: Sequence[str]) -> tuple[Labels, list[str]]:
    """(The folders that tell images apart, where every image is in one of at least two; what to say about them).

    They are the outermost such folders, but for the parts that data sets are cut into (train, val, ...): where all are
    parts that have folders of their own, these are the classes.
    """
    parts = [name.split("/")[:-1] for name in names]
    labels, inside = _outermost(parts)
    outer = labels["class"][0] if labels else ()
    if outer and all(map(PART.fullmatch, outer)) and all(inside):
        inner, _ = _outermost(inside)
        if inner and not all(map(PART.fullmatch, inner["class"][0])):
            shown = printable(", ".join(outer))
            return inner, [f"the classes are the folders in {shown}, which are parts of the data, not classes"]
    return labels, []


def _outermost(parts: Sequence[list[str]]) -> tuple[Labels, list[list[str]]]:
    """(The outermost folders that tell images apart as their labels, the folders within these of each image)."""
    shared = 0
    while all(len(folders) > shared and folders[shared] == parts[0][shared] for folders in parts):
        shared += 1
    if not all(len(folders) > shared for folders in parts):
        return {}, []
    outer = np.array([folders[shared] for folders in parts], dtype=object)
    classes, indices = np.unique(outer, return_inverse=True)
    labels: Labels = {"class": (tuple(classes), indices.reshape(-1).astype(np.int64))}
    return labels, [folders[shared + 1 :] for folders in parts]
