"""What a process trains on, and the network between machines."""

import ipaddress
import os
import socket
from collections.abc import Mapping

import psutil
import torch


def use_cpu() -> bool:
    """Whether to train on the processor: no accelerator is there, or accelerate was launched with --cpu.

    Apple's GPU is for one process.
    """
    if os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("1", "true", "yes"):
        return True
    several = int(os.environ.get("WORLD_SIZE", "1")) > 1
    return not (torch.cuda.is_available() or (torch.backends.mps.is_available() and not several))


def gpu_memory(device: torch.device) -> float | None:
    """A CUDA device's memory in gigabytes; None of other devices."""
    return torch.cuda.get_device_properties(device).total_memory / 1e9 if device.type == "cuda" else None


def fast_bf16(device: torch.device) -> bool:
    """Whether bfloat16 is faster than float32 here: GPUs from Ampere on, processors with AVX-512 bf16 or AMX."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        able: Mapping[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
        return bool(able.get("avx512_bf16") or able.get("amx_bf16"))
    return False


def interface_between_machines() -> str | None:
    """The network interface that leads to the main machine, None where one machine is all.

    Gloo goes by the machine's own name otherwise, which many systems give a loopback address.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == int(os.environ.get("LOCAL_WORLD_SIZE", "1")):
        return None
    try:
        family, kind, protocol, _, main = socket.getaddrinfo(os.environ["MASTER_ADDR"], 1, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.connect(main)  # which sends nothing
            own = probe.getsockname()[0]
    except OSError:
        return None
    if ipaddress.ip_address(own).is_loopback:
        return None
    interfaces = psutil.net_if_addrs()
    return next((name for name in interfaces if any(own == known.address for known in interfaces[name])), None)
