"""The sending half of a stream: writing, waiting for a peer that lags, ending this side.

The rules this file owns:

1. A write goes to the system at once; what it does not take waits here, and `send()` waits.
2. What is sent while more messages are at hand is joined, up to `JOINED` messages or `ENOUGH`
   bytes: to the end of the turn at the latest, or of the read that brought them.
3. When writing fails, what the peer sent before can still be read: only sending is over.
"""

from __future__ import annotations

import contextlib
import os
import socket as socket_module
from collections.abc import Awaitable
from socket import SHUT_WR, socket
from typing import Any, BinaryIO, TypeVar

from jackfield.endpoints import Endpoint, Transport
from jackfield.errors import ConnectionClosed, ConnectionEnded
from jackfield.framing.base import Framing
from jackfield.net.connection import Connection
from jackfield.net.ioloop import DONE
from jackfield.net.oserrors import lost
from jackfield.net.roles import Plan
from jackfield.net.tls import TLSLayer
from jackfield.net.watching import is_watched

M = TypeVar("M")

_MORE: int = getattr(socket_module, "MSG_MORE", 0)

JOINED = 64
ENOUGH = 64 * 1024
"""Replies that are joined into one write at the most, and bytes."""

LARGE = 1024
"""Bytes of a reply from which on they are counted: `JOINED` smaller ones are no more than that."""

PART = 1024 * 1024
"""Bytes of a file that the system is given at once, before others have a turn."""

COPY = 48 * 1024
COPIES = 10
"""Bytes of a file that are copied at once where the system cannot send it by itself: three records
of TLS, and less than `Limits.write_high`, past which who sends has to wait. That is done so often
before others have a turn: fewer turns make a file over TLS cheaper to send, by a sixth."""


class WritingStream(Connection[M]):
    """A stream, as far as its sending half goes."""

    __slots__ = (
        "_carrier",
        "_closing",
        "_eof_wanted",
        "_filing",
        "_joined",
        "_out",
        "_pending",
        "_sock",
        "_tls",
        "keeps_boundaries",
    )

    def __init__(
        self,
        plan: Plan,
        sock: socket,
        transport: Transport,
        address: Any,
        own: Endpoint | None,
    ) -> None:
        super().__init__(plan, transport, address, own)
        self.keeps_boundaries = False
        self._carrier: Framing[Any] = plan.framing  # what makes bytes of messages
        self._sock = sock
        self._tls: TLSLayer | None = None
        self._joined: list[bytes] | None = None  # encoded replies to the messages at hand
        self._out: bytes | bytearray | None = None  # before those, not yet given to the system
        self._pending: memoryview | bytes = b""  # given to a write that the system cut short
        self._filing = False  # a file is on its way: `_blocked` until its end
        self._eof_wanted = False  # this side is ended once all is written
        self._closing = False

    def send(self, message: M) -> Awaitable[None]:
        if self.over is not None:
            raise self.over.with_traceback(None)
        encode = self._encode  # to call an attribute of slots by its name costs more
        data = encode(message)
        if self.inbox:  # more messages are at hand: their replies share a write
            joined = self._joined
            if joined is None:
                joined = self._join()
            joined.append(data)
            if len(joined) < JOINED and (len(data) < LARGE or sum(map(len, joined)) < ENOUGH):
                return DONE
            self.flush()
        elif self._joined or self._out or self._blocked:
            self.send_batch([data])
        else:
            self.messages_sent += 1
            self._write(data)
        if self._blocked and self.unsent > self.limits.write_high:
            return self.drained()
        return DONE

    def _join(self) -> list[bytes]:
        """Begin to join replies, until this turn of the loop is over."""
        self._flush_soon()
        joined = self._joined = []
        return joined

    def send_all(self, messages: list[M]) -> None:
        if self.over is not None:
            raise self.over.with_traceback(None)
        data = self._carrier.encode_all(messages)
        self.messages_sent += len(messages)
        if self._out or self._blocked:
            self._put(data)
            self.flush()
        else:
            self._write(data)

    def post_at_once(self, data: bytes) -> bool:
        if self._out or self._joined or self._blocked or self.over is not None:
            return self.post_encoded(data)
        self.messages_sent += 1
        self._write(data)
        return True

    def _append(self, encoded: list[bytes]) -> None:
        if self._joined:
            self._take_joined()
        self._put(encoded[0] if len(encoded) == 1 else b"".join(encoded))

    def _take_joined(self) -> None:
        """Put the replies joined so far behind what waits to be written."""
        joined, self._joined = self._joined, None
        if joined:
            self.messages_sent += len(joined)
            self._put(b"".join(joined))

    def _put(self, data: bytes) -> None:
        out = self._out
        if out is None:  # most often nothing follows, and nothing has to be copied
            self._out = data
            return
        if isinstance(out, bytes):
            self._out = out = bytearray(out)
        out += data

    def flush(self) -> None:
        self._flushing = False
        joined = self._joined
        if joined and not self._out and not self._blocked:  # as what follows, without a copy
            self._joined = None
            self.messages_sent += len(joined)
            self._write(joined[0] if len(joined) == 1 else b"".join(joined))
            return
        self._take_joined()
        out = self._out
        if out and not self._blocked:
            self._out = None
            self._write(out)

    @property
    def unsent(self) -> int:
        size = len(self._pending)
        if self._out:
            size += len(self._out)
        if self._joined:
            size += sum(map(len, self._joined))
        return size

    def _drop_output(self) -> None:
        self._out = self._joined = None

    def _write(self, data: bytes | bytearray, *, as_is: bool = False) -> None:
        """Give bytes to the system, `as_is` or by TLS; keep what it does not take."""
        if self._tls is not None and not as_is:
            data = self._tls.encrypt(data)
        try:
            sent = self._sock.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError as error:
            self._output_lost(lost(error))
            return
        self.bytes_sent += sent
        if sent < len(data):
            self._pending = memoryview(data)[sent:]
            self._blocked = True
            self.io_loop.watch_write(self._sock, self._on_writable)

    def _write_more(self, data: bytes) -> None:
        """Give bytes to the system that more will follow at once: MSG_MORE of send(2)."""
        try:
            sent = self._sock.send(data, _MORE)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError as error:
            self._output_lost(lost(error))
            return
        self.bytes_sent += sent
        if sent < len(data):
            self._pending = memoryview(data)[sent:]
            self.io_loop.watch_write(self._sock, self._on_writable)

    def _send_raw(self, data: bytes) -> None:
        """Write what TLS itself has to say, behind what TLS has said already."""
        if not data or self._torn:
            return
        if self._pending:
            self._pending = bytes(self._pending) + data
        else:
            self._write(data, as_is=True)

    def _on_writable(self) -> None:
        if self._pending:
            try:
                sent = self._sock.send(self._pending)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                self._output_lost(lost(error))
                return
            self.bytes_sent += sent
            self._pending = self._pending[sent:]
            if self._pending:
                self._wake_writers()
                return
        if self._filing:
            self._pending = b""
            self.io_loop.unwatch_write(self._sock)
            self._wake_writers()
        else:
            self._unblock()

    def _unblock(self) -> None:
        """All that was given to the system is taken: go on with what waits here."""
        self._pending = b""
        self._blocked = False
        self.io_loop.unwatch_write(self._sock)
        self.flush()
        if not self._blocked:
            if self._closing:
                self._end_closing()
            elif self._eof_wanted:
                self._end_output()
            elif self._receiver is not None and self._held:
                self._release()
        self._wake_writers()

    def _output_lost(self, error: ConnectionEnded) -> None:
        """Nothing can be written any more; what the peer sent before can still be read."""
        self._pending = b""
        if self._blocked:
            self._blocked = False
            self.io_loop.unwatch_write(self._sock)
        self._fail_sending(error)
        if self._closing:
            self._teardown()
        elif self._receiver is not None and self._held:
            self._release()  # the end is still to be read, and nobody else asks for it

    async def send_chunk(self, data: bytes) -> None:
        if self.over is not None:
            raise self.over.with_traceback(None)
        self._append([data])
        self.flush()
        await self.drained()

    async def send_file(
        self, file: BinaryIO, offset: int = 0, count: int | None = None, *, head: bytes = b""
    ) -> int:
        while self.over is None and (self._blocked or self._out or self._joined):
            self.flush()
            if self._blocked:
                await self._progress()
        if self.over is not None:
            raise self.over.with_traceback(None)
        size = os.fstat(file.fileno()).st_size - offset if count is None else count
        self._blocked = self._filing = True  # what is sent meanwhile waits for the file's end
        try:
            return await self._send_file(file.fileno(), offset, size, head)
        finally:
            self._filing = False
            if self._blocked and not self._pending:
                self._unblock()

    async def _send_file(self, file: int, offset: int, size: int, head: bytes) -> int:
        """Send a file part by part, with a turn of the loop for others in between."""
        sock = self._sock
        goes = sock.fileno() >= 0 and not is_watched(sock) and hasattr(os, "sendfile")
        copied = self._tls is not None or not goes
        if head:
            await self._send_head(head, joined=size > 0 and not copied)
        total = copies = 0
        while total < size:
            try:
                if copied:
                    copies += 1
                    data = _read_at(file, offset + total, min(COPY, size - total))
                    sent = len(data)
                    self._write(data)
                else:
                    most = min(size - total, PART)
                    sent = os.sendfile(self._sock.fileno(), file, offset + total, most)
                    self.bytes_sent += sent
            except (BlockingIOError, InterruptedError):
                await self._room()
                continue
            except OSError:
                if copied:
                    raise
                copied = True  # which tells whether the file is at fault or the peer is lost
                continue
            total += sent
            if not sent:
                break
            if total < size and (self._pending or copies % COPIES == 0 or self.over is not None):
                await self._room()
        if not self._blocked and self.over is not None:
            raise self.over.with_traceback(None)
        return total

    async def _send_head(self, head: bytes, *, joined: bool) -> None:
        """Send what goes before a file; `joined` with it in one segment."""
        if joined:
            self._write_more(head)
        else:
            self._write(head)
        if self._pending or self.over is not None:
            await self._room()

    async def _room(self) -> None:
        """Wait until a file can go on. Raises PeerLost or ConnectionClosed when it cannot."""
        if self._blocked:
            self.io_loop.watch_write(self._sock, self._on_writable)
            await self._progress()
        while self._pending:
            await self._progress()
        if not self._blocked and self.over is not None:
            raise self.over.with_traceback(None)

    async def send_eof(self) -> None:
        if self.over is not None:
            raise self.over.with_traceback(None)
        self.flush()
        self._eof_wanted = True
        self.over = ConnectionClosed("send_eof() has ended this side")
        if not self._blocked:
            self._end_output()
        while self._blocked:
            await self._progress()

    def _end_output(self) -> None:
        """Tell the peer that nothing more comes; while `_blocked` afterwards, it waits too."""
        if self._tls is not None:
            self._send_raw(self._tls.close_notify())
            if self._blocked or self._torn:
                return
        self._eof_wanted = False
        with contextlib.suppress(OSError):  # the peer is gone: reading will say so
            self._sock.shutdown(SHUT_WR)

    def _end_closing(self) -> None:
        """All is written, and the connection is closing."""
        raise NotImplementedError

    def _release(self) -> None:
        raise NotImplementedError

    def _teardown(self) -> None:
        """Free the descriptor; the connection is over."""
        raise NotImplementedError

    @property
    def _torn(self) -> bool:
        return self._sock is None

    @property
    def tls_layer(self) -> TLSLayer | None:
        return self._tls

    def live_socket(self) -> socket:
        if self._torn:
            msg = "the connection is closed; it has no socket any more"
            raise ConnectionClosed(msg)
        return self._sock


def _read_at(file: int, offset: int, size: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(file, size, offset)
    os.lseek(file, offset, os.SEEK_SET)  # Windows
    return os.read(file, size)
