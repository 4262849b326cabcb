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
async def test_in_a_crowd_there_is_a_pause_that_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "CROWD", 1)
    monkeypatch.setattr(telling, "PAUSE", 3600.0)  # the longest there is, then
    _, room = told(1)
    await room.pause()  # before anything was told there is none
    await room.all_told()
    waits = asyncio.ensure_future(room.pause())
    for _ in range(5):
        await asyncio.sleep(0)  # turns of the loop: without a pause it would be over
    assert not waits.done()
    await asyncio.wait_for(waits, 30)


@in_loop
async def test_there_is_no_pause_but_in_a_crowd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "CROWD", 2)
    monkeypatch.setattr(telling, "PAUSE", 3600.0)
    monkeypatch.setattr(telling, "LONGEST_PAUSE", 3600.0)
    _, room = told(1)
    await room.all_told()
    await asyncio.wait_for(room.pause(), 30)


@in_loop
async def test_what_is_much_together_waits_for_nothing() -> None:
    one, room = told()
    room.add(message(1))
    room.add(message(2, "x" * ENOUGH))
    assert one.times == [[1, 2]]
    await asyncio.sleep(0)
    assert one.times == [[1, 2]]


@in_loop
async def test_who_waits_and_goes_is_in_nobodys_way() -> None:
    one, room = told(1)
    waits = [asyncio.ensure_future(room.all_told()) for _ in range(2)]
    await asyncio.sleep(0)
    waits[0].cancel()
    await waits[1]
    assert one.times == [[1]]


@in_loop
async def test_many_that_are_short_are_told_in_parts() -> None:
    one, room = told(*range(1, 1001))
    await room.all_told()
    assert [number for numbers in one.times for number in numbers] == [*range(1, 1001)]
    assert max(map(len, one.times)) <= ENOUGH // telling.AROUND + 1
