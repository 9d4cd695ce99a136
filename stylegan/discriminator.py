"""The discriminator ("critic") of the style-based GAN: ProGAN's, with a blur before each downscaling."""

from torch import Tensor

from progan.discriminator import BaseDiscriminator
from progan.layers import Alpha, check_labels
from progan.network import takes_fields_of
from stylegan.config import DiscriminatorConfig


class Discriminator(BaseDiscriminator):
    """Scores images [N, image_channels, r, r]; with labels, as images that have them.

    The arguments are the fields of DiscriminatorConfig.
    """

    config: DiscriminatorConfig

    @takes_fields_of(DiscriminatorConfig)
    def __init__(self, config: DiscriminatorConfig) -> None:
        scores = config.label_dim if config.label_kind == "classes" else 1
        super().__init__(config, outputs=scores, fused=True)

    def forward(self, images: Tensor, labels: Tensor | None = None, alpha: Alpha = 1.0, batches: int = 1) -> Tensor:
        """Scores [N, 1]; with classes, the sum of label_dim scores weighted by the labels.

        Labels are [N / batches, label_dim], the same for each batch; vectors are in the data's units. The other
        arguments are those of `outputs`. ValueError as from `outputs`, and for labels that are missing or not expected.
        """
        check_labels("discriminator", labels, self.label_dim)
        x = self.outputs(images, labels, alpha, batches)
        if labels is None or self.takes_vector:
            return x
        return (x * labels.to(x.dtype).repeat(batches, 1)).sum(dim=1, keepdim=True)
