"""One model, ready to draw: what the command line and the browser app have in common."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from progan.layers import cache_weights
from stylegrow.architectures import ARCHITECTURES
from stylegrow.common.commandline import DtypeName
from stylegrow.common.errors import InputError
from stylegrow.common.images import to_uint8
from stylegrow.common.system import is_out_of_memory
from stylegrow.common.text import printable
from stylegrow.models import find_model, load_generator, read_config
from stylegrow.models.config import stage_reached
from stylegrow.models.folders import name_of
from stylegrow.models.weights import WEIGHTS
from stylegrow.sampling import drawing
from stylegrow.sampling.inputs import LARGEST_SEED, shown

DEFAULT_PSI, LARGEST_PSI = 0.7, 10.0
MOST_CLASSES_NAMED = 50
Space = Literal["z", "w"]
Easing = Literal["linear", "smoothstep", "cubic", "spline"]


@dataclass(frozen=True)
class Setting(drawing.Look):
    """What decides on a picture beside its seed.

    `label` is the number of a class, None for a model without labels; `z_limit` a ProGAN's truncation (see
    `within`), None for none.
    """

    label: int | None = None
    z_limit: float | None = None


class Engine:
    """A model on a device. It keeps nothing of what it draws, so that several users may share it.

    Attributes:
        name: what the model is called; printable.
        architecture: the kind of network.
        resolution, alpha: the stage that the model has reached: the whole network, unless it was still growing.
        classes: the labels' names; empty for a model without labels, or whose labels have no names.
        credit: of the data, to be kept with the pictures; may be empty.
        weights: the beginning of the SHA-256 of the weights' file, which tells models of the same name apart.
        dtype: of the convolutions, "float32" or "bf16".
        generator: the network, on the device.
    """

    def __init__(
        self, model: str, device: str | None = None, batch: int | None = None, dtype: DtypeName = "float32"
    ) -> None:
        """Load a model (see find_model). `device` is by default the GPU if there is one, `batch` what it can hold.

        `dtype` is that of the convolutions. ModelError for the model, InputError for the device.
        """
        self.folder = find_model(model)
        config = read_config(self.folder)
        self.name = printable(name_of(model, self.folder))
        self.architecture = ARCHITECTURES[config["architecture"]]
        self.classes: list[str] = config["classes"]
        self.credit = str(config["training"].get("credit") or "")
        self.dtype = dtype
        self.generator = _placed(load_generator(self.folder), device)
        self.generator.compute_dtype = torch.bfloat16 if dtype == "bf16" else None
        cache_weights(self.generator)
        # Here, since every file that is drawn names it, and copies of the engine (see `telling`) share it.
        with (self.folder / WEIGHTS["generator"]).open("rb") as file:
            self.weights = hashlib.file_digest(file, "sha256").hexdigest()[:16]
        stage, self.alpha = stage_reached(config["training"], self.generator.resolution)
        self.resolution = stage or self.generator.resolution
        self.batch = batch
        self._split: Callable[[int, int], None] = lambda images, smaller: None

    def telling(self, split: Callable[[int, int], None]) -> Engine:
        """The same engine, which calls `split` with a batch that did not fit and the smaller one that is tried."""
        told = copy(self)
        told._split = split
        return told

    @property
    def styled(self) -> bool:
        """Whether there are styles: truncation, mixing and noise."""
        return self.architecture.has_styles

    def layers(self, setting: Setting) -> int:
        """How many layers of a StyleGAN draw at this stage."""
        return self.generator.layers_at(setting.resolution or self.generator.resolution)

    def setting(
        self,
        *,
        psi: float | None = None,
        cutoff: int | None = None,
        noise: drawing.NoiseMode | None = None,
        noise_seed: int | None = None,
        label: str | None = None,
        resolution: int | None = None,
        alpha: float | None = None,
        z_limit: float | None = None,
    ) -> Setting:
        """What to draw with, checked. None stands for psi 0.7, all layers, the model's own noise, the stage reached.

        `label` is the name or the number of a class. InputError for what the model does not have, a class that is
        missing, and numbers out of range.
        """
        stage = self._stage(resolution, alpha)
        number = self._label(label)
        if not self.styled:
            given = {"truncation": psi, "a cutoff": cutoff, "a noise mode": noise, "a noise seed": noise_seed}
            for name, value in given.items():
                if value is not None:
                    raise InputError(f'{name} needs a StyleGAN model; "{self.name}" is a ProGAN')
            if z_limit is not None and not (math.isfinite(z_limit) and z_limit > 0):
                raise InputError(f"limit of z {z_limit:g}: give a number above 0")
            return Setting(resolution=stage[0], alpha=stage[1], label=number, z_limit=z_limit)
        if z_limit is not None:
            raise InputError(f'a limit of z needs a ProGAN model; "{self.name}" is a StyleGAN, which has psi')
        psi = DEFAULT_PSI if psi is None else psi
        if not (math.isfinite(psi) and abs(psi) <= LARGEST_PSI):
            raise InputError(f"truncation {psi:g}: give a number from {-LARGEST_PSI:g} to {LARGEST_PSI:g}")
        layers = self.generator.num_layers
        if cutoff is not None and not 0 <= cutoff <= layers:
            raise InputError(f'cutoff {cutoff}: "{self.name}" has {layers} layers; give 0 to {layers}')
        if not 0 <= (noise_seed or 0) <= LARGEST_SEED:
            raise InputError(f"noise seed {noise_seed}: give a whole number from 0 to {LARGEST_SEED}")
        return Setting(psi, cutoff, noise or "const", noise_seed or 0, *stage, number)

    def _stage(self, resolution: int | None, alpha: float | None) -> tuple[int, float]:
        own = self.generator.resolution
        if resolution is None:
            resolution = self.resolution
        if not (4 <= resolution <= own and resolution & (resolution - 1) == 0):
            raise InputError(f'stage {resolution}: "{self.name}" has those of 4, 8, ... to {own} px')
        if alpha is None:
            alpha = self.alpha if resolution == self.resolution else 1.0
        if not 0 <= alpha <= 1:
            raise InputError(f"alpha {alpha:g}: give a number from 0 to 1")
        return resolution, alpha

    def _label(self, text: str | None) -> int | None:
        count = self.generator.label_dim
        if not count:
            if text is not None:
                raise InputError(f'class {shown(text)}: "{self.name}" was trained without classes')
            return None
        if text in self.classes:
            return self.classes.index(text)
        if text is not None and text.isascii() and text.isdigit() and len(text) < 10 and int(text) < count:
            return int(text)
        names = ", ".join(printable(name) for name in self.classes[:MOST_CLASSES_NAMED])
        if len(self.classes) > MOST_CLASSES_NAMED:
            names += f", ... ({count} in all)"
        known = f"give one of {names or 'them'}, or its number from 0 to {count - 1}"
        raise InputError(f'"{self.name}" has classes: {known}' if text is None else f"class {shown(text)}: {known}")

    def images(self, seeds: Sequence[int], setting: Setting) -> Iterator[np.ndarray]:
        """The pictures [H, W, C] (uint8) of seeds, one after the other."""
        for part in self._parts(len(seeds), setting):
            inputs = self._inputs(drawing.latents(seeds[part], self.generator.z_dim), setting)
            yield from self._draw(inputs, seeds[part], setting)

    def latent(self, seed: int, setting: Setting) -> dict[str, np.ndarray]:
        """What a seed's picture is drawn from: a StyleGAN's truncated styles "w" [1, num_layers, w_dim], else "z"."""
        inputs = self._inputs(drawing.latents([seed], self.generator.z_dim), setting)
        if not self.styled:
            return {"z": inputs.numpy()}
        with torch.inference_mode():
            return {"w": self.generator.truncate(inputs, setting.psi, setting.cutoff).float().cpu().numpy()}

    @torch.inference_mode()
    def noise_parts(
        self, seeds: Sequence[int], parts: Sequence[Sequence[int]], setting: Setting
    ) -> Iterator[np.ndarray]:
        """Pictures with the random noise of some layers only, the others' being 0: for each seed one of each part."""
        self.check_noise()
        device = self.generator.w_avg.device
        for seed in seeds:
            inputs = self._inputs(drawing.latents([seed], self.generator.z_dim), setting)
            ws = self.generator.truncate(inputs, setting.psi, setting.cutoff)
            maps = [noise.to(device) for noise in drawing.noise_maps(self.generator, [seed], setting)]
            for part in parts:
                noise = [one * (layer in part) for layer, one in enumerate(maps)]
                images = self.generator.synthesis(ws, setting.resolution, setting.alpha, noise)
                yield to_uint8(images)[0]

    def mixed(
        self, rows: Sequence[int], columns: Sequence[int], layers: Sequence[int], setting: Setting
    ) -> Iterator[np.ndarray]:
        """Style mixing, row by row: the seed of the row, with the styles of these layers from the column's seed.

        The noise, where it is random, is the row's. InputError for a ProGAN.
        """
        self.check_mixing()
        base, source = (
            self._inputs(drawing.latents(seeds, self.generator.z_dim), setting) for seeds in (rows, columns)
        )
        pairs = [(row, column) for row in range(len(rows)) for column in range(len(columns))]
        for part in self._parts(len(pairs), setting):
            inputs = base[[row for row, _ in pairs[part]]]
            inputs[:, layers] = source[[column for _, column in pairs[part]]][:, layers]
            yield from self._draw(inputs, [rows[row] for row, _ in pairs[part]], setting)

    def check_mixing(self) -> None:
        """InputError unless the layers of this model have styles of their own."""
        if not self.styled:
            raise InputError(f'style mixing needs a StyleGAN model; "{self.name}" is a ProGAN')
        if self.generator.num_layers == 1:
            raise InputError(f'style mixing needs a style a layer; "{self.name}" was trained without')

    def check_noise(self) -> None:
        """InputError unless this model takes noise."""
        if not self.styled:
            raise InputError(f'noise needs a StyleGAN model; "{self.name}" is a ProGAN')
        if not self.generator.config.use_noise:
            raise InputError(f'"{self.name}" was trained without noise')

    def space(self, wanted: Space | None) -> Space:
        """Where a path goes, by default w in a StyleGAN and z in a ProGAN. InputError for w in a ProGAN."""
        if wanted == "w" and not self.styled:
            raise InputError(f'a path in w needs a StyleGAN model; "{self.name}" is a ProGAN')
        return wanted or ("w" if self.styled else "z")

    def path(
        self,
        seeds: Sequence[int],
        frames: int,
        loop: bool,
        space: Space | None,
        setting: Setting,
        easing: Easing = "linear",
        ping_pong: bool = False,
    ) -> Iterator[np.ndarray]:
        """The frames of a way through the seeds, `frames` from each to the next; a loop ends before its first again.

        In z it keeps to the sphere (slerp), in w it is straight; "spline" is a curve through the seeds in either
        (Catmull-Rom). With `ping_pong` the way is gone back again. Random noise is that of the first seed throughout.
        InputError as from `space`.
        """
        in_w = self.space(space) == "w"
        keys = drawing.latents(seeds, self.generator.z_dim)
        if in_w:
            keys = self._inputs(keys, setting)
        way = list(range(path_length(len(seeds), frames, loop)))
        if ping_pong:
            way += way[-2:0:-1]
        for part in self._parts(len(way), setting):
            steps = [divmod(frame, frames) for frame in way[part]]
            share = torch.tensor([eased(step / frames, easing) for _, step in steps], device=keys.device)
            near = [[_key(key + ahead, len(seeds), loop) for key, _ in steps] for ahead in (-1, 0, 1, 2)]
            if easing == "spline":
                before, start, end, after = (keys[indices] for indices in near)
                found = catmull_rom(before, start, end, after, share)
            elif in_w:
                found = torch.lerp(keys[near[1]], keys[near[2]], share.reshape(-1, 1, 1))
            else:
                found = slerp(keys[near[1]], keys[near[2]], share)
            yield from self._draw(found if in_w else self._inputs(found, setting), [seeds[0]] * len(steps), setting)

    def _parts(self, count: int, setting: Setting) -> Iterator[slice]:
        return drawing.parts(count, self.batch or drawing.largest_batch(self.generator, setting))

    def _inputs(self, z: Tensor, setting: Setting) -> Tensor:
        """What the network draws from: the rows of a StyleGAN, the latents of a ProGAN."""
        if self.styled:
            return drawing.rows(self.generator, z, self._labels(len(z), setting))
        return z if setting.z_limit is None else within(z, setting.z_limit)

    def _draw(self, inputs: Tensor, seeds: Sequence[int], setting: Setting) -> np.ndarray:
        """[N, H, W, C] (uint8), in smaller batches where this one does not fit."""
        try:
            labels = self._labels(len(inputs), setting)
            return to_uint8(drawing.draw(self.generator, inputs, setting, seeds, labels))
        except (RuntimeError, MemoryError) as error:
            if len(inputs) == 1 or not is_out_of_memory(error):
                raise
        # Not in the handler, where the error's frames still hold what was in the way.
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        smaller = max(len(inputs) // 4, 1)
        self._split(len(inputs), smaller)
        parts = drawing.parts(len(inputs), smaller)
        return np.concatenate([self._draw(inputs[part], seeds[part], setting) for part in parts])

    def _labels(self, count: int, setting: Setting) -> Tensor | None:
        if setting.label is None:
            return None
        return torch.eye(self.generator.label_dim)[[setting.label] * count]

    def text(self, setting: Setting, **facts: Any) -> dict[str, str]:
        """What a file says of itself: "parameters" (JSON: model, setting, `facts` over it) and the data's credit."""
        parameters: dict[str, Any] = {"model": self.name, "weights": self.weights}
        if self.dtype != "float32":
            parameters["dtype"] = self.dtype
        if self.styled:
            parameters |= {"psi": setting.psi, "cutoff": setting.cutoff, "noise": setting.noise}
            if setting.noise == "random":
                parameters["noise_seed"] = setting.noise_seed
        if setting.z_limit is not None:
            parameters["z_limit"] = setting.z_limit
        if setting.label is not None:
            parameters["class"] = self.classes[setting.label] if self.classes else setting.label
        parameters |= {"resolution": setting.resolution, "alpha": setting.alpha}
        text = {"Software": "Stylegrow", "parameters": json.dumps(parameters | facts, ensure_ascii=False)}
        return text | ({"Source": self.credit} if self.credit else {})


def path_length(keys: int, frames: int, loop: bool, ping_pong: bool = False) -> int:
    """How many frames a path through `keys` seeds has."""
    there = keys * frames if loop else (keys - 1) * frames + 1
    return max(2 * there - 2, 1) if ping_pong else there


def eased(share: float, easing: Easing) -> float:
    """How far from one seed to the next a path is after this share of its time."""
    if easing == "smoothstep":
        return share * share * (3 - 2 * share)
    if easing == "cubic":
        return 4 * share**3 if share < 0.5 else 1 - 4 * (1 - share) ** 3
    return share


def _key(index: int, keys: int, loop: bool) -> int:
    """The seed of this place on a path, which begins again or stays where it ends."""
    return index % keys if loop else min(max(index, 0), keys - 1)


def catmull_rom(before: Tensor, start: Tensor, end: Tensor, after: Tensor, share: Tensor) -> Tensor:
    """Points [N, ...] on the curve through start and end whose slope in each is that between its neighbours."""
    t = share.reshape(-1, *[1] * (start.ndim - 1))
    slope_start, slope_end = (end - before) / 2, (after - start) / 2
    a = 2 * (start - end) + slope_start + slope_end
    b = 3 * (end - start) - 2 * slope_start - slope_end
    return ((a * t + b) * t + slope_start) * t + start


def within(z: Tensor, limit: float) -> Tensor:
    """Normal values [N, z_dim] as those of a normal distribution cut off at -limit and limit, in the same order.

    The truncation trick of a network without w (Brock et al. 2019, section 3.1), whose values are drawn again until
    they are within; here each goes to its own quantile, so that pictures change little by little with the limit.
    """
    edge = torch.special.ndtr(torch.tensor(-limit, dtype=torch.float64))
    kept = torch.special.ndtri(edge + (1 - 2 * edge) * torch.special.ndtr(z.double()))
    return kept.clamp(-limit, limit).to(z.dtype)  # against rounding, far out


def slerp(start: Tensor, end: Tensor, share: Tensor) -> Tensor:
    """Spherical interpolation of latents [N, z_dim] by shares [N]: angle and length change evenly."""
    a, b, t = start.double(), end.double(), share.double().reshape(-1, 1)
    length_a, length_b = a.norm(dim=1, keepdim=True), b.norm(dim=1, keepdim=True)
    angle = torch.acos((a * b).sum(dim=1, keepdim=True).div(length_a * length_b).clamp(-1, 1))
    turned = (torch.sin((1 - t) * angle) * a / length_a + torch.sin(t * angle) * b / length_b) / torch.sin(angle)
    # Straight where there is no one plane to turn in: between equal or opposite directions.
    found = torch.where(torch.sin(angle) > 1e-6, turned * torch.lerp(length_a, length_b, t), torch.lerp(a, b, t))
    return found.to(start.dtype)


def default_device() -> str:
    """ "cpu", or the kind of GPU that is there."""
    found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return "cpu" if found is None else found.type


def _placed(generator: Any, device: str | None) -> Any:
    device = default_device() if device is None else device
    try:
        return generator.to(device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = (str(error).splitlines() or [""])[0]
        raise InputError(f"device {shown(device)}: cannot be used ({reason})") from error
