"""What visitors get as files: images that say how they were made, each set in a new folder."""

import contextlib
import os
import re
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from stylegrow.rendering.grids import exif_text, png_text

QUALITY = 95  # of JPEG
PREFIX, HELD = "stylegrow-app-", ".held"


@contextlib.contextmanager
def temporary_folder(within: str | None = None) -> Iterator[Path]:
    """A folder for all files, nobody else's to read, that goes at the end, or, after a kill, when the next one starts.

    `within` is the folder that it lies in, the system's own for temporary files by default.
    """
    place = Path(within or tempfile.gettempdir())
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    remove_left(place)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
    (folder / HELD).touch()
    lock = _lock(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def remove_left(place: Path) -> None:
    """Remove the temporary folders of this user's processes that were killed."""
    for held in place.glob(f"{PREFIX}*/{HELD}"):
        lock = _lock(held.parent)
        if lock is not None:
            shutil.rmtree(held.parent, ignore_errors=True)
            os.close(lock)


def _lock(folder: Path) -> int | None:
    """Hold a folder of this user's until the process ends, however it does; None when it is another's."""
    if sys.platform == "win32":
        return None
    import fcntl

    try:
        if folder.lstat().st_uid != os.getuid():
            return None
        file = os.open(folder / HELD, os.O_RDWR | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        return None
    return file


def new_folder(files: Path) -> Path:
    """An empty folder whose name nobody can guess."""
    folder = files / secrets.token_hex(16)
    folder.mkdir(mode=0o700)
    return folder


def sweep(files: Path, age: float) -> None:
    """Remove the folders that `new_folder` made more than `age` seconds ago.

    Gradio deletes the files that it has served; this also ends what was never asked for, and the folders.
    """
    for folder in files.iterdir():
        if re.fullmatch(r"[0-9a-f]{32}", folder.name) and time.time() - folder.stat().st_mtime > age:
            shutil.rmtree(folder, ignore_errors=True)


def save_image(
    image: np.ndarray | Image.Image, folder: Path, name: str, text: Mapping[str, str], form: str = "png"
) -> str:
    """Write an image ([H, W, C], uint8) as folder/name.png or .jpg with its `text`; returns the path."""
    if not isinstance(image, Image.Image):
        image = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
    path = folder / f"{name}.{'jpg' if form == 'jpeg' else form}"
    if form == "jpeg":
        image.save(path, "JPEG", quality=QUALITY, subsampling=0, exif=exif_text(text))
    else:
        image.save(path, "PNG", pnginfo=png_text(text), compress_level=4)
    return str(path)
