"""Telling a room: what is joined, and when."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from jackfield.services.chat import telling
from jackfield.services.chat.history import Message
from jackfield.services.chat.telling import ENOUGH, Telling
from tests.live import in_loop


class Heard:
    """A listener that remembers what it was told at a time."""

    def __init__(self) -> None:
        self.times: list[list[int]] = []

    def said(self, messages: Sequence[Message]) -> None:
        self.times.append([message.number for message in messages])


def message(number: int, text: str = "hi") -> Message:
    return Message("lobby", number, "ann", str(number), text, 0.0)


def told(*numbers: int) -> tuple[Heard, Telling]:
    one = Heard()
    room = Telling([one])
    for number in numbers:
        room.add(message(number))
    return one, room


@in_loop
async def test_what_comes_in_one_turn_is_told_together_at_its_end() -> None:
    one, room = told(1, 2, 3)
    assert one.times == []
    await room.all_told()
    assert one.times == [[1, 2, 3]]
    await room.all_told()  # with nothing to wait for


@in_loop
async def test_what_comes_in_the_pause_is_told_together_at_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(telling, "PAUSE", 0.05)
    one, room = told(1)
    await room.all_told()
    room.add(message(2))
    await asyncio.sleep(0)  # a turn of the loop: without a pause it would be told in it
    room.add(message(3))
    assert one.times == [[1]]
    await asyncio.gather(room.all_told(), room.all_told())
    assert one.times == [[1], [2, 3]]


@in_loop
async def test_a_pause_has_its_bound_however_large_the_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(telling, "PAUSE", 3600.0)
    one, room = told(1)
    await room.all_told()
    room.add(message(2))
    await room.all_told()
    assert one.times == [[1], [2]]


@in_loop
async def test_what_is_much_together_waits_for_nothing() -> None:
    one, room = told()
    room.add(message(1))
    room.add(message(2, "x" * ENOUGH))
    assert one.times == [[1, 2]]
    room.now()
    assert one.times == [[1, 2]]


@in_loop
async def test_who_waits_and_goes_is_in_nobodys_way() -> None:
    one, room = told(1)
    waits = [asyncio.ensure_future(room.all_told()) for _ in range(2)]
    await asyncio.sleep(0)
    waits[0].cancel()
    await waits[1]
    assert one.times == [[1]]
