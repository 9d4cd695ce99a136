"""The style-based generator against numbers that the official program gave, and against its own definitions."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import progan
from progan.layers import upscale2x
from stylegan import Generator
from stylegan.operations import adaptive_instance_norm, add_and_rectify
from tests import oracle

FILES = "stylegan_g_32", "stylegan_g_16_cond"
SMALL = {
    "resolution": 16,
    "fmap_base": 64,
    "fmap_max": 8,
    "z_dim": 8,
    "w_dim": 8,
    "mapping_fmaps": 12,
    "mapping_layers": 3,
}


def of_ops(*ops: str) -> list:
    return [case for case in oracle.cases(*FILES) if case.values[1]["op"] in ops]


def inputs_of(case: dict, arrays: dict, precision: torch.dtype) -> dict[str, Tensor]:
    return {
        role: oracle.tensor(arrays[f"in/{key}"], precision)
        for role, key in case["inputs"].items()
        if isinstance(key, str)
    }


@pytest.mark.parametrize(("file", "case", "precision"), of_ops("G_mapping"))
def test_mapping_equals_the_official_one(file, case, precision):
    g, _, arrays = oracle.build(file)
    given = inputs_of(case, arrays, precision)
    w = g.to(precision).mapping(given["latents"], given.get("labels"))
    oracle.check(case, "w", w, arrays[f"out/{case['name']}/w"], precision)


@pytest.mark.parametrize(("file", "case", "precision"), of_ops("G_style", "G_synthesis"))
def test_images_equal_the_official_ones(file, case, precision):
    g, meta, arrays = oracle.build(file)
    given, arguments = inputs_of(case, arrays, precision), case["args"]
    full = meta["static_kwargs"]["resolution"]
    resolution, alpha = oracle.stage(arguments["lod"], full)
    noise = [oracle.tensor(arrays[f"in/{key}"], precision) for key in case["inputs"].get("noise", [])] or "const"
    g.to(precision)
    if case["op"] == "G_synthesis":
        ws = given["dlatents"]
    else:
        ws = g.truncate(g.mapping(given["latents"], given.get("labels")))
        if "latents2" in given:
            second = g.truncate(g.mapping(given["latents2"], given.get("labels")))
            ws = torch.cat([ws[:, : arguments["mix_cutoff"]], second[:, arguments["mix_cutoff"] :]], dim=1)
        ws = g.truncate(ws, arguments.get("truncation_psi", 1.0), arguments.get("truncation_cutoff"))
        oracle.check(case, "dlatents", ws, arrays[f"out/{case['name']}/dlatents"], precision)
    images = g.synthesis(ws, resolution, alpha, noise)
    shown = F.interpolate(images, scale_factor=full // resolution, mode="nearest")
    oracle.check(case, "images", shown, arrays[f"out/{case['name']}/images"], precision)


@pytest.mark.parametrize("file", FILES)
def test_calling_the_network_is_mapping_truncation_and_synthesis(file):
    g, _, arrays = oracle.build(file)
    z = oracle.tensor(arrays["in/latents"])
    labels = oracle.tensor(arrays["in/labels"]) if g.label_dim else None
    expected = g.synthesis(g.truncate(g.mapping(z, labels), 0.6, 3), 8, 0.4, "const")
    torch.testing.assert_close(g(z, labels, 0.6, 3, 8, 0.4, "const"), expected, rtol=0, atol=0)


def test_parameter_count_of_the_official_network():
    with torch.device("meta"):
        g = Generator()
    assert sum(p.numel() for p in g.parameters()) == 26_219_627
    assert sum(p.numel() for p in g.mapping.parameters()) == 2_101_248
    assert g.num_layers == 18
    assert sum(b.numel() for b in g.buffers() if b.dim() == 4) == 2 * sum(4**k for k in range(2, 11))


def small(seed: int = 0, **arguments) -> Generator:
    """A generator in float64 in which noise, styles and w_avg matter."""
    torch.manual_seed(seed)
    g = Generator(**SMALL | arguments).double()
    for name, parameter in g.named_parameters():
        if name.endswith(("noise_strength", "bias")):
            torch.nn.init.normal_(parameter)
    g.w_avg.normal_()
    return g


Z = torch.randn(3, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def test_truncation_pulls_the_layers_below_the_cutoff_towards_the_mean():
    g = small()
    w = g.mapping(Z)
    for psi in (-1.5, 0.0, 0.3, 2.0):
        for cutoff, below in ((None, 6), (0, 0), (2, 2), (6, 6), (99, 6)):
            ws = g.truncate(w, psi, cutoff)
            assert ws.shape == (3, 6, 8)
            pulled = (g.w_avg + psi * (w - g.w_avg)).unsqueeze(1)
            torch.testing.assert_close(ws[:, :below], pulled.expand(-1, below, -1))
            torch.testing.assert_close(ws[:, below:], w.unsqueeze(1).expand(-1, 6 - below, -1), rtol=0, atol=0)
    torch.testing.assert_close(g.truncate(w)[:, 4], w, rtol=0, atol=0)


@pytest.mark.parametrize("psi", [1.0, 0.7])
@pytest.mark.parametrize("dimensions", [2, 3])
def test_one_layer_is_changed_without_the_others(psi, dimensions):
    g = small()
    w = g.mapping(Z)
    given = w if dimensions == 2 else g.truncate(w)
    before = given.clone()
    ws, expected = g.truncate(given, psi), g.truncate(given, psi).clone()
    ws[:, 2:4] = 0
    assert (ws[:, 2:4] == 0).all()
    assert ws[:, [0, 1, 4, 5]].equal(expected[:, [0, 1, 4, 5]])
    assert given.equal(before)


def test_each_row_and_each_map_acts_on_its_own_layer_only():
    """A change in layer k moves the image at the stages from layer k's on, and none before."""
    g = small()
    ws = g.truncate(g.mapping(Z))
    maps = [torch.randn(3, 1, 4 << k // 2, 4 << k // 2, dtype=torch.float64) for k in range(6)]
    for layer in range(6):
        others = ws.clone()
        others[:, layer] += 1
        noisy = list(maps)
        noisy[layer] = maps[layer] + 1 + torch.randn_like(maps[layer])
        for resolution in (4, 8, 16):
            same = g.synthesis(ws, resolution, noise=maps)
            in_use = 4 << layer // 2 <= resolution
            assert (g.synthesis(others, resolution, noise=maps) - same).abs().max().item() > 1e-6 or not in_use
            assert (g.synthesis(ws, resolution, noise=noisy) - same).abs().max().item() > 1e-6 or not in_use
            if not in_use:
                torch.testing.assert_close(g.synthesis(others, resolution, noise=noisy), same, rtol=0, atol=0)


def test_stage_and_alpha_are_the_ends_of_the_fade():
    g = small()
    ws = g.truncate(g.mapping(Z))
    lower = upscale2x(g.synthesis(ws, 8, noise="const"))
    torch.testing.assert_close(g.synthesis(ws, 16, 0.0, "const"), lower)
    middle = (lower + g.synthesis(ws, 16, 1.0, "const")) / 2
    torch.testing.assert_close(g.synthesis(ws, 16, 0.5, "const"), middle)


def test_the_kinds_of_noise():
    g = small()
    ws = g.truncate(g.mapping(Z))
    torch.manual_seed(5)
    first, second = g.synthesis(ws), g.synthesis(ws)
    assert (first - second).abs().max() > 1e-3
    torch.manual_seed(5)
    torch.testing.assert_close(g.synthesis(ws), first, rtol=0, atol=0)
    const = [getattr(g.synthesis, f"noise{k}") for k in range(6)]
    torch.testing.assert_close(g.synthesis(ws, noise="const"), g.synthesis(ws, noise=const), rtol=0, atol=0)
    zeros = [torch.zeros_like(one) for one in const]
    torch.testing.assert_close(g.synthesis(ws, noise="none"), g.synthesis(ws, noise=zeros))
    single = torch.cat([g.synthesis(ws[i : i + 1], noise="const") for i in range(3)])
    torch.testing.assert_close(g.synthesis(ws, noise="const"), single)


def test_maps_without_style_noise_or_constant():
    """Each of the official switches takes away what it names, and what is left still draws."""
    torch.manual_seed(0)
    plain = Generator(
        **SMALL, use_styles=False, const_input=False, use_noise=False, pixelnorm=True, instance_norm=False
    )
    names = plain.state_dict()
    assert not [name for name in names if "style" in name or "noise" in name or "const" in name]
    assert plain.num_layers == 1
    z = Z.float()
    images = plain(z)
    assert images.shape == (3, 3, 16, 16)
    assert (images[0] - images[1]).abs().max() > 1e-3
    assert plain.truncate(plain.mapping(z)).shape == (3, 1, 8)


def test_fused_upscaling_is_the_flipped_kernel_and_auto_begins_at_128():
    torch.manual_seed(0)
    ones = {"resolution": 128, "fmap_base": 128, "fmap_max": 2, "z_dim": 4, "w_dim": 4, "mapping_fmaps": 4}
    auto = Generator(**ones)
    fused = [name for name, block in auto.synthesis.blocks.items() if getattr(block.first, "conv", None) is not None]
    assert [auto.synthesis.blocks[name].first.conv.fused for name in fused] == [False, False, False, False, True]
    flipped = Generator(**ones, fused_scale=True)
    state = auto.state_dict()
    for name in ("8x8", "16x16", "32x32", "64x64"):
        key = f"synthesis.blocks.{name}.first.conv.weight"
        state[key] = state[key].flip(2, 3)
    flipped.load_state_dict(state)
    z = torch.randn(2, 4)
    torch.testing.assert_close(flipped(z, noise="const"), auto(z, noise="const"), rtol=1e-4, atol=1e-4)


def test_normalisation_against_pytorchs_own():
    x = torch.randn(2, 3, 5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    wanted = F.instance_norm(x, eps=1e-8)
    style = torch.randn(2, 2, 3, 1, 1, dtype=torch.float64).requires_grad_()
    torch.testing.assert_close(adaptive_instance_norm(x, torch.zeros_like(style)), wanted)
    torch.testing.assert_close(adaptive_instance_norm(x, style), wanted * (1 + style[:, 0]) + style[:, 1])
    assert torch.autograd.gradcheck(adaptive_instance_norm, (x, style))
    assert torch.autograd.gradgradcheck(adaptive_instance_norm, (x, style))
    assert torch.autograd.gradgradcheck(lambda x: adaptive_instance_norm(x, style.detach()), (x,))


@pytest.mark.parametrize("slope", [0.2, 0.0])
def test_noise_and_bias_are_added_before_the_nonlinearity(slope):
    random = torch.Generator().manual_seed(0)
    x, noise, strength, bias = (
        torch.randn(*shape, dtype=torch.float64, generator=random).requires_grad_()
        for shape in ((2, 3, 4, 4), (2, 1, 4, 4), (3,), (3,))
    )

    def ours(x, noise, strength, bias):
        rows = torch.stack([noise.flatten(), torch.ones_like(noise.flatten())])
        return add_and_rectify(x, rows, torch.stack([strength, bias]), slope)

    wanted = F.leaky_relu(x + noise * strength.reshape(1, -1, 1, 1) + bias.reshape(1, -1, 1, 1), slope)
    torch.testing.assert_close(ours(x, noise, strength, bias), wanted)
    assert torch.autograd.gradcheck(ours, (x, noise, strength, bias))
    assert torch.autograd.gradgradcheck(ours, (x, noise, strength, bias))


def test_initial_values():
    torch.manual_seed(0)
    g = Generator(**SMALL | {"z_dim": 256, "w_dim": 128, "mapping_fmaps": 256})
    first = g.synthesis.blocks["4x4"].first
    assert first.const.eq(1).all()
    assert first.noise_strength.eq(0).all()
    assert first.style.bias.eq(0).all()
    assert g.w_avg.eq(0).all()
    assert g.mapping.layers[0].weight.std().item() == pytest.approx(100, rel=0.05)
    # In the network's eyes they are those of He's initialisation, and a hundredth of the learning rate is left.
    scaled, _ = g.mapping.layers[0].scaled(torch.float32)
    assert scaled.std().item() == pytest.approx((2 / 256) ** 0.5, rel=0.05)
    w = g.mapping(torch.randn(512, 256))
    assert w.square().mean().item() == pytest.approx(1, abs=0.5)


def test_a_mapping_layer_learns_a_hundredth_as_fast():
    torch.manual_seed(0)
    fast, slow = Generator(**SMALL, mapping_lrmul=1.0), Generator(**SMALL)
    slow.load_state_dict(fast.state_dict())
    for layer in slow.mapping.layers:
        layer.weight.data *= 100
        layer.bias.data *= 100
    for g in (fast, slow):
        before = [tensor.clone() for tensor in g.mapping.layers[1].scaled(torch.float32)]
        g(Z.float(), noise="none").square().sum().backward()
        torch.optim.Adam(g.parameters(), lr=0.01).step()
        after = g.mapping.layers[1].scaled(torch.float32)
        g.moved = [(new - old).abs().max().item() for new, old in zip(after, before, strict=True)]
    assert slow.moved == pytest.approx([step / 100 for step in fast.moved], rel=1e-2)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"noise": "loud"}, "noise 'loud' is not one of random, const, none"),
        ({"noise": [torch.zeros(1, 1, 4, 4)]}, "one map for each of 6 layers, not 1"),
        ({"noise": [torch.zeros(2, 1, 4, 4)] * 6}, r"layer 0 is \[N or 1, 1, 4, 4\]"),
        ({"resolution": 32}, "resolution 32 is above"),
        ({"resolution": 5}, "resolution 5 is not a power of two"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, said):
    g = small()
    with pytest.raises(ValueError, match=said):
        g.synthesis(g.truncate(g.mapping(Z)), **arguments)


def test_ws_and_labels_that_do_not_fit_are_refused():
    g = small()
    with pytest.raises(ValueError, match=r"ws are \[N, 6, 8\], not \[3, 5, 8\]"):
        g.synthesis(g.truncate(g.mapping(Z))[:, :5])
    with pytest.raises(ValueError, match="no labels expected"):
        g.mapping(Z, torch.zeros(3, 2))
    with pytest.raises(ValueError, match=r"takes labels \[N, 4\]"):
        small(label_dim=4).mapping(Z)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"fused_scale": "maybe"}, "fused_scale 'maybe'"),
        ({"nonlinearity": "tanh"}, "nonlinearity 'tanh'"),
        ({"mapping_nonlinearity": "tanh"}, "mapping_nonlinearity 'tanh'"),
        ({"mapping_layers": 10**9}, "mapping_layers 1000000000"),
        ({"mapping_layers": 0, "w_dim": 9}, "w_dim 9"),
        ({"blur_filter": [1, -1]}, "blur_filter"),
        ({"blur_filter": "soft"}, "blur_filter"),
    ],
)
def test_arguments_that_make_no_network_are_named(arguments, said):
    with pytest.raises(ValueError, match=said):
        Generator(**SMALL | arguments)


def test_bfloat16_trunk_stays_close_and_returns_float32():
    g = small().float()
    z = Z.float()
    exact = g(z, noise="const")
    g.compute_dtype = torch.bfloat16
    assert g(z, noise="const").dtype == torch.float32
    assert (g(z, noise="const") - exact).abs().max() < 0.06 * exact.abs().max()


BLURS = [None, (1, 2, 1), (1, 4, 6, 4, 1), (1, 3, 3, 1)]


@pytest.mark.parametrize("blur_filter", BLURS, ids=str)
@pytest.mark.parametrize("fused_scale", [True, False])
def test_maps_of_one_value_stay_so_to_their_edges_where_these_are_repeated(blur_filter, fused_scale):
    arguments = {"instance_norm": False, "use_noise": False, "blur_filter": blur_filter, "fused_scale": fused_scale}
    for first, is_even in ((8, True), (0, False)):
        g = small(**arguments, repeat_edges_from=first).eval()
        g.synthesis.blocks["4x4"].second.conv.weight.data *= torch.tensor([0.0, 1.0, 0.0]) * torch.eye(3)  # the centre
        images = g(Z)
        assert (images.std(dim=(2, 3)).max().item() < 1e-9 * images.abs().max().item()) == is_even
        assert images.std(dim=0).max() > 0.01


def test_repeated_edges_leave_what_is_further_within_as_it_was():
    plain, repeating = small(), small(repeat_edges_from=16).eval()
    wanted, images = plain(Z, noise="const"), repeating(Z, noise="const")
    reach = 3  # pixels that the last stage's two convolutions and the blur see
    within = slice(reach, -reach)
    torch.testing.assert_close(images[..., within, within], wanted[..., within, within], rtol=1e-9, atol=1e-9)
    assert (images - wanted).abs()[..., 0, :].max() > 0.01
    torch.testing.assert_close(repeating(Z, noise="const", resolution=8), plain(Z, noise="const", resolution=8))


def test_edges_are_repeated_only_once_trained():
    plain, repeating = small(), small(repeat_edges_from=8)
    torch.testing.assert_close(repeating.train()(Z, noise="const"), plain(Z, noise="const"), rtol=0, atol=0)
    assert not torch.allclose(repeating.eval()(Z, noise="const"), plain(Z, noise="const"))


@pytest.mark.parametrize("first", [-8, 4, 12])
def test_edges_are_repeated_from_a_stage_on(first):
    with pytest.raises(ValueError, match=f"repeat_edges_from {first}"):
        Generator(**SMALL, repeat_edges_from=first)


@pytest.mark.parametrize("network", [Generator, progan.Generator], ids=["stylegan", "progan"])
def test_a_margin_repeats_what_is_within_and_scales_with_the_stage(network):
    torch.manual_seed(0)
    arguments = {"resolution": 16, "fmap_base": 64, "fmap_max": 8, "z_dim": 8}
    plain, framed = network(**arguments), network(**arguments, margin=3)
    framed.load_state_dict(plain.state_dict())
    noise = {"noise": "const"} if network is Generator else {}
    for resolution, margin in ((16, 3), (8, 1), (4, 0)):
        images, wanted = (one(torch.ones(2, 8), resolution=resolution, alpha=0.4, **noise) for one in (framed, plain))
        within = slice(margin, resolution - margin)
        repeated = F.pad(wanted[:, :, within, within], [margin] * 4, mode="replicate")
        torch.testing.assert_close(images, repeated, rtol=0, atol=0)
