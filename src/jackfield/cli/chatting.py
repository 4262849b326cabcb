"""The chat without a screen: as lines for pipes and scripts.

The rules this file owns:

1. What is said goes to standard output, all else to standard error. Nothing of a peer gets there
   that a terminal would obey.
2. What waits to be written, or to be sent, is bounded: a reader of ours that lags misses messages
   and is told how many; input waits for the chat.
3. Of lines that come close together as few messages are made as hold them: a log is not five
   hundred messages.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Callable
from typing import Any

from jackfield.cli.pipes import Input, Output, input_encoding, output_encoding, tell
from jackfield.errors import LocalError
from jackfield.services.chat import wire
from jackfield.services.chat.client import ChatClient, Lost
from jackfield.services.chat.history import Message
from jackfield.services.chat.hub import LOBBY
from jackfield.services.chat.known import Event, Gone, Heard, Kept, NotKept, Welcome
from jackfield.services.chat.typed import shown
from jackfield.services.chat.words import MOST_TEXT, NotSaid
from jackfield.visible import escaped

MOST_WAITING = 10_000
"""Messages that wait to be written."""

MOST_UNSENT = 50
"""Messages in the outbox past which no more input is read."""

GATHER = 0.5
"""Seconds of silence after which lines that came together are said."""

OnToken = Callable[[str, str], None]


class _Chatting:
    """What both ways have in common.

    room: the only one to hear, and to say things in; the lobby, unless given.
    on_token: called with one's name and a token that the chat gives.
    """

    def __init__(self, room: str | None, on_token: OnToken) -> None:
        self._room = room
        self._on_token = on_token
        self._status = 0
        self._is_lost = False
        self._inside = asyncio.Event()
        self._input = Input()

    def tell(self, event: Event) -> None:
        """Take an event of the client."""
        match event:
            case Welcome(name, token):
                if self._is_lost:
                    tell("-- connected again")
                self._is_lost = False
                self._inside.set()
                if token:
                    self._on_token(name, token)
            case Lost(why, seconds):
                if not self._is_lost:
                    tell(f"-- the connection was lost: {why}; next try in {seconds:.1f} s")
                self._is_lost = True
            case NotKept(unsent, why):
                self._failed(f"not said: {why}: {_start_of(unsent.text)}")
            case Gone(room, why) if why:
                tell(f"-- you are not in {room}: {why}")
            case _:
                pass

    def _failed(self, text: str) -> None:
        self._status = 1
        tell(f"-- {text}")

    async def run(self, client: ChatClient) -> int:
        """Chat until the end; give the exit status. Raises as `ChatClient.run()`."""
        if self._room is not None:
            client.want(self._room)
        running = asyncio.create_task(client.run())
        working = asyncio.create_task(self._work(client))
        try:
            await asyncio.wait({running, working}, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                running.result()
            return working.result()
        finally:
            for task in (running, working):
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running

    async def _work(self, client: ChatClient) -> int:
        raise NotImplementedError

    def _say(self, client: ChatClient, text: str) -> str:
        """Say something; give its id, or "" where it cannot be said."""
        try:
            return client.say(self._room or LOBBY, text).id
        except NotSaid as error:
            self._failed(f"not said: {error}: {_start_of(text)}")
            return ""


class Plain(_Chatting):
    """Each message is a line of standard output; each line of standard input is said.

    as_json: whether a message is an object of JSON, as `wire.py` has it.
    """

    def __init__(self, room: str | None, on_token: OnToken, *, as_json: bool) -> None:
        super().__init__(room, on_token)
        self._as_json = as_json
        self._output = Output()
        self._waiting: list[Message] = []
        self._left_out = 0
        self._news = asyncio.Event()
        self._gone = asyncio.Event()  # from the only room
        self._own: set[str] = set()
        self._types = sys.__stdin__ is not None and sys.__stdin__.isatty()

    def tell(self, event: Event) -> None:
        """Take an event of the client."""
        super().tell(event)
        if isinstance(event, Heard) and self._room in {None, event.message.room}:
            if event.message.id in self._own:
                self._own.discard(event.message.id)
            elif len(self._waiting) < MOST_WAITING:
                self._waiting.append(event.message)
            else:
                self._left_out += 1
            self._news.set()
        elif isinstance(event, Gone) and event.room == self._room:
            self._status = 1
            self._gone.set()

    async def _work(self, client: ChatClient) -> int:
        writing = asyncio.create_task(self._write())
        reading = asyncio.create_task(self._read(client))
        leaving = asyncio.create_task(self._gone.wait())
        going: set[asyncio.Task[Any]] = {writing, reading, leaving}
        try:
            done, _ = await asyncio.wait(going, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in going:
                task.cancel()
        return self._status

    async def _read(self, client: ChatClient) -> None:
        await self._inside.wait()
        async for line in self._input.lines():
            text = line.decode(input_encoding(), "replace")
            if text.strip():
                said = self._say(client, text)
                if self._types:
                    self._own.add(said)  # it is on the screen already
            if len(client.replica.outbox) >= MOST_UNSENT:
                await client.all_kept()
        await client.all_kept()
        if not self._types:
            await asyncio.get_running_loop().create_future()  # others are heard until Ctrl-C

    async def _write(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            messages, self._waiting = self._waiting, []
            left_out, self._left_out = self._left_out, 0
            text = "".join(f"{self._line(message)}\n" for message in messages)
            await self._output.write(text.encode(output_encoding(), "backslashreplace"))
            if left_out:
                tell(f"-- {left_out} messages were not written: nobody read fast enough")

    def _line(self, message: Message) -> str:
        return json.dumps(wire.said(message)) if self._as_json else escaped(shown(message))


class Sender(_Chatting):
    """Says all of standard input, and ends when it is kept.

    timeout: seconds after which it fails when nothing is kept any more.
    """

    def __init__(self, room: str | None, on_token: OnToken, *, timeout: float) -> None:
        super().__init__(room, on_token)
        self._timeout = timeout
        self._limit: asyncio.Timeout | None = None
        self._lines: list[str] = []
        self._size = 0

    def tell(self, event: Event) -> None:
        """Take an event of the client."""
        super().tell(event)
        if isinstance(event, (Kept, NotKept)):
            self._wait_anew()

    def _wait_anew(self) -> None:
        """Have the time count from now on."""
        if self._limit is not None:
            self._limit.reschedule(asyncio.get_running_loop().time() + self._timeout)

    async def _work(self, client: ChatClient) -> int:
        said = await self._say_all(client)
        try:
            await self._all_kept(client)
        except TimeoutError:
            self._failed(f"not kept within {self._timeout:g} s: {len(client.replica.outbox)} of it")
        if not said:
            raise LocalError("there is nothing to send: standard input is empty")
        return self._status

    async def _all_kept(self, client: ChatClient) -> None:
        async with asyncio.timeout(None) as self._limit:
            self._wait_anew()
            await client.all_kept()
        self._limit = None

    async def _say_all(self, client: ChatClient) -> bool:
        """Read and say all of the input; whether there was anything."""
        said = False
        lines = aiter(self._input.lines())
        following = asyncio.ensure_future(anext(lines, None))
        while True:
            if self._lines:
                await asyncio.wait({following}, timeout=GATHER)
                if not following.done():
                    self._flush(client)
            line = await following
            if line is None:
                self._flush(client)
                return said
            following = asyncio.ensure_future(anext(lines, None))
            for part in _pieces(line.decode(input_encoding(), "replace").rstrip()):
                said = said or bool(part)
                if self._size + len(part) + 1 > MOST_TEXT:
                    self._flush(client)
                self._lines.append(part)
                self._size += len(part) + 1
            if len(client.replica.outbox) >= MOST_UNSENT:
                await self._all_kept(client)

    def _flush(self, client: ChatClient) -> None:
        text = "\n".join(self._lines)
        self._lines.clear()
        self._size = 0
        if text.strip():
            self._say(client, text)


def _pieces(line: str) -> list[str]:
    """Cut a line that is longer than a message."""
    return [line[at : at + MOST_TEXT] for at in range(0, len(line), MOST_TEXT)] or [""]


def _start_of(text: str) -> str:
    return escaped(text if len(text) <= 60 else f"{text[:60]}…").replace("\n", " ")
