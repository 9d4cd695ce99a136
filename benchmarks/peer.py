"""Training with rosinality/style-based-gan-pytorch: its model.py, read from a checkout that the user fetched.

Its networks have one width, the official one, and 512 latent numbers; `step` k is the resolution 4 * 2**k.
"""

import importlib.util
import random
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

CODE = 512
NETWORK = "stylegan"  # what it trains


def model(folder: str) -> ModuleType:
    """The peer's model.py as a module. SystemExit, saying what is wrong, where it is missing."""
    path = Path(folder) / "model.py"
    if not path.is_file():
        raise SystemExit(f"error: --peer {folder}: holds no model.py; give a checkout of style-based-gan-pytorch")
    spec = importlib.util.spec_from_file_location("peer_model", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Training:
    """An iteration of the peer's training with WGAN-GP and mixing, in its loop's order, without reading data.

    The gradients of reals, fakes and penalty are added up by three backward passes; the generator's EMA has a decay of
    0.999; the mapping network has its own rate.
    """

    def __init__(self, folder: str, resolution: int, device: str) -> None:
        own: Any = model(folder)
        self.step_number, self.device = resolution.bit_length() - 3, device
        self.generator = own.StyledGenerator(CODE).to(device)
        self.critic = own.Discriminator(from_rgb_activate=True).to(device)
        self.generator_ema = own.StyledGenerator(CODE).to(device).eval()
        self.generator_ema.load_state_dict(self.generator.state_dict())
        betas = (0.0, 0.99)
        groups: list[dict[str, Any]] = [
            {"params": list(self.generator.generator.parameters())},
            {"params": list(self.generator.style.parameters()), "lr": 1e-5},
        ]
        self.g_adam = torch.optim.Adam(groups, lr=1e-3, betas=betas)
        self.d_adam = torch.optim.Adam(self.critic.parameters(), lr=1e-3, betas=betas)

    def latents(self, count: int) -> list[Tensor]:
        """One batch of latents, or mostly two to be mixed."""
        return [torch.randn(count, CODE, device=self.device) for _ in range(2 if random.random() < 0.9 else 1)]

    def scores(self, images: Tensor) -> Tensor:
        """The critic's scores at the whole resolution."""
        return self.critic(images, step=self.step_number, alpha=1)

    def images(self, latents: list[Tensor]) -> Tensor:
        """The generator's images at the whole resolution."""
        return self.generator(latents, step=self.step_number, alpha=1)

    def step(self, reals: Tensor) -> None:
        """One iteration on float images [N, 3, r, r] that are on the device already."""
        turn(self.generator, False)
        turn(self.critic, True)
        self.critic.zero_grad()
        scores = self.scores(reals)
        (0.001 * scores.square().mean() - scores.mean()).backward()
        fakes = self.images(self.latents(len(reals)))
        self.scores(fakes).mean().backward()
        mix = torch.rand(len(reals), 1, 1, 1).to(self.device)
        mixed = (mix * reals + (1 - mix) * fakes).requires_grad_()
        (slope,) = torch.autograd.grad(self.scores(mixed).sum(), mixed, create_graph=True)
        (10 * (slope.flatten(1).norm(2, dim=1) - 1).square().mean()).backward()
        self.d_adam.step()

        self.generator.zero_grad()
        turn(self.generator, True)
        turn(self.critic, False)
        (-self.scores(self.images(self.latents(len(reals)))).mean()).backward()
        self.g_adam.step()
        own = dict(self.generator.named_parameters())
        for name, averaged in self.generator_ema.named_parameters():
            averaged.data.mul_(0.999).add_(own[name].data, alpha=0.001)


def turn(network: nn.Module, on: bool) -> None:
    """Whether the network's parameters get gradients."""
    for parameter in network.parameters():
        parameter.requires_grad = on
