"""ProGAN and StyleGAN written down as the papers say, layer by layer: what the project's own speed is compared with.

The same mathematics as `progan` and `stylegan` with their standard options, in float32 and channels-first memory, and
nothing done for speed: pixels are repeated and then convolved, the blur is a grouped convolution that autograd derives,
every call multiplies the weights, Adam goes through the parameters one by one, and reals, fakes and interpolates pass
separately. The networks are made of the project's own, so that a test can show that both compute the same.
"""

import copy
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylegrow.architectures import has_styles

GAIN = math.sqrt(2)
MIXING = 0.9  # probability of two latents for one image


class Network(nn.Module):
    """The parameters of one of the project's networks by their names, and layers that use them.

    Without labels, at full resolution; `fused_from` is the resolution from which the project stores the kernels of
    upscaling layers turned round.
    """

    def __init__(self, network: nn.Module, fused_from: int | None = None) -> None:
        super().__init__()
        self.resolution: int = network.resolution  # type: ignore[assignment]
        self.z_dim: int = getattr(network, "z_dim", 0)
        side = f"{self.resolution}x{self.resolution}"
        self.index: dict[str, int] = {}
        self.values = nn.ParameterList()
        for name, parameter in network.named_parameters():
            if "_image." in name and side not in name:
                continue  # of another stage
            up = re.search(r"blocks\.(\d+)x\d+\.first\.(conv\.)?weight$", name)
            turned = up is not None and fused_from is not None and int(up[1]) >= fused_from
            value = parameter.detach().flip(2, 3) if turned else parameter.detach().clone()
            self.index[name] = len(self.index)
            self.values.append(nn.Parameter(value))

    def __getitem__(self, name: str) -> Tensor:
        return self.values[self.index[name]]

    def conv(self, x: Tensor, name: str, gain: float = GAIN, biased: bool = True) -> Tensor:
        """A convolution that keeps the size: [N, in, r, r] -> [N, out, r, r]."""
        weight = self[f"{name}.weight"]
        bias = self[f"{name}.bias"] if biased and f"{name}.bias" in self.index else None
        return F.conv2d(x, weight * (gain / math.sqrt(weight[0].numel())), bias, padding=weight.shape[-1] // 2)

    def dense(self, x: Tensor, name: str, gain: float = GAIN, lrmul: float = 1.0) -> Tensor:
        """A dense layer: [N, in] -> [N, out]."""
        weight = self[f"{name}.weight"]
        return F.linear(x, weight * (gain / math.sqrt(weight.shape[1]) * lrmul), self[f"{name}.bias"] * lrmul)


def blur(x: Tensor) -> Tensor:
    """[1, 2, 1] in both directions over every map."""
    taps = torch.tensor([1.0, 2.0, 1.0], dtype=x.dtype) / 4
    return F.conv2d(x, torch.outer(taps, taps).expand(x.shape[1], 1, 3, 3), padding=1, groups=x.shape[1])


def pixel_norm(x: Tensor) -> Tensor:
    """Every pixel's features with mean square 1."""
    return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + 1e-8)


def instance_norm(x: Tensor) -> Tensor:
    """Every map with mean 0 and variance 1."""
    return (x - x.mean(dim=(2, 3), keepdim=True)) / (x.var(dim=(2, 3), keepdim=True, correction=0) + 1e-8).sqrt()


def lrelu(x: Tensor) -> Tensor:
    """Leaky ReLU with slope 0.2."""
    return F.leaky_relu(x, 0.2)


def upscale(x: Tensor) -> Tensor:
    """Every pixel 2x2 times."""
    return F.interpolate(x, scale_factor=2, mode="nearest")


def resolutions(resolution: int) -> list[int]:
    """4, 8, ..., `resolution`."""
    return [2**k for k in range(2, resolution.bit_length())]


class ProGANGenerator(Network):
    """Latents [N, z_dim] to images [N, 3, r, r]."""

    def __init__(self, generator: nn.Module, filtered: bool) -> None:
        super().__init__(generator, fused_from=8)
        self.blur = blur if filtered else nn.Identity()

    def forward(self, z: Tensor) -> Tensor:
        x = pixel_norm(z)
        for r in resolutions(self.resolution):
            block = f"blocks.{r}x{r}"
            if r == 4:
                weight = self[f"{block}.first.weight"]
                # A quarter of the gain at 4x4, as in the official program.
                x = F.linear(x, weight * (GAIN / 4 / math.sqrt(weight.shape[1]))).reshape(len(x), -1, 4, 4)
            else:
                x = self.blur(self.conv(upscale(x), f"{block}.first", biased=False))
            x = x + self[f"{block}.first.bias"].reshape(1, -1, 1, 1)
            x = pixel_norm(lrelu(self.conv(pixel_norm(lrelu(x)), f"{block}.second")))
        return self.conv(x, f"to_image.{r}x{r}", gain=1.0)


class StyleGANGenerator(Network):
    """Latents [N, z_dim], with mixing two of them, to images [N, 3, r, r]."""

    w_avg: Tensor

    def __init__(self, generator: nn.Module, lrmul: float, filtered: bool, norm: Callable[[Tensor], Tensor]) -> None:
        super().__init__(generator, fused_from=128)
        self.lrmul, self.blur, self.norm = lrmul, blur if filtered else nn.Identity(), norm
        self.layers = 2 * len(resolutions(self.resolution))
        self.register_buffer("w_avg", torch.zeros_like(generator.w_avg))  # type: ignore[arg-type]

    def mapping(self, z: Tensor) -> Tensor:
        """Latents [N, z_dim] to w [N, w_dim]."""
        x = pixel_norm(z)
        for index in range(sum(name.startswith("mapping") for name in self.index) // 2):
            x = lrelu(self.dense(x, f"mapping.layers.{index}", lrmul=self.lrmul))
        return x

    def forward(self, z: Tensor, second: Tensor | None = None, noise: Sequence[Tensor] | None = None) -> Tensor:
        w = self.mapping(z)
        if self.training:
            self.w_avg.copy_(w.detach().mean(dim=0).lerp(self.w_avg, 0.995))
        ws = w.unsqueeze(1).repeat(1, self.layers, 1)
        if second is not None:
            crossover = int(torch.randint(1, self.layers, ()))
            ws = torch.cat([ws[:, :crossover], self.mapping(second).unsqueeze(1).repeat(1, self.layers, 1)], dim=1)
        x = ws
        for index in range(self.layers):
            x = self.layer(x, ws[:, index], index, None if noise is None else noise[index])
        return self.conv(x, f"synthesis.to_image.{self.resolution}x{self.resolution}", gain=1.0)

    def layer(self, x: Tensor, w: Tensor, index: int, noise: Tensor | None) -> Tensor:
        """Convolution or constant, noise, bias, leaky ReLU, norm and style."""
        r = 4 << index // 2
        name = f"synthesis.blocks.{r}x{r}.{'second' if index % 2 else 'first'}"
        if index == 0:
            x = self[f"{name}.const"].expand(len(w), -1, -1, -1)
        elif index % 2:
            x = self.conv(x, f"{name}.conv")
        else:
            x = self.blur(self.conv(upscale(x), f"{name}.conv"))
        if noise is None:
            noise = torch.randn(len(x), 1, r, r)
        x = x + self[f"{name}.noise_strength"].reshape(1, -1, 1, 1) * noise + self[f"{name}.bias"].reshape(1, -1, 1, 1)
        x = self.norm(lrelu(x))
        scale, shift = self.dense(w, f"{name}.style", gain=1.0).reshape(len(w), 2, -1, 1, 1).unbind(1)
        return x * (scale + 1) + shift


class Critic(Network):
    """Images [N, 3, r, r] to scores [N, 1]."""

    def __init__(self, critic: nn.Module, filtered: bool, group: int) -> None:
        super().__init__(critic)
        self.blur, self.group = blur if filtered else nn.Identity(), group

    def forward(self, images: Tensor) -> Tensor:
        x = lrelu(self.conv(images, f"from_image.{self.resolution}x{self.resolution}"))
        for r in reversed(resolutions(self.resolution)[1:]):
            x = self.blur(lrelu(self.conv(x, f"blocks.{r}x{r}.first")))
            x = lrelu(F.avg_pool2d(self.conv(x, f"blocks.{r}x{r}.second"), 2))
        x = torch.cat([x, self.deviations(x)], dim=1)
        return self.dense(lrelu(self.dense(lrelu(self.conv(x, "conv")).flatten(1), "dense")), "output", gain=1.0)

    def deviations(self, x: Tensor) -> Tensor:
        """One map with the standard deviation over the members of each group, averaged over all that there is."""
        group = math.gcd(len(x), self.group)
        members = x.reshape(group, len(x) // group, -1)
        deviation = (members.var(dim=0, correction=0) + 1e-8).sqrt().mean(dim=1)
        return deviation.repeat(group).reshape(-1, 1, 1, 1).expand(-1, 1, *x.shape[2:])


def networks(generator: Any, critic: Any) -> tuple[Network, Critic]:
    """The project's networks with standard options, as they are written here; equal weights."""
    config, critic_config = generator.config, critic.config
    filtered = critic_config.blur_filter is not None
    own_critic = Critic(critic, filtered, critic_config.mbstd_group)
    if has_styles(generator):
        norm = instance_norm if config.instance_norm else pixel_norm
        return StyleGANGenerator(generator, config.mapping_lrmul, filtered, norm), own_critic
    return ProGANGenerator(generator, filtered), own_critic


class Training:
    """WGAN-GP of two of these networks with Adam and an averaged generator; `step` is one iteration."""

    def __init__(self, generator: Network, critic: Critic, lr: float = 0.001, ema_kimg: float = 10.0) -> None:
        self.generator, self.critic = generator.train(), critic.train()
        self.generator_ema = copy.deepcopy(generator).requires_grad_(False)
        self.ema_kimg = ema_kimg
        self.g_adam = torch.optim.Adam(generator.parameters(), lr, betas=(0.0, 0.99), eps=1e-8)
        self.d_adam = torch.optim.Adam(critic.parameters(), lr, betas=(0.0, 0.99), eps=1e-8)

    def fakes(self, count: int) -> Tensor:
        """Images of new latents; StyleGAN's are mixed as often as its own program mixes them."""
        z = torch.randn(count, self.generator.z_dim)
        if isinstance(self.generator, StyleGANGenerator) and torch.rand(()) < MIXING:
            return self.generator(z, torch.randn_like(z))
        return self.generator(z)

    def step(self, images: Tensor) -> None:
        """A critic step on uint8 images [N, 3, r, r] and as many fakes, then a generator step."""
        reals = images.float() / 127.5 - 1
        with torch.no_grad():
            fakes = self.fakes(len(reals))
        self.critic.requires_grad_(True)
        self.d_adam.zero_grad()
        critic_loss(self.critic, reals, fakes, torch.rand(len(reals), 1, 1, 1)).backward()
        self.d_adam.step()
        self.critic.requires_grad_(False)
        self.g_adam.zero_grad()
        (-self.critic(self.fakes(len(reals))).mean()).backward()
        self.g_adam.step()
        keep = 0.5 ** (len(reals) / (1000 * self.ema_kimg))
        with torch.no_grad():
            for averaged, current in zip(self.generator_ema.parameters(), self.generator.parameters(), strict=True):
                averaged.mul_(keep).add_(current, alpha=1 - keep)


def critic_loss(critic: nn.Module, reals: Tensor, fakes: Tensor, mix: Tensor) -> Tensor:
    """The loss of WGAN-GP's critic with drift (Gulrajani et al. 2017, equation 3; Karras 2018, appendix A.1)."""
    real_scores, fake_scores = critic(reals), critic(fakes)
    mixed = (reals + (fakes - reals) * mix).requires_grad_()
    (slope,) = torch.autograd.grad(critic(mixed).sum(), mixed, create_graph=True)
    penalty = (slope.square().sum(dim=(1, 2, 3)).sqrt() - 1).square().mean()
    return fake_scores.mean() - real_scores.mean() + 10 * penalty + 0.001 * real_scores.square().mean()
