"""The sending half of a stream: writing, waiting for a peer that lags, ending this side.

The rules this file owns:

1. A write goes to the system at once; what it does not take waits here, and `send()` waits.
2. What is sent while more messages are at hand is joined, up to `BATCH` bytes.
3. When writing fails, what the peer sent before can still be read: only sending is over.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable
from socket import SHUT_WR, socket
from typing import Any, BinaryIO, TypeVar

from jackfield.endpoints import Endpoint, Transport
from jackfield.errors import ConnectionClosed, ConnectionEnded
from jackfield.net.connection import BATCH, Connection
from jackfield.net.oserrors import lost
from jackfield.net.roles import Plan
from jackfield.net.tls import TLSLayer

M = TypeVar("M")

COPY = 64 * 1024
"""Bytes of a file that are copied at once where the system cannot send it by itself."""


class WritingStream(Connection[M]):
    """A stream, as far as its sending half goes."""

    __slots__ = ("_closing", "_done_future", "_eof_wanted", "_out", "_pending", "_sock", "_tls")

    keeps_boundaries = False

    def __init__(
        self,
        plan: Plan,
        sock: socket,
        transport: Transport,
        address: Any,
        own: Endpoint | None,
    ) -> None:
        super().__init__(plan, transport, address, own)
        self._sock = sock
        self._tls: TLSLayer | None = None
        self._done_future = plan.io.done
        self._out = bytearray()  # encoded and not yet given to the system
        self._pending: memoryview | bytes = b""  # given to a write that the system cut short
        self._eof_wanted = False  # this side is ended once all is written
        self._closing = False

    def send(self, message: M) -> Awaitable[None]:
        if self.over is not None:
            raise self.over.with_traceback(None)
        data = self._encode(message)
        self.messages_sent += 1
        out = self._out
        if self.inbox:  # more messages are at hand: their replies share a write
            out += data
            if len(out) > BATCH:
                self.flush()
            elif self._flushing:
                return self._done_future
            else:
                self._flushing = True
                self.io_loop.flush_soon(self)
        elif out or self._blocked:
            out += data
            self.flush()
        else:
            self._write(data)
        if self._blocked and self.unsent > self.limits.write_high:
            return self.drained()
        return self._done_future

    def send_all(self, messages: list[M]) -> None:
        if self.over is not None:
            raise self.over.with_traceback(None)
        data = self._framing.encode_all(messages)
        self.messages_sent += len(messages)
        if self._out or self._blocked:
            self._out += data
            self.flush()
        else:
            self._write(data)

    def _append(self, encoded: list[bytes]) -> None:
        self._out += encoded[0] if len(encoded) == 1 else b"".join(encoded)

    def flush(self) -> None:
        self._flushing = False
        out = self._out
        if out and not self._blocked:
            self._out = bytearray()
            self._write(out)

    @property
    def unsent(self) -> int:
        return len(self._out) + len(self._pending)

    def _drop_output(self) -> None:
        self._out = bytearray()

    def _write(self, data: bytes | bytearray) -> None:
        """Give bytes to the system; keep what it does not take."""
        if self._tls is not None:
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
            self._block()

    def _block(self) -> None:
        self._blocked = True
        self.io_loop.watch_write(self._sock, self._on_writable)

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

    async def send_chunk(self, data: bytes) -> None:
        if self.over is not None:
            raise self.over.with_traceback(None)
        self._append([data])
        self.flush()
        await self.drained()

    async def send_file(self, file: BinaryIO, offset: int = 0, count: int | None = None) -> int:
        while self._blocked or self._out:
            self.flush()
            await self._all_written()
        if self.over is not None:
            raise self.over.with_traceback(None)
        left = os.fstat(file.fileno()).st_size - offset if count is None else count
        if self._tls is not None or self._sock.fileno() < 0 or not hasattr(os, "sendfile"):
            return await self._copy_file(file, offset, left)
        total = 0
        self._blocked = True  # what is sent meanwhile waits for the file's end
        try:
            while total < left and self.over is None:
                try:
                    sent = os.sendfile(
                        self._sock.fileno(),
                        file.fileno(),
                        offset + total,
                        min(left - total, 1 << 30),
                    )
                except (BlockingIOError, InterruptedError):
                    self.io_loop.watch_write(self._sock, self._wake_writers)
                    await self._progress()
                    continue
                except OSError as error:
                    self._output_lost(lost(error))
                    break
                if not sent:
                    break
                total += sent
                self.bytes_sent += sent
        finally:
            if not self._torn:
                self._unblock()
        if self.over is not None and not self._closing:
            raise self.over.with_traceback(None)
        return total

    async def _copy_file(self, file: BinaryIO, offset: int, left: int) -> int:
        """Send a file through TLS or memory, where the system cannot."""
        total = 0
        while total < left:
            data = os.pread(file.fileno(), min(COPY, left - total), offset + total)
            if not data:
                break
            await self.send_chunk(data)
            total += len(data)
        return total

    async def _all_written(self) -> None:
        while self._blocked and self.over is None:
            await self._progress()

    async def send_eof(self) -> None:
        if self.over is not None:
            raise self.over.with_traceback(None)
        self.flush()
        self._eof_wanted = True
        self.over = ConnectionClosed("send_eof() has ended this side")
        if not self._blocked:
            self._end_output()
        await self._all_flushed()

    async def _all_flushed(self) -> None:
        while self._blocked:
            await self._progress()

    def _end_output(self) -> None:
        """Tell the peer that nothing more comes."""
        self._eof_wanted = False
        try:
            if self._tls is not None:
                self._sock.send(self._tls.close_notify())
            self._sock.shutdown(SHUT_WR)
        except OSError:
            return  # the peer is gone: reading will say so

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
