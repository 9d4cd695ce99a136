"""Growth in true colours: layers to images fitted to the final images."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import progan
import stylegan
from stylegrow.cli.main import main
from stylegrow.models import save_model
from stylegrow.sampling.generation import Setting, images
from stylegrow.sampling.sampler import Sampler
from stylegrow.sampling.true_colours import fit, read, with_colours, write

SMALL = {"resolution": 16, "fmap_base": 64, "fmap_max": 6, "z_dim": 8}


@pytest.fixture(params=["progan", "stylegan", "repeated edges"])
def generator(request):
    torch.manual_seed(5)
    if request.param == "progan":
        network = progan.Generator(**SMALL)
    else:
        edges = 8 if request.param == "repeated edges" else 0
        network = stylegan.Generator(w_dim=8, mapping_layers=2, repeat_edges_from=edges, **SMALL)
    for name, parameter in network.named_parameters():
        if "to_image" in name:
            parameter.data.normal_(0, 0.3)
    return network.eval()


def all_images(generator, count, **setting):
    with torch.inference_mode():
        return torch.cat(list(images(generator, range(count), Setting(**setting)))).double()


def test_no_other_layer_comes_nearer(generator):
    count = 40
    target = F.adaptive_avg_pool2d(all_images(generator, count).clamp(-1, 1), 8)
    fitted = with_colours(generator, fit(generator, Setting(), images=count))

    def distance(network):
        return (all_images(network, count, resolution=8) - target).square().mean()

    least = distance(fitted)
    assert least < distance(generator)
    layer = getattr(fitted, "synthesis", fitted).to_image["8x8"]
    for parameter in layer.parameters():
        for step in (1e-2, -1e-2):
            with torch.no_grad():
                parameter.view(-1)[0] += step
                assert distance(fitted) > least
                parameter.view(-1)[0] -= step


def test_a_stage_that_shows_the_final_image_already_is_found_again(generator):
    """Where the last block repeats pixels, the stage before it can show the final images exactly."""
    inner = getattr(generator, "synthesis", generator)
    real = inner.blocks["16x16"].forward

    def repeat_pixels(x, *_):
        return [repeat_pixels(one) for one in x] if isinstance(x, list) else F.interpolate(x, scale_factor=2.0)

    inner.blocks["16x16"].forward = repeat_pixels
    repeated = getattr(generator.config, "repeat_edges_from", 0) > 0  # these are brighter
    inner.to_image["16x16"].weight.data *= 0.01 if repeated else 0.03  # within [-1, 1]
    try:
        colours = fit(generator, Setting(), images=60)
    finally:
        inner.blocks["16x16"].forward = real
    weight, bias = inner.to_image["16x16"].scaled(torch.float32)
    exact = with_colours(generator, colours | {"8x8.weight": weight, "8x8.bias": bias})
    fitted = with_colours(generator, colours)
    difference = all_images(fitted, 60, resolution=8) - all_images(exact, 60, resolution=8)
    assert difference.abs().max() < 1e-4


def test_the_final_image_and_the_generator_stay(generator):
    before = all_images(generator, 4), all_images(generator, 4, resolution=8)
    fitted = with_colours(generator, fit(generator, Setting(), images=8))
    assert torch.equal(all_images(fitted, 4), before[0])
    assert torch.equal(all_images(generator, 4, resolution=8), before[1])
    assert not torch.equal(all_images(fitted, 4, resolution=8), before[1])
    shared = {id(parameter) for parameter in generator.parameters()}
    assert len([p for p in fitted.parameters() if id(p) not in shared]) == 4  # of 4 and 8 px


def test_only_trained_stages_below_the_last_are_fitted(generator):
    assert {name.partition(".")[0] for name in fit(generator, Setting(), first=8, images=4)} == {"8x8"}
    assert fit(generator, Setting(resolution=8), first=8, images=4) == {}
    assert len(fit(generator, Setting(resolution=8, alpha=0.5), images=4)) == 2


def test_colours_are_kept_beside_the_weights_that_they_belong_to(generator, tmp_path, capsys):
    save_model(tmp_path / "m", generator)
    assert main(["models", "colours", str(tmp_path / "m")]) == 0
    assert "growth.safetensors" in capsys.readouterr().out
    sampler = Sampler(str(tmp_path / "m"), "cpu")
    kept, again = read(sampler.folder, sampler.weights), sampler.fit_colours()
    assert all(torch.equal(kept[name], value) for name, value in again.items())
    assert main(["models", "copy", str(tmp_path / "m"), str(tmp_path / "copy")]) == 0
    assert (tmp_path / "copy" / "growth.safetensors").read_bytes() == (
        tmp_path / "m" / "growth.safetensors"
    ).read_bytes()
    write(sampler.folder, {name: value + 1 for name, value in again.items()}, sampler.weights)
    setting = sampler.setting(resolution=8)
    shown = next(sampler.growing.images([3], setting))
    assert not np.array_equal(shown, next(Sampler(str(tmp_path / "copy"), "cpu").growing.images([3], setting)))
    write(sampler.folder, again, "of other weights")
    assert read(sampler.folder, sampler.weights) is None


def test_colours_of_a_model_of_label_vectors_are_those_of_its_labels(tmp_path):
    torch.manual_seed(5)
    vectors = {"label_dim": 1, "label_kind": "vector", "label_mean": [500.0], "label_deviation": [100.0]}
    network = progan.Generator(**SMALL, **vectors).eval()
    examples = [[300.0], [450.0], [700.0]]
    values = {"min": [300.0], "max": [700.0], "examples": examples}
    save_model(tmp_path / "m", network, classes=["energy"], label_values=values)
    labels = torch.tensor([examples[seed % 3] for seed in range(60)])

    def drawn(generator, **setting):
        with torch.inference_mode():
            return torch.cat(list(images(generator, range(60), Setting(**setting), labels))).double()

    target = F.adaptive_avg_pool2d(drawn(network).clamp(-1, 1), 8)

    def distance(colours):
        return (drawn(with_colours(network, colours), resolution=8) - target).square().mean()

    assert distance(Sampler(str(tmp_path / "m"), "cpu").fit_colours()) < distance(
        fit(network, Setting(), examples=[[1.0]])
    )
    assert not fit(progan.Generator(**SMALL, **vectors, channel_sums=True), Setting(), examples=examples)


def test_colours_of_another_shape_are_refused(generator, tmp_path, capsys):
    save_model(tmp_path / "m", generator)
    sampler = Sampler(str(tmp_path / "m"), "cpu")
    write(sampler.folder, {"8x8.weight": torch.zeros(3, 2, 1, 1)}, sampler.weights)
    assert main(["growth", "--model", str(tmp_path / "m"), "--outdir", str(tmp_path / "out")]) == 2
    assert "growth.safetensors" in capsys.readouterr().err
