"""The parts of the evidence lower bound (Kingma and Welling 2014)."""

from torch import Tensor

DEVIATION = 0.1  # of a pixel around the decoder's mean, of images in [-1, 1]


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(q(z|x) || N(0, 1)) [N] in nats, by mean and log variance [N, z_dim] (Kingma and Welling 2014, appendix B)."""
    return (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1) / 2
