"""The plain transcription computes what the project's networks do, so that their speeds may be compared."""

import pytest
import torch
from torch import Tensor

import progan
import stylegan
from benchmarks import plain
from stylegan.synthesis import layer_sizes
from train.step.config import StepConfig
from train.step.objectives import critic_loss


def both(architecture, resolution):
    """The project's networks, with no weight left at a value that hides what it does, and the plain ones."""
    torch.manual_seed(0)
    shared = {"resolution": resolution, "fmap_base": 64, "fmap_max": 8}
    room = {"progan": progan, "stylegan": stylegan}[architecture]
    more = {"w_dim": 8, "mapping_fmaps": 8} if architecture == "stylegan" else {}
    ours = room.Generator(z_dim=8, **shared, **more).double(), room.Discriminator(**shared).double()
    for network in ours:
        for parameter in network.parameters():
            if parameter.dim() < 2:
                torch.nn.init.normal_(parameter)
    theirs = plain.networks(*ours, resolution)
    return ours, tuple(network.double() for network in theirs)


def drawn(ours, theirs, z: Tensor) -> tuple[Tensor, Tensor]:
    if isinstance(ours, progan.Generator):
        return ours(z), theirs(z)
    noise = [torch.randn(len(z), 1, size, size, dtype=z.dtype) for size in layer_sizes(ours.resolution)]
    return ours(z, noise=noise), theirs(z, noise=noise)


@pytest.mark.parametrize("architecture", ["progan", "stylegan"])
@pytest.mark.parametrize("resolution", [4, 32])
def test_images_and_losses_and_their_gradients_are_equal(architecture, resolution):
    (generator, critic), (plain_generator, plain_critic) = both(architecture, resolution)
    images, plain_images = drawn(generator, plain_generator, torch.randn(8, 8, dtype=torch.float64))
    torch.testing.assert_close(plain_images, images)

    reals, mix = torch.randn_like(images), torch.rand(8, 1, 1, 1, dtype=torch.float64)
    ours = critic_loss(StepConfig(loss="wgan-gp"), critic, reals, images.detach(), mix).value
    theirs = plain.critic_loss(plain_critic, reals, images.detach(), mix)
    torch.testing.assert_close(theirs, ours)
    ours.backward()
    theirs.backward()
    gradients = dict(critic.named_parameters())
    for name, parameter in plain_critic.named_parameters():
        torch.testing.assert_close(parameter.grad, gradients[name].grad, msg=name)


def test_fused_upscaling_is_the_same_from_128_px_on():
    (generator, _), (plain_generator, _) = both("stylegan", 128)
    images, plain_images = drawn(generator, plain_generator, torch.randn(1, 8, dtype=torch.float64))
    torch.testing.assert_close(plain_images, images)
