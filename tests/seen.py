"""A server that tells what goes on in it: its page over HTTP, and the bytes that pass."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import tempfile
from types import TracebackType
from typing import Any, Self, cast

from prometheus_client.parser import text_string_to_metric_families

from jackfield.endpoints import Endpoint
from jackfield.events import BytesReceived, BytesSent, Events
from jackfield.framing.raw import Raw
from jackfield.metrics import Metrics
from jackfield.net.connection import Connection
from jackfield.net.crossing import BlockingConnection
from jackfield.server import Server
from jackfield.service import Service
from jackfield.services.status import make
from tests.live import PATIENCE, Live

Counts = dict[tuple[str, ...], float]
"""Values by the metric's name, without what all begin with, and by the labels but `service`."""


def counts_of(page: str, service: str) -> Counts:
    """What a page of metrics says of a service, as Prometheus' own parser reads it."""
    return {
        (
            sample.name.removeprefix("jackfield_"),
            *(value for label, value in sorted(sample.labels.items()) if label != "service"),
        ): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.labels.get("service") == service
    }


class Seen(Live):
    """A running server, and beside it the one that tells of it."""

    def __enter__(self) -> Self:
        self.metrics = Metrics()
        self.metrics.follow(self.server)
        super().__enter__()
        self.page: Server[str] = Server(make(self.metrics, [self.server]), "tcp://127.0.0.1:0")
        self.wait_for(self.page.start())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.wait_for(self.page.stop(0))
        super().__exit__(kind, error, traceback)

    def get(self, target: str) -> str:
        status, _, body = asked(self.page.endpoints[0], "GET", target)
        assert status == 200
        return body

    def counts(self) -> Counts:
        return counts_of(self.get("/metrics"), self.server.service.name)

    def count(self, *key: str) -> float:
        return self.counts().get(key, 0)

    def peers(self) -> list[dict[str, Any]]:
        return cast("list[dict[str, Any]]", json.loads(self.get("/connections")))

    def states(self) -> list[str]:
        return [one["state"] for one in self.peers()]


def asked(endpoint: Endpoint, method: str, target: str) -> tuple[int, dict[str, str], str]:
    """One request by the standard library's own client: status, fields and body."""
    client = http.client.HTTPConnection(endpoint.host, endpoint.port, PATIENCE)
    try:
        client.request(method, target)
        answer = client.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode()
    finally:
        client.close()


class Bytes:
    """Keeps what is told of bytes, by the number of the connection."""

    def __init__(self) -> None:
        self.events = Events()
        self.received: dict[int, list[bytes]] = {}
        self.sent: dict[int, list[bytes]] = {}
        self.events.subscribe(BytesReceived, lambda e: self._add(self.received, e))
        self.events.subscribe(BytesSent, lambda e: self._add(self.sent, e))

    def _add(self, to: dict[int, list[bytes]], event: BytesReceived | BytesSent) -> None:
        to.setdefault(event.number, []).append(event.data)


FILE = bytes(range(256)) * 700


async def sends_all_ways(conn: Connection[bytes]) -> None:
    """Send a chunk, a file and messages: in one write, and in one each."""
    await conn.receive()
    await conn.send_chunk(b"chunk")
    with tempfile.TemporaryFile() as file:
        file.write(FILE)
        file.flush()
        await conn.send_file(file, 3)
    await conn.send(b"one")
    await conn.send(b"two")


def sends_all_ways_blocking(conn: BlockingConnection[bytes]) -> None:
    """The same, with blocking methods."""
    conn.receive()
    conn.send_chunk(b"chunk")
    with tempfile.TemporaryFile() as file:
        file.write(FILE)
        file.flush()
        conn.send_file(file, 3)
    conn.send(b"one")
    conn.send(b"two")


ALL_WAYS = b"chunk" + FILE[3:] + b"onetwo"

all_ways = Service("ways", sends_all_ways, Raw())
all_ways_blocking = Service("ways", sends_all_ways_blocking, Raw())


async def held(conn: Connection[str]) -> None:
    """Be at work, until there is a file."""
    path = await conn.receive()
    while not os.access(path, os.F_OK):  # noqa: ASYNC110  the test makes it
        await asyncio.sleep(0.005)
    await conn.send("done")
    await conn.receive()
