"""One person's line: one peer at a time, and the next one after that.

The rules this file owns:

1. Who comes while another is there is told so, and that is all.
2. A leaving word, or the end of what is typed, ends the conversation for both. At a terminal
   the line stays open; the same again, with nobody there, ends it.
3. A script's lines wait for somebody to come; when they are at their end, so is the line.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from jackfield.errors import ConnectionEnded, ReceiveTimeout, RemoteProtocolError
from jackfield.net.connection import Connection
from jackfield.services.talk import wire
from jackfield.services.talk.conversation import Conversation, Person, is_leaving, tell_busy
from jackfield.services.talk.protocol import Protocol, answer_to_stranger

REMEMBERED = 16
"""Conversations that were ended lately, whose peers may still be sending."""

STRAY = 1.0
"""Seconds for which more is waited for from where a datagram came that begins no conversation."""


class Line:
    """What connects a person to peers."""

    def __init__(self, person: Person, name: str, encoding: str) -> None:
        self._person = person
        self._name = name
        self._encoding = encoding
        self._current: Conversation | None = None
        self._somebody = asyncio.Event()
        self._ended: OrderedDict[str, Protocol] = OrderedDict()
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Gets the error that showing or typing ended with, should there be one."""

    async def call(self, conn: Connection[bytes]) -> None:
        """Talk with whom this side has connected to, until it is over."""
        await self._converse(conn, b"", calls=True)

    async def attend(self, conn: Connection[bytes]) -> None:
        """Talk with one who comes, or tell that there is another: a service's handler."""
        try:
            first = b""
            if conn.local.is_datagram:
                first = await self._first_words(conn)
            if self._current is None:
                await self._converse(conn, first, calls=False)
            else:
                await tell_busy(conn, self._name, self._encoding)
        except (ConnectionEnded, RemoteProtocolError, ReceiveTimeout):
            return  # a peer that was gone before anything could be said
        except Exception as error:
            if not self.failed.done():
                self.failed.set_exception(error)
            raise

    async def _first_words(self, conn: Connection[bytes]) -> bytes:
        """Answer what belongs to conversations that are over; give what begins one.

        Raises ReceiveTimeout when nothing does for a while.
        """
        first = await conn.receive()
        while (answer := self._answer(first)) is not None:
            if answer:
                await conn.send(answer)
            first = await conn.receive(timeout=STRAY)
        return first

    def _answer(self, first: bytes) -> bytes | None:
        """What to answer to a first datagram that begins no conversation; None if it does."""
        found = wire.read(first.removesuffix(b"\n"), self._encoding)
        if isinstance(found, wire.Frame):
            ended = self._ended.get(found.sender)
            return ended.answer_after(first) if ended else answer_to_stranger(first)
        if isinstance(found, wire.Hello) and found.sender in self._ended:
            return b""  # it was doubled on its way
        return None

    async def _converse(self, conn: Connection[bytes], first: bytes, *, calls: bool) -> None:
        talk = Conversation(conn, self._person, self._name, self._encoding, calls=calls)
        self._current = talk
        self._somebody.set()
        try:
            await talk.run(first)
        finally:
            self._current = None
            self._somebody.clear()
            peer = talk.protocol.peer_identity
            if peer:
                self._ended[peer] = talk.protocol
                if len(self._ended) > REMEMBERED:
                    self._ended.popitem(last=False)

    async def type(self) -> None:
        """Say what this person types, to whoever is there, until it ends."""
        talk: Conversation | None = None
        while True:
            if not self._person.at_terminal and talk is None:
                await self._somebody.wait()
            text = await self._person.line()
            now = self._with_somebody()
            if text is None or is_leaving(text):
                if now is not None:
                    now.leave()
                    await now.over.wait()
                if now is None or not self._person.at_terminal:
                    return
                continue
            while now is None and not self._person.at_terminal:
                self._somebody.clear()  # one that is over was somebody
                await self._somebody.wait()
                now = self._with_somebody()
            if now is None:
                self._person.not_sent(text, "nobody is there")
                continue
            await now.room()
            now.say(text)
            talk = now

    def _with_somebody(self) -> Conversation | None:
        """Give the conversation that goes on; one that is over may take a moment to close."""
        now = self._current
        return None if now is None or now.over.is_set() else now

    def hang_up(self) -> None:
        """End the conversation at once."""
        if self._current is not None:
            self._current.leave()
