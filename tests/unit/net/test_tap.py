from __future__ import annotations

from typing import Any

import pytest

from jackfield.errors import IncompleteMessage, LocalProtocolError, MessageTooLong
from jackfield.events import Events, MessageReceived, MessageSent
from jackfield.framing import lines
from jackfield.framing.base import Framing
from jackfield.framing.raw import Raw
from jackfield.net.tap import Tapped, tap_messages
from tests.unit.net.conftest import Opener
from tests.unit.net.wires import Replying, Wires, read, rest, until


class Told:
    """What was told of, in order: `<` for received, `>` for sent."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, Any]] = []
        self.events = Events()
        self.events.subscribe(MessageReceived, lambda event: self._note("<", event))
        self.events.subscribe(MessageSent, lambda event: self._note(">", event))
        self.numbers: set[tuple[int, str]] = set()

    def _note(self, way: str, event: MessageReceived | MessageSent) -> None:
        self.messages.append((way, event.message))
        self.numbers.add((event.number, event.peer))


class Keeper:
    def forget(self, conn: Any, /) -> None:
        """Not asked about here."""


def test_each_message_is_told_of_and_none_is_changed(opener: Opener) -> None:
    told = Told()
    wire = opener()

    def tap(core: Any) -> None:
        core.keep(Keeper(), 5)
        tap_messages(core, told.events)

    wire.call(tap)
    peer = str(wire.core.peer)
    wire.peer.send(b"one\ntw")
    assert wire.conn.receive() == "one"
    wire.conn.send("three")
    wire.peer.send(b"o\n")
    assert wire.conn.receive() == "two"
    wire.conn.do("send_many", ["four", "five"])
    assert wire.conn.conn.post("six")
    assert read(wire.peer, 20) == b"three\nfour\nfive\nsix\n"
    assert told.messages == [
        ("<", "one"),
        (">", "three"),
        ("<", "two"),
        (">", "four"),
        (">", "five"),
        (">", "six"),
    ]
    assert told.numbers == {(5, peer)}
    assert wire.core.messages_received == 2


def test_another_framing_is_told_of_too(opener: Opener) -> None:
    told = Told()
    wire = opener()
    wire.call(lambda core: tap_messages(core, told.events))
    wire.peer.send(b"GO\n")
    assert wire.conn.receive() == "GO"
    wire.conn.do("switch", Raw())
    wire.conn.send(b"raw")
    wire.peer.send(b"bytes")
    assert wire.conn.receive() == b"bytes"
    assert told.messages == [("<", "GO"), (">", b"raw"), ("<", b"bytes")]


def test_long_messages_chunks_and_ends_pass_through(opener: Opener) -> None:
    told = Told()
    wire = opener(lines(max_message=5000))
    wire.call(lambda core: tap_messages(core, told.events))
    wire.peer.send(b"x" * 3000 + b"\n" + b"y" * 4000 + b"\nchunk")
    assert wire.conn.take(2) == ["x" * 3000, "y" * 4000]
    assert wire.conn.chunk() == b"chunk"
    wire.peer.send(b"z\nhalf")
    wire.peer.eof()
    assert wire.conn.receive() == "z"
    with pytest.raises(IncompleteMessage):
        wire.conn.receive()
    assert [message for _, message in told.messages] == ["x" * 3000, "y" * 4000, "z"]


def test_an_error_passes_through(wires: Wires) -> None:
    told = Told()
    wire = wires.open(framing=lines(max_message=10))
    wire.call(lambda core: tap_messages(core, told.events))
    wire.peer.send(b"good\n" + b"x" * 50)
    assert wire.conn.receive() == "good"
    with pytest.raises(MessageTooLong):
        wire.conn.receive()
    with pytest.raises(LocalProtocolError):
        wire.conn.send("x" * 11)
    assert told.messages == [("<", "good")]


def test_what_is_refused_reaches_the_peer(wires: Wires) -> None:
    wire = wires.open()
    wire.call(lambda core: tap_messages(core, Events()))
    wire.call(lambda core: core.refuse("no"))
    assert rest(wire.peer) == b"error: no\n"


def test_a_reply_service_is_told_of(wires: Wires) -> None:
    """Tapped before the first byte, as a server does it, and with nobody to ask for input."""
    told = Told()
    loop = wires.loop()
    replying = Replying(loop, str.upper)

    def receiver(conn: Any) -> Any:
        tap_messages(conn, told.events)
        return replying(conn)

    wire = wires.open(io=loop, receiver=receiver)
    wire.peer.send(b"a\nb\n")
    assert read(wire.peer, 4) == b"A\nB\n"
    assert told.messages == [("<", "a"), ("<", "b"), (">", "A"), (">", "B")]
    wire.peer.eof()
    until(lambda: replying.done)


def test_it_is_as_the_framing_it_stands_around() -> None:
    seen: list[Any] = []
    inner = lines("gbk", max_message=77)
    tapped: Framing[str] = Tapped(inner, seen.append, seen.append)
    assert tapped.name == inner.name
    assert tapped.max_message == 77
    assert tapped.encoding == "gbk"  # type: ignore[attr-defined]  # of lines
    assert tapped.cut(b"ab\ncd", 0, 0) == inner.cut(b"ab\ncd", 0, 0)
    assert tapped.encode_unit("字") == inner.encode_unit("字")
    assert tapped.decode_unit("字".encode("gbk")) == "字"
    assert tapped.refusal("x") == inner.refusal("x")
    assert tapped.encode_all(["a", "b"]) == b"a\nb\n"
    assert seen == ["字", "字", "a", "b"]
    assert tapped.decoder().pending() == b""
    with pytest.raises(AttributeError):
        tapped.nothing  # type: ignore[attr-defined]  # noqa: B018  that is the point
