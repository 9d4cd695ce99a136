"""A program for test_kernels: compares the kernels, which Triton interprets, with PyTorch's operations in float64."""

import sys
from types import SimpleNamespace

import torch

from benchmarks import ours
from progan import operations
from progan.operations import rectify
from stylegan.operations import adaptive_instance_norm, add_and_rectify
from train.distributed.processes import SingleProcess
from train.step import kernels
from train.step.batch_loader import Batch


def maps(*shape, dtype=torch.float32):
    """Random maps, channels-last, far from a mean of zero."""
    x = torch.randn(shape) + 30 * torch.randn(*shape[:2], 1, 1)
    return x.to(dtype).contiguous(memory_format=torch.channels_last)


def compare_operations():
    """Maps of many sizes: fewer rows than a tile has, several parts, columns that no tile divides."""
    torch.manual_seed(0)
    for shape in ((3, 8, 4, 4), (2, 24, 16, 16), (2, 70, 32, 32), (1, 5, 7, 9)):
        x, style = maps(*shape), torch.randn(shape[0], 2, shape[1], 1, 1)
        gradient = torch.randn(shape).contiguous(memory_format=torch.channels_last)
        result, *parts = kernels.normalise(x, style, 1e-8)
        exact = [x.double().requires_grad_(), style.double().requires_grad_()]
        wanted = adaptive_instance_norm(*exact)
        torch.testing.assert_close(result.double(), wanted.detach(), rtol=0, atol=1e-4)
        gradients = torch.autograd.grad(wanted, exact, gradient.double())
        for one, right in zip(kernels.gradients_of_normalise(gradient, x, style, *parts), gradients, strict=True):
            torch.testing.assert_close(one.double(), right, rtol=1e-4, atol=1e-4 * right.abs().max().item())

        patterns, amounts = torch.randn(2, x.numel() // shape[1]), torch.randn(3, shape[1])[1:]  # a view, as in a layer
        found = kernels.add_and_rectify(x, patterns, amounts, 0.2, torch.empty_like(x))
        wanted = add_and_rectify(x.double(), patterns.double(), amounts.double(), 0.2)
        torch.testing.assert_close(found.double(), wanted, rtol=1e-5, atol=1e-5)
        wanted = rectify(x.double() + amounts[0].double()[:, None, None], 0.2)
        torch.testing.assert_close(kernels.add_and_rectify(x, None, amounts[:1], 0.2, x).double(), wanted)


def compare_steps():
    """The gradients of whole steps in bfloat16: with the kernels as near to float64 as without."""
    for network in ("stylegan", "progan"):
        exact = gradients_of_step(network, "no", torch.float64)
        without, within = (gradients_of_step(network, "bf16", torch.float32, fast) for fast in (False, True))
        for one, other, right in zip(without, within, exact, strict=True):
            assert not torch.equal(one, other)
            assert (other - right).norm() < 1.5 * (one - right).norm(), network


def gradients_of_step(network, precision, dtype, fast=False):
    """The gradients of the critic and of the generator in float64, each as one vector."""
    own = ours.Training(
        network, "toonhead", 16, 4, SingleProcess("cpu"), mixed_precision=precision, fmap_base=128, fmap_max=16, z_dim=8
    )
    computation, inputs = own.trainer.computation, own.trainer.inputs
    stage, inputs.dtype = own.trainer.enter(0), dtype
    batch = Batch(0, own.images, own.indices)
    for one in (computation.generator, computation.discriminator):
        one.to(dtype)
    operations.kernels = SimpleNamespace(**vars(kernels) | {"fit": fits}) if fast else None
    critic = computation.critic_gradients(inputs.for_critic(batch, stage)).gradients
    critic = torch.cat([gradient.double().flatten() for gradient in critic])
    generator = computation.generator_gradients(inputs.for_generator(4, stage, 4)).gradients
    return critic, torch.cat([gradient.double().flatten() for gradient in generator])


def fits(x):
    """The kernels' own rule, but for where the maps lie."""
    return x.dtype == torch.bfloat16 and x.is_contiguous(memory_format=torch.channels_last)


{"operations": compare_operations, "steps": compare_steps}[sys.argv[1]]()
