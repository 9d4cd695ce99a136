"""The kinds of networks: what each is called and can do, and how it generates images.

The rest of the program asks these records and never which kind a network is. A further kind is a package with the
classes Generator and Discriminator, their configurations, and a record here. Importing this does not load torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeGuard

import progan
import stylegan
import vae

if TYPE_CHECKING:
    from torch import Tensor, nn

    from progan.layers import Alpha

    Generator = progan.Generator | stylegan.Generator
    Discriminator = progan.Discriminator | stylegan.Discriminator
    Partner = Discriminator | vae.Encoder  # of a generator in its training
    GeneratorConfig = progan.GeneratorConfig | stylegan.GeneratorConfig
    DiscriminatorConfig = progan.DiscriminatorConfig | stylegan.DiscriminatorConfig
    PartnerConfig = DiscriminatorConfig | vae.EncoderConfig


class TrainingInputs(NamedTuple):
    """What a step of training generates N images from. A generator without styles uses no more than `labels` and `z`.

    Attributes:
        z: latents [N, z_dim].
        labels: [N, label_dim]; None for a generator without labels.
        mixing: second latents [N, z_dim], and which layers take the w of the first [layers, 1], bool; None: all do.
        noise: a map [N, 1, r, r] a layer.
    """

    z: Tensor
    labels: Tensor | None = None
    mixing: tuple[Tensor, Tensor] | None = None
    noise: tuple[Tensor, ...] = ()

    def part(self, samples: slice) -> TrainingInputs:
        """The inputs of some of the images."""
        labels = None if self.labels is None else self.labels[samples]
        mixing = None if self.mixing is None else (self.mixing[0][samples], self.mixing[1])
        return TrainingInputs(self.z[samples], labels, mixing, tuple(one[samples] for one in self.noise))


class Generated(NamedTuple):
    """Images [N, C, r, r], and the mean w [w_dim] of their first latents; None of a generator without styles."""

    images: Tensor
    w: Tensor | None = None


def generate_without_styles(
    generator: progan.Generator, inputs: TrainingInputs, resolution: int, alpha: Alpha
) -> Generated:
    """Images straight from the latents."""
    return Generated(generator(inputs.z, inputs.labels, resolution, alpha))


def generate_with_styles(
    generator: stylegan.Generator, inputs: TrainingInputs, resolution: int, alpha: Alpha
) -> Generated:
    """Images with the styles of two latents (style mixing, Karras 2019, section 3.1), not truncated."""
    import torch

    if inputs.mixing is None:
        w = generator.mapping(inputs.z, inputs.labels)
        ws = w.unsqueeze(1).expand(-1, generator.layers_at(resolution), -1)
    else:
        other_z, first = inputs.mixing
        labels = None if inputs.labels is None else inputs.labels.repeat(2, 1)
        w, other = generator.mapping(torch.cat([inputs.z, other_z]), labels).chunk(2)
        ws = torch.where(first, w.unsqueeze(1), other.unsqueeze(1))
    return Generated(generator.synthesis(ws, resolution, alpha, inputs.noise), w.detach().mean(dim=0))


@dataclass(frozen=True)
class Architecture:
    """A kind of network.

    Attributes:
        name: of its package, and `architecture` in config.json.
        title: how people write it.
        description: a phrase for model cards.
        generator_config: the class of its generator's configuration.
        partner: the role of the network that its generator is trained with, as config.json names it.
        partner_config: the class of that one's configuration.
        has_styles: whether its generator has a mapping network: w, truncation, style mixing and noise.
        scores_by_class: whether a critic of classes takes labels and scores an image as one of a class; otherwise it
            returns label logits beside the score.
        generate: how its generator makes a batch of images in training: (generator, inputs, resolution, alpha).
        sample_arguments: further arguments with which the generator shows the same image every time.
    """

    name: str
    title: str
    description: str
    generator_config: type[GeneratorConfig]
    partner: Literal["discriminator", "encoder"]
    partner_config: type[PartnerConfig]
    has_styles: bool = False
    scores_by_class: bool = False
    generate: Callable[[Any, TrainingInputs, int, Alpha], Generated] = generate_without_styles
    sample_arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def adversarial(self) -> bool:
        """Whether a discriminator judges the generator's images in training."""
        return self.partner == "discriminator"

    @property
    def generator(self) -> type[Generator]:
        """The generator's class; loads torch."""
        generator: type[Generator] = self.network_class("generator")
        return generator

    @property
    def roles(self) -> tuple[str, str]:
        """The roles of its networks."""
        return "generator", self.partner

    def config_class(self, role: str) -> type[GeneratorConfig | PartnerConfig]:
        """The class of the configuration of the network with this role."""
        return self.generator_config if role == "generator" else self.partner_config

    def network_class(self, role: str) -> Any:
        """The class of the network with this role; loads torch."""
        return getattr(import_module(self.name), role.capitalize())

    def sample(
        self, generator: Generator, z: Tensor, labels: Tensor | None, resolution: int, alpha: float = 1.0
    ) -> Tensor:
        """Images [N, C, r, r] of latents [N, z_dim] as samples of a training: not truncated, the same every time."""
        return generator(z, labels, resolution=resolution, alpha=alpha, **self.sample_arguments)


ARCHITECTURES = {
    one.name: one
    for one in (
        Architecture(
            name="progan",
            title="ProGAN",
            description="the progressively growing GAN of Karras, Aila, Laine and Lehtinen (2018)",
            generator_config=progan.GeneratorConfig,
            partner="discriminator",
            partner_config=progan.DiscriminatorConfig,
        ),
        Architecture(
            name="stylegan",
            title="StyleGAN",
            description="the style-based generator of Karras, Laine and Aila (2019)",
            generator_config=stylegan.GeneratorConfig,
            partner="discriminator",
            partner_config=stylegan.DiscriminatorConfig,
            has_styles=True,
            scores_by_class=True,
            generate=generate_with_styles,
            sample_arguments={"noise": "const"},
        ),
        Architecture(
            name="vae",
            title="VAE",
            description="a variational autoencoder (Kingma and Welling 2014) of a ProGAN's stages",
            generator_config=vae.GeneratorConfig,
            partner="encoder",
            partner_config=vae.EncoderConfig,
        ),
    )
}


def architecture_of(network: nn.Module) -> Architecture:
    """The record of a network's kind, or of the one that it is derived from. TypeError where there is none."""
    packages = (base.__module__.partition(".")[0] for base in type(network).__mro__)
    for package in packages:
        if package in ARCHITECTURES:
            return ARCHITECTURES[package]
    raise TypeError(f"{type(network).__name__} is a network of none of {', '.join(ARCHITECTURES)}")


def has_styles(generator: nn.Module) -> TypeGuard[stylegan.Generator]:
    """Whether a generator has styles: w, truncation, style mixing and noise."""
    return architecture_of(generator).has_styles
