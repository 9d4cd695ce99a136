"""Small networks for model folders, and what a refusal must look like."""

import pytest
import torch

import progan
import stylegan
from stylegrow.common.errors import ModelError

SMALL = {"resolution": 8, "fmap_base": 32, "fmap_max": 8}


def networks(seed=0, **arguments):
    torch.manual_seed(seed)
    return progan.Generator(z_dim=6, **SMALL, **arguments), progan.Discriminator(**SMALL, **arguments)


def same(a, b):
    """Whether two networks, or a network and none, have equal weights."""
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def style_networks(seed=0, **arguments):
    torch.manual_seed(seed)
    g = stylegan.Generator(z_dim=6, w_dim=5, mapping_layers=2, mapping_fmaps=7, **SMALL, **arguments)
    shared = {name: arguments[name] for name in ("label_dim", "image_channels", "blur_filter") if name in arguments}
    for tensor in (*g.parameters(), g.w_avg):
        torch.nn.init.normal_(tensor)  # of which many begin as zeros
    return g, stylegan.Discriminator(**SMALL, **shared)


def refused(words, call, *arguments, **options):
    """The call ends in a ModelError of one line with these words in it; the line."""
    with pytest.raises(ModelError) as raised:
        call(*arguments, **options)
    message = str(raised.value)
    assert "\n" not in message
    assert len(message) < 500 or "x" * 5000 in message
    for word in words:
        assert word in message
    return message
