"""The official functions that build ProGAN (2018) and StyleGAN (2019): their arguments, defaults and variables.

From training/networks_stylegan.py and training/networks_progan.py of NVlabs/stylegan, and from networks.py of
tkarras/progressive_growing_of_gans.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from progan.config import stages


def _power_of_two(resolution: int) -> int:
    return stages(resolution)[-1]


# Kinds of values. A switch may be a number; what is read of it is a bool.
Integer = Annotated[int, Field(ge=0, le=1 << 20)]
Resolution = Annotated[Integer, AfterValidator(_power_of_two)]
Number = Annotated[int | float, Field(gt=-1e12, lt=1e12)]
Switch = Annotated[Literal[False, True, 0, 1], AfterValidator(bool)]
Fused = Literal["auto"] | Switch
Nonlinearity = Literal["lrelu", "relu"]
Leaky = Annotated[Switch, AfterValidator(lambda leaky: "lrelu" if leaky else "relu")]
Taps = Annotated[list[Number], Field(strict=False, max_length=100)]  # not strict, so that a tuple is a list too
Rows = Annotated[list[Taps], Field(strict=False, max_length=100)]
LowPass = Annotated[Taps | Rows | None, AfterValidator(lambda taps: taps or None)]


def _ours(name: str, default: Any) -> Any:
    """A field with the name of our argument and the official default."""
    return Field(default, serialization_alias=name)


class Arguments(BaseModel):
    """The arguments of all official functions, by their official names. Those without an alias are of no network."""

    model_config = ConfigDict(strict=True, extra="forbid", validate_default=True)

    num_channels: Integer = _ours("image_channels", 1)
    resolution: Resolution = _ours("resolution", 32)
    label_size: Integer = _ours("label_dim", 0)
    fmap_base: Number = _ours("fmap_base", 8192)
    fmap_decay: Number = _ours("fmap_decay", 1.0)
    fmap_max: Integer = _ours("fmap_max", 512)
    use_wscale: Switch = _ours("equalized_lr", True)
    dtype: Literal["float32"] = "float32"


class GStyle(Arguments):
    """Those of G_style, G_mapping and G_synthesis."""

    num_channels: Integer = _ours("image_channels", 3)
    resolution: Resolution = _ours("resolution", 1024)
    latent_size: Integer = _ours("z_dim", 512)
    dlatent_size: Integer = _ours("w_dim", 512)
    mapping_layers: Integer = _ours("mapping_layers", 8)
    mapping_fmaps: Integer = _ours("mapping_fmaps", 512)
    mapping_lrmul: Number = _ours("mapping_lrmul", 0.01)
    mapping_nonlinearity: Nonlinearity = _ours("mapping_nonlinearity", "lrelu")
    normalize_latents: Switch = _ours("normalize_latents", True)
    use_styles: Switch = _ours("use_styles", True)
    const_input_layer: Switch = _ours("const_input", True)
    use_noise: Switch = _ours("use_noise", True)
    use_pixel_norm: Switch = _ours("pixelnorm", False)
    use_instance_norm: Switch = _ours("instance_norm", True)
    nonlinearity: Nonlinearity = _ours("nonlinearity", "lrelu")
    fused_scale: Fused = _ours("fused_scale", "auto")
    blur_filter: LowPass = _ours("blur_filter", [1, 2, 1])
    # Of the official program's images, not of the network: ours takes both when it is called.
    truncation_psi: Number | None = 0.7
    truncation_cutoff: Number | None = 8


class GPaper(Arguments):
    """Those of G_paper."""

    latent_size: Integer | None = _ours("z_dim", None)
    normalize_latents: Switch = _ours("normalize_latents", True)
    use_pixelnorm: Switch = _ours("pixelnorm", True)
    pixelnorm_epsilon: Number = _ours("pixelnorm_eps", 1e-8)
    use_leakyrelu: Leaky = _ours("nonlinearity", True)
    fused_scale: Switch = _ours("fused_scale", True)


class Critic(Arguments):
    """Those of both critics."""

    mbstd_num_features: Integer = _ours("mbstd_features", 1)
    mbstd_group_size: Integer = _ours("mbstd_group", 4)


class DPaper(Critic):
    """Those of D_paper."""

    fused_scale: Switch = _ours("fused_scale", True)


class DBasic(Critic):
    """Those of D_basic."""

    fused_scale: Fused = _ours("fused_scale", "auto")
    nonlinearity: Nonlinearity = _ours("nonlinearity", "lrelu")
    blur_filter: LowPass = _ours("blur_filter", [1, 2, 1])


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
    arguments: type[Arguments]
    inert: set[str]
    names: Callable[[Mapping[str, Any]], Names]
    lods: tuple[str, ...] = ("lod",)
    components: tuple[str, ...] = ()


GENERATORS = {
    "G_style": Function(
        "stylegan", GStyle, INERT_STYLE, _names_of_g_style, ("lod", "synthesis/lod"), ("mapping", "synthesis")
    ),
    "G_paper": Function("progan", GPaper, INERT_PAPER, _names_of_g_paper),
}
CRITICS = {
    "D_basic": Function("stylegan", DBasic, INERT, _names_of_critic),
    "D_paper": Function("progan", DPaper, INERT, _names_of_critic),
}
