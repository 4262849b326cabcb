"""Boards on the same network: told of, and heard, by multicast DNS (RFC 6762, RFC 6763).

What is heard is a claim of whoever is on the network: a name and an address. Whether it is the
board that one means, TLS and the secret one has for it decide.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from zeroconf import DNSQuestionType, IPVersion, ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from jackfield.endpoints import Endpoint, Transport
from jackfield.errors import Unreachable
from jackfield.net.interfaces import addresses
from jackfield.services.chat import words

KIND = "_jackfield._tcp.local."

MOST_HEARD = 50
"""Boards that are listened to: more than that is noise."""

ASKING = 1000
"""Milliseconds in which a board that was heard has to say where it is."""

QM = DNSQuestionType.QM
"""Answers are asked for by multicast (RFC 6762, section 5.4). One to us alone would go to any of
the programs here that have the port, such as another board or the system's own."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A board that was heard: what it calls itself, and where its chat is."""

    name: str
    endpoint: Endpoint


class Announcement:
    """Tells the network of a board, until `stop()`.

    endpoint: of its page, with the port. interfaces: addresses to tell it at; all when empty.
    """

    def __init__(self, name: str, endpoint: Endpoint, interfaces: Sequence[str] = ()) -> None:
        self._name = name
        self._endpoint = endpoint
        self._interfaces = list(interfaces)
        self._zeroconf: AsyncZeroconf | None = None

    async def start(self) -> None:
        """Begin to tell. Raises Unreachable where the network takes no multicast."""
        endpoint = self._endpoint
        hosts = self._interfaces or [
            str(one) for one in addresses() if one.version == 4 and not one.is_loopback
        ]
        if not endpoint.is_any:
            hosts = [endpoint.host]
        info = AsyncServiceInfo(
            KIND,
            f"{_label(self._name)}.{KIND}",
            addresses=[ipaddress.ip_address(host).packed for host in hosts],
            port=endpoint.port,
            properties={"name": self._name, "tls": "1" if endpoint.transport.uses_tls else "0"},
            server=f"{_label(self._name)}-{endpoint.port}.local.",
        )
        self._zeroconf = await _opened(self._interfaces)
        try:
            done = await self._zeroconf.async_register_service(info, allow_name_change=True)
            await done
        except Exception as error:
            await self.stop()
            raise Unreachable(f"the board cannot be told of on this network: {error}") from error

    async def stop(self) -> None:
        """Tell of it no more."""
        zeroconf, self._zeroconf = self._zeroconf, None
        if zeroconf is not None:
            await zeroconf.async_unregister_all_services()
            await zeroconf.async_close()


async def hear(seconds: float, interfaces: Sequence[str] = ()) -> list[Heard]:
    """Listen for boards so long; give those that were heard, by name.

    Raises Unreachable where the network takes no multicast.
    """
    names: dict[str, None] = {}

    def note(
        zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange
    ) -> None:
        del zeroconf, service_type
        if state_change is not ServiceStateChange.Removed and len(names) < MOST_HEARD:
            names[name] = None

    zeroconf = await _opened(list(interfaces))
    try:
        browser = AsyncServiceBrowser(zeroconf.zeroconf, KIND, handlers=[note], question_type=QM)
        await asyncio.sleep(seconds)
        await browser.async_cancel()
        found = await asyncio.gather(*(_heard(zeroconf, name) for name in names))
    finally:
        await zeroconf.async_close()
    return sorted((one for one in found if one is not None), key=lambda one: one.name)


async def _heard(zeroconf: AsyncZeroconf, name: str) -> Heard | None:
    info = AsyncServiceInfo(KIND, name)
    if not await info.async_request(zeroconf.zeroconf, ASKING, QM):
        return None
    hosts = info.parsed_addresses(IPVersion.V4Only)
    if not hosts or not info.port:
        return None
    properties: dict[str, Any] = info.decoded_properties
    transport = Transport.WSS if properties.get("tls") == "1" else Transport.WS
    called = words.clean(str(properties.get("name") or name.partition(".")[0]), lines=False)
    return Heard(called[:64], Endpoint(transport, hosts[0], info.port, resource="/chat"))


async def _opened(interfaces: list[str]) -> AsyncZeroconf:
    try:
        if interfaces:
            return AsyncZeroconf(interfaces=interfaces, ip_version=IPVersion.V4Only)
        return AsyncZeroconf(ip_version=IPVersion.V4Only)
    except Exception as error:  # whatever the system says of multicast
        raise Unreachable(f"this network takes no multicast: {error}") from error


def _label(name: str) -> str:
    """Make a label of a host's name of what a board is called."""
    plain = "".join(char if char.isalnum() and char.isascii() else "-" for char in name)
    return plain.strip("-")[:50] or "board"
