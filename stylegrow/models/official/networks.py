"""The official functions that build ProGAN (2018) and StyleGAN (2019): their arguments, defaults and variables.

From training/networks_stylegan.py and training/networks_progan.py of NVlabs/stylegan, and from networks.py of
tkarras/progressive_growing_of_gans.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

LARGEST_INTEGER, LARGEST_NUMBER, LONGEST_FILTER = 1 << 20, 1e12, 100

# Readers give an official argument's value as ours; ValueError says what else it would have to be.


def _integer(value: Any) -> int:
    if type(value) is int and 0 <= value <= LARGEST_INTEGER:
        return value
    raise ValueError(f"an integer from 0 to {LARGEST_INTEGER}")


def _full_resolution(value: Any) -> int:
    if type(value) is int and value & (value - 1) == 0 and 4 <= value <= LARGEST_INTEGER:
        return value
    raise ValueError(f"a power of two from 4 to {LARGEST_INTEGER}")


def _number(value: Any) -> float:
    if type(value) in (int, float) and abs(value) < LARGEST_NUMBER:  # which NaN is not
        return value
    raise ValueError(f"a number below {LARGEST_NUMBER:g}")


def _switch(value: Any) -> bool:
    if isinstance(value, bool | int) and value in (0, 1):
        return bool(value)
    raise ValueError("True or False")


def _fused(value: Any) -> bool | str:
    return "auto" if isinstance(value, str) and value == "auto" else _switch(value)


def _word(*words: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if isinstance(value, str) and value in words:
            return value
        raise ValueError(" or ".join(map(repr, words)))

    return read


def _leaky(value: Any) -> str:
    return "lrelu" if _switch(value) else "relu"


def _low_pass(value: Any) -> list[Any] | None:
    if value is None or value == []:
        return None
    if isinstance(value, list | tuple) and 0 < len(value) <= LONGEST_FILTER:
        if isinstance(value[0], list | tuple):
            return [_low_pass_row(row) for row in value]
        return _low_pass_row(value)
    raise ValueError("None or a list of numbers")


def _low_pass_row(value: Any) -> list[float]:
    if isinstance(value, list | tuple) and len(value) <= LONGEST_FILTER:
        return [_number(tap) for tap in value]
    raise ValueError("None or a list of numbers")


def _or_none(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else read(value)


NONLINEARITY = _word("lrelu", "relu")


@dataclass(frozen=True)
class Option:
    """An official argument: our argument (None: of no network), the official default, and what it can be."""

    ours: str | None
    default: Any
    read: Callable[[Any], Any]


def _common(channels: int, resolution: int) -> dict[str, Option]:
    """The arguments of all official networks; the defaults of two of them differ."""
    return {
        "num_channels": Option("image_channels", channels, _integer),
        "resolution": Option("resolution", resolution, _full_resolution),
        "label_size": Option("label_dim", 0, _integer),
        "fmap_base": Option("fmap_base", 8192, _number),
        "fmap_decay": Option("fmap_decay", 1.0, _number),
        "fmap_max": Option("fmap_max", 512, _integer),
        "use_wscale": Option("equalized_lr", True, _switch),
        "dtype": Option(None, "float32", _word("float32")),
    }


G_STYLE = _common(3, 1024) | {
    "latent_size": Option("z_dim", 512, _integer),
    "dlatent_size": Option("w_dim", 512, _integer),
    "mapping_layers": Option("mapping_layers", 8, _integer),
    "mapping_fmaps": Option("mapping_fmaps", 512, _integer),
    "mapping_lrmul": Option("mapping_lrmul", 0.01, _number),
    "mapping_nonlinearity": Option("mapping_nonlinearity", "lrelu", NONLINEARITY),
    "normalize_latents": Option("normalize_latents", True, _switch),
    "use_styles": Option("use_styles", True, _switch),
    "const_input_layer": Option("const_input", True, _switch),
    "use_noise": Option("use_noise", True, _switch),
    "use_pixel_norm": Option("pixelnorm", False, _switch),
    "use_instance_norm": Option("instance_norm", True, _switch),
    "nonlinearity": Option("nonlinearity", "lrelu", NONLINEARITY),
    "fused_scale": Option("fused_scale", "auto", _fused),
    "blur_filter": Option("blur_filter", [1, 2, 1], _low_pass),
    # Of the official program's images, not of the network: ours takes both when it is called.
    "truncation_psi": Option(None, 0.7, _or_none(_number)),
    "truncation_cutoff": Option(None, 8, _or_none(_number)),
}
D_BASIC = _common(1, 32) | {
    "nonlinearity": Option("nonlinearity", "lrelu", NONLINEARITY),
    "mbstd_group_size": Option("mbstd_group", 4, _integer),
    "mbstd_num_features": Option("mbstd_features", 1, _integer),
    "fused_scale": Option("fused_scale", "auto", _fused),
    "blur_filter": Option("blur_filter", [1, 2, 1], _low_pass),
}
G_PAPER = _common(1, 32) | {
    "latent_size": Option("z_dim", None, _or_none(_integer)),
    "normalize_latents": Option("normalize_latents", True, _switch),
    "use_pixelnorm": Option("pixelnorm", True, _switch),
    "pixelnorm_epsilon": Option("pixelnorm_eps", 1e-8, _number),
    "use_leakyrelu": Option("nonlinearity", True, _leaky),
    "fused_scale": Option("fused_scale", True, _switch),
}
D_PAPER = _common(1, 32) | {
    "mbstd_num_features": Option("mbstd_features", 1, _integer),
    "mbstd_group_size": Option("mbstd_group", 4, _integer),
    "fused_scale": Option("fused_scale", True, _switch),
}
# Arguments that change no network: of training, of how the official program builds its graph, and remarks.
INERT = {"structure", "is_template_graph", "is_training", "is_validation", "func_name", "func", "note"}
INERT_STYLE = INERT | {"truncation_psi_val", "truncation_cutoff_val", "dlatent_avg_beta", "style_mixing_prob"}
INERT_STYLE |= {"randomize_noise", "force_clean_graph", "dlatent_broadcast"}
# The official conversion of the Theano program's files gives this one to the generator too, which has no use for it.
INERT_PAPER = INERT | {"mbstd_group_size"}

Axes = tuple[int, ...] | None
Names = Iterator[tuple[str, tuple[str, Axes]]]  # official name, (our name, the official axis that each of ours is)
CONV: Axes = (3, 2, 0, 1)  # [k, k, in, out] -> [out, in, k, k]
CONV_OUT_IN: Axes = (2, 3, 0, 1)  # [k, k, out, in] -> [out, in, k, k]
DENSE: Axes = (1, 0)  # [in, out] -> [out, in]


def _pair(official: str, ours: str, axes: Axes) -> Names:
    yield f"{official}/weight", (f"{ours}.weight", axes)
    yield f"{official}/bias", (f"{ours}.bias", None)


def _stages(resolution: int) -> Iterator[tuple[int, str, int]]:
    """(log2(r), "rxr", lod) of every stage r. Layers to and from images count from the full resolution."""
    full = resolution.bit_length() - 1
    for exponent in range(2, full + 1):
        yield exponent, f"{1 << exponent}x{1 << exponent}", full - exponent


def _names_of_g_paper(arguments: Mapping[str, Any]) -> Names:
    for exponent, block, lod in _stages(arguments["resolution"]):
        if exponent == 2:
            first, axes = "4x4/Dense", DENSE
        elif arguments["fused_scale"]:
            first, axes = f"{block}/Conv0_up", CONV_OUT_IN
        else:
            first, axes = f"{block}/Conv0", CONV
        yield from _pair(first, f"blocks.{block}.first", axes)
        yield from _pair(f"{block}/{'Conv' if exponent == 2 else 'Conv1'}", f"blocks.{block}.second", CONV)
        yield from _pair(f"ToRGB_lod{lod}", f"to_image.{block}", CONV)


def _names_of_g_style(arguments: Mapping[str, Any]) -> Names:
    yield "dlatent_avg", ("w_avg", None)
    if arguments["label_dim"]:
        yield "mapping/LabelConcat/weight", ("mapping.label_embedding", None)
    for index in range(arguments["mapping_layers"]):
        yield from _pair(f"mapping/Dense{index}", f"mapping.layers.{index}", DENSE)
    for exponent, block, lod in _stages(arguments["resolution"]):
        theirs, ours = f"synthesis/{block}", f"synthesis.blocks.{block}"
        if exponent > 2:
            first, second = f"{theirs}/Conv0_up", f"{theirs}/Conv1"
            yield f"{first}/weight", (f"{ours}.first.conv.weight", CONV)
        elif arguments["const_input"]:
            first, second = f"{theirs}/Const", f"{theirs}/Conv"
            yield f"{first}/const", (f"{ours}.first.const", None)
        else:
            first, second = f"{theirs}/Dense", f"{theirs}/Conv"
            yield f"{first}/weight", (f"{ours}.first.dense.weight", DENSE)
        yield f"{second}/weight", (f"{ours}.second.conv.weight", CONV)
        for layer, place, index in ((first, "first", 2 * exponent - 4), (second, "second", 2 * exponent - 3)):
            yield f"{layer}/bias", (f"{ours}.{place}.bias", None)
            if arguments["use_noise"]:
                yield f"{layer}/Noise/weight", (f"{ours}.{place}.noise_strength", None)
                yield f"synthesis/noise{index}", (f"synthesis.noise{index}", None)
            if arguments["use_styles"]:
                yield from _pair(f"{layer}/StyleMod", f"{ours}.{place}.style", DENSE)
        yield from _pair(f"synthesis/ToRGB_lod{lod}", f"synthesis.to_image.{block}", CONV)


def _names_of_critic(arguments: Mapping[str, Any]) -> Names:
    # StyleGAN's, the one with a blur, keeps the name, fused or not.
    down = "Conv1_down" if "blur_filter" in arguments or arguments["fused_scale"] else "Conv1"
    for exponent, block, lod in _stages(arguments["resolution"]):
        yield from _pair(f"FromRGB_lod{lod}", f"from_image.{block}", CONV)
        if exponent > 2:
            yield from _pair(f"{block}/Conv0", f"blocks.{block}.first", CONV)
            yield from _pair(f"{block}/{down}", f"blocks.{block}.second", CONV)
    yield from _pair("4x4/Conv", "conv", CONV)
    yield from _pair("4x4/Dense0", "dense", DENSE)
    yield from _pair("4x4/Dense1", "output", DENSE)


@dataclass(frozen=True)
class Function:
    """An official function that builds a network.

    `package` is ours, `names` gives the variables from our arguments. `lods` are those that hold the stage reached,
    the one that decides first; `components` are the networks that this one consists of.
    """

    package: str
    options: Mapping[str, Option]
    inert: set[str]
    names: Callable[[Mapping[str, Any]], Names]
    lods: tuple[str, ...] = ("lod",)
    components: tuple[str, ...] = ()


GENERATORS = {
    "G_style": Function(
        "stylegan", G_STYLE, INERT_STYLE, _names_of_g_style, ("lod", "synthesis/lod"), ("mapping", "synthesis")
    ),
    "G_paper": Function("progan", G_PAPER, INERT_PAPER, _names_of_g_paper),
}
CRITICS = {
    "D_basic": Function("stylegan", D_BASIC, INERT, _names_of_critic),
    "D_paper": Function("progan", D_PAPER, INERT, _names_of_critic),
}
