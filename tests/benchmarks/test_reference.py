"""The reference transcription computes what the project's networks do, so that their speeds may be compared."""

import pytest
import torch
from torch import Tensor

import progan
import stylegan
from benchmarks import reference
from stylegan.config import layer_sizes
from train.step.config import StepConfig
from train.step.objectives import critic_loss


def both(room, resolution, own=None, **style):
    """The project's networks, with no weight left at a value that hides what it does, and the reference's.

    `own` are further options of the generator alone.
    """
    torch.manual_seed(0)
    shared = {"resolution": resolution, "fmap_base": 64, "fmap_max": 8} | style
    more = ({"w_dim": 8, "mapping_fmaps": 8} if room is stylegan else {}) | (own or {})
    ours = room.Generator(z_dim=8, **shared, **more).double(), room.Discriminator(**shared).double()
    for network in ours:
        for parameter in network.parameters():
            if parameter.dim() < 2:
                torch.nn.init.normal_(parameter)
    return ours, reference.networks(*ours)


def images_of(ours, theirs, z: Tensor) -> tuple[Tensor, Tensor]:
    if isinstance(ours, progan.Generator):
        return ours(z), theirs(z)
    noise = [torch.randn(len(z), 1, size, size, dtype=z.dtype) for size in layer_sizes(ours.resolution)]
    return ours(z, noise=noise), theirs(z, noise=noise)


@pytest.mark.parametrize(
    ("room", "resolution", "style"),
    [
        (progan, 4, {}),
        (progan, 32, {}),
        (progan, 16, {"blur_filter": [1, 2, 1]}),
        (stylegan, 4, {}),
        (stylegan, 32, {}),
        (stylegan, 16, {"blur_filter": None}),
        (stylegan, 16, {"own": {"instance_norm": False, "pixelnorm": True}}),
    ],
)
def test_images_and_losses_and_their_gradients_are_equal(room, resolution, style):
    (generator, critic), (their_generator, their_critic) = both(room, resolution, **style)
    images, their_images = images_of(generator, their_generator, torch.randn(8, 8, dtype=torch.float64))
    torch.testing.assert_close(their_images, images)

    reals, mix = torch.randn_like(images), torch.rand(8, 1, 1, 1, dtype=torch.float64)
    ours = critic_loss(StepConfig(), critic, reals, images.detach(), mix).value
    theirs = reference.critic_loss(their_critic, reals, images.detach(), mix)
    torch.testing.assert_close(theirs, ours)
    ours.backward()
    theirs.backward()
    gradients = dict(critic.named_parameters())
    for name in their_critic.index:
        torch.testing.assert_close(their_critic[name].grad, gradients[name].grad, msg=name)


def test_fused_upscaling_is_the_same_from_128_px_on():
    (generator, _), (their_generator, _) = both(stylegan, 128)
    images, their_images = images_of(generator, their_generator, torch.randn(1, 8, dtype=torch.float64))
    torch.testing.assert_close(their_images, images)
