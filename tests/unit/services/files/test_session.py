"""What a client may say that is out of turn, too much or wrong; served in memory."""

from __future__ import annotations

import asyncio
import os
import pickle
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from jackfield.errors import ConfigurationError, EndOfStream
from jackfield.net.crossing import BlockingConnection
from jackfield.net.folders import FileRefused
from jackfield.service import Service
from jackfield.services.files import LIMITS, Files, make, wire
from jackfield.services.files.rights import Anybody
from jackfield.services.files.wire import CONTROL, MOST_BODY
from jackfield.testing import Served

DATA = os.urandom(300_000)
HASH = blake3(DATA).hexdigest()
HELLO = {"do": "hello", "version": 1}
OFFER = {"do": "put", "name": "f", "size": len(DATA), "mode": 0o644, "mtime": 0}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def conn(folder: Path) -> Iterator[BlockingConnection[Any]]:
    """A client that has said hello."""
    with Served(make(folder=str(folder))) as server, server.connect() as conn:
        conn.send(HELLO)
        assert conn.receive(20)["is"] == "hello"
        yield conn


def ask(conn: BlockingConnection[Any], message: Any, body: bytes = b"") -> dict[str, Any]:
    """Say something; give the answer, without its sum, which is right."""
    conn.send_chunk(CONTROL.encode(message) + body)
    answer: dict[str, Any] = conn.receive(20)
    assert wire.summed({k: v for k, v in answer.items() if k != "sum"}) == answer
    return {key: value for key, value in answer.items() if key != "sum"}


def refusal(conn: BlockingConnection[Any], message: Any, body: bytes = b"") -> str:
    """Say something after which the connection ends; give why."""
    conn.send_chunk(CONTROL.encode(message) + body)
    why: str = conn.receive(20)["error"]
    with pytest.raises(EndOfStream):
        conn.receive(20)
    return why


def piece(conn: BlockingConnection[Any], at: int, end: int) -> None:
    message = {"do": "bytes", "at": at, "body": end - at}
    conn.send_chunk(CONTROL.encode(message) + DATA[at:end])


def end(conn: BlockingConnection[Any]) -> dict[str, Any]:
    return ask(conn, {"do": "end", "size": len(DATA), "hash": HASH})


def test_a_file_in_pieces(conn: BlockingConnection[Any], folder: Path) -> None:
    held = ask(conn, OFFER)
    assert held == {"is": "held", "size": 0, "hash": blake3(b"").hexdigest()}
    piece(conn, 0, 1)
    piece(conn, 1, 100_000)
    conn.send({"do": "still"})
    piece(conn, 100_000, 100_000)
    piece(conn, 100_000, len(DATA))
    assert end(conn) == {"is": "put", "size": len(DATA), "hash": HASH, "already": False}
    assert (folder / "f").read_bytes() == DATA
    held = ask(conn, OFFER)
    assert (held["there_size"], held["there_hash"]) == (len(DATA), HASH)
    assert ask(conn, {"do": "stop"}) == {"is": "stopped"}


def test_it_goes_on_and_begins_anew_when_asked(conn: BlockingConnection[Any], folder: Path) -> None:
    ask(conn, OFFER)
    piece(conn, 0, 100_000)
    assert ask(conn, {"do": "stop"}) == {"is": "stopped"}
    held = ask(conn, OFFER)
    assert (held["size"], held["hash"]) == (100_000, blake3(DATA[:100_000]).hexdigest())
    piece(conn, 0, 50_000)
    piece(conn, 50_000, len(DATA))
    assert end(conn)["is"] == "put"
    assert (folder / "f").read_bytes() == DATA


def test_another_hash_is_refused_and_what_came_is_dropped(
    conn: BlockingConnection[Any], folder: Path
) -> None:
    ask(conn, OFFER)
    piece(conn, 0, len(DATA))
    wrong = ask(conn, {"do": "end", "size": len(DATA), "hash": "0" * 64})
    assert (wrong["is"], wrong["why"]) == ("error", "differs")
    assert list(folder.iterdir()) == []
    body = {**OFFER, "size": 5, "hash": HASH, "body": 5}
    assert ask(conn, body, b"12345")["why"] == "differs"
    assert list(folder.iterdir()) == []
    ask(conn, OFFER)
    piece(conn, 0, 10)
    assert end(conn)["why"] == "differs"
    assert list(folder.iterdir()) == []


def test_what_follows_a_refusal_is_passed_over(conn: BlockingConnection[Any], folder: Path) -> None:
    """A client may have sent some of a file before it hears that it is not wanted."""
    (folder / "f").mkdir()
    conn.send(OFFER)
    piece(conn, 0, 100_000)
    conn.send({"do": "end", "size": len(DATA), "hash": HASH})
    assert ask(conn, {"do": "stop"})["why"] == "folder"
    misnamed = ask(conn, {**OFFER, "name": "../f", "size": 5, "hash": HASH, "body": 5}, b"{}\n{}")
    assert misnamed["why"] == "odd"
    assert ask(conn, {"do": "list"})["is"] == "entries"


def test_a_refusal_is_said_before_what_is_on_its_way_has_come(folder: Path) -> None:
    """It may be on its way for long."""
    with Served(make(folder=str(folder), max_file=1000)) as server, server.connect() as conn:
        ask(conn, HELLO)
        assert ask(conn, {**OFFER, "size": None})["is"] == "held"
        head = {"do": "bytes", "at": 0, "body": len(DATA)}
        assert ask(conn, head, DATA[:10])["why"] == "full"
        misnamed = {**OFFER, "name": "../f", "size": 5, "hash": HASH, "body": 5}
        conn.send_chunk(DATA[10:])
        assert ask(conn, misnamed, b"12")["why"] == "odd"
        conn.send_chunk(b"345")
        assert ask(conn, {"do": "list"})["is"] == "entries"
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("messages", "says"),
    [
        ([{"do": "bytes", "at": 0, "body": 1}], "no file was offered"),
        ([{"do": "end", "size": 0, "hash": HASH}], "no file was offered"),
        ([{"do": "stop"}], "no file was offered"),
        ([HELLO], "hello was said already"),
        ([OFFER, {"do": "list"}], "a file was offered"),
        ([OFFER, {"do": "bytes", "at": 5, "body": 1}], "5 is not where the file goes on"),
        ([{**OFFER, "size": 1}, {"do": "bytes", "at": 0, "body": 2}], "more than the file"),
        ([{"do": "bytes", "at": 0, "body": MOST_BODY + 1}], "body is no number"),
        ([{"do": "dance"}], "nothing is called 'dance'"),
        (["hello"], "is an object"),
    ],
)
def test_what_breaks_the_protocol_ends_the_connection(
    messages: list[Any], says: str, conn: BlockingConnection[Any]
) -> None:
    *first, last = messages
    for message in first:
        ask(conn, message)
    assert says in refusal(conn, last, b"xx")


def test_hello_comes_first_and_is_of_this_version(folder: Path) -> None:
    with Served(make(folder=str(folder))) as server:
        with server.connect() as conn:
            assert "the first thing said is hello" in refusal(conn, {"do": "list"})
        with server.connect() as conn:
            answer = ask(conn, {"do": "hello", "version": 2})
            assert "version 2 of the protocol of files is not spoken here" in answer["text"]
            with pytest.raises(EndOfStream):
                conn.receive(20)


def test_a_file_that_is_got_from_where_it_is(conn: BlockingConnection[Any], folder: Path) -> None:
    (folder / "f").write_bytes(DATA)
    for at, digest, begins in (
        (0, "", 0),
        (5, blake3(DATA[:5]).hexdigest(), 5),
        (290_000, blake3(DATA[:290_000]).hexdigest(), 290_000),
        (len(DATA), HASH, len(DATA)),
        (len(DATA), "0" * 64, 0),
        (len(DATA) + 1, HASH, 0),
    ):
        file = ask(conn, {"do": "get", "name": "f", "at": at, "hash": digest})
        assert (file["size"], file["at"], file["body"]) == (
            len(DATA),
            begins,
            len(DATA) - begins,
        )
        body = b""
        while len(body) < file["body"]:
            body += conn.receive_chunk(file["body"] - len(body))
        assert body == DATA[begins:]
        sent = conn.receive(20)
        assert (sent["hash"], sent["changed"]) == (HASH, False)
    assert ask(conn, {"do": "get", "name": "none"})["why"] == "none"
    assert ask(conn, {"do": "get", "name": ""})["why"] == "folder"


def test_a_long_list_comes_in_pages(conn: BlockingConnection[Any], folder: Path) -> None:
    names = sorted([f"{number:03}{'é' * 120}" for number in range(300)])
    for name in names:
        (folder / name).touch()
    (folder / os.fsdecode(b"\xff")).touch()
    answer = ask(conn, {"do": "list"})
    listed, pages = [], 1
    while answer["more"]:
        listed += answer["entries"]
        answer, pages = conn.receive(20), pages + 1
    listed += answer["entries"]
    assert [one["name"] for one in listed] == names
    assert (answer["unnamed"], answer["cut"]) == (1, False)
    assert pages > 2


class Owned(Anybody):
    """Ann's files are hers. It keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, int | None]] = []

    async def enter(self, token: str, source: str) -> str:
        del source
        if not token:
            raise FileRefused("say who you are")
        return token

    async def may_change(self, who: str, name: str) -> None:
        owner = {name: who for who, name, size in self.told if size is not None}.get(name, who)
        if owner != who:
            raise FileRefused(f"{name} is {owner}'s")

    async def changed(self, who: str, name: str, size: int | None) -> None:
        self.told.append((who, name, size))


def test_who_may_do_what_can_be_known_elsewhere(folder: Path) -> None:
    owned = Owned()
    how: dict[str, Any] = {"max_file": 10**9, "quota": None, "keep_parts": 60.0}
    files = Files(str(folder), rights=owned, read_only=False, no_remove=False, **how)
    with Served(Service("files", files, CONTROL, LIMITS)) as server:
        with server.connect() as conn:
            assert "say who you are" in ask(conn, HELLO)["text"]
        for who, says in (("Ann", "put"), ("Ben", "error"), ("Ann", "put")):
            with server.connect() as conn:
                ask(conn, HELLO | {"token": who})
                data = f"{who} {len(owned.told)}".encode()
                small = {"hash": blake3(data).hexdigest(), "size": len(data), "body": len(data)}
                answer = ask(conn, {**OFFER, **small, "replace": True}, data)
                assert answer["is"] == says
                if who == "Ben":
                    assert answer["text"] == "f is Ann's"
                    assert ask(conn, {"do": "remove", "name": "f"})["text"] == "f is Ann's"
                elif len(owned.told) == 2:
                    assert ask(conn, {"do": "remove", "name": "f"})["is"] == "removed"
    assert owned.told == [("Ann", "f", 5), ("Ann", "f", 5), ("Ann", "f", None)]


class Meanwhile(Owned):
    """Ben is told that he may, and before he goes on Ann has put a file of that name."""

    def __init__(self) -> None:
        super().__init__()
        self._noted = asyncio.Event()
        self.waits = threading.Event()

    async def may_change(self, who: str, name: str) -> None:
        await super().may_change(who, name)
        if who == "Ben" and not self._noted.is_set():
            self.waits.set()
            await self._noted.wait()

    async def changed(self, who: str, name: str, size: int | None) -> None:
        await super().changed(who, name, size)
        self._noted.set()


@pytest.mark.parametrize("small", [True, False])
def test_whose_it_is_is_asked_while_nobody_else_can_write_it(small: bool, folder: Path) -> None:
    owned = Meanwhile()
    how: dict[str, Any] = {"max_file": 10**9, "quota": None, "keep_parts": 60.0}
    files = Files(str(folder), rights=owned, read_only=False, no_remove=False, **how)

    def offer(data: bytes) -> dict[str, Any]:
        digest = blake3(data).hexdigest()
        along = {"hash": digest, "body": len(data)} if small else {}
        return {**OFFER, "size": len(data), "replace": True, **along}

    def put(conn: BlockingConnection[Any], data: bytes) -> dict[str, Any]:
        """Send the rest; give the answer."""
        if small:
            answer = conn.receive(20)
        else:
            held = conn.receive(20)
            assert held["is"] == "held", held
            conn.send_chunk(CONTROL.encode({"do": "bytes", "at": 0, "body": len(data)}) + data)
            digest = blake3(data).hexdigest()
            answer = ask(conn, {"do": "end", "size": len(data), "hash": digest})
        return {"is": answer["is"], "text": answer.get("text")}

    service = Service("files", files, CONTROL, LIMITS)
    with Served(service) as server, server.connect() as ben, server.connect() as ann:
        ask(ben, HELLO | {"token": "Ben"})
        ask(ann, HELLO | {"token": "Ann"})
        ben.send_chunk(CONTROL.encode(offer(b"Ben's")) + (b"Ben's" if small else b""))
        assert owned.waits.wait(20)
        ann.send_chunk(CONTROL.encode(offer(b"Ann's")) + (b"Ann's" if small else b""))
        assert put(ann, b"Ann's")["is"] == "put"
        assert put(ben, b"Ben's") == {"is": "error", "text": "f is Ann's"}
    assert (folder / "f").read_bytes() == b"Ann's"
    assert owned.told == [("Ann", "f", 5)]


def test_what_is_not_kept_gives_its_room_back_at_once(folder: Path) -> None:
    quota = 3 * len(DATA)

    def offer(name: str, size: int) -> dict[str, Any]:
        return {**OFFER, "name": name, "size": size}

    with Served(make(folder=str(folder), quota=quota)) as server:
        with server.connect() as conn, server.connect() as cut:
            ask(conn, HELLO)
            ask(cut, HELLO)
            assert ask(conn, offer("stopped", quota))["is"] == "held"
            assert ask(cut, offer("other", 1))["why"] == "full"
            piece(conn, 0, len(DATA))
            assert ask(conn, {"do": "stop"})["is"] == "stopped"
            assert ask(cut, offer("other", 2 * len(DATA) + 1))["why"] == "full"
            assert ask(cut, offer("wrong", 2 * len(DATA)))["is"] == "held"
            piece(cut, 0, len(DATA))
            assert end(cut)["why"] == "differs"
            assert ask(cut, offer("cut", 2 * len(DATA)))["is"] == "held"
        with server.connect() as conn:
            ask(conn, HELLO)
            deadline = time.monotonic() + 20
            while ask(conn, offer("next", 2 * len(DATA)))["is"] != "held":  # once that is seen
                assert time.monotonic() < deadline
            assert ask(conn, {"do": "stop"})["is"] == "stopped"


def test_what_is_there_already_needs_no_room(folder: Path) -> None:
    (folder / "f").write_bytes(DATA)
    with Served(make(folder=str(folder), quota=len(DATA))) as server, server.connect() as conn:
        ask(conn, HELLO)
        held = ask(conn, OFFER)
        assert (held["is"], held["there_hash"]) == ("held", HASH)
        assert ask(conn, {"do": "stop"}) == {"is": "stopped"}
        assert ask(conn, {**OFFER, "replace": True})["is"] == "held"
        conn.send_chunk(CONTROL.encode({"do": "bytes", "at": 0, "body": len(DATA)}))
        assert conn.receive(20)["why"] == "full"


def test_what_cannot_be_served(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="needs a folder"):
        make()
    with pytest.raises(ConfigurationError, match="ENOENT"):
        make(folder=str(tmp_path / "none"))


def test_the_handler_crosses_between_processes(folder: Path) -> None:
    again = pickle.loads(pickle.dumps(make(folder=str(folder))))  # noqa: S301  our own
    with Served(again) as server, server.connect() as conn:
        assert ask(conn, HELLO)["is"] == "hello"
