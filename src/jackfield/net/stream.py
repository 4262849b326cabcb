"""A connection over a stream: reading, slicing and closing. `writing.py` has its other half.

The rules this file owns:

1. One readiness event reads once, at most `READ` bytes, or `LONG` in the midst of a long message,
   or `MUCH` where somebody waits for a chunk of so many. What was read is decoded in slices of
   `SLICE` bytes, one slice a turn of the loop, so a flood of tiny messages on one connection leaves
   everyone else's turns short. What is not decoded yet stays bytes.
2. Nothing is read while anything read before waits: the peer's system holds it back instead.
3. After the last word the input is read and dropped, up to a bound, before the socket is
   closed: a close with unread input sends a reset, which can destroy the last word.
"""

from __future__ import annotations

import contextlib
import struct
from socket import SO_LINGER, SOL_SOCKET, socket
from typing import Any, TypeVar, cast

from jackfield.endpoints import Endpoint, Transport
from jackfield.errors import (
    ConnectionClosed,
    EndOfStream,
    PeerLost,
    RemoteProtocolError,
    TLSError,
)
from jackfield.framing.base import Decoder
from jackfield.net import details
from jackfield.net.connection import CHUNK, CLOSED
from jackfield.net.oserrors import lost
from jackfield.net.roles import Plan
from jackfield.net.tls import is_hello
from jackfield.net.watching import WatchedSocket, Watcher
from jackfield.net.websocket import READ, WebSocketStream

M = TypeVar("M")

SLICE = 1024
"""Bytes decoded in one turn of the loop, unless one message needs more. With 4096, a flood of
empty lines made everyone else's turn wait for 4096 handler steps."""


LONG = 256 * 1024
"""Bytes read at once in the midst of a long message, after which others like it may follow."""

MUCH = 1024 * 1024
"""Bytes of a chunk that are read at once: a file that comes takes fewer turns of the loop, and
others wait for no more than the system takes to copy so many."""

_HANDSHAKE = 0x16
"""The first byte of a TLS client."""

_MISTAKEN = "you speak TLS, and this endpoint does not; connect without it, as to"


LONG_ONES = 16
"""Messages longer than that which are decoded in one turn."""


class StreamConnection(WebSocketStream[M]):
    """A connection over TCP, TLS, WebSocket, a UNIX stream or an in-memory pair."""

    __slots__ = (
        "_chunking",
        "_lingers",
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
        self._turning = False  # _turn() is on its way
        self._chunking = 0  # a receive_chunk() waits for at most so many bytes: nothing is decoded
        self._reading = False
        self._lingers = lingers

    def watch_bytes(self, watcher: Watcher) -> None:
        """Tell of all bytes from now on. Before `open()`, and not where TLS is to be watched."""
        self._sock = cast("socket", WatchedSocket(self._sock, watcher))

    # Reading

    @property
    def is_reading(self) -> bool:
        return self._reading

    def _start_reading(self) -> None:
        if not self._reading and not self._eof and not self._torn:
            self._reading = True
            self.io_loop.watch_read(self._sock, self._on_readable)

    def _stop_reading(self) -> None:
        if self._reading:
            self._reading = False
            self.io_loop.unwatch_read(self._sock)

    def _on_readable(self) -> None:
        size = READ
        if self.inbox or self._backlog or (self._blocked and self._replies_wait()):
            if not self._may_read_ahead():
                self._hold_back()
                return
            size = SLICE
        elif self._chunking > READ:
            size = min(self._chunking, MUCH)
        elif self._decoder.need > SLICE:
            size = LONG
        try:
            data = self._sock.recv(size)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._input_lost(lost(error))
            return
        self.bytes_received += len(data)
        if self._tls is not None:
            self._decrypt(self._tls, data)
        elif data:
            if data[0] == _HANDSHAKE and self._mistakes_us(data):
                scheme = self.transport if self.keeps_boundaries else "tcp"
                self._input_ended(RemoteProtocolError(f"{_MISTAKEN} {scheme}://"))
            else:
                self._take(data)
        else:
            self._fin = True
            self._input_ended(self.over if isinstance(self.over, PeerLost) else None)

    def _mistakes_us(self, data: bytes) -> bool:
        """Whether a peer that was accepted begins to speak TLS, which this endpoint does not."""
        first = self._lingers and self.bytes_received == len(data)
        return first and is_hello(data) and not getattr(self._framing, "passes_tls", False)

    def _take(self, data: bytes) -> None:
        """Decode what was read: now if it is little, else slice by slice."""
        if self.inbox or self._early:
            self._take_early(data)
            return
        if len(data) > SLICE or self._chunking:
            self._backlog = data
            self._turn()
            return
        try:
            messages = self._decoder.feed(data)
        except Exception as error:  # noqa: BLE001  a framing of somebody's own may raise anything
            self._input_ended(error)
            return
        if messages:
            if self._decoder.attention:
                self._attend_early()
            self._deliver(messages)
        if self._decoder.attention:
            self._attend()

    def _deliver(self, messages: list[M]) -> None:
        """Have who waits for them use them, now: this is called by the loop alone."""
        self.messages_received += len(messages)
        if self._receiver is not None:
            self._receiver.take(messages)
            return
        several = len(messages) > 1
        if several:
            messages.reverse()
        self.inbox = messages
        waiter = self._waiter
        if waiter is None:
            return
        self._waiter = None
        if several:
            self._joined = []
        waiter.go_on()
        if self._joined:
            self.flush()
        else:  # a reply that comes later, while messages are at hand, is to see to its own flush
            self._joined = None

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
        self._deliver_early()
        if self._decoder.attention and not self.inbox:
            self._decoder.drop()
        if self._backlog:
            self._turn_soon()
        elif self._decoder.error is None:
            self._start_reading()

    def _turn(self) -> None:
        """Decode the next slice of what was read; the rest waits for the next turn."""
        self._turning = False
        if self._chunking:
            self._chunking = 0
            self._wake()
            return
        if self.inbox or self._replies_wait():
            self._hold_back()
            return
        try:
            messages = self._next_messages(self._decoder)
        except Exception as error:  # noqa: BLE001  as above
            self._backlog = b""
            self._input_ended(error)
            return
        if messages:
            if self._decoder.attention:
                self._attend_early()
            self._deliver(messages)
        if self._decoder.attention:
            self._attend()
        if self._decoder.error is not None:
            return
        if self._backlog:
            self._turn_soon()
        elif self._eof:
            self._end_input(self._error)
        else:
            self._start_reading()

    def _next_messages(self, decoder: Decoder[M]) -> list[M]:
        """Decode slices of the backlog until there are messages, or an error."""
        messages: list[M] = []
        while self._backlog and not messages and decoder.error is None:
            messages = decoder.feed(self._cut_off(max(SLICE, decoder.need, self._ahead())))
        return messages

    def _ahead(self) -> int:
        """How many bytes of the backlog go up to the end of long messages; 0 without any.

        They are cut at once, a few of them: bit by bit each would be looked at again and again.
        """
        delimiter, backlog = self._framing.delimiter, self._backlog
        if not delimiter:
            return 0
        whole = backlog.obj if isinstance(backlog, memoryview) else backlog
        assert isinstance(whole, bytes)
        begin = at = len(whole) - len(backlog)  # a view is of all that follows
        for _ in range(LONG_ONES):
            end = whole.find(delimiter, at)
            if end < 0:
                return len(backlog) if at == begin else at - begin
            if end - at < SLICE:
                break
            at = end + len(delimiter)
        return at - begin

    def _cut_off(self, size: int) -> bytes:
        """Take at most `size` bytes off the backlog."""
        backlog = self._backlog
        if len(backlog) <= size:
            self._backlog = b""
            return bytes(backlog)
        view = memoryview(backlog)  # to copy the rest for each slice would cost its square
        self._backlog = view[size:]
        return bytes(view[:size])

    def _turn_soon(self) -> None:
        if not self._turning:
            self._turning = True
            self.io_loop.call_soon(self._turn)

    def _attend(self) -> None:
        """The decoder has found an error, or holds bytes that can be dropped once used."""
        if self._ws is not None:
            self._attend_messages(self._ws)
        elif self._decoder.error is not None:
            self._stop_reading()
            self._end_input(self._error)
        elif self.inbox:
            self._held = True  # the handler asks for more when it has used what it was given
        else:
            self._decoder.drop()

    def _input_ended(self, error: Exception | None) -> None:
        """The peer has ended its side, or its input was lost; what was read still counts."""
        self._stop_reading()
        self._eof = True
        self._error = error
        self._note(error)
        if not self._backlog:
            self._end_input(error)

    def _input_lost(self, error: PeerLost) -> None:
        self._fail_sending(error)
        self._handshake_over(TLSError(f"during the TLS handshake {error}"))
        self._input_ended(error)

    def end_of_input(self) -> Exception:
        if self._error is None:
            self._decoder.finish()
        error = self._decoder.error or self._lost_midway() or super().end_of_input()
        if isinstance(error, EndOfStream):
            error.said = self._decoder.why
        return error

    def end_input(self) -> None:
        if self._on_ready is not None:
            self._handshake_over(TLSError("this side stops"))
        elif not self._eof:  # half a message is nobody's fault then
            self._input_ended(EndOfStream("this side stops, so nothing more is received"))

    def _uncut(self) -> None:
        """Turn messages nobody has received, and what is kept of one, back into bytes."""
        self.messages_received -= len(self.inbox)
        rest = self._decoder.rest(len(self.inbox))
        self.inbox.clear()
        if rest:
            self._backlog = rest + self._backlog
        self._decoder = self._framing.decoder()
        self._over = self._eof and not self._backlog
        self._held = True  # the next receive() goes on with the bytes at hand

    def _switched(self) -> None:
        if self._ws is not None:
            self._switch_messages(self._ws)
            return
        if self._http is not None:  # there are no messages yet
            return
        self._uncut()
        self._carrier = self._framing
        self._encode = self._framing.encode
        if self._waiter is not None:  # which has come already
            self._release()

    @property
    def unfinished(self) -> int:
        return self._decoder.unfinished

    @property
    def pieces(self) -> int:
        return self._decoder.pieces

    @property
    def awaits_chunk(self) -> bool:
        return self._chunking > 0

    async def receive_chunk(self, max_bytes: int = CHUNK) -> bytes:
        self._only_streams("receive_chunk()")
        self.check_turn()
        self._uncut()
        while not self._backlog:
            if self._over:
                if self._error is not None:
                    raise self._error.with_traceback(None)
                return b""
            self._chunking = max_bytes
            self._start_reading()
            try:
                await self._wait(None)
            finally:
                self._chunking = 0
            self._uncut()  # a turn that was on its way may have decoded what came
        chunk = self._cut_off(max_bytes)
        self._over = self._eof and not self._backlog
        return chunk

    # Closing

    def close_soon(self) -> None:
        if self._closing:
            return
        self._part()
        self._closing = True
        lost_already = isinstance(self.over, PeerLost)
        if self.over is None:
            self.over = ConnectionClosed(CLOSED)
        self._stop_reading()
        self._eof = True
        self._backlog = b""
        self._end_input(ConnectionClosed(CLOSED))
        if lost_already:
            self._teardown()
            return
        self.flush()
        if not self._blocked and not self._torn:
            self._end_closing()
        if self._blocked:
            self._within(self.limits.linger_time, self.abort)

    def _end_closing(self) -> None:
        """All is written: say so, and wait until the peer has it."""
        if self._awaits_close():
            return
        if self._awaits_end:
            self._linger()
            return
        if not self._fin or self._tls is not None:
            self._end_output()
            if self._blocked or self._torn:
                return
        if self._lingers and not self._fin:
            self._linger()
            return
        while not self._fin and self._drop_input():
            pass
        self._teardown()

    def _linger(self) -> None:
        self._within(self.limits.linger_time, self._teardown)
        self.io_loop.watch_read(self._sock, self._on_linger)

    def _on_linger(self) -> None:
        self._drop_input()

    def _drop_input(self) -> bool:
        """Drop what the peer still sends, so that no reset destroys the last word.

        Whether there may be more now.
        """
        try:
            dropped = len(self._sock.recv(READ))
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            dropped = 0
        self._lingered += dropped
        self.bytes_received += dropped
        if dropped and self._lingered <= self.limits.linger_bytes:
            return True
        self._teardown()
        return False

    async def close(self) -> None:
        self.close_soon()
        while not self._torn and not (self._lingers and not self._blocked):
            await self._progress()

    def abort(self, reason: str = "") -> None:
        self.reason = self.reason or reason
        if self._torn:
            return
        if self.transport.uses_tcp:
            with contextlib.suppress(OSError):  # macOS has none for who is disconnected already
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
        self._closing = self._eof = True
        sock.close()
        self._backlog = self._pending = b""
        self._drop_output()
        self._handshake_over(TLSError("the connection was closed during the TLS handshake"))
        self._done()
