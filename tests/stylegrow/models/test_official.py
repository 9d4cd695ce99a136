"""Published networks as model folders: the official numbers, every official argument, and what cannot be imported."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from stylegrow.common.errors import ModelError
from stylegrow.models import load_discriminator, load_generator, read_config
from stylegrow.models.official.importing import import_official
from tests import oracle
from tests.stylegrow.models import official_files
from tests.stylegrow.models.official_files import PAPER, STYLE, THEANO, component, progan, stylegan, write

PICKLES = Path(oracle.__file__).parent / "pickles"
FILES = {
    "stylegan2019_32": ("stylegan_g_32", "stylegan_d_32"),
    "stylegan2019_16_cond_lod1.5": ("stylegan_g_16_cond", "stylegan_d_16_cond"),
    "progan2018_32": ("progan_g_32", "progan_d_32"),
}


@pytest.fixture(scope="session")
def imported(tmp_path_factory):
    """The oracle's pickles as model folders."""
    folder = tmp_path_factory.mktemp("imported")
    for file in FILES:
        import_official(PICKLES / f"{file}.pkl", folder / file)
    return folder


def brought(tmp_path, networks, protocol=4):
    """The model folder of a made pickle."""
    import_official(write(tmp_path / "made.pkl", networks, protocol), tmp_path / "out")
    return tmp_path / "out"


def refusal(tmp_path, networks):
    """What is said of a made pickle, without its path."""
    with pytest.raises(ModelError) as caught:
        brought(tmp_path, networks)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()
    return str(caught.value).removeprefix(f"{tmp_path / 'made.pkl'}: ")


def tensors_of(networks):
    """Official name -> array, of Gs and of D."""
    return dict(networks[2].state["variables"]), dict(networks[1].state["variables"])


def told(argument):
    """A test's parameter in its name: functions by theirs, since workers must agree on it."""
    return argument.__name__ if callable(argument) else str(argument)


# The official numbers


@pytest.mark.parametrize("file", FILES)
def test_folder_holds_the_official_weights(file, imported):
    for load, name in zip((load_generator, load_discriminator), FILES[file], strict=True):
        network, (wanted, _, _) = load(imported / file), oracle.build(name)
        assert network.config == wanted.config
        state, expected = network.state_dict(), wanted.state_dict()
        assert state.keys() == expected.keys()
        for key, value in state.items():
            assert torch.equal(value.double(), expected[key]), key


def evaluations(*ops):
    return [
        pytest.param(file, *case.values, id=case.id)
        for file, names in FILES.items()
        for case in oracle.cases(*names)
        if case.values[1]["op"] in ops and "latents2" not in case.values[1]["inputs"]
    ]


@pytest.mark.parametrize(("file", "name", "case", "precision"), evaluations("G_style", "G_paper"))
def test_images_equal_the_official_ones(file, name, case, precision, imported):
    g = load_generator(imported / file).to(precision)
    arrays = oracle.load(name)[1]
    given, arguments = case["inputs"], case["args"]
    resolution, alpha = oracle.stage(arguments["lod"], g.resolution)
    z = oracle.tensor(arrays[f"in/{given['latents']}"], precision)
    labels = oracle.tensor(arrays[f"in/{given['labels']}"], precision) if "labels" in given else None
    more = {}
    if case["op"] == "G_style":
        more["noise"] = [oracle.tensor(arrays[f"in/{key}"], precision) for key in given.get("noise", [])] or "const"
        more |= {"psi": arguments.get("truncation_psi", 1.0), "cutoff": arguments.get("truncation_cutoff")}
    images = g(z, labels, resolution=resolution, alpha=alpha, **more)
    images = F.interpolate(images, scale_factor=g.resolution // resolution, mode="nearest")
    oracle.check(case, "images", images, arrays[f"out/{case['name']}/images"], precision)


@pytest.mark.parametrize(("file", "name", "case", "precision"), evaluations("D_basic", "D_paper"))
def test_scores_equal_the_official_ones(file, name, case, precision, imported):
    d = load_discriminator(imported / file).to(precision)
    arrays = oracle.load(name)[1]
    given = case["inputs"]
    resolution, alpha = oracle.stage(case["args"]["lod"], d.config.resolution)
    images = oracle.tensor(arrays[f"in/{given['images']}"], precision)
    images = F.avg_pool2d(images, images.shape[-1] // resolution)
    labels = oracle.tensor(arrays[f"in/{given['labels']}"], precision) if "labels" in given else None
    oracle.check(case, "scores", d(images, labels, alpha), arrays[f"out/{case['name']}/scores"], precision)


def test_facts_and_card_say_where_the_model_comes_from(imported):
    facts = read_config(imported / "stylegan2019_16_cond_lod1.5")["training"]
    assert facts["source"] == "stylegan2019_16_cond_lod1.5.pkl"
    assert (facts["resolution"], facts["alpha"]) == (8, 0.5)
    assert (facts["truncation_psi"], facts["truncation_cutoff"]) == (0.7, 8)
    assert facts["license"] == "cc-by-nc-4.0"
    card = (imported / "stylegan2019_16_cond_lod1.5" / "README.md").read_text()
    assert "license: cc-by-nc-4.0" in card
    assert "stylegan2019_16_cond_lod1.5.pkl" in card
    assert "trained with Stylegrow" not in card


# Layouts and formats


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("make", [stylegan, progan])
def test_pickle_protocols_and_byte_orders_make_no_difference(make, protocol, tmp_path):
    networks = make()
    (tmp_path / "plain").mkdir()
    expected = brought(tmp_path / "plain", networks)
    for part in networks:
        part.state["variables"] = [
            (name, np.asfortranarray(value).astype(">f4") if np.ndim(value) == 4 else value)
            for name, value in part.state["variables"]
        ]
    found = brought(tmp_path, networks, protocol)
    for name in ("model.safetensors", "discriminator.safetensors"):
        assert (found / name).read_bytes() == (expected / name).read_bytes()


def as_kind(networks, kind):
    for part in networks:
        part.__class__ = kind
    return networks


def reordered(network, name, axes, flip=False, renamed=None):
    """A network whose variables with this in their name have other axes, and (flip) kernels turned round."""
    network.state["variables"] = [
        (key.replace(name, renamed or name), value.transpose(axes)[:: 1 - 2 * flip, :: 1 - 2 * flip])
        if f"{name}/weight" in key
        else (key.replace(name, renamed or name), value)
        for key, value in network.state["variables"]
    ]
    return network


def progan_folder(tmp_path, change):
    """progan2018_32 in another form, made from the oracle's numbers."""
    networks = []
    for file, function in (("progan_g_32", "G_paper"), ("progan_d_32", "D_paper"), ("progan_g_32", "G_paper")):
        meta, arrays = oracle.load(file)
        variables = {key: arrays[f"w/{key}"] for key in meta["variables"]}
        networks.append(official_files.network(PAPER, function, meta["static_kwargs"], variables))
    return brought(tmp_path, change(networks))


def assert_official_images(folder):
    g = load_generator(folder).double()
    meta, arrays = oracle.load("progan_g_32")
    case = meta["evals"][0]
    images = g(oracle.tensor(arrays["in/latents"]))
    oracle.check(case, "images", images, arrays[f"out/{case['name']}/images"], torch.float64)


def test_weights_of_stylegans_copy_of_progan_are_in_out(tmp_path):
    def change(networks):
        for part in (networks[0], networks[2]):
            reordered(part, "Conv0_up", (0, 1, 3, 2))
        return as_kind(networks, STYLE)

    assert_official_images(progan_folder(tmp_path, change))


def test_shapes_tell_how_weights_lie_that_another_program_wrote(tmp_path):
    assert_official_images(progan_folder(tmp_path, lambda networks: as_kind(networks, STYLE)))


def test_unfused_names_hold_turned_kernels(tmp_path):
    def change(networks):
        for part in (networks[0], networks[2]):
            reordered(part, "Conv0_up", (0, 1, 3, 2), flip=True, renamed="Conv0")
            part.state["static_kwargs"] |= {"fused_scale": False, "mbstd_group_size": 16}
        return networks

    assert_official_images(progan_folder(tmp_path, change))


def test_unfused_critic_has_its_own_names(tmp_path):
    networks = progan(None, {"fused_scale": False, "mbstd_group_size": 16})
    d = load_discriminator(brought(tmp_path, networks))
    assert (d.config.fused_scale, d.config.mbstd_group) == (False, 16)
    weight = tensors_of(networks)[1]["8x8/Conv1/weight"]
    assert np.array_equal(d.state_dict()["blocks.8x8.second.weight"].numpy(), weight.transpose(3, 2, 0, 1))


def test_fused_stylegan_is_the_unfused_one_with_turned_kernels(tmp_path, imported):
    """Its weights are taken as they are; the oracle's network has the upscaling layers unfused."""
    meta, arrays = oracle.load("stylegan_g_32")
    networks = stylegan(meta["static_kwargs"], {"resolution": 32})
    weights = {key[2:].removeprefix("G_"): value for key, value in arrays.items() if key.startswith("w/")}
    networks[2].state["variables"] = [(name, weights[name]) for name in ("lod", "dlatent_avg")]
    for part in ("mapping", "synthesis"):
        state = component(networks[2], part)
        state["variables"] = [(name, weights[f"{part}/{name}"]) for name, _ in state["variables"]]
        state["static_kwargs"]["fused_scale"] = True
    reordered(networks[2].state["components"]["synthesis"], "Conv0_up", (0, 1, 2, 3), flip=True)
    g, expected = load_generator(brought(tmp_path, networks)), load_generator(imported / "stylegan2019_32")
    assert g.config == replace(expected.config, fused_scale=True)
    z = oracle.tensor(arrays["in/latents"])
    torch.testing.assert_close(g.double()(z, noise="const"), expected.double()(z, noise="const"), rtol=0, atol=1e-6)


# Official arguments

OURS = {
    "latent_size": "z_dim",
    "dlatent_size": "w_dim",
    "label_size": "label_dim",
    "num_channels": "image_channels",
    "use_wscale": "equalized_lr",
    "use_pixel_norm": "pixelnorm",
    "use_pixelnorm": "pixelnorm",
    "use_instance_norm": "instance_norm",
    "const_input_layer": "const_input",
    "pixelnorm_epsilon": "pixelnorm_eps",
    "mbstd_group_size": "mbstd_group",
    "mbstd_num_features": "mbstd_features",
}
G_STYLE = [
    {"latent_size": 5},
    {"dlatent_size": 7},
    {"mapping_layers": 1},
    {"mapping_layers": 0, "dlatent_size": 8},
    {"mapping_fmaps": 9},
    {"mapping_lrmul": 0.1},
    {"mapping_lrmul": 1},
    {"mapping_nonlinearity": "relu"},
    {"normalize_latents": False},
    {"label_size": 3},
    {"use_styles": False},
    {"const_input_layer": False},
    {"use_noise": False},
    {"use_pixel_norm": True},
    {"use_instance_norm": False},
    {"use_wscale": False},
    {"nonlinearity": "relu"},
    {"fused_scale": True},
    {"fused_scale": False},
    {"blur_filter": None},
    {"blur_filter": [1, 3, 3, 1]},
    {"blur_filter": [[1, 2], [3, 4]]},
    {"fmap_base": 48},
    {"fmap_base": 100.5},
    {"fmap_decay": 0.5},
    {"fmap_max": 5},
    {"use_styles": False, "use_pixel_norm": True, "use_instance_norm": False, "const_input_layer": False}
    | {"use_noise": False, "mapping_layers": 0, "dlatent_size": 8, "truncation_psi": None},
]
G_PAPER = [
    {"latent_size": 5},
    {"normalize_latents": False},
    {"label_size": 3},
    {"use_wscale": False},
    {"use_pixelnorm": False},
    {"pixelnorm_epsilon": 1e-4},
    {"fused_scale": False},
    {"fmap_decay": 0.5},
]
D_BASIC = [
    {"label_size": 3},
    {"mbstd_group_size": 16},
    {"mbstd_group_size": 2, "mbstd_num_features": 3},
    {"fused_scale": True},
    {"fused_scale": False},
    {"blur_filter": None},
    {"blur_filter": (1, 3, 3, 1)},
    {"nonlinearity": "relu"},
    {"use_wscale": False},
    {"fmap_decay": 0.5},
]
D_PAPER = [
    {"label_size": 3},
    {"mbstd_group_size": 16},
    {"mbstd_num_features": 1},
    {"fused_scale": False},
    {"use_wscale": False},
]


def ours(changes):
    arguments = {OURS.get(key, key): value for key, value in changes.items() if not key.startswith("truncation")}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in arguments.items()}


@pytest.mark.parametrize(
    ("make", "changes"), [(stylegan, c) for c in G_STYLE] + [(progan, c) for c in G_PAPER], ids=told
)
def test_arguments_of_generators_are_honoured(make, changes, tmp_path):
    networks = make(changes)
    g = load_generator(brought(tmp_path, networks))
    wanted = ours(changes)
    assert {key: getattr(g.config, key) for key in wanted} == wanted
    labels = torch.eye(g.label_dim)[:1] if g.label_dim else None
    assert g(torch.randn(1, g.z_dim), labels).shape == (1, 3, 16, 16)


@pytest.mark.parametrize(
    ("make", "changes"), [(stylegan, c) for c in D_BASIC] + [(progan, c) for c in D_PAPER], ids=told
)
def test_arguments_of_critics_are_honoured(make, changes, tmp_path):
    d = load_discriminator(brought(tmp_path, make(None, changes)))
    wanted = ours(changes)
    assert {key: getattr(d.config, key) for key in wanted} == wanted


@pytest.mark.parametrize("make", [stylegan, progan])
@pytest.mark.parametrize("size", [0, 1])
def test_groups_of_one_are_no_layer(make, size, tmp_path):
    d = load_discriminator(brought(tmp_path, make(None, {"mbstd_group_size": size})))
    assert d.config.mbstd_features == 0
    assert d.state_dict()["conv.weight"].shape[1] == 12


def test_leaky_relu_of_progan(tmp_path):
    g = load_generator(brought(tmp_path, progan({"use_leakyrelu": False})))
    assert g.config.nonlinearity == "relu"


def test_absent_arguments_have_the_official_defaults(tmp_path):
    networks = progan({"num_channels": ..., "resolution": ...}, {"num_channels": ..., "resolution": ...})
    folder = brought(tmp_path, networks)
    for network in (load_generator(folder), load_discriminator(folder)):
        assert (network.config.resolution, network.config.image_channels) == (32, 1)
    assert load_generator(folder).z_dim == 12  # as many as maps, at most fmap_max


def test_absent_arguments_have_stylegans_defaults(tmp_path):
    networks = stylegan({"num_channels": ..., "mapping_layers": ..., "latent_size": ..., "dlatent_size": ...})
    config = load_generator(brought(tmp_path, networks)).config
    assert [getattr(config, key) for key in ("image_channels", "mapping_layers", "z_dim", "w_dim")] == [3, 8, 512, 512]


def test_resolution_absent_is_1024_for_stylegan_and_32_for_its_critic(tmp_path):
    small = {"fmap_base": 64, "fmap_max": 1, "resolution": ..., "use_noise": False}
    assert "resolution is 1024 in Gs and 32 in D" in refusal(tmp_path, stylegan(small, {"resolution": ...}))


TRAINING: dict[str, object] = {
    "dlatent_avg_beta": 0.9,
    "style_mixing_prob": None,
    "is_validation": True,
    "randomize_noise": False,
}
TRAINING |= {"truncation_psi_val": 0.4, "structure": "recursive", "func_name": "training.networks_stylegan.G_style"}


def test_arguments_of_training_alone_are_let_pass(tmp_path):
    plain = brought(tmp_path, stylegan())
    expected = (plain / "model.safetensors").read_bytes(), read_config(plain)["generator"]
    (tmp_path / "more").mkdir()
    more = brought(tmp_path / "more", stylegan(TRAINING))
    assert ((more / "model.safetensors").read_bytes(), read_config(more)["generator"]) == expected


@pytest.mark.parametrize(("psi", "cutoff"), [(0.5, 4), (None, None), (1, 8)])
def test_official_truncation_is_a_fact(psi, cutoff, tmp_path):
    networks = stylegan({"truncation_psi": psi, "truncation_cutoff": cutoff})
    facts = read_config(brought(tmp_path, networks))["training"]
    assert (facts["truncation_psi"], facts["truncation_cutoff"]) == (psi, cutoff)


def test_numbers_of_numpy_are_arguments_too(tmp_path):
    g = load_generator(brought(tmp_path, stylegan({"resolution": np.int64(16), "use_styles": np.True_})))
    assert (g.resolution, type(g.resolution)) == (16, int)


REFUSED = [
    (stylegan, "demodulate", True, "demodulate=True"),
    (stylegan, "architecture", "skip", "architecture='skip'"),
    (stylegan, "dtype", "float16", "dtype='float16'"),
    (stylegan, "fused_scale", "always", "fused_scale='always'"),
    (stylegan, "fused_scale", 2, "fused_scale=2"),
    (stylegan, "fused_scale", None, "fused_scale=None"),
    (stylegan, "nonlinearity", "swish", "nonlinearity='swish'"),
    (stylegan, "mapping_nonlinearity", "swish", "mapping_nonlinearity='swish'"),
    (stylegan, "mapping_layers", 65, "mapping_layers 65"),
    (stylegan, "mapping_layers", -1, "mapping_layers=-1"),
    (stylegan, "mapping_lrmul", "0.01", "mapping_lrmul='0.01'"),
    (stylegan, "mapping_lrmul", float("nan"), "mapping_lrmul=nan"),
    (stylegan, "resolution", 24, "resolution=24"),
    (stylegan, "resolution", 2, "resolution=2"),
    (stylegan, "resolution", 2.0**4, "resolution=16.0"),
    (stylegan, "resolution", 1 << 300, "resolution=<int>"),
    (stylegan, "label_size", None, "label_size=None"),
    (stylegan, "blur_filter", "box", "blur_filter='box'"),
    (stylegan, "blur_filter", [1, -1], "blur_filter [1, -1]"),
    (stylegan, "blur_filter", [1] * 1000, "blur_filter=[1, 1, 1, 1, 1, 1, ...]"),
    (stylegan, "blur_filter", [[1, "a"]], "blur_filter=[[1, 'a']]"),
    (stylegan, "use_noise", "yes", "use_noise='yes'"),
    (stylegan, "truncation_psi", "strong", "truncation_psi='strong'"),
    (stylegan, "fmap_decay", 1e11, "Gs whose static_kwargs"),
    (stylegan, "fmap_base", 0, "Gs whose static_kwargs"),
    (stylegan, "\ud800", 1, "has the unknown"),
    (stylegan, "dtype", "\ud800", "dtype='"),
    (stylegan, "line\nbreak" * 100, np.zeros(9), "=<array of shape [9]>"),
    (progan, "fused_scale", "auto", "fused_scale='auto'"),
    (progan, "use_leakyrelu", "lrelu", "use_leakyrelu='lrelu'"),
    (progan, "pixelnorm_epsilon", "small", "pixelnorm_epsilon='small'"),
    (progan, "mapping_layers", 8, "mapping_layers=8"),
    (progan, "blur_filter", [1, 2, 1], "blur_filter=[1, 2, 1]"),
]


REFUSED_IN_D = [
    (stylegan, "mbstd_group_size", None, "mbstd_group_size=None"),
    (stylegan, "mbstd_num_features", 5, "mbstd_num_features 5"),
    (stylegan, "mbstd_num_features", 0, "mbstd_num_features 0"),
    (stylegan, "use_styles", True, "use_styles=True"),
]


@pytest.mark.parametrize(
    ("role", "make", "name", "value", "said"),
    [("Gs", *row) for row in REFUSED] + [("D", *row) for row in REFUSED_IN_D],
)
def test_arguments_that_are_not_supported_are_named_with_their_value(role, make, name, value, said, tmp_path):
    networks = make()
    network = networks[2 if role == "Gs" else 1]
    for part in (network, *network.state.get("components", {}).values()):
        part.state["static_kwargs"][name] = value
    assert said in refusal(tmp_path, networks)


def test_components_have_to_agree_with_the_whole(tmp_path):
    networks = stylegan()
    component(networks[2], "mapping")["static_kwargs"]["normalize_latents"] = False
    assert brought(tmp_path, networks)  # said by one of them: so it is
    assert load_generator(tmp_path / "out").config.normalize_latents is False
    component(networks[2], "synthesis")["static_kwargs"]["normalize_latents"] = True
    (tmp_path / "more").mkdir()
    assert "normalize_latents=True" in refusal(tmp_path / "more", networks)


# Variables


def variables(networks):
    return networks[2].state["variables"]


def replaced(networks, name, value):
    networks[2].state["variables"] = [(key, value if key == name else old) for key, old in variables(networks)]
    return networks


@pytest.mark.parametrize(
    ("make", "where", "name"),
    [(progan, "", name) for name in ("lod", "4x4/Dense/weight", "ToRGB_lod0/bias", "16x16/Conv0_up/weight")]
    + [
        (stylegan, "synthesis", name) for name in ("lod", "noise3", "4x4/Const/Noise/weight", "8x8/Conv1/StyleMod/bias")
    ],
)
def test_missing_variable_is_named(make, where, name, tmp_path):
    networks = make()
    state = component(networks[2], where) if where else networks[2].state
    state["variables"] = [entry for entry in state["variables"] if entry[0] != name]
    path = "/".join(filter(None, ["Gs", where, name]))
    assert refusal(tmp_path, networks).startswith(f"lacks the variable {path}")


def test_variables_that_the_arguments_do_not_call_for_are_named(tmp_path):
    networks = stylegan()
    variables(networks).append(("extra", np.zeros(3, np.float32)))
    assert "has the unexpected variable Gs/extra" in refusal(tmp_path, networks)
    networks = progan()
    variables(networks).append(variables(networks)[1])
    assert "twice" in refusal(tmp_path, networks)
    networks = stylegan()
    networks[2].state["static_kwargs"]["use_noise"] = False
    for part in ("mapping", "synthesis"):
        component(networks[2], part)["static_kwargs"]["use_noise"] = False
    assert "Noise/weight and 11 more" in refusal(tmp_path, networks)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (np.zeros((3, 3, 12, 11), np.float32), "of shape [3, 3, 12, 11]; its static_kwargs call for [3, 3, 12, 12]"),
        (np.zeros((12, 12), np.float32), "of shape [12, 12]"),
        (np.zeros((3, 3, 12, 12), np.float64), "of float64"),
        (np.zeros((3, 3, 12, 12), np.float16), "of float16"),
        (np.zeros((3, 3, 12, 12), np.int32), "of int32"),
        (np.full((3, 3, 12, 12), np.nan, np.float32), "NaN"),
        (np.full((3, 3, 12, 12), np.inf, np.float32), "NaN or infinity"),
        (np.array([None, "a"], dtype=object), "not one of numbers"),
        (np.array(["a", "b"]), "not one of numbers"),
        ("text", "'text' as the variable Gs/4x4/Conv/weight"),
        (None, "None as the variable"),
        ([1.0, 2.0], "[1.0, 2.0] as the variable"),
        (1.5, "of shape []"),
    ],
    ids=range(13),
)
def test_variables_of_another_kind_are_named(value, said, tmp_path):
    assert said in refusal(tmp_path, replaced(progan(), "4x4/Conv/weight", value))


def test_expected_shapes_are_given_in_the_official_layout(tmp_path):
    networks = replaced(progan(), "4x4/Dense/weight", np.zeros((192, 12), np.float32))
    assert "Gs/4x4/Dense/weight of shape [192, 12]; its static_kwargs call for [12, 192]" in refusal(tmp_path, networks)


def test_numbers_used_many_times_over_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("stylegrow.models.official.importing.SPARE_BYTES", 0)
    networks = progan()
    same = np.zeros(20_000, np.float32)
    networks[2].state["variables"] += [(f"extra{index}", same) for index in range(10)]
    assert "more numbers than the file can hold" in refusal(tmp_path, networks)


@pytest.mark.parametrize(
    ("lod", "stage"), [(0.0, (16, 1.0)), (1.0, (8, 1.0)), (1.25, (8, 0.75)), (0.3, (16, 0.7)), (2.0, (4, 1.0))]
)
@pytest.mark.parametrize("make", [stylegan, progan])
def test_stage_reached_is_a_fact(make, lod, stage, tmp_path):
    facts = read_config(brought(tmp_path, make(lod=lod)))["training"]
    assert (facts["resolution"], facts["alpha"]) == stage


@pytest.mark.parametrize(
    ("lod", "stage"), [(-1.0, (16, 1.0)), (7.5, (4, 1.0)), (1, (8, 1.0)), (np.array(1.5), (8, 0.5))]
)
def test_stages_out_of_range_are_those_at_its_ends(lod, stage, tmp_path):
    facts = read_config(brought(tmp_path, replaced(progan(), "lod", lod)))["training"]
    assert (facts["resolution"], facts["alpha"]) == stage


@pytest.mark.parametrize("lod", [np.float32("nan"), np.zeros(1, np.float32), True])
def test_stages_that_are_no_number_are_refused(lod, tmp_path):
    assert "Gs/lod that is not a finite number" in refusal(tmp_path, replaced(progan(), "lod", lod))


# The whole file


def test_what_is_no_triple_of_networks_is_said(tmp_path):
    g, d, gs = progan()
    assert "holds 1 network(s)" in refusal(tmp_path, gs)
    assert "holds 2 network(s)" in refusal(tmp_path, (d, gs))
    assert "holds 4 network(s)" in refusal(tmp_path, (g, d, gs, gs))
    for other in ({"Gs": gs}, (), (g, d, None), [1, 2, 3], "text", None, np.zeros(3)):
        assert "does not hold the three networks" in refusal(tmp_path, other)


def test_networks_that_are_no_pair_are_refused(tmp_path):
    assert "resolution is 16 in Gs and 32 in D" in refusal(tmp_path, progan(None, {"resolution": 32}))
    assert "num_channels is 3 in Gs and 1 in D" in refusal(tmp_path, progan(None, {"num_channels": 1}))
    g, _, gs = stylegan()
    assert "made by G_style and a D made by D_paper" in refusal(tmp_path, (g, progan()[1], gs))
    g, d, gs = progan()
    assert "has a Gs made by 'D_paper'" in refusal(tmp_path, (g, gs, d))


def test_stylegans_copy_of_progans_critic_ignores_labels(tmp_path):
    folder = brought(tmp_path, progan({"label_size": 2}, {"label_size": 2}, kind=STYLE))
    assert load_generator(folder).label_dim == 2
    assert load_discriminator(folder).label_dim == 0


def test_theano_files_are_explained(tmp_path):
    networks = [THEANO({"build_func_spec": {"func": "G_paper"}, "param_values": []}) for _ in range(3)]
    assert "Theano" in refusal(tmp_path, tuple(networks))
    assert "karras2018iclr-celebahq-1024x1024.pkl" in refusal(tmp_path, tuple(networks))


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("version", 4, "StyleGAN2 pickle of version 4"),
        ("version", 5, "version 5"),
        ("version", "3", "version '3'"),
        ("version", True, "version True"),
        ("build_func_name", "G_main", "made by 'G_main'"),
        ("build_func_name", None, "'build_func_name' is not a str"),
        ("static_kwargs", [1], "'static_kwargs' is not a dict"),
        ("variables", {"a": 1}, "'variables' is not a list"),
        ("variables", [("lod",)], "not a name and a value"),
        ("variables", [(1, 2)], "not a name and a value"),
        ("components", {}, "without the network 'mapping'"),
        ("components", None, "without the network 'mapping'"),
        ("components", {"mapping": 3, "synthesis": 4}, "without the network 'mapping'"),
    ],
)
def test_networks_of_another_build_are_explained(key, value, said, tmp_path):
    networks = stylegan()
    networks[2].state[key] = value
    assert said in refusal(tmp_path, networks)


def test_components_of_another_build_are_explained(tmp_path):
    networks = stylegan()
    component(networks[2], "synthesis")["build_func_name"] = "G_synthesis_stylegan2"
    assert "Gs/synthesis made by 'G_synthesis_stylegan2'" in refusal(tmp_path, networks)


@pytest.mark.parametrize("key", ["version", "static_kwargs", "variables", "build_func_name", "components"])
def test_networks_that_lack_something_are_explained(key, tmp_path):
    networks = stylegan()
    del networks[2].state[key]
    refusal(tmp_path, networks)


def test_source_text_is_not_needed(tmp_path):
    networks = progan()
    for part in networks:
        del part.state["build_module_src"], part.state["name"]
    assert load_generator(brought(tmp_path, networks))


# The folder


def test_folder_that_is_not_empty_is_refused_before_anything_is_read(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(ModelError, match="out: is not empty"):
        import_official(tmp_path / "missing.pkl", tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_places_that_cannot_be_a_folder_are_refused(tmp_path):
    (tmp_path / "file").write_text("mine")
    for out in ("file", "file/out", "file/above/out"):
        with pytest.raises(ModelError) as caught:
            import_official(PICKLES / "progan2018_32.pkl", tmp_path / out)
        assert str(caught.value).startswith(f"{tmp_path / out}: ")
        assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_folders_above_are_made(tmp_path):
    import_official(PICKLES / "progan2018_32.pkl", tmp_path / "models" / "faces" / "out")
    assert load_generator(tmp_path / "models" / "faces" / "out").resolution == 32


def test_empty_folder_is_filled(tmp_path):
    (tmp_path / "out").mkdir()
    brought(tmp_path, progan())
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["README.md", "config.json", "discriminator.safetensors", "model.safetensors"]


@pytest.mark.parametrize("there", [False, True])
def test_failed_write_leaves_nothing(there, tmp_path, monkeypatch):
    whole = Path.write_bytes

    def full(path, content):
        whole(path, content)
        if "discriminator" in path.name:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    if there:
        (tmp_path / "out").mkdir()
    with pytest.raises(ModelError, match=r"out: cannot be written \(No space left") as caught:
        brought(tmp_path, progan())
    assert "\n" not in str(caught.value)
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))
    assert left == ["made.pkl", "out"] if there else left == ["made.pkl"]


def test_importing_draws_nothing(tmp_path):
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    brought(tmp_path, stylegan())
    assert torch.equal(torch.rand(3), expected)


def test_same_file_gives_the_same_bytes(tmp_path):
    import_official(PICKLES / "progan2018_32.pkl", tmp_path / "a")
    import_official(PICKLES / "progan2018_32.pkl", tmp_path / "b")
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
    assert json.loads((tmp_path / "a" / "config.json").read_text())["classes"] == []
