"""What a framing is, and the one decoder that runs all framings made of a cut and a codec.

The rules this file owns:

1. A framing is immutable, shared by all connections of a service, and can be pickled. What
   one connection has half received lives in its `Decoder`.
2. Sans-I/O: nothing here reads a clock or a socket.
3. Any cut of the bytes gives the same messages, at a cost linear in the bytes.
4. Memory is bounded: no more is kept than one message of `max_message` bytes and its frame,
   and one feed.
5. Bytes that break the framing raise `RemoteProtocolError` and nothing else; a message that
   cannot be sent raises `LocalProtocolError` and nothing of it is sent.
6. The good messages before a bad one are delivered first: `feed()` returns them and leaves
   the error in `Decoder.error`.
"""

from __future__ import annotations

import contextlib
from typing import Any, Final, Generic, Literal, TypeVar

from jackfield.errors import (
    ConfigurationError,
    IncompleteMessage,
    LocalProtocolError,
    MessageTooLong,
    RemoteProtocolError,
)

M = TypeVar("M")

Buffer = bytes | bytearray
Cut = tuple[int, int, int]
"""Where a message lies in a buffer: payload start, payload end, start of the next message."""

HEAVY = 1024
"""Bytes of messages already given out that an idle connection may go on holding."""

DEFAULT_MAX_MESSAGE = 64 * 1024
"""Bytes in one message unless the framing is told otherwise."""


class Framing(Generic[M]):
    """The rule that cuts a stream of bytes into messages, and back.

    One's own framing is a subclass with `cut()` and `encode()`; messages are bytes unless
    `decode_unit()` and `encode_unit()` say otherwise. `jackfield.testing.check_framing()`
    runs the laws of this module on it.

    max_message: the bound, in bytes, on the payload of one message. Every framing has one;
    less than 1 raises ConfigurationError.
    """

    name = "framing"
    """How messages, docs and options call it."""

    delimiter: bytes = b""
    """What each message ends with, where that is always the same: it saves a connection from
    looking for the end of a long one bit by bit."""

    rests: bool = False
    """Whether peers may be silent between messages for as long as they like, and be closed for it
    whenever it suits us: that is no fault then, and nobody is told of it."""

    only_streams: bool = False
    """Whether its messages need a stream, since what there is of one may come in pieces."""

    payload: Literal["binary", "text", "marked"] = "binary"
    """What a unit is to a transport that tells text from bytes, as WebSocket does: text in UTF-8,
    or marked as either by its first byte, 1 for text and 2 for bytes."""

    def __init__(self, max_message: int = DEFAULT_MAX_MESSAGE) -> None:
        if max_message < 1:
            raise ConfigurationError(
                f"max_message is {max_message}, but a message may have at least 1 byte"
            )
        self.max_message: Final = max_message

    def cut(self, buffer: Buffer, start: int, searched: int) -> Cut | int:
        """Find the end of the message that begins at `start`.

        searched: bytes of `buffer` before this offset were seen by an earlier call for the
        same message, which found no end: a search for a delimiter goes on from there
        (less the delimiter's length).

        Returns where the message lies (`Cut`; it takes at least 1 byte), or how many bytes
        from `start` on there must be before another call makes sense: more than there are.
        Raises RemoteProtocolError for bytes that cannot begin a message, and MessageTooLong
        as soon as the message cannot end within `max_message` bytes.
        """
        raise NotImplementedError

    def encode(self, message: M) -> bytes:
        """Give the bytes that carry `message` in a stream, frame included.

        Raises LocalProtocolError for a message this framing cannot carry.
        """
        raise NotImplementedError

    def encode_all(self, messages: list[M]) -> bytes:
        """Give the bytes that carry these messages, one after another.

        A subclass overrides it for speed alone. Raises as `encode()`.
        """
        return b"".join(map(self.encode, messages))

    def decode_unit(self, unit: bytes) -> M:
        """Turn the payload of one message into what a handler receives.

        Alone in use where the transport itself keeps message boundaries (datagrams,
        seqpacket, WebSocket), so it checks the bound too. Raises RemoteProtocolError.
        """
        if len(unit) > self.max_message:
            raise too_long(self.max_message, len(unit))
        return unit  # type: ignore[return-value]  # M is bytes unless a subclass says otherwise

    def encode_unit(self, message: M) -> bytes:
        """Turn a message into the payload `decode_unit()` takes. Raises LocalProtocolError."""
        return sendable(message, self.max_message)

    def cut_all(self, data: bytes) -> tuple[list[M], int]:
        """Decode every complete message at the beginning of `data`, which is not empty.

        Returns the messages, and the number of bytes they took. A subclass overrides it for
        speed alone: it may stop early (before an error, say), and cut() then decides.
        """
        return [], 0

    def decoder(self) -> Decoder[M]:
        """Make the state of one connection's incoming direction."""
        return Decoder(self)

    def refusal(self, reason: str) -> bytes:
        """Give the bytes that tell a peer why it is refused: empty where there is no way to.

        They are one message, whatever `reason` holds. Never raises.
        """
        del reason
        return b""

    def refusal_past(self, limit: str, reason: str) -> bytes:
        """Give what tells a peer that it has passed a limit, a field of `Limits`. As `refusal()`.

        A framing overrides it that says so in another way than by the reason.
        """
        del limit
        return self.refusal(reason)

    def _refuse_with(self, message: Any) -> bytes:
        """Give the bytes of a refusal, cut to fit; none if this framing cannot carry it."""
        for size in range(min(len(message), self.max_message), 0, -1):
            with contextlib.suppress(LocalProtocolError):
                return self.encode(message[:size])
        return b""


class Decoder(Generic[M]):
    """One connection's incoming direction: fed bytes, it gives messages.

    need: the number of bytes the next message still lacks at the least; a caller that feeds
    in slices may feed this many at once, since fewer can complete nothing.
    attention: whether there is an error, or bytes of messages already given out are held that
    are worth a `drop()` once those messages are used. One look tells that all is well.
    error: what broke the framing, once something did. Feeding goes nowhere from then on.
    pieces: messages given out so far that were but a piece of a longer one, as of an HTTP body.
    why: what the peer has said of why it ends, where the framing carries that.
    """

    pieces: int = 0
    why: str = ""

    __slots__ = (
        "_buffer",
        "_end",
        "_framing",
        "_partial",
        "_searched",
        "attention",
        "error",
        "need",
    )

    def __init__(self, framing: Framing[M]) -> None:
        self._framing = framing
        self._buffer: Buffer = b""
        self._end = 0  # the messages given out by the last feed() end here in _buffer
        self._partial = False  # a part of a message is behind them
        self._searched = 0
        self.need = 1
        self.attention = False
        self.error: RemoteProtocolError | None = None

    def feed(self, data: bytes) -> list[M]:
        """Take more bytes; give the messages they complete, in order.

        Never raises for what a peer sent: an error waits in `error` until the caller has
        handed out the messages before it. After an error nothing is taken: what is read from
        then on is the caller's to keep, should it switch to another framing.
        """
        if self._partial or self.error is not None or not data:
            return self._feed_on(data)
        self._buffer = data
        messages, end = self._framing.cut_all(data)
        if end != len(data):
            end = self._cut_on(end, 0, messages)
        self._end = end
        if end > HEAVY:
            self.attention = True
        return messages

    def _feed_on(self, data: bytes) -> list[M]:
        """Feed more of a message of which a part is kept."""
        if self.error is not None or not data:
            return []
        kept = len(self._buffer) - self._end
        if kept > len(data):
            return self._feed_little(data)
        searched = self._searched
        self._buffer = data = b"".join((memoryview(self._buffer)[self._end :], data))
        messages, end = self._framing.cut_all(data)
        end = self._cut_on(end, 0 if messages else searched, messages)
        return self._given(messages, end)

    def _feed_little(self, data: bytes) -> list[M]:
        """Feed less than what is kept of a message, which is not to be copied every time."""
        buffer = self._grow(data)
        if len(data) < self.need:
            self.need -= len(data)
            return []
        messages: list[M] = []
        end = self._cut_on(0, self._searched, messages, most=1)
        if messages and end < len(buffer):
            more, used = self._framing.cut_all(bytes(memoryview(buffer)[end:]))
            messages += more
            end = self._cut_on(end + used, 0, messages)
        return self._given(messages, end)

    def _given(self, messages: list[M], end: int) -> list[M]:
        self._end = end
        if end > HEAVY:
            self.attention = True
        return messages

    def _grow(self, data: bytes) -> bytearray:
        """Append to what is kept of a message, dropping what was given out before it."""
        buffer = self._buffer
        if self._end or not isinstance(buffer, bytearray):
            buffer = self._buffer = bytearray(memoryview(buffer)[self._end :])
            self._end = 0
        buffer += data
        return buffer

    def _cut_on(self, start: int, searched: int, messages: list[M], most: int = 0) -> int:
        """Cut message by message from `start` on, `most` at the most; returns where the last ends.

        searched: how much of the first one an earlier call has looked through.
        """
        framing = self._framing
        buffer = self._buffer
        size = len(buffer)
        self.need = 1
        self._partial = False
        try:
            while start < size:
                found = framing.cut(buffer, start, start + searched)
                if isinstance(found, int):
                    self._partial = True
                    self._searched = size - start
                    self.need = max(1, found - self._searched)
                    return start
                first, last, after = found
                messages.append(framing.decode_unit(bytes(buffer[first:last])))
                start = after
                searched = 0
                if len(messages) == most:
                    break
        except RemoteProtocolError as error:
            self.error = error
            self.attention = True
        return start

    @property
    def unfinished(self) -> int:
        """Bytes at hand of a message whose rest has not come."""
        return len(self._buffer) - self._end if self._partial else 0

    def finish(self) -> None:
        """Take the end of the stream: inside a message, that is an IncompleteMessage in `error`."""
        left = len(self._buffer) - self._end
        if left and self.error is None:
            self.error = IncompleteMessage(
                f"the stream ended {left} bytes into a message (framing {self._framing.name})"
            )
            self.attention = True

    def drop(self) -> None:
        """Forget the bytes of messages already given out: the caller has used them all."""
        self._buffer = bytes(memoryview(self._buffer)[self._end :])
        self._end = 0
        self.attention = self.error is not None

    def rest(self, unread: int) -> bytes:
        """Give back the bytes from the first message the caller has not used on.

        unread: how many of the messages the last feed() gave are unused. The decoder is done
        with afterwards: another framing cuts these bytes anew.
        """
        starts = [0]
        while starts[-1] < self._end:
            found = self._framing.cut(self._buffer, starts[-1], starts[-1])
            assert not isinstance(found, int)  # it was cut before
            starts.append(found[2])
        return bytes(memoryview(self._buffer)[starts[-1 - unread] :])

    def pending(self) -> bytes:
        """Bytes the framing wants sent by itself; empty for all framings of a cut and a codec."""
        return b""


def as_bytes(message: object) -> bytes:
    """Give a message that must be bytes as bytes. Raises LocalProtocolError for what is not."""
    if isinstance(message, bytes):
        return message
    if isinstance(message, bytearray | memoryview):
        return bytes(message)
    raise wrong_type("bytes", message)


def sendable(message: object, max_message: int) -> bytes:
    """Give a message as bytes, as `as_bytes()` does, and refuse one past the bound."""
    data = as_bytes(message)
    if len(data) > max_message:
        raise too_long_to_send(max_message, len(data))
    return data


def wrong_type(wanted: str, message: object) -> LocalProtocolError:
    """Say that this framing carries something else."""
    return LocalProtocolError(
        f"a message of this framing is {wanted}, but this one is {type(message).__name__}"
    )


def too_long(max_message: int, size: int | None = None) -> MessageTooLong:
    """Say that a received message is past the bound."""
    what = f"of more than {max_message} bytes" if size is None else f"of {size} bytes"
    return MessageTooLong(
        f"a message {what}, past the bound of {max_message}; "
        "send it in parts, or give the framing a larger max_message"
    )


def too_long_to_send(max_message: int, size: int) -> LocalProtocolError:
    """Say that a message is past the bound, so that its receiver would refuse it."""
    return LocalProtocolError(
        f"a message of {size} bytes, past the bound of {max_message}; "
        "send it in parts, or give the framing a larger max_message on both sides"
    )


def refusal_text(reason: str) -> str:
    """Give the text of a refusal: one line that every encoding of Unicode can carry."""
    text = "error: " + " ".join(reason.split())
    return text.encode("utf-8", "replace").decode()
