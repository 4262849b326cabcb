"""Events as lines of text, or of JSON. The one module that writes them anywhere.

The rules this file owns:

1. An event is one line; a traceback follows its line, indented.
2. What a peer can choose (a message, a name, an error's text) is written with control
   characters escaped, so that no peer steers the operator's terminal, and is cut when long.
3. A log that cannot be written stops no server: the line is lost.
4. What peers can bring about as often as they like fills no disk: of one kind of trouble there
   are `BURST` lines at once and `RATE` a second, and the others are counted.
"""

from __future__ import annotations

import base64
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from datetime import datetime
from typing import Any, TextIO
from urllib.parse import urlsplit

from jackfield.endpoints import DEFAULT_OPTIONS, Endpoint
from jackfield.events import (
    AcceptPaused,
    AcceptResumed,
    BytesReceived,
    BytesSent,
    ChildLost,
    CommandEnded,
    CommandRefused,
    CommandStarted,
    ConnectionEnded,
    ConnectionOpened,
    Cut,
    DatagramsDropped,
    Draining,
    Event,
    Events,
    HandlerFailed,
    Listening,
    MessageReceived,
    MessageSent,
    Refused,
    Reloaded,
    RequestAnswered,
    Resumed,
    Stopped,
    StoreChanged,
    Suspended,
    Warned,
    WorkerLost,
)
from jackfield.visible import printable, wants_colour

MOST_SHOWN = 1000
"""Characters of a message that are shown."""

MOST_DUMPED = 4096
"""Bytes of one read or write that are shown; a recording has all of them."""

BURST = 20
RATE = 1.0
"""Lines of one kind of trouble that are written at once, and in a second after that."""

_COLOURS = {
    "listening": "1",
    "came": "32",
    "runs": "36",
    "ran": "36",
    "received": "36",
    "sent": "34",
    "went": "2",
    "refused": "33",
    "failed": "31",
    "lost": "31",
    "dropped": "33",
    "paused": "33",
    "suspended": "33",
    "resumed": "32",
    "reloaded": "1",
    "store": "31",
    "warning": "33",
    "cut": "31",
}
"""SGR parameters of ECMA-48: bold, dim, and the colours a terminal's user has chosen."""


class Log:
    """Writes events to a stream, a line each.

    stream: where to; standard error unless given.
    messages: whether the messages themselves are shown.
    dump: whether the bytes of both directions are, in hexadecimal and as text, inside TLS too.
    as_json: whether a line is a JSON object.
    verbose: whether bytes are counted as well.
    peers: whether it is written who comes and goes.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        messages: bool = False,
        dump: bool = False,
        as_json: bool = False,
        verbose: bool = False,
        peers: bool = True,
    ) -> None:
        self._peers = peers
        self._stream = sys.stderr if stream is None else stream
        self._kinds: list[type[Event]] = [MessageReceived, MessageSent] if messages else []
        self._kinds += [BytesReceived, BytesSent] if dump else []
        self._as_json = as_json
        self._verbose = verbose
        self._colour = not as_json and wants_colour(self._stream)

    def follow(
        self, events: Events, name: str = "", *, quiet: bool = False, where: bool = True
    ) -> None:
        """Write all of these events from now on.

        name: what to begin each line with, where one log follows several servers.
        quiet: leave out who comes and goes, what they say and ask for, and that it was reloaded.
        where: whether it is told where it listens.
        """
        kept = Throttle()

        def write(event: Event) -> None:
            if isinstance(event, Stopped):
                for text in kept.rest():
                    self._write(Warned(text), name)
            if quiet and isinstance(event, _QUIET):
                return
            if not where and isinstance(event, Listening):
                return
            if not self._peers and isinstance(event, (ConnectionOpened, ConnectionEnded)):
                return
            left_out = kept.left_out(event)
            if left_out is not None and (self._as_json or not _goes_without_saying(event, name)):
                self._write(event, name, left_out)

        events.subscribe(Event, write)
        for kind in () if quiet else self._kinds:
            events.subscribe(kind, write)

    def _write(self, event: Event, name: str, left_out: int = 0) -> None:
        now = datetime.now().astimezone()
        try:
            if self._as_json:
                more = {"left_out": left_out} if left_out else {}
                text = json.dumps(record(event, now, name) | more)
            else:
                text = self._line(event, f"{now:%H:%M:%S}", name, left_out)
            self._stream.write(text + "\n")
            self._stream.flush()
        except Exception:  # noqa: BLE001  the disk is full, the reader gone: serving goes on
            return

    def _line(self, event: Event, time: str, name: str, left_out: int) -> str:
        if isinstance(event, RequestAnswered):
            return common(event, datetime.now().astimezone())
        verb, text, more = describe(event, verbose=self._verbose)
        if left_out:
            text += f" (and {left_out} more like it before)"
        number = getattr(event, "number", 0)
        verb = f"{verb:9}"
        if self._colour:
            time = f"\x1b[2m{time}\x1b[0m"
            verb = f"\x1b[{_COLOURS.get(verb.strip(), '0')}m{verb}\x1b[0m"
        parts = [time, f"{name:6}" if name else "", f"#{number:<3}" if number else "", verb, text]
        head = " ".join(part for part in parts if part).rstrip()
        return "\n".join([head, *(f"    {line}" for line in more)])


_QUIET = (ConnectionOpened, ConnectionEnded, RequestAnswered, Reloaded)


class Throttle:
    """Counts the lines of each kind of trouble, and says which are too many.

    clock: gives seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kinds: dict[str, _Kind] = {}

    def left_out(self, event: Event) -> int | None:
        """Say how many of its kind were left out before this one; None when it is left out too."""
        what = _trouble(event)
        if not what:
            return 0
        now = self._clock()
        kind = self._kinds.setdefault(what, _Kind(now))
        kind.allowed = min(BURST, kind.allowed + (now - kind.seen) * RATE)
        kind.seen = now
        if kind.allowed < 1:
            kind.left_out += 1
            return None
        kind.allowed -= 1
        count, kind.left_out = kind.left_out, 0
        return count

    def rest(self) -> Iterator[str]:
        """Say of each kind what has been left out last."""
        for what, kind in self._kinds.items():
            if kind.left_out:
                yield f"{kind.left_out} more were left out: {what}"
                kind.left_out = 0


class _Kind:
    """What is known of one kind of trouble."""

    def __init__(self, now: float) -> None:
        self.allowed = float(BURST)
        self.seen = now
        self.left_out = 0


def _trouble(event: Event) -> str:
    """Name the kind of trouble that peers can bring about at will; "" for what is none."""
    if isinstance(event, Refused):
        return f"refused, {event.limit}" if event.limit else "refused"
    if isinstance(event, DatagramsDropped):
        return f"dropped, {event.reason}"
    if isinstance(event, HandlerFailed):
        return "handlers that failed"
    if isinstance(event, ChildLost):
        return "processes lost"
    return ""


def _goes_without_saying(event: Event, name: str) -> bool:
    """Whether an event is no news: nobody is there to wait for, or one of many has stopped."""
    if isinstance(event, Draining):
        return event.connections == 0
    return isinstance(event, Stopped) and bool(name)


def describe(event: Event, *, verbose: bool = False) -> tuple[str, str, list[str]]:
    """Give an event in words: a verb, the rest of the line, and lines that follow it."""
    verb, words = _WORDS.get(type(event), (type(event).__name__.lower(), _nothing_more))
    text = words(event)
    more: list[str] = []
    if isinstance(event, HandlerFailed):
        more = event.traceback.splitlines()
    elif isinstance(event, (BytesReceived, BytesSent)):
        more = list(dumped(event.data))
    elif isinstance(event, Warned):
        text, *more = text.splitlines() or [""]
    if verbose and isinstance(event, ConnectionEnded):
        text += f" ({event.bytes_received} and {event.bytes_sent} bytes)"
    return verb, printable(text), [printable(line) for line in more]


def _went(event: ConnectionEnded) -> str:
    text = _who(event.peer, event.endpoint)
    if event.reason:
        text = f"{text}: {event.reason}"
    return f"{text}; received {event.messages_received}, sent {event.messages_sent}"


def _ran(event: CommandEnded) -> str:
    how = f"status {event.status}" if event.signal is None else f"by signal {event.signal}"
    if event.status is None and event.signal is None:
        how = "nobody knows how"
    why = "" if event.why == "exit" else f", {event.why}"
    killed = f", {_count(event.killed, 'process', 'es')} killed" if event.killed else ""
    size = f"{_count(event.received, 'byte')} in, {_count(event.sent, 'byte')} out"
    return f"{event.command} for {event.who}: {how}{why}{killed}; {event.seconds:.3f} s, {size}"


def _stopping(event: Draining) -> str:
    who = _count(event.connections, "connection")
    return f"{who} may take {event.deadline:g} s; Ctrl-C again ends it at once"


def _nothing_more(event: Event) -> str:
    del event
    return ""


_WORDS: dict[type[Event], tuple[str, Callable[[Any], str]]] = {
    Listening: ("listening", lambda e: f"on {_at(e.endpoint)}"),
    ConnectionOpened: ("came", lambda e: _who(e.peer, e.endpoint)),
    ConnectionEnded: ("went", _went),
    MessageReceived: ("received", lambda e: shown(e.message)),
    MessageSent: ("sent", lambda e: shown(e.message)),
    BytesReceived: ("received", lambda e: _count(len(e.data), "byte")),
    BytesSent: ("sent", lambda e: _count(len(e.data), "byte")),
    RequestAnswered: ("answered", lambda e: f"{e.method} {e.target} by {e.status}"),
    Refused: ("refused", lambda e: f"{_who(e.peer, e.endpoint)}: {e.reason}"),
    CommandStarted: ("runs", lambda e: f"{e.command} for {e.who}, {e.peer}"),
    CommandEnded: ("ran", lambda e: f"{_ran(e)}, {e.peer}"),
    CommandRefused: ("refused", lambda e: f"{e.command} for {e.who}, {e.peer}: {e.reason}"),
    HandlerFailed: ("failed", lambda e: f"its handler, by {e.error}"),
    ChildLost: ("lost", lambda e: f"process {e.process} and {e.peer or 'nobody'}: {e.reason}"),
    WorkerLost: (
        "lost",
        lambda e: f"worker {e.worker}, process {e.process}: {e.reason}; another takes its place",
    ),
    DatagramsDropped: (
        "dropped",
        lambda e: f"{_count(e.count, 'datagram')} at {_at(e.endpoint)}: {e.reason}",
    ),
    AcceptPaused: ("paused", lambda e: f"{_at(e.endpoint)}: {e.reason}; it goes on by itself"),
    AcceptResumed: ("resumed", lambda e: f"{_at(e.endpoint)}: peers are accepted again"),
    Suspended: ("suspended", lambda _: "nobody is accepted until the server is resumed"),
    Resumed: ("resumed", lambda _: "peers are accepted again"),
    Reloaded: ("reloaded", lambda _: "certificates and configuration; they hold from now on"),
    StoreChanged: ("store", lambda e: f"{e.state}: {e.why}" if e.why else "keeps things again"),
    Warned: ("warning", lambda e: str(e.text)),
    Draining: ("stopping", _stopping),
    Cut: ("cut", lambda e: f"who was still there: {', '.join(e.peers)}"),
    Stopped: ("stopped", _nothing_more),
}
"""For each kind of event its verb, and what makes the words after it."""


_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def common(event: RequestAnswered, now: datetime) -> str:
    """Write an answered request in the Common Log Format that web servers share.

    Quotes and backslashes in what a peer has chosen are escaped, so a line can be taken apart.
    """
    host = urlsplit(event.peer).hostname or "-"
    when = f"{now.day:02}/{_MONTHS[now.month - 1]}/{now:%Y:%H:%M:%S %z}"
    asked = f"{event.method} {event.target} HTTP/{event.version}"
    asked = printable(asked.replace("\\", "\\\\").replace('"', '\\"'))
    user = printable(event.user).replace(" ", "_") or "-"
    return f'{host} - {user} [{when}] "{asked}" {event.status} {event.size or "-"}'


def record(event: Event, now: datetime, name: str = "") -> dict[str, Any]:
    """Give an event as a JSON object: its kind, the time, and its fields.

    A message that is bytes becomes text where it is UTF-8, else `message_base64`.
    """
    found: dict[str, Any] = {"event": type(event).__name__, "time": now.isoformat()}
    if name:
        found["service"] = name
    for field in fields(event):
        value = getattr(event, field.name)
        if isinstance(value, bytes):
            try:
                found[field.name] = value.decode("utf-8")
            except UnicodeDecodeError:
                found[f"{field.name}_base64"] = base64.b64encode(value).decode("ascii")
        elif value is None or isinstance(value, (bool, int, float, str, list, dict)):
            found[field.name] = value
        elif isinstance(value, tuple):
            found[field.name] = list(value)
        else:
            found[field.name] = str(value)
    return found


def shown(message: Any) -> str:
    """Give a message as a piece of a line: escaped, and cut when long."""
    if isinstance(message, bytes):
        size = f"{len(message)} bytes"
        text = message[: MOST_SHOWN * 4].decode("utf-8", "backslashreplace")
    else:
        text = message if isinstance(message, str) else repr(message)
        size = f"{len(text)} characters"
    if not text:
        return "(empty)"
    if len(text) > MOST_SHOWN:
        return f"{printable(text[:MOST_SHOWN])}… ({size} in all)"
    return printable(text)


def dumped(data: bytes) -> Iterator[str]:
    """Give bytes in lines of 16: where they begin, in hexadecimal, and as text."""
    for at in range(0, min(len(data), MOST_DUMPED), 16):
        row = data[at : at + 16]
        left, right = row[:8].hex(" "), row[8:].hex(" ")
        text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
        yield f"{at:06x}  {left:23}  {right:23}  |{text}|"
    if len(data) > MOST_DUMPED:
        yield f"… ({len(data) - MOST_DUMPED} more bytes; --record FILE keeps them)"


def _at(endpoint: Endpoint) -> Endpoint:
    """Leave out the options, which are long and no part of where it is."""
    return replace(endpoint, options=DEFAULT_OPTIONS)


def _who(peer: str, endpoint: Endpoint) -> str:
    """Name a peer; one of a UNIX socket or in memory mostly has no name of its own."""
    return f"somebody on {_at(endpoint)}" if peer.endswith((":", "://")) else peer


def _count(number: int, what: str, plural: str = "s") -> str:
    return f"{number} {what}{'' if number == 1 else plural}"
