"""The mapping network from latents z to the intermediate latents w (Karras et al. 2019, section 2)."""

import torch
from torch import Tensor, nn

from progan.layers import Linear, activation, check_choice, check_labels, pixel_norm

MOST_LAYERS = 64


class Mapping(nn.Module):
    """w [N, w_dim] from latents [N, z_dim] and labels [N, label_dim], through fully connected layers.

    Labels are embedded in z_dim numbers and put beside the latents; both are normalised together. The layers learn
    `lrmul` times as fast as the others (appendix C).
    """

    def __init__(
        self,
        z_dim: int,
        w_dim: int,
        label_dim: int,
        layers: int,
        fmaps: int,
        lrmul: float,
        nonlinearity: str,
        normalize_latents: bool,
        equalized: bool,
    ) -> None:
        super().__init__()
        check_choice("mapping_nonlinearity", nonlinearity, ("lrelu", "relu"))
        self.z_dim, self.label_dim = z_dim, label_dim
        self.nonlinearity, self.normalize_latents = nonlinearity, normalize_latents
        inputs = z_dim * 2 if label_dim else z_dim
        if not 0 <= layers <= MOST_LAYERS:
            raise ValueError(f"mapping_layers {layers} is not in 0 to {MOST_LAYERS}")
        if not layers and inputs != w_dim:
            raise ValueError(f"w_dim {w_dim} is not the {inputs} numbers that no mapping layer changes")
        self.label_embedding = nn.Parameter(torch.randn(label_dim, z_dim)) if label_dim else None
        self.layers = nn.ModuleList()
        for index in range(layers):
            outputs = w_dim if index == layers - 1 else fmaps
            self.layers.append(Linear(inputs, outputs, equalized=equalized, lrmul=lrmul))
            inputs = outputs

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """ValueError for labels that are missing or not expected."""
        check_labels("generator", labels, self.label_dim)
        x = z
        if labels is not None and self.label_embedding is not None:
            x = torch.cat([x, labels.to(x.dtype) @ self.label_embedding.to(x.dtype)], dim=1)
        if self.normalize_latents:
            x = pixel_norm(x)
        for layer in self.layers:
            x = activation(layer(x), self.nonlinearity)
        return x
