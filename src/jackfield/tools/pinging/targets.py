"""The hosts that are asked, each with its address, and the probes that are under way to it."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address

from jackfield.errors import ConfigurationError, JackfieldError
from jackfield.tools.names.labels import is_address, to_ascii
from jackfield.tools.names.lookup import SockAddr, addresses_of, all_within, numeric
from jackfield.tools.pinging import icmp
from jackfield.tools.pinging.tally import Tally

KEPT = 1024
"""Probes that are over and still known, so that late and double answers can be told."""


@dataclass(frozen=True, slots=True)
class Sent:
    """When a probe went out."""

    at: float
    """In seconds of the monotonic clock."""
    stamp: int
    """In nanoseconds since 1970, as the system stamps what it receives."""
    answered: bool = False


class Target:
    """One host.

    host: as it was given. version: of IP: 0 for either.
    """

    def __init__(self, host: str, *, version: int = 0, timeout: float = 5.0) -> None:
        self.host = host
        self.version = version
        self.address = ""
        """In numbers, with its zone; empty where the name has none."""
        self.sockaddr: SockAddr = ("", 0)
        self.why = ""
        """Why it is not asked."""
        self.tally = Tally()
        self.token = secrets.token_bytes(icmp.TOKEN)
        self.waiting: dict[int, Sent] = {}
        self._over: OrderedDict[int, Sent] = OrderedDict()
        try:
            self._look_up(version, timeout)
        except JackfieldError as error:
            self.why = str(error)

    def _look_up(self, version: int, timeout: float) -> None:
        """Find its address. Raises JackfieldError."""
        name = self.host if is_address(self.host) else to_ascii(self.host)
        place = addresses_of(name, version, timeout)[0]
        address = numeric(place)
        plain = ip_address(address)
        if plain.is_multicast or address == "255.255.255.255":
            raise ConfigurationError(
                f"{self.host}: {address} stands for many hosts; one is asked at a time"
            )
        self.sockaddr = place
        self.address = address
        self.version = plain.version

    @property
    def shown(self) -> str:
        """The host with its address, where that says more."""
        if not self.address or self.host == self.address:
            return self.host
        return f"{self.host} ({self.address})"

    def at(self, port: int) -> SockAddr:
        """Give the address to connect to."""
        first, _, *rest = self.sockaddr
        return (first, port, *rest)  # type: ignore[return-value]  # as long as it was

    def end(self, number: int, *, answered: bool = False) -> Sent | None:
        """Wait for a probe no longer; give when it went out, or None if nobody waits for it."""
        sent = self.waiting.pop(number, None)
        if sent is not None:
            self._over[number] = Sent(sent.at, sent.stamp, answered)
            while len(self._over) > KEPT:
                self._over.popitem(last=False)
        return sent

    def ended(self, number: int) -> Sent | None:
        """Give when a probe went out for which nobody waits any more."""
        return self._over.get(number)

    def mark_answered(self, number: int) -> None:
        """Take note that an answer has come after all."""
        sent = self._over.get(number)
        if sent is not None:
            self._over[number] = replace(sent, answered=True)

    def number_of(self, sequence: int) -> int:
        """Give the number of the last probe that has this sequence number; 0 if there is none."""
        return max(0, self.tally.sent - ((self.tally.sent - sequence) & 0xFFFF))


def targets_of(hosts: Sequence[str], *, version: int, timeout: float) -> list[Target]:
    """Look up all hosts at once; give a target for each, each host once.

    version: of IP: 0 for either. timeout: in seconds, for each name.
    """

    def make(host: str) -> Callable[[], Target]:
        return lambda: Target(host, version=version, timeout=timeout)

    made = all_within(2 * timeout, map(make, dict.fromkeys(hosts)))
    return [one if isinstance(one, Target) else _raised(one) for one in made]


def _raised(error: BaseException) -> Target:
    raise error
