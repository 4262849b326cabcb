"""Posting from the loop's own thread, to be written at once."""

from __future__ import annotations

from typing import Any

from jackfield.framing.raw import Raw
from jackfield.limits import Limits
from jackfield.net.connection import Connection
from tests.unit.net.conftest import Opener
from tests.unit.net.wires import read, rest

Core = Connection[Any]


def test_it_is_written_before_the_turn_is_over(opener: Opener) -> None:
    wire = opener(Raw())

    def post(core: Core) -> tuple[bool, int, int]:
        return core.post_at_once(b"now"), core.unsent, core.messages_sent

    assert wire.call(post) == (True, 0, 1)
    assert read(wire.peer, 3) == b"now"


def test_it_waits_behind_what_waits(opener: Opener) -> None:
    wire = opener(Raw())

    def post(core: Core) -> bool:
        return core.post(b"first ") and core.post(b"second ") and core.post_at_once(b"third")

    assert wire.call(post)
    assert read(wire.peer, 18) == b"first second third"
    assert wire.core.messages_sent == 3


def test_it_takes_no_more_than_the_outbox(opener: Opener) -> None:
    wire = opener(Raw(), Limits(outbox=100_000))
    posted = 0

    def post(core: Core) -> tuple[bool, int]:
        return core.post_at_once(b"x" * 50_000), core.unsent

    while (found := wire.call(post))[0]:
        posted += 1
        assert posted < 1000
    assert 50_000 <= found[1] <= 101_000
    wire.conn.begin("close")
    assert len(rest(wire.peer)) == posted * 50_000
    assert wire.core.messages_sent == posted
    assert not wire.call(lambda core: core.post_at_once(b"too late"))
