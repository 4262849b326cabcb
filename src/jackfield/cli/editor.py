"""A line being typed: keys in, lines out. No terminal, no I/O.

The rules this file owns:

1. Bytes of a terminal become keys: characters, controls, and the escape sequences of
   ECMA-48 that terminals send for other keys. What means nothing here is dropped.
2. Keys do what readline's emacs mode does with them; Ctrl-D in an empty line is the end.
3. The line is shown in one row, however long it is: the part around the cursor.
4. Lines typed before come back with Up and Down; they live as long as the command.
"""

from __future__ import annotations

import codecs
import re
from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import ClassVar

from jackfield.visible import first_columns, last_columns, width

MAX_LINE = 64 * 1024
"""Characters in a line being typed; more are dropped."""

MAX_HISTORY = 500

_SEQUENCE = re.compile("\x1b(\\[[0-9;?]*[ -/]*[@-~]|O.|[^\\[O\x1b])")
_UNFINISHED = re.compile("\x1b(\\[[0-9;?]*[ -/]*|O)?")
_SHOWN_TAB = "    "


class Signal(Enum):
    """What is typed that is no line."""

    END = "Ctrl-D in an empty line"
    CLEAR = "Ctrl-L"


class LineEditor:
    """The line at the foot of a terminal.

    encoding: the terminal's.
    prompt: what stands before it; its owner sets it.
    """

    def __init__(self, encoding: str = "utf-8") -> None:
        self.prompt = ""
        self._text = ""
        self._cursor = 0
        self._history: deque[str] = deque(maxlen=MAX_HISTORY)
        self._at = 0  # where in the history; its length for the line being typed
        self._kept = ""  # the line being typed, while an older one is shown
        self._killed = ""
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")
        self._keys = ""  # typed, and not understood yet

    @property
    def text(self) -> str:
        """What is typed so far."""
        return self._text

    def feed(self, data: bytes) -> list[str | Signal]:
        """Take what was typed; give the lines it completes, and signals, in order."""
        self._keys += self._decoder.decode(data)
        done: list[str | Signal] = []
        while self._keys:
            key = self._next_key()
            if not key:
                break
            found = self._press(key)
            if found is not None:
                done.append(found)
        return done

    def _next_key(self) -> str:
        """Take a key off what was typed; empty when the rest of it has yet to come."""
        keys = self._keys
        if keys[0] != "\x1b":
            key = keys[0]
        elif found := _SEQUENCE.match(keys):
            key = found[0]
        elif _UNFINISHED.fullmatch(keys):
            return ""
        else:
            key = keys[0]
        self._keys = keys[len(key) :]
        return key

    def _press(self, key: str) -> str | Signal | None:
        if key in {"\r", "\n"}:
            return self._enter()
        if key == "\x04" and not self._text:
            return Signal.END
        if key == "\x0c":
            return Signal.CLEAR
        action = self._ACTIONS.get(key)
        if action is not None:
            action(self)
        elif len(key) == 1 and (key == "\t" or key.isprintable() or key == "\u3000"):
            self._insert(key)
        return None

    def _enter(self) -> str:
        line = self._text
        if line and (not self._history or self._history[-1] != line):
            self._history.append(line)
        self._at = len(self._history)
        self._text = ""
        self._cursor = 0
        return line

    def _insert(self, text: str) -> None:
        if len(self._text) < MAX_LINE:
            self._text = self._text[: self._cursor] + text + self._text[self._cursor :]
            self._cursor += len(text)

    # What keys do

    def _left(self) -> None:
        self._cursor = max(0, self._cursor - 1)

    def _right(self) -> None:
        self._cursor = min(len(self._text), self._cursor + 1)

    def _home(self) -> None:
        self._cursor = 0

    def _end(self) -> None:
        self._cursor = len(self._text)

    def _word_left(self) -> None:
        before = self._text[: self._cursor].rstrip()
        self._cursor = len(before) - len(_last_word(before))

    def _word_right(self) -> None:
        after = self._text[self._cursor :]
        rest = after.lstrip()
        word = rest.split(maxsplit=1)[0] if rest else ""
        self._cursor += len(after) - len(rest) + len(word)

    def _cut(self, start: int, end: int, *, keep: bool = True) -> None:
        if keep and start < end:
            self._killed = self._text[start:end]
        self._text = self._text[:start] + self._text[end:]
        self._cursor = start

    def _backspace(self) -> None:
        self._cut(max(0, self._cursor - 1), self._cursor, keep=False)

    def _delete(self) -> None:
        self._cut(self._cursor, self._cursor + 1, keep=False)

    def _kill_to_start(self) -> None:
        self._cut(0, self._cursor)

    def _kill_to_end(self) -> None:
        self._cut(self._cursor, len(self._text))

    def _kill_word(self) -> None:
        end = self._cursor
        self._word_left()
        self._cut(self._cursor, end)

    def _yank(self) -> None:
        self._insert(self._killed)

    def _older(self) -> None:
        self._show_history(self._at - 1)

    def _newer(self) -> None:
        self._show_history(self._at + 1)

    def _show_history(self, at: int) -> None:
        if not 0 <= at <= len(self._history):
            return
        if self._at == len(self._history):
            self._kept = self._text
        self._at = at
        self._text = self._kept if at == len(self._history) else self._history[at]
        self._end()

    _ACTIONS: ClassVar[dict[str, Callable[[LineEditor], None]]] = {
        **dict.fromkeys(("\x02", "\x1b[D", "\x1bOD"), _left),
        **dict.fromkeys(("\x06", "\x1b[C", "\x1bOC"), _right),
        **dict.fromkeys(("\x01", "\x1b[H", "\x1bOH", "\x1b[1~", "\x1b[7~"), _home),
        **dict.fromkeys(("\x05", "\x1b[F", "\x1bOF", "\x1b[4~", "\x1b[8~"), _end),
        **dict.fromkeys(("\x1bb", "\x1b[1;5D", "\x1b[1;3D"), _word_left),
        **dict.fromkeys(("\x1bf", "\x1b[1;5C", "\x1b[1;3C"), _word_right),
        **dict.fromkeys(("\x7f", "\x08"), _backspace),
        **dict.fromkeys(("\x04", "\x1b[3~"), _delete),
        **dict.fromkeys(("\x17", "\x1b\x7f"), _kill_word),
        **dict.fromkeys(("\x10", "\x1b[A", "\x1bOA"), _older),
        **dict.fromkeys(("\x0e", "\x1b[B", "\x1bOB"), _newer),
        "\x15": _kill_to_start,
        "\x0b": _kill_to_end,
        "\x19": _yank,
    }
    """What each key does, in the spellings of the terminals there are."""

    # What is to be seen

    def view(self, columns: int) -> tuple[str, str, int]:
        """Give what fits into one row: the prompt, the text, and the cursor's column."""
        prompt = last_columns(self.prompt.replace("\t", _SHOWN_TAB), columns // 2)
        room = columns - width(prompt) - 1
        before = self._text[: self._cursor].replace("\t", _SHOWN_TAB)
        after = self._text[self._cursor :].replace("\t", _SHOWN_TAB)
        if width(before) + width(after) > room:
            ahead = first_columns(after, room // 4)
            before = last_columns(before, room - width(ahead))
            after = first_columns(after, room - width(before))
        return prompt, before + after, width(prompt) + width(before)


def _last_word(text: str) -> str:
    return text.rsplit(maxsplit=1)[-1] if text.strip() else ""
