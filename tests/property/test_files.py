"""Files, whatever a peer sends: nothing outside the folder is read, written or removed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from jackfield.errors import BadMessage, EndpointError, JackfieldError, ReceiveTimeout
from jackfield.net.crossing import BlockingConnection
from jackfield.services.files import answers, make, wire
from jackfield.services.files.places import place
from jackfield.services.files.wire import CONTROL, BadName, name_of, names_of
from jackfield.testing import Served

parts = st.sampled_from(
    [
        *("", ".", "..", "d", "f", "out", "in", "fifo", "up", "new", "a b", "小明", "\0", "\n"),
        *("..\0", "...", "~", "C:", "\\", "..\\", "%2e%2e", ".jackfield-part-x", "n" * 255),
        *("n" * 256, "\ud800", "é" * 128, "proc", "self", "fd", "root", "dev", "null", "etc"),
    ]
)
paths = st.lists(st.one_of(parts, st.text(max_size=6)), min_size=1, max_size=5).map("/".join)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
FIELDS = (
    *("do", "is", "name", "size", "mode", "mtime", "replace", "hash", "body", "at", "token"),
    *("version", "deep", "about", "entries", "kind", "sum", "error", "text", "why", "more"),
)
verbs = st.sampled_from(
    [
        *("hello", "put", "bytes", "end", "get", "list", "folder", "remove", "stop", "still"),
        *("held", "file", "entries", "error", "removed", "stopped", "nothing"),
    ]
)
messages = st.dictionaries(st.sampled_from(FIELDS), values | paths, max_size=8)


@given(messages, verbs)
def test_what_is_read_is_a_message_or_bad(fields: dict[str, Any], verb: str) -> None:
    """Reading what a peer sends gives a message or raises BadMessage, and nothing else."""
    for read in (wire.asked, answers.answered):
        for key in ("do", "is"):
            try:
                assert read({**fields, key: verb}) is not None
            except BadMessage as error:
                said = str(error)
            else:
                said = ""
            assert len(said) < 600


@given(paths)
def test_a_name_is_its_parts(path: str) -> None:
    """A name that is taken apart and put together is the same; each part is one that can be."""
    try:
        names = names_of(path)
    except BadName:
        return
    assert name_of(names) == path
    for name in names:
        assert 0 < len(name) <= 255
        assert name not in {b".", b".."}
        assert not {*b"/\0"} & {*name}


@given(paths)
def test_a_place_is_written_as_it_is_read(path: str) -> None:
    """A place is refused, or the same once it is written and read again."""
    try:
        found = place(f"tcp://h.example:9/{path}")
    except EndpointError as error:
        said = str(error)
    else:
        said = ""
        assert place(str(found)) == found
    assert "\n" not in said


SECRET = b"what nobody is to see"


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    """A folder with links and a FIFO in it, beside one that nobody is to see."""
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        (base / "up").mkdir()
        (base / "up" / "f").write_bytes(SECRET)
        (base / "new").write_bytes(SECRET)
        root = base / "root"
        root.mkdir()
        yield root


def furnish(root: Path) -> None:
    """Make what is in it, as far as it is missing."""
    (root / "d").mkdir(exist_ok=True)
    for name, target in (("out", "../up"), ("in", "d"), ("up", "/"), ("fd", "/proc/self/fd")):
        if not os.path.lexists(root / name):
            (root / name).symlink_to(target)
    if not os.path.lexists(root / "fifo"):
        os.mkfifo(root / "fifo")


@pytest.fixture(scope="module")
def conn(root: Path) -> Iterator[BlockingConnection[Any]]:
    with Served(make(folder=str(root))) as server, server.connect() as conn:
        conn.send({"do": "hello", "version": 1})
        conn.receive(20)
        yield conn


acts = st.sampled_from(["put", "offer", "get", "list", "about", "folder", "remove"])


@given(st.lists(st.tuples(acts, paths), min_size=1, max_size=6))
def test_no_name_leads_out_of_the_folder(
    root: Path, conn: BlockingConnection[Any], asked: list[tuple[str, str]]
) -> None:
    """Whatever is put, got, listed, made or removed, what lies outside stays, and stays unseen."""
    furnish(root)
    outside = root.parent
    for act, name in asked:
        data = b"mine"
        digest = blake3(data).hexdigest()
        body = b""
        message: dict[str, Any] = {"name": name}
        if act == "put":
            message |= {"do": "put", "size": 4, "body": 4, "hash": digest, "replace": True}
            body = data
        elif act == "offer":
            message |= {"do": "put", "size": 4, "replace": True}
        else:
            do = "list" if act == "about" else act
            message |= {"do": do, "about": act == "about", "deep": True}
            message |= {"hash": True} if do == "list" else {}
            message |= {"mode": 0o700} if act == "folder" else {}
        conn.send_chunk(CONTROL.encode(message) + body)
        answer = conn.receive(20)
        if answer["is"] == "held":
            conn.send_chunk(CONTROL.encode({"do": "bytes", "at": 0, "body": 4}) + data)
            conn.send({"do": "end", "size": 4, "hash": digest})
            answer = conn.receive(20)
        if answer["is"] == "file":
            got = b""
            while len(got) < answer["body"]:
                got += conn.receive_chunk(answer["body"] - len(got))
            assert got == data
            conn.receive(20)
        if answer["is"] == "entries":
            assert {one["name"] for one in answer["entries"]} <= names_below(root)
    assert sorted(path.name for path in outside.iterdir()) == ["new", "root", "up"]
    assert [path.name for path in (outside / "up").iterdir()] == ["f"]
    assert (outside / "up" / "f").read_bytes() == (outside / "new").read_bytes() == SECRET
    assert outside.stat().st_mode & 0o777 == 0o700


def names_below(root: Path) -> set[str]:
    return {os.path.basename(path) for path, _, _ in os.walk(root)} | {  # noqa: PTH119  as it is
        name for _, folders, files in os.walk(root) for name in (*folders, *files)
    }


def receive_all(conn: BlockingConnection[Any]) -> None:
    while conn.receive(20):
        pass


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_any_bytes_end_in_a_refusal_or_are_answered(
    root: Path, first: bytes, second: bytes
) -> None:
    """Bytes that are no message, before or after hello, end the connection and nothing else."""
    furnish(root)
    hello = CONTROL.encode({"do": "hello", "version": 1})
    with Served(make(folder=str(root))) as server:
        for data in (first + b"\n", hello + second + b"\n"):
            with server.connect() as conn:
                conn.send_chunk(data)
                conn.send_eof()
                with pytest.raises(JackfieldError) as ended:
                    receive_all(conn)
                assert not isinstance(ended.value, ReceiveTimeout)
        assert not [event for event in server.told if type(event).__name__ == "HandlerFailed"]
