from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.errors import BadMessage, PeerLost
from jackfield.services.chat import replica as module
from jackfield.services.chat.known import Changed, Event, Heard, Kept, NotKept
from jackfield.services.chat.replica import MOST_HELD, MOST_UNSENT, Replica
from jackfield.services.chat.words import NotSaid

NAMED = ["room", "why", "id", "number", "text", "author", "name", "ask", "wait", "names", "count"]
NAMES = st.sampled_from([*NAMED, "is", "error", "rooms", "messages", "last", "read", "kind", "at"])


class Told:
    """A replica, what it was told to send, and what it told."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.sent: list[dict[str, Any]] = []
        self.later: list[Callable[[], None]] = []
        self.replica = Replica(self.events.append, lambda _, call: self.later.append(call))

    def come(self, *rooms: dict[str, Any]) -> None:
        self.replica.connected(self.sent.append, "ann", None)
        self.replica.take({"is": "welcome", "name": "ann", "operator": False, "rooms": [*rooms]})

    def answer(self, do: str, /, **fields: Any) -> None:
        """Answer the last thing asked, which is this."""
        asked = self.sent[-1]
        assert asked["do"] == do
        self.replica.take(fields | {"ask": asked["ask"]})

    def heard(self) -> list[int]:
        return [event.message.number for event in self.events if isinstance(event, Heard)]


def lobby(last: int = 0, read: int = 0, mentions: int = 0, name: str = "lobby") -> dict[str, Any]:
    return {
        "room": name,
        "kind": "room",
        "topic": "",
        "last": last,
        "read": read,
        "mentions": mentions,
        "keeper": False,
    }


def said(number: int, text: str = "x", author: str = "bob", id_: str = "") -> dict[str, Any]:
    return {
        "is": "said",
        "room": "lobby",
        "number": number,
        "author": author,
        "id": id_ or f"id{number}",
        "text": text,
        "at": 1.5,
    }


def page(*numbers: int) -> dict[str, Any]:
    return {
        "is": "page",
        "room": "lobby",
        "messages": [said(one) for one in numbers],
        "more": False,
    }


# What the chat may do wrong, or late


def test_what_is_said_before_the_welcome_is_not_lost() -> None:
    told = Told()
    told.replica.connected(told.sent.append, "ann", None)
    told.replica.take(said(6))
    told.replica.take({"is": "welcome", "name": "ann", "operator": False, "rooms": [lobby(5)]})
    assert told.heard() == [6]


def test_doubles_are_dropped_and_what_comes_ahead_waits() -> None:
    told = Told()
    told.come(lobby(5))
    for number in (6, 6, 8, 9, 6):
        told.replica.take(said(number))
    assert told.heard() == [6]
    assert told.sent[1:] == [{"do": "page", "room": "lobby", "after": 6, "most": 100, "ask": 1}]
    told.answer("page", **page(7))
    assert told.heard() == [6, 7, 8, 9]
    assert len(told.sent) == 2


def test_what_there_is_no_more_of_is_passed_over() -> None:
    told = Told()
    told.come(lobby(5))
    told.replica.take(said(9))
    told.answer("page", **page())
    assert told.heard() == [9]
    told.replica.take({"is": "missed"})
    told.answer("page", **page())
    assert told.heard() == [9]
    assert len(told.sent) == 3


def test_a_room_whose_last_message_is_gone_is_not_asked_for_without_end() -> None:
    told = Told()
    told.come(lobby(5))
    told.replica.lost()
    told.come(lobby(7))
    told.answer("page", **page())
    assert len(told.sent) == 3
    assert told.replica.rooms["lobby"].unread == 5


def test_an_answer_that_is_an_error_asks_no_more() -> None:
    told = Told()
    told.come(lobby(5))
    told.replica.take(said(9))
    told.answer("page", **{"is": "error", "do": "page", "why": "not now"})
    assert (told.heard(), len(told.sent)) == ([], 2)
    told.replica.take({"is": "here", "room": "nowhere", "count": 1})
    told.replica.take({"is": "news to me"})
    told.replica.take(said(9) | {"room": "nowhere"})


@pytest.mark.parametrize(
    "wrong",
    [
        said(6) | {"number": True},
        said(6) | {"number": -1},
        said(6) | {"text": None},
        said(6) | {"at": "now"},
        {"is": "room", "room": 7},
        {"is": "here", "room": "lobby", "count": None},
    ],
)
def test_what_no_chat_says_is_an_error(wrong: dict[str, Any]) -> None:
    told = Told()
    told.come(lobby(5))
    with pytest.raises(BadMessage):
        told.replica.take(wrong)


def test_the_outbox_and_what_is_held_have_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Told()
    for _ in range(MOST_UNSENT):
        told.replica.say("lobby", "x")
    with pytest.raises(NotSaid, match="waiting to be sent"):
        told.replica.say("lobby", "x")
    told = Told()
    told.come(lobby())
    for number in range(1, MOST_HELD + 2):
        told.replica.take(said(number))
    room = told.replica.rooms["lobby"]
    assert len(room.messages) == MOST_HELD - MOST_HELD // 5 + 1
    assert room.messages[0].number == room.floor + 1
    monkeypatch.setattr(module, "MOST_AHEAD", 3)
    for number in range(1, 10):
        told.replica.take(said(MOST_HELD + 2 + number))
    assert len(room.ahead) == 3


# What is one's own


def test_one_message_is_on_its_way_at_a_time_and_the_next_follows() -> None:
    told = Told()
    told.come(lobby())
    first, second = told.replica.say("lobby", "one"), told.replica.say("lobby", "two")
    assert [one.get("id") for one in told.sent[1:]] == [first.id]
    told.answer("say", **{"is": "error", "do": "say", "why": "not so fast", "wait": 0.5})
    assert (len(told.sent), len(told.later)) == (2, 1)
    told.later[0]()
    told.answer("say", **{"is": "kept", "room": "lobby", "id": first.id, "number": 1})
    assert told.sent[-1]["id"] == second.id
    told.answer("say", **{"is": "error", "do": "say", "why": "muted"})
    assert [type(one) for one in told.events if not isinstance(one, Changed)][1:] == [Kept, NotKept]
    assert not told.replica.outbox


def test_what_was_kept_unseen_is_found_before_it_is_said_again() -> None:
    told = Told()
    told.come(lobby())
    unsent = told.replica.say("lobby", "one")
    told.replica.lost()
    told.come(lobby(1))
    assert [one["do"] for one in told.sent] == ["come", "say", "come", "page"]
    found = said(1, "one", "ann", unsent.id)
    told.answer("page", **page() | {"messages": [found]})
    assert [one["do"] for one in told.sent] == ["come", "say", "come", "page"]
    assert told.heard() == [1]
    assert not told.replica.outbox


def test_how_far_one_has_read_is_told_once() -> None:
    told = Told()
    told.come(lobby(5, read=2, mentions=1))
    told.replica.read("lobby", 9)
    assert (told.replica.rooms["lobby"].read, told.replica.rooms["lobby"].mentions) == (5, 0)
    told.replica.tell_reads()
    told.replica.tell_reads()
    assert told.sent[1:] == [{"do": "read", "room": "lobby", "number": 5, "ask": 1}]


# Whatever happens

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**400)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["lobby", "@ann,bob", "ann", "room", "direct", "x\ud800", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=8,
)


def altered(whole: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """What is right, but for a field or two."""
    fields = st.dictionaries(st.sampled_from(list(whole)), VALUES, max_size=2)
    return fields.map(lambda other: whole | other)


ROOMS = altered(lobby(3))
MESSAGES = altered(said(4))
ANY_FIELDS: dict[str, st.SearchStrategy[Any]] = dict.fromkeys(NAMED, VALUES)
KINDS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "welcome": {"rooms": st.lists(ROOMS, max_size=2), "name": st.just("ann")},
    "room": {"room": ROOMS},
    "page": {"messages": st.lists(MESSAGES, max_size=3), "ask": st.integers(1, 9)},
    "kept": {"ask": st.integers(1, 9)},
    "error": {"ask": st.integers(1, 9)},
    "here": {},
    "out": {},
    "missed": {},
}
ANSWERS = st.one_of(
    VALUES,
    MESSAGES,
    *(
        st.fixed_dictionaries({"is": st.just(kind)}, optional=ANY_FIELDS | more)
        for kind, more in KINDS.items()
    ),
)


@given(st.lists(ANSWERS, max_size=12))
def test_whatever_a_server_says_it_is_taken_or_refused_in_words(answers: list[Any]) -> None:
    told = Told()
    told.come(lobby(3))
    told.replica.say("ops", "hello")
    told.replica.older("lobby")
    for answer in answers:
        try:
            told.replica.take(answer)
        except (BadMessage, NotSaid, PeerLost):
            told.replica.lost()
            told.come(lobby(3))
    for room in told.replica.rooms.values():
        numbers = [one.number for one in room.messages]
        assert numbers == sorted(set(numbers))


@given(st.data())
def test_whatever_is_lost_doubled_or_late_all_is_heard_once_and_in_order(
    data: st.DataObject,
) -> None:
    """A chat that drops and doubles what it tells, and whose answers come late, in any order."""
    kept = [said(number) for number in range(1, data.draw(st.integers(0, 8)) + 1)]
    told = Told()
    told.come(lobby(len(kept)))
    start = len(kept)
    told.sent.clear()
    answers: list[dict[str, Any]] = []

    def serve() -> None:
        """Look up now what is asked for; the answer comes later."""
        for one in told.sent:
            if one["do"] == "page":
                found = kept[one["after"] :][: data.draw(st.integers(1, 4))]
                more = bool(found) and found[-1] is not kept[-1]
                answers.append(
                    {
                        "is": "page",
                        "room": "lobby",
                        "messages": found,
                        "more": more,
                        "ask": one["ask"],
                    }
                )
        told.sent.clear()

    for what in data.draw(
        st.lists(st.sampled_from(["say", "drop", "double", "late", "answer", "cut"]), max_size=40)
    ):
        if what in {"say", "drop", "double"}:
            kept.append(said(len(kept) + 1))
            for _ in range({"say": 1, "drop": 0, "double": 2}[what]):
                told.replica.take(kept[-1])
        elif what == "late" and kept:
            told.replica.take(data.draw(st.sampled_from(kept)))
        elif what == "answer" and answers:
            told.replica.take(answers.pop(data.draw(st.integers(0, len(answers) - 1))))
        elif what == "cut":
            told.replica.lost()
            answers.clear()
            told.sent.clear()
            told.come(lobby(len(kept)))
        serve()
    told.replica.take({"is": "missed"})
    serve()
    while answers:
        told.replica.take(answers.pop(0))
        serve()
    assert told.heard() == list(range(start + 1, len(kept) + 1))


def test_what_is_read_elsewhere_is_read_here_and_told_to_nobody_again() -> None:
    told = Told()
    told.come(lobby(last=5, read=1, mentions=2))
    replica = told.replica
    room = replica.rooms["lobby"]
    told.events.clear()
    sent = len(told.sent)
    replica.take({"is": "read", "room": "lobby", "number": 3})
    assert (room.read, room.unread, room.mentions) == (3, 2, 2)
    assert told.events == [Changed("lobby")]
    replica.take({"is": "read", "room": "lobby", "number": 2})
    replica.take({"is": "read", "room": "nowhere", "number": 2})
    assert room.read == 3
    replica.take({"is": "read", "room": "lobby", "number": 99})
    assert (room.read, room.unread, room.mentions) == (5, 0, 0)
    replica.tell_reads()
    assert len(told.sent) == sent
    for wrong in ({"room": "lobby"}, {"room": 3, "number": 3}, {"room": "lobby", "number": -1}):
        with pytest.raises(BadMessage):
            replica.take({"is": "read", **wrong})
