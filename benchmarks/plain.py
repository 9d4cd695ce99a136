"""ProGAN and StyleGAN written down as the papers say, layer by layer: what the project's own speed is compared with.

The same mathematics as `progan` and `stylegan` with their standard options, in float32 and channels-first memory, and
nothing done for speed: pixels are repeated and then convolved, the blur is a grouped convolution that autograd derives,
every call multiplies the weights, Adam goes through the parameters one by one, and reals, fakes and interpolates pass
separately. `load` takes the project's weights, so that a test can show that both compute the same.
"""

import copy
import math
import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Maps = Callable[[int], int]
MIXING = 0.9  # probability of two latents for one picture


class Weights(nn.Module):
    """A weight that every use multiplies by gain / sqrt(fan_in) * lrmul, and a bias that it multiplies by lrmul."""

    def __init__(self, shape: tuple[int, ...], bias: int, gain: float = math.sqrt(2), lrmul: float = 1.0) -> None:
        super().__init__()
        self.scale, self.lrmul = gain / math.sqrt(math.prod(shape[1:])) * lrmul, lrmul
        self.weight = nn.Parameter(torch.randn(shape) / lrmul)
        self.bias = nn.Parameter(torch.zeros(bias)) if bias else None


class Conv(Weights):
    """A convolution that keeps the size: [N, in, r, r] -> [N, out, r, r]."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 3, gain: float = math.sqrt(2), bias: bool = True
    ) -> None:
        super().__init__((outputs, inputs, kernel, kernel), outputs * bias, gain)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight * self.scale, self.bias, padding=self.weight.shape[-1] // 2)


class Dense(Weights):
    """A dense layer: [N, in] -> [N, out]."""

    def __init__(
        self, inputs: int, outputs: int, gain: float = math.sqrt(2), lrmul: float = 1.0, bias: bool = True
    ) -> None:
        super().__init__((outputs, inputs), outputs * bias, gain, lrmul)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * self.scale, None if self.bias is None else self.bias * self.lrmul)


class Blur(nn.Module):
    """[1, 2, 1] in both directions over every map."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        taps = torch.tensor([1.0, 2.0, 1.0]) / 4
        self.register_buffer("kernel", torch.outer(taps, taps).expand(maps, 1, 3, 3).clone(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.kernel, padding=1, groups=x.shape[1])  # type: ignore[arg-type]


def pixel_norm(x: Tensor) -> Tensor:
    """Every pixel's features with mean square 1."""
    return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + 1e-8)


def lrelu(x: Tensor) -> Tensor:
    """Leaky ReLU with slope 0.2."""
    return F.leaky_relu(x, 0.2)


def upscale(x: Tensor) -> Tensor:
    """Every pixel 2x2 times."""
    return F.interpolate(x, scale_factor=2, mode="nearest")


class GrowingLayers(nn.Module):
    """The two layers of a resolution of ProGAN's generator."""

    def __init__(self, inputs: int, maps: int, first: bool) -> None:
        super().__init__()
        self.starts = first
        # A quarter of the gain at 4x4, as in the official program.
        self.first: Weights = (
            Dense(inputs, maps * 16, math.sqrt(2) / 4, bias=False) if first else Conv(inputs, maps, bias=True)
        )
        if first:
            self.first.bias = nn.Parameter(torch.zeros(maps))
        self.second = Conv(maps, maps)

    def forward(self, x: Tensor) -> Tensor:
        if self.starts:
            bias = self.first.bias
            x = F.linear(x, self.first.weight * self.first.scale).reshape(len(x), -1, 4, 4)
            x = x + bias.reshape(1, -1, 1, 1)  # type: ignore[union-attr]
        else:
            x = self.first(upscale(x))
        return pixel_norm(lrelu(self.second(pixel_norm(lrelu(x)))))


class GrowingGenerator(nn.Module):
    """ProGAN's generator: latents [N, z_dim] to images [N, 3, r, r]."""

    def __init__(self, resolution: int, z_dim: int, maps: Maps) -> None:
        super().__init__()
        self.z_dim = z_dim
        self.blocks = nn.ModuleDict()
        self.to_image = nn.ModuleDict()
        inputs = z_dim
        for r in resolutions(resolution):
            self.blocks[f"{r}x{r}"] = GrowingLayers(inputs, maps(r), r == 4)
            inputs = maps(r)
        self.to_image[f"{r}x{r}"] = Conv(inputs, 3, 1, gain=1.0)

    def forward(self, z: Tensor) -> Tensor:
        x = pixel_norm(z)
        for block in self.blocks.values():
            x = block(x)
        (to_image,) = self.to_image.values()
        return to_image(x)


class StyleLayer(nn.Module):
    """A layer of StyleGAN: convolution or constant, noise, bias, leaky ReLU, instance norm and style."""

    def __init__(self, inputs: int, maps: int, w_dim: int, up: bool = False) -> None:
        super().__init__()
        self.const = None if inputs else nn.Parameter(torch.ones(1, maps, 4, 4))
        self.conv = Conv(inputs, maps, bias=False) if inputs else None
        self.blur = Blur(maps) if up else None
        self.noise_strength = nn.Parameter(torch.zeros(maps))
        self.bias = nn.Parameter(torch.zeros(maps))
        self.style = Dense(w_dim, 2 * maps, gain=1.0)

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        if self.conv is None:
            x = self.const.expand(len(w), -1, -1, -1)  # type: ignore[union-attr]
        elif self.blur is None:
            x = self.conv(x)
        else:
            x = self.blur(self.conv(upscale(x)))
        if noise is None:
            noise = torch.randn(len(x), 1, *x.shape[2:])
        x = lrelu(x + self.noise_strength.reshape(1, -1, 1, 1) * noise + self.bias.reshape(1, -1, 1, 1))
        x = (x - x.mean(dim=(2, 3), keepdim=True)) / (x.var(dim=(2, 3), keepdim=True, correction=0) + 1e-8).sqrt()
        scale, shift = self.style(w).reshape(len(w), 2, -1, 1, 1).unbind(1)
        return x * (scale + 1) + shift


class StyleLayers(nn.Module):
    """The two layers of a resolution of StyleGAN's synthesis."""

    def __init__(self, inputs: int, maps: int, w_dim: int) -> None:
        super().__init__()
        self.first = StyleLayer(inputs, maps, w_dim, up=inputs > 0)
        self.second = StyleLayer(maps, maps, w_dim)


class Synthesis(nn.Module):
    """Rows [N, layers, w_dim] to images [N, 3, r, r]."""

    def __init__(self, resolution: int, w_dim: int, maps: Maps) -> None:
        super().__init__()
        self.blocks = nn.ModuleDict()
        self.to_image = nn.ModuleDict()
        inputs = 0
        for r in resolutions(resolution):
            self.blocks[f"{r}x{r}"] = StyleLayers(inputs, maps(r), w_dim)
            inputs = maps(r)
        self.to_image[f"{r}x{r}"] = Conv(inputs, 3, 1, gain=1.0)

    def forward(self, ws: Tensor, noise: Sequence[Tensor] | None = None) -> Tensor:
        x, layers = ws, [layer for block in self.blocks.values() for layer in block.children()]
        for index, layer in enumerate(layers):
            x = layer(x, ws[:, index], None if noise is None else noise[index])
        (to_image,) = self.to_image.values()
        return to_image(x)


class MappingLayers(nn.Module):
    """Latents [N, z_dim] to w [N, w_dim]."""

    def __init__(self, z_dim: int, w_dim: int, layers: int, fmaps: int) -> None:
        super().__init__()
        sizes = [z_dim, *[fmaps] * (layers - 1), w_dim]
        self.layers = nn.ModuleList(Dense(a, b, lrmul=0.01) for a, b in pairwise(sizes))

    def forward(self, z: Tensor) -> Tensor:
        x = pixel_norm(z)
        for layer in self.layers:
            x = lrelu(layer(x))
        return x


class StyleGenerator(nn.Module):
    """StyleGAN's generator: latents [N, z_dim], with mixing two of them, to images [N, 3, r, r]."""

    w_avg: Tensor

    def __init__(
        self, resolution: int, z_dim: int, maps: Maps, w_dim: int = 512, mapping_layers: int = 8, fmaps: int = 512
    ) -> None:
        super().__init__()
        self.z_dim, self.layers = z_dim, 2 * len(resolutions(resolution))
        self.mapping = MappingLayers(z_dim, w_dim, mapping_layers, fmaps)
        self.synthesis = Synthesis(resolution, w_dim, maps)
        self.register_buffer("w_avg", torch.zeros(w_dim))

    def forward(self, z: Tensor, second: Tensor | None = None, noise: Sequence[Tensor] | None = None) -> Tensor:
        w = self.mapping(z)
        if self.training:
            self.w_avg.copy_(w.detach().mean(dim=0).lerp(self.w_avg, 0.995))
        ws = w.unsqueeze(1).repeat(1, self.layers, 1)
        if second is not None:
            crossover = int(torch.randint(1, self.layers, ()))
            ws = torch.cat([ws[:, :crossover], self.mapping(second).unsqueeze(1).repeat(1, self.layers, 1)], dim=1)
        return self.synthesis(ws, noise)


class CriticLayers(nn.Module):
    """The two layers of a resolution of a critic; the second halves it, behind a blur in StyleGAN's."""

    def __init__(self, inputs: int, outputs: int, blur: bool) -> None:
        super().__init__()
        self.first = Conv(inputs, inputs)
        self.blur = Blur(inputs) if blur else nn.Identity()
        self.second = Conv(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return lrelu(F.avg_pool2d(self.second(self.blur(lrelu(self.first(x)))), 2))


class Critic(nn.Module):
    """Images [N, 3, r, r] to scores [N, 1]."""

    def __init__(self, resolution: int, maps: Maps, blur: bool, group: int = 4) -> None:
        super().__init__()
        self.group = group
        self.from_image = nn.ModuleDict({f"{resolution}x{resolution}": Conv(3, maps(resolution), 1)})
        self.blocks = nn.ModuleDict()
        for r in reversed(resolutions(resolution)[1:]):
            self.blocks[f"{r}x{r}"] = CriticLayers(maps(r), maps(r // 2), blur)
        self.conv = Conv(maps(4) + 1, maps(4))
        self.dense = Dense(maps(4) * 16, maps(2))
        self.output = Dense(maps(2), 1, gain=1.0)

    def forward(self, images: Tensor) -> Tensor:
        (from_image,) = self.from_image.values()
        x = lrelu(from_image(images))
        for block in self.blocks.values():
            x = block(x)
        x = torch.cat([x, self.deviations(x)], dim=1)
        return self.output(lrelu(self.dense(lrelu(self.conv(x)).flatten(1))))

    def deviations(self, x: Tensor) -> Tensor:
        """One map with the standard deviation over the members of each group, averaged over all that there is."""
        group = math.gcd(len(x), self.group)
        members = x.reshape(group, len(x) // group, -1)
        deviation = (members.var(dim=0, correction=0) + 1e-8).sqrt().mean(dim=1)
        return deviation.repeat(group).reshape(-1, 1, 1, 1).expand(-1, 1, *x.shape[2:])


def resolutions(resolution: int) -> list[int]:
    """4, 8, ..., `resolution`."""
    return [2**k for k in range(2, resolution.bit_length())]


def networks(generator: nn.Module, critic: nn.Module, resolution: int) -> tuple[nn.Module, Critic]:
    """The project's networks with standard options, as far as a resolution, written down plainly; equal weights."""
    config: dict[str, Any] = generator.config  # type: ignore[assignment]

    def maps(r: int) -> int:
        return min(config["fmap_base"] * 2 // r, config["fmap_max"])

    style = "w_dim" in config
    plain: nn.Module
    if style:
        sizes = config["w_dim"], config["mapping_layers"], config["mapping_fmaps"]
        plain = StyleGenerator(resolution, config["z_dim"], maps, *sizes)
    else:
        plain = GrowingGenerator(resolution, config["z_dim"], maps)
    critic_config: dict[str, Any] = critic.config  # type: ignore[assignment]
    plain_critic = Critic(resolution, maps, style, critic_config["mbstd_group"])
    dtype = next(generator.parameters()).dtype
    plain, plain_critic = plain.to(dtype), plain_critic.to(dtype)
    load(plain, generator, fused_from=128 if style else 8)
    load(plain_critic, critic)
    return plain, plain_critic


def load(plain: nn.Module, ours: nn.Module, fused_from: int | None = None) -> None:
    """Give a plain network the project's weights; `fused_from` is where upscaling kernels are stored turned round."""
    own = ours.state_dict()
    weights = {name: own[name] for name in plain.state_dict()}
    for name in weights:
        up = re.match(r".*blocks\.(\d+)x\d+\.first\.(conv\.)?weight$", name)
        if up and fused_from is not None and int(up[1]) >= fused_from:
            weights[name] = weights[name].flip(2, 3)
    plain.load_state_dict(weights)


class Training:
    """WGAN-GP of the two plain networks with Adam and an averaged generator; `step` is one iteration."""

    def __init__(self, generator: nn.Module, critic: Critic, lr: float = 0.001, ema_kimg: float = 10.0) -> None:
        self.generator, self.critic = generator.train(), critic.train()
        self.average = copy.deepcopy(generator).requires_grad_(False)
        self.keep_kimg = ema_kimg
        self.g_adam = torch.optim.Adam(generator.parameters(), lr, betas=(0.0, 0.99), eps=1e-8)
        self.d_adam = torch.optim.Adam(critic.parameters(), lr, betas=(0.0, 0.99), eps=1e-8)

    def fakes(self, count: int) -> Tensor:
        """Images of latents drawn here; StyleGAN's are mixed as often as its own program mixes them."""
        z = torch.randn(count, self.generator.z_dim)  # type: ignore[call-overload]
        if isinstance(self.generator, StyleGenerator) and torch.rand(()) < MIXING:
            return self.generator(z, torch.randn_like(z))
        return self.generator(z)

    def step(self, pictures: Tensor) -> None:
        """A critic step on uint8 pictures [N, 3, r, r] and as many fakes, then a generator step."""
        reals = pictures.float() / 127.5 - 1
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
        self.follow(len(reals))

    @torch.no_grad()
    def follow(self, images: int) -> None:
        """Move the averaged generator, with a half-life in thousands of images."""
        keep = 0.5 ** (images / (1000 * self.keep_kimg))
        for averaged, current in zip(self.average.parameters(), self.generator.parameters(), strict=True):
            averaged.mul_(keep).add_(current, alpha=1 - keep)


def critic_loss(critic: nn.Module, reals: Tensor, fakes: Tensor, mix: Tensor) -> Tensor:
    """The loss of WGAN-GP's critic with drift (Gulrajani et al. 2017, equation 3; Karras 2018, appendix A.1)."""
    real_scores, fake_scores = critic(reals), critic(fakes)
    mixed = (reals + (fakes - reals) * mix).requires_grad_()
    (slope,) = torch.autograd.grad(critic(mixed).sum(), mixed, create_graph=True)
    penalty = (slope.square().sum(dim=(1, 2, 3)).sqrt() - 1).square().mean()
    return fake_scores.mean() - real_scores.mean() + 10 * penalty + 0.001 * real_scores.square().mean()
