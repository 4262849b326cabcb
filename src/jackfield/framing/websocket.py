"""WebSocket's messages as a framing (RFC 6455, section 5), around the codec of another framing.

The rules this file owns:

1. One message of WebSocket is one unit of the framing inside: its codec applies, and no cut. It
   is sent as text where that framing's units are text, else as binary; both are taken, and text
   that is not UTF-8 is an error, at the latest with the frame in which it goes wrong.
2. Control frames are answered between the frames of a message (section 5.4). Of pings that come
   faster than they can be answered `PONGS` are, the last one among them (section 5.5.3).
3. A message has its bound however it comes: in fragments, compressed (RFC 7692), or both. No more
   than one byte past it is ever inflated.
4. Compression keeps nothing from one message to the next, either way, so an idle connection holds
   nothing of zlib, and what is encoded once is good for every connection that agreed alike.
5. After a Close frame nothing is looked at. What breaks the rules is answered by a Close whose
   code says how: 1002, 1007 or 1009 (section 7.4.1).
"""

from __future__ import annotations

import os
import zlib
from codecs import getincrementaldecoder
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from jackfield.errors import (
    BadMessage,
    ConfigurationError,
    LocalProtocolError,
    MessageTooLong,
    RemoteProtocolError,
)
from jackfield.framing.base import Buffer, Cut, Decoder, Framing, too_long
from jackfield.framing.frames import (
    BINARY,
    CLOSE,
    COMPRESSED,
    FIN,
    INVALID_DATA,
    MASKED,
    NORMAL,
    PING,
    POLICY,
    PONG,
    PROTOCOL_ERROR,
    RESERVED,
    TEXT,
    TOO_BIG,
    Side,
    close_payload,
    head,
    read_close,
)
from jackfield.framing.masking import apply_mask

M = TypeVar("M")

WINDOW = 12
"""Bits of the window that messages are compressed with: 16 KiB of memory while one is."""

LEVEL = 4
"""How hard zlib tries: a tenth longer than by its own 6, in half the time."""

WORTH = 256
"""Bytes from which on a message is compressed: a shorter one hardly gets shorter."""

PONGS = 32
"""Pings that may wait for their answer; of those past it the last one is answered alone."""

_SLACK = 1024
"""Fragments, or bytes of zlib's own, that a message may have beyond what its bytes account for."""

_ENDING = 2
"""Bytes that a unit may have beside its message: a line ending, which its codec drops."""

_TAIL = b"\0\0\xff\xff"
"""What a compressed message is sent without (RFC 7692, section 7.2.1)."""

_new_utf8 = getincrementaldecoder("utf-8")


class WebSocket(Framing[M]):
    """The messages of `inner`, over WebSocket.

    side: "server" receives masked frames and sends plain ones, "client" the other way round.
    codecs: how a message in one frame is decoded, by the frame's first byte.
    deflate: bits of the window that messages may be compressed with, 9 to 15, if compression was
    agreed on; 0 if not. Whatever the peer compresses with, up to 15 bits, is taken then.
    Two that are alike encode alike, and are equal.
    Raises ConfigurationError without the package websockets, which is in the extra `web`.
    """

    name = "websocket"

    def __init__(self, inner: Framing[M], side: Side = "server", *, deflate: int = 0) -> None:
        if apply_mask is None:
            raise ConfigurationError(
                "WebSocket needs the package websockets; install it, as by "
                "pip install 'jackfield[web]'"
            )
        super().__init__(inner.max_message)
        self.inner = inner
        self.side: Side = side
        self.deflate = deflate
        self._marked = inner.payload == "marked"
        self._first = FIN | (TEXT if inner.payload == "text" else BINARY)
        decode = inner.decode_unit
        # of messages that come in one frame, not compressed: by their first byte
        self.codecs: dict[int, Callable[[bytes], M]] = {FIN | BINARY: decode, FIN | TEXT: decode}
        if inner.payload == "marked":
            self.codecs[FIN | BINARY] = partial(_marked, decode, b"\2")
            self.codecs[FIN | TEXT] = partial(_marked, decode, b"\1")
        elif inner.payload == "binary":
            self.codecs[FIN | TEXT] = partial(_checked, decode)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WebSocket) and self._kind == other._kind

    def __hash__(self) -> int:
        return hash(self._kind)

    @property
    def _kind(self) -> tuple[Framing[M], str, int]:
        return self.inner, self.side, self.deflate

    def around(self, inner: Framing[Any]) -> WebSocket[Any]:
        """Give the same around another framing."""
        return WebSocket(inner, self.side, deflate=self.deflate)

    def cut(self, buffer: Buffer, start: int, searched: int) -> Cut | int:
        raise NotImplementedError  # its decoder does not cut

    def decoder(self) -> WebSocketDecoder[M]:
        return WebSocketDecoder(self)

    def encode(self, message: M) -> bytes:
        return self.frame(self.inner.encode_unit(message))

    def frame(self, unit: bytes) -> bytes:
        """Give the bytes that carry a unit of the framing inside, as its `encode_unit()` gives."""
        first = self._first
        if self._marked:
            first, unit = FIN | unit[0], unit[1:]
        if self.deflate and len(unit) >= WORTH:
            short = _deflated(unit, self.deflate)
            if len(short) < len(unit):
                first, unit = first | COMPRESSED, short
        return self._frame(first, unit)

    def _frame(self, first: int, payload: bytes) -> bytes:
        size = len(payload)
        if self.side == "server":
            if size < 126:
                return bytes((first, size)) + payload
            return head(first, 0, size) + payload
        mask = os.urandom(4)
        masked: bytes = apply_mask(payload, mask)
        return head(first, MASKED, size) + mask + masked

    def control(self, opcode: int, payload: bytes = b"") -> bytes:
        """Give the bytes of a control frame, whose payload may have 125."""
        return self._frame(FIN | opcode, payload)

    def close(self, code: int, reason: str = "") -> bytes:
        """Give the bytes of a Close frame, with as much of the reason as fits."""
        return self.control(CLOSE, close_payload(code, reason))

    def refusal(self, reason: str) -> bytes:
        return self.close(POLICY, reason)


def _deflated(unit: bytes, bits: int) -> bytes:
    # memLevel 5 has it take 16 KiB in place of 256, for a few percent of length
    deflate = zlib.compressobj(LEVEL, wbits=-bits, memLevel=5)
    return (deflate.compress(unit) + deflate.flush(zlib.Z_SYNC_FLUSH)).removesuffix(_TAIL)


class WebSocketDecoder(Decoder[M]):
    """What one connection has received, and what it owes its peer by itself.

    attention: whether there is an error, an answer to a ping, or an end.
    closed: the code of the peer's Close frame, 1005 when it has none; None before it has come.
    why: the peer's own words for it.
    lost: whether the stream has ended without a Close.
    """

    __slots__ = (
        "_codecs",
        "_count",
        "_ending_sent",
        "_first",
        "_inflate",
        "_kept",
        "_limit",
        "_masked",
        "_message",
        "_pongs",
        "_utf8",
        "_wanted",
        "_wire",
        "closed",
        "lost",
        "why",
    )

    _framing: WebSocket[M]

    def __init__(self, framing: WebSocket[M]) -> None:
        super().__init__(framing)
        self._masked = MASKED if framing.side == "server" else 0
        self._kept: bytearray | None = None  # of a frame whose rest has not come
        self._wanted = 0  # bytes of it that there must be before it is looked at again
        self._first = 0  # the first byte of the message that is under way in fragments; 0: none
        self._message = bytearray()  # of that one
        self._count = self._wire = 0  # its fragments so far, and their bytes as they came
        self._inflate: Any = None
        self._utf8: Any = None
        self._pongs: list[bytes] = []
        self._ending_sent = False
        self.closed: int | None = None
        self.why = ""
        self.lost = False
        self.use(framing)

    @property
    def framing(self) -> WebSocket[M]:
        """What it was made by, or goes on with."""
        return self._framing

    def use(self, framing: WebSocket[M]) -> None:
        """Go on with another framing inside."""
        self._framing = framing
        self._limit = framing.max_message + _ENDING
        self._codecs = framing.codecs

    def feed(self, data: bytes) -> list[M]:
        if self.error is not None or self.closed is not None:
            return []
        buffer: bytes | bytearray = data
        if self._kept is not None:
            kept = self._kept
            kept += data
            if len(kept) < self._wanted:
                self.need = self._wanted - len(kept)
                return []
            buffer, self._kept = kept, None
        messages: list[M] = []
        try:
            at = self._take_all(buffer, messages)
        except RemoteProtocolError as error:
            self.error = error
            self.attention = True
            self._forget()
            return messages
        self.need = 1
        if at < len(buffer) and self.closed is None:
            self._kept = bytearray(memoryview(buffer)[at:])
            self.need = self._wanted - len(self._kept)
        return messages

    def _take_all(self, data: Buffer, messages: list[M]) -> int:
        """Decode frame after frame; returns where the rest begins."""
        at, size = 0, len(data)
        masked, codecs = self._masked, self._codecs
        before = 6 if masked else 2
        while size - at >= 2:
            # a short message in one frame, and nothing else under way: nearly all there are
            decode = codecs.get(data[at])
            length = data[at + 1] ^ masked
            if decode is not None and length < 126 and not self._first and length <= self._limit:
                begin = at + before
                end = begin + length
                if end > size:
                    self._wanted = end - at
                    return at
                if masked:
                    payload = apply_mask(data[begin:end], data[begin - 4 : begin])
                else:
                    payload = bytes(data[begin:end])
                messages.append(decode(payload))
                at = end
                continue
            after = self._take(data, at, messages)
            if after == at or self.closed is not None:
                return after
            at = after
        if at < size:
            self._wanted = at + 2 - at
        return at

    def _take(self, data: Buffer, at: int, messages: list[M]) -> int:
        """Take any frame; returns where it ends, or where it begins while its rest is missing."""
        first, second = data[at], data[at + 1]
        length = second & 0x7F
        extended = 2 if length == 126 else 8 if length == 127 else 0
        self._check(first, second)
        begin = at + 2 + extended + (4 if self._masked else 0)
        if begin > len(data):
            self._wanted = begin - at
            return at
        if extended:
            length = int.from_bytes(data[at + 2 : at + 2 + extended], "big")
        if first & 0x0F < CLOSE:
            self._check_size(first, length)
        end = begin + length
        if end > len(data):
            self._wanted = end - at
            return at
        payload = memoryview(data)[begin:end]
        if self._masked:
            whole = apply_mask(payload, bytes(data[begin - 4 : begin]))
        else:
            whole = bytes(payload)
        payload.release()
        if first & 0x0F >= CLOSE:
            self._take_control(first & 0x0F, whole)
        else:
            self._take_data(first, whole, messages)
        return end

    def _check(self, first: int, second: int) -> None:
        """See to it that a frame may come as it begins (section 5.2). Raises."""
        opcode = first & 0x0F
        if first & RESERVED or (first & COMPRESSED and not self._framing.deflate):
            raise RemoteProtocolError("a frame with a reserved bit that nobody has agreed on")
        if second & MASKED != self._masked:
            what = "is not masked, as a client's" if self._masked else "is masked, as no server's"
            raise RemoteProtocolError(f"a frame {what} must be")
        if opcode >= CLOSE:
            if opcode > PONG:
                raise RemoteProtocolError(f"a control frame of the unknown kind {opcode}")
            if not first & FIN or second & 0x7F > 125 or first & COMPRESSED:
                raise RemoteProtocolError(
                    "a control frame in fragments, compressed, or of more than 125 bytes"
                )
        elif opcode > BINARY:
            raise RemoteProtocolError(f"a frame of the unknown kind {opcode}")
        elif opcode and self._first:
            raise RemoteProtocolError("a message begins before the last fragment of another")
        elif not opcode and (not self._first or first & COMPRESSED):
            raise RemoteProtocolError("a fragment that continues no message")

    def _check_size(self, first: int, length: int) -> None:
        """See to it that a frame of data leaves its message within the bound. Raises."""
        compressed = (first | self._first) & COMPRESSED
        if self._wire + length > self._limit + (_SLACK + self._limit // 64 if compressed else 0):
            raise too_long(self.max_message)
        if self._count > self.max_message + _SLACK:
            raise MessageTooLong(
                f"a message in more fragments than its {self.max_message} bytes could fill"
            )

    @property
    def max_message(self) -> int:
        """Bytes that a message may have."""
        return self._framing.max_message

    # Data

    def _take_data(self, first: int, payload: bytes, messages: list[M]) -> None:
        if self._first == 0 and first & FIN:  # a message in one frame
            if first & COMPRESSED:
                payload = self._inflated(zlib.decompressobj(-15), payload, 0, last=True)
            messages.append(self._codecs[first & ~COMPRESSED](payload))
            return
        if first & 0x0F:
            self._first = first
            if first & COMPRESSED:
                self._inflate = zlib.decompressobj(-15)
            if first & 0x0F == TEXT:
                self._utf8 = _new_utf8()
        self._count += 1
        self._wire += len(payload)
        last = bool(first & FIN)
        if self._inflate is not None:
            payload = self._inflated(self._inflate, payload, len(self._message), last=last)
        if self._utf8 is not None:
            _check_utf8(self._utf8, payload, last=last)
        self._message += payload
        if last:
            whole, codec = bytes(self._message), self._codecs[FIN | self._first & 0x0F]
            self._forget()
            messages.append(codec(whole))

    def _inflated(self, inflate: Any, payload: bytes, so_far: int, *, last: bool) -> bytes:
        """Undo compression, as far as one byte past the bound. Raises."""
        data = payload + _TAIL if last else payload
        if inflate.eof:  # the peer has said so itself (RFC 7692, section 7.2.3.4)
            return b""
        try:
            found: bytes = inflate.decompress(data, self._limit + 1 - so_far)
        except zlib.error:
            raise RemoteProtocolError("a message that cannot be decompressed") from None
        if so_far + len(found) > self._limit:
            raise too_long(self.max_message)
        return found

    def _forget(self) -> None:
        """Keep nothing of a message in fragments."""
        self._first = self._count = self._wire = 0
        self._message = bytearray()
        self._inflate = self._utf8 = None

    # Control

    def _take_control(self, opcode: int, payload: bytes) -> None:
        if opcode == PING:
            if len(self._pongs) == PONGS:
                self._pongs.pop()
            self._pongs.append(payload)
            self.attention = True
        elif opcode == CLOSE:
            self.closed, self.why = read_close(payload)
            self.attention = True
            self._forget()

    def pending(self) -> bytes:
        pongs, self._pongs = self._pongs, []
        self.attention = self.error is not None or self.closed is not None
        if self._ending_sent:
            return b""
        return b"".join([self._framing.control(PONG, pong) for pong in pongs])

    def ending(self, code: int = NORMAL, reason: str = "") -> bytes:
        """Give the Close frame of this side, once.

        A peer's own code is sent back to it (section 5.5.1), and one that broke the rules is told
        how, whatever `code` says.
        """
        if self._ending_sent:
            return b""
        self._ending_sent = True
        if self.closed is not None:
            return self._framing.close(self.closed)
        if self.error is not None:
            return self._framing.close(_code_for(self.error), str(self.error))
        return self._framing.close(code, reason)

    def skip(self) -> None:
        """Decode no more messages: only the peer's Close is of interest still."""
        self._codecs = dict.fromkeys(self._codecs, _skipped)

    # The rest of what a decoder is

    @property
    def unfinished(self) -> int:
        kept = 0 if self._kept is None else len(self._kept)
        return kept + (max(1, self._wire) if self._first else 0)

    def finish(self) -> None:
        if self.error is None and self.closed is None:
            self.lost = True

    def drop(self) -> None:
        """There is nothing that is kept of messages given out."""

    def rest(self, unread: int) -> bytes:
        raise LocalProtocolError("messages of WebSocket cannot be cut by another framing")


def _skipped(_unit: bytes) -> Any:
    return None


def _marked(decode: Callable[[bytes], M], mark: bytes, unit: bytes) -> M:
    return decode(mark + unit)


def _checked(decode: Callable[[bytes], M], unit: bytes) -> M:
    _check_utf8(_new_utf8(), unit, last=True)
    return decode(unit)


def _check_utf8(decoder: Any, data: bytes, *, last: bool) -> None:
    try:
        decoder.decode(data, last)
    except UnicodeDecodeError as error:
        raise BadMessage(f"a message of text that is not UTF-8 ({error.reason})") from None


def _code_for(error: RemoteProtocolError) -> int:
    if isinstance(error, MessageTooLong):
        return TOO_BIG
    return INVALID_DATA if isinstance(error, BadMessage) else PROTOCOL_ERROR
