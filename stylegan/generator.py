"""The style-based generator (Karras et al. 2019)."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from stylegan.mapping import Mapping
from stylegan.synthesis import LayerOptions, Noise, Synthesis, layer_sizes

W_AVG_BETA = 0.995  # of the official StyleGAN, a half-step


class Generator(nn.Module):
    """Draws images [N, image_channels, r, r] from latents [N, z_dim], at any resolution r from 4 to its own.

    `mapping` turns latents into w, `truncate` gives every layer a row of it, `synthesis` draws the images. `w_avg` is
    the running mean of w that truncation pulls towards. The arguments are the official ones; `config` holds them all.

    Args:
        resolution: the full resolution, a power of two from 4 on.
        z_dim, w_dim: lengths of the latent vectors z and w.
        label_dim: length of the label vector; 0 for a generator without labels.
        image_channels: 3 for RGB, 1 for grey.
        fmap_base, fmap_decay, fmap_max: a block at resolution r has min(fmap_base / (r/2)**fmap_decay, fmap_max) maps.
        mapping_layers, mapping_fmaps: number and width of the mapping network's layers.
        mapping_lrmul: their learning rate, as a multiple of the others'.
        mapping_nonlinearity, nonlinearity: "lrelu" or "relu".
        normalize_latents: pixel norm over latents and embedded labels together.
        equalized_lr: scale the weights at run time.
        use_styles, const_input, use_noise, instance_norm: what makes a StyleGAN; False leaves the paper's table 1.
        pixelnorm: pixel norm after each nonlinearity.
        fused_scale: the official "fused" upscaling (see progan.layers.UpConv2d); "auto" for outputs from 128 px.
        blur_filter: the low-pass filter after upscaling; None for none.
    """

    w_avg: Tensor

    def __init__(
        self,
        resolution: int = 1024,
        z_dim: int = 512,
        label_dim: int = 0,
        image_channels: int = 3,
        fmap_base: int = 8192,
        fmap_max: int = 512,
        fmap_decay: float = 1.0,
        w_dim: int = 512,
        mapping_layers: int = 8,
        mapping_fmaps: int = 512,
        mapping_lrmul: float = 0.01,
        mapping_nonlinearity: str = "lrelu",
        normalize_latents: bool = True,
        equalized_lr: bool = True,
        use_styles: bool = True,
        const_input: bool = True,
        use_noise: bool = True,
        pixelnorm: bool = False,
        instance_norm: bool = True,
        nonlinearity: str = "lrelu",
        fused_scale: bool | str = "auto",
        blur_filter: Sequence[Any] | None = (1, 2, 1),
    ) -> None:
        blur_filter = None if blur_filter is None else list(blur_filter)
        arguments = {name: value for name, value in locals().items() if name not in ("self", "__class__")}
        super().__init__()
        self.config: dict[str, Any] = arguments
        self.resolution, self.z_dim, self.w_dim, self.label_dim = resolution, z_dim, w_dim, label_dim
        self.mapping = Mapping(
            z_dim,
            w_dim,
            label_dim,
            mapping_layers,
            mapping_fmaps,
            mapping_lrmul,
            mapping_nonlinearity,
            normalize_latents,
            equalized_lr,
        )
        options = LayerOptions(w_dim, equalized_lr, use_styles, use_noise, pixelnorm, instance_norm, nonlinearity)
        self.synthesis = Synthesis(
            resolution,
            image_channels,
            fmap_base,
            fmap_max,
            fmap_decay,
            const_input,
            fused_scale,
            blur_filter,
            options,
        )
        self.num_layers = self.synthesis.num_layers
        self.register_buffer("w_avg", torch.zeros(w_dim))

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
        alpha: float = 1.0,
        noise: Noise = "random",
    ) -> Tensor:
        """Images [N, C, r, r] from latents [N, z_dim] and labels [N, label_dim].

        `psi` and `cutoff` as for `truncate`, the others as for `synthesis`. ValueError as from all of them.
        """
        ws = self.truncate(self.mapping(z, labels), psi, cutoff)
        return self.synthesis(ws, resolution, alpha, noise)

    def truncate(self, w: Tensor, psi: float = 1.0, cutoff: int | None = None) -> Tensor:
        """The rows [N, num_layers, w_dim] of w [N, w_dim], or of rows, with the truncation trick.

        w_avg + psi * (w - w_avg) in the layers below `cutoff` (None: in all), w itself in the others (Karras 2019,
        appendix B). psi may be any number: 1 changes nothing, 0 gives the mean, below 0 the opposite of w.
        """
        ws = w if w.dim() == 3 else w.unsqueeze(1).expand(-1, self.num_layers, -1)
        if psi == 1.0:
            return ws
        layers = torch.arange(self.num_layers, device=w.device).reshape(-1, 1)
        below = layers < (self.num_layers if cutoff is None else cutoff)
        return torch.where(below, torch.lerp(self.w_avg.to(w.dtype), ws, psi), ws)
