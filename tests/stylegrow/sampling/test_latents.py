"""Latents in files: what is written is drawn again, and what does not fit a model is refused in a line."""

import io
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.mutations import mutated
from stylegrow.common.errors import InputError
from stylegrow.sampling.generation import latents
from stylegrow.sampling.latents import Latent, write_latents
from tests.small_models import close


def read(sampler, path, **arrays):
    np.savez(path, **arrays)
    return sampler.read_latents(path, "the file")


def ws(sampler, seeds, psi=0.7):
    setting = sampler.setting(psi=psi)
    return np.concatenate([sampler.latent(seed, setting)["w"] for seed in seeds])


@pytest.mark.parametrize("name", ["style", "run"])
def test_what_was_drawn_is_drawn_again(sampler, tmp_path, name):
    model = sampler(name)
    setting = model.setting(**({"psi": 0.4} if model.styled else {}))
    found = [model.latent(seed, setting) for seed in (3, 8)]
    write_latents(tmp_path / "f.npz", {kind: np.concatenate([one[kind] for one in found]) for kind in found[0]})
    again = model.read_latents(tmp_path / "f.npz", "the file")
    assert [str(one) for one in again] == ["f 0", "f 1"]
    for image, seed in zip(model.images(again, model.setting()), (3, 8), strict=True):
        assert close(image, next(model.images([seed], setting)))


def test_z_of_a_file_is_truncated_as_a_seed_is(sampler, tmp_path):
    style = sampler("style")
    (own,) = read(style, tmp_path / "f.npz", z=latents([5], 8).double().numpy())
    assert own.kind == "z"
    for psi in (1, -0.5):
        setting = style.setting(psi=psi)
        assert close(next(style.images([own], setting)), next(style.images([5], setting)))


def test_w_of_a_file_is_truncated_only_where_asked(sampler, tmp_path):
    style = sampler("style")
    (own,) = read(style, tmp_path / "f.npz", w=ws(style, [5], psi=1))
    half, whole = (style.setting(psi=psi) for psi in (0.5, 1))
    assert close(next(style.images([own], half)), next(style.images([5], whole)))
    assert close(next(style.images([replace(own, truncate=True)], half)), next(style.images([5], half)))


def test_one_w_is_that_of_all_layers(sampler, tmp_path):
    style = sampler("style")
    w = ws(style, [1, 2])
    found = read(style, tmp_path / "f.npz", w=w[:, 0].astype(np.float64))
    np.testing.assert_array_equal([one.values for one in found], w)


def test_latents_and_seeds_are_mixed_and_lead_along_a_path(sampler, tmp_path):
    style = sampler("style")
    (own,) = read(style, tmp_path / "f.npz", w=ws(style, [5]))
    setting = style.setting()
    for mine, theirs in zip(
        style.mixed([own], [7], [0, 1], setting), style.mixed([5], [7], [0, 1], setting), strict=True
    ):
        assert close(mine, theirs)
    for mine, theirs in zip(style.mixed([7], [own], [0], setting), style.mixed([7], [5], [0], setting), strict=True):
        assert close(mine, theirs)
    way = (3, False, "w", setting)
    for mine, theirs in zip(style.path([own, 7], *way), style.path([5, 7], *way), strict=True):
        assert close(mine, theirs)
    with pytest.raises(InputError, match="space w"):
        list(style.path([own, 7], 3, False, "z", setting))


W = np.zeros((2, 10, 8))


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x": W}, "is damaged or no file of latents"),
        ({"w": W[:, :9]}, r"w is float64 \[2, 9, 8\]"),
        ({"w": W[..., :7]}, "w is float64"),
        ({"w": W[:0]}, r"\[0, 10, 8\]"),
        ({"w": np.zeros((4097, 8))}, "4,096"),
        ({"w": W.astype(int)}, "int64"),
        ({"w": np.array(None)}, "object"),
        ({"w": np.float64(1)}, "w is float64"),
        ({"z": np.zeros((1, 9))}, "z is float64"),
        ({"z": W[:, 0], "w": np.full_like(W, np.nan)}, "not finite"),
        ({"w": np.full_like(W, 1e300)}, "not finite"),
    ],
)
def test_what_does_not_fit_is_refused(sampler, tmp_path, arrays, words):
    with pytest.raises(InputError, match=words) as error:
        read(sampler("style"), tmp_path / "f.npz", **arrays)
    assert str(error.value).startswith("the file: ")


def test_w_is_refused_by_a_progan(sampler, tmp_path):
    with pytest.raises(InputError, match="ProGAN"):
        read(sampler("run"), tmp_path / "f.npz", w=W)


def test_no_more_is_read_than_a_model_takes(sampler, tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"shape": (1 << 40, 8), "fortran_order": False, "descr": "<f8"})
    with zipfile.ZipFile(tmp_path / "f.npz", "w") as archive:
        archive.writestr("w.npy", header.getvalue())
    with pytest.raises(InputError, match="this model takes"):
        sampler("style").read_latents(tmp_path / "f.npz", "the file")


def test_damaged_files_are_refused_or_read(sampler, tmp_path):
    style = sampler("style")
    write_latents(tmp_path / "f.npz", {"w": ws(style, [1])})
    for number, content in enumerate(mutated((tmp_path / "f.npz").read_bytes(), 200, seed=0)):
        path = tmp_path / f"{number}.npz"
        path.write_bytes(content)
        try:
            (found,) = style.read_latents(path, "the file")
        except InputError:
            continue
        assert isinstance(found, Latent)
        assert found.values.shape == (10, 8)
    with pytest.raises(InputError, match="no such file"):
        style.read_latents(tmp_path, "the file")
