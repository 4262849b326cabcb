"""Feed the framings of HTTP and WebSocket with what no honest peer sends.

    python scripts/fuzz.py [COUNT] [SEED]

COUNT inputs for HTTP, half of them as a server and half as a client receives them, and as many for
WebSocket: valid messages that were mutated, random bytes, and random pieces of the grammar. Of each
input it is checked that

- nothing but RemoteProtocolError comes of it, and that in `Decoder.error`;
- the messages and the error are the same when the bytes come in other pieces;
- it takes no longer than `SLOWEST` seconds of processor time.

And of all of them, that memory does not grow. Exit status 1 tells of a finding, with the input.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, Protocol

from jackfield import framing
from jackfield.errors import RemoteProtocolError
from jackfield.framing.base import Framing
from jackfield.framing.http import END, HTTP, Request, Response, chunked
from jackfield.framing.websocket import WebSocket

COUNT = 5_000_000
SLOWEST = 0.25

LARGE = 0.001
"""How many inputs have a part repeated thousands of times. In those, what is found wrong first
may depend on the pieces: a bound that was passed, or what stands behind it."""

GROWTH = 8 * 1024 * 1024
"""Bytes of memory that it may grow by after the first tenth, when all caches are full."""

HEAD = b" HTTP/1.1\r\nHost: a\r\n"
REQUESTS = [
    b"GET /a?b=c" + HEAD + b"Accept: */*\r\nConnection: keep-alive\r\n\r\n",
    b"HEAD http://a:80/%7e" + HEAD + b"X_Y: \t z \r\n\r\n",
    b"POST /" + HEAD + b"Content-Length: 5\r\n\r\nhello",
    b"PUT /a"
    + HEAD
    + b"Transfer-Encoding: chunked\r\n\r\n"
    + chunked(b"ab")
    + b"0\r\nA: b\r\n\r\n",
    b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"POST /" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n3;a=b;c\r\nabc\r\n" + chunked(b""),
    b"POST /" + HEAD + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\nhi",
    b"GET /" + HEAD + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x80abcd",
    b"OPTIONS *" + HEAD + b"Cookie: a\r\nCookie: b\r\nConnection: close\r\n\r\n",
]
RESPONSES = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    + chunked(b"ab")
    + b"0\r\nA: b\r\n\r\n",
    b"HTTP/1.0 200 OK\r\n\r\nuntil the end",
    b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 \r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x01a",
    b"HTTP/1.1 301 Moved\r\nLocation: /b\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx",
]
HTTP_PIECES = [
    *(b"\r\n \r\n\r\n \n \r \0 \t : ; , = 0 -1 +1 0x1".split(b" ")),
    *(b"FFFFFFFFFFFFFFFF 18446744073709551616".split()),
    *(b"HTTP/1.1 HTTP/1.0 HTTP/2.0 chunked identity close keep-alive upgrade".split()),
    *(b"Content-Length: Transfer-Encoding: Host: Connection: Upgrade:".split()),
    b"Transfer-Encoding: chunked\r\n",
    b"Content-Length: 3\r\n",
    b"\r\n ",
    b"\xff\xfe",
    b"a" * 70,
]
LETTERS = b"GETPOSHAD/ 1.0:;,\r\n\t\0abcdefx0123456789-+\xff"


class Grammar(Protocol):
    """What inputs are made of."""

    @property
    def name(self) -> str:
        """What is fuzzed; what stands before a comma names its group."""

    @property
    def valid(self) -> Sequence[bytes]:
        """Inputs that are as they should be."""

    @property
    def pieces(self) -> Sequence[bytes]:
        """What valid inputs are made of, and what may be put into them."""

    @property
    def letters(self) -> bytes:
        """Bytes of which an input by chance is made."""


class Kind(NamedTuple):
    """One framing, valid messages of it, and pieces that such messages are made of."""

    name: str
    framing: Framing[Any]
    valid: Sequence[bytes]
    pieces: Sequence[bytes]
    letters: bytes


def http_kinds() -> list[Kind]:
    """Give both sides of HTTP, with a bound that small inputs can pass."""
    server, client = HTTP(max_body=200), HTTP("client", max_body=None)
    return [
        Kind("HTTP, requests", server, REQUESTS, HTTP_PIECES, LETTERS),
        Kind("HTTP, answers", client, RESPONSES, HTTP_PIECES, LETTERS),
    ]


def websocket_kinds() -> list[Kind]:
    """Give both sides of WebSocket, around text and bytes, compressed and not."""
    kinds = []
    inner: Framing[Any]
    units: list[Any]
    for name, inner, units in (
        ("lines", framing.lines(max_message=300), ["", "hello", "你好" * 20, "x" * 290]),
        ("raw", framing.raw(), [b"\0\1", b"y" * 200, b"z" * 60_000]),
    ):
        for bits in (0, 12):
            server: WebSocket[Any] = WebSocket(inner, "server", deflate=bits)
            client: WebSocket[Any] = WebSocket(inner, "client", deflate=bits)
            for receives, sends in ((server, client), (client, server)):
                valid = [sends.encode(unit) for unit in units]
                valid += [sends.control(9, b"ping"), sends.control(10), sends.close(1000, "bye")]
                valid += [b"\x01" + valid[1][1:] + b"\x80" + valid[0][1:]]  # in fragments
                side = receives.side
                kinds.append(
                    Kind(
                        f"WebSocket, {side}, {name}, {bits}",
                        receives,
                        valid,
                        [b"\x81", b"\x80\x80", b"\xc1\xfe", b"\x88\x82", b"\xff" * 9, b"\0" * 4],
                        bytes(range(256)),
                    )
                )
    return kinds


def made(kind: Grammar, chance: Random) -> bytes:
    """Make one input."""
    way = chance.random()
    if way < 0.1:
        return chance.randbytes(chance.randrange(60))
    if way < 0.2:
        return bytes(chance.choices(kind.letters, k=chance.randrange(80)))
    if way < 0.3:
        return b"".join(chance.choices(kind.pieces, k=chance.randrange(12)))
    data = chance.choice(kind.valid)
    if way < 0.5:
        data += chance.choice(kind.valid)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
        data = mutated(data, kind.pieces, chance)
    if chance.random() < LARGE:
        at = chance.randrange(len(data) + 1)
        data = data[:at] + data[at : at + 12] * 9000 + data[at:]
    return data


def mutated(data: bytes, pieces: Sequence[bytes], chance: Random) -> bytes:
    """Change one thing about some bytes."""
    at = chance.randrange(len(data) + 1)
    end = min(len(data), at + chance.choice((1, 1, 2, 4, 16)))
    way = chance.randrange(6)
    if way == 0:
        return data[:at] + chance.choice(pieces) + data[at:]
    if way == 1:
        return data[:at] + chance.choice(pieces) + data[end:]
    if way == 2:
        return data[:at] + data[end:]
    if way == 3:
        return data[:at] + data[at:end] * chance.choice((2, 3, 20)) + data[end:]
    if way == 4:
        return data[:at]
    return data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]


def decoded(kind: Kind, pieces: Sequence[bytes]) -> list[Any]:
    """Give what comes of some bytes in pieces, in a form that does not depend on the pieces."""
    decoder: Any = kind.framing.decoder()
    found: list[Any] = []
    body: list[bytes] = []
    for piece in pieces:
        for message in decoder.feed(piece):
            if type(message) is bytes and kind.name.startswith("HTTP"):
                body.append(message)
                continue
            if body:
                found.append(b"".join(body))
                body = []
            found.append(told(message))
    decoder.finish()
    error = decoder.error
    if error is None:
        found.append(b"".join(body))
    elif not isinstance(error, RemoteProtocolError):
        found.append(AssertionError(f"{error!r} is no RemoteProtocolError"))
    found.append((type(error), str(error)))
    found.append(getattr(decoder, "closed", None))
    if getattr(kind.framing, "side", "") == "server":  # what a client sends is masked by chance
        found.append(decoder.pending())
    return found


def told(message: Any) -> Any:
    """Give what there is to a message, to be compared."""
    if isinstance(message, Request):
        return [getattr(message, name) for name in Request.__slots__]
    if isinstance(message, Response):
        return [getattr(message, name) for name in Response.__slots__]
    return "END" if message is END else message


def cut(data: bytes, chance: Random) -> list[bytes]:
    """Cut some bytes anywhere, or everywhere."""
    size = len(data)
    if size < 200 and chance.random() < 0.1:
        return [data[at : at + 1] for at in range(size)]
    places = sorted(chance.randrange(size + 1) for _ in range(chance.choice((1, 1, 2, 3))))
    return [data[a:b] for a, b in zip([0, *places], [*places, size], strict=True)]


def complaint(kind: Kind, data: bytes, chance: Random) -> str:
    """Try one input; say what is wrong, or nothing."""
    pieces = cut(data, chance)
    began = time.process_time()
    try:
        whole = decoded(kind, [data])
        other = decoded(kind, pieces)
    except Exception as error:  # noqa: BLE001  whatever it is, it is the finding
        return f"{kind.name}: {error!r} was raised for {data!r}"
    took = time.process_time() - began
    if took > SLOWEST:
        return f"{kind.name}: {took:.3f} s for {data!r}"
    for one in whole:
        if isinstance(one, AssertionError):
            return f"{kind.name}: {one} for {data!r}"
    if whole != other and len(data) < 9000:
        return f"{kind.name}: {whole} is {other} in the pieces {pieces}"
    return ""


def resident() -> int:
    """Give the bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def fuzz(
    kinds: Sequence[Any],
    count: int,
    seed: int,
    tell: Callable[[str], None] = print,
    complain: Callable[[Any, bytes, Random], str] = complaint,
    *,
    make: Callable[[Any, Random], bytes] = made,
) -> list[str]:
    """Try so many inputs, the kinds in turn; give what is wrong, ten findings at the most.

    kinds: each with a grammar. complain: says what is wrong with what comes of an input.
    make: makes an input for a kind.
    """
    chance = Random(seed)  # noqa: S311  it protects nothing
    findings: list[str] = []
    began, at_first, size = time.monotonic(), 0, 0
    for number in range(count):
        if number == count // 10:
            at_first = resident()
        kind = kinds[number % len(kinds)]
        data = make(kind, chance)
        size += len(data)
        found = complain(kind, data, chance)
        if found:
            findings.append(found)
            if len(findings) == 10:
                break
    grown = resident() - at_first
    if grown > GROWTH:
        findings.append(f"memory grew by {grown / 2**20:.1f} MiB")
    names = kinds[0].name.partition(",")[0]
    tell(
        f"{names}: {number + 1} inputs, {size / 2**20:.0f} MiB in all, "
        f"in {time.monotonic() - began:.0f} s; "
        f"resident {at_first / 2**20:.1f} MiB, grown by {grown / 2**20:.2f} MiB; "
        f"findings: {len(findings) or 'none'}"
    )
    return findings


def main() -> int:
    """Run as a command."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else COUNT
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    findings = fuzz(http_kinds(), count, seed) + fuzz(websocket_kinds(), count, seed)
    for finding in findings:
        print(finding[:2000])
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
