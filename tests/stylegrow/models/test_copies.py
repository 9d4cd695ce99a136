"""Weights as float16, and `stylegrow models copy`."""

import json
import shutil
from pathlib import Path

import pytest
import torch

import progan
import stylegan
from stylegrow.cli.main import main
from stylegrow.common.errors import ModelError
from stylegrow.common.held_out import public_name
from stylegrow.models import folders, load_discriminator, load_generator, read_config, save_model
from stylegrow.models.copies import FIRST, IMAGES, copy_model, largest_change
from stylegrow.models.space import write_space
from stylegrow.sampling import directions, true_colours
from stylegrow.sampling.generation import Setting, images
from stylegrow.sampling.sampler import Sampler
from tests.stylegrow.models.helpers import SMALL, networks


def make_style(seed=0, **options):
    torch.manual_seed(seed)
    generator = stylegan.Generator(z_dim=6, w_dim=6, mapping_layers=2, **SMALL, **options)
    generator.w_avg.normal_()
    return generator, stylegan.Discriminator(**SMALL, **options)


@pytest.fixture
def model(tmp_path):
    """A StyleGAN at 4 px of 8, with a card of its own, a picture, and what does not belong to it."""
    generator, discriminator = make_style(label_dim=2)
    facts = {"kimg": 3, "resolution": 4, "data": "cats"}
    save_model(tmp_path / "m", generator, discriminator, training=facts, classes=["a", "b"], card="# Mine\n")
    (tmp_path / "m" / "grid.png").write_bytes(b"picture")
    (tmp_path / "m" / "notes.txt").write_text("mine")
    return tmp_path / "m"


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def said(capsys, *arguments, status=0):
    assert main(["models", *map(str, arguments)]) == status
    out, err = capsys.readouterr()
    assert not (out if status else err)
    assert err.count("\n") == (1 if status else 0)
    return err if status else out


def styled(key):
    """Whether a weight makes latents or styles, which stay float32."""
    return key.startswith("mapping.") or ".style." in key


@pytest.mark.parametrize("kind", [networks, make_style])
def test_half_the_bytes_are_loaded_as_float32(tmp_path, kind):
    generator, discriminator = kind()
    save_model(tmp_path / "whole", generator, discriminator)
    save_model(tmp_path / "half", generator, discriminator, dtype="float16")
    for load, network, name in (
        (load_generator, generator, "model.safetensors"),
        (load_discriminator, discriminator, "discriminator.safetensors"),
    ):
        loaded = load(tmp_path / "half").state_dict()
        assert loaded.keys() == network.state_dict().keys()
        for key, value in network.state_dict().items():
            assert loaded[key].dtype == torch.float32
            assert torch.equal(loaded[key], value if styled(key) else value.half().float())
        header = json.loads((tmp_path / "half" / name).read_bytes()[8:].split(b"}}")[0] + b"}}")
        stored = {key: entry["dtype"] for key, entry in header.items() if key != "__metadata__"}
        assert stored == {key: "F32" if styled(key) else "F16" for key in loaded}
        numbers = sum(value.numel() for key, value in loaded.items() if not styled(key))
        saved = (tmp_path / "whole" / name).stat().st_size - (tmp_path / "half" / name).stat().st_size
        assert saved == pytest.approx(2 * numbers, abs=200)
    assert (tmp_path / "half" / "config.json").read_bytes() == (tmp_path / "whole" / "config.json").read_bytes()


def test_a_model_may_change_between_both(tmp_path):
    for dtype in ("float16", "float32", "float16"):
        save_model(tmp_path / "m", *networks(), dtype=dtype)
        load_generator(tmp_path / "m")


@pytest.mark.parametrize("value", [70000.0, -1e6, float("inf"), float("nan")])
def test_weights_that_float16_cannot_hold_are_refused(tmp_path, value):
    generator, discriminator = networks()
    name, parameter = list(discriminator.named_parameters())[1]
    parameter.data.view(-1)[0] = value
    with pytest.raises(ModelError) as raised:
        save_model(tmp_path / "m", generator, discriminator, dtype="float16")
    assert name in str(raised.value)
    assert list(tmp_path.iterdir()) == []
    save_model(tmp_path / "m", generator, discriminator)
    with pytest.raises(ModelError) as raised:
        copy_model(tmp_path / "m", tmp_path / "half", float16=True)
    assert f"{name} " in str(raised.value)
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_other_types_of_weights_are_still_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    save_model(tmp_path / "m", networks()[0])
    path = tmp_path / "m" / "model.safetensors"
    save_file({name: value.bfloat16() for name, value in load_file(path).items()}, path)
    with pytest.raises(ModelError, match="bfloat16"):
        load_generator(tmp_path / "m")


@pytest.mark.parametrize("empty", [False, True])
def test_a_copy_is_the_same_bytes(model, tmp_path, capsys, empty):
    if empty:
        (tmp_path / "new").mkdir()
    out = said(capsys, "copy", model, tmp_path / "new")
    wanted = contents(model)
    del wanted["notes.txt"]
    assert contents(tmp_path / "new") == wanted
    assert out.count(" MB") == 2


@pytest.mark.parametrize("name", ["README.md", "grid.png", "model.safetensors"])
@pytest.mark.parametrize("relative", [False, True])
def test_files_elsewhere_do_not_travel_as_part_of_a_model(model, tmp_path, capsys, name, relative):
    secret = tmp_path / "elsewhere"
    (model / name).rename(secret)
    (model / name).symlink_to(Path("..", "elsewhere") if relative else secret)
    for command in (["copy", model, tmp_path / "new"], ["space", "--model", model, "--outdir", tmp_path / "new"]):
        assert name in said(capsys, *command, status=2)
        assert not any(secret.read_bytes() == path.read_bytes() for path in tmp_path.glob("new/**/*") if path.is_file())


def test_links_inside_the_folder_and_into_the_hubs_cache_are_files(model, tmp_path, capsys, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    (model / "model.safetensors").rename(tmp_path / "cache" / "blob")
    (model / "model.safetensors").symlink_to(tmp_path / "cache" / "blob")
    (model / "again.png").symlink_to("grid.png")
    said(capsys, "copy", model, tmp_path / "new")
    assert contents(tmp_path / "new") == {n: c for n, c in contents(model).items() if n != "notes.txt"}
    assert not any(path.is_symlink() for path in (tmp_path / "new").iterdir())


@pytest.mark.parametrize("empty", [False, True])
def test_a_copy_of_half_the_size(model, tmp_path, capsys, empty):
    if empty:
        (tmp_path / "deep" / "new").mkdir(parents=True)
    out = said(capsys, "copy", model, tmp_path / "deep" / "new", "--float16")
    before, after = contents(model), contents(tmp_path / "deep" / "new")
    assert after.keys() == before.keys() - {"notes.txt"}
    for name in ("config.json", "README.md", "grid.png"):
        assert after[name] == before[name]
    change, sizes = out.splitlines()
    assert change.startswith(f"largest change of {IMAGES} images: ")
    wanted, found = load_generator(model), load_generator(tmp_path / "deep" / "new")
    assert torch.equal(found.w_avg, wanted.w_avg.half().float())
    assert load_discriminator(tmp_path / "deep" / "new").config == load_discriminator(model).config
    whole, half = (sum(map(len, files.values())) for files in (before, after))
    assert sizes.endswith(f"new: {half / 1e6:.2f} MB; it was {(whole - len(before['notes.txt'])) / 1e6:.2f} MB")
    # Once more, of what is float16 already.
    copied = copy_model(tmp_path / "deep" / "new", tmp_path / "again", float16=True)
    assert copied.change == 0
    assert copied.before == copied.after
    assert contents(tmp_path / "again") == after


def test_directions_and_colours_of_growth_are_those_of_the_copy(model, tmp_path):
    sampler, colours = Sampler(str(model), "cpu"), {"4x4.weight": torch.ones(3, 2, 1, 1), "4x4.bias": torch.ones(3)}
    directions.write(model, sampler.fit_directions(), sampler.weights)
    true_colours.write(model, colours, sampler.weights)
    copy_model(model, tmp_path / "half", float16=True)
    copy = Sampler(str(tmp_path / "half"), "cpu")
    assert copy.weights != sampler.weights
    assert torch.equal(copy.directions.vectors, sampler.directions.vectors)
    assert true_colours.read(tmp_path / "half", copy.weights).keys() == colours.keys()


def spoil(folder, scale):
    """Give a model colours so strong that what float16 rounds of them is seen."""
    generator = load_generator(folder)
    with torch.no_grad():
        for name, parameter in generator.named_parameters():
            if "to_image" in name:
                parameter.mul_(scale)
    config = json.loads((folder / "config.json").read_text())
    shutil.rmtree(folder)
    save_model(folder, generator, training=config["training"], classes=config["classes"])


def test_first_stages_stay_float32_where_their_rounding_is_seen(tmp_path):
    """Strong colours that float16 holds exactly, of maps that it would round."""
    generator, critic = make_style()
    with torch.no_grad():
        for stage in generator.synthesis.to_image.values():
            stage.weight.copy_((10 * stage.weight).half())
    assert largest_change(generator, {"resolution": 8}) > 1
    save_model(tmp_path / "m", generator, critic, training={"resolution": 8})
    assert copy_model(tmp_path / "m", tmp_path / "new", float16=True).change <= 1
    for (name, found), value in zip(
        load_generator(tmp_path / "new").state_dict().items(), generator.state_dict().values(), strict=True
    ):
        assert torch.equal(found, value if styled(name) or ".blocks." in name else value.half().float())
    once = contents(tmp_path / "new")
    copy_model(tmp_path / "new", tmp_path / "again", float16=True)
    assert contents(tmp_path / "again") == once


def test_pictures_that_change_are_refused(model, tmp_path, capsys):
    spoil(model, 40.0)
    generator = load_generator(model)
    change = largest_change(generator, {"resolution": 4}, whole=FIRST)
    assert change > 1
    line = said(capsys, "copy", model, tmp_path / "new", "--float16", status=2)
    assert f"change by up to {change} of 255 grey levels" in line
    assert [path.name for path in tmp_path.iterdir()] == ["m"]
    said(capsys, "copy", model, tmp_path / "new")


@pytest.mark.parametrize(("kind", "labels"), [(networks, 0), (networks, 3), (make_style, 0), (make_style, 3)])
@pytest.mark.parametrize("stage", [4, 8])
def test_the_change_is_that_of_the_stage_reached(tmp_path, kind, labels, stage):
    """Against the pictures of the files, in 8 bits."""
    from stylegrow.common.images import to_uint8

    save_model(tmp_path / "m", kind(label_dim=labels)[0], training={"resolution": stage})
    spoil(tmp_path / "m", 10.0)
    save_model(tmp_path / "half", load_generator(tmp_path / "m"), dtype="float16")
    classes = torch.eye(labels)[torch.arange(64) % labels] if labels else None
    found = []
    for name in ("m", "half"):
        drawn = torch.cat(list(images(load_generator(tmp_path / name), range(64), Setting(resolution=stage), classes)))
        found.append(to_uint8(drawn).astype(int))
    wanted = abs(found[0] - found[1]).max()
    assert largest_change(load_generator(tmp_path / "m"), {"resolution": stage}) == wanted


def test_folders_that_are_not_empty_are_left_alone(model, tmp_path, capsys):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("mine")
    assert "is not empty" in said(capsys, "copy", model, tmp_path / "full", status=2)
    assert "is a file" in said(capsys, "copy", model, tmp_path / "full" / "x", status=2)
    assert "is not empty" in said(capsys, "copy", model, model, status=2)
    assert contents(tmp_path / "full") == {"x": b"mine"}


def test_what_does_not_load_is_not_copied(model, tmp_path, capsys):
    (model / "discriminator.safetensors").write_bytes(b"x")
    assert "discriminator.safetensors" in said(capsys, "copy", model, tmp_path / "new", status=2)
    assert "nobody" in said(capsys, "copy", "nobody", tmp_path / "new", status=2)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("empty", [False, True])
def test_a_copy_that_fails_leaves_nothing(model, tmp_path, capsys, monkeypatch, empty):
    write, count = Path.write_bytes, 0

    def failing(path, content):
        nonlocal count
        count += 1
        if count == 3:
            raise OSError(28, "No space left on device", str(path))
        write(path, content)

    if empty:
        (tmp_path / "new").mkdir()
    monkeypatch.setattr(Path, "write_bytes", failing)
    assert "No space left" in said(capsys, "copy", model, tmp_path / "new", status=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == (["m", "new"] if empty else ["m"])
    if empty:
        assert contents(tmp_path / "new") == {}


def test_runs_names_and_the_hub_are_copied(model, tmp_path, capsys, monkeypatch, fake_hub):
    shutil.copytree(model, tmp_path / "run" / "model")
    shutil.copytree(model, tmp_path / "zoo" / "faces")
    shutil.copytree(model, fake_hub.branch("me/faces", None))
    monkeypatch.setattr(folders, "ZOO", tmp_path / "zoo")
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(("run", "faces", "hf://me/faces")):
        said(capsys, "copy", name, f"new{number}")
        assert contents(tmp_path / f"new{number}").keys() == contents(model).keys() - {"notes.txt"}


def test_held_out_images_of_own_data_are_not_named_in_what_leaves_this_machine(model, tmp_path, fake_hub, capsys):
    """Also of a model that an earlier version saved."""
    config = json.loads((model / "config.json").read_text())
    assert read_config(model)["training"] == config["training"]
    config["training"]["held_out"] = ["cats/005.png", "toonhead-00003"]
    (model / "config.json").write_text(json.dumps(config))
    said(capsys, "copy", model, tmp_path / "copy")
    said(capsys, "push", model, "me/cats")
    write_space([str(model)], tmp_path / "space", "stylegrow")
    for folder in (tmp_path / "copy", fake_hub.branch("me/cats", None), tmp_path / "space" / "models" / "m"):
        content = (folder / "config.json").read_text()
        assert "cats/005.png" not in content
        assert json.loads(content)["training"]["held_out"] == [public_name("cats/005.png"), "toonhead-00003"]
        assert read_config(folder) == read_config(model)
    save_model(tmp_path / "new", load_generator(model), training={"held_out": ["cats/005.png"]})
    assert b"cats/005.png" not in b"".join(contents(tmp_path / "new").values())


def test_a_copy_with_a_margin_has_the_same_weights(model, tmp_path, capsys):
    said(capsys, "copy", model, tmp_path / "n", "--margin", 1)
    assert load_generator(tmp_path / "n").config.margin == 1
    assert contents(tmp_path / "n")["model.safetensors"] == contents(model)["model.safetensors"]
    assert read_config(tmp_path / "n") != read_config(model)
    said(capsys, "copy", tmp_path / "n", tmp_path / "o", "--margin", 0)
    assert read_config(tmp_path / "o") == read_config(model)
    assert "margin 4" in said(capsys, "copy", model, tmp_path / "p", "--margin", 4, status=2)
    assert not (tmp_path / "p").exists()


def test_a_copy_that_repeats_edges_has_the_same_weights(model, tmp_path, capsys):
    said(capsys, "copy", model, tmp_path / "n", "--repeat-edges-from", 8)
    assert load_generator(tmp_path / "n").config.repeat_edges_from == 8
    assert contents(tmp_path / "n")["model.safetensors"] == contents(model)["model.safetensors"]
    said(capsys, "copy", tmp_path / "n", tmp_path / "o", "--repeat-edges-from", 0)
    assert read_config(tmp_path / "o") == read_config(model)
    for stage in (4, 12):
        said(capsys, "copy", model, tmp_path / "p", "--repeat-edges-from", stage, status=2)


def test_a_progan_repeats_no_edges(tmp_path, capsys):
    save_model(tmp_path / "m", progan.Generator(z_dim=6, **SMALL))
    for more in ((), ("--margin", 1)):
        told = said(capsys, "copy", tmp_path / "m", tmp_path / "n", "--repeat-edges-from", 8, *more, status=2)
        assert "progan has no repeat_edges_from" in told
    assert not (tmp_path / "n").exists()
