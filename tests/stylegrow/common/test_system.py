"""Memory, and the processor's name."""

import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from stylegrow.common import system

# Page faults of the second of two equal arrays, whose memory is there already if it was kept.
PROGRAM = """
import resource, sys
import numpy as np
from stylegrow.common.system import keep_freed_memory

def faults(work):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    work()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

if "keep" in sys.argv:
    keep_freed_memory()
work = lambda: np.full(50_000_000, 1, np.uint8)
work()
print(faults(work))
"""


def second_time(*words):
    done = subprocess.run([sys.executable, "-c", PROGRAM, *words], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc is Linux's")
def test_memory_of_large_arrays_is_used_again():
    fetched_anew = second_time()
    if not fetched_anew:
        pytest.skip("this C library keeps memory by itself")
    assert second_time("keep") < fetched_anew / 10


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(system.sys, "platform", "linux")
    monkeypatch.setattr(system.ctypes, "CDLL", lambda name: object())
    system.keep_freed_memory()


def test_this_processor_has_a_name(monkeypatch):
    assert re.search(r"\w", system.processor_name())
    assert socket.gethostname() not in system.processor_name()
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: "flags : fpu\n")
    assert re.search(r"\w", system.processor_name())
