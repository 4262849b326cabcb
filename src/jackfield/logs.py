"""Events as lines of text, or of JSON. The one module that writes them anywhere.

The rules this file owns:

1. An event is one line; a traceback follows its line, indented.
2. What a peer can choose (a message, a name, an error's text) is written with control
   characters escaped, so that no peer steers the operator's terminal, and is cut when long.
3. Colour is for a terminal alone, and not where NO_COLOR (https://no-color.org) is set.
4. A log that cannot be written stops no server: the line is lost.
"""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import datetime
from typing import Any, TextIO

from jackfield.endpoints import DEFAULT_OPTIONS, Endpoint
from jackfield.events import (
    AcceptPaused,
    AcceptResumed,
    ChildLost,
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
    Stopped,
    Warned,
)

MOST_SHOWN = 1000
"""Characters of a message that are shown."""

_COLOURS = {
    "listening": "1",
    "came": "32",
    "received": "36",
    "sent": "34",
    "went": "2",
    "refused": "33",
    "failed": "31",
    "lost": "31",
    "dropped": "33",
    "paused": "33",
    "resumed": "32",
    "warning": "33",
    "cut": "31",
}
"""SGR parameters of ECMA-48: bold, dim, and the colours a terminal's user has chosen."""


class Log:
    """Writes events to a stream, a line each.

    stream: where to; standard error unless given.
    messages: whether the messages themselves are shown.
    as_json: whether a line is a JSON object.
    verbose: whether bytes are counted as well.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        messages: bool = False,
        as_json: bool = False,
        verbose: bool = False,
    ) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._messages = messages
        self._as_json = as_json
        self._verbose = verbose
        self._colour = not as_json and wants_colour(self._stream)

    def follow(self, events: Events, name: str = "") -> None:
        """Write all of these events from now on.

        name: what to begin each line with, where one log follows several servers.
        """

        def write(event: Event) -> None:
            if self._as_json or not _goes_without_saying(event, name):
                self._write(event, name)

        events.subscribe(Event, write)
        if self._messages:
            events.subscribe(MessageReceived, write)
            events.subscribe(MessageSent, write)

    def _write(self, event: Event, name: str) -> None:
        now = datetime.now().astimezone()
        try:
            if self._as_json:
                text = json.dumps(record(event, now, name))
            else:
                text = self._line(event, f"{now:%H:%M:%S}", name)
            self._stream.write(text + "\n")
            self._stream.flush()
        except Exception:  # noqa: BLE001  the disk is full, the reader gone: serving goes on
            return

    def _line(self, event: Event, time: str, name: str) -> str:
        verb, text, more = describe(event, verbose=self._verbose)
        number = getattr(event, "number", 0)
        verb = f"{verb:9}"
        if self._colour:
            time = f"\x1b[2m{time}\x1b[0m"
            verb = f"\x1b[{_COLOURS.get(verb.strip(), '0')}m{verb}\x1b[0m"
        parts = [time, f"{name:6}" if name else "", f"#{number:<3}" if number else "", verb, text]
        head = " ".join(part for part in parts if part).rstrip()
        return "\n".join([head, *(f"    {line}" for line in more)])


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
    Refused: ("refused", lambda e: f"{_who(e.peer, e.endpoint)}: {e.reason}"),
    HandlerFailed: ("failed", lambda e: f"its handler, by {e.error}"),
    ChildLost: ("lost", lambda e: f"process {e.process} and {e.peer or 'nobody'}: {e.reason}"),
    DatagramsDropped: (
        "dropped",
        lambda e: f"{_count(e.count, 'datagram')} at {_at(e.endpoint)}: {e.reason}",
    ),
    AcceptPaused: ("paused", lambda e: f"{_at(e.endpoint)}: {e.reason}; it goes on by itself"),
    AcceptResumed: ("resumed", lambda e: f"{_at(e.endpoint)}: peers are accepted again"),
    Warned: ("warning", lambda e: str(e.text)),
    Draining: ("stopping", _stopping),
    Cut: ("cut", lambda e: f"who was still there: {', '.join(e.peers)}"),
    Stopped: ("stopped", _nothing_more),
}
"""For each kind of event its verb, and what makes the words after it."""


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


def printable(text: str) -> str:
    """Escape what a terminal would not simply show: line feeds, controls, characters unseen."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")


def wants_colour(stream: TextIO) -> bool:
    """Whether colour is right on this stream."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    isatty: Callable[[], bool] = getattr(stream, "isatty", bool)
    return isatty()


def _at(endpoint: Endpoint) -> Endpoint:
    """Leave out the options, which are long and no part of where it is."""
    return replace(endpoint, options=DEFAULT_OPTIONS)


def _who(peer: str, endpoint: Endpoint) -> str:
    """Name a peer; one of a UNIX socket or in memory mostly has no name of its own."""
    return f"somebody on {_at(endpoint)}" if peer.endswith((":", "://")) else peer


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
