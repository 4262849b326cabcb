from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.errors import BadMessage, LocalProtocolError
from jackfield.services.commands import wire
from jackfield.services.commands.wire import (
    MOST_ARGS,
    MOST_BYTES,
    End,
    Exit,
    Hello,
    More,
    Refused,
    Run,
    Signal,
    Started,
    Stop,
    Welcome,
)

ANY_BYTES = st.binary(min_size=1, max_size=50).map(lambda data: data.replace(b"\0", b"\1"))
ARGUMENTS = ANY_BYTES.map(lambda data: data.decode("utf-8", "surrogateescape"))
COUNTS = st.integers(0, 2**53 - 1)
TIMES = st.floats(0, 1e6)

FROM_CLIENT = st.one_of(
    st.builds(Hello, st.just(1), st.text(max_size=50).filter(lambda text: "\0" not in text)),
    st.builds(
        Run,
        st.lists(ARGUMENTS, min_size=1, max_size=5).map(tuple),
        st.text("abc/é", max_size=9),
        st.lists(
            st.tuples(st.sampled_from(["A", "B_1", "_c"]), ARGUMENTS), unique_by=lambda p: p[0]
        ).map(tuple),
        TIMES,
    ),
    st.just(End()),
    st.builds(Signal, st.sampled_from(wire.SIGNALS)),
    st.just(Stop()),
    st.builds(More, st.sampled_from([1, 2]), COUNTS),
)
FROM_SERVER = st.one_of(
    st.builds(Welcome, st.just(1), st.text("anna é", max_size=9)),
    st.builds(Refused, st.text("anna é\n", max_size=9)),
    st.just(Started()),
    st.builds(More, st.just(0), COUNTS),
    st.builds(
        Exit,
        st.none() | st.integers(0, 255),
        st.none() | st.sampled_from(["KILL", "TERM"]),
        st.sampled_from(["exit", "timeout"]),
        COUNTS,
        TIMES,
        COUNTS,
        COUNTS,
        COUNTS,
    ),
)


@given(FROM_CLIENT)
def test_what_a_client_says_is_read_as_it_was_meant(said: wire.FromClient) -> None:
    """from_client(encode(x)) == x, with arguments of any bytes."""
    text = wire.encode(said)
    text.encode()  # whatever the arguments are, it is text
    assert wire.from_client(text) == said


@given(FROM_SERVER)
def test_what_the_service_says_is_read_as_it_was_meant(said: wire.FromServer) -> None:
    """from_server(encode(x)) == x."""
    assert wire.from_server(wire.encode(said)) == said


@given(
    st.text()
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(["do", "is", "args", "x"]), inner)
        ),
    ).map(json.dumps)
)
def test_nonsense_is_told_and_nothing_else(text: str) -> None:
    """Whatever the text, what comes of it is a message or BadMessage."""
    for read in (wire.from_client, wire.from_server):
        try:
            read(text)
        except BadMessage:
            continue


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"do": "dance"}, 'a message has a "do", one of hello, run, end, signal, stop, more'),
    ({"do": ["run"]}, 'a message has a "do"'),
    ({"do": "hello"}, "hello: version is missing or wrong"),
    ({"do": "hello", "version": True}, "hello: version is missing or wrong"),
    ({"do": "hello", "version": 1, "token": "x" * 257}, "hello: token is missing or wrong"),
    ({"do": "hello", "version": 1, "name": "x"}, "hello: there is no 'name' in it"),
    ({"do": "run"}, "run: args is missing or wrong"),
    ({"do": "run", "args": []}, "run: args is missing or wrong"),
    ({"do": "run", "args": "ls"}, "run: args is missing or wrong"),
    ({"do": "run", "args": ["ls", 1]}, "run: an argument is a text"),
    ({"do": "run", "args": [""]}, "run: the first argument is the program, and it is empty"),
    ({"do": "run", "args": ["ls", "a\0b"]}, "run: an argument cannot have a NUL in it"),
    ({"do": "run", "args": ["ls", "\ud800"]}, "run: an argument is text, or bytes as"),
    ({"do": "run", "args": ["x"] * (MOST_ARGS + 1)}, f"run: more than {MOST_ARGS} arguments"),
    ({"do": "run", "args": ["x" * MOST_BYTES]}, f"run: more than {MOST_BYTES} bytes of"),
    ({"do": "run", "args": ["x"], "env": {"A=B": "c"}}, "run: 'A=B' is no name of a variable"),
    ({"do": "run", "args": ["x"], "env": {"": "c"}}, "run: '' is no name of a variable"),
    ({"do": "run", "args": ["x"], "env": {"A": None}}, "run: an argument is a text"),
    ({"do": "run", "args": ["x"], "env": {f"A{n}": "" for n in range(65)}}, "run: more than 64"),
    ({"do": "run", "args": ["x"], "env": []}, "run: env is missing or wrong"),
    ({"do": "run", "args": ["x"], "cwd": "a\0"}, "run: cwd is missing or wrong"),
    ({"do": "run", "args": ["x"], "timeout": -1}, "run: timeout is missing or wrong"),
    ({"do": "run", "args": ["x"], "timeout": 1e9}, "run: timeout is missing or wrong"),
    ({"do": "run", "args": ["x"], "shell": True}, "run: there is no 'shell' in it"),
    ({"do": "signal", "signal": "NONSENSE"}, "signal: signal is missing or wrong"),
    ({"do": "signal", "signal": 9}, "signal: signal is missing or wrong"),
    ({"do": "end", "now": 1}, "end: there is no 'now' in it"),
    ({"do": "stop", "now": 1}, "stop: there is no 'now' in it"),
    ({"do": "more", "stream": 0, "bytes": 1}, "more: stream is missing or wrong"),
    ({"do": "more", "stream": 1, "bytes": -1}, "more: bytes is missing or wrong"),
]


@pytest.mark.parametrize(("message", "says"), WRONG, ids=range(len(WRONG)))
def test_what_is_wrong_is_told(message: dict[str, Any], says: str) -> None:
    with pytest.raises(BadMessage) as caught:
        wire.from_client(json.dumps(message))
    assert str(caught.value).startswith(says)


@pytest.mark.parametrize("text", ["", "[]", "3", "{", '{"do": 1e400}', "[" * 100_000])
def test_what_is_no_object_is_told(text: str) -> None:
    with pytest.raises(BadMessage):
        wire.from_client(text)


def test_what_cannot_be_sent_is_told_here() -> None:
    assert wire.check(Run(("ls", "-l"))) == Run(("ls", "-l"))
    with pytest.raises(LocalProtocolError, match="cannot have a NUL in it"):
        wire.check(Run(("ls", "a\0b")))


def test_data_says_of_which_stream_it_is() -> None:
    assert wire.data(wire.STDERR, b"x") == b"\2x"


def test_signals_have_numbers_where_there_are_any() -> None:
    assert wire.number_of("KILL") == 9
    assert wire.number_of("NONSENSE") == wire.number_of("_DFL") == 0
