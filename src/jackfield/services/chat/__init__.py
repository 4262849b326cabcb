"""chat: people in rooms, by lines, by WebSocket, by a terminal client; all in one conversation.

A board keeps what is said, and knows its people. Alone, the chat lets anybody in as a guest, under
a name that nobody has at the moment, and remembers what was said last as long as it runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from jackfield.endpoints import Endpoint
from jackfield.errors import ConfigurationError, KeepingFailed
from jackfield.framing.lines import lines
from jackfield.limits import Limits
from jackfield.net.connection import Connection
from jackfield.service import Service
from jackfield.services.chat import wire
from jackfield.services.chat.clients import ClientSession
from jackfield.services.chat.doors import Doors, GuestDoors, OpenDoors
from jackfield.services.chat.history import History, MemoryHistory
from jackfield.services.chat.hub import Hub, Person, RoomState, tell_here
from jackfield.services.chat.outgoing import Forms
from jackfield.services.chat.typed import LineSession

LIMITS = Limits(outbox=512 * 1024)

LONGEST_LINE = 16 * 1024
"""Bytes of a line: as many characters as a message has, four bytes each."""

MOST_ALONE = 2000
MOST_ALONE_IN_ALL = 20_000
"""Messages of a room, and of all rooms, that a chat without a board remembers: 80 MB of ASCII."""

TICK = 0.5
"""Seconds between two looks at who is to be told of what: who is here, what was missed."""


class Chat:
    """One chat, whatever way one comes to it. Of one event loop.

    history: where messages are kept. doors: who may come in; made for the hub where it is open.
    """

    def __init__(self, history: History | None = None, doors: Doors | None = None) -> None:
        self.hub = Hub(history or MemoryHistory())
        self.doors = doors or OpenDoors(self.hub)
        self.hub.on_here = self._note_here
        self._forms = Forms()
        self._changed: dict[str, RoomState] = {}
        self._sessions: dict[ClientSession | LineSession, None] = {}
        self._opening: asyncio.Task[None] | None = None
        self._ticking: asyncio.TimerHandle | None = None

    async def open(self) -> None:
        """Read what there is, once; whoever comes meanwhile waits.

        Raises KeepingFailed when it cannot be read; it is tried again the next time.
        """
        if self._opening is None or (self._opening.done() and self._opening.exception()):
            self._opening = asyncio.get_running_loop().create_task(self.hub.open())
        await asyncio.shield(self._opening)

    async def by_lines(
        self,
        conn: Connection[bytes],
        person: Person | None = None,
        doors: Doors | None = None,
    ) -> None:
        """Serve a connection of lines, as bytes. doors: in place of the chat's own."""
        await self._serve(LineSession(self.hub, doors or self.doors, conn, self._forms, person))

    async def by_client(self, conn: Connection[Any], person: Person | None = None) -> None:
        """Serve a connection of JSON: of a page or a terminal client."""
        await self._serve(ClientSession(self.hub, self.doors, conn, self._forms, person))

    async def _serve(self, session: ClientSession | LineSession) -> None:
        try:
            await self.open()
        except KeepingFailed as error:
            session.end(str(error))
            return
        self._sessions[session] = None
        self._tick_soon()
        try:
            await session.run()
        finally:
            del self._sessions[session]

    def tell_clients(self, message: dict[str, Any], to: Callable[[Person], bool]) -> None:
        """Tell pages and terminal clients something that is not of the chat. to: whom."""
        for session in tuple(self._sessions):
            if isinstance(session, ClientSession) and to(session.person):
                session.tell(message)

    def _note_here(self, room: RoomState) -> None:
        self._changed[room.name] = room
        self._tick_soon()

    def _tick_soon(self) -> None:
        if self._ticking is None:
            self._ticking = asyncio.get_running_loop().call_later(TICK, self._tick)

    def _tick(self) -> None:
        self._ticking = None
        changed, self._changed = self._changed, {}
        for room in changed.values():
            tell_here(room)
        for session in tuple(self._sessions):
            session.tick()
        if self._sessions:
            self._tick_soon()


class _Alone:
    """The handler of a chat that runs alone: clients come by WebSocket, and all others by lines."""

    def __init__(self) -> None:
        self._chat: Chat | None = None

    async def __call__(self, conn: Connection[Any]) -> None:
        if self._chat is None:
            self._chat = Chat(MemoryHistory(MOST_ALONE, MOST_ALONE_IN_ALL))
            self._chat.doors = GuestDoors(self._chat.hub)
        if conn.local.is_websocket:
            await self._chat.by_client(conn.switch(wire.FRAMING))
        else:
            await self._chat.by_lines(conn)


def make() -> Service[bytes]:
    """Make the service, for anybody who connects.

    Over `ws://` it speaks JSON with terminal clients, over other streams lines with who types.
    """
    framing = lines(encoding=None, max_message=LONGEST_LINE)
    return Service(
        "chat", _Alone(), framing, LIMITS, joins_rooms=True, silent=True, single=True, check=_check
    )


def _check(endpoints: tuple[Endpoint, ...], _model: str) -> None:
    for endpoint in endpoints:
        if endpoint.is_datagram:
            raise ConfigurationError(
                f"{endpoint}: the chat needs a stream; serve it at tcp://, tls://, ws:// or unix://"
            )
