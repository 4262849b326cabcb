"""What is shown of a room: its messages in rows of a screen, and where one has scrolled to.

The rules this file owns:

1. Where one has scrolled to is a row of a message, by the message's number: what comes below it,
   or is loaded above it, moves nothing on the screen.
2. Only the rows that are shown are made; a message's are kept until the width changes.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable
from zlib import crc32

from jackfield.services.chat import words
from jackfield.services.chat.history import Message
from jackfield.services.chat.known import KnownRoom, Unsent
from jackfield.services.chat.terminal.wrapping import cut, seen, seen_line, width, wrapped
from jackfield.services.chat.words import key_of

Row = list[tuple[str, str]]
"""A row of the screen: parts, each a style and a text."""

INDENT = 6
"""Columns before every row of a message but its first: those of the time."""

MOST_NOTICES = 200
"""Notices in a room; older ones are dropped."""

MOST_ROWS = 4000
"""Messages whose rows are kept."""

AUTHORS = 5
"""Colours of names."""

_HEAD = -1


def author_style(name: str) -> str:
    """Give the style of a person's name: always the same for the same one."""
    return f"class:author{crc32(key_of(name).encode()) % AUTHORS}"


class Scrollback:
    """One room on the screen.

    me: one's own name, by which mentions are told. unsent: gives one's own messages in this room
    that are not kept yet.
    new_after: the number after which messages were new when one came to look; None for no mark.
    wants_older: whether the first message here was in sight at the last view.
    """

    def __init__(
        self, room: KnownRoom, me: Callable[[], str], unsent: Callable[[], list[Unsent]]
    ) -> None:
        self.room = room
        self.new_after: int | None = None
        self.wants_older = False
        self._me = me
        self._unsent = unsent
        self._notices: dict[int, list[str]] = {}
        self._anchor: tuple[int, int] | None = None  # a message's number, and a row of it
        self._columns = self._height = 0
        self._kept: dict[int, list[Row]] = {}

    @property
    def follows(self) -> bool:
        """Whether the newest message is shown, and those to come."""
        return self._anchor is None

    def notice(self, text: str) -> None:
        """Show a text that nobody has said, after what was said last."""
        first, *rest = text.split("\n")
        notices = self._notices.setdefault(self.room.newest, [])
        notices += [f"* {first}", *(f"  {line}" for line in rest)]
        del notices[:-MOST_NOTICES]
        if len(self._notices) > MOST_NOTICES:
            del self._notices[min(self._notices)]

    def forget(self) -> None:
        """The room has begun anew."""
        self._kept.clear()
        self._notices.clear()
        self._anchor = self.new_after = None

    # What is shown

    def view(self, columns: int, height: int) -> list[Row]:
        """Give the rows to show, `height` or fewer."""
        if columns != self._columns or len(self._kept) > MOST_ROWS:
            self._kept.clear()
        self._columns, self._height = columns, height
        index, row = self._position()
        rows = self._block(index)[: row + 1]
        while len(rows) < height and index > _HEAD:
            index -= 1
            rows = self._block(index) + rows
        self.wants_older = index <= 0
        return rows[-height:] if height else []

    def scroll(self, rows: int) -> None:
        """Move what is shown by so many rows: up, into the past, where they are below 0."""
        if rows < 0:
            self._up(-rows)
            missing = self._height - self._rows_above()
            if missing > 0:
                self._down(missing)
        else:
            self._down(rows)

    def scroll_page(self, pages: int) -> None:
        """Move by pages, of which two rows stay in sight."""
        self.scroll(pages * max(1, self._height - 2))

    def scroll_to_end(self) -> None:
        """Show the newest message, and those to come."""
        self._anchor = None

    def scroll_to_start(self) -> None:
        """Show the first message that is here."""
        self._anchor = _HEAD, len(self._block(_HEAD)) - 1
        self.scroll(-1)

    def _position(self) -> tuple[int, int]:
        """Give the block and the row in it that are the last ones shown."""
        messages = self.room.messages
        if self._anchor is None:
            return len(messages), len(self._block(len(messages))) - 1
        number, row = self._anchor
        index = _HEAD
        if number >= 0:
            index = bisect_left(messages, number, key=lambda one: one.number)
            index = min(index, len(messages) - 1)
        return index, min(row, len(self._block(index)) - 1)

    def _set(self, index: int, row: int) -> None:
        messages = self.room.messages
        self._anchor = (messages[index].number if index > _HEAD else _HEAD), row

    def _up(self, rows: int) -> None:
        index, row = self._position()
        while rows > row and index > _HEAD:
            rows -= row + 1
            index -= 1
            row = len(self._block(index)) - 1
        if index < len(self.room.messages):
            self._set(index, max(0, row - rows))
        else:
            self._anchor = None  # within what is not kept yet

    def _down(self, rows: int) -> None:
        index, row = self._position()
        end = len(self.room.messages)
        while index < end:
            left = len(self._block(index)) - 1 - row
            if rows <= left:
                break
            rows -= left + 1
            index, row = index + 1, 0
        if index >= end or (index == end - 1 and row + rows >= len(self._block(index)) - 1):
            self._anchor = None
        else:
            self._set(index, row + rows)

    def _rows_above(self) -> int:
        """Count the rows down to the last one shown, as far as one page."""
        index, row = self._position()
        count = row + 1
        while count < self._height and index > _HEAD:
            index -= 1
            count += len(self._block(index))
        return count

    # Rows

    def _block(self, index: int) -> list[Row]:
        """Give the rows of a message and of what goes with it; beyond both ends, of what is there.

        Before the first one are the notices that are older, after the last what is not kept yet.
        """
        messages = self.room.messages
        if index == _HEAD:
            first = messages[0].number if messages else self.room.newest + 1
            return [
                row
                for number, texts in sorted(self._notices.items())
                if number < first
                for row in self._noticed(texts)
            ]
        if index == len(messages):
            return [row for unsent in self._unsent() for row in self._waiting(unsent)]
        message = messages[index]
        before = messages[index - 1] if index else None
        rows: list[Row] = []
        if before is None or _day(before.at) != _day(message.at):
            rows.append(self._ruled(_day(message.at), "class:day"))
        new = self.new_after
        if new is not None and message.number > new and (before is None or before.number <= new):
            rows.append(self._ruled("new", "class:new"))
        kept = self._kept.get(message.number)
        if kept is None:
            kept = self._kept[message.number] = self._said(message)
        return rows + kept + self._noticed(self._notices.get(message.number, []))

    def _said(self, message: Message) -> list[Row]:
        mine = key_of(message.author) == key_of(self._me())
        mentioned = not mine and key_of(self._me()) in words.mentions_in(message.text)
        style = "class:mentioned" if mentioned else ""
        when = time.strftime("%H:%M ", time.localtime(message.at))
        name = "class:me" if mine else author_style(message.author)
        return self._rows(("class:time", when), (name, message.author), (style, message.text))

    def _waiting(self, unsent: Unsent) -> list[Row]:
        style = "class:unsent"
        return self._rows((style, "    … "), (style, self._me()), (style, unsent.text))

    def _rows(
        self, when: tuple[str, str], who: tuple[str, str], what: tuple[str, str]
    ) -> list[Row]:
        """Make the rows of a time, a name and a text, each with its style."""
        columns = max(2, self._columns)
        indent = INDENT if columns >= 4 * INDENT else 0
        name = cut(seen_line(who[1]), max(1, columns - INDENT - 2))
        used = INDENT + width(name) + 2 - indent
        style, text = what
        rows: list[Row] = []
        for line in seen(text).split("\n"):
            for part in wrapped(line, columns - indent, 0 if rows else used):
                if rows:
                    rows.append([("", " " * indent), (style, part)])
                else:
                    rows.append([when, (who[0], name), ("", ": "), (style, part)])
        return rows

    def _noticed(self, texts: list[str]) -> list[Row]:
        columns = max(4, self._columns)
        rows: list[Row] = []
        for text in texts:
            for number, part in enumerate(wrapped(seen_line(text[2:]), columns - 2)):
                rows.append([("class:notice", ("  " if number else text[:2]) + part)])
        return rows

    def _ruled(self, text: str, style: str) -> Row:
        """Make a row that divides: a text with a line on both sides."""
        text = cut(f" {text} ", max(2, self._columns - 2))
        left = max(0, self._columns - width(text)) // 2
        right = max(0, self._columns - width(text) - left)
        return [(style, "─" * left + text + "─" * right)]


def _day(at: float) -> str:
    when = time.localtime(at)
    return f"{time.strftime('%A', when)} {when.tm_mday} {time.strftime('%B %Y', when)}"
