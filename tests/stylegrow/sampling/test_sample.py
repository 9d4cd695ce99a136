"""stylegrow.sample and the other public names."""

import importlib
import subprocess
import sys

import numpy as np
import pytest
import torch

import stylegrow
from stylegrow.common.errors import InputError
from tests.small_models import close


def test_public_names_load_torch_only_when_they_are_used():
    code = "import stylegrow, sys; print(stylegrow.__version__, 'torch' in sys.modules, 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [stylegrow.__version__, "False", "False"]
    for name in stylegrow.__all__:
        assert getattr(stylegrow, name)
    with pytest.raises(AttributeError, match="nothing"):
        stylegrow.nothing  # noqa: B018
    with pytest.raises(ImportError):
        importlib.import_module("stylegrow.nothing")


def test_a_model_by_name_gives_the_images_that_the_commands_show(models, sampler):
    images = stylegrow.sample(models / "style", [3, 1], psi=0.5, cutoff=4, device="cpu")
    assert (images.shape, images.dtype) == ((2, 64, 64, 3), np.uint8)
    one = sampler("style")
    assert close(images, list(one.images([3, 1], one.setting(psi=0.5, cutoff=4))))
    growing = stylegrow.sample(str(models / "growing"), [3], device="cpu")
    assert growing.shape == (1, 16, 16, 3)  # as far as it has grown
    for label in (2, "2"):
        assert stylegrow.sample(models / "classes", [5], label=label, device="cpu").shape == (1, 16, 16, 1)


def test_a_generator_is_used_as_it_is(models, sampler):
    one = sampler("style")
    generator = stylegrow.load_generator(models / "style").train()
    before = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    images = stylegrow.sample(generator, range(3), resolution=32)
    assert close(images, list(one.images(range(3), one.setting(resolution=32))))
    assert generator.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in generator.state_dict().items())
    run = stylegrow.load_generator(models / "run")
    assert close(stylegrow.sample(run, [1]), list(sampler("run").images([1], sampler("run").setting())))


def test_what_a_model_does_not_have_is_refused(models):
    with pytest.raises(InputError, match="truncation needs"):
        stylegrow.sample(models / "run", [1], psi=0.5)
    with pytest.raises(InputError, match="has classes"):
        stylegrow.sample(models / "classes", [1])
    with pytest.raises(TypeError, match="colour"):
        stylegrow.sample(models / "style", [1], colour=1)
    with pytest.raises(ValueError, match="labels"):
        stylegrow.sample(stylegrow.load_generator(models / "classes"), [1])
