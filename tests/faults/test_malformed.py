"""Broken and odd requests: each gets the answer it is to get, no other, and in time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from jackfield.events import HandlerFailed
from jackfield.framing.http import END, HTTP, HTTPError, Request
from jackfield.http.exchange import Exchange, serve
from jackfield.net.connection import Connection
from jackfield.service import Service
from jackfield.services.web import LIMITS
from jackfield.services.web.site import Shown, Site, Visit
from tests.faults.malformed import GROUPS, ROWS, SMUGGLED, Row
from tests.live import Live, Peer

LAST = b"GET /last.txt HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A folder, and a POST that gets its body back; one server for all."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "a.txt").write_text("alpha")
    (folder / "smuggled").write_text("SMUGGLED")
    (folder / "last.txt").write_text("the last one")
    (folder / "d").mkdir()
    (folder / "d" / "b.txt").write_text("beta")
    site = Site(Shown(str(folder)))

    async def handler(conn: Connection[Any]) -> None:
        visit = Visit(site, is_local=True)

        async def answer(exchange: Exchange) -> None:
            if exchange.request.method == "POST":
                await exchange.respond(200, await exchange.read())
            else:
                await visit.answer(exchange)

        await serve(conn, answer)

    service = Service("web", handler, HTTP(), LIMITS)
    with Live(service, "tcp://127.0.0.1:0") as running:
        yield running
    assert running.of(HandlerFailed) == []


def taken_apart(data: bytes, *, is_head: bool) -> list[tuple[int, bytes]]:
    """The answers in what a server has sent, and their bodies; fails for anything besides."""
    found: list[tuple[int, bytes]] = []
    while data:
        head, empty, data = data.partition(b"\r\n\r\n")
        first, *lines = head.split(b"\r\n")
        assert empty
        assert first.startswith(b"HTTP/1.1 "), first
        status = int(first.split()[1])
        fields = {
            name.lower(): value for name, _, value in (line.partition(b": ") for line in lines)
        }
        without = (is_head and not found) or status in {100, 204, 304}
        size = 0 if without else int(fields[b"content-length"])
        assert len(data) >= size
        found.append((status, data[:size]))
        data = data[size:]
    return found


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_over_a_socket(live: Live, row: Row) -> None:
    with Peer(live.endpoints[0]) as peer:
        peer.sock.sendall(row.data + (LAST if row.then == "open" else b""))
        if row.then == "at the end":
            peer.sock.shutdown(1)
        came = peer.rest()
    answers = taken_apart(came, is_head=row.data.startswith(b"HEAD"))
    if row.then == "open":
        assert answers.pop() == (200, b"the last one")
    assert tuple(status for status, _ in answers) == row.answers
    assert all(body != b"SMUGGLED" for _, body in answers)


def verdict(data: bytes, *places: int) -> list[str]:
    """What comes of some bytes that arrive in pieces, cut at these places."""
    decoder = HTTP().decoder()
    found: list[str] = []
    body = b""
    for start, end in zip((0, *places), (*places, len(data)), strict=True):
        for message in decoder.feed(data[start:end]):
            if isinstance(message, bytes):
                body += message
            else:
                found.append(told(message) if message is not END else f"{body!r} END")
                body = b"" if message is END else body
    decoder.finish()
    return [*found, repr(decoder.error), repr(body) if decoder.error is None else ""]


def told(request: Request) -> str:
    """All there is to a request."""
    names = Request.__slots__
    return " ".join(f"{name}={getattr(request, name)!r}" for name in names)


@pytest.mark.parametrize("group", GROUPS)
def test_the_same_however_it_is_cut(group: str) -> None:
    for row in GROUPS[group]:
        data = row.data
        whole = verdict(data)
        places = range(1, len(data)) if len(data) < 400 else range(7, len(data), len(data) // 29)
        for place in places:
            assert verdict(data, place) == whole, (row.name, place)
        if len(data) < 10_000:
            assert verdict(data, *range(1, len(data))) == whole, row.name


def test_the_table_has_what_it_is_to_have() -> None:
    """Each status that answers a broken request, each kind of end, and names that differ."""
    assert len({row.name for row in ROWS}) == len(ROWS) >= 150
    statuses = {status for row in ROWS for status in row.answers}
    assert statuses >= {400, 405, 412, 413, 414, 416, 417, 421, 431, 501, 505}
    assert not any(status in {500, 502, 503} for status in statuses)
    hiding = [row for row in GROUPS["pair"] if SMUGGLED in row.data and row.then == "closed"]
    assert len(hiding) > 50


def test_errors_say_by_what_status_to_answer() -> None:
    decoder = HTTP().decoder()
    decoder.feed(b"GET / HTTP/1.1\r\n\r\n")
    error = decoder.error
    assert isinstance(error, HTTPError)
    assert (error.status, str(error)) == (400, "400 Bad Request: there is no Host field")
