"""What a process trains on, and the network interface between machines."""

import socket

import psutil
import pytest
import torch

from train.distributed import devices


@pytest.mark.parametrize(
    ("cuda", "mps", "variables", "expected"),
    [
        (False, False, {}, True),
        (True, False, {}, False),
        (True, False, {"WORLD_SIZE": "2"}, False),
        (True, False, {"ACCELERATE_USE_CPU": "True"}, True),
        (True, False, {"ACCELERATE_USE_CPU": "False"}, False),
        (False, True, {}, False),
        (False, True, {"WORLD_SIZE": "2"}, True),  # Apple's GPU is one, and knows no message between processes
    ],
)
def test_the_processor_is_used_where_there_is_nothing_better(monkeypatch, cuda, mps, variables, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    for name in ("WORLD_SIZE", "ACCELERATE_USE_CPU"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert devices.use_cpu() == expected


def own_addresses():
    """(interface, address) of this machine, as other machines see it."""
    return [
        (name, known.address)
        for name, addresses in psutil.net_if_addrs().items()
        for known in addresses
        if known.family == socket.AF_INET and not known.address.startswith("127.")
    ]


@pytest.mark.parametrize(("name", "address"), [*own_addresses()[:1], (None, "127.0.0.1")])
def test_machines_meet_over_the_network_that_leads_to_the_main_one(monkeypatch, name, address):
    for variable, value in {"WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": address}.items():
        monkeypatch.setenv(variable, value)
    assert devices.interface_between_machines() == name
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")  # one machine needs none
    assert devices.interface_between_machines() is None


def test_bfloat16_is_fast_where_the_processor_has_instructions_for_it(monkeypatch):
    for able, expected in (
        ({}, False),
        ({"avx512_bf16": True}, True),
        ({"amx_bf16": True, "avx512_bf16": False}, True),
    ):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda able=able: able, raising=False)
        assert devices.fast_bf16(torch.device("cpu")) == expected
    assert not devices.fast_bf16(torch.device("mps"))
