"""`stylegrow reconstruct`: images beside what a VAE gives back of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import tyro

from stylegrow.cli.metrics import held_out_of, open_data, open_encoder
from stylegrow.cli.options import Model, check_range, report
from stylegrow.common.commandline import Integer, Text
from stylegrow.common.errors import InputError
from stylegrow.common.images import colours, to_uint8
from stylegrow.common.paths import check_file, expanded
from stylegrow.common.text import printable
from stylegrow.rendering import grids

MOST, PAIRS_IN_ROW, SMALLEST = 1024, 4, 64  # images, and the least px that one is shown at


@dataclass(frozen=True, kw_only=True)
class Reconstruct:
    """Images in pairs: as they are, and as a VAE decodes the mean of their latents."""

    model: Model
    """a model folder or run folder of a VAE, or hf://user/repo"""
    data: Text = None
    """folder, zip or prepared data set of images (default: those that its training held out)"""
    count: int = 16
    """images"""
    out: Annotated[str, tyro.conf.arg(metavar="FILE")] = "reconstructions.png"
    """the PNG to write"""
    cache: Text = None
    """where prepared images are kept (default: $STYLEGROW_CACHE, else ~/.cache/stylegrow)"""
    workers: Integer = None
    """processes that prepare images (default: one a core)"""

    def run(self) -> None:
        """Write the image, and print the error. Raises InputError, OSError."""
        import torch

        from stylegrow.metrics.reals import check_labels
        from stylegrow.metrics.reconstruction import error, reconstruct
        from stylegrow.models import load_generator, read_config
        from stylegrow.models.config import stage_reached
        from stylegrow.physics import pictures

        check_range("--count", self.count, 1, MOST)
        check_file(self.out, "--out")
        decoder, facts = load_generator(self.model), read_config(self.model)["training"]
        encoder = open_encoder(self.model, decoder)
        if encoder is None:
            raise InputError(f"--model {printable(self.model)}: has no encoder; give a VAE")
        dataset = open_data(self.model, self.data, decoder.resolution, self.cache, self.workers)
        if dataset.channels != decoder.config.image_channels:
            raise InputError(
                f"--data: has {dataset.channels} colour channels, the model {decoder.config.image_channels}; "
                "give other images"
            )
        check_labels(dataset, decoder, facts.get("labels"))
        held_out = held_out_of(dataset, facts)
        chosen = (np.arange(len(dataset)) if held_out is None else held_out)[: self.count]
        stage, alpha = stage_reached(facts, decoder.resolution)
        images, cond = dataset.read(chosen, stage or decoder.resolution), facts.get("labels")
        labels = None if cond is None else torch.from_numpy(dataset.labels(cond, chosen))
        decoded = reconstruct(encoder, decoder, images, labels, alpha)
        pairs = np.stack([colours(images.transpose(0, 2, 3, 1)), to_uint8(decoded)], axis=1)
        shown = pairs.reshape(-1, *pairs.shape[2:])
        if dataset.transform is not None:
            shown = pictures.shown(shown, dataset.transform)
        figure = grids.grid(shown, 2 * min(PAIRS_IN_ROW, len(chosen)), size=max(shown.shape[1], SMALLEST))
        path = expanded(self.out)
        path.parent.mkdir(parents=True, exist_ok=True)
        grids.save_png(figure, path, {"Source": dataset.credit or dataset.source})
        report(path)
        print(f"error: {error(images, decoded):.1f} grey levels (root mean square) over {len(chosen)} images")
