"""What visitors get as files: images that say how they were made, each set in a new folder."""

import re
import secrets
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from stylegrow.rendering.grids import exif_text, png_text

QUALITY = 95  # of JPEG


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
