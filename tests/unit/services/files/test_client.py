"""A client of a server that lies, is silent or goes: nothing outside its folder is touched."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from jackfield import Connection, Server, Service, connect
from jackfield.errors import BadMessage, ConnectionEnded, JackfieldError, PeerLost
from jackfield.services.files import asking as module
from jackfield.services.files import wire
from jackfield.services.files.client import Remote
from jackfield.services.files.tasks import Task
from jackfield.services.files.wire import CONTROL
from tests.live import PATIENCE, in_loop, until
from tests.moved import Seen, contents, do, get, get_tree, over, parts_in, put, stream

DATA = b"what is in it"
HASH = blake3(DATA).hexdigest()
FILE = {"is": "file", "size": len(DATA), "mode": 0o600, "mtime": 5, "at": 0, "body": len(DATA)}
END = {"is": "end", "hash": HASH, "changed": False}
WELCOME = {"is": "hello", "version": 1, "max_file": 10_000_000}


class Lying:
    """A server that answers each thing asked by the next of these: messages, and bytes."""

    def __init__(self, *answers: list[Any]) -> None:
        self._answers = answers
        self.asked: list[Any] = []

    async def __call__(self, conn: Connection[Any]) -> None:
        await conn.receive()
        await conn.send(WELCOME)
        for answer in self._answers:
            message = await conn.receive()
            self.asked.append(message)
            await conn.receive_chunk(message["body"]) if message.get("body") else None
            for one in answer:
                await conn.send_chunk(one if isinstance(one, bytes) else CONTROL.encode(one))

    async def serve(self, doing: Callable[[str], Awaitable[Any]]) -> Any:
        service = Service("lying", self, CONTROL)
        async with Server(service, "tcp://127.0.0.1:0") as server:
            async with asyncio.timeout(PATIENCE):
                return await doing(str(server.endpoints[0]))


def entry(name: str, kind: str = "file") -> dict[str, Any]:
    return {"name": name, "kind": kind, "size": 3, "mode": 0o644, "mtime": 0}


def entries(*found: dict[str, Any]) -> dict[str, Any]:
    return {"is": "entries", "entries": list(found)}


@pytest.mark.parametrize("name", ["..", "../evil", "/etc/evil", "a/b", "", ".", "a\0b"])
@in_loop
async def test_names_in_a_folder_lead_nowhere_else(name: str, tmp_path: Path) -> None:
    lying = Lying([entries(entry("d", "folder"))], [entries(entry(name))])
    to = tmp_path / "to"
    with pytest.raises(BadMessage, match="entries"):
        await lying.serve(lambda url: get_tree(url, "d", to))
    assert set(contents(tmp_path)) == {"to"}


@in_loop
async def test_a_link_that_is_here_is_not_followed(tmp_path: Path) -> None:
    """Neither one that lies where a file is to go, nor one on the way to it."""
    (tmp_path / "outside").mkdir()
    to = tmp_path / "to"
    to.mkdir()
    (to / "d").symlink_to("../outside")
    (to / "f").symlink_to("../outside/f")
    listed = [entries(entry("d", "folder"), entry("f"))]
    lying = Lying([entries(entry("x", "folder"))], listed, [FILE, DATA, END])
    seen = await lying.serve(lambda url: get_tree(url, "x", to))
    assert set(seen.errors) == {"to/d", "to/f"}
    assert contents(tmp_path / "outside") == {}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ([FILE | {"at": 5, "body": len(DATA) - 5}], BadMessage),
        ([FILE | {"size": 5}], BadMessage),
        ([{"is": "put", "size": 1}], BadMessage),
        ([wire.summed(FILE) | {"mode": 0o777}], BadMessage),
        ([FILE, DATA[:5]], PeerLost),
        ([FILE, DATA], PeerLost),
        ([b"no JSON\n"], BadMessage),
        ([{"error": "it is over"}], PeerLost),
        ([], PeerLost),
    ],
)
@in_loop
async def test_answers_that_end_it(
    answer: list[Any], error: type[Exception], tmp_path: Path
) -> None:
    with pytest.raises(error) as caught:
        await Lying(answer).serve(lambda url: do(url, get("f", tmp_path / "f")))
    assert isinstance(caught.value, JackfieldError)
    assert not (tmp_path / "f").exists()


@pytest.mark.parametrize(
    "answer",
    [
        [FILE, DATA[::-1], END],
        [FILE, DATA, END | {"changed": True}],
        [FILE, DATA, END | {"hash": "0" * 64}],
    ],
)
@in_loop
async def test_a_file_that_is_not_right_gets_no_name(answer: list[Any], tmp_path: Path) -> None:
    seen = await Lying(answer).serve(lambda url: do(url, get("f", tmp_path / "f")))
    assert seen.why("f") == "Changed"
    assert not (tmp_path / "f").exists()
    again = await Lying([FILE, DATA, END]).serve(lambda url: do(url, get("f", tmp_path / "f")))
    assert again.errors == {}
    assert (tmp_path / "f").read_bytes() == DATA
    assert parts_in(tmp_path) == []


@in_loop
async def test_what_was_put_is_put_only_when_the_server_says_so(tmp_path: Path) -> None:
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(DATA)
    large.write_bytes(bytes(300_000))
    kept = {"is": "put", "size": len(DATA), "hash": HASH}
    differs = {"is": "error", "why": "differs", "text": "it is not"}

    async def both(url: str) -> Seen:
        return await do(url, put(small), put(large))

    seen = await Lying([{"is": "still"}, kept], [differs]).serve(both)
    assert set(seen.moved) == {"small"}
    assert seen.why("large") == "Changed"
    seen = await Lying([differs], [{"is": "error", "why": "busy", "text": "no"}]).serve(both)
    assert (seen.why("small"), seen.why("large")) == ("Changed", "busy")


@in_loop
async def test_what_is_past_the_servers_bound_is_not_sent(tmp_path: Path) -> None:
    huge = tmp_path / "huge"
    with huge.open("wb") as file:
        file.truncate(10_000_001)
    lying = Lying([{}])
    seen = await lying.serve(lambda url: do(url, put(huge)))
    assert seen.why("huge") == "full"
    assert lying.asked == []


@in_loop
async def test_what_was_not_answered_is_given_back_in_order(tmp_path: Path) -> None:
    tasks = [get(f"{number}", tmp_path / f"{number}") for number in range(5)]
    given: list[Any] = []

    async def doing(remote: Remote, seen: Seen) -> None:
        del seen
        try:
            for task in tasks:
                await remote.do(task)
            await remote.settle()
        finally:
            given.extend(remote.given_back())

    answers = [[FILE, DATA, END], [FILE, DATA, END], [FILE, DATA[:5]]]
    with pytest.raises(PeerLost):
        await Lying(*answers).serve(lambda url: over(url, doing))
    assert [task.label for task in given] == ["2", "3", "4"]
    assert sorted(contents(tmp_path)) == ["0", "1"]
    again = await Lying(*[[FILE, DATA, END]] * 3).serve(lambda url: do(url, *given))
    assert again.errors == {}


@in_loop
async def test_a_silent_server_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IDLE", 0.2)
    monkeypatch.setattr(module, "_TICK", 0.05)

    class Silent(Lying):
        async def __call__(self, conn: Connection[Any]) -> None:
            await super().__call__(conn)
            with contextlib.suppress(JackfieldError):
                await conn.receive()

    with pytest.raises(JackfieldError):
        await Silent([]).serve(lambda url: do(url, get("f", tmp_path / "f")))


@pytest.mark.parametrize("size", [100_000, 2_000_000, None])
@in_loop
async def test_a_server_that_ends_and_takes_nothing_more_is_noticed(
    size: int | None, tmp_path: Path
) -> None:
    """It has not read what was sent to it, so no reset comes: only its end can be read."""
    tasks: list[Task] = [stream(bytes(2_000_000), "s")]
    if size is not None:
        (tmp_path / "f").write_bytes(bytes(size))
        tasks = [put(tmp_path / "f", f"f{number}") for number in range(20)]
    first = {"is": "put", "size": 1, "hash": HASH} if size == 100_000 else {"is": "held", "size": 0}
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        url = f"tcp://127.0.0.1:{listener.getsockname()[1]}?sndbuf=65536"
        conn = await connect(url, CONTROL)
        server, _ = await loop.sock_accept(listener)
    remote = Remote(conn, Seen())

    async def doing() -> None:
        for task in tasks:
            await remote.do(task)
        await remote.settle()

    with server:
        await loop.sock_sendall(server, CONTROL.encode(WELCOME) + CONTROL.encode(first))
        await remote.begin()
        async with asyncio.timeout(PATIENCE):
            moving = asyncio.ensure_future(doing())
            await asyncio.to_thread(until, lambda: conn.bytes_sent > 50_000)  # more than is taken
            server.shutdown(socket.SHUT_RDWR)
            with pytest.raises(ConnectionEnded):
                await moving
        assert remote.reason == "the server has ended the connection"
        assert len(remote.given_back()) > 0
        await remote.end()


async def put_stream(data: bytes, url: str) -> Seen:
    return await do(url, stream(data, "s"))


@in_loop
async def test_a_stream_that_is_there_already_or_is_another(tmp_path: Path) -> None:
    held = {"is": "held", "size": 0, "there_size": len(DATA), "there_hash": HASH}
    for data, says in ((DATA, None), (b"other", "exists")):
        lying = Lying([held], [{"is": "stopped"}])
        seen = await lying.serve(partial(put_stream, data))
        assert [message["do"] for message in lying.asked] == ["put", "stop"]
        assert seen.errors == {} if says is None else seen.why("s") == says
