"""A conversation: the protocol, a connection, and the person at this end."""

from __future__ import annotations

import asyncio
from typing import Protocol as Interface

from jackfield.errors import EndOfStream, JackfieldError, LocalProtocolError
from jackfield.net.connection import Connection
from jackfield.services.talk import wire
from jackfield.services.talk.events import Event, Heard, PeerLeft
from jackfield.services.talk.protocol import Protocol

LEAVING_WORDS = frozenset({"quit", "exit", "q", "bye"})

AFTER_END = 1.0
"""Seconds for which a caller still answers, by datagrams, a peer that has said goodbye."""

LAST_WORDS = 0.5
"""Seconds for which a plain peer's stream is read after this side has ended."""


def is_leaving(text: str) -> bool:
    """Whether one says with these words that one leaves."""
    return text.strip().lower() in LEAVING_WORDS


class Person(Interface):
    """Who talks at this end: somebody at a terminal, a script at a pipe."""

    at_terminal: bool
    """Whether there is always more to come: a terminal, not a file or a pipe."""

    async def line(self) -> str | None:
        """Give the next line to say; None when this person leaves. A cancelled call loses none."""

    def began(self, conn: Connection[bytes]) -> None:
        """A conversation begins with whoever is at the other end of `conn`."""

    def show(self, event: Event) -> None:
        """Show what has happened."""

    def said(self, text: str) -> None:
        """Show a line of this person's own."""

    def not_sent(self, text: str, reason: str) -> None:
        """Tell that a line was not sent, and why."""

    async def shown(self) -> None:
        """Wait until what there is to show has been taken."""

    def ended(self) -> None:
        """The conversation is over."""


class Conversation:
    """One conversation over one connection. Its framing is raw: the protocol cuts the lines.

    calls: whether this side has made the connection.
    """

    def __init__(
        self, conn: Connection[bytes], person: Person, name: str, encoding: str, *, calls: bool
    ) -> None:
        self._conn = conn
        self._person = person
        self._calls = calls
        self._unreliable = conn.local.is_datagram
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._room = asyncio.Event()
        self._room.set()
        self.over = asyncio.Event()
        self.protocol = Protocol(name, encoding=encoding, datagrams=self._unreliable)

    async def run(self, first: bytes = b"") -> None:
        """Converse until it is over.

        first: what has come already.
        """
        self.protocol.start(self._loop.time())
        self._person.began(self._conn)
        try:
            self._take(first)
            await self._person.shown()
            while not self.over.is_set():
                await self._receive()
                await self._person.shown()
        finally:
            self._hang_up()
        await self._part()
        self._person.ended()

    async def _receive(self) -> None:
        """Take what comes next, unless it is over before."""
        receiving = asyncio.ensure_future(self._conn.receive())
        over = asyncio.ensure_future(self.over.wait())
        try:
            await asyncio.wait({receiving, over}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            over.cancel()
            if not receiving.done():
                receiving.cancel()
                await asyncio.wait({receiving})
        if not receiving.cancelled():
            self._take_result(receiving)

    def _take_result(self, receiving: asyncio.Future[bytes]) -> None:
        error = receiving.exception()
        if error is None:
            self._take(receiving.result())
        elif isinstance(error, JackfieldError):
            reason = "" if isinstance(error, EndOfStream) else str(error)
            self.protocol.ended(reason, self._loop.time())
            self._go_on()
        else:
            raise error

    def _take(self, data: bytes) -> None:
        if data:
            self.protocol.receive(data, self._loop.time())
        self._go_on()

    def say(self, text: str) -> None:
        """Send a line."""
        try:
            self.protocol.say(text, self._loop.time())
        except LocalProtocolError as error:
            self._person.not_sent(text, str(error))
        else:
            self._person.said(text)
        self._go_on()

    def leave(self) -> None:
        """Say goodbye; the conversation ends when it has arrived."""
        self.protocol.leave(self._loop.time())
        self._go_on()

    async def room(self) -> None:
        """Wait until a line can be said without piling up."""
        await self._room.wait()
        while self._conn.unsent > self._conn.limits.write_high and not self.over.is_set():
            try:
                await self._conn.drained()
            except JackfieldError:
                return  # receiving tells

    def _go_on(self) -> None:
        """Send, show and time what the protocol has come to."""
        protocol = self.protocol
        for data in protocol.outgoing():
            if not self._conn.post(data) and not self._conn.is_over:
                protocol.ended("it does not read what it is sent", self._loop.time())
        farewell = False
        for event in protocol.events():
            self._person.show(event)
            if isinstance(event, Heard) and not protocol.is_confirming:
                farewell = farewell or is_leaving(event.text)
        if farewell and not protocol.over:  # a plain peer has no other way to say it
            self._person.show(PeerLeft())
            self.leave()
            return
        if self._timer is not None:
            self._timer.cancel()
        deadline = protocol.deadline()
        self._timer = None if deadline is None else self._loop.call_at(deadline, self._tick)
        if protocol.room or protocol.over:
            self._room.set()
        else:
            self._room.clear()
        if protocol.over:
            self.over.set()

    def _tick(self) -> None:
        self.protocol.tick(self._loop.time())
        self._go_on()

    def _hang_up(self) -> None:
        """End it in any case: this side is on its way out."""
        if not self.over.is_set():
            self.leave()
        if self._timer is not None:
            self._timer.cancel()
        self.over.set()

    async def _part(self) -> None:
        """Let the peer know that it is over, in whatever way it can be told."""
        try:
            if self._unreliable:
                if self._calls and self.protocol.is_confirming:
                    async with asyncio.timeout(AFTER_END):
                        await self._answer_late_ones()
            elif not self.protocol.is_confirming:
                await self._conn.send_eof()
                async with asyncio.timeout(LAST_WORDS):
                    async for _ in self._conn:
                        pass  # unread input would make closing a reset, which can destroy ours
        except (JackfieldError, TimeoutError):
            return

    async def _answer_late_ones(self) -> None:
        async for data in self._conn:
            answer = self.protocol.answer_after(data)
            if answer:
                await self._conn.send(answer)


async def tell_busy(conn: Connection[bytes], name: str, encoding: str) -> None:
    """Tell a caller that `name` is talking with somebody else."""
    await conn.send(wire.busy(name, encoding))
