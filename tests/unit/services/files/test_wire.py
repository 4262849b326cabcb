from __future__ import annotations

from typing import Any

import pytest

from jackfield.errors import BadMessage
from jackfield.services.files import answers, wire
from jackfield.services.files.answers import answered
from jackfield.services.files.wire import (
    LARGEST,
    LONGEST_PATH,
    MOST_BODY,
    SMALL,
    BadName,
    Misnamed,
    asked,
    names_of,
    summed,
)

HASH = "ab" * 32


def test_names_are_taken_apart() -> None:
    assert names_of("") == []
    assert names_of("a") == [b"a"]
    assert names_of("a/小明 \n/...") == [b"a", "小明 \n".encode(), b"..."]
    assert names_of("n" * 255) == [b"n" * 255]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("/a", "empty"),
        ("a/", "empty"),
        ("a//b", "empty"),
        ("..", ".."),
        ("a/../b", ".."),
        (".", "."),
        ("a\0b", "NUL"),
        ("n" * 256, "255 bytes"),
        ("é" * 128, "255 bytes"),
        ("\ud800", "no UTF-8"),
        ("a/.jackfield-part-1", "begins with .jackfield-"),
        ("a/" * 64 + "a", "64 folders"),
        (("n" * 200 + "/") * 20 + "n" * 200, str(LONGEST_PATH)),
    ],
)
def test_names_that_nothing_can_have(name: str, says: str) -> None:
    with pytest.raises(BadName, match=says):
        names_of(name)
    if len(name) <= LONGEST_PATH:
        found = asked({"do": "put", "name": name, "size": 1, "body": 1, "hash": HASH})
        assert isinstance(found, Misnamed)
        assert found.body == 1
        assert len(found.text) < 500


PUT = {"do": "put", "name": "a/b", "size": 5, "mode": 0o644, "mtime": -3, "replace": True}


@pytest.mark.parametrize(
    ("message", "found"),
    [
        ({"do": "hello", "version": 1, "token": "x"}, wire.Hello(1, "x")),
        ({"do": "hello"}, wire.Hello(0, "")),
        (PUT, wire.Put([b"a", b"b"], 5, 0o644, -3, True, "", None)),
        (
            PUT | {"hash": HASH, "body": 5},
            wire.Put([b"a", b"b"], 5, 0o644, -3, True, HASH, 5),
        ),
        ({"do": "put", "name": "a"}, wire.Put([b"a"], None, 0, 0, False, "", None)),
        ({"do": "bytes", "at": 7, "body": MOST_BODY}, wire.Bytes(7, MOST_BODY)),
        ({"do": "end", "size": 7, "hash": HASH}, wire.End(7, HASH)),
        ({"do": "get", "name": "a", "at": 7, "hash": HASH}, wire.Get([b"a"], 7, HASH)),
        ({"do": "list", "hash": True}, wire.List([], True, False)),
        ({"do": "folder", "name": "a"}, wire.MakeFolder([b"a"], None, 0)),
        ({"do": "remove", "name": "a", "deep": True}, wire.Remove([b"a"], True)),
        ({"do": "stop", "what is new": [1]}, wire.Stop()),
        ({"do": "still"}, wire.Still()),
    ],
)
def test_what_a_client_says(message: dict[str, Any], found: object) -> None:
    assert asked(message) == found
    assert asked(summed(message)) == found


@pytest.mark.parametrize(
    "message",
    [
        None,
        1,
        [],
        {},
        {"do": 1},
        {"do": "nothing"},
        {"do": "put", "name": 7},
        PUT | {"size": -1},
        PUT | {"size": LARGEST + 1},
        PUT | {"size": 1.5},
        PUT | {"size": True},
        PUT | {"mode": 0o1777},
        PUT | {"mtime": LARGEST * 2},
        PUT | {"replace": 1},
        PUT | {"hash": "ab"},
        PUT | {"hash": "x" * 64},
        PUT | {"body": 5},
        PUT | {"body": 4, "hash": HASH},
        PUT | {"size": SMALL + 1, "body": SMALL + 1, "hash": HASH},
        {"do": "put", "name": "a" * (LONGEST_PATH + 1)},
        {"do": "bytes", "at": 0, "body": MOST_BODY + 1},
        {"do": "bytes", "at": "0", "body": 1},
        {"do": "hello", "version": 1, "token": "x" * 513},
        {"do": "stop", "sum": 1},
        {**summed(PUT), "name": "a/c"},
    ],
)
def test_what_no_client_says(message: Any) -> None:
    with pytest.raises(BadMessage):
        asked(message)


@pytest.mark.parametrize(
    "message",
    [{"do": "remove", "name": ""}, {"do": "put", "name": ""}, {"do": "list", "about": True}],
)
def test_what_is_asked_of_the_folder_itself(message: Any) -> None:
    assert isinstance(asked(message), Misnamed)


ENTRY = {"name": "a", "kind": "file", "size": 1, "mode": 0o600, "mtime": 5}


@pytest.mark.parametrize(
    ("message", "found"),
    [
        ({"is": "hello", "version": 1, "max_file": 9}, answers.Welcome(1, 9, False, False)),
        ({"is": "held", "size": 3, "hash": HASH}, answers.Held(3, HASH, None, "")),
        ({"is": "put", "size": 3, "hash": HASH, "already": True}, answers.Kept(3, HASH, True)),
        ({"is": "file", "size": 3, "at": 1, "body": 2}, answers.File(3, 0, 0, 1, 2)),
        ({"is": "end", "hash": HASH, "changed": True}, answers.Sent(HASH, True)),
        (
            {"is": "entries", "entries": [ENTRY], "unnamed": 2},
            answers.Entries([answers.Entry("a", "file", 1, 0o600, 5)], False, False, 2),
        ),
        ({"is": "folder"}, answers.Done()),
        ({"is": "error", "why": "full", "text": "it is"}, answers.Failed("full", "it is")),
        ({"error": "too many"}, answers.Failed("refused", "too many")),
        ({"is": "still"}, wire.Still()),
    ],
)
def test_what_a_server_answers(message: dict[str, Any], found: object) -> None:
    assert answered(message) == found


@pytest.mark.parametrize(
    "message",
    [
        {"is": "nothing"},
        {"is": "file", "size": 3, "at": 1, "body": 3},
        {"is": "entries"},
        {"is": "entries", "entries": [ENTRY] * 257},
        {"is": "entries", "entries": [7]},
        *(
            {"is": "entries", "entries": [ENTRY | {"name": name}]}
            for name in ("", "..", "a/b", "\0", ".jackfield-x", "\ud800")
        ),
        {"is": "entries", "entries": [ENTRY | {"kind": "device"}]},
        {"is": "held", "size": 3, "hash": HASH, "sum": 0},
    ],
)
def test_what_no_server_answers(message: dict[str, Any]) -> None:
    with pytest.raises(BadMessage):
        answered(message)
