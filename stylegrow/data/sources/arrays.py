"""Images that are arrays already: what such sources have in common, and numpy's own files."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stylegrow.common.errors import DataError
from stylegrow.common.text import counted, one_line, printable
from stylegrow.data.request import Shape
from stylegrow.data.sources.base import Source, default_resolution, safe_name
from stylegrow.data.sources.labels import LARGEST_VALUE, Labels, classes_of

if TYPE_CHECKING:
    from stylegrow.data.decoding import SquareImage

MIN_SIDE = 4
SUFFIXES = (".npy", ".npz")
IMAGES = ("images", "train_images", "x_train", "X_train", "x", "X", "data", "arr_0")
LABELS = ("labels", "train_labels", "y_train", "Y_train", "y", "Y", "targets", "arr_1")
LARGEST_CLASS = 2.0**62  # larger numbers of classes don't fit int64
CHUNK = 256
WANTED = "save uint8 images [N, H, W] or [N, H, W, channels] (grey, RGB or RGBA)"


@dataclass(frozen=True)
class ArrayLabels:
    """Class numbers [N] or vectors [N, components], their names (none: numbers), or why there are no labels."""

    values: np.ndarray | None = field(default=None, repr=False)
    names: tuple[str, ...] = ()
    problem: str | None = None


@dataclass(frozen=True, kw_only=True)
class Arrays(Source):
    """Images in one array, with the labels of all of them, where there are any."""

    known_labels: ArrayLabels = ArrayLabels()
    black_frame: bool = False

    @cached_property
    @abstractmethod
    def pixels(self) -> np.ndarray:
        """All images [N, H, W] or [N, H, W, channels]."""

    def pixels_of(self, index: int) -> np.ndarray:
        """One image as uint8 [H, W] or [H, W, channels]. Raises UnusableError."""
        return self.pixels[index]

    def image(self, index: int, shape: Shape) -> SquareImage:
        from PIL import Image

        from stylegrow.data.decoding import square

        return square(Image.fromarray(np.ascontiguousarray(self.pixels_of(index))), shape, self.black_frame)

    def content(self, index: int) -> bytes:
        return self.pixels_of(index).tobytes()

    def labels(self, used: np.ndarray, classes: np.ndarray) -> Labels:
        values, names = self.known_labels.values, self.known_labels.names
        if values is None:
            return {}
        if values.ndim == 1:
            return {"class": classes_of(values[used], names)}
        return {"class": (names or tuple(map(str, range(values.shape[1]))), values[used])}

    def label_notes(self, used: np.ndarray) -> list[str]:
        return [self.known_labels.problem] if self.known_labels.problem else []


def labels_of_array(values: np.ndarray, count: int, place: str) -> ArrayLabels:
    """The labels of `count` images in an array: numbers or names [N] or [N, 1], one-hot rows or vectors [N, size].

    Without columns there are none. The problem of one that cannot be used names the `place`.
    """
    if len(values) == count and values.ndim == 2 and values.shape[1] == 0:
        return ArrayLabels()
    values = values.reshape(-1) if values.ndim == 2 and values.shape[1] == 1 else values
    if values.shape[:1] != (count,) or values.ndim not in (1, 2) or values.dtype.kind not in "biufU":
        shown = f"{list(values.shape)} of {values.dtype}"
        return ArrayLabels(problem=f"{place} is {shown}, not labels for {counted(count, 'image')}: correct it")
    if values.dtype.kind == "U":
        names, indices = np.unique(values, return_inverse=True)
        return ArrayLabels(indices.reshape(-1), tuple(names.tolist()))
    if not np.isfinite(values).all():
        first = int(np.argwhere(~np.isfinite(values))[0][0])
        return ArrayLabels(problem=f"{place} has no finite number for image {first}: correct it")
    size = np.abs(values.astype(np.float64))
    if (size > (LARGEST_VALUE if values.dtype.kind == "f" else LARGEST_CLASS)).any():
        image = int(np.argwhere(size == size.max())[0][0])
        return ArrayLabels(problem=f"{place} has too large a number for image {image}, {size.max():.3g}: give others")
    if values.ndim == 1:
        is_whole = bool((values == np.rint(values)).all() and (size <= LARGEST_CLASS).all())
        return ArrayLabels(values.astype(np.int64) if is_whole else values[:, None].astype(np.float32))
    one_hot = np.isin(values, (0, 1)).all() and (values.sum(axis=1) == 1).all()
    return ArrayLabels(values.argmax(axis=1) if one_hot else values.astype(np.float32))


@dataclass(frozen=True, kw_only=True)
class NumpyFile(Arrays):
    """The images of a .npy or .npz file."""

    key: str
    scale: tuple[float, float]
    """what samples are multiplied by, and what is added then, to lie in 0 to 255"""

    def files(self) -> Iterator[tuple[str, Path]]:
        yield "", Path(self.path)

    @cached_property
    def pixels(self) -> np.ndarray:
        return _channels_last(_arrays(Path(self.path))[self.key]())

    def pixels_of(self, index: int) -> np.ndarray:
        factor, offset = self.scale
        samples = self.pixels[index]
        samples = samples[..., 0] if samples.shape[-1:] == (1,) and samples.ndim == 3 else samples
        return samples if samples.dtype == np.uint8 else np.rint(samples * factor + offset).astype(np.uint8)


def find(path: Path) -> NumpyFile:
    """The images of a .npy or .npz file, and the labels beside them in it. Raises DataError."""
    shown, arrays = printable(path), _arrays(path)
    key = next((name for name in IMAGES if name in arrays), next(iter(arrays)) if len(arrays) == 1 else None)
    if key is None:
        raise DataError(f"{shown} holds {', '.join(map(printable, arrays))}: name the array of images {IMAGES[0]!r}")
    images = arrays[key]()
    if images.dtype.kind not in "uifb" or images.ndim not in (3, 4) or _channels_last(images).shape[3:] not in CHANNELS:
        raise DataError(f"{shown}: {key} is {list(images.shape)} of {images.dtype}, no images: {WANTED}")
    images = _channels_last(images)
    count, *sides = images.shape[:3]
    if count < 1 or min(sides) < MIN_SIDE:
        raise DataError(f"{shown} holds {count} images of {sides[1]}x{sides[0]} px: there is nothing to use")
    labels = next((name for name in LABELS if name in arrays and name != key), None)
    return NumpyFile(
        path=str(path),
        name=safe_name(path.stem),
        names=[f"{key}-{i:05d}" for i in range(count)],
        known=(default_resolution([min(sides)]), 1 if images.shape[3:] in ((), (1,)) else 3),
        known_labels=_labels(arrays[labels], count, f"{labels} in {shown}") if labels else ArrayLabels(),
        key=key,
        scale=_scale(images, f"{shown}: {key}"),
    )


def _labels(read: Callable[[], np.ndarray], count: int, place: str) -> ArrayLabels:
    try:
        return labels_of_array(read(), count, place)
    except DataError as error:
        return ArrayLabels(problem=f"{place}: {error}")


CHANNELS = ((), (1,), (3,), (4,))


def _channels_last(images: np.ndarray) -> np.ndarray:
    """[N, H, W, channels] also of [N, channels, H, W]; others as they are."""
    if images.ndim == 4 and images.shape[3:] not in CHANNELS and images.shape[1:2] in CHANNELS:
        return images.transpose(0, 2, 3, 1)
    return images


def _arrays(path: Path) -> dict[str, Callable[[], np.ndarray]]:
    """Functions that read the arrays of a file, by their names. They raise DataError."""

    def read(key: str | None) -> np.ndarray:
        try:
            if key is None:
                return np.load(path, mmap_mode="r", allow_pickle=False)
            with np.load(path, allow_pickle=False) as file:
                if isinstance(values := file[key], np.ndarray):
                    return values
                raise ValueError(f"{key} is no array")
        except Exception as error:  # numpy and zipfile raise whatever a broken header leads them to
            raise DataError(f"{printable(path)} cannot be read ({printable(one_line(error))}): {WANTED}") from error

    if path.suffix == ".npy":
        return {"images": lambda: read(None)}
    try:
        with np.load(path, allow_pickle=False) as file:
            names = list(file.files)
    except Exception as error:  # as above
        problem = f"cannot be read ({printable(one_line(error))}): make the file again"
        raise DataError(f"{printable(path)} {problem}") from error
    return {name: lambda name=name: read(name) for name in names}  # type: ignore[misc]


def _scale(images: np.ndarray, place: str) -> tuple[float, float]:
    """(factor, offset) that bring samples to 0 to 255; the range of those that are no uint8 or uint16 tells."""
    if images.dtype.kind == "b":
        return 255.0, 0.0
    if images.dtype.kind == "u" and images.dtype.itemsize <= 2:
        return (1.0, 0.0) if images.dtype.itemsize == 1 else (255 / 65535, 0.0)
    parts = [images[start : start + CHUNK] for start in range(0, len(images), CHUNK)]
    low, high = float(np.min([part.min() for part in parts])), float(np.max([part.max() for part in parts]))
    if not math.isfinite(high - low):
        image = next(i for i, image in enumerate(images) if not np.isfinite(image).all())
        raise DataError(f"{place} has samples in image {image} that are no finite numbers: correct them")
    if images.dtype.kind == "f" and low >= -1 and high <= 1:
        return (255.0, 0.0) if low >= 0 else (127.5, 127.5)
    if low >= 0 and high <= 255:
        return 1.0, 0.0
    raise DataError(f"{place} is {images.dtype} from {low:g} to {high:g}, a range that is not known: {WANTED}")
