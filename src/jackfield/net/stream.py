"""A connection over a stream: reading, slicing, TLS and closing. `writing.py` has its other half.

The rules this file owns:

1. One readiness event reads once, at most `READ` bytes. What was read is decoded in slices of
   `SLICE` bytes, one slice a turn of the loop, so a flood of tiny messages on one connection
   leaves everyone else's turns short. What is not decoded yet stays bytes.
2. Nothing is read while anything read before waits: the peer's system holds it back instead.
3. TLS is a step between the socket and the framing, so it can be half-closed, and a stream
   that was cut off is told from one that ended.
4. After the last word the input is read and dropped, up to a bound, before the socket is
   closed: a close with unread input sends a reset, which can destroy the last word.
"""

from __future__ import annotations

import ssl
import struct
from asyncio import TimerHandle
from collections.abc import Callable
from socket import SO_LINGER, SOL_SOCKET, socket
from typing import Any, TypeVar

from jackfield.endpoints import Endpoint, Transport
from jackfield.errors import ConnectionClosed, JackfieldError, PeerLost
from jackfield.framing.base import Decoder
from jackfield.net import details
from jackfield.net.connection import BATCH
from jackfield.net.oserrors import lost
from jackfield.net.roles import Plan
from jackfield.net.tls import TLSLayer
from jackfield.net.writing import WritingStream

M = TypeVar("M")

READ = 64 * 1024
"""Bytes read at once at the most."""

SLICE = 1024
"""Bytes decoded in one turn of the loop, unless one message needs more. With 4096, a flood of
empty lines made everyone else's turn wait for 4096 handler steps."""


class StreamConnection(WritingStream[M]):
    """A connection over TCP, TLS, a UNIX stream or an in-memory pair."""

    __slots__ = (
        "_backlog",
        "_chunking",
        "_deadline",
        "_decoder",
        "_eof",
        "_lingered",
        "_lingers",
        "_on_ready",
        "_reading",
        "_turning",
    )

    def __init__(
        self,
        plan: Plan,
        sock: socket,
        transport: Transport,
        address: Any = None,
        own: Endpoint | None = None,
        *,
        lingers: bool = True,
    ) -> None:
        super().__init__(plan, sock, transport, address, own)
        self._decoder: Decoder[M] = plan.framing.decoder()
        self._on_ready: Callable[[JackfieldError | None], None] | None = None
        self._backlog = b""  # read and not decoded yet
        self._turning = False  # _turn() is on its way
        self._chunking = False  # a receive_chunk() waits: input is not to be decoded
        self._reading = False
        self._eof = False  # the peer has ended its side
        self._lingers = lingers
        self._lingered = 0
        self._deadline: TimerHandle | None = None

    def open(
        self,
        tls: TLSLayer | None = None,
        on_ready: Callable[[JackfieldError | None], None] | None = None,
    ) -> None:
        """Begin to read. With `tls`, shake hands first and then call `on_ready(error)`."""
        if tls is not None:
            self._tls = tls
            self._on_ready = on_ready
            self._deadline = self.io_loop.loop.call_later(
                self.limits.handshake, self._handshake_late
            )
            self._shake_hands()
        self._start_reading()

    # Reading

    def _start_reading(self) -> None:
        if not self._reading and not self._eof and not self._torn:
            self._reading = True
            self.io_loop.watch_read(self._sock, self._on_readable)

    def _stop_reading(self) -> None:
        if self._reading:
            self._reading = False
            self.io_loop.unwatch_read(self._sock)

    def _on_readable(self) -> None:
        if self.inbox or self._backlog or (self._blocked and self._replies_wait()):
            self._hold_back()
            return
        try:
            data = self._sock.recv(READ)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._input_lost(lost(error))
            return
        self.bytes_received += len(data)
        if self._tls is not None:
            data = self._decrypted(data)
            if data:
                self._take(data)
        elif data:
            self._take(data)
        else:
            self._input_ended(None)

    def _take(self, data: bytes) -> None:
        """Decode what was read: now if it is little, else slice by slice."""
        if len(data) > SLICE or self._chunking:
            self._backlog = data
            self._turn()
            return
        decoder = self._decoder
        messages = decoder.feed(data)
        if messages:
            self._deliver(messages)
        if decoder.attention:
            self._attend()

    def _hold_back(self) -> None:
        """Stop reading until the handler asks; it lags."""
        self._held = True
        self._stop_reading()
        if not self.inbox and not self._replies_wait():  # another thread has just asked
            self._release()

    def _replies_wait(self) -> bool:
        """Whether replies made straight from the read wait for a peer that lags."""
        return self._receiver is not None and self._blocked and self.unsent > self.limits.write_high

    def _release(self) -> None:
        self._held = False
        if self._decoder.attention and not self.inbox:
            self._decoder.drop()
        if self._backlog:
            if not self._turning:
                self._turning = True
                self.io_loop.call_soon(self._turn)
        elif self._decoder.error is None:
            self._start_reading()

    def _turn(self) -> None:
        """Decode the next slice of what was read; the rest waits for the next turn."""
        self._turning = False
        if self._chunking:
            self._chunking = False
            self._wake()
            return
        if self.inbox or self._replies_wait():
            self._hold_back()
            return
        decoder = self._decoder
        backlog = self._backlog
        messages: list[M] = []
        while backlog and not messages and decoder.error is None:
            size = max(SLICE, decoder.need)
            messages = decoder.feed(backlog[:size])
            backlog = backlog[size:]
        self._backlog = backlog
        if messages:
            self._deliver(messages)
        if decoder.attention:
            self._attend()
        if decoder.error is not None:
            return
        if self._backlog:
            if not self._turning:
                self._turning = True
                self.io_loop.call_soon(self._turn)
        elif self._eof:
            self._end_input(self._error)
        else:
            self._start_reading()

    def _attend(self) -> None:
        """The decoder has found an error, or holds bytes that can be dropped once used."""
        if self._decoder.error is not None:
            self._stop_reading()
            self._end_input(self._decoder.error)
        elif self.inbox:
            self._held = True  # the handler asks for more when it has used what it was given
        else:
            self._decoder.drop()

    def _input_ended(self, error: JackfieldError | None) -> None:
        """The peer has ended its side, or its input was lost; what was read still counts."""
        self._stop_reading()
        self._eof = True
        self._error = error
        if not self._backlog:
            self._end_input(error)

    def _input_lost(self, error: PeerLost) -> None:
        self._fail_sending(error)
        self._input_ended(error)
        if self._closing:
            self._teardown()

    def end_of_input(self) -> JackfieldError:
        if self._error is None:
            self._decoder.finish()
            self._error = self._decoder.error
        return super().end_of_input()

    def _uncut(self) -> None:
        """Turn messages nobody has received, and what is kept of one, back into bytes."""
        self.messages_received -= len(self.inbox)
        rest = self._decoder.rest(len(self.inbox))
        self.inbox.clear()
        self._backlog = rest + self._backlog if self._backlog else rest
        if self._decoder.error is not None:
            self._over = False
            self._error = None
        self._decoder = self._framing.decoder()

    def _switched(self) -> None:
        self._uncut()
        self._encode = self._framing.encode
        if self._backlog:
            self._over = False
        elif self._eof:
            self._over = True
        self._held = True  # the next receive() goes on with the bytes at hand

    async def receive_chunk(self, max_bytes: int = BATCH) -> bytes:
        self.check_turn()
        self._uncut()
        while not self._backlog:
            if self._eof or self._over:
                if isinstance(self._error, PeerLost):
                    raise self._error.with_traceback(None)
                return b""
            self._chunking = True
            self._start_reading()
            try:
                await self._wait(None)
            finally:
                self._chunking = False
        chunk, self._backlog = self._backlog[:max_bytes], self._backlog[max_bytes:]
        self._held = True
        if self._eof:
            self._over = not self._backlog
        return chunk

    # TLS

    def _decrypted(self, data: bytes) -> bytes:
        """Pass input through TLS; b"" when there is nothing for the framing."""
        tls = self._tls
        assert tls is not None
        if not data:
            tls.eof()
        else:
            tls.feed(data)
        if self._on_ready is not None and not self._shake_hands():
            return b""
        try:
            text, ended = tls.decrypt()
        except ssl.SSLError as error:
            self._input_lost(PeerLost(f"what the peer sent is no TLS: {error.reason or error}"))
            return b""
        self._send_raw(tls.output())
        if ended or not data:
            self._eof = True
            self._stop_reading()
            if not ended:
                self._error = PeerLost("the stream was cut off: TCP ended without TLS close_notify")
            if not text:
                self._end_input(self._error)
            else:
                self._backlog = text
                self._turn()
                return b""
        return text

    def _shake_hands(self) -> bool:
        """Go on with the handshake; whether it is over and was good."""
        tls = self._tls
        assert tls is not None
        failure: JackfieldError | None = None
        try:
            done = tls.handshake()
        except ssl.SSLError as error:
            done, failure = True, tls.explain(error)
        self._send_raw(tls.output())
        if not done:
            return False
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        ready, self._on_ready = self._on_ready, None
        if failure is not None:
            self._stop_reading()
            self.over = ConnectionClosed("the TLS handshake failed")
        if ready is not None:
            ready(failure)
        return failure is None

    def _handshake_late(self) -> None:
        assert self._tls is not None
        ready, self._on_ready = self._on_ready, None
        if ready is not None:
            ready(PeerLost(f"no TLS handshake within {self.limits.handshake:g} s"))

    def end_input(self) -> None:
        if not self._eof:
            self._input_ended(None)

    # Closing

    def close_soon(self) -> None:
        if self._closing:
            return
        self._closing = True
        lost_already = isinstance(self.over, PeerLost)
        if self.over is None:
            self.over = ConnectionClosed("this side has closed the connection")
        self._stop_reading()
        if lost_already or self._torn:
            self._teardown()
            return
        self.flush()
        if not self._blocked and not self._torn:
            self._end_closing()
        if not self._torn:
            self._deadline = self.io_loop.loop.call_later(self.limits.linger_time, self.abort)

    def _end_closing(self) -> None:
        """All is written: say so, and wait until the peer has it."""
        if self._deadline is not None:
            self._deadline.cancel()
        if not self._eof or self._tls is not None:
            self._end_output()
        if self._eof or not self._lingers:
            self._teardown()
            return
        self._deadline = self.io_loop.loop.call_later(self.limits.linger_time, self._teardown)
        self.io_loop.watch_read(self._sock, self._on_linger)

    def _on_linger(self) -> None:
        """Read and drop what the peer still sends, so that no reset destroys the last word."""
        try:
            dropped = len(self._sock.recv(READ))
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            dropped = 0
        self._lingered += dropped
        if not dropped or self._lingered > self.limits.linger_bytes:
            self._teardown()

    async def close(self) -> None:
        self.close_soon()
        while not self._torn and not (self._lingers and not self._blocked):
            await self._progress()

    def abort(self, reason: str = "") -> None:
        self.reason = self.reason or reason
        if not self._torn:
            if self._sock.fileno() >= 0 and self.transport in {Transport.TCP, Transport.TLS}:
                self._sock.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
            self._teardown()

    def _teardown(self) -> None:
        """Free the descriptor; the connection is over."""
        if self._torn:
            return
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        sock = self._sock
        self.io_loop.unwatch_read(sock)
        self.io_loop.unwatch_write(sock)
        if self.own is None:
            self.own = details.local_endpoint(self.transport, sock)
        self._sock = None  # type: ignore[assignment]  # nothing touches it from here on
        self._reading = self._blocked = False
        self._closing = True
        sock.close()
        self._pending = b""
        self._drop_output()
        self._done()
