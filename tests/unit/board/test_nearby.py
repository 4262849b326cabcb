"""Boards on one network: two ends of it on loopback, by real multicast."""

from __future__ import annotations

import gc
import time

import pytest

from jackfield.board.nearby import Announcement, Heard, hear
from jackfield.endpoints import parse
from jackfield.errors import Unreachable
from tests.live import PATIENCE, in_loop

HERE = ("127.0.0.1",)
OURS = {"The lab 实验室", "Class [2J 2b"}


async def announced(name: str, url: str) -> Announcement:
    announcement = Announcement(name, parse(url), HERE)
    try:
        await announcement.start()
    except Unreachable as error:
        pytest.skip(f"this machine's loopback takes no multicast: {error}")
    return announcement


async def heard(*, least: int) -> dict[str, Heard]:
    """Listen until so many have been heard, or for as long as a test may wait."""
    found: dict[str, Heard] = {}
    end = time.monotonic() + PATIENCE
    while len(found) < least and time.monotonic() < end:
        found |= {one.name: one for one in await hear(1, HERE) if one.name in OURS}
    return found


@in_loop
async def test_a_board_is_heard_until_it_stops() -> None:
    first = await announced("The lab 实验室", "tls://0.0.0.0:7443")
    second = await announced("Class \x1b[2J 2b", "tcp://127.0.0.1:7080")
    try:
        found = await heard(least=2)
        assert found["The lab 实验室"].endpoint == parse("wss://127.0.0.1:7443/chat")
        assert found["Class [2J 2b"].endpoint == parse("ws://127.0.0.1:7080/chat")
    finally:
        await first.stop()
        await second.stop()
        await second.stop()
    assert not OURS & {one.name for one in await hear(0.5, HERE)}


# zeroconf leaves a socket that it could not use to the collector
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@in_loop
async def test_an_interface_that_is_not_there_is_told_in_words() -> None:
    with pytest.raises(Unreachable, match="multicast"):
        await hear(0.1, ("192.0.2.1",))
    gc.collect()
