"""The networks against numbers that the official programs gave."""

import pytest
import torch
import torch.nn.functional as F

import stylegan
from progan import Discriminator, Generator
from progan.layers import downscale2x, upscale2x
from tests import oracle


@pytest.mark.parametrize(("file", "case", "precision"), oracle.cases("progan_g_32"))
def test_images_equal_the_official_ones(file, case, precision):
    network, meta, arrays = oracle.build(file)
    full = meta["static_kwargs"]["resolution"]
    resolution, alpha = oracle.stage(case["args"]["lod"], full)
    z = oracle.tensor(arrays["in/" + case["inputs"]["latents"]], precision)
    images = network.to(precision)(z, resolution=resolution, alpha=alpha)
    shown = F.interpolate(images, scale_factor=full // resolution, mode="nearest")
    oracle.check(case, "images", shown, arrays[f"out/{case['name']}/images"], precision)


@pytest.mark.parametrize(
    ("file", "case", "precision"),
    oracle.cases("progan_d_16", "progan_d_32", "stylegan_d_16", "stylegan_d_16_cond", "stylegan_d_32"),
)
def test_scores_equal_the_official_ones(file, case, precision):
    network, meta, arrays = oracle.build(file)
    full = meta["static_kwargs"]["resolution"]
    resolution, alpha = oracle.stage(case["args"]["lod"], full)
    given = {role: oracle.tensor(arrays[f"in/{key}"], precision) for role, key in case["inputs"].items()}
    images = F.avg_pool2d(given.pop("images"), full // resolution)
    scores = network.to(precision)(images, **given, alpha=alpha)
    oracle.check(case, "scores", scores, arrays[f"out/{case['name']}/scores"], precision)


def test_with_a_filter_it_is_the_stylegan_without_all_else_that_this_adds():
    sizes = {
        "resolution": 16,
        "fmap_base": 64,
        "fmap_max": 8,
        "z_dim": 8,
        "blur_filter": (1, 2, 1),
        "fused_scale": False,
    }
    less = {"use_styles": False, "const_input": False, "use_noise": False, "instance_norm": False, "pixelnorm": True}
    torch.manual_seed(0)
    g = Generator(**sizes).double()
    other = stylegan.Generator(**sizes, w_dim=8, mapping_layers=0, **less).double()
    state = {"w_avg": torch.zeros(8, dtype=torch.float64)}
    for name, parameter in g.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter)
        if name.startswith("blocks."):
            layer, _, kind = name.rpartition(".")
            own = kind if kind == "bias" else "dense.weight" if layer == "blocks.4x4.first" else "conv.weight"
            name = f"{layer}.{own}"
        state[f"synthesis.{name}"] = parameter.detach()
    other.load_state_dict(state)
    z = torch.randn(4, 8, dtype=torch.float64)
    for stage in ((4, 1.0), (8, 0.3), (16, 0.6), (16, 1.0)):
        torch.testing.assert_close(
            g(z, None, *stage), other(z, resolution=stage[0], alpha=stage[1]), rtol=0, atol=1e-12
        )


def test_parameter_counts_of_the_paper():
    with torch.device("meta"):
        g, d = Generator(), Discriminator()
    assert sum(p.numel() for p in g.parameters()) == 23_079_115
    assert sum(p.numel() for p in d.parameters()) == 23_087_249


SMALL = {"resolution": 16, "fmap_base": 64, "fmap_max": 8}


def reference_unfused_critic(d: Discriminator, x: torch.Tensor) -> torch.Tensor:
    """The unfused critic, written from the facts: it downscales after bias and nonlinearity."""

    def conv(layer, x, pad):
        fan_in = layer.weight[0].numel()
        return F.conv2d(x, layer.weight * (2 / fan_in) ** 0.5, layer.bias, padding=pad)

    r = x.shape[-1]
    x = F.leaky_relu(conv(d.from_image[f"{r}x{r}"], x, 0), 0.2)
    while r > 4:
        block = d.blocks[f"{r}x{r}"]
        x = F.leaky_relu(conv(block.first, x, 1), 0.2)
        x = F.avg_pool2d(F.leaky_relu(conv(block.second, x, 1), 0.2), 2)
        r //= 2
    n = len(x)
    groups = x.reshape(min(4, n), -1, *x.shape[1:])
    deviation = (groups.var(dim=0, unbiased=False) + 1e-8).sqrt().mean(dim=(1, 2, 3))
    statistic = deviation.repeat(min(4, n)).reshape(n, 1, 1, 1).expand(n, 1, 4, 4)
    x = F.leaky_relu(conv(d.conv, torch.cat([x, statistic], 1), 1), 0.2).reshape(n, -1)
    x = F.leaky_relu(x @ (d.dense.weight * (2 / d.dense.weight.shape[1]) ** 0.5).T + d.dense.bias, 0.2)
    return x @ (d.output.weight * d.output.weight.shape[1] ** -0.5).T + d.output.bias


def test_unfused_critic_downscales_after_the_nonlinearity():
    torch.manual_seed(1)
    d = Discriminator(**SMALL, fused_scale=False).double()
    torch.nn.init.normal_(d.blocks["16x16"].second.bias)
    images = torch.randn(8, 3, 16, 16, dtype=torch.float64)
    torch.testing.assert_close(d(images), reference_unfused_critic(d, images), rtol=1e-10, atol=1e-12)
    fused = Discriminator(**SMALL, fused_scale=True).double()
    fused.load_state_dict(d.state_dict())
    assert (fused(images) - d(images)).abs().max() > 1e-3


def test_unfused_generator_repeats_pixels_then_convolves():
    torch.manual_seed(2)
    g = Generator(**SMALL, z_dim=8, fused_scale=False).double()
    x = torch.randn(2, 8, 4, 4, dtype=torch.float64)
    layer = g.blocks["8x8"].first
    expected = F.conv2d(upscale2x(x), layer.weight * (2 / layer.weight[0].numel()) ** 0.5, layer.bias, padding=1)
    torch.testing.assert_close(layer(x), expected)


def test_stage_and_alpha_are_the_ends_of_the_fade():
    torch.manual_seed(3)
    g = Generator(**SMALL, z_dim=8).double()
    z = torch.randn(3, 8, dtype=torch.float64)
    torch.testing.assert_close(g(z, resolution=16, alpha=0.0), upscale2x(g(z, resolution=8)))
    half = g(z, resolution=16, alpha=0.5)
    torch.testing.assert_close(half, (upscale2x(g(z, resolution=8)) + g(z)) / 2)
    d = Discriminator(**SMALL).double()
    images = torch.randn(4, 3, 16, 16, dtype=torch.float64)
    torch.testing.assert_close(d(images, alpha=0.0), d(downscale2x(images)))


def test_labels_are_normalised_together_with_the_latents():
    torch.manual_seed(4)
    g = Generator(**SMALL, z_dim=8, label_dim=3).double()
    z, labels = torch.randn(2, 8, dtype=torch.float64), torch.eye(3, dtype=torch.float64)[:2]
    joint = torch.cat([z, labels], 1)
    plain = Generator(**SMALL, z_dim=11, normalize_latents=False).double()
    plain.load_state_dict(g.state_dict())
    torch.testing.assert_close(g(z, labels), plain(joint / (joint.square().mean(1, keepdim=True) + 1e-8).sqrt()))
    with pytest.raises(ValueError, match=r"labels \[N, 3\]"):
        g(z)


def test_the_epsilon_is_that_of_the_latents_too():
    torch.manual_seed(4)
    eps = 0.5
    g = Generator(**SMALL, z_dim=8, pixelnorm=False, pixelnorm_eps=eps).double()
    plain = Generator(**SMALL, z_dim=8, pixelnorm=False, normalize_latents=False).double()
    plain.load_state_dict(g.state_dict())
    z = torch.randn(2, 8, dtype=torch.float64)
    torch.testing.assert_close(g(z), plain(z / (z.square().mean(1, keepdim=True) + eps).sqrt()))


@pytest.mark.parametrize("margin", [-1, 4])
def test_a_margin_leaves_something(margin):
    with pytest.raises(ValueError, match=f"margin {margin}"):
        Generator(**SMALL | {"resolution": 8}, z_dim=8, margin=margin)


def test_labelled_critic_returns_scores_and_logits():
    torch.manual_seed(5)
    d = Discriminator(**SMALL, label_dim=3)
    scores, logits = d(torch.randn(4, 3, 8, 8))
    assert scores.shape == (4, 1)
    assert logits.shape == (4, 3)


@pytest.mark.parametrize("batch", [1, 3, 6, 7, 10])
def test_any_batch_size_is_scored(batch):
    torch.manual_seed(6)
    d = Discriminator(**SMALL)
    assert d(torch.randn(batch, 3, 16, 16)).shape == (batch, 1)


def test_without_equalized_learning_rate_the_scale_is_in_the_weights():
    torch.manual_seed(7)
    g = Generator(**SMALL, z_dim=64, equalized_lr=False)
    weight = g.blocks["4x4"].first.weight
    assert weight.std().item() == pytest.approx((2**0.5 / 4) / 64**0.5, rel=0.1)


@pytest.mark.parametrize("size", [(3, 16, 8), (3, 32, 32), (3, 6, 6), (3, 2, 2)])
def test_images_of_another_size_are_refused(size):
    d = Discriminator(**SMALL)
    with pytest.raises(ValueError, match="squares of 4, 8, 16"):
        d(torch.zeros(1, *size))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"fmap_base": 7}, "fmap_base 7 .* at 16 px"),
        ({"fmap_max": 0}, "fmap_max 0"),
        ({"mbstd_group": 0}, "mbstd_group 0"),
    ],
)
def test_arguments_that_make_no_network_are_named(arguments, said):
    with pytest.raises(ValueError, match=said):
        Discriminator(**SMALL | arguments)


@pytest.mark.parametrize("resolution", [2, 6, 48, 32])
def test_stages_that_are_not_there_are_refused(resolution):
    with pytest.raises(ValueError, match=f"resolution {resolution}"):
        Generator(**SMALL, z_dim=8)(torch.zeros(1, 8), resolution=resolution)


def test_bfloat16_trunk_stays_close_and_returns_float32():
    torch.manual_seed(8)
    g, d = Generator(**SMALL, z_dim=8), Discriminator(**SMALL)
    z = torch.randn(8, 8)
    exact = g(z)
    scores = d(exact)
    g.compute_dtype = d.compute_dtype = torch.bfloat16
    assert g(z).dtype == torch.float32
    assert (g(z) - exact).abs().max() < 0.05 * exact.abs().max()
    assert (d(exact) - scores).abs().max() < 0.05
