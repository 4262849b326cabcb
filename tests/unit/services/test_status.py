from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from jackfield.events import ConnectionEnded, Event, Events, HandlerFailed, Refused
from jackfield.metrics import CONTENT_TYPE, Metrics
from jackfield.models.running import ConnectionStatus
from jackfield.server import Server
from jackfield.services.status import LIMITS, LONGEST_LINE, MOST_LINES, make
from tests import handlers
from tests.live import Live, Peer, until
from tests.seen import Seen, asked, counts_of

TCP = "tcp://127.0.0.1:0"


@pytest.fixture(scope="module")
def seen() -> Iterator[Seen]:
    with Seen(handlers.native, TCP) as seen:
        yield seen


def said(seen: Seen, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """What is answered to these very bytes: the status, the fields and the body."""
    with Peer(seen.page.endpoints[0]) as peer:
        peer.sock.sendall(request)
        head, _, body = peer.rest().partition(b"\r\n\r\n")
    first, *fields = head.decode().split("\r\n")
    version, status, _ = first.split(" ", 2)
    assert version == "HTTP/1.1"
    found = dict(field.split(": ", 1) for field in fields)
    assert found["Connection"] == "close"
    assert found["Cache-Control"] == "no-store"
    return int(status), found, body


def test_the_counters_are_what_prometheus_reads(seen: Seen) -> None:
    status, fields, body = asked(seen.page.endpoints[0], "GET", "/metrics")
    assert (status, fields["Content-Type"]) == (200, CONTENT_TYPE)
    assert int(fields["Content-Length"]) == len(body.encode())
    assert counts_of(body, "obey")["connections",] == 0


def test_who_is_connected(seen: Seen) -> None:
    assert seen.peers() == []
    with seen.connect() as one, seen.connect() as other:
        assert one.ask("echo 字") == "字"
        assert other.ask("echo") == ""
        first, second = seen.peers()
        status, fields, body = asked(seen.page.endpoints[0], "GET", "/connections?now")
        assert (status, fields["Content-Type"]) == (200, "application/json")
        assert json.loads(body) == [first, second]
        assert {first["peer"], second["peer"]} == {one.name, other.name}
        assert abs(first.pop("since") - time.time()) < 60
        assert first == {
            "service": "obey",
            "number": first["number"],
            "endpoint": str(seen.endpoints[0]),
            "peer": one.name,
            "state": "waiting",
            "bytes_received": len("echo 字\n".encode()),
            "bytes_sent": len("字\n".encode()),
            "messages_received": 1,
            "messages_sent": 1,
            "unsent": 0,
        }
    until(lambda: not seen.peers())


def test_the_root_says_what_there_is(seen: Seen) -> None:
    status, _, body = asked(seen.page.endpoints[0], "GET", "/")
    assert (status, body) == (200, "GET /metrics or /connections\n")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /metrics HTTP/1.0\r\n\r\n", 200),
        (b"GET /metrics HTTP/1.1\n\n", 200),
        (b"GET /metrics?a=b HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
        (b"GET /metrics/ HTTP/1.1\r\n\r\n", 404),
        (b"GET /../etc/passwd HTTP/1.1\r\n\r\n", 404),
        (b"GET  HTTP/1.1\r\n\r\n", 404),
        (b"GET /metrics\r\n\r\n", 400),
        (b"GET /metrics HTTP/2\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1 \xff\xfe\0\r\n\r\n", 200),
        (b"\r\n\r\n", 400),
        (b"\0\xff\xfe\r\n\r\n", 400),
        (b"hello\n\n", 400),
    ],
)
def test_whatever_is_asked_is_answered(seen: Seen, request_: bytes, status: int) -> None:
    found, fields, body = said(seen, request_)
    assert found == status
    assert int(fields["Content-Length"]) == len(body)
    if status != 200:
        assert body.startswith(f"{status} ".encode())


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "get", "OPTIONS"])
def test_a_method_that_there_is_not(seen: Seen, method: str) -> None:
    status, fields, body = said(seen, f"{method} /metrics HTTP/1.1\r\n\r\n".encode())
    assert (status, fields["Allow"]) == (405, "GET, HEAD")
    assert body == b"405 Method Not Allowed\n"


def test_a_request_with_a_body_is_answered_too(seen: Seen) -> None:
    head = b"POST / HTTP/1.1\r\nContent-Length: 100000\r\n\r\n"
    assert said(seen, head + b"x" * 100_000)[0] == 405


@pytest.mark.parametrize("target", ["/metrics", "/connections", "/", "/nowhere"])
def test_head_is_get_without_the_body(seen: Seen, target: str) -> None:
    status, fields, _ = said(seen, f"GET {target} HTTP/1.1\r\n\r\n".encode())
    found, others, body = said(seen, f"HEAD {target} HTTP/1.1\r\n\r\n".encode())
    assert found == status
    assert body == b""
    assert fields.keys() == others.keys()
    assert fields["Content-Type"] == others["Content-Type"]
    assert int(others["Content-Length"]) > 0


def test_lines_up_to_their_bounds(seen: Seen) -> None:
    request = b"GET / HTTP/1.1\r\n"
    most = b"a: b\r\n" * (MOST_LINES - 1)
    assert said(seen, request + most + b"\r\n")[0] == 200
    assert said(seen, request + most + b"c: d\r\n\r\n")[0] == 431
    longest = b"x" * LONGEST_LINE
    assert said(seen, request + longest + b"\r\n\r\n")[0] == 200
    assert said(seen, request + longest + b"y\r\n\r\n")[0] == 431
    assert said(seen, b"GET /" + longest + b" HTTP/1.1\r\n\r\n")[0] == 414
    assert said(seen, b"x" * 1_000_000)[0] == 414


def test_a_peer_that_goes_away_is_nobodys_fault(seen: Seen) -> None:
    told: list[Event] = []
    seen.page.events.subscribe(Event, told.append)
    names = set()
    for request in (b"", b"GET /", b"GET / HTTP/1.1\r\nHost:"):
        with Peer(seen.page.endpoints[0]) as peer:
            names.add(peer.name)
            peer.sock.sendall(request)
    until(lambda: names <= {event.peer for event in told if isinstance(event, ConnectionEnded)})
    assert not [event for event in told if isinstance(event, HandlerFailed)]


@pytest.mark.some(1)
@pytest.mark.parametrize("request_", [b"", b"GET /metrics HTTP/1.1\r\n", b"GET"])
def test_one_that_does_not_finish_its_request_is_ended_by_the_limits(request_: bytes) -> None:
    metrics, server = Metrics(), Server(handlers.native, TCP)
    metrics.follow(server)
    short = replace(LIMITS, first_message=0.1, idle=0.1, message_time=0.1)
    with (
        Live(make(metrics, [server]), TCP, limits=short, events=Events()) as live,
        live.connect() as peer,
    ):
        peer.sock.sendall(request_)
        assert b"HTTP" not in peer.rest()
        assert live.await_event(Refused).limit in {"first_message", "idle", "message_time"}
    assert LIMITS.first_message == LIMITS.idle == LIMITS.message_time == 10


class Crowded:
    """A server with more connections than anybody's page has room for in a socket's buffer."""

    service = handlers.native
    connections = 25_000

    def __init__(self) -> None:
        self.events = Events()

    async def status(self) -> list[ConnectionStatus]:
        one = ConnectionStatus(1, TCP, TCP, 0.0, "waiting", 0, 0, 0, 0, 0)
        return [one] * self.connections


@pytest.mark.long
def test_a_long_page_arrives_and_who_does_not_take_it_is_ended() -> None:
    metrics, server = Metrics(), Crowded()
    metrics.follow(server)
    short = replace(LIMITS, write_time=0.3)
    with Live(make(metrics, [server]), TCP, limits=short) as live:
        _, _, body = asked(live.endpoints[0], "GET", "/connections")
        assert len(json.loads(body)) == Crowded.connections
        with live.connect() as peer:
            peer.sock.sendall(b"GET /connections HTTP/1.1\r\n\r\n")
            assert live.await_event(Refused).limit == "write_time"
        live.await_events(ConnectionEnded, 2)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:9100", 200),
        ("localhost:9100", 200),
        ("[::1]:9100", 200),
        ("evil.example", 421),
        ("evil.example:9100", 421),
    ],
)
def test_a_page_elsewhere_that_claims_to_be_here_is_told_nothing(host: str, status: int) -> None:
    """DNS rebinding: a browser asks for another name, which means this machine."""
    asked = f"GET /connections HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    with Live(handlers.native, "tcp://127.0.0.1:0") as live:
        page = make(Metrics(), [live.server])
        with Live(page, "tcp://127.0.0.1:0") as asking, asking.connect() as peer:
            peer.sock.sendall(asked)
            assert peer.rest().split()[1] == str(status).encode()
