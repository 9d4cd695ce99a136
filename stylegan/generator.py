"""The style-based generator (Karras et al. 2019)."""

import torch
from torch import Tensor

from progan.layers import Alpha
from progan.network import Network, takes_fields_of
from stylegan.config import GeneratorConfig, layer_sizes
from stylegan.mapping import Mapping
from stylegan.synthesis import Noise, Synthesis

W_AVG_BETA = 0.995  # of the official StyleGAN, a half-step


class Generator(Network):
    """Draws images [N, image_channels, r, r] from latents [N, z_dim], at any resolution r from 4 to its own.

    `mapping` turns latents into w, `truncate` gives every layer its own w, `synthesis` draws the images. `w_avg` is the
    running mean of w that truncation pulls towards. The arguments are the fields of GeneratorConfig.
    """

    config: GeneratorConfig
    w_avg: Tensor

    @takes_fields_of(GeneratorConfig)
    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__(config)
        self.z_dim, self.w_dim = config.z_dim, config.w_dim
        self.mapping = Mapping(config)
        self.synthesis = Synthesis(config)
        self.num_layers = self.synthesis.num_layers
        self.register_buffer("w_avg", torch.zeros(config.w_dim))

    def layers_at(self, resolution: int) -> int:
        """How many of the layers take part at a stage."""
        return min(len(layer_sizes(resolution)), self.num_layers)

    @torch.no_grad()
    def update_w_avg(self, w: Tensor) -> None:
        """Move w_avg towards the mean w [w_dim] of a batch; one that is not finite changes nothing."""
        self.w_avg.copy_(torch.where(w.isfinite().all(), w.lerp(self.w_avg, W_AVG_BETA), self.w_avg))

    @property
    def compute_dtype(self) -> torch.dtype | None:
        """The precision of the convolutions; None: that of the latents."""
        return self.synthesis.compute_dtype

    @compute_dtype.setter
    def compute_dtype(self, dtype: torch.dtype | None) -> None:
        self.synthesis.compute_dtype = dtype

    def forward(
        self,
        z: Tensor,
        labels: Tensor | None = None,
        psi: float = 1.0,
        cutoff: int | None = None,
        resolution: int | None = None,
        alpha: Alpha = 1.0,
        noise: Noise = "random",
    ) -> Tensor:
        """Images [N, C, r, r] from latents [N, z_dim] and labels [N, label_dim].

        `psi` and `cutoff` as for `truncate`, the others as for `synthesis`. ValueError as from all of them.
        """
        ws = self.truncate(self.mapping(z, labels), psi, cutoff)
        return self.synthesis(ws, resolution, alpha, noise)

    def truncate(self, w: Tensor, psi: float = 1.0, cutoff: int | None = None) -> Tensor:
        """A w for each layer, ws [N, num_layers, w_dim], from w [N, w_dim] or ws, with the truncation trick.

        w_avg + psi * (w - w_avg) in the layers below `cutoff` (None: in all), w itself in the others (Karras 2019,
        appendix B). psi may be any number: 1 changes nothing, 0 gives the mean, below 0 the opposite of w. The layers'
        w lie in memory of their own, so that one can be changed without the others.
        """
        ws = w if w.dim() == 3 else w.unsqueeze(1).expand(-1, self.num_layers, -1)
        if psi == 1.0:
            return ws.clone(memory_format=torch.contiguous_format)
        layers = torch.arange(self.num_layers, device=w.device).reshape(-1, 1)
        below = layers < (self.num_layers if cutoff is None else cutoff)
        return torch.where(below, torch.lerp(self.w_avg.to(w.dtype), ws, psi), ws)
