from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.endpoints import parse
from jackfield.events import (
    BytesReceived,
    BytesSent,
    ConnectionEnded,
    ConnectionOpened,
    Cut,
    DatagramsDropped,
    Event,
    HandlerFailed,
    Listening,
    MessageReceived,
    Refused,
    Stopped,
    WorkerLost,
)
from jackfield.models.running import ConnectionStatus
from jackfield.workers import wire

text = st.text(st.characters(), max_size=50)  # lone surrogates as well
endpoints = st.sampled_from(
    [
        parse(url)
        for url in (
            "tcp://127.0.0.1:1",
            "tls://[::1]:2?cert=/a%20b.pem&key=/k",
            "udp://0.0.0.0:3?rcvbuf=65536",
            "unix:///tmp/a%25b",
            "unix+seqpacket://@abstract",
        )
    ]
)
_values: dict[Any, st.SearchStrategy[Any]] = {
    "int": st.integers(0, 2**70),
    "float": st.floats(allow_nan=False),
    "int | None": st.none() | st.integers(-(1 << 60), 1 << 60),
    "str": text,
    "str | None": st.none() | text,
    "bytes": st.binary(max_size=50),
    "Endpoint": endpoints,
    "tuple[str, ...]": st.lists(text, max_size=5).map(tuple),
    "Any": text | st.binary(max_size=50) | st.none() | st.booleans() | st.floats(allow_nan=False),
}
events = st.one_of(
    *(
        st.builds(kind, **{field.name: _values[field.type] for field in fields(kind)})
        for kind in wire._KINDS.values()
    )
)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=8,
)


def there_and_back(event: Event) -> list[Event]:
    found = []
    for message in wire.packed(event):
        assert message[:1] == wire.EVENT
        assert len(message) < 212_960  # of UNIT, what Linux has room for by default
        found.append(wire.unpacked(message[1:]))
    return found


@given(events)
def test_an_event_comes_back_as_it_was(event: Event) -> None:
    """unpacked(packed(e)) == e for all that a worker may tell."""
    assert there_and_back(event) == [event]


@given(st.binary(max_size=200))
def test_bytes_are_an_event_or_an_error_of_three_kinds(data: bytes) -> None:
    """unpacked() raises nothing but what it says, whatever it is given."""
    is_event_or_refused(data)


@given(plain)
def test_json_is_an_event_or_an_error_of_three_kinds(found: object) -> None:
    """unpacked() raises nothing but what it says for JSON of any shape."""
    is_event_or_refused(json.dumps(found).encode())


@given(st.sampled_from(sorted(wire._KINDS)), st.data())
def test_fields_of_any_kind_are_an_event_or_an_error(kind: str, data: st.DataObject) -> None:
    """What unpacked() gives has in each field what is declared there."""
    values = plain | endpoints.map(str) | st.fixed_dictionaries({"bytes": plain})
    names = [field.name for field in fields(wire._KINDS[kind])]
    found = {name: data.draw(values, name) for name in names}
    is_event_or_refused(json.dumps({"kind": kind, **found}).encode())


@given(plain)
def test_a_status_is_one_or_an_error(found: object) -> None:
    """statuses() raises nothing but what it says, and what it gives can be sorted."""
    try:
        sorted(wire.statuses(json.dumps([found]).encode()))
    except (ValueError, TypeError):
        return


def is_event_or_refused(data: bytes) -> None:
    try:
        event = wire.unpacked(data)
    except (ValueError, KeyError, TypeError):
        return
    for field in fields(event):
        assert isinstance(getattr(event, field.name), wire._TYPES[field.type])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"5",
        b"null",
        b'"text"',
        b"{}",
        b"\xff",
        b'{"kind": "WorkerLost", "worker": 1, "process": 1, "reason": ""}',
        b'{"kind": ["Warned"], "text": ""}',
        b'{"kind": "Warned"}',
        b'{"kind": "Warned", "text": 5}',
        b'{"kind": "Warned", "text": "", "more": 1}',
        b'{"kind": "AcceptResumed", "endpoint": "nonsense"}',
        b'{"kind": "AcceptResumed", "endpoint": 5}',
        b'{"kind": "AcceptResumed", "endpoint": ["a"]}',
        b'{"kind": "BytesSent", "number": 1, "peer": "", "data": {"bytes": 5}}',
        b'{"kind": "BytesSent", "number": 1, "peer": "", "data": {"bytes": "\\u20ac"}}',
        b'{"kind": "BytesSent", "number": "1", "peer": "", "data": {"bytes": ""}}',
        b'{"kind": "Warned", "text": ' + b"[" * 100_000,
    ],
)
def test_what_is_no_event_is_refused(data: bytes) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        wire.unpacked(data)


@pytest.mark.parametrize(
    "data",
    [b"", b"{}5", b"5", b"[1]", b"[[1]]", b"[[1,2,3,4,5,6,7,8,9,10]]", b"[" * 100_000],
)
def test_what_is_no_status_is_refused(data: bytes) -> None:
    with pytest.raises((ValueError, TypeError)):
        wire.statuses(data)


def test_a_status_comes_back_as_it_was() -> None:
    one = ConnectionStatus(1, "tcp://127.0.0.1:1", "a", 12.5, "at work", 1, 2, 3, 4, 5)
    assert wire.statuses(json.dumps([one, one]).encode()) == [one, one]


@pytest.mark.parametrize(
    "event", [Stopped(), Listening(parse("tcp://127.0.0.1:1")), WorkerLost(1, 2, "")]
)
def test_what_the_supervisor_says_itself_is_not_sent(event: Event) -> None:
    assert list(wire.packed(event)) == []


@pytest.mark.parametrize("kind", [BytesReceived, BytesSent])
def test_many_bytes_come_in_parts(kind: type[BytesReceived]) -> None:
    data = bytes(range(256)) * 300
    found = there_and_back(kind(7, "peer", data))
    assert len(found) == 5
    assert b"".join(part.data for part in found if isinstance(part, kind)) == data


@pytest.mark.parametrize("char", ["x", "\0", "é", "\U0001f600", "\udc80"])
def test_what_peers_have_chosen_fits_into_one_unit(char: str) -> None:
    long = char * 1_000_000
    at = parse("tcp://127.0.0.1:1")
    for event in (
        HandlerFailed(1, "peer", long, long + "the end"),
        MessageReceived(1, "peer", long),
        MessageReceived(1, "peer", long.encode("utf-8", "replace")),
        Refused(at, "peer", long),
        Cut((long,) * 1000),
        ConnectionEnded(1, at, "peer", long, 0, 0, 0, 0),
        DatagramsDropped(at, 1, long),
    ):
        assert len(there_and_back(event)) == 1
    (failed,) = there_and_back(HandlerFailed(1, "peer", "", long + "the end"))
    assert isinstance(failed, HandlerFailed)
    assert failed.traceback.endswith("the end")


def test_other_messages_are_told_by_what_they_look_like() -> None:
    assert there_and_back(MessageReceived(1, "a", {"b": 1})) == [
        MessageReceived(1, "a", "{'b': 1}")
    ]
    assert there_and_back(MessageReceived(1, "a", ("b", 1))) == [
        MessageReceived(1, "a", ("b", "1"))
    ]
    opened = ConnectionOpened(1, parse("tcp://127.0.0.1:1"), "a")
    assert there_and_back(opened) == [opened]
