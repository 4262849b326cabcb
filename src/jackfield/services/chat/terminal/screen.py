"""The full screen: rooms at the side, what was said, a line of state, and one to type in."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable
from typing import Any, ClassVar

from prompt_toolkit.application import Application
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.output import ColorDepth

from jackfield.services.chat.client import ChatClient, Dial, Lost
from jackfield.services.chat.hub import LOBBY
from jackfield.services.chat.known import (
    Event,
    Forgotten,
    Gone,
    Heard,
    KnownRoom,
    NotKept,
    Unsent,
    Welcome,
)
from jackfield.services.chat.terminal.commands import Commands, Completions
from jackfield.services.chat.terminal.keys import bindings
from jackfield.services.chat.terminal.panes import STYLE, layout
from jackfield.services.chat.terminal.scrollback import Scrollback
from jackfield.visible import wants_colour


class ChatScreen:
    """The chat on a whole terminal.

    Options as those of `show()`.
    """

    def __init__(
        self,
        dial: Dial,
        *,
        where: str,
        name: str | None,
        token: str | None,
        on_token: Callable[[str, str], None],
    ) -> None:
        self.where = where
        self.client = ChatClient(dial, self.tell, name=name, token=token)
        self.views: dict[str, Scrollback] = {}
        self.current = ""
        self.lost: Lost | None = None
        self.again_at = 0.0
        self._on_token = on_token
        self._wanted = ""
        self._inside = asyncio.Event()
        self._commands = Commands(self)
        self._under_way: set[asyncio.Task[None]] = set()
        self.input = Buffer(multiline=True, completer=Completions(self), history=InMemoryHistory())
        self.app: Application[int] | None = None

    async def run(self, room: str | None) -> int:
        """Come in, then show the chat until its user leaves. Raises as `ChatClient.run()`."""
        if room is not None:
            self.client.want(room)
            self._wanted = next(reversed(self.client.replica.wanted))
        running = asyncio.create_task(self.client.run())
        inside = asyncio.create_task(self._inside.wait())
        try:
            await asyncio.wait({running, inside}, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                running.result()
            self.app = self._application()
            running.add_done_callback(self._client_ended)
            status = await self.app.run_async(handle_sigint=False)
            if running.done():
                running.result()
            return status
        finally:
            for task in (running, inside, *self._under_way):
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running

    def _application(self) -> Application[int]:
        colour = wants_colour(sys.stdout)
        return Application(
            layout(self),
            STYLE,
            key_bindings=bindings(self),
            full_screen=True,
            mouse_support=True,
            enable_page_navigation_bindings=False,
            min_redraw_interval=0.02,
            color_depth=ColorDepth.DEPTH_4_BIT if colour else ColorDepth.DEPTH_1_BIT,
        )

    def _client_ended(self, running: asyncio.Task[None]) -> None:
        if not running.cancelled() and self.app is not None and self.app.is_running:
            self.app.exit(result=1)

    # What happens

    def tell(self, event: Event) -> None:
        """Take an event of the client."""
        take = self._TOLD.get(type(event))
        if take is not None:
            take(self, event)
        if self._wanted in self.client.replica.rooms:
            wanted, self._wanted = self._wanted, ""
            self.go(wanted)
        self.redraw()

    def _welcome(self, event: Welcome) -> None:
        self.lost = None
        self._inside.set()
        if event.token:
            self._on_token(event.name, event.token)

    def _lost(self, event: Lost) -> None:
        counting = self.lost is not None
        self.lost = event
        self.again_at = asyncio.get_running_loop().time() + event.seconds
        if not counting:
            self._count_down()

    def _heard(self, event: Heard) -> None:
        if event.message.room == self.current:
            self.mark_read()

    def _forgotten(self, event: Forgotten) -> None:
        if event.room in self.views:
            self.views[event.room].forget()
        self._notice_in(event.room, "the server has forgotten what was said here before")

    def _not_kept(self, event: NotKept) -> None:
        self._notice_in(event.unsent.room, f"not said: {event.why}: {event.unsent.text}")

    def _gone(self, event: Gone) -> None:
        self.views.pop(event.room, None)
        if event.room == self.current:
            self.current = ""
        if event.why:
            self.notice(f"you are not in {event.room}: {event.why}")

    _TOLD: ClassVar[dict[type[Event], Callable[[Any, Any], None]]] = {
        Welcome: _welcome,
        Lost: _lost,
        Heard: _heard,
        Forgotten: _forgotten,
        NotKept: _not_kept,
        Gone: _gone,
    }

    def _count_down(self) -> None:
        """Have the seconds to the next try shown as they pass."""
        if self.lost is not None:
            self.redraw()
            asyncio.get_running_loop().call_later(1, self._count_down)

    def redraw(self) -> None:
        """Have the screen painted, soon."""
        if self.app is not None:
            self.app.invalidate()

    # Rooms

    @property
    def room(self) -> KnownRoom | None:
        """The room that is shown; None where there is none at all."""
        rooms = self.client.replica.rooms
        if self.current not in rooms:
            self.current = LOBBY if LOBBY in rooms else next(iter(rooms), "")
            self._come_to(self.current)
        return rooms.get(self.current)

    @property
    def view(self) -> Scrollback | None:
        """What is shown of it."""
        room = self.room
        return None if room is None else self.view_of(room)

    def view_of(self, room: KnownRoom) -> Scrollback:
        """Give what is shown of a room."""
        view = self.views.get(room.name)
        if view is None or view.room is not room:
            view = Scrollback(room, lambda: self.client.replica.name, lambda: self._unsent(room))
            self.views[room.name] = view
        return view

    def _unsent(self, room: KnownRoom) -> list[Unsent]:
        return [one for one in self.client.replica.outbox.values() if one.room == room.name]

    def ordered(self) -> list[KnownRoom]:
        """All rooms: the lobby, others by name, direct conversations."""
        return sorted(
            self.client.replica.rooms.values(),
            key=lambda room: (room.kind == "direct", room.name != LOBBY, room.title),
        )

    def go(self, name: str) -> None:
        """Show a room."""
        if name != self.current and name in self.client.replica.rooms:
            self.current = name
            self._come_to(name)
        self.redraw()

    def _come_to(self, name: str) -> None:
        room = self.client.replica.rooms.get(name)
        if room is not None:
            view = self.view_of(room)
            view.new_after = room.read if room.unread else None
            self.mark_read()

    def go_by(self, step: int) -> None:
        """Show the next room, or the one before."""
        rooms = self.ordered()
        names = [room.name for room in rooms]
        if self.current in names:
            self.go(names[(names.index(self.current) + step) % len(names)])

    def go_to_new(self) -> None:
        """Show the next room with something new: one that mentions its user first."""
        rooms = [room for room in self.ordered() if room.unread and room.name != self.current]
        rooms.sort(key=lambda room: not room.mentions)
        if rooms:
            self.go(rooms[0].name)

    def mark_read(self) -> None:
        """What is shown to its end is read."""
        room = self.client.replica.rooms.get(self.current)
        if room is not None and self.view_of(room).follows:
            self.client.replica.read(room.name, room.last)

    # What its user does

    def notice(self, text: str) -> None:
        """Show a text that nobody has said, in the room that is shown."""
        if self.room is not None:
            self._notice_in(self.room.name, text)

    def _notice_in(self, name: str, text: str) -> None:
        room = self.client.replica.rooms.get(name) or self.room
        if room is not None:
            self.view_of(room).notice(text)
        self.redraw()

    def scroll(self, move: Callable[[Scrollback], object]) -> None:
        """Move what is shown of the room."""
        view = self.view
        if view is not None:
            move(view)
            self.mark_read()
            self.redraw()

    def enter(self) -> None:
        """Say, or do, what was typed."""
        text = self.input.text
        self.client.retry_now()
        if not text.strip():
            return
        self.input.reset(append_to_history=True)
        if self.view is not None:
            self.view.scroll_to_end()
            self.view.new_after = None
        task = asyncio.create_task(self._commands.do(text.strip()))
        self._under_way.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.notice(f"that failed: {error}")
        self.redraw()

    def leave(self, status: int = 0) -> None:
        """End the chat."""
        if self.app is not None and self.app.is_running:
            self.app.exit(result=status)

    @property
    def state(self) -> tuple[str, str]:
        """How the connection is: a style, and a text."""
        if self.lost is None:
            return "", "connected"
        left = self.again_at - asyncio.get_running_loop().time()
        if left < 0.5:
            return "class:lost", "connecting …"
        return "class:lost", f"reconnecting in {left:.0f} s"
