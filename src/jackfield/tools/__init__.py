"""What the network is doing: addresses, ports, names and sockets of this machine, explained."""

from __future__ import annotations
