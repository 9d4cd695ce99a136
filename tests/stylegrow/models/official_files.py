"""Pickles in the official formats, made without TensorFlow: networks of random weights from official arguments.

Names and shapes of the variables are written down here a second time, from the official functions.
"""

import pickle
import sys
from contextlib import contextmanager
from types import ModuleType

import numpy as np


class Stub:
    """An official object: its class is looked up by name, its state is what the file holds."""

    def __init__(self, state):
        self.state = state

    def __getstate__(self):
        return self.state


NETWORKS = {
    module: type("Network", (Stub,), {"__module__": module}) for module in ("dnnlib.tflib.network", "tfutil", "network")
}
EasyDict = type("EasyDict", (dict,), {"__module__": "dnnlib.util"})
STYLE, PAPER, THEANO = NETWORKS.values()


@contextmanager
def importable():
    """The stub classes can be found under their official names, as pickle.dumps demands."""
    before = dict(sys.modules)
    try:
        for kind in (*NETWORKS.values(), EasyDict):
            parts = kind.__module__.split(".")
            for length in range(1, len(parts) + 1):
                name = ".".join(parts[:length])
                sys.modules[name] = ModuleType(name)
            setattr(sys.modules[kind.__module__], kind.__name__, kind)
        yield
    finally:
        for name in set(sys.modules) - set(before):
            del sys.modules[name]


def write(path, networks, protocol=4):
    """A pickle file; returns its path."""
    with importable():
        path.write_bytes(pickle.dumps(networks, protocol))
    return path


def network(kind, function, kwargs, variables, **state):
    """A network with the state that the official classes write."""
    return kind(
        {
            "version": 2 if kind is PAPER else 3,
            "name": "Gs",
            "static_kwargs": dict(kwargs),
            **({} if kind is PAPER else {"components": {}}),
            "build_module_src": "import os; os.system('touch PWNED')",
            "build_func_name": function,
            "variables": list(variables.items()),
            **state,
        }
    )


def maps(kwargs, stage):
    base, decay, most = (kwargs.get(*item) for item in (("fmap_base", 8192), ("fmap_decay", 1.0), ("fmap_max", 512)))
    return min(int(base / 2.0 ** (stage * decay)), most)


def drawn(shapes, seed, lod):
    rng = np.random.default_rng(seed)
    arrays = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    return arrays if lod is None else {"lod": np.float32(lod), **arrays}


def g_style(kwargs, seed=0, lod=0.0):
    """A G_style with its two components."""
    exponents = range(2, int(kwargs.get("resolution", 1024)).bit_length())
    z, w = kwargs.get("latent_size", 512), kwargs.get("dlatent_size", 512)
    mapping, inputs = {}, z
    if kwargs.get("label_size", 0):
        mapping["LabelConcat/weight"] = (kwargs["label_size"], z)
        inputs = 2 * z
    layers = kwargs.get("mapping_layers", 8)
    for index in range(layers):
        outputs = w if index == layers - 1 else kwargs.get("mapping_fmaps", 512)
        mapping |= {f"Dense{index}/weight": (inputs, outputs), f"Dense{index}/bias": (outputs,)}
        inputs = outputs
    synthesis = {}
    if kwargs.get("use_noise", True):
        for exponent in exponents:
            for index in (2 * exponent - 4, 2 * exponent - 3):
                synthesis[f"noise{index}"] = (1, 1, 2**exponent, 2**exponent)

    def epilogue(layer, size):
        synthesis[f"{layer}/bias"] = (size,)
        if kwargs.get("use_noise", True):
            synthesis[f"{layer}/Noise/weight"] = (size,)
        if kwargs.get("use_styles", True):
            synthesis.update({f"{layer}/StyleMod/weight": (w, 2 * size), f"{layer}/StyleMod/bias": (2 * size,)})

    for exponent in exponents:
        size, block = maps(kwargs, exponent - 1), f"{2**exponent}x{2**exponent}"
        if exponent > 2:
            synthesis[f"{block}/Conv0_up/weight"] = (3, 3, maps(kwargs, exponent - 2), size)
            epilogue(f"{block}/Conv0_up", size)
        elif kwargs.get("const_input_layer", True):
            synthesis["4x4/Const/const"] = (1, size, 4, 4)
            epilogue("4x4/Const", size)
        else:
            synthesis["4x4/Dense/weight"] = (w, size * 16)
            epilogue("4x4/Dense", size)
        second = f"{block}/{'Conv' if exponent == 2 else 'Conv1'}"
        synthesis[f"{second}/weight"] = (3, 3, size, size)
        epilogue(second, size)
        image = f"ToRGB_lod{exponents[-1] - exponent}"
        channels = kwargs.get("num_channels", 3)
        synthesis |= {f"{image}/weight": (1, 1, size, channels), f"{image}/bias": (channels,)}
    own = {"dlatent_avg": (w,)}
    components = {
        "synthesis": network(STYLE, "G_synthesis", kwargs, drawn(synthesis, seed + 1, lod)),
        "mapping": network(
            STYLE, "G_mapping", {**kwargs, "dlatent_broadcast": 2 * len(exponents)}, drawn(mapping, seed + 2, None)
        ),
    }
    return network(STYLE, "G_style", kwargs, drawn(own, seed, lod), components=components)


def g_paper(kwargs, seed=0, lod=0.0, kind=PAPER):
    """A ProGAN generator, of the program of 2018 or (kind STYLE) of StyleGAN's copy."""
    exponents = range(2, int(kwargs.get("resolution", 32)).bit_length())
    shapes = {}

    def layer(name, shape, outputs):
        shapes.update({f"{name}/weight": shape, f"{name}/bias": (outputs,)})

    for exponent in exponents:
        size, before, block = maps(kwargs, exponent - 1), maps(kwargs, exponent - 2), f"{2**exponent}x{2**exponent}"
        if exponent == 2:
            z = kwargs.get("latent_size")
            inputs = (maps(kwargs, 0) if z is None else z) + kwargs.get("label_size", 0)
            layer("4x4/Dense", (inputs, size * 16), size)
        elif kwargs.get("fused_scale", True):
            layer(f"{block}/Conv0_up", (3, 3, size, before) if kind is PAPER else (3, 3, before, size), size)
        else:
            layer(f"{block}/Conv0", (3, 3, before, size), size)
        layer(f"{block}/{'Conv' if exponent == 2 else 'Conv1'}", (3, 3, size, size), size)
        channels = kwargs.get("num_channels", 1)
        layer(f"ToRGB_lod{exponents[-1] - exponent}", (1, 1, size, channels), channels)
    return network(kind, "G_paper", kwargs, drawn(shapes, seed, lod))


def critic(function, kwargs, seed=0, lod=0.0, kind=None):
    """D_basic or D_paper."""
    kind = kind or (STYLE if function == "D_basic" else PAPER)
    exponents = range(2, int(kwargs.get("resolution", 32)).bit_length())
    unfused = function == "D_paper" and not kwargs.get("fused_scale", True)
    shapes = {}

    def layer(name, *shape):
        shapes.update({f"{name}/weight": shape, f"{name}/bias": shape[-1:]})

    for exponent in exponents:
        size, block = maps(kwargs, exponent - 1), f"{2**exponent}x{2**exponent}"
        layer(f"FromRGB_lod{exponents[-1] - exponent}", 1, 1, kwargs.get("num_channels", 1), size)
        if exponent > 2:
            layer(f"{block}/Conv0", 3, 3, size, size)
            layer(f"{block}/{'Conv1' if unfused else 'Conv1_down'}", 3, 3, size, maps(kwargs, exponent - 2))
    size = maps(kwargs, 1)
    grouped = kwargs.get("mbstd_group_size", 4) > 1
    layer("4x4/Conv", 3, 3, size + grouped * kwargs.get("mbstd_num_features", 1), size)
    layer("4x4/Dense0", size * 16, maps(kwargs, 0))
    labels = kwargs.get("label_size", 0)
    outputs = max(labels, 1) if function == "D_basic" else 1 + labels if kind is PAPER else 1
    layer("4x4/Dense1", maps(kwargs, 0), outputs)
    return network(kind, function, kwargs, drawn(shapes, seed, lod))


SMALL = {"num_channels": 3, "resolution": 16, "fmap_base": 64, "fmap_max": 12}
SMALL_STYLE = {**SMALL, "latent_size": 8, "dlatent_size": 10, "mapping_fmaps": 6, "mapping_layers": 3}


def stylegan(g=None, d=None, lod=0.0):
    """(G, D, Gs) of StyleGAN, with these changes to the small arguments."""
    g, d = changed(SMALL_STYLE, g), changed(SMALL, d)
    return g_style(g, 10, lod), critic("D_basic", d, 20, lod), g_style(g, 30, lod)


def progan(g=None, d=None, lod=0.0, kind=PAPER):
    """(G, D, Gs) of ProGAN."""
    g, d = changed(SMALL, g), changed(SMALL, d)
    return g_paper(g, 10, lod, kind), critic("D_paper", d, 20, lod, kind), g_paper(g, 30, lod, kind)


def changed(kwargs, changes):
    """The arguments with these changes, without those whose change is `...`."""
    kwargs = {**kwargs, **(changes or {})}
    return {key: value for key, value in kwargs.items() if value is not ...}


def component(gs, name):
    """The state of a component of a G_style."""
    return gs.state["components"][name].state
