"""The flags that say how a GPU computes, which can be set without one."""

import pytest
import torch
from torch.backends import cuda, cudnn

from stylegrow.common.arithmetic import exact_float32, set_arithmetic

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def flags():
    deterministic = torch.are_deterministic_algorithms_enabled()
    return cuda.matmul.allow_tf32, cudnn.allow_tf32, cudnn.benchmark, cudnn.deterministic, deterministic


@pytest.fixture(autouse=True)
def as_before(monkeypatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    before, filled = flags(), torch.utils.deterministic.fill_uninitialized_memory
    yield
    cuda.matmul.allow_tf32, cudnn.allow_tf32, cudnn.benchmark, cudnn.deterministic, deterministic = before
    torch.use_deterministic_algorithms(deterministic)
    torch.utils.deterministic.fill_uninitialized_memory = filled


@pytest.mark.parametrize("tf32", [False, True])
def test_a_training_multiplies_as_it_is_told(tf32):
    set_arithmetic(GPU, tf32, deterministic=False)
    assert flags() == (tf32, tf32, True, False, False)
    set_arithmetic(GPU, tf32, deterministic=True)
    assert flags() == (tf32, tf32, False, False, True)


def test_a_cpu_is_left_as_it_is():
    before = flags()
    set_arithmetic(CPU, tf32=True, deterministic=True)
    assert flags() == before


@pytest.mark.parametrize("device", [CPU, GPU])
def test_images_and_metrics_are_never_in_tf32(device):
    set_arithmetic(GPU, tf32=True, deterministic=False)
    before = flags()
    with exact_float32(device):
        with exact_float32(device):
            pass
        assert flags() == (False, False, False, True, False)
    assert flags() == before
