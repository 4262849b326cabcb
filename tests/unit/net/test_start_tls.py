"""TLS that begins in the middle of a connection, on either side, by each face and each model."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from typing import Any

import pytest

from jackfield.client import connect
from jackfield.errors import (
    ConcurrencyError,
    ConnectionClosed,
    ConnectTimeout,
    EndOfStream,
    LocalProtocolError,
    PeerLost,
    RemoteProtocolError,
    TLSError,
)
from jackfield.events import BytesReceived, Events
from jackfield.framing import lines
from jackfield.framing.raw import Raw
from jackfield.limits import Limits
from jackfield.net.watching import Watcher
from jackfield.tls import client_context
from tests.live import PATIENCE
from tests.unit.net.wires import FaceName, Kind, Peer, Wire, Wires, read, rest, spawn, until

Contexts = tuple[ssl.SSLContext, ssl.SSLContext]

CLEAR: list[Kind] = ["tcp", "unix", "memory"]
"""What has no TLS of its own."""

HOST = "127.0.0.1"


class Secured:
    """TLS by hand on top of any other end."""

    def __init__(
        self, peer: Peer, context: ssl.SSLContext, host: str | None, first: bytes = b""
    ) -> None:
        """Shake hands; `first` goes in the clear before, in the same write."""
        self.peer = peer
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(
            self._in, self._out, server_side=host is None, server_hostname=host
        )
        while True:
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                first += self._out.read()
                if first:
                    peer.send(first)
                first = b""
                self._fill()
        peer.send(self._out.read() or b"")

    def _fill(self) -> None:
        data = self.peer.recv()
        if data:
            self._in.write(data)
        else:
            self._in.write_eof()

    def send(self, data: bytes) -> None:
        self.tls.write(data)
        self.peer.send(self._out.read())

    def recv(self, size: int = 65536) -> bytes:
        while True:
            try:
                return self.tls.read(size)
            except ssl.SSLWantReadError:
                self._fill()
            except ssl.SSLZeroReturnError:
                return b""

    def eof(self) -> None:
        with contextlib.suppress(ssl.SSLError):
            self.tls.unwrap()
        self.peer.send(self._out.read())
        self.peer.eof()

    def close(self) -> None:
        self.peer.close()

    def reset(self) -> None:
        self.peer.reset()


def hello(context: ssl.SSLContext) -> bytes:
    """The first bytes of a client."""
    out = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=HOST)
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return out.read()


def asked(wire: Wire, more: bytes = b"") -> None:
    """Have the peer ask for TLS, and `more` come in the same write."""
    wire.peer.send(b"starttls\n" + more)
    assert wire.conn.receive() == "starttls"


def nothing_more(wire: Wire) -> None:
    """Nothing can be received, and nothing be sent."""
    with pytest.raises(ConnectionClosed):
        wire.conn.receive()
    with pytest.raises(ConnectionClosed):
        wire.conn.send("x")


@pytest.mark.parametrize("kind", CLEAR)
@pytest.mark.parametrize("accepted", [True, False], ids=["server", "client"])
def test_it_goes_on_with_tls(
    wires: Wires, contexts: Contexts, kind: Kind, face: FaceName, accepted: bool
) -> None:
    """What is said before goes in the clear; afterwards each side ends by itself, as over TLS."""
    wire = wires.open(kind, face, accepted=accepted)
    wire.peer.send(b"before\n")
    assert wire.conn.receive() == "before"
    wire.conn.send("go")
    assert wire.conn.core.tls is None
    ours, theirs = contexts if accepted else contexts[::-1]
    starting = wire.conn.begin("start_tls", ours, None if accepted else HOST)
    assert read(wire.peer, 3) == b"go\n"
    peer = Secured(wire.peer, theirs, HOST if accepted else None)
    assert starting.result(PATIENCE) is None
    assert wire.core.tls.version == "TLSv1.3"
    wire.conn.send("inside")
    assert read(peer, 7) == b"inside\n"
    peer.send(b"hello\n" + b"more\n" * 5000)
    assert wire.conn.take(5001) == ["hello"] + ["more"] * 5000
    wire.conn.do("send_eof")
    assert rest(peer) == b""
    peer.send(b"last\n")
    peer.eof()
    assert wire.conn.rest() == ["last"]
    wire.conn.do("close")
    wire.until_over()


@pytest.mark.parametrize("kind", CLEAR)
def test_a_hello_may_come_with_the_last_words_in_the_clear(
    wires: Wires, contexts: Contexts, kind: Kind, face: FaceName
) -> None:
    """The framing has seen it by then, for which it is no text; that is forgotten."""
    wire = wires.open(kind, face)
    starting = wire.conn.begin("receive")
    peer: list[Secured] = []
    shaking = spawn(lambda: peer.append(Secured(wire.peer, contexts[1], HOST, b"starttls\n")))
    assert starting.result(PATIENCE) == "starttls"
    wire.conn.do("start_tls", contexts[0])
    shaking.result(PATIENCE)
    peer[0].send(b"inside\n")
    assert wire.conn.receive() == "inside"
    assert wire.core.messages_received == 2


@pytest.mark.parametrize(
    "more",
    [b"evil\n", b"evil\n" * 500, b"evil", b"\n", b"\x16evil\n", b"\x00"],
    ids=["line", "lines", "half", "empty", "tls-like", "nul"],
)
@pytest.mark.parametrize("and_hello", [False, True])
def test_plain_words_behind_the_last_message_are_refused(
    wires: Wires, contexts: Contexts, face: FaceName, more: bytes, and_hello: bool
) -> None:
    """Whoever stands in between cannot put words before what the peer says by TLS (RFC 3207)."""
    wire = wires.open("tcp", face)
    asked(wire, more + (hello(contexts[1]) if and_hello else b"evil" * 5))
    with pytest.raises(TLSError):
        wire.conn.do("start_tls", contexts[0])
    nothing_more(wire)
    wire.peer.eof()
    wire.until_over()


@pytest.mark.parametrize("later", [b"evil\n", b"GET / HTTP/1.0\r\n\r\n"])
def test_plain_words_in_place_of_a_hello_are_refused(
    wires: Wires, contexts: Contexts, face: FaceName, later: bytes
) -> None:
    wire = wires.open("tcp", face)
    asked(wire)
    starting = wire.conn.begin("start_tls", contexts[0])
    until(lambda: wire.core.tls_layer is not None)
    wire.peer.send(later)
    with pytest.raises(TLSError, match=r"^the other side does not speak TLS; "):
        starting.result(PATIENCE)
    assert wire.core.reason.startswith("the other side does not speak TLS")
    nothing_more(wire)
    wire.peer.eof()
    wire.until_over()


def test_tls_begins_once(wires: Wires, contexts: Contexts, face: FaceName) -> None:
    wire = wires.open("tcp", face)
    asked(wire)
    starting = wire.conn.begin("start_tls", contexts[0])
    peer = Secured(wire.peer, contexts[1], HOST)
    starting.result(PATIENCE)
    with pytest.raises(LocalProtocolError, match=r"^this connection speaks TLS already$"):
        wire.conn.do("start_tls", contexts[0])
    peer.send(b"it goes on\n")
    assert wire.conn.receive() == "it goes on"
    wire = wires.open("tls", face)
    with pytest.raises(LocalProtocolError, match=r"^this connection speaks TLS already$"):
        wire.conn.do("start_tls", contexts[0])


def test_it_needs_a_stream(contexts: Contexts) -> None:
    with connect("udp://127.0.0.1:9", lines()) as conn, pytest.raises(LocalProtocolError) as caught:
        conn.start_tls(contexts[1], HOST)
    assert str(caught.value) == "start_tls() needs a stream, and udp keeps messages"


@pytest.mark.parametrize("accepted", [True, False], ids=["server", "client"])
def test_settings_of_the_other_side_change_nothing(
    wires: Wires, contexts: Contexts, face: FaceName, accepted: bool
) -> None:
    wire = wires.open("tcp", face, accepted=accepted)
    context, host = (contexts[0], HOST) if accepted else (contexts[1], None)
    with pytest.raises(LocalProtocolError, match=r"^TLS cannot begin with these settings: a cl"):
        wire.conn.do("start_tls", context, host)
    wire.peer.send(b"still in the clear\n")
    assert wire.conn.receive() == "still in the clear"


def test_not_after_the_peer_has_ended(wires: Wires, contexts: Contexts, face: FaceName) -> None:
    wire = wires.open("tcp", face)
    wire.peer.send(b"starttls\n")
    wire.peer.eof()
    assert wire.conn.receive() == "starttls"
    with pytest.raises(EndOfStream):
        wire.conn.receive()
    with pytest.raises(PeerLost, match=r"^the peer has ended its side, so no TLS can begin$"):
        wire.conn.do("start_tls", contexts[0])
    wire.until_over()


def test_not_after_this_side_has(wires: Wires, contexts: Contexts, face: FaceName) -> None:
    wire = wires.open("tcp", face)
    wire.conn.do("send_eof")
    with pytest.raises(ConnectionClosed):
        wire.conn.do("start_tls", contexts[0])


@pytest.mark.parametrize(("size", "known"), [(0, False), (1, True), (100, False), (100, True)])
def test_a_peer_that_ends_before_or_within_its_hello(
    wires: Wires, contexts: Contexts, face: FaceName, size: int, known: bool
) -> None:
    """It is known at once, not when time is up; whether or not the end has been read before."""
    wire = wires.open("tcp", face)
    wire.peer.send(b"starttls\n" + hello(contexts[1])[:size])
    wire.peer.eof()
    assert wire.conn.receive() == "starttls"
    if known:
        with pytest.raises(RemoteProtocolError):
            wire.conn.receive()
    words = r"^the other side closed the connection during the TLS handshake$"
    if not size:  # the end may have been read already
        words += "|^the peer has ended its side, so no TLS can begin$"
    with pytest.raises((TLSError, PeerLost), match=words):
        wire.conn.do("start_tls", contexts[0])
    wire.until_over()


def test_a_silent_peer_has_until_the_deadline(
    wires: Wires, contexts: Contexts, face: FaceName
) -> None:
    wire = wires.open("tcp", face, limits=Limits(handshake=0.01))
    asked(wire)
    with pytest.raises(ConnectTimeout, match=r"^no TLS handshake within 0\.01 s$"):
        wire.conn.do("start_tls", contexts[0])
    assert wire.core.reason == "no TLS handshake within 0.01 s"
    assert rest(wire.peer) == b""
    wire.peer.close()
    wire.until_over()


def test_a_certificate_of_nobody_we_know(wires: Wires, contexts: Contexts, face: FaceName) -> None:
    wire = wires.open("tcp", face, accepted=False)
    starting = wire.conn.begin("start_tls", client_context(), HOST)
    with pytest.raises(ssl.SSLError):
        Secured(wire.peer, contexts[0], None).recv()
    with pytest.raises(TLSError, match=r"^the certificate of 127\.0\.0\.1 cannot be trusted: "):
        starting.result(PATIENCE)


def test_not_while_somebody_receives(wires: Wires, contexts: Contexts) -> None:
    wire = wires.open("tcp")
    waiting = wire.conn.begin_receive()
    with pytest.raises(ConcurrencyError):
        wire.conn.do("start_tls", contexts[0])
    wire.peer.send(b"for who waits\n")
    assert waiting.result(PATIENCE) == "for who waits"


@pytest.mark.parametrize("kind", CLEAR)
def test_what_lags_goes_in_the_clear_first(
    wires: Wires, contexts: Contexts, kind: Kind, face: FaceName
) -> None:
    wire = wires.open(kind, face, Raw(3_000_000), buffer=30_000)
    sending = wire.conn.begin("send", b"x" * 3_000_000)
    until(lambda: wire.core.unsent)
    starting = wire.conn.begin("start_tls", contexts[0])
    wire.io.turn()
    assert wire.core.tls is None
    assert read(wire.peer, 3_000_000) == b"x" * 3_000_000
    sending.result(PATIENCE)
    peer = Secured(wire.peer, contexts[1], HOST)
    starting.result(PATIENCE)
    wire.conn.send(b"inside")
    assert read(peer, 6) == b"inside"


def test_what_others_send_meanwhile_goes_by_tls(wires: Wires, contexts: Contexts) -> None:
    """A room, say, which speaks whenever somebody else does."""
    wire = wires.open("tcp")
    asked(wire)
    starting = wire.conn.begin("start_tls", contexts[0])
    until(lambda: wire.core.tls_layer is not None)
    assert wire.call(lambda core: core.post("from a room"))
    wire.conn.send("from a task")
    wire.io.turn()
    peer = Secured(wire.peer, contexts[1], HOST)
    starting.result(PATIENCE)
    assert read(peer, 24) == b"from a room\nfrom a task\n"
    ending = wire.conn.begin("send_eof")
    assert rest(peer) == b""
    ending.result(PATIENCE)


def test_an_end_that_another_task_wants_meanwhile_is_one_of_tls(
    wires: Wires, contexts: Contexts
) -> None:
    wire = wires.open("tcp")
    asked(wire)
    starting = wire.conn.begin("start_tls", contexts[0])
    until(lambda: wire.core.tls_layer is not None)
    ending = wire.conn.begin("send_eof")
    wire.io.turn()
    peer = Secured(wire.peer, contexts[1], HOST)
    starting.result(PATIENCE)
    ending.result(PATIENCE)
    assert rest(peer) == b""
    peer.send(b"and yet\n")
    assert wire.conn.receive() == "and yet"


def test_what_others_send_is_dropped_when_it_fails(wires: Wires, contexts: Contexts) -> None:
    """It was meant for TLS: nothing of it may go in the clear."""
    wire = wires.open("tcp")
    asked(wire)
    starting = wire.conn.begin("start_tls", contexts[0])
    until(lambda: wire.core.tls_layer is not None)
    assert wire.call(lambda core: core.post("a secret"))
    wire.peer.send(b"no TLS\n")
    with pytest.raises(TLSError):
        starting.result(PATIENCE)
    wire.peer.eof()
    assert b"secret" not in rest(wire.peer)
    wire.until_over()


@pytest.mark.parametrize("how", ["abort", "close_soon", "end_input", "drain"])
def test_an_end_meanwhile_is_told(
    wires: Wires, contexts: Contexts, face: FaceName, how: str
) -> None:
    wire = wires.open("tcp", face, limits=Limits(linger_time=0.01))
    asked(wire)
    starting = wire.conn.begin("start_tls", contexts[0])
    until(lambda: wire.core.tls_layer is not None)
    wire.call(lambda core: getattr(core, how)())
    with pytest.raises(TLSError, match=r"this side stops|was closed during the TLS handshake"):
        starting.result(PATIENCE)
    wire.until_over()


def test_one_that_is_cancelled_leaves_no_clear_text(wires: Wires, contexts: Contexts) -> None:
    """The handshake goes on, and what is sent waits for it."""
    wire = wires.open("tcp")
    asked(wire)

    async def impatient() -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0):
                await wire.core.start_tls(contexts[0])
        await wire.core.send("after")

    wire.io.run(impatient())
    peer = Secured(wire.peer, contexts[1], HOST)
    assert read(peer, 6) == b"after\n"


def test_what_was_agreed_is_known_once_it_is(wires: Wires, contexts: Contexts) -> None:
    """And not before: whoever asks meanwhile, from whichever thread, is told None."""
    wire = wires.open("tcp", "blocking")
    asked(wire)
    starting = wire.conn.begin("start_tls", contexts[0])
    until(lambda: wire.core.tls_layer is not None)
    assert wire.conn.conn.tls is None
    Secured(wire.peer, contexts[1], HOST)
    starting.result(PATIENCE)
    assert wire.core.tls.version == "TLSv1.3"


def test_watching_moves_from_the_socket_into_tls(wires: Wires, contexts: Contexts) -> None:
    told: list[Any] = []
    events = Events()
    note: Callable[[Any], None] = told.append
    events.subscribe(BytesReceived, note)
    wire = wires.open("tcp")
    wire.call(lambda core: core.watch_bytes(Watcher(core, events)))  # type: ignore[attr-defined]
    asked(wire)
    starting = wire.conn.begin("start_tls", contexts[0])
    until(lambda: wire.core.tls_layer is not None)
    peer = Secured(wire.peer, contexts[1], HOST)
    starting.result(PATIENCE)
    peer.send(b"inside\n")
    assert wire.conn.receive() == "inside"
    assert [event.data for event in told] == [b"starttls\n", b"inside\n"]
