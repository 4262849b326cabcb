"""Where everything is on the screen, and in which style."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from prompt_toolkit.application import get_app
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.data_structures import Point
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.layout import (
    BufferControl,
    ConditionalContainer,
    Dimension,
    Float,
    FloatContainer,
    FormattedTextControl,
    HSplit,
    Layout,
    UIContent,
    UIControl,
    VSplit,
    Window,
)
from prompt_toolkit.layout.menus import CompletionsMenu
from prompt_toolkit.layout.processors import BeforeInput
from prompt_toolkit.mouse_events import MouseEvent, MouseEventType
from prompt_toolkit.styles import Attrs, Style

from jackfield.services.chat.client import ChatClient, Lost
from jackfield.services.chat.known import KnownRoom
from jackfield.services.chat.terminal.scrollback import Scrollback
from jackfield.services.chat.terminal.wrapping import cut, seen_line, width

NARROW = 60
"""Columns of a terminal below which the rooms at the side are left out."""

SIDE = 20
"""Columns of the rooms at the side."""

WHEEL = 3
"""Rows that a step of the mouse wheel scrolls."""

_DIM = "dim" if "dim" in Attrs._fields else ""  # not in every prompt_toolkit that will do

STYLE = Style.from_dict(
    {
        # The terminal's own colours, which its user has chosen; those that are hard to read on
        # black or on white (blue, bright yellow) are left out.
        "author0": "bold ansicyan",
        "author1": "bold ansigreen",
        "author2": "bold ansimagenta",
        "author3": "bold ansiyellow",
        "author4": "bold ansired",
        "me": "bold",
        "time": _DIM,
        "day": _DIM,
        "new": "bold ansired",
        "notice": "italic",
        "unsent": _DIM,
        "mentioned": "bold",
        "current": "reverse",
        "unread": "bold",
        "mentions": "bold ansired",
        "bar": "reverse",
        "lost": "bold",
        "border": _DIM,
        "completion-menu": "noreverse bg:default default",
        "completion-menu.completion": "bg:default default",
        "completion-menu.completion.current": "reverse bg:default default",
        "scrollbar.background": "",
        "scrollbar.button": "reverse",
    }
)


class Shown(Protocol):
    """The screen, as its panes use it."""

    where: str
    client: ChatClient
    current: str
    lost: Lost | None
    input: Buffer

    @property
    def room(self) -> KnownRoom | None:
        """The room that is shown."""

    @property
    def view(self) -> Scrollback | None:
        """What is shown of it."""

    @property
    def state(self) -> tuple[str, str]:
        """How the connection is."""

    def ordered(self) -> list[KnownRoom]:
        """All rooms."""

    def go(self, name: str) -> None:
        """Show a room."""

    def scroll(self, move: Callable[[Scrollback], object]) -> None:
        """Move what is shown."""


def layout(screen: Shown) -> Layout:
    """Lay the screen out."""
    panes = _Panes(screen)
    side = VSplit(
        [
            Window(
                FormattedTextControl(panes.rooms, show_cursor=False),
                width=SIDE,
                always_hide_cursor=True,
            ),
            Window(width=1, char="│", style="class:border"),
        ]
    )
    wide = Condition(lambda: get_app().output.get_size().columns >= NARROW)
    messages = HSplit([_line(panes.title), Window(Messages(screen), wrap_lines=False)])
    typing = Window(
        BufferControl(screen.input, input_processors=[BeforeInput("> ")]),
        height=Dimension(min=1, max=6),
        wrap_lines=True,
        dont_extend_height=True,
    )
    menu = Float(CompletionsMenu(max_height=8), xcursor=True, ycursor=True)
    body = HSplit(
        [
            VSplit([ConditionalContainer(side, wide), messages]),
            _line(panes.status),
            typing,
        ]
    )
    return Layout(FloatContainer(body, [menu]), focused_element=typing)


def _line(parts: Callable[[], StyleAndTextTuples]) -> Window:
    return Window(FormattedTextControl(parts), height=1, style="class:bar")


class _Panes:
    """The texts of the panes."""

    def __init__(self, screen: Shown) -> None:
        self._screen = screen

    def rooms(self) -> StyleAndTextTuples:
        """Give the rooms, with how much of each is unread."""
        parts: StyleAndTextTuples = []
        for room in self._screen.ordered():
            current = room.name == self._screen.current
            called = room.unread if room.kind == "direct" else room.mentions
            marks = f" @{min(called, 999)}" if called else ""
            unread = room.unread - called
            count = f" {min(unread, 999)}" if unread > 0 else ""
            if current:
                marks = count = ""
                parts.append(("[SetCursorPosition]", ""))
            title = cut(seen_line(room.title), SIDE - 2 - len(marks) - len(count))
            space = " " * (SIDE - 1 - width(title) - len(marks) - len(count))
            style = "class:current" if current else "class:unread" if room.unread else ""
            choose = self._choose(room.name)
            parts.append((style, f" {title}{space[:-1]}", choose))
            parts.append(("class:mentions", marks, choose))
            parts.append((style, f"{count} ", choose))
            parts.append(("", "\n", choose))
        return parts

    def _choose(self, name: str) -> Callable[[MouseEvent], None]:
        def choose(event: MouseEvent) -> None:
            if event.event_type == MouseEventType.MOUSE_UP:
                self._screen.go(name)

        return choose

    def title(self) -> StyleAndTextTuples:
        """Give the room's name and topic."""
        room = self._screen.room
        if room is None:
            return [("bold", " no room")]
        topic = f"  {seen_line(room.topic)}" if room.topic else ""
        return [("bold", f" {seen_line(room.title)}"), ("", topic)]

    def status(self) -> StyleAndTextTuples:
        """Give who one is, who else is here, and how the connection is."""
        columns = get_app().output.get_size().columns
        replica = self._screen.client.replica
        style, state = self._screen.state
        lost = self._screen.lost
        room, view = self._screen.room, self._screen.view
        others = [one for one in self._screen.ordered() if one is not room and one.unread]
        parts = [seen_line(replica.name if lost is None else lost.why)]
        if room is not None and room.count and lost is None:
            who = f": {', '.join(room.names)}" if room.names else ""
            parts.append(seen_line(f"{room.count} here{who}"))
        if others and columns < NARROW:
            mentions = sum(one.mentions for one in others)
            unread = sum(one.unread for one in others)
            parts.insert(0, f"{unread} new elsewhere{f', @{mentions}' if mentions else ''}")
        if view is not None and not view.follows:
            new = f", {room.unread} new below" if room is not None and room.unread else ""
            parts.insert(0, f"scrolled back{new}")
        left = cut(" " + " · ".join(parts), columns - width(state) - 3)
        space = " " * max(1, columns - width(left) - width(state) - 1)
        return [("", left), ("", space), (style, state), ("", " ")]


class Messages(UIControl):
    """What was said in the room that is shown."""

    def __init__(self, screen: Shown) -> None:
        self._screen = screen

    def create_content(self, width: int, height: int) -> UIContent:
        """Make the rows; ask for older ones where the first one here is in sight."""
        view = self._screen.view
        rows: list[StyleAndTextTuples] = []
        if view is not None:
            rows = [[*row] for row in view.view(width, height)]
            if view.wants_older:
                self._screen.client.replica.older(view.room.name)
        rows[:0] = [[] for _ in range(height - len(rows))]
        return UIContent(
            get_line=lambda number: rows[number],
            line_count=len(rows),
            cursor_position=Point(0, max(0, len(rows) - 1)),
            show_cursor=False,
        )

    def mouse_handler(self, mouse_event: MouseEvent) -> None:
        """Scroll by the wheel."""
        if mouse_event.event_type == MouseEventType.SCROLL_UP:
            self._screen.scroll(lambda view: view.scroll(-WHEEL))
        elif mouse_event.event_type == MouseEventType.SCROLL_DOWN:
            self._screen.scroll(lambda view: view.scroll(WHEEL))
