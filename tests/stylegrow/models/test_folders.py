import json
import os
import subprocess
import sys
import threading
from dataclasses import asdict, fields
from pathlib import Path

import pytest
import torch
from huggingface_hub import ModelCard
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

import stylegan
from progan import Discriminator, Generator
from stylegrow.architectures import ARCHITECTURES
from stylegrow.common.errors import ModelError
from stylegrow.models import folders, load_discriminator, load_generator, read_config, save_model
from stylegrow.models.config import all_arguments
from tests.stylegrow.models.helpers import SMALL, networks, refused, same, style_networks

FILES = ["README.md", "config.json", "discriminator.safetensors", "model.safetensors"]
repeatable = settings(derandomize=True, deadline=None)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def change(folder, file="config.json", **values):
    """Set keys of a JSON file; None removes one."""
    config = json.loads((folder / file).read_text()) | values
    (folder / file).write_text(json.dumps({key: value for key, value in config.items() if value is not None}))


@pytest.fixture
def folder(tmp_path):
    save_model(tmp_path / "m", *networks())
    return tmp_path / "m"


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A model folder that no test changes."""
    path = tmp_path_factory.mktemp("shared") / "m"
    save_model(path, *networks())
    return path


def test_what_is_loaded_is_what_was_saved(tmp_path):
    g, d = networks(label_dim=2, image_channels=1)
    save_model(tmp_path / "deep" / "m", g, d, training={"kimg": 1.5}, classes=["a", "b"])
    assert names(tmp_path / "deep" / "m") == FILES
    assert names(tmp_path / "deep") == ["m"]
    loaded_g, loaded_d = load_generator(tmp_path / "deep" / "m"), load_discriminator(str(tmp_path / "deep" / "m"))
    assert (loaded_g.config, loaded_d.config) == (g.config, d.config)
    assert same(loaded_g, g)
    assert same(loaded_d, d)
    z, labels = torch.randn(3, 6), torch.eye(2)[[0, 1, 1]]
    images = g(z, labels)
    assert torch.equal(loaded_g(z, labels), images)
    assert all(torch.equal(x, y) for x, y in zip(loaded_d(images), d(images), strict=True))
    assert read_config(tmp_path / "deep" / "m") == {
        "architecture": "progan",
        "format_version": 1,
        "generator": asdict(g.config),
        "discriminator": asdict(d.config),
        "classes": ["a", "b"],
        "training": {"kimg": 1.5},
    }


@pytest.mark.parametrize("blur_filter", [(1, 2, 1), [1, 3, 3, 1], [[0, 1, 0], [1, 2, 1], [0, 1, 0]], None])
def test_a_stylegan_comes_back_with_its_average_and_its_noise(tmp_path, blur_filter):
    g, d = style_networks(label_dim=2, blur_filter=blur_filter)
    for _ in range(2):  # an update compares what JSON made of the arguments
        save_model(tmp_path / "m", g, d, training={"kimg": 1}, classes=["a", "b"])
    loaded_g, loaded_d = load_generator(tmp_path / "m"), load_discriminator(tmp_path / "m")
    assert (type(loaded_g), type(loaded_d)) == (stylegan.Generator, stylegan.Discriminator)
    assert (loaded_g.config, loaded_d.config) == (g.config, d.config)
    assert same(loaded_g, g)
    assert torch.equal(loaded_g.w_avg, g.w_avg)
    z, labels = torch.randn(3, 6), torch.eye(2)[[0, 1, 1]]
    images = g(z, labels, psi=0.5, noise="const")
    assert torch.equal(loaded_g(z, labels, psi=0.5, noise="const"), images)
    assert torch.equal(loaded_d(images, labels), d(images, labels))
    assert read_config(tmp_path / "m")["architecture"] == "stylegan"
    refused(
        ["another generator"],
        save_model,
        tmp_path / "m",
        style_networks(label_dim=2, mapping_lrmul=0.5)[0],
        classes=["a", "b"],
    )


def test_a_stylegans_folder_takes_no_progan(tmp_path):
    save_model(tmp_path / "m", *style_networks())
    refused(["another architecture"], save_model, tmp_path / "m", *networks())


def test_loads_in_eval_mode_as_float32_on_the_cpu(shared):
    torch.set_default_dtype(torch.float64)
    try:
        for network in (load_generator(shared), load_discriminator(shared)):
            assert not network.training
            assert {(p.dtype, p.device.type, p.requires_grad) for p in network.parameters()} == {
                (torch.float32, "cpu", True)
            }
    finally:
        torch.set_default_dtype(torch.float32)


def test_loading_draws_no_random_numbers(shared):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    load_generator(shared)
    load_discriminator(shared)
    assert torch.equal(torch.get_rng_state(), before)


def test_equal_weights_are_equal_bytes(tmp_path):
    g, d = networks()
    save_model(tmp_path / "a", g, d, training={"kimg": 1})
    again, _ = networks(seed=9)
    again.load_state_dict(dict(reversed(g.state_dict().items())))
    os.utime(tmp_path / "a" / "model.safetensors", (0, 0))
    save_model(tmp_path / "elsewhere" / "b", again, training={"kimg": 2}, card="x")
    content = (tmp_path / "a" / "model.safetensors").read_bytes()
    assert content == (tmp_path / "elsewhere" / "b" / "model.safetensors").read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert header.pop("__metadata__") == {"format": "pt"}
    assert {entry["dtype"] for entry in header.values()} == {"F32"}
    assert header.keys() == g.state_dict().keys()


def test_found_in_a_run_folder_and_in_the_zoo(tmp_path, monkeypatch):
    g, _ = networks()
    save_model(tmp_path / "run" / "model", g)
    assert same(load_generator(tmp_path / "run"), g)
    other, _ = networks(seed=1)
    save_model(tmp_path / "zoo" / "named", other)
    monkeypatch.setattr(folders, "ZOO", tmp_path / "zoo")
    monkeypatch.chdir(tmp_path / "run")
    assert same(load_generator("named"), other)
    assert same(load_generator("model"), g)  # a folder here, not a name
    assert same(load_generator("."), g)
    (tmp_path / "run" / "named").mkdir()  # not a model, so it hides none
    assert same(load_generator("named"), other)
    refused(["nobody", "(there: named)"], load_generator, "nobody")


def test_every_bundled_model_loads():
    for config in folders.ZOO.glob("*/config.json"):
        loaded = load_generator(config.parent.name).config
        saved = all_arguments(json.loads(config.read_text())["generator"], type(loaded))
        assert json.loads(json.dumps(asdict(loaded))) == saved


@pytest.mark.parametrize(
    "kind", [kind.config_class(role) for kind in ARCHITECTURES.values() for role in kind.roles], ids=str
)
def test_arguments_that_earlier_versions_lack_are_those_of_the_network(kind):
    known = {field.name for field in fields(kind)}
    later = {
        "label_kind",
        "label_mean",
        "label_deviation",
        "channel_sums",
        "sums_mean",
        "sums_deviation",
        "hit",
        "margin",
        "repeat_edges_from",
    }
    if kind.__module__ != "stylegan.config":
        later.add("blur_filter")
    assert set(all_arguments({}, kind)) == later & known
    assert all_arguments({"label_dim": 3}, kind)["label_kind"] == "classes"


@pytest.mark.parametrize("discriminators", [(True, True), (True, False), (False, True)])
def test_an_update_can_be_loaded_at_every_moment(tmp_path, monkeypatch, discriminators):
    versions = [networks(seed=1), networks(seed=2)]
    had, has = discriminators
    save_model(tmp_path / "m", versions[0][0], versions[0][1] if had else None, training={"kimg": 1})
    moments = []
    replace = Path.replace

    def look(path, target):
        for _ in range(2):  # before and after
            if "discriminator" in read_config(tmp_path / "m"):
                assert any(same(load_discriminator(tmp_path / "m"), d) for _, d in versions)
            moments.append([same(load_generator(tmp_path / "m"), g) for g, _ in versions])
            replaced = replace(path, target) if path.exists() else None
        return replaced

    monkeypatch.setattr(Path, "replace", look)
    save_model(tmp_path / "m", versions[1][0], versions[1][1] if has else None, training={"kimg": 2})
    assert moments[0] == [True, False]
    assert moments[-1] == [False, True]
    assert all(sum(moment) == 1 for moment in moments)
    assert read_config(tmp_path / "m")["training"] == {"kimg": 2}
    assert names(tmp_path / "m") == (FILES if has else [name for name in FILES if "discriminator" not in name])


def test_a_reader_at_the_same_time_always_gets_a_whole_model(tmp_path):
    versions = [networks(seed=1), networks(seed=2)]
    save_model(tmp_path / "m", *versions[0])

    def write():
        for turn in range(40):
            save_model(tmp_path / "m", *versions[turn % 2], training={"kimg": turn})

    writer = threading.Thread(target=write)
    writer.start()
    reads = 0
    while writer.is_alive() or reads == 0:
        loaded = load_generator(tmp_path / "m"), load_discriminator(tmp_path / "m")
        assert any(same(loaded[0], g) for g, _ in versions)
        assert any(same(loaded[1], d) for _, d in versions)
        reads += 1
    writer.join()


@pytest.mark.parametrize("exists", [True, False])
@pytest.mark.parametrize("call", [1, 2, 3, 4])
def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch, exists, call):
    versions = [networks(seed=1), networks(seed=2)]
    if exists:
        save_model(tmp_path / "m", *versions[0])
    calls = []

    def fsync(descriptor):
        calls.append(descriptor)
        if len(calls) == call:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="No space left"):
        save_model(tmp_path / "m", *versions[1])
    assert names(tmp_path) == (["m"] if exists else [])
    if exists:
        assert names(tmp_path / "m") == FILES
        assert any(same(load_generator(tmp_path / "m"), g) for g, _ in versions)
        assert any(same(load_discriminator(tmp_path / "m"), d) for _, d in versions)


def test_leftovers_of_a_killed_writer_do_no_harm(tmp_path):
    g, d = networks()
    leftover = tmp_path / ".m.tmp"
    leftover.mkdir()
    (leftover / "config.json").write_text("{")
    save_model(tmp_path / "m", g, d)
    assert names(tmp_path) == ["m"]
    (tmp_path / "m" / ".model.safetensors.tmp").write_bytes(b"half")
    save_model(tmp_path / "m", g, d)
    assert names(tmp_path / "m") == FILES


def test_an_empty_folder_and_a_damaged_config_are_written_over(tmp_path):
    g, _ = networks()
    for before in (None, b"", b"{", b"[]", b"\xff"):
        folder = tmp_path / str(before)
        folder.mkdir()
        if before is not None:
            (folder / "config.json").write_bytes(before)
        save_model(folder, g)
        assert same(load_generator(folder), g)


def test_a_model_of_another_low_pass_filter_is(folder):
    g, d = networks(blur_filter=[1, 2, 1])
    save_model(folder, g, d)
    assert load_generator(folder).config == g.config
    assert load_discriminator(folder).config == d.config
    assert same(load_generator(folder), g)


def test_a_model_of_another_configuration_is_not_overwritten(folder):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    refused([str(folder), "another generator"], save_model, folder, Generator(z_dim=7, **SMALL))
    refused(
        [str(folder), "another discriminator"], save_model, folder, networks()[0], Discriminator(mbstd_group=2, **SMALL)
    )
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_saving_onto_a_file_is_refused(tmp_path):
    (tmp_path / "m").write_text("mine")
    refused([str(tmp_path / "m"), "is a file"], save_model, tmp_path / "m", networks()[0])
    assert (tmp_path / "m").read_text() == "mine"


def test_a_model_without_a_discriminator_says_so(tmp_path):
    save_model(tmp_path / "m", networks()[0])
    refused(["config.json", "no discriminator"], load_discriminator, tmp_path / "m")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"format_version": None}, ["format_version"]),
        ({"format_version": "1"}, ["format_version '1'"]),
        ({"architecture": "biggan"}, ["architecture 'biggan'", "progan", "stylegan"]),
        ({"generator": None}, ["generator"]),
        ({"generator": []}, ["generator []"]),
        ({"classes": None}, ["classes"]),
        ({"training": None}, ["training"]),
        ({"classes": ["a"]}, ["'classes'", "0 labels"]),
    ],
)
def test_a_config_that_cannot_be_used_is_named(folder, values, words):
    change(folder, **values)
    for read in (read_config, load_generator, load_discriminator):
        refused([str(folder / "config.json"), *words], read, folder)


def test_another_format_is_named_whatever_it_holds(folder):
    change(folder, format_version=2, generator=None)
    refused([f"{folder} was saved by format 2; this version reads 1."], load_generator, folder)


@pytest.mark.parametrize(
    ("make", "values", "file", "words"),
    [
        (networks, {"resolution": 48}, "config.json", ["generator.resolution 48"]),
        (networks, {"resolution": "8"}, "config.json", ["generator.resolution '8'"]),
        (networks, {"z_dim": -1}, "config.json", ["arguments of generator"]),
        (networks, {"z_dim": 10**30}, "config.json", ["z_dim"]),
        (networks, {"z_dim": True}, "config.json", ["generator.z_dim True"]),
        (networks, {"pixelnorm": "no"}, "config.json", ["pixelnorm cannot be 'no'"]),
        (networks, {"pixelnorm_eps": float("nan")}, "config.json", ["pixelnorm_eps cannot be nan"]),
        (networks, {"fmap_base": float("inf")}, "config.json", ["arguments of generator"]),
        (networks, {"nonlinearity": "swish"}, "config.json", ["swish"]),
        (networks, {"nonlinearity": None}, "config.json", ["arguments of generator"]),
        (networks, {"colour": 1}, "config.json", ["unexpected argument colour"]),
        (networks, {"resolution": 16}, "model.safetensors", ["lacks", "16x16", "more"]),
        (networks, {"resolution": 4}, "model.safetensors", ["unexpected", "8x8", "more"]),
        (networks, {"z_dim": 7}, "model.safetensors", ["blocks.4x4.first.weight", "[128, 6]", "[128, 7]"]),
        (
            networks,
            {"fmap_max": 10**6, "fmap_base": 10**7},
            "config.json",
            ["arguments of generator", "more weights"],
        ),  # some 100 TB
        (style_networks, {"blur_filter": "smooth"}, "config.json", ["blur_filter"]),
        (style_networks, {"blur_filter": []}, "config.json", ["blur_filter"]),
        (style_networks, {"blur_filter": [[1, 2], [1]]}, "config.json", ["blur_filter"]),
        (style_networks, {"blur_filter": [1, -1]}, "config.json", ["blur_filter"]),
        (style_networks, {"blur_filter": {"taps": 3}}, "config.json", ["blur_filter"]),
        (style_networks, {"blur_filter": [1] * 10**6}, "config.json", ["blur_filter"]),  # 8 TB
        (style_networks, {"fused_scale": "maybe"}, "config.json", ["fused_scale", "maybe"]),
        (style_networks, {"mapping_layers": 10**9}, "config.json", ["mapping_layers", "1000000000"]),
        (style_networks, {"mapping_layers": -1}, "config.json", ["mapping_layers"]),
        (style_networks, {"mapping_lrmul": 0}, "config.json", ["arguments of generator"]),
        (style_networks, {"mapping_nonlinearity": "x" * 10**6}, "config.json", ["mapping_nonlinearity"]),
        (style_networks, {"use_noise": 1}, "config.json", ["use_noise cannot be 1"]),
        (style_networks, {"resolution": 2**30}, "config.json", ["resolution"]),
        (style_networks, {"resolution": 16}, "model.safetensors", ["lacks", "16x16"]),
        (style_networks, {"mapping_layers": 3}, "model.safetensors", ["lacks the weight mapping.layers.2.bias"]),
        (style_networks, {"use_noise": False}, "model.safetensors", ["unexpected", "noise_strength"]),
        (style_networks, {"w_dim": 6}, "model.safetensors", ["of shape"]),
    ],
)
def test_arguments_that_do_not_fit_are_named(tmp_path, make, values, file, words):
    save_model(tmp_path / "m", make()[0])
    change(tmp_path / "m", generator=read_config(tmp_path / "m")["generator"] | values)
    refused([str(tmp_path / "m" / file), *words], load_generator, tmp_path / "m")


@pytest.mark.parametrize("tensor", ["w_avg", "synthesis.noise0", "synthesis.blocks.8x8.first.style.weight"])
def test_weights_that_a_stylegan_lacks_are_named(tmp_path, tensor):
    save_model(tmp_path / "m", style_networks()[0])
    path = tmp_path / "m" / "model.safetensors"
    tensors = load_file(path)
    shape = list(tensors[tensor].shape)
    save_file({name: value for name, value in tensors.items() if name != tensor}, path)
    refused([str(path), f"lacks the weight {tensor};"], load_generator, tmp_path / "m")
    save_file(tensors | {tensor: torch.zeros(1, 2, 3)}, path)
    refused([str(path), f"{tensor} of shape [1, 2, 3]", str(shape)], load_generator, tmp_path / "m")


@pytest.mark.parametrize(
    "argument",
    [name for name in asdict(networks()[0].config) if name not in all_arguments({}, type(networks()[0].config))],
)
def test_every_missing_argument_is_named(folder, argument):
    generator = read_config(folder)["generator"]
    del generator[argument]
    change(folder, generator=generator)
    refused([str(folder / "config.json"), argument], load_generator, folder)


@pytest.mark.parametrize(("file", "load"), [(FILES[3], load_generator), (FILES[2], load_discriminator)])
def test_missing_weights_are_named(folder, file, load):
    (folder / file).unlink()
    refused([str(folder / file), "is missing"], load, folder)


def test_weights_of_another_type_are_named(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes().replace(b'"F32"', b'"I32"'))
    refused([str(path), "int32, not torch.float32"], load_generator, folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite_are_named(tmp_path, value):
    generator, discriminator = networks()
    with torch.no_grad():
        list(generator.parameters())[1].view(-1)[-1] = value
    save_model(tmp_path / "m", generator, discriminator)
    refused(["model.safetensors", "not finite"], load_generator, tmp_path / "m")
    load_discriminator(tmp_path / "m")


@pytest.mark.parametrize("file", ["model.safetensors", "discriminator.safetensors", "config.json"])
def test_a_pipe_is_not_waited_for(folder, file):
    (folder / file).unlink()
    os.mkfifo(folder / file)
    refused([file], load_discriminator if "disc" in file else load_generator, folder)


@pytest.mark.parametrize("path", ["missing", "file", "empty", "x" * 5000, "a\0b", ""])
def test_what_is_no_model_is_named(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    refused([str(Path(path))], load_generator, path)


def test_what_is_nearly_a_model_says_what_to_give(tmp_path, monkeypatch, folder):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "network.pkl").write_text("")
    for path, words in (
        ("m/model.safetensors", ["is a file; give its folder, m"]),
        ("network.pkl", ["import-official network.pkl"]),
        ("someone/faces", ["no such folder", "hf://someone/faces"]),
    ):
        refused([path, *words], load_generator, path)
    for path in ("../faces", "/someone/faces", "a/b/c"):
        with pytest.raises(ModelError) as raised:
            load_generator(path)
        assert "hf://" not in str(raised.value)


@repeatable
@given(st.data())
def test_any_truncated_file_is_a_model_error(shared, data):
    file = data.draw(st.sampled_from(["config.json", "model.safetensors", "discriminator.safetensors"]))
    content = (shared / file).read_bytes()
    # Ends among the header's as often as among the weights'.
    end = data.draw(st.integers(0, len(content) - 2) | st.integers(0, 2000).filter(lambda end: end < len(content) - 2))
    copy = damaged(shared, file, content[:end])
    refused([str(copy / file)], load_discriminator if file.startswith("disc") else load_generator, copy)


@repeatable
@given(st.data())
def test_a_changed_byte_is_a_model_error_or_nothing(shared, data):
    file = data.draw(st.sampled_from(["config.json", "model.safetensors"]))
    content = bytearray((shared / file).read_bytes())
    content[data.draw(st.integers(0, min(len(content), 2000) - 1))] = data.draw(st.integers(0, 255))
    copy = damaged(shared, file, bytes(content))
    problem = ""
    try:
        load_generator(copy)
    except ModelError as error:
        problem = str(error)
    assert "\n" not in problem


def damaged(shared, file, content):
    """A copy of the model beside it, with one file of other content."""
    copy = shared.parent / "damaged"
    copy.mkdir(exist_ok=True)
    for name in FILES:
        (copy / name).write_bytes(content if name == file else (shared / name).read_bytes())
    return copy


def header_and_text(folder):
    """The card as the Hub reads it."""
    card = ModelCard((folder / "README.md").read_text(encoding="utf-8"))
    return card.data.to_dict(), card.text


def test_the_card_tells_licence_data_and_facts(tmp_path):
    training = {
        "data": "faces | drawn",
        "credit": "“Toon Head” by Johan Melin",
        "license": "cc-by-4.0",
        "resolution": 8,
        "alpha": 1.0,
        "kimg": 12.5,
        "held_out": list(range(100)),
    }
    g, d = networks(label_dim=2)
    save_model(tmp_path / "m", g, d, training=training, classes=["red", "grey"])
    header, text = header_and_text(tmp_path / "m")
    assert header["license"] == "cc-by-4.0"
    assert header["pipeline_tag"] == "unconditional-image-generation"
    assert header["library_name"] == "stylegrow"
    assert "progan" in header["tags"]
    for words in (
        "“Toon Head” by Johan Melin",
        "faces \\| drawn",
        "red, grey",
        "| kimg | 12.5 |",
        "| held_out | 100, ",
    ):
        assert words in text
    assert read_config(tmp_path / "m")["training"] == training
    assert str(tmp_path) not in text


def test_a_card_without_facts_is_still_a_card(shared):
    header, text = header_and_text(shared)
    assert header["license"] == "unknown"
    assert "8 x 8 px" in text
    assert "## Training" not in text
    assert "## Classes" not in text


def test_the_card_of_a_converted_model_says_so(tmp_path):
    save_model(tmp_path / "m", style_networks()[0], training={"source": "faces.pkl", "license": "cc-by-nc-4.0"})
    header, text = header_and_text(tmp_path / "m")
    assert header["license"] == "cc-by-nc-4.0"
    assert "stylegan" in header["tags"]
    assert "converted from faces.pkl" in text
    assert "trained with Stylegrow" not in text


@pytest.mark.parametrize("make", [networks, style_networks])
@pytest.mark.parametrize("labels", [0, 3])
@pytest.mark.parametrize(
    ("stage", "size"), [({}, 8), ({"resolution": 4, "alpha": 1.0}, 4), ({"resolution": 8, "alpha": 0.25}, 8)]
)
def test_the_cards_example_runs(tmp_path, make, labels, stage, size):
    save_model(tmp_path / "m", make(label_dim=labels)[0], training=stage)
    _, text = header_and_text(tmp_path / "m")
    example = text.split("```python\n")[1].split("```")[0]
    scope = dict[str, torch.Tensor]()
    exec(example.replace("path/of/this/folder", (tmp_path / "m").as_posix()), scope)
    assert scope["images"].shape == (4, 3, size, size)
    assert f"[4, 3, {size}, {size}]" in example
    assert ("alpha=0.25" in example) == (stage.get("alpha") == 0.25)
    assert ("psi=" in example) == (make is style_networks)


def test_a_card_of_ones_own(tmp_path):
    save_model(tmp_path / "m", networks()[0], card="# Mine\n")
    assert (tmp_path / "m" / "README.md").read_text() == "# Mine\n"


def test_a_network_is_loaded_without_pytorchs_compiler(tmp_path):
    save_model(tmp_path / "m", style_networks()[0])
    code = f"import sys, stylegrow; stylegrow.load_generator({str(tmp_path / 'm')!r}); "
    code += "sys.exit('torch._dynamo' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize(
    "content",
    [b" " * (17 << 20), b"[" * 10**6, b'{"a":' * 10**5, b"9" * 5000, b"\xff\xfe", b"null"],
    ids=lambda content: f"{content[:4]!r}-{len(content)}",
)
def test_a_config_of_any_size_or_depth_is_one_line(folder, content):
    (folder / "config.json").write_bytes(content)
    refused([str(folder)], load_generator, folder)
    save_model(folder, *networks())  # it is no model, so there is nothing to keep
    load_generator(folder)


@pytest.mark.parametrize("value", [2**17, 2**1000, -1, 0, True, 1e308, "64", None, [], {"a": 1}], ids=repr)
@pytest.mark.parametrize("name", ["resolution", "z_dim", "label_dim", "image_channels"])
def test_arguments_of_any_size_or_type_are_one_line(folder, name, value):
    config = json.loads((folder / "config.json").read_text())
    config["generator"][name] = value
    (folder / "config.json").write_text(json.dumps(config))
    if (name, value) != ("label_dim", 0):
        refused([str(folder)], load_generator, folder)
