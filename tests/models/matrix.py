"""What every service says over every transport under every model, or why a pair makes no sense.

`OUTCOMES` is what the table in docs/reference/services.md is made of, and each test of
test_matrix.py shows that one cell of it is true.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from jackfield import Connection, Endpoint, Server, Service, connect
from jackfield.endpoints import Options, parse
from jackfield.errors import EndOfStream
from jackfield.models.names import ModelName
from jackfield.service import find
from tests.certificates import Certificates
from tests.models import own

MODELS: tuple[ModelName, ...] = ("asyncio", "threads", "processes", "inline")

DATAGRAMS = ("udp", "unix+dgram")
TRANSPORTS = ("tcp", "tls", "ws", "wss", "unix", "unix+seqpacket", "memory", *DATAGRAMS)

SERVICES: dict[str, Callable[[], Service[Any]]] = {
    "echo": lambda: find("echo"),
    "upper": lambda: find("upper"),
    "greet": lambda: find("greet"),
    "menu": lambda: find("menu"),
    "time": lambda: find("time"),
    "room": lambda: find("room"),
    "async def": lambda: own.ASYNC,
    "def": lambda: own.BLOCKING,
}

ALONE = (
    "room needs several connections at a time, and under inline a stream has one; "
    "choose --model asyncio, threads or processes"
)
ELSEWHERE = "memory:// stays in this process; choose another model than processes"


def reason(service: str, model: str, transport: str) -> str:
    """Give what the server says on refusing to start; empty when the pair makes sense."""
    if model == "processes" and transport == "memory":
        return ELSEWHERE
    if model == "inline" and service == "room" and transport not in DATAGRAMS:
        return ALONE
    return ""


# What is said. "<" is what the service says, ">" what a peer does; over datagrams a conversation
# begins with what the peer says, so what comes before that is left out.

SCRIPTS = {
    "echo": ["> hello", "< hello", "> 你好\x00\x01", "< 你好\x00\x01"],
    "upper": ["> hello, Größe", "< HELLO, GRÖSSE", "> 42", "< 42"],
    "greet": [
        "< Welcome!",
        "> Tracy",
        "< Hello, Tracy!",
        "> 小明",
        "< Hello, 小明!",
        "> quit",
        ".",
    ],
    "menu": [
        "< Sockets, in short",
        "<   1  What a socket is",
        "<   2  Ways to carry messages",
        "<   3  Where a server runs its handlers",
        "<   4  A menu of your own",
        "> 3",
        "< Where a server runs its handlers",
        "<   1  asyncio: as tasks in one thread",
        "<   2  threads: each in a thread of its own",
        "<   3  processes: each in a process of its own",
        "<   4  inline: one after another",
        "<   0  back",
        "> 2",
        "< A handler may block. It holds up nobody but itself.",
        "> 9",
        "< Please choose 1 to 4; help shows where you are, q leaves.",
        "> help",
        "< You are here: Sockets, in short > Where a server runs its handlers",
        "<   1  asyncio: as tasks in one thread",
        "<   2  threads: each in a thread of its own",
        "<   3  processes: each in a process of its own",
        "<   4  inline: one after another",
        "<   0  back",
        "> q",
        ".",
    ],
    "time": ["< DAY, MONTH D, YEAR HH:MM:SS-UTC", "."],
    "room": [
        "A< You are A; the others hear what you say. q leaves.",
        "B< You are B; the others hear what you say. q leaves.",
        "A< B came",
        "B> hello",
        "A< B: hello",
        "A> hi",
        "B< A: hi",
        "B> q",
        "B.",
        "A< B went",
    ],
    "async def": ["> hello", "< HELLO", "> bye", "< BYE", "."],
    "def": ["> hello", "< HELLO", "> bye", "< BYE", "."],
}
"""The conversation of each service over a connection."""

DATAGRAM_SCRIPTS = SCRIPTS | {
    "greet": SCRIPTS["greet"][1:],
    "menu": SCRIPTS["menu"][5:],
    "time": ["> what time is it?", "< DAY, MONTH D, YEAR HH:MM:SS-UTC"],
    "room": [
        "A> ",
        "A< You are A; the others hear what you say. q leaves.",
        "B> ",
        "B< You are B; the others hear what you say. q leaves.",
        *SCRIPTS["room"][2:],
    ],
}
"""And over datagrams."""


def script(service: str, transport: str) -> list[str]:
    """Give what is to be said."""
    return (DATAGRAM_SCRIPTS if transport in DATAGRAMS else SCRIPTS)[service]


_TIME = re.compile(
    r"(Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, [A-Z][a-z]+ \d{1,2}, \d{4} \d\d:\d\d:\d\d-UTC"
)


def endpoint_of(transport: str, folder: Path, certificates: Certificates) -> Endpoint:
    """Give an endpoint to serve at."""
    if transport in {"tcp", "udp", "tls", "ws", "wss"}:
        where = parse(f"{transport}://127.0.0.1:0")
    elif transport == "memory":
        where = parse(f"memory://{folder.name}")
    else:
        where = parse(f"{transport}://{folder}/s.sock")
    if where.transport.uses_tls:
        where = replace(where, options=Options(cert=certificates.cert, key=certificates.key))
    return where


class Peer:
    """One client, and the lines it has received that were not looked at yet."""

    def __init__(self, conn: Connection[Any], names: dict[str, str]) -> None:
        self._conn = conn
        self._names = names
        self._lines: list[str] = []

    async def send(self, text: str) -> None:
        """Send one message."""
        is_bytes = self._conn.framing.name == "raw"
        await self._conn.send(text.encode() if is_bytes else text)

    async def line(self, who: str) -> str:
        """Give the next line received, with all that differs between two runs left out."""
        if not self._lines:
            message = await self._conn.receive(timeout=20)
            text = message.decode() if isinstance(message, bytes) else message
            self._lines = text.removesuffix("\r\n").split("\n")
        line = _TIME.sub("DAY, MONTH D, YEAR HH:MM:SS-UTC", self._lines.pop(0))
        if line.startswith("You are ") and ";" in line:
            self._names[line.removeprefix("You are ").partition(";")[0]] = who
        for name, letter in self._names.items():
            line = line.replace(name, letter)
        return line

    async def is_over(self) -> bool:
        """Whether the service has ended the conversation; over datagrams nobody can tell."""
        if self._conn.peer.is_datagram:
            return True
        try:
            await self._conn.receive(timeout=20)
        except EndOfStream:
            return True
        return False


async def converse(steps: list[str], join: Callable[[AsyncExitStack], Any]) -> list[str]:
    """Do what a script says the peers do; give what was really said, in its form."""
    said = []
    names: dict[str, str] = {}
    peers: dict[str, Peer] = {}
    async with AsyncExitStack() as stack:
        for step in steps:
            who, act, text = re.fullmatch(r"([A-Z]?)([<>.]) ?(.*)", step, re.DOTALL).groups()  # type: ignore[union-attr]  # it does
            if who not in peers:
                peers[who] = Peer(await join(stack), names)
            if act == ">":
                await peers[who].send(text)
                said.append(step)
            elif act == "<":
                said.append(f"{who}< {await peers[who].line(who)}")
            else:
                said.append(f"{who}." if await peers[who].is_over() else "it goes on")
    return said


async def run_cell(
    service: str, model: ModelName, transport: str, folder: Path, certificates: Certificates
) -> list[str]:
    """Serve, have the conversation, and give what was said."""
    made = SERVICES[service]()
    endpoint = endpoint_of(transport, folder, certificates)
    async with Server(made, endpoint, model=model) as server:
        where = replace(server.endpoints[0], options=Options())
        if where.transport.uses_tls:
            where = replace(where, options=Options(ca=certificates.ca))

        async def join(stack: AsyncExitStack) -> Connection[Any]:
            return await stack.enter_async_context(connect(where, made.framing))

        return await converse(script(service, transport), join)
