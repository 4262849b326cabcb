"""The sending half of a stream: joining, waiting, files, the end of this side."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from jackfield.errors import ConnectionClosed, PeerLost
from jackfield.framing import lines
from jackfield.framing.raw import Raw
from jackfield.limits import Limits
from jackfield.models.names import ModelName
from jackfield.net.writing import ENOUGH, JOINED
from jackfield.server import Server
from jackfield.service import Service
from tests.unit.net.conftest import Opener
from tests.unit.net.wires import FaceName, Kind, Wires, read, rest, spawn, until

SIZE = 3_000_000
"""Bytes of the file to send: more than the system takes at once."""


@pytest.fixture(scope="module")
def content() -> bytes:
    return b"".join(number.to_bytes(4, "big") for number in range(SIZE // 4))


@pytest.fixture
def file(content: bytes, tmp_path: Path) -> Iterator[BinaryIO]:
    (tmp_path / "file").write_bytes(content)
    with (tmp_path / "file").open("rb") as opened:
        yield opened


# Files


def test_a_file_is_sent(
    wires: Wires, kind: Kind, face: FaceName, file: BinaryIO, content: bytes
) -> None:
    wire = wires.open(kind, face)
    wire.conn.send("FILE")
    sending = wire.conn.begin("send_file", file)
    assert read(wire.peer, 5) == b"FILE\n"
    assert read(wire.peer, SIZE) == content
    assert sending.result(20) == SIZE
    wire.conn.send("END")
    wire.conn.do("close")
    assert rest(wire.peer) == b"END\n"
    if kind != "tls":
        assert wire.core.bytes_sent == SIZE + 9


@pytest.mark.parametrize(
    "part",
    [(10, None, SIZE - 10), (0, 7, 7), (SIZE - 5, 100, 5), (SIZE, None, 0), (SIZE + 9, None, 0)],
)
def test_a_part_of_a_file(
    wires: Wires,
    kind: Kind,
    file: BinaryIO,
    content: bytes,
    part: tuple[int, int | None, int],
) -> None:
    """Fewer bytes than asked for when the file is shorter; its own position is left alone."""
    offset, count, sent = part
    wire = wires.open(kind)
    sending = wire.conn.begin("send_file", file, offset, count)
    assert read(wire.peer, sent) == content[offset : offset + sent]
    assert sending.result(20) == sent
    assert file.tell() == 0
    wire.conn.send("next")
    assert read(wire.peer, 5) == b"next\n"


def test_a_file_that_shrinks_ends_early(wires: Wires, kind: Kind, file: BinaryIO) -> None:
    wire = wires.open(kind, buffer=50_000)
    sending = wire.conn.begin("send_file", file, 0, SIZE)
    read(wire.peer, 1000)
    os.truncate(file.name, 0)
    reading = spawn(lambda: rest(wire.peer))
    sent = sending.result(20)
    assert 1000 <= sent < SIZE
    wire.conn.do("send_eof")
    assert len(reading.result(20)) == sent - 1000


def test_what_is_sent_meanwhile_follows_the_file(
    wires: Wires, kind: Kind, face: FaceName, file: BinaryIO, content: bytes
) -> None:
    """Messages, posts, another file: none gets into the midst of the first one."""
    wire = wires.open(kind, face, buffer=50_000)
    first = wire.conn.begin("send_file", file)
    until(lambda: wire.core._filing)
    second = wire.conn.begin("send_file", file, 0, 1000)
    assert wire.conn.conn.post("posted")
    wire.conn.send("sent")
    wire.io.turn()
    assert read(wire.peer, SIZE + 1012) == content + b"posted\nsent\n" + content[:1000]
    assert first.result(20) == SIZE
    assert second.result(20) == 1000


@pytest.mark.parametrize("ending", ["send_eof", "close"])
def test_an_end_waits_for_the_file(
    opener: Opener, file: BinaryIO, content: bytes, ending: str
) -> None:
    wire = opener(buffer=50_000)
    sending = wire.conn.begin("send_file", file)
    until(lambda: wire.core._filing)
    end = wire.conn.begin(ending)
    assert rest(wire.peer) == content
    assert sending.result(20) == SIZE
    end.result(20)
    with pytest.raises(ConnectionClosed):
        wire.conn.send_file(file)


def test_a_file_is_not_begun_after_the_end_of_this_side(
    wires: Wires, kind: Kind, file: BinaryIO
) -> None:
    """Also while what was sent before still waits."""
    wire = wires.open(kind, framing=Raw(SIZE), buffer=50_000)
    sending = wire.conn.begin("send", b"x" * SIZE)
    until(lambda: wire.core.unsent)
    waiting = wire.conn.begin("send_file", file)
    ending = wire.conn.begin("send_eof")
    with pytest.raises(ConnectionClosed):
        wire.conn.send_file(file)
    assert rest(wire.peer) == b"x" * SIZE
    ending.result(20)
    for future in (sending, waiting):
        assert isinstance(future.exception(20), ConnectionClosed)


def test_a_peer_lost_in_the_midst_of_a_file(
    wires: Wires, kind: Kind, face: FaceName, file: BinaryIO
) -> None:
    wire = wires.open(kind, face, buffer=50_000)
    sending = wire.conn.begin("send_file", file)
    read(wire.peer, 100_000)
    wire.peer.reset()
    with pytest.raises(PeerLost):
        sending.result(20)
    with pytest.raises(PeerLost):
        wire.conn.send_file(file)
    assert not wire.core._blocked


def test_an_abort_in_the_midst_of_a_file(
    wires: Wires, kind: Kind, face: FaceName, file: BinaryIO
) -> None:
    wire = wires.open(kind, face, buffer=50_000)
    sending = wire.conn.begin("send_file", file)
    read(wire.peer, 100_000)
    wire.conn.do("abort")
    with pytest.raises(ConnectionClosed):
        sending.result(20)


@pytest.mark.parametrize("face", ["native", "bridged"])
def test_a_cancelled_file_stops_and_the_connection_goes_on(
    wires: Wires, kind: Kind, face: FaceName, file: BinaryIO, content: bytes
) -> None:
    wire = wires.open(kind, face, buffer=50_000)
    sending = wire.conn.begin("send_file", file)
    until(lambda: wire.core._filing)
    sending.cancel()
    until(lambda: not wire.core._filing)
    wire.conn.send("after")
    wire.conn.begin("send_eof")
    got = rest(wire.peer)
    assert got.endswith(b"after\n")
    assert content.startswith(got[:-6])


def test_what_the_system_cannot_send_by_itself_is_copied(wires: Wires) -> None:
    """/proc has files of no size that sendfile(2) does not take from everywhere."""
    wire = wires.open()
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as pipe:
        os.write(write_end, b"hello")
        os.close(write_end)
        with pytest.raises(OSError, match="Illegal seek"):  # the pipe's own fault, so its error
            wire.conn.send_file(pipe, 0, 5)
    wire.conn.send("goes on")
    assert read(wire.peer, 8) == b"goes on\n"


@pytest.mark.parametrize("lacking", [["sendfile"], ["sendfile", "pread"]])
def test_platforms_that_lack_the_calls(
    wires: Wires,
    file: BinaryIO,
    content: bytes,
    monkeypatch: pytest.MonkeyPatch,
    lacking: list[str],
) -> None:
    for name in lacking:
        monkeypatch.delattr(os, name)
    wire = wires.open()
    sending = wire.conn.begin("send_file", file, 4)
    assert read(wire.peer, SIZE - 4) == content[4:]
    assert sending.result(20) == SIZE - 4


@pytest.mark.parametrize("error", [BlockingIOError, InterruptedError])
def test_a_file_waits_for_a_full_buffer(
    wires: Wires,
    file: BinaryIO,
    content: bytes,
    monkeypatch: pytest.MonkeyPatch,
    error: type[OSError],
) -> None:
    sendfile = os.sendfile
    refusals = [error(), error()]

    def full(*arguments: Any) -> int:
        if refusals:
            raise refusals.pop()
        return sendfile(*arguments)

    monkeypatch.setattr(os, "sendfile", full)
    wire = wires.open()
    sending = wire.conn.begin("send_file", file)
    assert read(wire.peer, SIZE) == content
    assert sending.result(20) == SIZE
    assert not refusals


@pytest.mark.parametrize("size", [1000, SIZE])
def test_a_loss_that_sendfile_finds(
    wires: Wires, file: BinaryIO, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """Also with the last byte: a file that nobody has is not sent."""

    def reset(*_: Any) -> int:
        raise ConnectionResetError

    wire = wires.open()
    monkeypatch.setattr(os, "sendfile", reset)
    sock = wire.core._sock

    class Gone:
        def __getattr__(self, name: str) -> Any:
            return getattr(sock, name)

        def send(self, data: bytes) -> int:
            raise ConnectionResetError(errno.ECONNRESET, "")

    def put(core: Any) -> None:
        core._sock = Gone()

    wire.call(put)
    with pytest.raises(PeerLost, match="ECONNRESET"):
        wire.conn.send_file(file, 0, size)


def test_a_file_leaves_others_their_turns(wires: Wires, kind: Kind, file: BinaryIO) -> None:
    """While the peer takes all it is given, the loop turns between the parts."""
    wire = wires.open(kind, buffer=50_000)
    turns = 0
    over = False

    def turn() -> None:
        nonlocal turns
        turns += 1
        if not over:
            wire.io.loop.call_soon(turn)

    async def send() -> None:  # and count, from its first turn to its last
        nonlocal over
        wire.io.loop.call_soon(turn)
        await wire.core.send_file(file)
        over = True

    reading = spawn(lambda: read(wire.peer, SIZE))
    sending = wire.io.begin(send())
    reading.result(20)
    sending.result(20)
    assert turns >= 3


# Joining, and having sent


def test_a_handler_that_sends_and_then_waits_has_sent(
    wires: Wires, kind: Kind, face: FaceName
) -> None:
    """Though more messages are at hand, whose replies would have shared its write."""
    wire = wires.open(kind, face)
    wire.peer.send(b"one\ntwo\nthree\n")
    assert wire.conn.receive() == "one"
    assert wire.core.inbox
    if face == "blocking":
        wire.conn.send("reply")
    else:
        never = threading.Event()

        async def handler() -> None:
            wire.conn.conn.send("reply")
            await asyncio.get_running_loop().run_in_executor(None, never.wait, 20)

        handling = wire.conn.loop.begin(handler())
    assert read(wire.peer, 6) == b"reply\n"
    if face != "blocking":
        never.set()
        handling.result(20)


def says_and_waits(conn: Any) -> None:
    """Answer the first of several messages; then block until the test lets go."""
    path = conn.receive()
    conn.send("said")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(path)
        sock.recv(1)
    conn.send("went on")


async def says_and_waits_async(conn: Any) -> None:
    path = await conn.receive()
    await conn.send("said")
    reader, writer = await asyncio.open_unix_connection(path)
    await reader.read(1)
    writer.close()
    await writer.wait_closed()
    await conn.send("went on")


@pytest.mark.parametrize("handler", [says_and_waits, says_and_waits_async])
@pytest.mark.parametrize("model", ["asyncio", "threads", "processes", "inline"])
def test_under_every_model_it_has_sent(
    wires: Wires, tmp_path: Path, model: ModelName, handler: Any
) -> None:
    loop = wires.loop()
    service = Service("says", handler, lines())

    async def started() -> Server[str]:
        server = Server(service, "tcp://127.0.0.1:0", model=model)
        await server.start()
        return server

    path = str(tmp_path / "sock")
    server = loop.run(started())
    try:
        with socket.socket(socket.AF_UNIX) as gate:
            gate.bind(path)
            gate.listen()
            address = server.endpoints[0].host, server.endpoints[0].port
            with socket.create_connection(address, 20) as peer:
                peer.sendall(f"{path}\nmore\nand more\n".encode())
                assert peer.recv(100) == b"said\n"
                waiting, _ = gate.accept()
                waiting.close()
                assert peer.recv(100) == b"went on\n"
    finally:
        loop.run(server.stop())


def test_replies_to_what_is_at_hand_share_a_write(wires: Wires) -> None:
    wire = wires.open("memory")
    writes: list[bytes] = []
    send = wire.core._sock.send

    def counted(data: bytes) -> int:
        writes.append(bytes(data))
        sent: int = send(data)
        return sent

    wire.core._sock.send = counted
    wire.peer.send(b"a\nb\nc\n")

    async def echo(count: int) -> None:
        for _ in range(count):
            await wire.core.send(await wire.core.receive())

    wire.io.run(echo(3))
    assert writes == [b"a\nb\nc\n"]
    wire.peer.send(b"d\n")
    wire.io.run(echo(1))
    assert writes[1:] == [b"d\n"]
    # past a bound they are not held back any longer: so many of them, or a long one
    del writes[:]
    reading = spawn(lambda: read(wire.peer, (JOINED + 6) * 601))
    wire.peer.send(b"e\n" * (JOINED + 6))

    async def answer(text: str, count: int) -> None:
        for _ in range(count):
            await wire.core.receive()
            wire.core.send(text)

    wire.io.run(answer("x" * 600, JOINED + 6))
    reading.result(20)
    assert list(map(len, writes)) == [JOINED * 601, 6 * 601]
    del writes[:]
    large = ENOUGH // 2
    reading = spawn(lambda: read(wire.peer, 2 * 2 + 3 * (large + 1)))
    wire.peer.send(b"e\n" * 5)

    async def answer_at_length() -> None:
        for text in ("y", "x" * large, "x" * large, "x" * large, "y"):
            await wire.core.receive()
            wire.core.send(text)

    wire.io.run(answer_at_length())
    reading.result(20)
    # in between may be what the system did not take at once
    assert (len(writes[0]), len(writes[-1])) == (2 + 2 * (large + 1), large + 1 + 2)


def test_a_loss_found_by_the_write_that_joined_is_told_to_the_next(wires: Wires) -> None:
    wire = wires.open("tcp", framing=lines())
    wire.peer.send(b"a\nb\nc\n")
    assert wire.conn.receive() == "a"
    wire.peer.reset()

    def lost() -> bool:
        try:
            wire.conn.send("reply")
        except PeerLost:
            return True
        return False

    until(lost)
    assert wire.conn.rest() == ["b", "c"]


def test_cancelled_senders_leave_nothing_behind(wires: Wires) -> None:
    wire = wires.open("memory", framing=Raw(), limits=Limits(write_high=1000))

    async def impatient() -> int:
        wire.core.send(b"x" * 100_000).close()  # a coroutine
        for _ in range(50):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(wire.core.drained(), 0)
            task = asyncio.ensure_future(wire.core.drained())
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
        return len(wire.core._writers)

    assert wire.io.run(impatient()) == 0
    assert read(wire.peer, 100_000) == b"x" * 100_000


@pytest.mark.parametrize("kind", ["tcp", "tls", "memory"])
def test_much_is_echoed_in_little_memory(wires: Wires, kind: Kind, face: FaceName) -> None:
    """64 MiB, the peer reading as it likes: what waits here stays within the limits."""
    total = 64 << 20 if kind == "tcp" else 16 << 20
    wire = wires.open(kind, face, Raw())
    most = 0

    def look() -> None:
        nonlocal most
        most = max(most, wire.core.unsent + len(wire.core._backlog))

    if face == "blocking":

        def echo() -> None:
            for chunk in wire.conn.conn:
                wire.conn.conn.send(chunk)
                look()
            wire.conn.conn.close()

        echoing = spawn(echo)
    else:

        async def echo_async() -> None:
            async for chunk in wire.conn.conn:
                await wire.conn.conn.send(chunk)
                look()
            await wire.conn.conn.close()

        echoing = wire.conn.loop.begin(echo_async())
    block = bytes(range(256)) * 1024

    def feed() -> None:
        for _ in range(total // len(block)):
            wire.peer.send(block)
        wire.peer.eof()

    if kind == "tls":
        # one SSLObject is not for two threads: by turns
        for _ in range(total // len(block)):
            wire.peer.send(block[: 32 * 1024])
            assert read(wire.peer, 32 * 1024) == block[: 32 * 1024]
        wire.peer.eof()
        assert rest(wire.peer) == b""
    else:
        feeding = spawn(feed)
        for _ in range(total // len(block)):
            assert read(wire.peer, len(block)) == block
        assert rest(wire.peer) == b""
        feeding.result(20)
    echoing.result(20)
    assert most <= wire.core.limits.write_high + 4 * 65536
