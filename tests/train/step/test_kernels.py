"""The GPU's kernels, interpreted on the processor, against the same in float64."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton", reason="Triton comes with PyTorch for CUDA")

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("case", ["operations", "steps"])
def test_kernels_compute_what_they_take_the_place_of(case):
    # In a process of its own: Triton decides when it is imported whether it interprets.
    words = [sys.executable, "-m", "tests.train.step.interpreted_kernels", case]
    found = subprocess.run(words, cwd=ROOT, env={**os.environ, "TRITON_INTERPRET": "1"}, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
