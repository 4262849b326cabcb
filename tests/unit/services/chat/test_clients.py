from __future__ import annotations

from typing import Any

import pytest

from jackfield.errors import ConnectionEnded
from jackfield.framing.json_lines import JSONLines
from jackfield.services.chat import Chat, wire
from jackfield.services.chat.hub import BURST, LOBBY, Person
from jackfield.testing import memory_pair
from tests.live import in_loop

FRAMING = JSONLines(wire.MOST_MESSAGE)


async def answer(conn: Any, kind: str) -> dict[str, Any]:
    """The next message of a kind; others are passed over."""
    while True:
        message: dict[str, Any] = await conn.receive(timeout=10)
        if message["is"] == kind:
            return message


@in_loop
async def test_who_says_too_much_too_fast_is_told_how_long_to_wait() -> None:
    chat = Chat()
    async with memory_pair(FRAMING) as (client, there):
        serving = client.io_loop.loop.create_task(chat.by_client(there))
        await client.send({"do": "come", "name": "alice"})
        await answer(client, "welcome")
        for number in range(BURST + 1):
            await client.send({"do": "say", "room": LOBBY, "id": str(number), "text": "hi"})
        error = await answer(client, "error")
        assert (error["do"], error["id"]) == ("say", str(BURST))
        assert 0 < error["wait"] <= 1
        await client.send({"do": "topic", "room": "nowhere", "text": "x"})
        assert "wait" not in await answer(client, "error")
        await client.close()
        await serving


@in_loop
async def test_who_is_lost_before_the_welcome_does_not_hold_the_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chat = Chat()

    async with memory_pair(FRAMING) as (client, there):
        monkeypatch.setattr(chat.hub, "come", _then(chat.hub.come, there.abort))
        await client.send({"do": "come", "name": "alice"})
        with pytest.raises(ConnectionEnded):
            await chat.by_client(there)
    assert chat.hub.people == []


@in_loop
async def test_how_far_one_has_read_is_told_to_ones_other_connections_alone() -> None:
    chat = Chat()
    async with (
        memory_pair(FRAMING) as (page, one),
        memory_pair(FRAMING) as (terminal, two),
        memory_pair(FRAMING) as (bobs, three),
    ):
        people = ((page, one, "ann"), (terminal, two, "ann"), (bobs, three, "bob"))
        serving = []
        for client, there, name in people:
            task = client.io_loop.loop.create_task(chat.by_client(there, Person(name)))
            serving.append(task)
            await client.send({"do": "come"})
            await answer(client, "welcome")
        for id_ in "123":
            await bobs.send({"do": "say", "room": LOBBY, "id": id_, "text": "hi"})
            await answer(bobs, "kept")
        for number in (-1, 0, 2, 2, 1, 99, 98):  # what is told again is news to nobody
            await page.send({"do": "read", "room": LOBBY, "number": number})
            await answer(page, "done")
        await page.send({"do": "read", "room": "nowhere", "number": 3})
        await answer(page, "error")
        for number in (2, 3):
            found = await answer(terminal, "read")
            assert found == {"is": "read", "room": LOBBY, "number": number}
        for client in (page, terminal, bobs):
            await client.send({"do": "rooms"})
            seen: list[str] = []
            while not seen or seen[-1] != "rooms":
                seen.append((await client.receive(timeout=10))["is"])
            assert "read" not in seen
            await client.close()
        for task in serving:
            await task


def _then(call: Any, then: Any) -> Any:
    async def both(*arguments: Any) -> Any:
        result = await call(*arguments)
        then()
        return result

    return both
