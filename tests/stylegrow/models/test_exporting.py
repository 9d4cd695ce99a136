import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

import progan
from stylegrow.cli.main import main
from stylegrow.common.images import to_uint8
from stylegrow.models import exporting, load_generator, save_model
from tests.small_models import CLASSES, close, style

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

BATCHES = (1, 3, 5)  # none of them the one that is traced


def run(path, **inputs):
    session = onnxruntime.InferenceSession(path)
    assert {one.name for one in session.get_inputs()} == set(inputs)
    return session.run(None, {name: value.numpy() for name, value in inputs.items()})[0]


def normal(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def grey_levels(values):
    return to_uint8(torch.as_tensor(values))


@pytest.mark.parametrize("edges", [0, 8])
def test_mapping_and_synthesis_of_a_growing_stylegan_of_classes_are_those_of_torch(tmp_path, capsys, edges):
    g = style(16, label_dim=3, image_channels=1, repeat_edges_from=edges).eval()
    save_model(tmp_path / "model", g, classes=CLASSES, training={"resolution": 8, "alpha": 0.5})
    folder = tmp_path / "out"
    assert main(["models", "export", str(tmp_path / "model"), str(folder)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert len(out.splitlines()) == 2
    constants = load_file(folder / exporting.CONSTANTS)
    assert np.array_equal(constants["w_avg"], g.w_avg)
    with torch.no_grad():
        for n in BATCHES:
            z, labels = normal(1, n, 8), torch.eye(3)[torch.arange(n) % 3]
            w = run(folder / "mapping.onnx", z=z, labels=labels)
            torch.testing.assert_close(torch.tensor(w), g.mapping(z, labels))
            ws = g.truncate(torch.tensor(w), 0.7)[:, :4].contiguous()
            noise = [normal(2 + layer, n, 1, size, size) for layer, size in enumerate((4, 4, 8, 8))]
            images = run(folder / "synthesis.onnx", ws=ws, **{f"noise{layer}": one for layer, one in enumerate(noise)})
            expected = grey_levels(g.synthesis(ws, 8, 0.5, noise))
            assert close(grey_levels(images), expected)
            own = {
                f"noise{layer}": torch.tensor(constants[f"noise{layer}"]).expand(n, -1, -1, -1) for layer in range(4)
            }
            images = run(folder / "synthesis.onnx", ws=ws, **own)
            assert close(grey_levels(images), grey_levels(g.synthesis(ws, 8, 0.5, "const")))


def test_a_stylegan_without_styles_and_noise_takes_its_one_w_and_equal_weights_are_equal_files(tmp_path):
    g = style(4, use_styles=False, const_input=False, use_noise=False).eval()
    save_model(tmp_path / "model", g)
    taken = exporting.export_onnx(tmp_path / "model", tmp_path / "out")
    assert taken == {"mapping.onnx": ["z"], "synthesis.onnx": ["ws"]}
    ws = normal(1, 3, 1, 8)
    with torch.no_grad():
        assert close(grey_levels(run(tmp_path / "out" / "synthesis.onnx", ws=ws)), grey_levels(g.synthesis(ws)))
    exporting.export_onnx(tmp_path / "model", tmp_path / "again")
    for path in (tmp_path / "out").iterdir():
        content = path.read_bytes()
        assert content == (tmp_path / "again" / path.name).read_bytes()
        assert b"stylegrow" not in content  # as a traced line's path would be


@pytest.mark.parametrize("of_energies", [{}, {"channel_sums": True}, {"channel_sums": True, "hit": 0.01}])
def test_a_progan_of_label_vectors_is_one_file(tmp_path, of_energies):
    torch.manual_seed(0)
    labelled = {"label_dim": 2, "label_kind": "vector", "label_mean": [1.0, 20.0], "label_deviation": [0.5, 7.0]}
    labelled |= of_energies
    g = progan.Generator(8, z_dim=6, fmap_base=64, fmap_max=8, fused_scale=False, **labelled).eval()
    values = {"min": [0.0, 0.0], "max": [2.0, 40.0], "examples": [[1.0, 20.0]]}
    save_model(tmp_path / "model", g, classes=["angle", "energy"], label_values=values)
    exporting.export_onnx(tmp_path / "model", tmp_path / "out")
    with torch.no_grad():
        for n in BATCHES:
            z, labels = normal(n, n, 6), torch.tensor([1.0, 20.0]) + normal(9, n, 2).abs()
            images = run(tmp_path / "out" / "generator.onnx", z=z, labels=labels)
            assert close(grey_levels(images), grey_levels(g(z, labels)))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["generator.onnx"]


def test_a_full_folder_and_missing_packages_are_refused_in_a_line(tmp_path, monkeypatch, capsys):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    save_model(tmp_path / "model", style(8))
    assert main(["models", "export", str(tmp_path / "model"), str(tmp_path / "full")]) == 2
    assert "full" in capsys.readouterr().err
    monkeypatch.setattr(exporting, "PACKAGES", ("onnx", "a_package_that_nobody_has"))
    assert main(["models", "export", str(tmp_path / "model"), str(tmp_path / "new")]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "pip install" in lines[0]
    assert "a_package_that_nobody_has" in lines[0]
    assert not (tmp_path / "new").exists()
    assert load_generator(tmp_path / "model") is not None
