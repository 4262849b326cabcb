"""A connection: one peer's conversation, in whole messages.

The rules this file owns:

1. `send()` writes at once when no message is at hand. Otherwise the replies to the messages
   at hand join into one write, at the latest at the end of this turn of the loop.
2. `send()` has to be waited for only when the peer lags by more than `Limits.write_high`.
3. When the peer is lost, receiving ends and sending raises; the handler goes on.
4. `post()` is for any thread, and takes no more than `Limits.outbox`.

`receiving.py` has its receiving half. `StreamConnection` and `PacketConnection` do the I/O;
this class is what all have in common.
"""

from __future__ import annotations

import socket
import ssl
import sys
import threading
import time
from asyncio import Future
from collections.abc import Awaitable, Callable, Hashable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Self, TypeVar

from jackfield.endpoints import Endpoint, Transport
from jackfield.errors import (
    ConnectionClosed,
    ConnectionEnded,
    LocalProtocolError,
    PeerLost,
)
from jackfield.framing.base import Framing
from jackfield.net.receiving import Receiving
from jackfield.net.roles import Keeper, Plan
from jackfield.net.tls import TLSLayer

if TYPE_CHECKING:  # a client has none, and their many classes take a while to load
    from jackfield.events import Events

M = TypeVar("M")
N = TypeVar("N")

CHUNK = 64 * 1024
"""Bytes that `receive_chunk()` gives at the most, unless told otherwise."""

CLOSED = "this side has closed the connection"

_posting = threading.Lock()
"""Held for a moment to count what is posted: any number of threads may post at once."""


class Connection(Receiving[M]):
    """One peer's conversation.

    Made by a server for its handler and by `connect()`; not by hand. All methods are for the
    thread of the connection's event loop, but `post()`, which is for any.

    transport: what it runs on.
    reason: why it ended, in a few words for the operator; empty when all went well.
    messages_received, messages_sent, bytes_received, bytes_sent: counts so far. Messages
    count once they are decoded; bytes are those of the socket, TLS included.
    since: when it was accepted, in seconds since 1970.
    draining: whether the server is stopping, so that the handler should come to an end.
    events: of the server it belongs to; None for a client.
    mid_message: set by a handler while it sends a message piece by piece: a refusal would land
    in the middle of it, so the connection ends without one.
    may_be_silent: set by a handler whose peer may listen in silence from here on, whatever its
    service says of others: keep-alive or pings stand in for the deadlines of silence.
    """

    __slots__ = (
        "__weakref__",
        "_blocked",
        "_calls",
        "_encode",
        "_flushing",
        "_framing",
        "_keeper",
        "_posted",
        "_tap",
        "_writers",
        "address",
        "bytes_received",
        "bytes_sent",
        "draining",
        "events",
        "limits",
        "may_be_silent",
        "messages_sent",
        "mid_message",
        "number",
        "over",
        "own",
        "reason",
        "since",
        "transport",
    )

    keeps_boundaries: bool
    """Whether the transport keeps message boundaries, so that only the codec applies."""

    largest: int = sys.maxsize
    """Bytes that one unit may have where it does; a stream has no such bound."""

    def __init__(
        self,
        plan: Plan,
        transport: Transport,
        address: Any = None,
        own: Endpoint | None = None,
    ) -> None:
        super().__init__(plan.io)
        self.transport = transport
        self._framing: Framing[M] = plan.framing
        self._encode: Callable[[M], bytes] = self._framing.encode
        self.limits = plan.limits
        self.address = address  # the peer's, as the socket module has it
        self.own = own
        self._flushing = False  # flush() is on its way
        self._blocked = False  # nothing can be written now: what is sent waits in _out
        self._posted = 0  # bytes posted that have not reached _out yet
        self._writers: list[Future[None]] = []  # who waits until the peer has taken more
        self.over: ConnectionEnded | None = None  # why nothing can be sent any more
        self._calls: list[Callable[[], None]] | None = None
        self._keeper: Keeper | None = None
        self._tap: Callable[[Framing[Any]], Framing[Any]] | None = None
        self.reason = ""
        self.draining = self.mid_message = self.may_be_silent = False
        self.events: Events | None = None
        self.number = 0
        self.since = 0.0
        self.bytes_received = self.bytes_sent = 0
        self.messages_sent = 0

    # Sending

    def encode(self, message: M) -> bytes:
        """Give the bytes to send for a message. Raises LocalProtocolError."""
        return self._encode(message)

    def send(self, message: M) -> Awaitable[None]:
        """Send a message; what it gives is awaited to wait for a peer that lags.

        The message is on its way, or joined to the replies of this turn, when the call
        returns. Raises LocalProtocolError for a message that cannot be sent, of which then
        nothing is, and PeerLost or ConnectionClosed when the connection is over.
        """
        raise NotImplementedError

    async def send_many(self, messages: Iterable[M]) -> None:
        """Send messages in one write where the transport allows. Errors as `send()`."""
        if self.over is not None:
            raise self.over.with_traceback(None)
        self.send_batch([self._encode(message) for message in messages])
        if self._blocked and self.unsent > self.limits.write_high:
            await self.drained()

    def send_all(self, messages: list[M]) -> None:
        """Send messages that answer one read. Errors as `send()`, and none is sent then."""
        raise NotImplementedError

    def send_batch(self, encoded: list[bytes]) -> None:
        """Send the bytes of encoded messages, in one write where the transport allows."""
        if self.over is None:
            self.messages_sent += len(encoded)
            self._append(encoded)
            self.flush()

    def _append(self, encoded: list[bytes]) -> None:
        """Put encoded messages behind what waits to be written."""
        raise NotImplementedError

    def flush(self) -> None:
        """Write what waits in this turn of the loop, unless the system takes nothing now."""
        raise NotImplementedError

    @property
    def unsent(self) -> int:
        """Bytes sent that the system has not taken yet."""
        raise NotImplementedError

    @property
    def is_blocked(self) -> bool:
        """Whether the system takes nothing now of what waits to be sent."""
        return self._blocked

    async def drained(self) -> None:
        """Wait until the peer has taken enough. Raises PeerLost or ConnectionClosed."""
        while self._blocked and self.unsent > self.limits.write_high // 4 and self.over is None:
            await self._progress()
        if self.over is not None:
            raise self.over.with_traceback(None)

    async def _progress(self) -> None:
        """Wait until the peer has taken more, or nothing can be sent any more."""
        waiter = self.io_loop.create_future()
        self._writers.append(waiter)
        try:
            await waiter
        finally:
            if waiter.cancelled():  # else they would pile up while the peer takes nothing
                self._writers = [other for other in self._writers if other is not waiter]

    def _wake_writers(self) -> None:
        writers, self._writers = self._writers, []
        for waiter in writers:
            if not waiter.done():
                waiter.set_result(None)

    def post(self, message: M) -> bool:
        """Put a message into this connection's outbox, from any thread; never waits.

        Returns False, and sends nothing, when `Limits.outbox` bytes wait there already or
        the connection is over. Raises LocalProtocolError for a message that cannot be sent.
        """
        return self.post_encoded(self._encode(message))

    def post_encoded(self, data: bytes) -> bool:
        """Post the bytes of one message that is encoded already. From any thread."""
        if threading.get_ident() == self.io_loop.thread:
            if self.over is not None:
                return False
            if self.unsent + self._posted + len(data) > self.limits.outbox:
                return False
            self._append_posted(data)
            return True
        with _posting:
            size = self.unsent + self._posted + len(data)
            if self.over is not None or size > self.limits.outbox:
                return False
            self._posted += len(data)
        self.io_loop.run(self._post_now, data)
        return True

    def post_at_once(self, data: bytes) -> bool:
        """Post bytes as `post_encoded()`, and write them now if nothing else waits.

        From the loop's thread alone, for who has joined himself what belongs together.
        """
        return self.post_encoded(data)

    def _post_now(self, data: bytes) -> None:
        with _posting:
            self._posted -= len(data)
        if self.over is None:
            self._append_posted(data)

    def _append_posted(self, data: bytes) -> None:
        self.messages_sent += 1
        self._append([data])
        if not self._flushing:
            self._flush_soon()

    def _flush_soon(self) -> None:
        """Have what waits written once this turn of the loop is over."""
        if not self._flushing:
            self._flushing = True
            self.io_loop.flush_soon(self)

    def _fail_sending(self, error: ConnectionEnded) -> None:
        """Note that nothing can be sent any more, and tell who waits to."""
        if self.over is None:
            self.over = error
        self._note(error)
        self._drop_output()
        self._wake_writers()

    def _note(self, error: Exception | None) -> None:
        """Keep for the operator how the peer was lost."""
        if isinstance(error, PeerLost):
            self.reason = self.reason or str(error)

    def _drop_output(self) -> None:
        """Forget what waits to be written."""
        raise NotImplementedError

    # What only streams can do

    def _not_here(self, what: str) -> LocalProtocolError:
        return LocalProtocolError(f"{what} needs a stream, and {self.transport} keeps messages")

    async def receive_chunk(self, max_bytes: int = CHUNK) -> bytes:
        """Give the next bytes as they come, before any framing; b"" at the end of the stream.

        For streams after a header: what was read and not yet received as a message comes
        first. Messages can be received again afterwards, from where the chunks ended.
        Raises PeerLost, and LocalProtocolError on a transport that is no stream.
        """
        raise self._not_here("receive_chunk()")

    async def send_chunk(self, data: bytes) -> None:
        """Send bytes as they are, without any framing. Errors as `send()`."""
        raise self._not_here("send_chunk()")

    async def send_file(
        self, file: BinaryIO, offset: int = 0, count: int | None = None, *, head: bytes = b""
    ) -> int:
        """Send `count` bytes of an open file from `offset` on, all when None, unframed.

        head: bytes that go before it, in the same segment where the system can.
        Returns how many of the file were sent: fewer when it is shorter. By `os.sendfile()` where
        that goes. What is sent meanwhile follows after it. Errors as `send()`.
        """
        raise self._not_here("send_file()")

    async def send_eof(self) -> None:
        """End this side: the peer's receiving ends, and it can still send.

        Raises LocalProtocolError where there is no such thing, as for datagrams.
        """
        raise self._not_here("send_eof()")

    async def start_tls(self, context: ssl.SSLContext, server_hostname: str | None = None) -> None:
        """Go on with TLS on a stream that has none yet, once the handshake is over.

        context: as `jackfield.tls` makes it. server_hostname: whose certificate to expect, on
        the client's side; None on the server's.
        What is sent already goes in the clear. What came behind the last message received must
        be TLS, so nobody can put plain words before it (RFC 3207, section 6).
        Raises TLSError, ConnectTimeout and PeerLost, and the connection is closed then, and
        LocalProtocolError where there is TLS already, or no stream.
        """
        raise self._not_here("start_tls()")

    # The connection itself

    def switch(self, framing: Framing[N]) -> Connection[N]:
        """Go on with another framing, from the first message not yet received.

        Returns this same connection, typed anew. Bytes that were read already are cut by the
        new framing, and an error the old one found in them is forgotten.
        """
        new: Any = framing if self._tap is None else self._tap(framing)
        self._framing = new  # from here on it is of N
        self._switched()
        return self  # type: ignore[return-value]  # as said

    def _switched(self) -> None:
        raise NotImplementedError

    @property
    def framing(self) -> Framing[M]:
        """The framing in use."""
        return self._framing

    def live_socket(self) -> socket.socket:
        """Give the socket. Raises ConnectionClosed when there is none any more."""
        raise NotImplementedError

    @property
    def state(self) -> str:
        """What goes on, in a word or two, for the operator."""
        if self.over is not None:
            return "closing"
        if self._blocked:
            return "lagging"  # the peer does not take what is sent to it
        return "waiting" if self.is_awaited else "at work"

    @property
    def core(self) -> Connection[M]:
        return self

    @property
    def tls_layer(self) -> TLSLayer | None:
        """The TLS in between; None without."""
        return None

    # WebSocket

    @property
    def has_pings(self) -> bool:
        """Whether its peer can be asked whether it is there, by `ping()`."""
        return False

    @property
    def is_reading(self) -> bool:
        """Whether an answer would be read now."""
        return True

    def ping(self) -> None:
        """Ask the peer whether it is there, where the protocol has such a question."""

    @property
    def moved(self) -> int:
        """What has come and gone so far, in bytes or messages: another number for more."""
        return self.bytes_received + self.bytes_sent

    @property
    def encoding(self) -> Hashable:
        """What `encode()` depends on: connections for which it is equal encode alike."""
        return self._framing, self.largest

    def framed(self, data: bytes) -> bytes:
        """Give what `encode()` gives of a message, of that message encoded elsewhere.

        data: as the framing encodes it, for a unit where the transport keeps boundaries.
        """
        return data

    # Closing

    def close_failed(self) -> None:
        """Close since this side has failed, and say so where the protocol has a word for it."""
        self.close_soon()

    def refuse(self, reason: str, limit: str = "") -> None:
        """Tell the peer why, where the framing can carry it, and close.

        limit: the field of `Limits` that it has passed, if that is why.
        """
        self.reason = self.reason or reason
        data = self._refusal(reason, limit)
        if data and self.over is None and not self.mid_message:
            self._append([data])
        self.close_soon()

    def _refusal(self, reason: str, limit: str) -> bytes:
        framing = self._framing
        return framing.refusal_past(limit, reason) if limit else framing.refusal(reason)

    async def close(self) -> None:
        """Send what waits, end the connection and free its descriptor.

        Waits for a peer that lags no longer than the limits say. Never raises.
        """
        raise NotImplementedError

    def close_soon(self) -> None:
        """Begin to close; it goes on by itself."""
        raise NotImplementedError

    def abort(self, reason: str = "") -> None:
        """End the connection now; what waits is dropped and the peer sees a reset.

        reason: for the operator.
        """
        raise NotImplementedError

    def drain(self) -> None:
        """The server is stopping: say so to who asks, and end the input."""
        self.draining = True
        self.end_input()

    def end_input(self) -> None:
        """Let receiving end once what was read is received."""
        raise NotImplementedError

    def call_when_over(self, call: Callable[[], None]) -> None:
        """Have `call()` called in the loop's thread once the connection is over."""
        if self._calls is None:
            self._calls = []
        self._calls.append(call)

    def keep(self, keeper: Keeper, number: int) -> None:
        """Give it its number, and have `keeper` told when it is over."""
        self._keeper = keeper
        self.number = number
        self.since = time.time()

    def tap(self, tap: Callable[[Framing[Any]], Framing[Any]]) -> None:
        """Put `tap(framing)` in place of this framing and of those switched to. Once, at first."""
        self._tap = tap
        self.switch(self._framing)

    def _done(self) -> None:
        """Tell whoever keeps this connection that it is over."""
        if self.over is None:
            self.over = ConnectionClosed(CLOSED)
        self._wake_writers()
        self._end_input(ConnectionClosed(CLOSED))
        calls, self._calls = self._calls, None
        for call in calls or ():
            call()
        if self._keeper is not None:
            self._keeper.forget(self)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()
