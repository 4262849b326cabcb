"""The chat's client, without any screen: it stays connected, and its `Replica` equal to the chat.

The rules this file owns:

1. A connection that is lost is made again, after a pause that doubles up to `LONGEST_PAUSE`, with
   chance in it, so that a thousand clients of a board that restarts do not come back as one.
2. Who was never in is told why and not kept waiting: the first connection, and the first refusal,
   are errors. So is a later refusal of a token: it will be no better at the next try.
3. A connection on which nothing comes is asked whether it is there, and given up when it is not.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from jackfield.client import TIMEOUT, connect
from jackfield.endpoints import Endpoint
from jackfield.errors import ConnectError, ConnectionEnded, EndOfStream, PeerLost
from jackfield.errors import RemoteProtocolError as BrokenProtocol
from jackfield.framing.json_lines import JSONLines
from jackfield.net.connection import Connection
from jackfield.net.dialing import Attempt
from jackfield.services.chat.known import Event, Unsent, Welcome
from jackfield.services.chat.replica import Replica
from jackfield.services.chat.wire import MOST_ANSWER
from jackfield.services.chat.words import NotSaid, key_of

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
"""Seconds before the first and the longest later try to connect again."""

STEADY = 10.0
"""Seconds after which a connection counts as good, and the next pause is the first one again."""

Dial = Callable[[], Awaitable[Connection[Any]]]


@dataclass(frozen=True, slots=True)
class Lost(Event):
    """The connection is gone; it is made again after so many seconds, or by `retry_now()`."""

    why: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Timing:
    """How long what takes, in seconds.

    tick: between two looks at what is to be told. silence: after which the chat is asked whether
    it is there. dead: after which it is not.
    """

    tick: float = 2.0
    silence: float = 20.0
    dead: float = 40.0
    first_pause: float = FIRST_PAUSE
    longest_pause: float = LONGEST_PAUSE


TIMING = Timing()


def dialer(
    endpoint: str | Endpoint,
    *,
    timeout: float = TIMEOUT,
    on_attempt: Callable[[Attempt], None] | None = None,
) -> Dial:
    """Give what connects to a chat that speaks JSON: over ws, wss, or a stream as JSON lines.

    Options as those of `jackfield.connect()`, whose errors it raises.
    """

    async def dial() -> Connection[Any]:
        framing = JSONLines(MOST_ANSWER)
        return await connect(endpoint, framing, timeout=timeout, on_attempt=on_attempt)

    return dial


class ChatClient:
    """One person's client of a chat.

    dial: connects, as `dialer()` has it.
    tell: called with each event, in order, on the loop; it may call the methods here.
    name, token: who one is; a token that the chat gives takes the place of this one.
    """

    def __init__(
        self,
        dial: Dial,
        tell: Callable[[Event], None],
        *,
        name: str | None = None,
        token: str | None = None,
        timing: Timing = TIMING,
    ) -> None:
        self.replica = Replica(self._tell, self._later)
        self._dial = dial
        self._teller = tell
        self._name = name
        self._token = token
        self._timing = timing
        self._conn: Connection[Any] | None = None
        self._was_in = False
        self._hurry = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._heard_at = 0.0

    async def run(self) -> None:
        """Stay connected until cancelled.

        Raises NotSaid when one may not come in, or not any more, with what the chat said when it
        ended the connection; and what `connect()` raises, ConnectionEnded and RemoteProtocolError,
        as long as one never was in.
        """
        loop = asyncio.get_running_loop()
        said = ""
        pause = self._timing.first_pause
        while True:
            began = loop.time()
            try:
                await self._serve()
            except EndOfStream as found:
                said = found.said
                why = f": {said}" if said else ""
                error: Exception = PeerLost(f"the server has ended the connection{why}")
                if not self._was_in:
                    raise error from None
            except NotSaid as found:
                if not self._was_in or (self._token and found.wait is None):
                    raise (NotSaid(said) if said else found) from None
                error = found
            except (ConnectError, ConnectionEnded, BrokenProtocol) as found:
                if not self._was_in:
                    raise
                error = found
            self.replica.lost()
            if loop.time() - began >= STEADY:
                pause = self._timing.first_pause
            seconds = pause * random.uniform(0.5, 1.0)  # noqa: S311  no secret
            pause = min(self._timing.longest_pause, pause * 2)
            self._hurry.clear()
            self._tell(Lost(str(error), seconds))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), seconds)

    def retry_now(self) -> None:
        """Try at once to connect again, if that is waited for."""
        self._hurry.set()

    async def _serve(self) -> None:
        """Connect, and take what comes until that ends."""
        loop = asyncio.get_running_loop()
        conn = await self._dial()
        self._conn = conn
        self._heard_at = loop.time()
        minding = loop.create_task(self._mind(conn))
        try:
            self.replica.connected(self._send, self._name, self._token)
            while True:
                message = await conn.receive()
                self._heard_at = loop.time()
                self.replica.take(message)
        finally:
            minding.cancel()
            self.replica.tell_reads()
            self._conn = None
            conn.close_soon()

    async def _mind(self, conn: Connection[Any]) -> None:
        """Now and then: tell how far one has read, and see that the chat is there."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._timing.tick)
            self.replica.tell_reads()
            silence = loop.time() - self._heard_at
            if silence >= self._timing.dead:
                conn.abort(f"nothing came for {silence:.0f} s")
                return
            if silence >= self._timing.silence and self.replica.is_welcome:
                self.replica.ping()

    def _send(self, message: dict[str, Any]) -> None:
        conn = self._conn
        if conn is not None and not conn.post(message) and conn.over is None:
            conn.abort("the server takes nothing")  # the next connection says it again

    def _later(self, seconds: float, call: Callable[[], None]) -> object:
        return asyncio.get_running_loop().call_later(seconds, call)

    def _tell(self, event: Event) -> None:
        if isinstance(event, Welcome):
            self._was_in = True
            if event.token:
                self._name, self._token = None, event.token
        self._teller(event)
        if not self.replica.outbox:
            self._empty.set()

    # What one does

    def say(self, room: str, text: str) -> Unsent:
        """Say something in a room, now or once that is possible: `Kept` or `NotKept` follows.

        room: one that is joined first where that is needed. Raises NotSaid for what can be no
        message.
        """
        self._empty.clear()
        try:
            return self.replica.say(room, text)
        finally:
            if not self.replica.outbox:
                self._empty.set()

    async def all_kept(self) -> None:
        """Wait until nothing that was said is unanswered."""
        await self._empty.wait()

    def want(self, room: str) -> None:
        """Have it join a room whenever it is connected and not in it."""
        self.replica.wanted[key_of(room.removeprefix("#"))] = None

    async def ask(self, do: str, **fields: Any) -> dict[str, Any]:
        """Ask the chat for something that `wire.py` lists; give the answer.

        Raises NotSaid for what cannot be done, and PeerLost where the connection is lost before
        the answer has come.
        """
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

        def take(found: dict[str, Any]) -> None:
            if not answer.done():
                answer.set_result(found)

        self.replica.ask(do, fields, take)
        found = await answer
        if found.get("is") == "lost":
            raise PeerLost(f"{found['why']}; try again once there is one")
        if found.get("is") == "error":
            raise NotSaid(str(found.get("why")))
        return found

    async def join(self, name: str) -> str:
        """Go into a room; give its name. Raises as `ask()`."""
        answer = await self.ask("join", room=name)
        room = str(answer.get("room"))
        self.replica.wanted[room] = None
        return room

    async def direct(self, name: str) -> str:
        """Open the direct conversation with somebody; give its room. Raises as `ask()`."""
        return str((await self.ask("direct", name=name)).get("room"))
