"""The keys of the full screen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from prompt_toolkit.application import get_app
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import CompleteEvent, get_common_complete_suffix
from prompt_toolkit.filters import Always, Condition, Filter
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.utils import suspend_to_background_supported

from jackfield.services.chat.terminal.scrollback import Scrollback

INTERRUPTED = 130
"""The exit status of who leaves by Ctrl-C."""


class Keyed(Protocol):
    """The screen, as keys use it."""

    input: Buffer

    def scroll(self, move: Callable[[Scrollback], object]) -> None:
        """Move what is shown."""

    def go_by(self, step: int) -> None:
        """Show another room."""

    def go_to_new(self) -> None:
        """Show one with something new."""

    def enter(self) -> None:
        """Say what was typed."""

    def leave(self, status: int = 0) -> None:
        """End the chat."""


def bindings(screen: Keyed) -> KeyBindings:
    """Bind the keys, beside those that edit a line as Emacs and readline have them."""
    typed = screen.input
    offered = Condition(lambda: typed.complete_state is not None)
    chosen = Condition(
        lambda: (
            typed.complete_state is not None and typed.complete_state.current_completion is not None
        )
    )
    nothing = Condition(lambda: not typed.text)
    table: list[tuple[str, Filter, Callable[[], object]]] = [
        ("enter", ~chosen, screen.enter),
        ("enter", chosen, lambda: _choose(screen)),
        ("escape enter", Always(), lambda: typed.insert_text("\n")),
        ("tab", ~offered, lambda: _complete(typed)),
        ("tab", offered, typed.complete_next),
        ("s-tab", offered, typed.complete_previous),
        ("c-c", Always(), lambda: screen.leave(INTERRUPTED)),
        ("c-d", nothing, screen.leave),
        ("c-n", Always(), lambda: screen.go_by(1)),
        ("c-p", Always(), lambda: screen.go_by(-1)),
        ("escape down", Always(), lambda: screen.go_by(1)),
        ("escape up", Always(), lambda: screen.go_by(-1)),
        ("escape a", Always(), screen.go_to_new),
        ("c-k", Always(), lambda: _offer_rooms(typed)),
        ("pageup", Always(), lambda: screen.scroll(lambda view: view.scroll_page(-1))),
        ("pagedown", Always(), lambda: screen.scroll(lambda view: view.scroll_page(1))),
        ("c-home", Always(), lambda: screen.scroll(Scrollback.scroll_to_start)),
        ("c-end", Always(), lambda: screen.scroll(Scrollback.scroll_to_end)),
        ("c-z", Condition(suspend_to_background_supported), _suspend),
        ("c-l", Always(), _redraw),
    ]
    keys = KeyBindings()
    for key, when, do in table:
        keys.add(*key.split(), filter=when, eager=True)(_doing(do))
    return keys


def _doing(do: Callable[[], object]) -> Callable[[KeyPressEvent], None]:
    def handle(_: KeyPressEvent) -> None:
        do()

    return handle


def _complete(typed: Buffer) -> None:
    """Complete as far as there is but one way; else offer all."""
    asked = CompleteEvent(completion_requested=True)
    found = list(typed.completer.get_completions(typed.document, asked))
    if len(found) == 1:
        typed.apply_completion(found[0])
    elif common := get_common_complete_suffix(typed.document, found):
        typed.insert_text(common)
    elif found:
        typed.start_completion()


def _choose(screen: Keyed) -> None:
    """Take what is chosen of the completions; a room is gone to at once."""
    screen.input.complete_state = None
    if screen.input.text.startswith("/go "):
        screen.enter()


def _offer_rooms(typed: Buffer) -> None:
    typed.text = "/go "
    typed.cursor_position = len(typed.text)
    typed.start_completion()


def _suspend() -> None:
    get_app().suspend_to_background()


def _redraw() -> None:
    get_app().renderer.clear()
