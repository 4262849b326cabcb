"""Talk's protocol: lines between two people, each exactly once and in order. No I/O, no clock.

The rules this file owns:

1. This side begins with its hello, and says it once to a peer that has not said one. Who has
   said one is a talk; who says nothing for `GRACE` seconds, or anything else, is plain: it gets
   plain text, and nobody tells whether that arrives. A hello that comes later counts too.
2. A talk gets its lines numbered, and again over datagrams where they get lost: `outbox.py`.
   So it gets the hello, for as long as it does not know us yet.
3. What came already is dropped and confirmed again; what came too early waits, within WINDOW.
4. Leaving is numbered like a line, so the peer has all lines before it. Who has been left
   finishes once its own lines are confirmed, or after `LINGER` seconds.
5. A talk from which nothing has come for `PING` seconds is asked whether it is there, every
   `ASK_AGAIN` seconds; after `GONE` it is taken to be gone. A plain peer cannot be asked.
6. Every line that `say()` took ends as exactly one of Confirmed, SentPlain, Unconfirmed.
7. Nothing that a peer sends raises. What waits is bounded, in either direction.
8. Half a line of a plain peer is shown after `HALF_LINE` seconds: programs that know no lines
   end theirs with nothing.
"""

from __future__ import annotations

from jackfield.errors import LocalProtocolError
from jackfield.services.talk import wire
from jackfield.services.talk.events import (
    Confirmed,
    Event,
    Heard,
    Met,
    PeerBusy,
    PeerGone,
    PeerLeft,
    SentPlain,
    TakenForPlain,
    Unconfirmed,
)
from jackfield.services.talk.outbox import BYE, WINDOW, Outbox, Patience, Words

GRACE = 1.0
HALF_LINE = 0.3
PING = 5.0
ASK_AGAIN = 1.0
GONE = 20.0
LINGER = 2.0
LEAVING = 10.0
"""Seconds without a sign of the peer after which one who leaves waits no longer."""

MOST_LEAVING = GRACE + LEAVING
"""Seconds that leaving may take without a sign of the peer."""

GOODBYE = "bye"
"""What a plain peer over datagrams is told in place of an end of the connection."""


class Protocol:
    """One side of one conversation. `now` is in seconds, of any clock that only goes forward.

    name: what the peer is told; see `wire.MAX_NAME`.
    encoding: of plain text.
    datagrams: whether what is sent may be lost, doubled or reordered, and has no end.
    identity: this side's digits; new ones unless given.

    After each call the owner sends `outgoing()`, shows `events()`, and sees to it that
    `tick()` is called at `deadline()`.
    """

    def __init__(
        self,
        name: str,
        *,
        encoding: str = "utf-8",
        datagrams: bool = False,
        identity: str = "",
    ) -> None:
        self._name = name
        self._encoding = encoding
        self._datagrams = datagrams
        self._identity = identity or wire.new_identity()
        self._peer = ""  # a talk's identity
        self._plain = False
        self._out: list[bytes] = []
        self._events: list[Event] = []
        self._over = False
        self._leaving = False
        self._left = False  # the peer has said goodbye
        self._goodbye_arrived = False  # ours has arrived there
        self._partial = b""
        self._patience = Patience()
        self._outbox = Outbox(self._patience, reliable=not datagrams)
        self._hellos_again = 0
        # The peer's
        self._have = 0  # all up to this number
        self._early: dict[int, Words] = {}  # and what came before one that is missing
        # When to do what; None when there is nothing
        self._taken_for_plain: float | None = None
        self._say_hello: float | None = None
        self._flush_partial: float | None = None
        self._ask: float | None = None
        self._gives_up: float | None = None

    # What the owner does

    def start(self, now: float) -> None:
        """Begin the conversation."""
        self._out.append(wire.hello(self._identity, self._name, self._encoding))
        self._taken_for_plain = now + GRACE

    def say(self, text: str, now: float) -> None:
        """Send a line to the peer, now or when there is room.

        Raises LocalProtocolError for what is no line or past the bound, and for any line once
        this side has left or the conversation is over.
        """
        if self._leaving or self._over or self._left:
            raise LocalProtocolError("the conversation is over; the line was not sent")
        if "\n" in text:
            raise LocalProtocolError("a line holds no line ending; send it line by line")
        size = len(text.encode("utf-8", "surrogatepass"))
        if size > wire.MAX_LINE:
            raise LocalProtocolError(
                f"a line of {size} bytes, and {wire.MAX_LINE} are the most; send it in parts"
            )
        self._outbox.put(text.encode("utf-8", "backslashreplace").decode())
        self._send_lines(now)

    def leave(self, now: float) -> None:
        """Say goodbye after all that was said. Leaving twice is leaving once."""
        if self._leaving or self._over:
            return
        self._leaving = True
        if not self._left:
            self._outbox.put(BYE)
            self._gives_up = now + LEAVING
            self._send_lines(now)

    def receive(self, data: bytes, now: float) -> None:
        """Take bytes of the stream, or a datagram."""
        if self._over:
            return
        if self._peer:
            self._heard_from_peer(now)
        if self._datagrams:
            data = data.removesuffix(b"\n") + b"\n"
        self._partial += data
        self._flush_partial = None
        *lines, self._partial = self._partial.split(b"\n")
        for line in lines:
            self._take(line, now)
        if len(self._partial) > wire.MAX_LINE + wire.MOST_OVERHEAD:
            self._take_partial(now)
        elif self._partial:
            patience = GRACE * 5 if wire.may_become_one(self._partial) else HALF_LINE
            self._flush_partial = now + patience

    def ended(self, reason: str, now: float) -> None:
        """Take the end of the connection: the peer's wish when `reason` is empty, else its loss."""
        if not self._over and self._partial:
            self._take_partial(now)
        if self._over:
            return
        if not self._peer and not reason:  # the one way there is for it to leave
            self._events.append(PeerLeft())
            self._finish()
        else:
            self._lose(reason or "it has ended the connection without a goodbye")

    def tick(self, now: float) -> None:
        """Do what is due."""
        if _due(self._flush_partial, now):
            self._take_partial(now)
        if _due(self._taken_for_plain, now):
            self._take_for_plain(now)
        if self._over:
            return
        if _due(self._gives_up, now):
            self._lose("it answers no more")
            return
        if _due(self._say_hello, now):
            self._say_hello_again(now)
        if _due(self._outbox.deadline, now):
            self._send_lines(now)
        if _due(self._ask, now):
            self._send(wire.ASK)
            self._ask = now + ASK_AGAIN

    # What the owner asks

    @property
    def over(self) -> bool:
        """Whether the conversation is over: nothing more is sent or heard."""
        return self._over

    @property
    def is_confirming(self) -> bool:
        """Whether the peer is a talk, so that lines are confirmed."""
        return bool(self._peer)

    @property
    def room(self) -> bool:
        """Whether another line may be said without more waiting than is reasonable."""
        return self._outbox.room

    def deadline(self) -> float | None:
        """When to call `tick()`; None when nothing is to be waited for."""
        times = (
            self._taken_for_plain,
            self._say_hello,
            self._outbox.deadline,
            self._flush_partial,
            self._ask,
            self._gives_up,
        )
        return None if self._over else min((t for t in times if t is not None), default=None)

    def outgoing(self) -> list[bytes]:
        """Give what is to be sent, each element a datagram or a part of the stream."""
        out, self._out = self._out, []
        return out

    def events(self) -> list[Event]:
        """Give what has happened since the last call, in order."""
        events, self._events = self._events, []
        return events

    @property
    def peer_identity(self) -> str:
        """The digits of a peer that is a talk, or ""."""
        return self._peer

    def answer_after(self, data: bytes) -> bytes:
        """What to answer to a datagram that comes after the end: empty for nothing.

        A talk that has not heard that its goodbye arrived asks again, and is told so; one that
        does not know yet that it is over is told that.
        """
        found = wire.read(data.removesuffix(b"\n"), self._encoding)
        both_know = self._left or self._goodbye_arrived
        if both_know and isinstance(found, wire.Frame) and found.sender == self._peer:
            if found.kind in {wire.ACK, wire.UNKNOWN}:
                return b""
            return bytes(wire.Frame(self._identity, wire.ACK, self._early_bits, self._have))
        return answer_to_stranger(data)

    # What comes

    def _take_partial(self, now: float) -> None:
        partial, self._partial, self._flush_partial = self._partial, b"", None
        self._take(partial, now)

    def _take(self, line: bytes, now: float) -> None:
        if self._over:
            return
        found = wire.read(line, self._encoding)
        if isinstance(found, wire.Frame):
            self._take_frame(found, now)
        elif isinstance(found, wire.Hello):
            self._take_hello(found, now)
        elif isinstance(found, wire.Busy) and not self._peer and not self._plain:
            self._events.append(PeerBusy(found.text))
            self._finish()
        elif not self._peer or line[:1] != b"\x01":
            if not self._peer and not self._plain:
                self._take_for_plain(now)
            text = line.removesuffix(b"\r").decode(self._encoding, "backslashreplace")
            self._events.append(Heard(text))

    def _take_for_plain(self, now: float) -> None:
        self._taken_for_plain = None
        self._plain = True
        self._events.append(TakenForPlain())
        self._send_lines(now)

    def _take_hello(self, found: wire.Hello, now: float) -> None:
        if found.sender == self._identity:  # an echo service
            if not self._plain:
                self._take_for_plain(now)
            return
        if self._peer and found.sender != self._peer:
            self._lose("it has started over")
            return
        if not self._peer:
            self._peer = found.sender
            self._taken_for_plain = None
            self._heard_from_peer(now)
            self._events.append(Met(found.name))
            if self._datagrams:
                if self._plain:  # our hello was lost, or it would have answered that
                    self._out.append(wire.hello(self._identity, self._name, self._encoding))
                self._say_hello = now + self._patience.after(0)
            self._plain = False
        self._send_ack()
        self._send_lines(now)

    def _say_hello_again(self, now: float) -> None:
        self._out.append(wire.hello(self._identity, self._name, self._encoding))
        self._hellos_again += 1
        self._say_hello = now + self._patience.after(self._hellos_again)

    def _take_frame(self, frame: wire.Frame, now: float) -> None:
        if not self._peer:
            return  # its hello is still on the way
        if frame.kind == wire.UNKNOWN and frame.sender == self._identity:
            self._lose("it has started over")
            return
        if frame.sender != self._peer:
            return
        self._say_hello = None
        if frame.kind in {wire.LINE, wire.BYE}:
            words = frame.text if frame.kind == wire.LINE else BYE
            if self._have < frame.number <= self._have + WINDOW:
                self._early[frame.number] = words
        self._hear_in_order(now)
        if frame.kind != wire.ACK:
            self._send_ack()
        self._take_confirmation(frame, now)
        if self._left and self._outbox.empty:
            self._finish()

    def _hear_in_order(self, now: float) -> None:
        """Hear what has come, as far as nothing before it is missing."""
        while self._have + 1 in self._early and not self._left:
            self._have += 1
            words = self._early.pop(self._have)
            if words is BYE:
                self._left = True
                self._events.append(PeerLeft())
                self._tell_unconfirmed(self._outbox.take_waiting())
                self._gives_up = now + LINGER
            else:
                self._events.append(Heard(words))

    def _heard_from_peer(self, now: float) -> None:
        self._ask = now + PING
        if not self._left:
            self._gives_up = now + (LEAVING if self._leaving else GONE)

    # What goes

    def _send(self, kind: str, number: int = 0, text: str = "") -> None:
        if not self._over:
            frame = wire.Frame(self._identity, kind, number, self._have, text)
            self._out.append(bytes(frame))

    def _send_ack(self) -> None:
        self._send(wire.ACK, self._early_bits)

    @property
    def _early_bits(self) -> int:
        """A bit for each line after the missing one, the lowest first: set if it is here."""
        return sum(1 << (number - self._have - 2) for number in self._early)

    def _send_lines(self, now: float) -> None:
        if self._plain:
            self._send_plain()
        elif self._peer:
            for sent in self._outbox.to_send(now):
                kind = wire.BYE if sent.words is BYE else wire.LINE
                self._send(kind, sent.number, sent.words or "")

    def _send_plain(self) -> None:
        for words in self._outbox.take_waiting():
            if words is BYE:
                if self._datagrams:
                    self._out.append(f"{GOODBYE}\n".encode(self._encoding))
                self._finish()
                return
            try:
                self._out.append(f"{words}\n".encode(self._encoding))
            except UnicodeEncodeError:
                self._events.append(Unconfirmed(words))
            else:
                self._events.append(SentPlain(words))

    def _take_confirmation(self, frame: wire.Frame, now: float) -> None:
        early = frame.number if frame.kind == wire.ACK else 0
        for words in self._outbox.confirm(frame.ack, early, now):
            if words is BYE:
                self._goodbye_arrived = True
                self._finish()
            else:
                self._events.append(Confirmed(words))
        self._send_lines(now)

    # The end

    def _lose(self, reason: str) -> None:
        """End without the peer; no word of it when both sides are done anyway."""
        if not self._left and not (self._leaving and not self._outbox.lines_left):
            self._events.append(PeerGone(reason))
        self._finish()

    def _finish(self) -> None:
        if self._over:
            return
        self._over = True
        self._tell_unconfirmed(self._outbox.take_all())

    def _tell_unconfirmed(self, lines: list[Words]) -> None:
        self._events += [Unconfirmed(words) for words in lines if words is not BYE]


def answer_to_stranger(data: bytes) -> bytes:
    """What to answer to a frame of a conversation nobody here knows; empty to what is none."""
    found = wire.read(data.removesuffix(b"\n"), "utf-8")
    if not isinstance(found, wire.Frame) or found.kind == wire.UNKNOWN:
        return b""
    return bytes(wire.Frame(found.sender, wire.UNKNOWN))


def _due(time: float | None, now: float) -> bool:
    return time is not None and now >= time
