"""One thread a process: the tests compute so little that threads would only wait for each other."""

import os

# Before torch is imported, here and in the processes that tests start.
os.environ["OMP_NUM_THREADS"] = "1"

import pytest


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """The folder of small models of every kind (tests/small_models.py)."""
    from tests.small_models import save_models

    return save_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def sampler(models):
    """The sampler of one of them by its name, on the CPU."""
    from stylegrow.sampling.sampler import Sampler

    return lambda name: Sampler(str(models / name), "cpu")
