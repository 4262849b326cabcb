"""The chat on a whole terminal: rooms, messages, an input line. It needs prompt_toolkit."""

from __future__ import annotations

from collections.abc import Callable

from jackfield.errors import ConfigurationError
from jackfield.services.chat.client import Dial


async def show(
    dial: Dial,
    *,
    where: str,
    name: str | None,
    token: str | None,
    room: str | None,
    on_token: Callable[[str, str], None],
) -> int:
    """Run the chat on the terminal until its user leaves; give the exit status.

    where: what the screen calls the board. room: to begin in; the lobby, unless given.
    on_token: called with one's name and a token that the chat gives.
    Raises ConfigurationError where prompt_toolkit is missing, and as `ChatClient.run()`.
    """
    try:
        from jackfield.services.chat.terminal.screen import ChatScreen  # noqa: PLC0415  of an extra
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"prompt_toolkit", "wcwidth"}:
            raise
        raise ConfigurationError(
            "the full screen needs prompt_toolkit: pip install 'jackfield[board]', or use --plain"
        ) from None
    screen = ChatScreen(dial, where=where, name=name, token=token, on_token=on_token)
    return await screen.run(room)
