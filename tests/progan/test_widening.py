"""Widened networks against the networks themselves."""

from typing import Any

import pytest
import torch
from torch import Tensor

import progan
import stylegan
import vae
from progan.widening import widened

MAPS = {"resolution": 16, "fmap_base": 24, "fmap_max": 6}  # 6 at 4 and 8 px, 3 at 16
WIDER = [(48, 6), (24, 12), (48, 12), (72, 18), (24, 6)]
VECTOR = {"label_dim": 3, "label_kind": "vector"}
GENERATORS: list[tuple[type[Any], dict[str, Any]]] = [
    (progan.Generator, {"z_dim": 5}),
    (progan.Generator, {"z_dim": 5, "label_dim": 3, "pixelnorm": False, "fused_scale": False}),
    (progan.Generator, {"z_dim": 5, **VECTOR, "channel_sums": True, "hit": 0.1}),
    (progan.Generator, {"z_dim": 5, "equalized_lr": False, "nonlinearity": "relu"}),
    (progan.Generator, {"z_dim": 5, "blur_filter": [1, 2, 1]}),
    (stylegan.Generator, {"z_dim": 5, "w_dim": 4, "mapping_fmaps": 7}),
    (stylegan.Generator, {"z_dim": 5, "w_dim": 4, "mapping_fmaps": 7, "const_input": False, "label_dim": 3}),
    (stylegan.Generator, {"z_dim": 5, "instance_norm": False, "pixelnorm": True, "blur_filter": None, **VECTOR}),
    (stylegan.Generator, {"z_dim": 5, "use_styles": False, "use_noise": False}),
    (vae.Generator, {"z_dim": 5}),
]
CRITICS: list[tuple[type[Any], dict[str, Any]]] = [
    (progan.Discriminator, {}),
    (progan.Discriminator, {"blur_filter": [1, 2, 1]}),
    (progan.Discriminator, {"mbstd_features": 3, "label_dim": 3, "fused_scale": False}),
    (progan.Discriminator, {"mbstd_features": 0, **VECTOR, "channel_sums": True, "hit": 0.1}),
    (stylegan.Discriminator, {"label_dim": 3, "equalized_lr": False}),
    (vae.Encoder, {"z_dim": 5}),
]


def trained(kind: type[Any], arguments: dict[str, Any]) -> Any:
    """A network none of whose numbers is 0, as zero biases would hide mistakes."""
    torch.manual_seed(1)
    network = kind(**MAPS, **arguments).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn_like(parameter))
    return network


def labels_of(network: Any, count: int) -> tuple[Tensor | None]:
    dim = network.config.label_dim
    if network.config.label_kind == "vector":
        return (torch.rand(count, dim, dtype=torch.float64) + 1,)
    return (torch.eye(dim, dtype=torch.float64)[torch.arange(count) % dim] if dim else None,)


@pytest.mark.parametrize("widths", WIDER)
@pytest.mark.parametrize(("kind", "arguments"), GENERATORS)
def test_a_wider_generator_draws_the_same_images(kind, arguments, widths):
    network = trained(kind, arguments)
    z, labels = torch.randn(6, 5, dtype=torch.float64), labels_of(network, 6)
    more = {"noise": "const"} if kind is stylegan.Generator else {}
    for resolution, alpha in ((4, 1.0), (8, 0.4), (16, 0.4), (16, 1.0)):
        drawn = [
            one(z, *labels, resolution=resolution, alpha=alpha, **more) for one in (network, widened(network, *widths))
        ]
        assert (drawn[1] - drawn[0]).abs().max() < 1e-9 * drawn[0].abs().max()


@pytest.mark.parametrize("widths", WIDER)
@pytest.mark.parametrize(("kind", "arguments"), CRITICS)
def test_a_wider_critic_scores_the_same(kind, arguments, widths):
    network = trained(kind, arguments)
    for resolution, alpha in ((4, 1.0), (8, 0.4), (16, 0.4), (16, 1.0)):
        images, labels = torch.rand(8, 3, resolution, resolution, dtype=torch.float64), labels_of(network, 8)
        scored = [one(images, *labels, alpha=alpha) for one in (network, widened(network, *widths))]
        scores = [torch.cat(one, dim=1) if isinstance(one, tuple) else one for one in scored]
        assert (scores[1] - scores[0]).abs().max() < 1e-9 * scores[0].abs().max()


@pytest.mark.parametrize(("kind", "arguments"), [*GENERATORS, *CRITICS])
def test_it_has_the_maps_asked_for_and_the_same_each_time(kind, arguments):
    network = trained(kind, arguments)
    one, other = (widened(network, 48, 12) for _ in range(2))
    asked = kind(**MAPS | {"fmap_base": 48, "fmap_max": 12}, **arguments)
    assert one.config == asked.config
    assert {n: v.shape for n, v in one.state_dict().items()} == {n: v.shape for n, v in asked.state_dict().items()}
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in one.state_dict().items())


def test_copies_of_a_map_do_not_stay_copies():
    critic = widened(trained(progan.Discriminator, {}), 48, 12)
    critic(torch.rand(8, 3, 16, 16, dtype=torch.float64)).sum().backward()
    for layer in (critic.blocks["16x16"].first, critic.blocks["8x8"].second, critic.conv):
        first, second = layer.weight.detach()[:2], layer.weight.grad[:2]
        assert (first[0].sum() - first[1].sum()).abs() < 1e-9 * first.abs().sum()
        directions = second.flatten(1) / second.flatten(1).norm(dim=1, keepdim=True)
        assert directions[0] @ directions[1] < 0.999


@pytest.mark.parametrize("widths", [(24, 9), (36, 6), (12, 6), (24, 3)])
def test_other_numbers_of_maps_are_refused(widths):
    with pytest.raises(ValueError, match="cannot become"):
        widened(trained(progan.Generator, {"z_dim": 5}), *widths)
