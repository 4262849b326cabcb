"""Handlers that stand at the top level of a module, as model `processes` wants them.

They do as the peer says, so that a test can have each of them do what it is about.
"""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jackfield.errors import JackfieldError, ReceiveTimeout
from jackfield.framing import lines
from jackfield.net.connection import Connection
from jackfield.net.crossing import BlockingConnection
from jackfield.rooms import Room
from jackfield.service import Service

room: Room[str] = Room("all")
lenient: Room[str] = Room("lenient", "skip")


def _die(conn: Any, name: str) -> str:
    os.kill(os.getpid(), getattr(signal, name))
    threading.Event().wait()
    return ""


def _thread(conn: Any, _: str) -> str:
    """What a handler was given, and where it runs."""
    thread = threading.current_thread()
    where = "main" if thread is threading.main_thread() else thread.name
    return f"{type(conn).__name__} {where}"


def _fail(conn: Any, text: str) -> str:
    raise ValueError(text)


def _block(conn: Any, _: str) -> str:
    time.sleep(3600)
    return ""


def _flood(conn: Any, count: str) -> str:
    """Fill the outboxes of who does not read, from both rooms."""
    for number in range(int(count)):
        for each in (room, lenient):
            each.publish(f"{number:05} " + "x" * 8000, but=conn)
    return "flooded"


def _large(conn: Any, size: str) -> str:
    """Say something of so many bytes."""
    try:
        room.publish("x" * int(size))
    except JackfieldError as error:
        return f"{type(error).__name__}: {error}"
    return "said"


def _rejoined(conn: Any) -> str:
    """Join with another framing than that of the service."""
    try:
        room.join(conn.switch(lines(max_message=100)))
    except JackfieldError as error:
        return f"{type(error).__name__}: {error}"[:100]
    return f"{conn in room}"


def _done(call: Callable[[Any, str], object]) -> Callable[[Any, str], str]:
    def do(conn: Any, rest: str) -> str:
        call(conn, rest)
        return "done"

    return do


COMMANDS: dict[str, Callable[[Any, str], str]] = {
    "pid": lambda *_: str(os.getpid()),
    "helper": lambda *_: str(os.getppid()),
    "ident": lambda *_: str(threading.get_ident()),
    "thread": _thread,
    "peer": lambda conn, _: str(conn.peer),
    "local": lambda conn, _: str(conn.local),
    "option": lambda conn, rest: str(conn.socket_option(*map(int, rest.split()))),
    "echo": lambda _, rest: rest,
    "draining": lambda conn, _: str(conn.draining),
    "fail": _fail,
    "leave": _done(lambda _, rest: sys.exit(rest)),
    "exit": _done(lambda _, rest: os._exit(int(rest))),
    "die": _die,
    "block": _block,
    "join": _done(lambda conn, _: room.join(conn)),
    "lenient": _done(lambda conn, _: lenient.join(conn)),
    "rejoin": lambda conn, _: _rejoined(conn),
    "part": _done(lambda conn, _: room.leave(conn)),
    "members": lambda conn, _: f"{conn in room} {len(room)}",
    "say": _done(lambda _, rest: room.publish(rest)),
    "tell": _done(lambda conn, rest: room.publish(rest, but=conn)),
    "flood": _flood,
    "large": _large,
}


def done(conn: Any, line: str) -> str:
    """Do what a line says; give the answer."""
    word, _, rest = line.partition(" ")
    return COMMANDS.get(word, _done(lambda *_: None))(conn, rest)


async def obey(conn: Connection[str]) -> None:
    """Do as each line says."""
    async for line in conn:
        if line == "wait":
            await asyncio.sleep(3600)
        if line == "until draining":
            await conn.send("now")
            while not conn.draining:  # noqa: ASYNC110  there is nothing to wait for
                await asyncio.sleep(0.005)
            await conn.send("draining")
        await conn.send(done(conn, line))
        if line == "quit":
            return


def obey_blocking(conn: BlockingConnection[str]) -> None:
    """The same, with blocking methods."""
    for line in conn:
        if line == "until draining":
            conn.send("now")
            while not conn.draining:
                time.sleep(0.005)
            conn.send("draining")
        conn.send(done(conn, line))
        if line == "quit":
            return


def answered(line: str) -> str | None:
    """A function from message to reply."""
    if line == "silence":
        return None
    return done(None, line)


def lines_of(handler: Any, **options: Any) -> Service[str]:
    """A service of lines with one of these handlers."""
    return Service("obey", handler, lines(), **options)


native = lines_of(obey)
blocking = lines_of(obey_blocking)
replying = Service.reply("reply", answered, lines())


class Unsteady:
    """A handler that does harm where it is loaded, which is in the helper, while a file is there.

    harm: what to do: `fork` lets no process be forked, `load` fails, `thread` starts a thread,
    `exit` ends the process that loads it.
    """

    def __init__(self, harm: str, path: str) -> None:
        self.harm = harm
        self.path = path

    def __setstate__(self, state: dict[str, str]) -> None:
        self.__dict__ = state
        if not Path(self.path).exists():
            return
        if self.harm == "load":
            raise RuntimeError("not today")
        if self.harm == "exit":
            os._exit(3)
        if self.harm == "thread":
            threading.Thread(target=threading.Event().wait, daemon=True).start()
        if self.harm == "fork":
            os.fork = _no_fork

    async def __call__(self, conn: Connection[str]) -> None:
        await obey(conn)


def _no_fork() -> int:
    raise BlockingIOError(errno.EAGAIN, "no process left")


async def chatter(conn: Connection[str]) -> None:
    """Send more than anybody reads."""
    await conn.receive()
    for number in range(100_000):
        await conn.send(f"{number:06} " + "x" * 1000)


async def slow_to_hear(conn: Connection[str]) -> None:
    """Hear nothing before there is a file; then say how much there was."""
    path = await conn.receive()
    while not os.access(path, os.F_OK):  # noqa: ASYNC110  another process makes it
        await asyncio.sleep(0.005)
    count = 0
    try:
        while True:
            await conn.receive(timeout=1.0)
            count += 1
    except ReceiveTimeout:
        await conn.send(str(count))


async def once(conn: Connection[str]) -> None:
    """Answer once."""
    await conn.send(await conn.receive())


async def until_lost(conn: Connection[str]) -> None:
    """Send without end."""
    line = await conn.receive()
    while True:
        await conn.send(line)
        await asyncio.sleep(0.001)
