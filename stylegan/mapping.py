"""The mapping network from latents z to the intermediate latents w (Karras et al. 2019, section 2)."""

import torch
from torch import Tensor, nn

from progan.layers import Linear, activation, check_labels, pixel_norm
from stylegan.config import GeneratorConfig


class Mapping(nn.Module):
    """w [N, w_dim] from latents [N, z_dim] and labels [N, label_dim], through fully connected layers.

    Labels are embedded in z_dim numbers and put beside the latents; both are normalised together. The layers learn
    `mapping_lrmul` times as fast as the others (appendix C).
    """

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        z_dim, label_dim = config.z_dim, config.label_dim
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
        x = z
        if labels is not None and self.label_embedding is not None:
            x = torch.cat([x, labels.to(x.dtype) @ self.label_embedding.to(x.dtype)], dim=1)
        if self.config.normalize_latents:
            x = pixel_norm(x)
        for layer in self.layers:
            x = activation(layer(x), self.config.mapping_nonlinearity)
        return x
