"""One model, ready to generate images: what the commands, the browser app and Python callers have in common."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from progan.layers import cache_weights
from stylegrow.architectures import ARCHITECTURES
from stylegrow.common.commandline import DtypeName
from stylegrow.common.errors import InputError, ModelError
from stylegrow.common.images import to_uint8
from stylegrow.common.system import is_out_of_memory
from stylegrow.common.text import printable
from stylegrow.models import find_model, load_generator, read_config
from stylegrow.models.config import stage_reached
from stylegrow.models.folders import name_of
from stylegrow.models.labels import LabelSpace, default_psi
from stylegrow.models.weights import GROWTH, WEIGHTS, digest, first_stage
from stylegrow.physics import pictures
from stylegrow.sampling import directions, generation, true_colours
from stylegrow.sampling.directions import Directions
from stylegrow.sampling.generation import NoiseMode, Setting, latents, network_inputs, noise_maps
from stylegrow.sampling.inputs import LARGEST_SEED, known_labels, label_text, read_label, shown
from stylegrow.sampling.latents import Latent, Source, read_latents, seed_of
from stylegrow.sampling.paths import Easing, Space, path_length, path_points

if TYPE_CHECKING:
    from stylegrow.architectures import Generator

LARGEST_PSI = 10.0
LATENTS = 10_000  # for the statistics of w
REFIT = "write it anew with stylegrow models colours"


def check_psi(psi: float, name: str = "truncation") -> None:
    """InputError, which calls it `name`, for a truncation psi that is no number or too large for any use."""
    if not (math.isfinite(psi) and abs(psi) <= LARGEST_PSI):
        raise InputError(f"{name} {psi:g}: give a number from {-LARGEST_PSI:g} to {LARGEST_PSI:g}")


def sample(
    model: str | os.PathLike[str] | Generator,
    seeds: Sequence[int],
    *,
    label: str | int | Sequence[float] | None = None,
    device: str | None = None,
    **setting: Any,
) -> np.ndarray:
    """The images of seeds, uint8 [N, H, W, C], as the commands show them.

    `model` is what load_generator takes, or a generator, which is used where and as it is. `label` is the number of a
    class or all values of a label; of a model by name also a text (see `read_label`). `device` is that for a model by
    name (default: the GPU if there is one). `setting` are further fields of Setting, `psi` by default `default_psi`;
    `resolution` and `alpha` are the stage that the model has reached, or a generator's own. InputError for what the
    model does not have, for a class that is missing and for numbers out of range; ValueError and TypeError where a
    generator does not take them.
    """
    values = tuple(map(float, label)) if isinstance(label, Sequence) and not isinstance(label, str) else label
    if isinstance(model, str | os.PathLike):
        sampler = Sampler(os.fspath(model), device)
        chosen = sampler.setting(label=str(values) if isinstance(values, int) else values, **setting)
        return np.stack(list(sampler.images(seeds, chosen)))
    usual = {"psi": default_psi(model.config.label_kind), "label": int(values) if isinstance(values, str) else values}
    chosen = Setting(**usual | setting)
    return np.concatenate([to_uint8(images) for images in generation.images(model, seeds, chosen)])


class Sampler:
    """A model on a device. It keeps nothing of what it generates, so that several users may share it.

    Attributes:
        name: what the model is called; printable.
        architecture: the kind of network.
        first_stage: the smallest stage that was trained.
        resolution, alpha: the stage that the model has reached: the whole network, unless it was still growing.
        labels: what its labels are.
        transform: of showers, what made grey levels of their signals; their images are coloured (see physics.pictures).
        classes: the labels' names; empty for a model without labels, or whose labels have no names.
        credit: of the data, to be kept with the images; may be empty.
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
        self.labels = LabelSpace.of(config)
        self.transform: str | None = config.get("transform")
        self.classes: list[str] = config["classes"]
        self.credit = str(config["training"].get("credit") or "")
        self.dtype = dtype
        self.generator = _placed(load_generator(self.folder).requires_grad_(False), device)
        self.generator.compute_dtype = torch.bfloat16 if dtype == "bf16" else None
        cache_weights(self.generator)
        # Here, since every file that is written names it, and copies (see `with_split_callback`) share it.
        self.weights = digest((self.folder / WEIGHTS["generator"]).read_bytes())
        stage, self.alpha = stage_reached(config["training"], self.generator.resolution)
        self.resolution = stage or self.generator.resolution
        self.first_stage = first_stage(self.folder)
        self.batch = batch
        self._on_split: Callable[[int, int], None] = lambda batch, smaller: None

    def with_split_callback(self, on_split: Callable[[int, int], None]) -> Sampler:
        """This sampler, which calls `on_split` with a batch that did not fit and the smaller one that is tried."""
        copied = copy(self)
        copied._on_split = on_split
        return copied

    @property
    def uncoloured(self) -> Sampler:
        """This sampler, whose images of showers are the grey levels of their layers."""
        plain = copy(self)
        plain.transform = None
        return plain

    def own_size(self, setting: Setting) -> int:
        """The px of a side of an image of this setting."""
        return (setting.resolution or self.generator.resolution) * pictures.times(self.transform)

    def shown(self, images: np.ndarray) -> np.ndarray:
        """Images [N, r, r, C] (uint8) as people look at them: showers in colours [N, 2r, 2r, 3]."""
        return images if self.transform is None else pictures.shown(images, self.transform)

    @cached_property
    def growing(self) -> Sampler:
        """This sampler, whose smaller stages have the colours of the whole; the stage reached stays what it is.

        They are those of growth.safetensors, or are fitted now. ModelError for a file that does not fit the model.
        """
        coloured = copy(self)
        colours = true_colours.read(self.folder, self.weights) or self.fit_colours()
        try:
            coloured.generator = true_colours.with_colours(self.generator, colours)
        except (KeyError, RuntimeError) as error:
            raise ModelError(f"{self.folder / GROWTH}: does not fit the model; {REFIT}") from error
        return coloured

    def fit_colours(self) -> true_colours.Colours:
        """What `growing` shows smaller stages with, computed anew."""
        setting = Setting(resolution=self.resolution, alpha=self.alpha)
        return true_colours.fit(self.generator, setting, self.first_stage, examples=self.labels.examples)

    @cached_property
    def directions(self) -> Directions:
        """Those of directions.safetensors, or else PCA and SeFa. InputError without styles, ModelError as `read`."""
        kept = directions.read(self.folder, self.weights, self.generator.w_dim) if self.styled else None
        return kept or self.fit_directions()

    def fit_directions(self) -> Directions:
        """PCA and SeFa of the stage reached, computed anew. InputError without styles."""
        self._check_styled("directions")
        layers = self.layers(Setting(resolution=self.resolution))
        return directions.unsupervised(self.generator, self.draw_w(range(LATENTS)), layers)

    @torch.inference_mode()
    def draw_w(self, seeds: Sequence[int]) -> Tensor:
        """w [N, w_dim] of seeds on the CPU, not truncated; of each class in turn."""
        labels = self._drawn(seeds, Setting())
        if self.labels.kind == "classes":
            labels = torch.eye(len(self.labels.names))[[seed % len(self.labels.names) for seed in seeds]]
        z = latents(seeds, self.generator.z_dim)
        return network_inputs(self.generator, z, Setting(), labels)[:, 0].float().cpu()

    @property
    def styled(self) -> bool:
        """Whether there are styles: truncation, mixing and noise."""
        return self.architecture.has_styles

    def layers(self, setting: Setting) -> int:
        """How many layers of a generator with styles take part at this stage."""
        return self.generator.layers_at(setting.resolution or self.generator.resolution)

    def setting(
        self,
        *,
        psi: float | None = None,
        cutoff: int | None = None,
        noise: NoiseMode | None = None,
        noise_seed: int | None = None,
        label: str | tuple[float, ...] | None = None,
        resolution: int | None = None,
        alpha: float | None = None,
        z_limit: float | None = None,
    ) -> Setting:
        """The setting of these values; None: the usual psi, all layers, the model's own noise, the stage reached.

        `label` is a text as for `read_label`, or all values; without one, a model of label vectors draws an example of
        the training's for each seed. InputError for what the model does not have, a class that is missing, and numbers
        out of range.
        """
        stage = self._stage(resolution, alpha)
        chosen = self._label(label)
        if not self.styled:
            given = {"truncation": psi, "a cutoff": cutoff, "a noise mode": noise, "a noise seed": noise_seed}
            for name, value in given.items():
                if value is not None:
                    self._check_styled(name)
            if z_limit is not None and not (math.isfinite(z_limit) and z_limit > 0):
                raise InputError(f"limit of z {z_limit:g}: give a number above 0")
            return Setting(resolution=stage[0], alpha=stage[1], label=chosen, z_limit=z_limit)
        if z_limit is not None:
            title = self.architecture.title
            raise InputError(f'a limit of z needs a ProGAN model; "{self.name}" is a {title}, which has psi')
        psi = default_psi(self.labels.kind) if psi is None else psi
        check_psi(psi)
        layers = self.generator.num_layers
        if cutoff is not None and not 0 <= cutoff <= layers:
            raise InputError(f'cutoff {cutoff}: "{self.name}" has {layers} layers; give 0 to {layers}')
        if not 0 <= (noise_seed or 0) <= LARGEST_SEED:
            raise InputError(f"noise seed {noise_seed}: give a whole number from 0 to {LARGEST_SEED}")
        return Setting(psi, cutoff, noise or "const", noise_seed or 0, *stage, chosen)

    def _stage(self, resolution: int | None, alpha: float | None) -> tuple[int, float]:
        own = self.generator.resolution
        if resolution is None:
            resolution = self.resolution
        if not (4 <= resolution <= own and resolution & (resolution - 1) == 0):
            raise InputError(f'stage {resolution}: "{self.name}" has those of 4, 8, ... to {own} px')
        first = min(self.first_stage, self.resolution)
        if resolution < first:
            raise InputError(f'stage {resolution}: training of "{self.name}" began at {first} px; give that or more')
        if alpha is None:
            alpha = self.alpha if resolution == self.resolution else 1.0
        if not 0 <= alpha <= 1:
            raise InputError(f"alpha {alpha:g}: give a number from 0 to 1")
        # The first stage has none before it that it could be faded in from.
        return resolution, alpha if resolution > first else 1.0

    def _label(self, label: str | tuple[float, ...] | None) -> int | tuple[float, ...] | None:
        if self.labels.kind == "none":
            if label is not None:
                raise InputError(f'class {shown(str(label))}: "{self.name}" was trained without classes')
            return None
        if isinstance(label, str):
            return read_label(label, self.labels)
        if label is not None:
            if len(label) != len(self.labels.names) or not all(map(math.isfinite, label)):
                raise InputError(f"class {shown(str(label))}: give {len(self.labels.names)} finite numbers")
            return label
        if self.labels.kind == "classes":
            raise InputError(f'"{self.name}" has classes: {known_labels(self.labels)}')
        return None

    def _drawn(self, seeds: Sequence[Source], setting: Setting) -> Tensor | None:
        """Labels [N, label_dim] of seeds whose setting leaves them open."""
        if self.labels.kind != "vector" or setting.label is not None:
            return None
        return torch.tensor([self.labels.drawn(seed_of(seed)) for seed in seeds])

    def read_latents(self, path: str | os.PathLike[str], called: str) -> list[Latent]:
        """The latents of a file, which may stand for seeds wherever images are drawn. InputError as of the function."""
        return read_latents(Path(path), self.generator, self.styled, called)

    def images(self, seeds: Sequence[Source], setting: Setting) -> Iterator[np.ndarray]:
        """The images [H, W, C] (uint8) of seeds, one after the other."""
        for part in self._parts(len(seeds), setting):
            labels = self._drawn(seeds[part], setting)
            yield from self._draw(self.inputs(seeds[part], setting), seeds[part], setting, labels)

    def inputs(self, seeds: Sequence[Source], setting: Setting, labels: Tensor | None = None) -> Tensor:
        """What seeds and latents are drawn from: truncated ws [N, num_layers, w_dim], without styles z [N, z_dim].

        Labels [N, label_dim] go before the seeds' own. ws are on the generator's device.
        """
        labels = self._drawn(seeds, setting) if labels is None else labels
        if not any(isinstance(seed, Latent) and seed.kind == "w" for seed in seeds):
            return self._mapped(self._z(seeds), setting, labels)

        def own(at: int, seed: Source) -> Tensor:
            if not isinstance(seed, Latent) or seed.kind == "z":
                return self._mapped(self._z([seed]), setting, None if labels is None else labels[at : at + 1])
            ws = torch.from_numpy(seed.values)[None].to(self.generator.w_avg.device)
            return self.generator.truncate(ws, setting.psi, setting.cutoff) if seed.truncate else ws

        return torch.cat([own(at, seed) for at, seed in enumerate(seeds)])

    def latent(self, seed: Source, setting: Setting) -> dict[str, np.ndarray]:
        """The latent of a seed's image: with styles the truncated "w" [1, num_layers, w_dim], else "z" [1, z_dim]."""
        return {"w" if self.styled else "z": self.inputs([seed], setting).float().cpu().numpy()}

    @torch.inference_mode()
    def noise_parts(
        self, seeds: Sequence[Source], parts: Sequence[Sequence[int]], setting: Setting
    ) -> Iterator[np.ndarray]:
        """Images with the random noise of some layers only, the others' being 0: for each seed one of each part."""
        self.check_noise()
        for seed in seeds:
            ws = self.inputs([seed], setting)
            maps = noise_maps(self.generator, [seed_of(seed)], setting)
            for part in parts:
                noise = [one * (layer in part) for layer, one in enumerate(maps)]
                yield self.shown(to_uint8(self.generator.synthesis(ws, setting.resolution, setting.alpha, noise)))[0]

    def along(
        self,
        seeds: Sequence[Source],
        amounts: Sequence[Sequence[float]],
        setting: Setting,
        layers: Sequence[int] | None = None,
        found: Directions | None = None,
    ) -> Iterator[np.ndarray]:
        """The images of seeds, each moved by its amounts along all directions (see `Directions.moved`).

        They are moved after truncation, along the model's own directions or those `found`. InputError and ModelError
        as from `directions`.
        """
        found = found or self.directions
        for part in self._parts(len(seeds), setting):
            moved = found.moved(self.inputs(seeds[part], setting), torch.tensor(amounts[part]), layers)
            yield from self._draw(moved, seeds[part], setting)

    def mixed(
        self, rows: Sequence[Source], columns: Sequence[Source], layers: Sequence[int], setting: Setting
    ) -> Iterator[np.ndarray]:
        """Style mixing, row by row: the seed of the row, with the styles of these layers from the column's seed.

        The noise, where it is random, is the row's. InputError as from `check_mixing`.
        """
        self.check_mixing()
        base, source = self.inputs(rows, setting), self.inputs(columns, setting)
        pairs = [(row, column) for row in range(len(rows)) for column in range(len(columns))]
        for part in self._parts(len(pairs), setting):
            ws = base[[row for row, _ in pairs[part]]]
            ws[:, layers] = source[[column for _, column in pairs[part]]][:, layers]
            yield from self._draw(ws, [rows[row] for row, _ in pairs[part]], setting)

    def path(
        self,
        seeds: Sequence[Source],
        frames: int,
        loop: bool,
        space: Space | None,
        setting: Setting,
        easing: Easing = "linear",
        ping_pong: bool = False,
        to: Setting | None = None,
    ) -> Iterator[np.ndarray]:
        """The frames of a path through the seeds, `frames` from each to the next; a loop ends before its first again.

        See `path_points`; with `ping_pong` the path goes back again. Random noise is that of the first seed throughout.
        The label is the setting's at the first seed, that of `to`, if any, at the last, and in equal steps at those
        between. InputError as from `space`.
        """
        space = self.space(space, moving=to is not None)
        labels = self._drawn(seeds, setting)
        if to is not None and setting.label is not None and to.label is not None:
            start, end = (generation.label_values(self.generator, one) for one in (setting.label, to.label))
            labels = torch.lerp(start, end, torch.linspace(0, 1, len(seeds)).reshape(-1, 1))
        keys = self.inputs(seeds, setting, labels) if space == "w" else self._z(seeds)
        steps = list(range(path_length(len(seeds), frames, loop)))
        if ping_pong:
            steps += steps[-2:0:-1]
        for part in self._parts(len(steps), setting):
            way = steps[part], frames, loop, easing
            points = path_points(keys, *way, space)
            own = None if labels is None else path_points(labels[:, None], *way, "w")[:, 0]
            inputs = points if space == "w" else self._mapped(points, setting, own)
            yield from self._draw(inputs, [seeds[0]] * len(inputs), setting, own)

    def space(self, wanted: Space | None, moving: bool = False) -> Space:
        """The space of a path, by default w with styles and z without or from label to label (`moving`).

        In z every frame has the label that belongs there. InputError for w without styles.
        """
        if wanted == "w":
            self._check_styled("a path in w")
        return wanted or ("w" if self.styled and not moving else "z")

    def check_mixing(self) -> None:
        """InputError unless the layers of this model have styles of their own."""
        self._check_styled("style mixing")
        if self.generator.num_layers == 1:
            raise InputError(f'style mixing needs a style a layer; "{self.name}" was trained without')

    def check_noise(self) -> None:
        """InputError unless this model takes noise."""
        self._check_styled("noise")
        if not self.generator.config.use_noise:
            raise InputError(f'"{self.name}" was trained without noise')

    def check_projection(self) -> None:
        """InputError unless images can be projected to this model's w."""
        self._check_styled("projection")

    def _check_styled(self, what: str) -> None:
        if not self.styled:
            raise InputError(f'{what} needs a StyleGAN model; "{self.name}" is a {self.architecture.title}')

    def _parts(self, count: int, setting: Setting) -> Iterator[slice]:
        return generation.parts(count, self.batch or generation.largest_batch(self.generator, setting))

    def _z(self, seeds: Sequence[Source]) -> Tensor:
        """The latents [N, z_dim]. InputError for w of a file."""
        for seed in seeds:
            if isinstance(seed, Latent) and seed.kind == "w":
                raise InputError(f"{seed}: is a w, which no path in z leads through; choose space w, and one label")
        z_dim = self.generator.z_dim
        return torch.stack(
            [torch.from_numpy(one.values) if isinstance(one, Latent) else latents([one], z_dim)[0] for one in seeds]
        )

    def _mapped(self, z: Tensor, setting: Setting, labels: Tensor | None) -> Tensor:
        """`inputs` for latents z [N, z_dim]."""
        inputs = network_inputs(self.generator, z, setting, labels)
        return self.generator.truncate(inputs, setting.psi, setting.cutoff) if self.styled else inputs

    def _draw(
        self, inputs: Tensor, seeds: Sequence[Source], setting: Setting, labels: Tensor | None = None
    ) -> np.ndarray:
        """Images [N, H, W, C] (uint8) of inputs that are truncated already."""
        return self._generate(inputs, [seed_of(seed) for seed in seeds], replace(setting, psi=1.0), labels)

    def _generate(
        self, inputs: Tensor, seeds: Sequence[int], setting: Setting, labels: Tensor | None = None
    ) -> np.ndarray:
        """Images [N, H, W, C] (uint8), in smaller batches where this one does not fit in memory."""
        try:
            return self.shown(to_uint8(generation.generate(self.generator, inputs, setting, seeds, labels)))
        except (RuntimeError, MemoryError) as error:
            if len(inputs) == 1 or not is_out_of_memory(error):
                raise
        # Not in the handler, where the error's frames still hold what was in the way.
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        smaller = max(len(inputs) // 4, 1)
        self._on_split(len(inputs), smaller)
        parts = generation.parts(len(inputs), smaller)
        return np.concatenate(
            [
                self._generate(inputs[part], seeds[part], setting, None if labels is None else labels[part])
                for part in parts
            ]
        )

    def text(self, setting: Setting, **facts: Any) -> dict[str, str]:
        """The text for an image file: "parameters" (JSON: model, setting, `facts` over it) and the data's credit."""
        parameters: dict[str, Any] = {"model": self.name, "weights": self.weights}
        if self.dtype != "float32":
            parameters["dtype"] = self.dtype
        if self.styled:
            parameters |= {"psi": setting.psi, "cutoff": setting.cutoff, "noise": setting.noise}
            if setting.noise == "random":
                parameters["noise_seed"] = setting.noise_seed
        if setting.z_limit is not None:
            parameters["z_limit"] = setting.z_limit
        label = setting.label
        if label is None and self.labels.kind == "vector" and "seed" in facts:
            label = self.labels.drawn(seed_of(facts["seed"]))
        if label is not None:
            parameters["class"] = label_text(label, self.labels)
        parameters |= {"resolution": setting.resolution, "alpha": setting.alpha}
        text = {"Software": "Stylegrow", "parameters": json.dumps(parameters | facts, ensure_ascii=False, default=str)}
        return text | ({"Source": self.credit} if self.credit else {})


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
