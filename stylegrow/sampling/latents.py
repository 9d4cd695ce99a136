"""Latents in files: z or w of images, as `.npz` files that other programs read too."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np

from stylegrow.common.errors import InputError
from stylegrow.common.files import write_whole
from stylegrow.common.text import printable

MOST_LATENTS = 4096


@dataclass(frozen=True, eq=False)
class Latent:
    """One latent of a file, where a seed might stand: `values` are z [z_dim], or w [num_layers, w_dim].

    `number` is its place in the file and the seed of its random noise, `name` what it is called. A w is drawn as it
    is, unless it is to `truncate`, as that of a seed is.
    """

    name: str
    number: int
    kind: Literal["z", "w"]
    values: np.ndarray
    truncate: bool = False

    def __str__(self) -> str:
        return self.name


Source = int | Latent  # what an image is drawn from: a seed, or a latent


def seed_of(source: Source) -> int:
    """The seed of the random noise of an image."""
    return source.number if isinstance(source, Latent) else source


def named(source: Source) -> str:
    """What an image is called in a figure."""
    return f"latent {source.number}" if isinstance(source, Latent) else f"seed {source}"


def write_latents(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write "z" [N, z_dim] or "w" [N, num_layers, w_dim], whole or not at all."""
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **arrays)
    write_whole(path, content.getvalue())


def read_latents(path: Path, generator: Any, styled: bool, called: str) -> list[Latent]:
    """The latents of a file for a generator, with styles or without: "w", [N, w_dim] or [N, num_layers, w_dim], or "z".

    InputError, which calls the file as told, unless they fit: 1 to MOST_LATENTS finite floats of that many dimensions.
    Nothing is loaded before its shape is known to do.
    """
    if not path.is_file():
        raise InputError(f"{called}: there is no such file")
    try:
        with zipfile.ZipFile(path) as archive:
            kind: Literal["z", "w"] = "w" if "w.npy" in archive.namelist() else "z"
            with archive.open(f"{kind}.npy") as file:
                shape, dtype = _header(file)
            own = (generator.z_dim,) if kind == "z" else (generator.num_layers, generator.w_dim) if styled else ()
            fits = shape[1:] == own or (kind == "w" and shape[1:] == own[1:])
            if fits := fits and 1 <= shape[0] <= MOST_LATENTS and dtype.kind == "f":
                with archive.open(f"{kind}.npy") as file, np.errstate(over="ignore"):
                    values = np.lib.format.read_array(file, allow_pickle=False).astype(np.float32)
    except Exception as error:  # of zipfile, zlib and numpy: none of them says more
        advice = 'give a .npz with an array "w" or "z", as of stylegrow project or generate --save-latents'
        raise InputError(f"{called}: is damaged or no file of latents; {advice}") from error
    if kind == "w" and not styled:
        raise InputError(f"{called}: holds w, which a ProGAN does not have; give a StyleGAN model, or a file of z")
    if not fits:
        wanted = ", ".join(map(str, (f"1 to {MOST_LATENTS:,}", *own)))
        raise InputError(
            f"{called}: {kind} is {dtype} {list(shape)}, this model takes floats [{wanted}]; "
            "give the model that they are of"
        )
    if not np.isfinite(values).all():
        raise InputError(f"{called}: {kind} holds numbers that are not finite; write the file anew")
    stem = printable(path.stem)
    return [
        Latent(stem if len(values) == 1 else f"{stem} {number}", number, kind, np.broadcast_to(one, own).copy())
        for number, one in enumerate(values)
    ]


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    """The shape and type of an array, as its file says."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    return shape, dtype
