"""What a run shows of itself while it trains: grids of samples from fixed latents, and model folders."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from progan.network import Network
from stylegrow.architectures import architecture_of
from stylegrow.common.images import colours, to_uint8
from stylegrow.common.text import duration
from stylegrow.data import Dataset
from stylegrow.models import save_model
from stylegrow.physics import pictures
from stylegrow.physics.intensity import roots_of
from stylegrow.rendering import grids
from stylegrow.rendering.showers import with_legend
from train.config.run_config import RunConfig
from train.config.schedule import Stage
from train.run.folders import keep_newest
from train.run.statistics import Clock
from train.step import constraints
from train.step.batch_loader import to_reals
from train.step.inputs import Labels
from train.step.random_streams import RandomStreams
from train.step.trainer import Trainer

N = TypeVar("N", bound=Network)
SMALLEST_SHOWER = 64  # px; a power of two


def grid_shape(resolution: int) -> tuple[int, int]:
    """(columns, rows) of a grid of about 960 x 640 pixels."""
    return min(max(960 // resolution, 3), 12), min(max(640 // resolution, 2), 8)


def without_blur(network: N) -> N:
    """The same network, with a configuration that has no low-pass filter."""
    same, config = copy.copy(network), cast(Any, network.config)
    same.config = replace(config, blur_filter=None)
    return same


def name_at(images: int) -> str:
    """What a snapshot after so many images is called, by kimg: 000012 or 000012_500. Names sort as the images do."""
    kimg, rest = divmod(images, 1000)
    return f"{kimg:06d}_{rest:03d}" if rest else f"{kimg:06d}"


class Snapshots:
    """Writes the grids and the models of one run, from the same latents and labels every time."""

    def __init__(
        self,
        run: Path,
        config: RunConfig,
        streams: RandomStreams,
        clock: Clock,
        labels: Labels | None,
        dataset: Dataset,
        held_out: np.ndarray,
    ) -> None:
        self.run, self.config, self.clock = run, config, clock
        self.dataset, self.held_out, self.all_labels = dataset, held_out, labels
        self.transform = config.data.get("transform")
        self.size = config.generator.resolution
        if self.transform is not None:
            self.size = max(self.size * pictures.times(self.transform), SMALLEST_SHOWER)
        self.columns, rows = grid_shape(self.size)
        self.latents = streams.latents("snapshot", 0, self.columns * rows, config.generator.z_dim)
        self.credit = {"Source": config.data["credit"]} if config.data["credit"] else {}
        self.labels: Tensor | None = None
        if labels is not None:
            places = streams.choices("snapshot labels", 0, len(self.latents), len(labels.training))
            self.labels = labels.of(labels.training[places])

    def write_reals(self, dataset: Dataset, training: np.ndarray) -> None:
        """reals.png: as many images of the data at full resolution as the other grids have."""
        shown = training[: len(self.latents)]
        images = colours(dataset.read(shown, dataset.resolution).transpose(0, 2, 3, 1))
        grids.save_png(self.grid(images, self.columns), self.run / "reals.png", self.credit)

    def write(self, trainer: Trainer) -> Image.Image:
        """The grid at this moment, model/ brought up to date, and the same model kept under models/."""
        stage = trainer.stage
        name = name_at(trainer.images)
        images = to_uint8(self.sample(trainer, stage))
        grid = self.grid(images, self.columns)
        facts = {"Software": "Stylegrow", "kimg": f"{trainer.images / 1000:g}"} | self.credit
        grids.save_png(grid, self.run / f"fakes{name}.png", facts)
        if not architecture_of(trainer.generator).adversarial:
            pairs = self.grid(self.reconstructions(trainer, stage), 2 * (self.columns // 2))
            grids.save_png(pairs, self.run / f"reconstructions{name}.png", facts)
        self.save_model(self.run / "model", trainer, stage)
        if self.config.options.keep_models:
            self.save_model(self.run / "models" / name, trainer, stage)
        keep_newest(self.run / "models", name, self.config.options.keep_models)
        return grid

    def grid(self, images: np.ndarray, columns: int) -> Image.Image:
        """Images [N, r, r, C] (uint8), all enlarged to the network's full size; showers in colours, with a legend."""
        if self.transform is None:
            return grids.grid(images, columns, size=self.size)
        coloured = grids.grid(pictures.shown(images, self.transform), columns, size=self.size)
        return with_legend(coloured, self.transform)

    def save_model(self, folder: Path, trainer: Trainer, stage: Stage, **facts: Any) -> None:
        """Save the generator's EMA and the critic as a model folder, with these further facts."""
        generator, partner = trainer.generator_ema, constraints.effective_copy(trainer.discriminator)
        if not trainer.blurs:
            generator, partner = without_blur(generator), without_blur(partner)
        save_model(
            folder,
            generator,
            partner,
            training=self.facts(trainer, stage) | facts,
            classes=self.config.data["classes"],
            label_values=self.config.data.get("label_values"),
            transform=self.config.data.get("transform"),
        )

    @torch.inference_mode()
    def sample(self, trainer: Trainer, stage: Stage) -> Tensor:
        """Images of the generator's EMA of the fixed latents at this stage."""
        architecture, images = architecture_of(trainer.generator_ema), []
        for part in torch.arange(len(self.latents)).split(32):
            latents = self.latents[part].to(trainer.processes.device)
            labels = None if self.labels is None else self.labels[part].to(trainer.processes.device)
            images.append(
                architecture.sample(trainer.generator_ema, latents, labels, stage.resolution, stage.alpha).cpu()
            )
        return torch.cat(images)

    @torch.inference_mode()
    def reconstructions(self, trainer: Trainer, stage: Stage) -> np.ndarray:
        """Held-out images [n, r, r, C] in pairs: as they are, and decoded from the mean of their latents."""
        shown, device = self.held_out[: len(self.latents) // 2], trainer.processes.device
        images = torch.from_numpy(self.dataset.read(shown, stage.resolution)).to(device)
        labels = None if self.all_labels is None else self.all_labels.of(shown).float().to(device)
        mean, _ = trainer.discriminator(
            to_reals(images.float(), None, stage.alpha, roots_of(self.config.data.get("transform"))),
            labels,
            stage.alpha,
        )
        decoder = trainer.generator_ema
        decoded = to_uint8(architecture_of(decoder).sample(decoder, mean, labels, stage.resolution, stage.alpha))
        return np.stack([images.permute(0, 2, 3, 1).cpu().numpy(), decoded], axis=1).reshape(-1, *decoded.shape[1:])

    def facts(self, trainer: Trainer, stage: Stage) -> dict[str, Any]:
        """The facts of the training in a model folder."""
        options, data = self.config.options, self.config.data
        facts = {
            "resolution": stage.resolution,
            "alpha": stage.alpha,
            "kimg": trainer.images / 1000,
            "data": f"{data['name']}, {data['pictures']} pictures",
            "credit": data["credit"],
            "objective": self.config.objective,
            "spectral_norm": None if options.spectral_norm == "no" else options.spectral_norm,
            "preset": options.preset,
            "precision": options.mixed_precision,
            "seed": options.seed,
            "labels": options.cond,
            "command": self.config.command,
            "hardware": "; then ".join(self.config.hardware) or None,
            "time": duration(self.clock.seconds),
            "held_out": data["held_out"],
        }
        if data["credit"]:
            facts["license"] = "cc-by-4.0"
        return {name: value for name, value in facts.items() if value is not None}
