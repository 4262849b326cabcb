"""Laws of recordings: what is written is read, and what is read is never worse than refused."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from jackfield.endpoints import parse
from jackfield.errors import ConfigurationError
from jackfield.events import BytesReceived, BytesSent, ConnectionEnded, ConnectionOpened, Events
from jackfield.recording import Recorder, read

AT = parse("tcp://127.0.0.1:9999")
FIRST = b'{"format": "jackfield recording", "version": 1, "began": 1.5}\n'

steps = st.lists(
    st.tuples(
        st.integers(1, 3),
        st.one_of(
            st.tuples(st.sampled_from(["received", "sent"]), st.binary(max_size=30)),
            st.tuples(st.just("went"), st.text(max_size=5)),
        ),
    ),
    max_size=20,
)
"""What happens to which of three connections; each comes before its first."""

values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-2, 5),
        st.integers(),
        st.floats(),
        st.text(max_size=5),
        st.sampled_from(["came", "received", "sent", "went", "aGVsbG8K", "====", "a"]),
    ),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)
names = st.sampled_from(["at", "connection", "what", "peer", "endpoint", "data", "reason"])
lines = st.one_of(
    st.binary(max_size=40),
    st.dictionaries(names, values).map(lambda fields: json.dumps(fields).encode()),
)


@contextlib.contextmanager
def new_file() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "it"


def recorded(path: Path, what: list[tuple[int, tuple[str, Any]]]) -> dict[int, list[bytes]]:
    """Record this; give what each has sent until it comes again."""
    events, sent = Events(), dict[int, list[bytes]]()
    recorder = Recorder(str(path))
    recorder.follow(events)
    for number, (kind, content) in what:
        if number not in sent:
            events.emit(ConnectionOpened(number, AT, f"peer {number}"))
            sent[number] = []
        if kind == "received":
            events.emit(BytesReceived(number, "", content))
            sent[number].append(content)
        elif kind == "sent":
            events.emit(BytesSent(number, "", content))
        else:
            events.emit(ConnectionEnded(number, AT, "", content, 0, 0, 0, 0))
    recorder.close()
    return sent


def pieces(path: Path) -> dict[int, list[bytes]]:
    return {one.number: [piece.data for piece in one.pieces] for one in read(str(path))}


@given(steps)
def test_what_was_recorded_is_read(what: list[tuple[int, tuple[str, Any]]]) -> None:
    """Each peer is read, in the order in which they came, with what it sent, piece by piece."""
    with new_file() as path:
        sent = recorded(path, what)
        assert pieces(path) == sent
        found = read(str(path))
        assert [one.number for one in found] == list(sent)
        for one in found:
            times = [piece.at for piece in one.pieces]
            assert times == sorted(times)
            assert all(at >= 0 for at in times)
            over = any(number == one.number and kind == "went" for number, (kind, _) in what)
            assert (one.went is not None) == over


@given(steps, st.floats(0, 1))
def test_cut_anywhere_it_reads_as_what_had_come_by_then(
    what: list[tuple[int, tuple[str, Any]]], where: float
) -> None:
    """A file that is cut behind its first line reads as one of the whole lines before the cut."""
    with new_file() as path:
        recorded(path, what)
        content = path.read_bytes()
        first = content.index(b"\n")  # how long lines are depends on the time
        cut = first + round(where * (len(content) - first))
        path.write_bytes(content[:cut])
        found = pieces(path)
        path.write_bytes(content[: content.rfind(b"\n", 0, cut) + 1] or content[: cut + 1])
        assert pieces(path) == found


@given(st.lists(lines, max_size=6), st.booleans(), st.booleans())
def test_of_any_lines_whatever_reading_raises_is_one_error(
    what: list[bytes], begins: bool, ends: bool
) -> None:
    """Whatever stands in a file, it is read, or ConfigurationError says that it is none."""
    with new_file() as path:
        text = b"\n".join(what)
        path.write_bytes((FIRST if begins else b"") + text + (b"\n" if ends else b""))
        with contextlib.suppress(ConfigurationError):
            read(str(path))
