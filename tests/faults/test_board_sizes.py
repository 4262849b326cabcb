"""The most that people can put into a board is shown to whoever asks, and no answer is too long."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from jackfield.services.chat.history import MOST_PAGE, NewMessage, RoomRecord
from jackfield.services.chat.hub import MOST_JOINED, MOST_ROOMS, RoomState
from jackfield.services.chat.wire import MOST_ANSWER
from jackfield.services.chat.words import MOST_NAME, MOST_TEXT, MOST_TOPIC
from tests.boards import AtPage, WholeBoard
from tests.live import PATIENCE

COUNT = 200
WIDE = "\U0001f600"
"""A character of four bytes."""


@pytest.fixture(scope="module")
def lab() -> Iterator[WholeBoard]:
    with WholeBoard() as board:

        async def fill() -> None:
            chat = board.board.chat
            for number in range(COUNT):
                message = NewMessage(
                    "lobby", "Long", str(number), WIDE * (MOST_TEXT - 5) + "\nword"
                )
                await chat.hub.history.append(message)
            for number in range(MOST_ROOMS - 1):
                name = f"{number:03}" + "室" * (MOST_NAME - 3)
                record = await chat.hub.history.make_room(RoomRecord(name, topic='"' * MOST_TOPIC))
                chat.hub.rooms[name] = RoomState(record)
                if number < MOST_JOINED - 1:
                    await chat.hub.history.join("eve", name, 0)

        board.wait_for(fill())
        yield board


@pytest.fixture(scope="module")
def eve(lab: WholeBoard) -> Iterator[AtPage]:
    """Who is in as many rooms as anybody may be in."""
    invitation = lab.wait_for(lab.board.people.invite("member", time.time() + 1000, 1))
    with lab.socket(lab.sign_in("Eve", invitation)) as conn:
        conn.send(json.dumps({"do": "come"}))
        raw = conn.recv(PATIENCE)
        assert len(raw) <= MOST_ANSWER
        welcome = json.loads(raw)
        assert welcome["is"] == "welcome", welcome
        yield AtPage(conn, welcome)


def page(eve: AtPage, **how: Any) -> tuple[list[dict[str, Any]], bool]:
    eve.tell(do="page", room="lobby", most=COUNT, **how)
    found = eve.hear("page")
    texts = sum(len(one["text"].encode()) for one in found["messages"])
    assert len(found["messages"]) == 1 or texts <= MOST_PAGE
    return found["messages"], found["more"]


@pytest.mark.long
def test_a_room_of_the_longest_messages_is_read_page_by_page_both_ways(eve: AtPage) -> None:
    numbers: list[int] = []
    more = True
    while more:
        found, more = page(eve, after=numbers[-1] if numbers else 0)
        numbers += [one["number"] for one in found]
    assert numbers == list(range(1, COUNT + 1))
    found, more = page(eve)
    numbers = [one["number"] for one in found]
    while more:
        found, more = page(eve, before=numbers[0])
        numbers = [one["number"] for one in found] + numbers
    assert numbers == list(range(1, COUNT + 1))


def test_so_is_what_a_search_finds(eve: AtPage) -> None:
    numbers: list[int] = []
    before = None
    while True:
        eve.tell(do="search", text="word", most=COUNT, before=before)
        found = eve.hear("found")
        numbers += [one["number"] for one in found["messages"]]
        before = ["lobby", numbers[-1]]
        if not found["more"]:
            break
    assert numbers == list(range(COUNT, 0, -1))


@pytest.mark.long
def test_as_many_rooms_as_there_may_be_are_listed(eve: AtPage) -> None:
    eve.tell(do="rooms")
    rooms = eve.hear("rooms")["rooms"]
    assert len(rooms) == MOST_ROOMS
    assert sum(room["in"] for room in rooms) == MOST_JOINED
    eve.tell(do="join", room="one-more")
    assert f"there are {MOST_ROOMS} rooms already" in eve.hear("error")["why"]


def test_by_lines_a_page_is_as_long_and_the_rest_is_left_out(lab: WholeBoard) -> None:
    with lab.by_lines("Bob") as bob:
        for command in ("/history 200", "/rooms", "/search word"):
            bob.send(command)
        bob.send("/who")
        size = 0
        while " in lobby: " not in (line := bob.line()):
            size += len(line.encode())
        assert MOST_PAGE / 2 < size < 4 * MOST_PAGE
