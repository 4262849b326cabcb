"""Recordings: what all peers of a server sent and were sent, with its time; written, and read.

The rules this file owns:

1. A recording is JSON, a line each. The first line says what it is; each other one is one of::

       {"at": 0.12, "connection": 1, "what": "came", "peer": "tcp://…", "endpoint": "tcp://…"}
       {"at": 0.25, "connection": 1, "what": "received", "data": "aGVsbG8K"}
       {"at": 0.25, "connection": 1, "what": "sent", "data": "SEVMTE8K"}
       {"at": 9.50, "connection": 1, "what": "went", "reason": ""}

   `at` is in seconds since the recording began, `data` is base64 (RFC 4648) of the bytes, TLS
   taken off. For datagrams and seqpacket a line is one unit; of a stream it is what one read or
   write moved.
2. A line is written at once, so that a server that is killed leaves whole lines, but for the
   last one, which reading leaves out.
3. Only its owner can read it: it holds whatever peers have said.
4. A recording that cannot be written any more ends, is reported once, and stops no server.
"""

from __future__ import annotations

import asyncio
import base64
import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

from jackfield.endpoints import DEFAULT_OPTIONS
from jackfield.errors import ConfigurationError
from jackfield.events import (
    BytesReceived,
    BytesSent,
    ConnectionEnded,
    ConnectionOpened,
    Events,
    Warned,
)
from jackfield.net import files
from jackfield.net.connection import Connection

FORMAT = "jackfield recording"
VERSION = 1

LONGEST_LINE = 1024 * 1024
"""Bytes of a line that is read; those written are shorter."""

MOST_AT_ONCE = 512 * 1024
"""Bytes of one line that is written; what was written to a peer at once can be more."""


class Recorder:
    """Writes a recording into a new file. Raises ConfigurationError when it cannot be made."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file: TextIO | None = files.create(path)
        self._events: Events | None = None
        self._began = time.monotonic()
        problem = self._write_line({"format": FORMAT, "version": VERSION, "began": time.time()})
        if problem:
            raise ConfigurationError(f"{path}: {problem}")

    def follow(self, events: Events) -> None:
        """Record these events from now on."""
        self._events = events
        events.subscribe(ConnectionOpened, self._came)
        events.subscribe(ConnectionEnded, self._went)
        events.subscribe(BytesReceived, self._received)
        events.subscribe(BytesSent, self._sent)

    def discard(self) -> None:
        """End the recording, and remove its file: nobody was served."""
        self.close()
        Path(self._path).unlink(missing_ok=True)

    def close(self) -> None:
        """End the recording."""
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _came(self, event: ConnectionOpened) -> None:
        at = str(replace(event.endpoint, options=DEFAULT_OPTIONS))
        self._write(event.number, "came", peer=event.peer, endpoint=at)

    def _went(self, event: ConnectionEnded) -> None:
        self._write(event.number, "went", reason=event.reason)

    def _received(self, event: BytesReceived) -> None:
        self._moved(event.number, "received", event.data)

    def _sent(self, event: BytesSent) -> None:
        self._moved(event.number, "sent", event.data)

    def _moved(self, number: int, what: str, data: bytes) -> None:
        if not number:  # somebody who was turned away: there is nobody it could belong to
            return
        for at in range(0, len(data) or 1, MOST_AT_ONCE):
            part = base64.b64encode(data[at : at + MOST_AT_ONCE]).decode("ascii")
            self._write(number, what, data=part)

    def _write(self, number: int, what: str, **more: str) -> None:
        at = round(time.monotonic() - self._began, 6)
        problem = self._write_line({"at": at, "connection": number, "what": what, **more})
        if problem and self._events is not None:
            self._events.emit(Warned(f"the recording ends here: {self._path}: {problem}"))

    def _write_line(self, fields: dict[str, Any]) -> str:
        """Write a line; give what was wrong, once."""
        if self._file is None:
            return ""
        problem = files.append(self._file, json.dumps(fields))
        if problem:
            self._file = None
        return problem


@dataclass(frozen=True, slots=True)
class Piece:
    """What a peer sent at once. at: seconds since it came."""

    at: float
    data: bytes


@dataclass(slots=True)
class Recorded:
    """One peer's side of a recording.

    went: seconds until its connection was over; None when it was not.
    """

    number: int
    peer: str
    endpoint: str
    began: float
    pieces: list[Piece]
    went: float | None = None


def read(path: str) -> list[Recorded]:
    """Read all peers' sides of a recording, in the order in which they came.

    Raises ConfigurationError that names the file, and the line that is none.
    """
    found: dict[int, Recorded] = {}
    for number, fields in _lines(path):
        try:
            _add(found, fields)
        except (KeyError, ValueError, TypeError, OverflowError):
            msg = f"{path}, line {number}: no part of a recording"
            raise ConfigurationError(msg) from None
    return list(found.values())


async def play(conn: Connection[bytes], recorded: Recorded, *, fast: bool = False) -> None:
    """Send what a peer sent, in the same pieces and with the same pauses, or without any.

    conn: of framing `raw`. Errors as `Connection.send()`.
    """
    clock = asyncio.get_running_loop().time
    began = clock()
    for piece in recorded.pieces:
        if not fast:
            await asyncio.sleep(max(0.0, piece.at - (clock() - began)))
        await conn.send(piece.data)


def _lines(path: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Give the lines but the first with their numbers; a last one that is cut short is left out."""
    wrong = ConfigurationError(f"{path} is no recording; `jackfield serve --record FILE` makes one")
    number = 0
    for number, line in enumerate(files.lines_of(path, LONGEST_LINE), 1):
        if number > 1 and not line.endswith(b"\n") and len(line) < LONGEST_LINE:
            return
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError):
            raise wrong from None
        if not isinstance(fields, dict):
            raise wrong
        if number > 1:
            yield number, fields
        elif (fields.get("format"), fields.get("version")) != (FORMAT, VERSION):
            raise wrong
    if not number:
        raise wrong


def _add(found: dict[int, Recorded], fields: dict[str, Any]) -> None:
    number, at, what = int(fields["connection"]), float(fields["at"]), fields["what"]
    if not math.isfinite(at):
        raise ValueError(at)
    if what == "came":
        peer, endpoint = str(fields["peer"]), str(fields["endpoint"])
        found[number] = Recorded(number, peer, endpoint, at, [])
        return
    one = found[number]
    if what == "received":
        data = base64.b64decode(fields["data"], validate=True)
        one.pieces.append(Piece(at - one.began, data))
    elif what == "went":
        one.went = at - one.began
    elif what != "sent":
        raise ValueError(what)
