"""Counters of what happens in servers, in the text format of Prometheus, version 0.0.4.

https://prometheus.io/docs/instrumenting/exposition_formats/

All names begin with `jackfield_`, but those of the process, which are the usual ones. Label
`service` names the service. What connections have moved counts while they are there, too.
"""

from __future__ import annotations

import contextlib
import mmap
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from jackfield.errors import ConfigurationError
from jackfield.events import (
    AcceptPaused,
    ChildLost,
    ConnectionEnded,
    ConnectionOpened,
    DatagramsDropped,
    Event,
    Events,
    HandlerFailed,
    Refused,
    Reloaded,
    StoreChanged,
    Warned,
    WorkerLost,
)
from jackfield.models.running import ConnectionStatus
from jackfield.net import files
from jackfield.service import Service

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = tuple[tuple[str, str], ...]

Moved = tuple[int, int, int, int]
"""Bytes received and sent, messages received and sent."""

_MOVED = (
    "received_bytes_total",
    "sent_bytes_total",
    "received_messages_total",
    "sent_messages_total",
)

_HELP = {
    "connections_opened_total": "Connections that were accepted, by transport.",
    "connections_refused_total": "Peers turned away, by the limit they passed, if it was one.",
    "handlers_failed_total": "Handlers that raised an error.",
    "processes_lost_total": "Processes that died with a connection in them.",
    "workers_lost_total": "Workers that died, and were replaced.",
    "datagrams_dropped_total": "Datagrams lost on this side, by reason.",
    "accept_pauses_total": "Times that nobody could be accepted, for want of descriptors, say.",
    "reloads_total": "Times that certificates and configuration were read anew.",
    "store_changes_total": "Times that a board's store came to be otherwise, by its new state.",
    "warnings_total": "Warnings to the operator.",
    "received_bytes_total": "Bytes that peers have sent, TLS included.",
    "sent_bytes_total": "Bytes sent to peers, TLS included.",
    "received_messages_total": "Messages that handlers were given.",
    "sent_messages_total": "Messages that handlers have sent.",
}
"""The counters, each with what it counts."""


class Served(Protocol):
    """A server, of one process or of several workers."""

    service: Service[Any]
    events: Events

    @property
    def connections(self) -> int:
        """Connections now."""

    async def status(self) -> list[ConnectionStatus]:
        """Say who is connected."""


class Metrics:
    """Counts for one or several servers. What it counts never goes back.

    Of each connection that is there it keeps what that had moved when last asked: with its
    process or worker lost, nobody else knows.
    """

    def __init__(self) -> None:
        self._counts: dict[str, Counter[Labels]] = {name: Counter() for name in _HELP}
        self._servers: list[tuple[Served, dict[int, Moved]]] = []
        self._began = time.time()

    def follow(self, server: Served) -> None:
        """Count what happens in a server from now on; before it starts."""
        service = ("service", server.service.name)
        for name in _HELP:
            if name not in _LABELLED:
                # so that a rate can be taken from the start; for Prometheus "" is no label
                limit = (("limit", ""),) if name == "connections_refused_total" else ()
                self._counts[name][service, *limit] += 0

        live: dict[int, Moved] = {}

        def count(event: Event) -> None:
            self._count(event, service, live)

        self._servers.append((server, live))
        server.events.subscribe(Event, count)

    def _count(self, event: Event, service: tuple[str, str], live: dict[int, Moved]) -> None:
        counts = self._counts
        if isinstance(event, ConnectionOpened):
            transport = str(event.endpoint.transport)
            counts["connections_opened_total"][service, ("transport", transport)] += 1
            live[event.number] = 0, 0, 0, 0
        elif isinstance(event, ConnectionEnded):
            moved = _later(_moved(event), live.pop(event.number, (0, 0, 0, 0)))
            for name, amount in zip(_MOVED, moved, strict=True):
                counts[name][service,] += amount
        elif isinstance(event, DatagramsDropped):
            counts["datagrams_dropped_total"][service, ("reason", event.reason)] += event.count
        elif isinstance(event, StoreChanged):
            counts["store_changes_total"][service, ("state", event.state)] += 1
        elif isinstance(event, Refused):
            counts["connections_refused_total"][service, ("limit", event.limit)] += 1
        elif type(event) in _SIMPLE:
            counts[_SIMPLE[type(event)]][service,] += 1

    async def page(self) -> str:
        """Give all of it."""
        for server, live in self._servers:
            for one in await server.status():
                if one.number in live:  # or it is over by now
                    live[one.number] = _later(_moved(one), live[one.number])
        counts = {name: Counter(found) for name, found in self._counts.items()}
        connections: Counter[Labels] = Counter()
        for server, live in self._servers:
            service: Labels = (("service", server.service.name),)
            connections[service] += server.connections
            for moved in live.values():
                for name, amount in zip(_MOVED, moved, strict=True):
                    counts[name][service] += amount
        lines = list(_metric("jackfield_connections", "gauge", "Connections now.", connections))
        for name, what in _HELP.items():
            lines += _metric(f"jackfield_{name}", "counter", what, counts[name])
        for name, kind, what, value in self._process():
            lines += _metric(name, kind, what, {(): value})
        return "\n".join(lines) + "\n"

    def _process(self) -> Iterator[tuple[str, str, str, float]]:
        yield (
            "process_cpu_seconds_total",
            "counter",
            "Processor time of the server's own process, in seconds.",
            time.process_time(),
        )
        yield (
            "process_start_time_seconds",
            "gauge",
            "When the server began, in seconds since 1970.",
            self._began,
        )
        with contextlib.suppress(ConfigurationError):  # no /proc, or no descriptor to read it
            pages = int(files.read("/proc/self/statm", 1024).split()[1])
            yield (
                "process_resident_memory_bytes",
                "gauge",
                "Memory of the server's own process.",
                pages * mmap.PAGESIZE,
            )
            count = files.count_in("/proc/self/fd")
            yield "process_open_fds", "gauge", "Descriptors that it has open.", count


_LABELLED = frozenset(
    {"connections_opened_total", "datagrams_dropped_total", "store_changes_total"}
)
"""Counters that begin with the first event of a label: nobody knows all labels ahead."""

_SIMPLE: dict[type[Event], str] = {
    HandlerFailed: "handlers_failed_total",
    ChildLost: "processes_lost_total",
    WorkerLost: "workers_lost_total",
    AcceptPaused: "accept_pauses_total",
    Reloaded: "reloads_total",
    Warned: "warnings_total",
}


def _moved(one: ConnectionEnded | ConnectionStatus) -> Moved:
    return one.bytes_received, one.bytes_sent, one.messages_received, one.messages_sent


def _later(one: Moved, other: Moved) -> Moved:
    """Give the later of two states of one connection, which reports may tell in any order."""
    received, sent, messages_received, messages_sent = map(max, one, other)
    return received, sent, messages_received, messages_sent


def _metric(
    name: str, kind: str, what: str, values: dict[Labels, float] | Counter[Labels]
) -> Iterable[str]:
    yield f"# HELP {name} {what}"
    yield f"# TYPE {name} {kind}"
    for labels, value in values.items():
        text = ",".join(f'{label}="{_escaped(content)}"' for label, content in labels)
        yield f"{name}{{{text}}} {value}" if text else f"{name} {value}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
