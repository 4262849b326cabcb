"""What goes out to many is made once."""

from __future__ import annotations

import gc
import weakref
from contextlib import AsyncExitStack
from typing import Any

import pytest

from jackfield import Server, Service, connect
from jackfield.framing import websocket
from jackfield.services.chat import LIMITS, Chat, wire
from jackfield.services.chat.hub import LOBBY
from jackfield.services.chat.outgoing import Forms
from tests.live import in_loop

LONG = "so long that it is compressed " * 40
PEOPLE = 3


async def answer(conn: Any, kind: str) -> dict[str, Any]:
    """The next message of a kind; others are passed over."""
    while True:
        message: dict[str, Any] = await conn.receive(timeout=20)
        if message["is"] == kind:
            return message


@in_loop
async def test_a_message_to_many_pages_is_compressed_once() -> None:
    compressed: list[bytes] = []

    def counted(unit: bytes, bits: int) -> bytes:
        if b'"is":"said"' in unit:
            compressed.append(unit)
        return deflated(unit, bits)

    deflated = websocket._deflated
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(websocket, "_deflated", counted)
        service = Service("chat", Chat().by_client, wire.FRAMING, LIMITS)
        async with Server(service, "ws://127.0.0.1:0/") as server, AsyncExitStack() as keep:
            conns = []
            for number in range(PEOPLE):
                conn = await keep.enter_async_context(
                    connect(f"{server.endpoints[0]}?deflate=on", framing=wire.FRAMING)
                )
                await conn.send({"do": "come", "name": f"p{number}"})
                await answer(conn, "welcome")
                conns.append(conn)
            await conns[0].send({"do": "say", "room": LOBBY, "id": "1", "text": LONG})
            for conn in conns:
                assert (await answer(conn, "said"))["text"] == LONG.strip()
    assert len(compressed) == 1


def test_a_form_is_kept_as_long_as_somebody_has_it() -> None:
    made: list[int] = []

    def encode(message: Any, _core: Any) -> bytes:
        made.append(message)
        return b"%d" % message

    forms = Forms()
    one, two, other = forms.of("a", encode), forms.of("a", encode), forms.of("b", encode)
    assert one is two
    assert one is not other
    both: list[Any] = [1, 2]
    last: list[Any] = [3]
    core: Any = None
    assert one.bytes_of(both, core) == two.bytes_of(both, core) == b"12"
    assert one.parts_of(both, core) == [b"1", b"2"]
    assert made == [1, 2]
    assert one.bytes_of(last, core) == b"3"
    gone = weakref.ref(one)
    del one, two
    gc.collect()
    assert gone() is None
    assert forms.of("b", encode) is other
