from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from jackfield import events as module
from jackfield.endpoints import parse
from jackfield.events import (
    ConnectionOpened,
    Draining,
    Event,
    Events,
    MessageReceived,
    MessageSent,
    Stopped,
)

OPENED = ConnectionOpened(1, parse("tcp://127.0.0.1:1"), "tcp://127.0.0.1:2")
KINDS = [
    kind
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, Event) and kind is not Event
]


def test_a_subscriber_is_told_of_its_kind_and_no_other() -> None:
    events = Events()
    told: list[Event] = []
    events.subscribe(ConnectionOpened, told.append)
    events.emit(Stopped())
    events.emit(OPENED)
    assert told == [OPENED]


def test_several_are_told_in_turn() -> None:
    events = Events()
    told: list[str] = []
    events.subscribe(Event, lambda _: told.append("all"))
    events.subscribe(Stopped, lambda _: told.append("one"))
    events.subscribe(Stopped, lambda _: told.append("other"))
    events.emit(Stopped())
    assert told == ["one", "other", "all"]


def test_who_wants_all_gets_all_but_messages() -> None:
    """Messages are asked for by name: they cost something."""
    events = Events()
    told: list[Event] = []
    events.subscribe(Event, told.append)
    messages = [MessageReceived(1, "peer", "hello"), MessageSent(1, "peer", b"hello")]
    for event in (OPENED, *messages, Draining(1, 5.0)):
        events.emit(event)
    assert told == [OPENED, Draining(1, 5.0)]
    events.subscribe(MessageReceived, told.append)
    events.emit(messages[0])
    assert told[2:] == [messages[0]]


def test_it_can_be_asked_who_would_be_told() -> None:
    events = Events()
    assert not events.wants(Stopped)
    assert not events.listens(Stopped)
    events.subscribe(Stopped, lambda _: None)
    assert events.wants(Stopped)
    assert events.listens(Stopped)
    assert not events.listens(Draining)
    events.subscribe(Event, lambda _: None)
    assert events.listens(Draining)
    assert not events.wants(Draining)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_event_is_a_record_that_does_not_change(kind: Any) -> None:
    fields = dataclasses.fields(kind)
    event = kind(*range(len(fields)))
    assert event == kind(*range(len(fields)))
    assert kind.__doc__
    if fields:
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(event, fields[0].name, None)
