"""A client of remote commands, in the server: who it is, what it may run, and what it runs.

The rules this file owns:

1. Who somebody is, and what they may run, is looked up for each command. A policy or a token file
   that was read anew holds at once: a command that runs under what is no longer allowed is ended.
2. Each command is told of when it begins and when it is over, each refusal when it is made.
3. A client that is gone, and a server that stops, end the command.
"""

from __future__ import annotations

import asyncio
import os
import posixpath
import shlex
import shutil
from typing import Any, Protocol

from jackfield.errors import BadMessage, ConnectionEnded, EndOfStream, LocalError, ReceiveTimeout
from jackfield.events import CommandEnded, CommandRefused, CommandStarted
from jackfield.events import Refused as PeerRefused
from jackfield.net.connection import Connection
from jackfield.net.ioloop import current
from jackfield.services.commands import wire
from jackfield.services.commands.call import LOST, Call, begin
from jackfield.services.commands.launcher import Launcher
from jackfield.services.commands.people import Proof, Record, Who, proof_of
from jackfield.services.commands.policy import Line, Policy
from jackfield.services.commands.prepared import Order
from jackfield.services.commands.users import RunAs

MOST_SHOWN = 500
"""Characters of a command in the record."""

LANG = "C.UTF-8"


class Rules(Protocol):
    """What holds now."""

    policy: Policy
    who: Who
    record: Record
    run_as: RunAs
    launcher: Launcher

    def may_start(self) -> bool:
        """Take one of the places for commands; False when all are taken."""

    def has_ended(self) -> None:
        """Give it back."""


class Denied(Exception):
    """A command may not be run; the text is for who asked."""


class Session:
    """One client. rules: are looked at for each command. shown: who it is, where that is known."""

    def __init__(self, rules: Rules, conn: Connection[Any], shown: Proof | None = None) -> None:
        self._rules = rules
        self._shown = shown
        self._conn = conn
        self._io = current()
        self._proof = Proof()
        self._call: Call | None = None
        self._allowed: tuple[str, ...] = ()
        self._running: asyncio.Task[None] | None = None
        # who comes by a UNIX socket mostly has no name
        self._peer = str(conn.peer if conn.peer.address else conn.local)

    async def run(self) -> None:
        """Serve it until it leaves."""
        if not await self._come_in():
            return
        try:
            while True:
                message = await self._conn.receive()
                if isinstance(message, bytes):
                    self._take(message)
                else:
                    await self._told(wire.from_client(message))
        except EndOfStream:
            pass
        finally:
            await self._leave()

    async def _come_in(self) -> bool:
        try:
            first = await self._conn.receive(self._conn.core.limits.first_message)
        except (EndOfStream, ReceiveTimeout):
            return False
        said = wire.from_client(first) if isinstance(first, str) else None
        if not isinstance(said, wire.Hello):
            raise BadMessage("the first message is a hello")
        if said.version != wire.VERSION:
            await self._turn_away(f"this server speaks version {wire.VERSION} of its protocol")
            return False
        self._proof = self._shown or await proof_of(self._conn, said.token)
        names = await self._rules.who.names(self._proof)
        if not names:
            told = "this token is not known here" if said.token else "this takes a token"
            await self._turn_away(f"{told}: jackfield run --token-file FILE, or JACKFIELD_TOKEN")
            return False
        await self._say(wire.Welcome(wire.VERSION, names[0]))
        return True

    async def _turn_away(self, why: str) -> None:
        self._rules.record.note(PeerRefused(self._conn.local, self._peer, why))
        await self._say(wire.Refused(why))

    async def _leave(self) -> None:
        """End what runs: the client is gone, or the server stops."""
        call, running = self._call, self._running
        if call is not None:
            call.stop("server stopped" if self._conn.draining else "client lost")
            call.no_more_room()
        if running is not None:
            try:
                await asyncio.shield(running)
            except asyncio.CancelledError:  # the server waits no longer: supervisors go on alone
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
                raise

    # What it says

    def _take(self, message: bytes) -> None:
        if message[:1] != b"\0":
            raise BadMessage("data of a client is standard input: its first byte is 0")
        if self._call is not None:
            self._call.take_input(message[1:])

    async def _told(self, said: wire.FromClient) -> None:
        call = self._call
        if isinstance(said, wire.Run):
            if call is not None:
                raise BadMessage("one command at a time")
            await self._start(said)
        elif isinstance(said, wire.Hello):
            raise BadMessage("a second hello")
        elif call is None:  # it was over before this came
            return
        elif isinstance(said, wire.End):
            call.end_input()
        elif isinstance(said, wire.Signal):
            call.send(wire.number_of(said.signal))
        elif isinstance(said, wire.Stop):
            call.stop("stopped")
            call.no_more_room()
        else:
            call.give_room(said.stream, said.bytes)

    async def _start(self, run: wire.Run) -> None:
        names = await self._rules.who.names(self._proof)
        who = names[0] if names else "nobody"
        shown = _shown(run.args)
        try:
            line, order = self._order(run, names)
            if not self._rules.may_start():
                raise Denied("too many commands run at the moment; try again later")
            rules = self._rules
            call = await begin(
                self._conn, rules.launcher, order, line.bounds.output, rules.has_ended
            )
        except (Denied, LocalError) as error:
            self._note(CommandRefused(self._conn.number, self._peer, who, shown, str(error)))
            await self._say(wire.Refused(str(error)))
            return
        self._call = call
        self._allowed = run.args
        self._note(CommandStarted(self._conn.number, self._peer, who, shown))
        self._running = asyncio.create_task(self._see_through(call, who, shown))
        await self._say(wire.Started())
        await self._look_again(call)  # while it was begun nobody had told it that it is no more

    def _order(self, run: wire.Run, names: tuple[str, ...]) -> tuple[Line, Order]:
        """Say how it is run. Raises Denied."""
        policy = self._rules.policy
        if not names:
            raise Denied("you may not run anything here any more")
        line = policy.line_for(names, run.args)
        if line is None:
            raise Denied(policy.refusal(names, run.args, self._find))
        env = {"PATH": policy.path, "LANG": LANG, "HOME": self._rules.run_as.home}
        env |= {name: os.environ[name] for name in line.keep if name in os.environ}
        for name, value in run.env:
            if name not in line.env:
                where = f"line {line.number} of {policy.source}" if policy.source else "--allow"
                what = f'{where} lets nobody set {name}; env = ["{name}"] in a policy does'
                raise Denied(what)
            env[name] = value
        bounds = line.bounds
        order = Order(
            program=line.program,
            args=run.args,
            env=env,
            folder=line.folder,
            below=_below(line.folder, run.cwd),
            user=self._rules.run_as.numbers,
            time=min(run.timeout or bounds.time, bounds.time),
            memory=bounds.memory,
            processes=bounds.processes,
            grace=bounds.grace,
        )
        return line, order

    def _find(self, name: str) -> str | None:
        return shutil.which(name, path=self._rules.policy.path)

    async def _see_through(self, call: Call, who: str, shown: str) -> None:
        over = LOST
        try:
            over = await call.run()
        finally:
            call.close()
            self._call = None
            sent = call.counts[wire.STDOUT] + call.counts[wire.STDERR]
            self._note(
                CommandEnded(
                    self._conn.number,
                    self._peer,
                    who,
                    shown,
                    over.status,
                    over.signal,
                    over.why,
                    over.killed,
                    over.seconds,
                    call.counts[wire.STDIN],
                    sent,
                )
            )
        counts = (call.counts[stream] for stream in (wire.STDIN, wire.STDOUT, wire.STDERR))
        try:
            how = over.status, over.signal, over.why, over.killed, over.seconds
            await self._say(wire.Exit(*how, *counts))
        except ConnectionEnded:
            return

    def look_again(self) -> None:
        """What is allowed may have changed. In any thread."""
        self._io.run(self._look_again_soon)

    def _look_again_soon(self) -> None:
        if self._call is not None:
            asyncio.ensure_future(self._look_again(self._call))  # noqa: RUF006  it is short

    async def _look_again(self, call: Call) -> None:
        names = await self._rules.who.names(self._proof)
        if self._rules.policy.line_for(names, self._allowed) is None:
            call.stop("revoked")

    def _note(self, event: CommandStarted | CommandEnded | CommandRefused) -> None:
        self._rules.record.note(event)

    async def _say(self, message: wire.FromServer) -> None:
        await self._conn.send(wire.encode(message))


def _shown(args: tuple[str, ...]) -> str:
    text = shlex.join(args)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"


def _below(folder: str, cwd: str) -> tuple[str, ...]:
    """Give the way from a policy's folder to what a client asks for. Raises Denied."""
    path = posixpath.join(folder, cwd)
    inside = path == folder or path.startswith(folder.rstrip("/") + "/")
    parts = [part for part in path[len(folder) :].split("/") if part not in {"", "."}]
    if not inside or ".." in parts:
        raise Denied(f"{cwd} is not in {folder}, where this may run")
    return tuple(parts)
