"""The mapping network from latents z to the intermediate latents w (Karras et al. 2019, section 2)."""

import math

import torch
from torch import Tensor, nn

from progan.layers import Linear, Standardize, activation, check_labels, pixel_norm
from stylegan.config import GeneratorConfig


class Mapping(nn.Module):
    """w [N, w_dim] from latents [N, z_dim] and labels [N, label_dim], through fully connected layers.

    Labels are embedded in z_dim numbers and put beside the latents. Classes are normalised together with them; of a
    vector that would hide the length. The layers learn `mapping_lrmul` times as fast as the others (appendix C).
    """

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        z_dim, label_dim = config.z_dim, config.label_dim
        self.standardize = Standardize(config) if config.label_kind == "vector" else None
        self.label_embedding = nn.Parameter(torch.randn(label_dim, z_dim)) if label_dim else None
        self.layers = nn.ModuleList()
        inputs = z_dim * 2 if label_dim else z_dim
        for index in range(config.mapping_layers):
            outputs = config.w_dim if index == config.mapping_layers - 1 else config.mapping_fmaps
            self.layers.append(Linear(inputs, outputs, equalized=config.equalized_lr, lrmul=config.mapping_lrmul))
            inputs = outputs

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """ValueError for labels that are missing or not expected."""
        check_labels("generator", labels, self.config.label_dim)
        x = self.normalized(z, labels)
        for layer in self.layers:
            x = activation(layer(x), self.config.mapping_nonlinearity)
        return x

    def normalized(self, z: Tensor, labels: Tensor | None) -> Tensor:
        """Latents and embedded labels side by side [N, z_dim or 2 z_dim], normalised where the network does so."""
        norm = pixel_norm if self.config.normalize_latents else nn.Identity()
        if labels is None or self.label_embedding is None:
            return norm(z)
        embedding = self.label_embedding.to(z.dtype)
        if self.standardize is None:
            return norm(torch.cat([z, labels.to(z.dtype) @ embedding], dim=1))
        embedded = self.standardize(labels).to(z.dtype) @ embedding / math.sqrt(self.config.label_dim)
        return torch.cat([norm(z), embedded], dim=1)
