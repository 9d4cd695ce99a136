"""The names that the server answers to, so that no other site's name can be pointed at it (DNS rebinding)."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

LOOPBACK = ("127.0.0.1", "localhost", "::1")
EVERYWHERE = ("0.0.0.0", "::", "")
SPACE = "SPACE_HOST"  # where a Hugging Face Space finds its own name
TUNNEL = "*.gradio.live"


@dataclass(frozen=True)
class Hosts:
    """Names, which may hold a "*"; and whether any address will do, since only a name can be pointed elsewhere."""

    names: tuple[str, ...]
    addresses: bool = False

    def accept(self, header: str, server: str) -> bool:
        """Whether a request may go on, by its Host header and the address at which it came in."""
        name = name_of(header)
        if name == server or any(fnmatchcase(name, known) for known in self.names):
            return True
        return self.addresses and is_address(name)


def hosts_of(listening: str, allowed: Sequence[str] = (), share: bool = False) -> Hosts:
    """Those of a server that listens at `listening`, with the names that its options and a Space's environment give."""
    names = [listening.strip("[]"), *allowed, *filter(None, os.environ.get(SPACE, "").split(","))]
    everywhere = listening in EVERYWHERE
    if everywhere or listening in LOOPBACK:
        names += LOOPBACK
    if everywhere:
        names += [socket.gethostname(), f"{socket.gethostname()}.local"]
    if share:
        names.append(TUNNEL)
    return Hosts(tuple(name.strip().lower() for name in names), everywhere)


def on_a_space() -> bool:
    """Whether this runs as a Hugging Face Space, behind its proxy."""
    return SPACE in os.environ


def name_of(header: str) -> str:
    """The name or address in a Host header, without the port."""
    name = header.strip().lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.partition(":")[0].removesuffix(".")


def is_address(name: str) -> bool:
    """Whether it is an IP address."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
