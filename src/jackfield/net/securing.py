"""TLS on a stream: its handshake, at the beginning or later, and its end.

The rules this file owns:

1. TLS is a step between the socket and the framing, so it can be half-closed, and a stream
   that was cut off is told from one that ended.
2. A handshake has `Limits.handshake` seconds.
3. A peer that begins without TLS is told so in the clear, since it understands nothing else.
"""

from __future__ import annotations

import asyncio
import ssl
from asyncio import TimerHandle
from collections.abc import Callable
from socket import socket
from typing import Any, TypeVar

from jackfield.endpoints import Endpoint, Transport
from jackfield.errors import (
    ConnectionClosed,
    ConnectTimeout,
    JackfieldError,
    LocalProtocolError,
    PeerLost,
    TLSError,
)
from jackfield.net.roles import Plan
from jackfield.net.tls import TLSLayer
from jackfield.net.watching import WatchedSocket, WatchedTLS
from jackfield.net.writing import WritingStream

M = TypeVar("M")


class SecuredStream(WritingStream[M]):
    """A stream, as far as TLS goes."""

    __slots__ = ("_backlog", "_deadline", "_eof", "_fin", "_on_ready")

    def __init__(
        self,
        plan: Plan,
        sock: socket,
        transport: Transport,
        address: Any,
        own: Endpoint | None,
    ) -> None:
        super().__init__(plan, sock, transport, address, own)
        self._on_ready: Callable[[JackfieldError | None], None] | None = None
        self._backlog: bytes | memoryview = b""  # read and not decoded yet
        self._eof = False  # nothing more is read
        self._fin = False  # since the peer has ended its side
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
            self._within(self.limits.handshake, self._handshake_late)
            self._shake_hands(tls)
        self._start_reading()

    @property
    def state(self) -> str:
        return "shaking hands" if self._on_ready is not None else super().state

    def _decrypt(self, tls: TLSLayer, data: bytes) -> None:
        """Pass what was read through TLS and on to the framing; b"" is the end of TCP."""
        tls.feed(data)
        if self._on_ready is not None and not self._shake_hands(tls):
            return
        text = tls.decrypt()
        self._send_raw(tls.output())
        if data and not tls.ended and not tls.error:
            if text:
                self._take(text)
            return
        error = None
        if tls.error:
            error = PeerLost(tls.error)
            self._fail_sending(error)
        elif not tls.ended:
            error = PeerLost("the stream was cut off: TCP ended without TLS close_notify")
        self._fin = not tls.error
        self._backlog = text
        self._input_ended(error)
        if text:
            self._turn()

    def _shake_hands(self, tls: TLSLayer) -> bool:
        """Go on with the handshake; whether it is over and was good."""
        failure: TLSError | None = None
        try:
            done = tls.handshake()
        except TLSError as error:
            failure = error
            done = True
        self._send_raw(tls.output())
        if done:
            self._handshake_over(failure)
        return done and failure is None

    def _handshake_late(self) -> None:
        self._handshake_over(ConnectTimeout(f"no TLS handshake within {self.limits.handshake:g} s"))

    def _handshake_over(self, failure: JackfieldError | None) -> None:
        """Tell who waits for the handshake, if it goes on, what came of it."""
        ready, self._on_ready = self._on_ready, None
        if ready is None:
            return
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if failure is not None:
            self._stop_reading()
            self._eof = True
            if self.over is None:
                self.over = ConnectionClosed("the TLS handshake failed")
        ready(failure)

    async def start_tls(self, context: ssl.SSLContext, server_hostname: str | None = None) -> None:
        self.check_turn()
        if self._tls is not None:
            raise LocalProtocolError("this connection speaks TLS already")
        self.flush()
        while self._blocked:
            await self._progress()
        if self.over is not None:
            raise self.over.with_traceback(None)
        layer = self._new_layer(context, server_hostname)
        self._uncut()
        if self._eof and not self._backlog:
            self.close_soon()
            raise PeerLost("the peer has ended its side, so no TLS can begin")
        error = await self._secured_by(layer)
        if error is not None:
            self.reason = self.reason or str(error)
            self.close_soon()
            raise error

    def _secured_by(self, layer: TLSLayer) -> asyncio.Future[JackfieldError | None]:
        """Begin TLS in the middle; what comes of the handshake will be in the future."""
        ready: asyncio.Future[JackfieldError | None] = self.io_loop.create_future()

        def over(error: JackfieldError | None) -> None:
            self._filing = False
            if error is not None:
                self._drop_output()
            if self._blocked and not self._pending:
                self._unblock()
            if not ready.done():
                ready.set_result(error)

        if isinstance(self._sock, WatchedSocket):
            self._sock = self._sock.inner
        # what came behind the last message in the clear was not for the clear: it must be TLS
        read, self._backlog = bytes(self._backlog), b""
        self._blocked = self._filing = True  # as for a file: what others send waits for the end
        self.open(layer, over)
        if read:
            self._decrypt(layer, read)
        if self._eof and self._on_ready is not None:
            self._decrypt(layer, b"")
        return ready

    def _new_layer(self, context: ssl.SSLContext, server_hostname: str | None) -> TLSLayer:
        try:
            if isinstance(self._sock, WatchedSocket):
                return WatchedTLS(context, server_hostname, self._sock.watcher)
            return TLSLayer(context, server_hostname)
        except (ssl.SSLError, ValueError) as error:
            raise LocalProtocolError(
                "TLS cannot begin with these settings: a client needs a client_context() and "
                f"server_hostname, a server a server_context() alone ({error})"
            ) from None

    def refuse_in_plain(self, reason: str) -> None:
        """Close a connection whose peer has begun without TLS; tell it why as it speaks."""
        self.reason = self.reason or reason
        self._tls = None
        self._write(self._refusal(reason, "") or f"error: {reason}\n".encode())
        self.close_soon()

    def _within(self, seconds: float, call: Callable[[], None]) -> None:
        """Have `call()` called when time is up; in place of an earlier deadline."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.io_loop.loop.call_later(seconds, call)

    # The reading half

    def _start_reading(self) -> None:
        raise NotImplementedError

    def _stop_reading(self) -> None:
        raise NotImplementedError

    def _take(self, data: bytes) -> None:
        """Decode what was read."""
        raise NotImplementedError

    def _turn(self) -> None:
        """Decode of the backlog as much as has its turn."""
        raise NotImplementedError

    def _uncut(self) -> None:
        """Turn what nobody has received back into bytes: the backlog."""
        raise NotImplementedError

    def _input_ended(self, error: Exception | None) -> None:
        """The peer has ended its side, or its input was lost."""
        raise NotImplementedError
