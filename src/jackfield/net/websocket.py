"""WebSocket on a stream: its beginning by HTTP, its pings, and its end (RFC 6455).

The rules this file owns:

1. Until WebSocket has begun, HTTP is spoken, and that is how a peer is refused. Its messages are
   the handler's alone afterwards; from then on the transport keeps boundaries.
2. A ping is answered when the system takes what is written; to a peer that does not read, the
   last ones alone, within a bound. While the handler lags, `AHEAD` bytes are read ahead for that.
3. A peer's Close ends the input. This side may go on sending until its own Close, which the end
   of the handler sends, or `send_eof()`; most peers drop what comes by then.
4. The last word is a Close that says why. The peer has `Limits.linger_time` to answer it, and
   what it sends until then is dropped, up to `Limits.linger_bytes`. The server ends TCP first.
5. A stream that ends without a Close was cut off: the peer is lost.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Hashable
from socket import socket
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, cast

from jackfield.endpoints import Endpoint, Transport
from jackfield.errors import ConnectionClosed, PeerLost
from jackfield.framing import frames
from jackfield.framing.base import Decoder, Framing
from jackfield.net.roles import Plan, Receiver
from jackfield.net.securing import SecuredStream

if TYPE_CHECKING:  # it takes a package of an extra, and some 25 ms
    from jackfield.framing.websocket import WebSocket, WebSocketDecoder

M = TypeVar("M")

READ = 64 * 1024
"""Bytes read at once while the end is waited for."""

AHEAD = 4096
"""Bytes that are read while the handler leaves messages unused, so that its peer's pings are
answered meanwhile; compressed, they may be a thousand times as many."""

CUT_OFF = "the stream was cut off: TCP ended without WebSocket's Close"

_FULL = frozenset({"connections", "connections_per_source", "threads", "processes"})
"""Limits that another try may find not reached."""


class WebSocketStream(SecuredStream[M]):
    """A stream, as far as WebSocket goes."""

    __slots__ = ("_decoder", "_early", "_early_size", "_http", "_lingered", "_parting", "_ws")

    def __init__(
        self,
        plan: Plan,
        sock: socket,
        transport: Transport,
        address: Any,
        own: Endpoint | None,
    ) -> None:
        super().__init__(plan, sock, transport, address, own)
        self._decoder: Decoder[Any] = plan.framing.decoder()
        self._http: Framing[Any] | None = None  # what is spoken before there are messages
        self._ws: WebSocketDecoder[Any] | None = None  # the decoder, once WebSocket has begun
        self._early: list[Any] = []  # messages read ahead of those at hand, oldest first
        self._early_size = 0  # bytes that they came in
        self._parting = False  # the peer's Close is waited for
        self._lingered = 0  # bytes dropped since the last word

    # The beginning

    def expect_upgrade(self, http: Framing[Any]) -> None:
        """Speak HTTP until `begin_messages()`. Before anything is read."""
        self.keeps_boundaries = True
        self._http = http
        self._decoder = http.decoder()

    def begin_upgrade(self, receiver: Receiver, late: Callable[[], None]) -> None:
        """Give what comes to `receiver`; `late()` is called when it takes too long."""
        self._within(self.limits.handshake, late)
        self.answer_by(receiver)

    def send_head(self, message: Any) -> None:
        """Send a message of HTTP."""
        if self._http is not None and self.over is None:
            self._append([self._http.encode(message)])
            self.flush()

    def upgrade_failed(self) -> None:
        """Nothing more is read: it is to be closed."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self._stop_reading()

    def begin_messages(self, wire: WebSocket[Any]) -> None:
        """Go on with WebSocket, from the first byte that HTTP has left."""
        rest = self._decoder.rest(len(self.inbox))
        if self._http is not None:  # else a handler had messages before
            self._http = None
            self.messages_received = 0
            self._receiver = None
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None
        if wire.inner is not self._framing:
            self._framing = wire.inner if self._tap is None else self._tap(wire.inner)
            wire = wire.around(self._framing)
        self._ws = self._decoder = wire.decoder()
        self._carrier, self._encode = wire, wire.encode
        self.keeps_boundaries = True
        self._backlog = rest + self._backlog
        self._over = self._eof and not self._backlog
        if self._backlog:
            self._turn_soon()

    def _switch_messages(self, ws: WebSocketDecoder[M]) -> None:
        """Messages are not cut, so those decoded already stay as they are."""
        wire: WebSocket[M] = ws.framing.around(self._framing)
        ws.use(wire)
        self._carrier, self._encode = wire, wire.encode

    # What other parts ask

    @property
    def state(self) -> str:
        opening = self._http is not None and self.over is None
        return "shaking hands" if opening else super().state

    @property
    def encoding(self) -> Hashable:
        return super().encoding if self._ws is None else self._ws.framing

    def framed(self, data: bytes) -> bytes:
        return data if self._ws is None else self._ws.framing.frame(data)

    @property
    def moved(self) -> int:
        if self._ws is None:
            return super().moved
        return self.messages_received + self.messages_sent

    # Pings

    @property
    def has_pings(self) -> bool:
        return self._ws is not None and self.over is None

    def ping(self) -> None:
        if self._ws is not None and self.over is None:
            self._append([self._ws.framing.control(frames.PING)])
            self.flush()

    def _answer_pings(self, ws: WebSocketDecoder[M]) -> None:
        if not self._blocked:
            data = ws.pending()
            if data and not self._torn:
                self._append([data])
                self.flush()

    def _unblock(self) -> None:
        super()._unblock()
        if self._ws is not None and self._ws.attention and not self._closing:
            self._answer_pings(self._ws)

    def _attend_early(self) -> None:
        """Answer pings before the messages that came with them: it may take long to use those."""
        if self._ws is not None:
            self._answer_pings(self._ws)

    def _attend_messages(self, ws: WebSocketDecoder[M]) -> None:
        """Answer pings; see whether that was all."""
        self._answer_pings(ws)
        if ws.error is not None:
            self._stop_reading()
            self._end_input(self._error)
        elif ws.closed is not None:
            self._backlog = b""  # nothing counts after a Close
            self._input_ended(None)

    # Reading ahead

    def _may_read_ahead(self) -> bool:
        """Whether more is read while the handler has messages: pings may be among it."""
        return (
            self._ws is not None
            and self._early_size < AHEAD
            and not self._backlog
            and self._receiver is None
        )

    def _take_early(self, data: bytes) -> None:
        """Decode what was read while the handler has messages, which it is to use first."""
        ws = cast("WebSocketDecoder[M]", self._ws)
        self._early_size += len(data)
        try:
            self._early += ws.feed(data)
        except Exception as error:  # noqa: BLE001  a framing of somebody's own may raise anything
            self._input_ended(error)
        self._held = True
        if ws.attention:
            self._attend_messages(ws)
        if not self.inbox:  # another thread has just asked
            self._release()

    def _deliver_early(self) -> None:
        """Put at hand what was read ahead, if that is its turn."""
        if self._early and not self.inbox:
            messages, self._early, self._early_size = self._early, [], 0
            self._deliver(messages)
        elif self._early:
            self._held = True
        else:
            self._early_size = 0

    # The end

    def _lost_midway(self) -> PeerLost | None:
        """Say that the stream has ended without a Close, if so."""
        if self._ws is None or not self._ws.lost:
            return None
        error = PeerLost(CUT_OFF)
        self._note(error)
        return error

    def refuse(self, reason: str, limit: str = "") -> None:
        if self._ws is None:
            super().refuse(reason, limit)
            return
        self.reason = self.reason or reason
        self._say_last(frames.TRY_AGAIN_LATER if limit in _FULL else frames.POLICY, reason)
        self.close_soon()

    def _refusal(self, reason: str, limit: str) -> bytes:
        if self._http is None:
            return super()._refusal(reason, limit)
        return self._http.refusal_past(limit, reason) if limit else self._http.refusal(reason)

    def refuse_in_plain(self, reason: str) -> None:
        super().refuse_in_plain(reason if self._http is None else f"400 Bad Request: {reason}")

    def close_failed(self) -> None:
        self._say_last(frames.INTERNAL_ERROR, "")
        self.close_soon()

    async def send_eof(self) -> None:
        if self._ws is None:
            await super().send_eof()
            return
        if self.over is not None:
            raise self.over.with_traceback(None)
        self._say_last(frames.NORMAL, "")
        self.over = ConnectionClosed("send_eof() has ended this side")
        while self._blocked:
            await self._progress()

    def _say_last(self, code: int, reason: str) -> None:
        """Send this side's Close, unless that is done."""
        if self._ws is not None and not isinstance(self.over, PeerLost) and not self._torn:
            data = self._ws.ending(code, reason)
            if data:
                self._append([data])
                self.flush()

    def _part(self) -> None:
        """This side closes: say so, and look for the peer's Close in what was read."""
        ws = self._ws
        if ws is not None:
            ws.skip()
            ws.feed(bytes(self._backlog))
            self._say_last(frames.GOING_AWAY if self.draining else frames.NORMAL, "")

    def _awaits_close(self) -> bool:
        """Whether the peer's Close is to be waited for; it is from here on, then."""
        ws = self._ws
        if ws is None or self._fin or ws.closed is not None or ws.error is not None:
            return False
        if not self._parting:
            self._parting = True
            self._within(self.limits.linger_time, self._teardown)
        self.io_loop.watch_read(self._sock, self._on_parting)
        return True

    def _on_parting(self) -> None:
        """Look for the peer's Close, and drop all else."""
        try:
            data = self._sock.recv(READ)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        self.bytes_received += len(data)
        self._lingered += len(data)
        self._fin = not data
        text = data
        if self._tls is not None:
            self._tls.feed(data)
            text = self._tls.decrypt()
            self._send_raw(self._tls.output())
            self._fin = self._fin or self._tls.ended or bool(self._tls.error)
        ws = cast("WebSocketDecoder[M]", self._ws)
        ws.feed(text)
        if self._torn:
            return
        if self._lingered > self.limits.linger_bytes:
            self._teardown()
        elif self._fin or ws.closed is not None or ws.error is not None:
            self.io_loop.unwatch_read(self._sock)
            if not self._blocked:
                self._end_closing()

    @property
    def _awaits_end(self) -> bool:
        """Whether the peer ends TCP first, as a server does."""
        ws = self._ws
        return ws is not None and ws.closed is not None and ws.framing.side == "client"

    # What only streams can do

    def _only_streams(self, what: str) -> None:
        """Raise LocalProtocolError where this is no stream any more."""
        if self.keeps_boundaries:
            raise self._not_here(what)

    async def send_chunk(self, data: bytes) -> None:
        self._only_streams("send_chunk()")
        await super().send_chunk(data)

    async def send_file(
        self, file: BinaryIO, offset: int = 0, count: int | None = None, *, head: bytes = b""
    ) -> int:
        self._only_streams("send_file()")
        return await super().send_file(file, offset, count, head=head)

    async def start_tls(self, context: ssl.SSLContext, server_hostname: str | None = None) -> None:
        self._only_streams("start_tls()")
        await super().start_tls(context, server_hostname)

    def _turn_soon(self) -> None:
        """Decode of the backlog as much as has its turn, once this one is over."""
        raise NotImplementedError
