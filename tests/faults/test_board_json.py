"""Whatever a client says to a board in JSON: one error for who has said it, and nothing for others.

What is JSON and makes no sense is answered, and the conversation goes on. What is none ends the
connection, with a reason, of which the operator is told once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from jackfield.events import ConnectionEnded
from jackfield.services.chat.wire import MOST_MESSAGE
from tests.boards import WholeBoard
from tests.live import until

DEEP = "[" * 90 + "]" * 90
HUGE = "9" * 4000
"""A whole number, past what a float can hold."""

EVIL = "<img src=x onerror=alert(1)>\u202e\x1b[2J\x00"


@pytest.fixture(scope="module")
def lab() -> Iterator[WholeBoard]:
    with WholeBoard() as board:
        yield board


SENSELESS = [
    "null",
    "5",
    '"say"',
    "[]",
    "{}",
    '{"do": 1}',
    '{"do": null}',
    '{"do": "\\ud800"}',
    json.dumps({"do": EVIL}),
    json.dumps({"do": "x" * 60_000}),
    '{"do": "__class__"}',
    '{"do": "come"}',
    '{"do": "come", "name": "Ann"}',
    f'{{"do": "say", "id": {DEEP}}}',
    '{"do": "say", "room": 1, "id": "1", "text": "x"}',
    '{"do": "say", "room": "lobby", "id": "1"}',
    '{"do": "say", "room": "lobby", "id": "1", "text": null}',
    '{"do": "say", "room": "lobby", "id": "1", "text": ["x"]}',
    '{"do": "say", "room": "lobby", "id": 1, "text": "x"}',
    '{"do": "say", "room": "lobby", "id": "", "text": "x"}',
    '{"do": "say", "room": "lobby", "id": "\\ud800", "text": "x"}',
    '{"do": "say", "room": "lobby", "id": "a\\u0000b", "text": "x"}',
    json.dumps({"do": "say", "room": "lobby", "id": "x" * 65, "text": "x"}),
    json.dumps({"do": "say", "room": "lobby", "id": "1", "text": "x" * 4001}),
    json.dumps({"do": "say", "room": "lobby", "id": "1", "text": "\u202e\u200b\x00\x1b"}),
    json.dumps({"do": "say", "room": "x" * 60_000, "id": "1", "text": "x"}),
    json.dumps({"do": "say", "room": EVIL, "id": "1", "text": "x"}),
    '{"do": "say", "room": "nowhere", "id": "1", "text": "x"}',
    '{"do": "say", "room": "@ann,bob", "id": "1", "text": "x"}',
    json.dumps({"do": "join", "room": "x" * 60_000}),
    json.dumps({"do": "join", "room": EVIL}),
    '{"do": "join", "room": "\\ud800"}',
    '{"do": "join", "room": "@ann,bob"}',
    '{"do": "leave", "room": "lobby"}',
    json.dumps({"do": "direct", "name": EVIL}),
    '{"do": "direct", "name": "x,y"}',
    json.dumps({"do": "topic", "room": "lobby", "text": "x" * 201}),
    '{"do": "topic", "room": "lobby"}',
    '{"do": "mute", "room": "lobby", "name": "Ann", "seconds": 60}',
    *(
        f'{{"do": "mute", "room": "own", "name": "Ann", "seconds": {seconds}}}'
        for seconds in ("-1", "1e308", HUGE, "true", '"60"', "[]")
    ),
    '{"do": "remove", "room": "lobby", "name": "Ann"}',
    json.dumps({"do": "remove", "room": "own", "name": EVIL}),
    *(
        f'{{"do": "{do}": "lobby", "{field}": {number}}}'
        for do, field in (('read", "room', "number"), ('page", "room', "before"))
        for number in ("1.5", "1e308", "-1e308", str(2**63), str(-(2**63)), HUGE, "true", '"1"')
    ),
    '{"do": "read", "room": "lobby"}',
    '{"do": "page", "room": "lobby", "most": 1e3}',
    '{"do": "page", "room": "nowhere"}',
    '{"do": "search"}',
    '{"do": "search", "text": 1}',
    '{"do": "search", "text": "x", "room": "nowhere"}',
    *(
        f'{{"do": "search", "text": "x", "before": {place}}}'
        for place in ('["lobby"]', '["lobby", 0]', f'["lobby", {2**63}]', f'["a", {HUGE}]', "{}")
    ),
]


@pytest.mark.some(12)
@pytest.mark.parametrize("frame", SENSELESS, ids=count())
def test_what_makes_no_sense_is_answered_once(lab: WholeBoard, frame: str) -> None:
    with lab.bystanders() as others, lab.at_page() as eve:
        room = f"of-{eve.name}".casefold()
        eve.tell(do="join", room=room)
        eve.hear("done")
        eve.conn.send(frame.replace('"own"', f'"{room}"').replace('"Ann"', f'"{others.name}"'))
        error = eve.hear("error")
        assert len(error["why"]) < 300
        assert error["why"].isprintable()
        eve.tell(do="rooms", ask=1)
        following = eve.next()
        while following["is"] in {"here", "room"}:
            following = eve.next()
        assert following["is"] == "rooms"
        others.hear_each_other()


HARMLESS = [
    {"do": "page", "room": "lobby", "before": -5},
    {"do": "page", "room": "lobby", "after": 2**53 - 1, "most": -1},
    {"do": "page", "room": "lobby", "after": -(2**53) + 1, "most": 2**53 - 1},
    {"do": "search", "text": '" OR * NEAR(a b) {x} ^ -: col:"' * 1500},
    {"do": "search", "text": EVIL + "; DROP TABLE messages; --", "most": 0},
    {"do": "search", "text": "啊" * 9000},
    {"do": "read", "room": "lobby", "number": -1},
    {"do": "read", "room": "lobby", "number": 2**53 - 1},
    {"do": "rooms", "room": [[]], "unknown": {"a": EVIL}},
    {"do": "rooms", "ask": int(HUGE)},
]


@pytest.mark.parametrize("what", HARMLESS, ids=count())
def test_numbers_and_words_at_their_ends_are_only_that(
    lab: WholeBoard, what: dict[str, Any]
) -> None:
    with lab.bystanders() as others, lab.at_page() as eve:
        eve.tell(**what)
        answer = eve.next()
        while answer["is"] in {"here", "room"}:
            answer = eve.next()
        assert answer["is"] in {"page", "found", "rooms", "done"}
        others.hear_each_other()


BROKEN: list[tuple[str | bytes | list[str], int, str]] = [
    ("hello", 1007, "JSON"),
    ("", 1007, "JSON"),
    ('{"do": "rooms"', 1007, "JSON"),
    ('{"do": "rooms"} {"do": "rooms"}', 1007, "JSON"),
    ('{"do": "mute", "room": "lobby", "name": "Ann", "seconds": NaN}', 1007, "NaN"),
    ('{"do": "read", "room": "lobby", "number": -Infinity}', 1007, "Infinity"),
    ('{"do": "mute", "room": "lobby", "name": "Ann", "seconds": 1e400}', 1007, "float"),
    (f'{{"do": "read", "room": "lobby", "number": {"9" * 5000}}}', 1007, "JSON"),
    ("[" * 30_000, 1007, "deeper"),
    ('{"a":' * 101 + "1" + "}" * 101, 1007, "deeper"),
    (b"\xff\xfe\x00", 1007, "utf-8"),
    ("x" * (MOST_MESSAGE + 1), 1009, str(MOST_MESSAGE)),
    (["x" * 1000] * 66, 1009, str(MOST_MESSAGE)),
    ("x" * 1_000_000, 1009, str(MOST_MESSAGE)),
]


def told(lab: WholeBoard, why: str, after: int) -> list[ConnectionEnded]:
    """What the operator was told of connections that ended for a reason."""
    ended = lab.of(ConnectionEnded)[after:]
    return [one for one in ended if why.lower() in one.reason.lower()]


@pytest.mark.some(8)
@pytest.mark.parametrize("deflate", ["deflate", None])
@pytest.mark.parametrize(("frames", "code", "why"), BROKEN, ids=count())
def test_what_is_no_json_ends_the_connection_with_a_reason(
    lab: WholeBoard, frames: str | bytes | list[str], code: int, why: str, deflate: str | None
) -> None:
    with lab.bystanders() as others:
        before = len(lab.of(ConnectionEnded))
        with lab.at_page(compression=deflate) as eve:
            with suppress(ConnectionClosed):  # before all of it was sent
                eve.conn.send(frames)
            with pytest.raises(ConnectionClosed) as closed:
                eve.hear("nothing any more")
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == code
            assert why.lower() in closed.value.rcvd.reason.lower()
        until(lambda: told(lab, why, before))
        assert len(told(lab, why, before)) == 1
        others.hear_each_other()
