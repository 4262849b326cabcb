"""What a client and the service of remote commands say to each other.

Messages of text are JSON objects, one a message, and each of a kind below. Messages of bytes are
data: the first byte says of which stream, 0 standard input, 1 standard output, 2 standard error.

From a client, by `do`::

    {"do": "hello", "version": 1, "token": …}        first; without a token where there is none
    {"do": "run", "args": […], "cwd": …, "env": {…}, "timeout": SECONDS}   but args may be left out
    {"do": "end"}                                    standard input has ended
    {"do": "signal", "signal": "INT"}                to every process of the command
    {"do": "stop"}                                   end it: TERM, and soon KILL
    {"do": "more", "stream": 1, "bytes": …}          so much of a stream was used

From the service, by `is`::

    {"is": "welcome", "version": 1, "who": …}
    {"is": "refused", "why": …}                      to a hello, and then it is over; to a run
    {"is": "started"}
    {"is": "more", "stream": 0, "bytes": …}
    {"is": "exit", "status": … or null, "signal": … or null, "why": …, "killed": …,
     "seconds": …, "in": …, "out": …, "err": …}

Rules:

1. One command at a time on a connection; then the next. Of each stream, either side may have
   `WINDOW` bytes on the way that the other has not said to have used: past it is an error. So
   neither has more than that in memory, and who does not read holds up nobody but itself.
2. Of a client, a kind that is not known, a key that is not, and one that lacks are errors: a
   command is run as it was meant, or not at all.
3. Arguments are bytes to the system. What of one is no UTF-8 travels as Python's surrogate
   escapes (PEP 383), escaped in JSON.
"""

from __future__ import annotations

import json
import math
import re
import signal
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from jackfield.errors import BadMessage, LocalProtocolError
from jackfield.framing.text_or_binary import TextOrBinary

VERSION = 1

STDIN, STDOUT, STDERR = 0, 1, 2

PIECE = 128 * 1024 - 1
"""Bytes of a stream in one message, which has one more: half of what a pipe here holds."""

WINDOW = 1024 * 1024
"""Bytes of one stream that may be on the way."""

MOST_MESSAGE = 256 * 1024
"""Bytes of one message: the most that a command has, escaped."""

MOST_ARGS = 1000
MOST_BYTES = 64 * 1024
"""Bytes of all arguments, and of the environment that goes with them."""

MOST_ENV = 64
MOST_TOKEN = 256
MOST_REASON = 10_000
MOST_TIME = 10_000_000.0
"""Seconds: about four months."""

SIGNALS = ("INT", "TERM", "HUP", "QUIT", "KILL", "USR1", "USR2", "CONT", "STOP", "TSTP", "WINCH")
"""What a client may send."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


class CommandFraming(TextOrBinary):
    """Messages of text and of bytes, in which a refusal is one of ours."""

    name = "commands"

    def refusal(self, reason: str) -> bytes:
        return self.encode(encode(Refused(reason[:MOST_REASON])))


def framing() -> CommandFraming:
    """Give the framing of both sides."""
    return CommandFraming(MOST_MESSAGE)


@dataclass(frozen=True, slots=True)
class Hello:
    """A client is there. token: what proves who it is; "" for none."""

    version: int = VERSION
    token: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """Run a command.

    cwd: the folder to run it in; "" for the policy's. env: names and values that go beside the
    policy's own. timeout: seconds, 0 for the policy's.
    """

    args: tuple[str, ...]
    cwd: str = ""
    env: tuple[tuple[str, str], ...] = ()
    timeout: float = 0.0


@dataclass(frozen=True, slots=True)
class End:
    """Standard input has ended."""


@dataclass(frozen=True, slots=True)
class Signal:
    """Send a signal. signal: one of `SIGNALS`."""

    signal: str


@dataclass(frozen=True, slots=True)
class Stop:
    """End the command, with every process that it has started."""


@dataclass(frozen=True, slots=True)
class More:
    """So many bytes of a stream were used: as many more may be sent."""

    stream: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Welcome:
    """The client may come in. who: as the record calls it."""

    version: int
    who: str


@dataclass(frozen=True, slots=True)
class Refused:
    """It may not, or not run this. why: one line that says what to do."""

    why: str


@dataclass(frozen=True, slots=True)
class Started:
    """The command runs."""


@dataclass(frozen=True, slots=True)
class Exit:
    """The command is over, and none of its processes is left.

    status, signal: how it ended, one of them, or neither where it was never begun to the end.
    why: "exit" where it ended by itself; else what ended it: "timeout", "output", "memory",
    "processes", "stopped", "revoked", "server stopped", "client lost".
    killed: processes that had to be ended. seconds: how long it ran.
    in_, out, err: bytes of each stream.
    """

    status: int | None
    signal: str | None
    why: str
    killed: int
    seconds: float
    in_: int
    out: int
    err: int


FromClient = Hello | Run | End | Signal | Stop | More
FromServer = Welcome | Refused | Started | More | Exit
Said = TypeVar("Said")


def encode(message: FromClient | FromServer) -> str:
    """Write a message."""
    key = "do" if isinstance(message, FromClient) and not _is_servers(message) else "is"
    found: dict[str, Any] = {key: type(message).__name__.lower()}
    for name, value in asdict(message).items():
        found[name.rstrip("_")] = dict(value) if name == "env" else value
    for name in ("token", "cwd", "env", "timeout"):
        if not found.get(name, True):
            del found[name]
    return json.dumps(found, separators=(",", ":"))


def _is_servers(message: object) -> bool:
    return isinstance(message, More) and message.stream == STDIN


def data(stream: int, piece: bytes) -> bytes:
    """Make the message of a piece of a stream."""
    return _STREAMS[stream] + piece


_STREAMS = (b"\0", b"\1", b"\2")


def from_client(text: str) -> FromClient:
    """Read what a client has said. Raises BadMessage."""
    return _decoded(text, "do", _FROM_CLIENT)


def from_server(text: str) -> FromServer:
    """Read what the service has said. Raises BadMessage."""
    return _decoded(text, "is", _FROM_SERVER)


def check(run: Run) -> Run:
    """Give back what can be sent. Raises LocalProtocolError for what is past a bound."""
    try:
        return _run(json.loads(encode(run)))
    except BadMessage as error:
        raise LocalProtocolError(str(error)) from None


def _decoded(text: str, key: str, kinds: dict[str, Callable[[dict[str, Any]], Said]]) -> Said:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise BadMessage("a message of text is a JSON object, and this is none") from None
    if not isinstance(found, dict):
        raise BadMessage("a message of text is a JSON object, and this is another value")
    kind = found.pop(key, None)
    if not isinstance(kind, str) or kind not in kinds:
        raise BadMessage(f'a message has a "{key}", one of {", ".join(kinds)}')
    return kinds[kind](found)


def _take(found: dict[str, Any], kind: str, name: str, fits: Callable[[Any], bool]) -> Any:
    if name not in found or not fits(found[name]):
        raise BadMessage(f"{kind}: {name} is missing or wrong")
    return found.pop(name)


def _no_more(found: dict[str, Any], kind: str) -> None:
    found.pop("do", None)
    if found:
        raise BadMessage(f"{kind}: there is no {min(found)[:40]!r} in it")


def _is_text(most: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and len(value) <= most and "\0" not in value


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53


def _is_time(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return 0 <= value <= MOST_TIME and math.isfinite(value)


def _hello(found: dict[str, Any]) -> Hello:
    version = _take(found, "hello", "version", _is_count)
    token = _take(found, "hello", "token", _is_text(MOST_TOKEN)) if "token" in found else ""
    _no_more(found, "hello")
    return Hello(version, token)


def _run(found: dict[str, Any]) -> Run:
    args = _take(found, "run", "args", lambda value: isinstance(value, list) and bool(value))
    if len(args) > MOST_ARGS:
        raise BadMessage(f"run: more than {MOST_ARGS} arguments")
    env = _take(found, "run", "env", lambda v: isinstance(v, dict)) if "env" in found else {}
    if len(env) > MOST_ENV:
        raise BadMessage(f"run: more than {MOST_ENV} variables")
    for name in env:
        if not _NAME.fullmatch(name):
            raise BadMessage(f"run: {name[:40]!r} is no name of a variable")
    size = sum(_size(one) for one in (*args, *env.values()))
    if size > MOST_BYTES:
        raise BadMessage(f"run: more than {MOST_BYTES} bytes of arguments and variables")
    if not args[0]:
        raise BadMessage("run: the first argument is the program, and it is empty")
    cwd = _take(found, "run", "cwd", _is_text(4096)) if "cwd" in found else ""
    _size(cwd)
    timeout = _take(found, "run", "timeout", _is_time) if "timeout" in found else 0.0
    _no_more(found, "run")
    return Run(tuple(args), cwd, tuple(env.items()), float(timeout))


def _size(value: Any) -> int:
    """Give the bytes of an argument, as the system will have it."""
    if not isinstance(value, str):
        raise BadMessage("run: an argument is a text")
    if "\0" in value:
        raise BadMessage("run: an argument cannot have a NUL in it")
    try:
        return len(value.encode("utf-8", "surrogateescape")) + 1
    except UnicodeEncodeError:
        raise BadMessage("run: an argument is text, or bytes as surrogate escapes") from None


def _end(found: dict[str, Any]) -> End:
    _no_more(found, "end")
    return End()


def _signal(found: dict[str, Any]) -> Signal:
    name = _take(found, "signal", "signal", lambda value: value in SIGNALS)
    _no_more(found, "signal")
    return Signal(name)


def _stop(found: dict[str, Any]) -> Stop:
    _no_more(found, "stop")
    return Stop()


def _more(*streams: int) -> Callable[[dict[str, Any]], More]:
    def more(found: dict[str, Any]) -> More:
        stream = _take(found, "more", "stream", lambda value: _is_count(value) and value in streams)
        size = _take(found, "more", "bytes", _is_count)
        _no_more(found, "more")
        return More(stream, size)

    return more


def _welcome(found: dict[str, Any]) -> Welcome:
    version = _take(found, "welcome", "version", _is_count)
    who = _take(found, "welcome", "who", _is_text(1000))
    return Welcome(version, who)


def _refused(found: dict[str, Any]) -> Refused:
    return Refused(_take(found, "refused", "why", _is_text(MOST_MESSAGE)))


def _started(found: dict[str, Any]) -> Started:
    del found
    return Started()


def _exit(found: dict[str, Any]) -> Exit:
    signal_ = _take(found, "exit", "signal", lambda v: v is None or _is_text(20)(v))
    status = _take(found, "exit", "status", lambda v: v is None or (_is_count(v) and v < 256))
    why = _take(found, "exit", "why", _is_text(40))
    seconds = _take(found, "exit", "seconds", _is_time)
    counts = [_take(found, "exit", name, _is_count) for name in ("killed", "in", "out", "err")]
    return Exit(status, signal_, why, counts[0], float(seconds), *counts[1:])


_FROM_CLIENT: dict[str, Callable[[dict[str, Any]], FromClient]] = {
    "hello": _hello,
    "run": _run,
    "end": _end,
    "signal": _signal,
    "stop": _stop,
    "more": _more(STDOUT, STDERR),
}
_FROM_SERVER: dict[str, Callable[[dict[str, Any]], FromServer]] = {
    "welcome": _welcome,
    "refused": _refused,
    "started": _started,
    "more": _more(STDIN),
    "exit": _exit,
}


def number_of(name: str) -> int:
    """Give the number that a signal has here; 0 for one that there is not."""
    found = getattr(signal, f"SIG{name}", None)
    return int(found) if isinstance(found, signal.Signals) else 0
