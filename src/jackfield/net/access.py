"""Who may connect at all, by address, and what per-source limits count a peer by."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

from jackfield.errors import ConfigurationError

Network = IPv4Network | IPv6Network

SITE = 64
"""Bits of an IPv6 address that are given to a site; the others are its own choice (RFC 6177)."""


class Access:
    """A list of networks that may connect, and one of those that may not.

    allow: networks in CIDR notation (RFC 4632), or addresses; all when empty.
    deny: likewise; goes before `allow`.

    Raises ConfigurationError that names what is no network.
    """

    def __init__(self, allow: Iterable[str] = (), deny: Iterable[str] = ()) -> None:
        self._allow = [_network(text) for text in allow]
        self._deny = [_network(text) for text in deny]

    def permits(self, host: str) -> bool:
        """Whether who comes from this address may connect; "" is no address, and may."""
        if not (host and (self._allow or self._deny)):
            return True
        address = ip_address(host)
        if any(address in network for network in self._deny):
            return False
        return not self._allow or any(address in network for network in self._allow)


def is_network(text: str) -> bool:
    """Whether this is a network as `Access` takes it, or an address."""
    try:
        _network(text)
    except ConfigurationError:
        return False
    return True


def _network(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError as error:
        problem = str(error)
    try:
        right = str(ip_network(text, strict=False))
    except ValueError:
        right = "192.0.2.0/24 or 2001:db8::/32"
    msg = f"{text!r} is no network: {problem}; write {right}"
    raise ConfigurationError(msg)


def host_of(address: Any) -> str:
    """Give the IP address in what the socket module calls one; "" where there is none."""
    if not isinstance(address, tuple):
        return ""
    host: str = address[0]
    return host.removeprefix("::ffff:") if "." in host else host.partition("%")[0]


def may_be_false(host: str) -> bool:
    """Whether somebody elsewhere can send datagrams in this address' name."""
    return bool(host) and not ip_address(host).is_loopback


@lru_cache(maxsize=4096)
def source_of(host: str) -> str:
    """Give what per-source limits count an address by: itself, or the /64 of an IPv6 one.

    Those of one link are all in one /64, so there it is itself.
    """
    if ":" not in host or (address := ip_address(host)).is_loopback or address.is_link_local:
        return host
    return str(ip_network((host, SITE), strict=False))
