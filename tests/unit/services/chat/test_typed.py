"""The chat by lines, as far as one connection shows it."""

from __future__ import annotations

from typing import Any

import pytest

from jackfield.framing.lines import lines
from jackfield.services.chat import LONGEST_LINE, Chat, typed
from jackfield.services.chat.history import Message, NewMessage
from jackfield.services.chat.hub import LOBBY, Hub
from jackfield.testing import memory_pair
from tests.live import in_loop

FRAMING = lines(encoding=None, max_message=LONGEST_LINE)


async def said(chat: Chat, *texts: str, told: bool) -> None:
    """Have something kept, and perhaps told."""
    for text in texts:
        await chat.hub.history.append(NewMessage(LOBBY, "ann", text, text))
        if told:
            await chat.hub.rooms[LOBBY].telling.all_told()


async def shown_after(
    monkeypatch: pytest.MonkeyPatch, *meanwhile: str, told: bool = True
) -> list[str]:
    """What somebody is shown who comes while others talk, to the end of it."""
    page = Hub.page

    async def slow(hub: Hub, *arguments: Any, **options: Any) -> list[Message]:
        await said(chat, *meanwhile, told=told)
        found = await page(hub, *arguments, **options)
        await said(chat, "late", "end", told=told)
        return found

    monkeypatch.setattr(Hub, "page", slow)
    chat = Chat()
    await chat.open()
    await said(chat, "before", told=told)
    async with memory_pair(FRAMING) as (client, there):
        serving = client.io_loop.loop.create_task(chat.by_lines(there))
        await client.send(b"bob")
        texts: list[str] = []
        while not texts or not texts[-1].startswith(("end", "* you missed")):
            line = (await client.receive(timeout=10)).decode()
            if " ann: " in line or "missed" in line:
                texts.append(line.rpartition("ann: ")[2])
        await client.close()
        await serving
    return texts


@in_loop
async def test_what_is_said_while_one_comes_is_shown_once_and_in_order() -> None:
    for told in (True, False):  # before the page is read, or after that
        with pytest.MonkeyPatch.context() as patch:
            texts = await shown_after(patch, "while", told=told)
        assert texts == ["before", "while", "late", "end"]


@in_loop
async def test_of_too_much_that_is_said_while_one_comes_the_rest_is_missed() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(typed, "MOST_HELD", 2)
        texts = await shown_after(patch, "one", "two", "three")
    assert texts[:4] == ["before", "one", "two", "three"]
    assert texts[4:] == ["* you missed 3 messages; /history shows them"]
