"""How the servers of a fan-out are spoken to: what makes a listener of a connection, and messages.

Each is as little of its protocol as a client needs, with its own framing. The text of a message has
a fixed length, so that it is found without taking apart what is around it.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

ROOM = "lobby"
"""What all listen to: the room, channel, topic or subject."""

SIZE = 99
"""Bytes of a text; with the end of its line a hundred."""

MASK = b"\x37\xfa\x21\x3d"

Units = tuple[list[bytes], int]
"""Whole units at the beginning of what was read, and the bytes they took."""


class WrongError(Exception):
    """Something came that nobody could have sent."""


@dataclass(frozen=True, slots=True)
class Tongue:
    """One protocol.

    steps: what a listener of a name says first, each with what must occur in the unit by which the
    server answers, or nothing for no answer.
    cut: takes units off what was read.
    text_of: gives the text that a unit carries, or None where it carries none.
    say: gives the bytes by which a text is said, for a listener's name and the message's number.
    answer: gives what a unit that carries no text is answered by, or nothing.
    echoes: whether one hears what one says oneself.
    """

    steps: Callable[[str], list[tuple[bytes, bytes]]]
    cut: Callable[[bytes], Units]
    text_of: Callable[[bytes], bytes | None]
    say: Callable[[str, int, bytes], bytes]
    answer: Callable[[bytes], bytes] = lambda _: b""
    echoes: bool = False


def lines(data: bytes) -> Units:
    """Cut lines; their ends are dropped, LF or CR LF."""
    *found, rest = data.split(b"\n")
    return found, len(data) - len(rest)


# The bare loop: lines, and nothing else but one that says hello.

BARE = Tongue(
    steps=lambda _: [(b"", b"hello")],
    cut=lines,
    text_of=lambda unit: unit,
    say=lambda _name, _number, text: text + b"\n",
)

# The board's chat by lines: "12:34 p7: TEXT". What one says oneself is not shown again.

CHAT = Tongue(
    steps=lambda name: [(b"", b"What is your name?"), (name.encode() + b"\n", b"quit leaves.")],
    cut=lines,
    text_of=lambda unit: None if unit.startswith(b"* ") else unit[-SIZE:],
    say=lambda _name, _number, text: text + b"\n",
)

# IRC: ":p7!~u@host PRIVMSG #lobby :TEXT" (RFC 1459, section 4.4.1).

_SAID = f" PRIVMSG #{ROOM} :".encode()


def _irc_text(unit: bytes) -> bytes | None:
    if _SAID not in unit:
        return None
    return unit.rstrip(b"\r")[-SIZE:]


IRC = Tongue(
    steps=lambda name: [
        (f"NICK {name}\r\nUSER u 0 * :u\r\n".encode(), b" 376 "),  # the message of the day ends
        (f"JOIN #{ROOM}\r\n".encode(), b" 366 "),  # as do the names of all who are there
    ],
    cut=lines,
    text_of=_irc_text,
    say=lambda _name, _number, text: f"PRIVMSG #{ROOM} :".encode() + text + b"\r\n",
    answer=lambda unit: b"PONG" + unit[4:] + b"\n" if unit.startswith(b"PING") else b"",
)

# NATS: "MSG lobby 1 99", then so many bytes. With "echo" off one does not hear oneself.

_MSG = f"MSG {ROOM} 1 {SIZE}".encode()
_CONNECT = b'CONNECT {"verbose":false,"pedantic":false,"echo":false}'


def _nats_units(data: bytes) -> Units:
    found, at = [], 0
    while (end := data.find(b"\r\n", at)) >= 0:
        line, after = data[at:end], end + 2
        if line.startswith(b"MSG "):
            if line != _MSG:
                raise WrongError(f"it said {line[:40]!r}, not {_MSG!r}")
            if len(data) < after + SIZE + 2:
                break
            if data[after + SIZE : after + SIZE + 2] != b"\r\n":
                raise WrongError("a message of another length than was said")
            line, after = data[after - 1 : after + SIZE], after + SIZE + 2  # "\n" marks it
        found.append(line)
        at = after
    return found, at


NATS = Tongue(
    steps=lambda _: [
        (b"", b"INFO "),
        (_CONNECT + f"\r\nSUB {ROOM} 1\r\nPING\r\n".encode(), b"PONG"),
    ],
    cut=_nats_units,
    text_of=lambda unit: unit[1:] if unit.startswith(b"\n") else None,
    say=lambda _name, _number, text: f"PUB {ROOM} {SIZE}\r\n".encode() + text + b"\r\n",
    answer=lambda unit: b"PONG\r\n" if unit == b"PING" else b"",
)

# MQTT 5: packets of a type, a length, and the rest. "No local": one does not hear oneself.


def _packet(kind: int, rest: bytes) -> bytes:
    length, size = b"", len(rest)
    while True:
        size, low = divmod(size, 128)
        length += bytes([low | (128 if size else 0)])
        if not size:
            return bytes([kind]) + length + rest


def _text(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(2, "big") + data


def _mqtt_units(data: bytes) -> Units:
    found, at, size = [], 0, len(data)
    while at + 2 <= size:
        length, shift, after = 0, 0, at + 1
        while after < size:
            length |= (data[after] & 127) << shift
            shift += 7
            after += 1
            if data[after - 1] < 128:
                break
        else:
            break
        if after + length > size:
            break
        found.append(data[at : after + length])
        at = after + length
    return found, at


_TOPIC = _text(ROOM)
_PUBLISH = _packet(0x30, _TOPIC + b"\0" + bytes(SIZE))[:-SIZE]

MQTT = Tongue(
    steps=lambda name: [
        (_packet(0x10, _text("MQTT") + b"\x05\x02\x0e\x10\0" + _text(name)), b"\x20"),
        (_packet(0x82, b"\0\1\0" + _TOPIC + b"\x04"), b"\x90"),
    ],
    cut=_mqtt_units,
    text_of=lambda unit: unit[-SIZE:] if unit.startswith(_PUBLISH) else None,
    say=lambda _name, _number, text: _PUBLISH + text,
)

# The board's chat with its page: JSON over WebSocket, which offers compression as a browser does.

UPGRADE = (
    b"GET /chat HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
)
_BEFORE = b'"text":"'


def _page_units(data: bytes) -> Units:
    """Cut frames (RFC 6455, section 5.2); the answer to the upgrade is a unit as well."""
    found, at, size = [], 0, len(data)
    if data.startswith(b"HTTP/"):
        at = data.find(b"\r\n\r\n") + 4
        if at < 4:
            return [], 0
        found.append(data[:at])
    while at + 2 <= size:
        first, length, begin = data[at], data[at + 1], at + 2
        if length == 126:
            length, begin = int.from_bytes(data[begin : begin + 2], "big"), begin + 2
        elif length == 127:
            length, begin = int.from_bytes(data[begin : begin + 8], "big"), begin + 8
        if begin + length > size:
            break
        payload = data[begin : begin + length]
        if first & 0x40:  # compressed (RFC 7692, section 7.2.2)
            payload = zlib.decompress(payload + b"\0\0\xff\xff\1\0\0\xff\xff", -15)
        found.append(payload if first & 0x0F in {1, 2} else bytes([first]) + payload)
        at = begin + length
    return found, at


def _page_text(unit: bytes) -> bytes | None:
    if not unit.startswith(b'{"is":"said"'):
        return None
    at = unit.index(_BEFORE) + len(_BEFORE)
    return unit[at : at + SIZE]


def frame(what: Mapping[str, object]) -> bytes:
    """Give the frame of a client's message, of up to 64 KiB."""
    data = json.dumps(what).encode()
    head = bytes([0x81, 0x80 | len(data)])
    if len(data) > 125:
        head = bytes([0x81, 0x80 | 126]) + len(data).to_bytes(2, "big")
    return head + MASK + bytes(byte ^ MASK[index % 4] for index, byte in enumerate(data))


PAGE = Tongue(
    steps=lambda name: [
        (UPGRADE, b"permessage-deflate"),
        (frame({"do": "come", "name": name}), b'{"is":"welcome"'),
    ],
    cut=_page_units,
    text_of=_page_text,
    say=lambda name, number, text: frame(
        {"do": "say", "room": ROOM, "id": f"{name}-{number}", "text": text.decode()}
    ),
    # a ping of the server, answered by a pong
    answer=lambda unit: bytes([0x8A, 0x80]) + MASK if unit[:1] == b"\x89" else b"",
    echoes=True,
)

TONGUES = {
    "bare": BARE,
    "chat": CHAT,
    "irc": IRC,
    "mqtt": MQTT,
    "nats": NATS,
    "page": PAGE,
}
