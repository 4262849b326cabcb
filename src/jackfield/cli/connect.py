"""`jackfield connect`: a terminal on any endpoint, and exact bytes in a pipe."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import click

from jackfield.cli.certificates import with_files
from jackfield.cli.messages import Incoming, Outgoing
from jackfield.cli.pipes import CHUNK, Input, Output, tell
from jackfield.cli.reached import agreed, tried
from jackfield.cli.running import run
from jackfield.cli.terminal import Terminal, is_at_terminal
from jackfield.cli.values import duration
from jackfield.client import TIMEOUT
from jackfield.client import connect as dial
from jackfield.endpoints import Endpoint, Transport, parse
from jackfield.errors import (
    ConfigurationError,
    ConnectionEnded,
    EndOfStream,
    LocalError,
    LocalProtocolError,
    PeerLost,
    ReceiveTimeout,
    RemoteProtocolError,
)
from jackfield.framing.base import Framing
from jackfield.framing.names import parse as parse_framing
from jackfield.framing.raw import Raw
from jackfield.net.connection import Connection
from jackfield.recording import Recorded, play, read

WAIT = 1.0
"""Seconds of silence after which nothing is waited for any more, once input has ended: where one
side cannot end alone."""

MOST_AT_ONCE = 1024 * 1024
"""Bytes of input that --once sends."""

LARGEST_UNIT = 65_507
"""Bytes of input sent as one datagram: what UDP over IPv4 carries."""

LARGEST_RECEIVED = 256 * 1024
"""Bytes of a unit that can arrive: a UNIX one may be larger than any datagram of UDP."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the options ask for."""

    endpoint: Endpoint
    framing: Framing[Any]
    once: bool
    hexadecimal: bool
    raw_output: bool
    wait: float | None
    timeout: float
    retry: int
    verbose: bool
    recorded: Recorded | None
    fast: bool


@click.command(
    epilog="""Examples:

    \b
      jackfield connect tcp://127.0.0.1:7001
      echo hello | jackfield connect udp://127.0.0.1:7001
      jackfield connect tls://example.org:443 -v
      jackfield connect unix:///run/x.sock --framing length:4 --hex
      echo hello | jackfield connect tcp://127.0.0.1:7002 --framing lines --once"""
)
@click.argument("endpoint")
@click.option(
    "--framing",
    metavar="NAME",
    default="raw",
    show_default=True,
    help="What a message is: raw (bytes as they are), lines, lines:gbk, length:4, netstring, "
    "json, ... With any but raw, each line typed or read is a message, and each message that "
    "comes is a line.",
)
@click.option(
    "--hex",
    "hexadecimal",
    is_flag=True,
    help="Show what comes in hexadecimal; a line typed as 0x 48 69 0a is sent as those bytes.",
)
@click.option("--once", is_flag=True, help="Send one message, print one answer, end.")
@click.option(
    "--wait",
    metavar="TIME",
    callback=duration,
    help="When input has ended: end after so long a silence. Default: 1s for datagrams and "
    "WebSocket; "
    "a stream is read until the other side ends it.",
)
@click.option(
    "--timeout",
    metavar="TIME",
    callback=duration,
    default=f"{TIMEOUT:g}s",
    show_default=True,
    help="How long connecting may take; with --once also the answer.",
)
@click.option(
    "--retry",
    metavar="N",
    type=click.IntRange(min=0),
    default=0,
    help="Try again so often when connecting fails, pausing ever longer.",
)
@click.option("--ca", metavar="FILE", help="tls: authorities to trust, in place of the system's.")
@click.option("--cert", metavar="FILE", help="tls: certificate to show, with its chain.")
@click.option("--key", metavar="FILE", help="tls: its private key, unless it is in that file.")
@click.option(
    "--replay",
    metavar="FILE",
    help="In place of standard input, send what a peer sent in a recording of "
    "`jackfield serve --record`, with its pauses.",
)
@click.option(
    "--of",
    metavar="N",
    type=click.IntRange(min=1),
    help="With --replay: the number of the connection; without, the first one.",
)
@click.option("--fast", is_flag=True, help="With --replay: without the pauses.")
@click.option(
    "--raw-output",
    is_flag=True,
    help="Let control characters of the other side through to the terminal: colours, but also "
    "whatever else a terminal obeys. Into a pipe they always go.",
)
@click.option("-v", "--verbose", is_flag=True, help="Tell what is tried and agreed on.")
def connect(
    *,
    endpoint: str,
    framing: str,
    hexadecimal: bool,
    once: bool,
    wait: float | None,
    timeout: float,
    retry: int,
    ca: str | None,
    cert: str | None,
    key: str | None,
    replay: str | None,
    of: int | None,
    fast: bool,
    raw_output: bool,
    verbose: bool,
) -> int:
    """A terminal on any endpoint.

    ENDPOINT is a URL: tcp://127.0.0.1:9999, tls://, ws://127.0.0.1:9999/PATH, wss://, udp://,
    unix:///PATH, unix+dgram:, unix+seqpacket:.

    At a terminal, lines can be edited and called back with the arrow keys; Ctrl-D ends this side
    and goes on reading, Ctrl-C leaves. In a pipe, bytes go through unchanged: standard input to
    the socket, the socket to standard output.

    Exit status: 0 when the other side has ended, 1 when it failed, 2 for wrong usage.
    """
    where = with_files(parse(endpoint), cert, key, ca)
    if where.transport is Transport.MEMORY:
        raise ConfigurationError(f"{where}: memory: is inside one process; use another transport")
    chosen = parse_framing(framing)
    if isinstance(chosen, Raw) and where.keeps_boundaries:
        chosen = Raw(LARGEST_RECEIVED)
    if replay is None and (of or fast):
        raise click.UsageError("--of and --fast are for --replay FILE")
    recorded = None
    if replay is not None:
        if once or not isinstance(chosen, Raw):
            raise click.UsageError(
                "--replay sends bytes as they were: without --framing and --once"
            )
        if where.is_websocket:
            plain = "tls" if where.transport.uses_tls else "tcp"
            raise click.UsageError(
                "--replay sends bytes as they were, WebSocket's own among them: "
                f"connect to {plain}://{where.host}:{where.port}"
            )
        recorded = _chosen(read(replay), of, replay)
    wishes = Wishes(
        where,
        chosen,
        once,
        hexadecimal,
        raw_output,
        wait,
        timeout,
        retry,
        verbose,
        recorded,
        fast,
    )
    if wishes.wait is None and not _half_closes(where):
        wishes = replace(wishes, wait=WAIT)
    return run(lambda: _connect(wishes))


def _chosen(found: list[Recorded], number: int | None, path: str) -> Recorded:
    """Give the one connection of a recording that is to be played."""
    if not found:
        raise ConfigurationError(f"{path}: nobody connected while this was recorded")
    if number is None:
        if len(found) > 1:
            tell(f"replaying connection {found[0].number}, the first of {len(found)}; see --of")
        return found[0]
    for one in found:
        if one.number == number:
            return one
    numbers = ", ".join(str(one.number) for one in found[:20])
    raise ConfigurationError(f"{path}: no connection {number} in it; there are {numbers}")


async def _connect(wishes: Wishes) -> int:
    conn = await dial(
        wishes.endpoint,
        wishes.framing,
        timeout=wishes.timeout,
        retry=wishes.retry,
        on_attempt=(lambda attempt: tell(tried(attempt))) if wishes.verbose else None,
    )
    try:
        if wishes.verbose:
            for line in agreed(conn):
                tell(line)
        if wishes.recorded is not None:
            status = await _replay(conn, wishes, wishes.recorded)
        elif wishes.once:
            status = await _once(conn, wishes)
        elif is_at_terminal():
            status = await _at_terminal(conn, wishes)
        else:
            status = await _in_pipe(conn, wishes)
    except (ConnectionEnded, RemoteProtocolError) as error:
        conn.close_soon()
        raise type(error)(f"{wishes.endpoint}: {error}") from error
    except BaseException:
        conn.close_soon()
        raise
    await conn.close()
    if wishes.verbose:
        tell(f"sent {conn.bytes_sent} bytes, received {conn.bytes_received}")
    return status


# Once


async def _once(conn: Connection[Any], wishes: Wishes) -> int:
    """Send one message, print one answer."""
    outgoing = Outgoing(wishes.framing, hexadecimal=wishes.hexadecimal)
    incoming = _incoming(wishes)
    message = await _one_message(outgoing)
    if message is None:
        raise LocalError("there is nothing to send: standard input is empty")
    await conn.send(message)
    if outgoing.is_raw and conn.local.is_stream and not is_at_terminal():
        await conn.send_eof()  # all of standard input was the message
    try:
        answer = await conn.receive(timeout=wishes.timeout)
    except ReceiveTimeout as error:
        raise type(error)(f"{wishes.endpoint}: no answer within {wishes.timeout:g} s") from None
    except EndOfStream:
        raise PeerLost("the other side has ended without an answer") from None
    data = incoming.exact(answer) + incoming.end().encode()
    if _is_shown() and not data.endswith(b"\n"):
        data += b"\n"
    await Output().write(data)
    return 0


async def _one_message(outgoing: Outgoing) -> Any:
    """Get what is to be sent; None when there is nothing."""
    if is_at_terminal():
        with Terminal() as terminal:
            line = await terminal.line()
        return None if line is None else outgoing.typed(line)
    if outgoing.is_raw:
        return await Input().read_all(MOST_AT_ONCE) or None
    line_read = await Input().line()
    return None if line_read is None else outgoing.read(line_read)


# Reading, wherever it goes to


class _Reader:
    """Reads until the other side ends, or is silent for `wait` seconds once ours has ended."""

    def __init__(self, conn: Connection[Any], wait: float | None) -> None:
        self._conn = conn
        self._wait = wait
        self._limit: asyncio.Timeout | None = None
        self._input_ended = False
        self.fell_silent = False
        """Whether it was silence that ended it."""

    def input_ended(self) -> None:
        """From now on silence counts."""
        self._input_ended = True
        self._listen()

    async def read(self, put: Callable[[Any], Awaitable[None]]) -> None:
        """Hand on message after message. Raises PeerLost and RemoteProtocolError."""
        while True:
            try:
                async with asyncio.timeout(None) as self._limit:
                    self._listen()
                    message = await self._conn.receive()
            except EndOfStream:
                return
            except TimeoutError:
                self.fell_silent = True
                return
            finally:
                self._limit = None
            await put(message)  # who reads our output may take their time

    def _listen(self) -> None:
        """Have the silence counted from now on, if it is to be."""
        if self._limit is not None and self._input_ended and self._wait is not None:
            self._limit.reschedule(asyncio.get_running_loop().time() + self._wait)


async def _end_side(conn: Connection[Any]) -> None:
    """Tell the other side that nothing more comes, where there is a way to."""
    if _half_closes(conn.local):
        await conn.send_eof()


def _half_closes(endpoint: Endpoint) -> bool:
    """Whether one side can end, and go on receiving: most programs end a WebSocket as a whole."""
    return not endpoint.is_datagram and not endpoint.is_websocket


# In a pipe


async def _in_pipe(conn: Connection[Any], wishes: Wishes) -> int:
    """Pass everything on, both ways, until both have ended."""
    outgoing = Outgoing(wishes.framing)

    async def send() -> None:
        source = Input()
        if outgoing.is_raw:
            size = LARGEST_UNIT if conn.keeps_boundaries else CHUNK
            while data := await source.read(size):
                await conn.send(data)
        else:
            async for line in source.lines():
                await conn.send(outgoing.read(line))

    return await _both_ways(conn, wishes, send)


async def _replay(conn: Connection[Any], wishes: Wishes, recorded: Recorded) -> int:
    """Send what was recorded, and pass on what comes, until both have ended."""

    async def send() -> None:
        await play(conn, recorded, fast=wishes.fast)

    return await _both_ways(conn, wishes, send)


async def _both_ways(
    conn: Connection[Any], wishes: Wishes, send: Callable[[], Awaitable[None]]
) -> int:
    """Send, then end this side; meanwhile, and until the other side ends, pass on what comes."""
    incoming = _incoming(wishes)
    output = Output()
    reader = _Reader(conn, wishes.wait)

    async def put(message: Any) -> None:
        await output.write(incoming.exact(message))

    async def send_all() -> None:
        await send()
        await _end_side(conn)
        reader.input_ended()

    sending = asyncio.create_task(send_all())
    reading = asyncio.create_task(reader.read(put))
    try:
        await asyncio.wait({sending, reading}, return_when=asyncio.FIRST_EXCEPTION)
        if sending.done() and isinstance(sending.exception(), ConnectionEnded):
            await asyncio.wait({reading})  # what it said before is still worth having
        if reading.done():
            reading.result()
        sending.result()
    finally:
        await _cancel(sending, reading)
    await output.write(incoming.end().encode())
    return 0


# At a terminal


async def _at_terminal(conn: Connection[Any], wishes: Wishes) -> int:
    """Let a person type, and show what comes, until either ends."""
    outgoing = Outgoing(wishes.framing, hexadecimal=wishes.hexadecimal)
    incoming = _incoming(wishes)
    reader = _Reader(conn, wishes.wait)
    with Terminal() as terminal:
        terminal.note(f"connected to {conn.peer}; Ctrl-D ends your side, Ctrl-C leaves")

        async def put(message: Any) -> None:
            terminal.show(incoming.text(message))

        async def send() -> None:
            while (line := await terminal.line()) is not None:
                try:
                    await conn.send(outgoing.typed(line))
                except LocalProtocolError as error:
                    terminal.note(str(error))
            await _end_side(conn)
            reader.input_ended()

        sending = asyncio.create_task(send())
        reading = asyncio.create_task(reader.read(put))
        try:
            await asyncio.wait({sending, reading}, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait({reading})
            terminal.show(incoming.end())
            reading.result()
            if sending.done():
                sending.result()
            if reader.fell_silent:
                terminal.note(f"nothing more has come for {wishes.wait:g} s")
            else:
                terminal.note("the other side has ended the connection")
        finally:
            await _cancel(sending, reading)
    return 0


async def _cancel(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


# What both show


def _incoming(wishes: Wishes) -> Incoming:
    return Incoming(
        wishes.framing,
        shown=_is_shown() and not wishes.raw_output,
        hexadecimal=wishes.hexadecimal,
    )


def _is_shown() -> bool:
    """Whether standard output is a terminal."""
    return sys.__stdout__ is not None and sys.__stdout__.isatty()
