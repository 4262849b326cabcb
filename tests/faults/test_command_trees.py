"""However a call ends, all that it has started is gone: by the time that its end is told."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from jackfield.events import CommandEnded
from jackfield.net.connection import Connection
from jackfield.services.commands import wire
from jackfield.services.commands.client import CommandClient
from jackfield.services.commands.wire import Exit, Run
from tests.live import PATIENCE, Live
from tests.remote import (
    Clinging,
    Output,
    below,
    client_of,
    command_of,
    python_policy,
    served,
    wait_until,
)

GRACE = 'limits = { grace = "100ms" }'
End = Callable[[Live, CommandClient, Connection[Any], Path], Coroutine[Any, Any, None]]


async def by_stopping(
    live: Live, client: CommandClient, conn: Connection[Any], folder: Path
) -> None:
    await client.stop()


async def by_cutting(
    live: Live, client: CommandClient, conn: Connection[Any], folder: Path
) -> None:
    conn.abort()


async def by_leaving(
    live: Live, client: CommandClient, conn: Connection[Any], folder: Path
) -> None:
    await conn.send_eof()


async def by_nonsense(
    live: Live, client: CommandClient, conn: Connection[Any], folder: Path
) -> None:
    await conn.send("nonsense")


async def by_the_server_stopping(
    live: Live, client: CommandClient, conn: Connection[Any], folder: Path
) -> None:
    await asyncio.to_thread(live.stop)


async def by_the_server_being_cut(
    live: Live, client: CommandClient, conn: Connection[Any], folder: Path
) -> None:
    await asyncio.to_thread(live.stop, 0.0)


async def by_being_revoked(
    live: Live, client: CommandClient, conn: Connection[Any], folder: Path
) -> None:
    (folder / "policy.toml").write_text("")
    await asyncio.to_thread(live.wait_for, live.server.reload())


async def by_killing_the_supervisor(
    live: Live, client: CommandClient, conn: Connection[Any], folder: Path
) -> None:
    os.kill(_supervisor(folder), signal.SIGKILL)


async def by_killing_helper_and_supervisor(
    live: Live, client: CommandClient, conn: Connection[Any], folder: Path
) -> None:
    os.kill(_parent(_supervisor(folder)), signal.SIGKILL)
    conn.abort()


def _supervisor(folder: Path) -> int:
    """Give the parent of the program: those that have just forked twice may have another still."""
    parents = map(_parent, Clinging.last[folder])
    return next(pid for pid in parents if "commands.helper" in command_of(pid))


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


WAYS: dict[str, tuple[End, str]] = {
    "stop": (by_stopping, "stopped"),
    "cut": (by_cutting, "client lost"),
    "left": (by_leaving, "client lost"),
    "nonsense": (by_nonsense, "client lost"),
    "server stopped": (by_the_server_stopping, "server stopped"),
    "server cut": (by_the_server_being_cut, "lost"),
    "revoked": (by_being_revoked, "revoked"),
    "supervisor killed": (by_killing_the_supervisor, "lost"),
    "helper killed": (by_killing_helper_and_supervisor, "client lost"),
}


async def ended(live: Live, clinging: Clinging, end: End, folder: Path) -> Exit | None:
    """Run it, end it, and give what the client was told; None where it was told nothing."""
    async with asyncio.timeout(PATIENCE * 2), client_of(live.endpoints[0]) as (client, conn):
        run = client.run(Run(clinging.args()), None, Output().put)
        running = asyncio.create_task(run)
        await asyncio.to_thread(clinging.await_all)
        Clinging.last[folder] = clinging.pids()
        await end(live, client, conn, folder)
        try:
            return await running
        except Exception:
            return None


@pytest.mark.some(6)
@pytest.mark.parametrize("cgroups", [False, True], ids=["alone", "cgroup"])
@pytest.mark.parametrize("way", WAYS)
def test_the_whole_tree_is_gone(tmp_path: Path, way: str, cgroups: bool) -> None:
    end, why = WAYS[way]
    clinging = Clinging(tmp_path)
    with served(tmp_path, GRACE, cgroups=cgroups) as live:
        told = asyncio.run(ended(live, clinging, end, tmp_path))
        if told is not None and told.why != "lost":
            assert clinging.alive() == []  # at once: it was told that all of it is over
            assert (told.why, told.signal) == (why, "KILL")
            assert told.killed >= clinging.count + 1
        wait_until(lambda: clinging.alive() == [])
        event = live.await_event(CommandEnded)
        assert event.why == why
        assert event.who == "me"
    assert len(clinging.pids()) == clinging.count + 1


@pytest.mark.parametrize("cgroups", [False, True], ids=["alone", "cgroup"])
def test_what_a_program_leaves_behind_is_ended_with_it(tmp_path: Path, cgroups: bool) -> None:
    clinging = Clinging(tmp_path)
    with served(tmp_path, GRACE, cgroups=cgroups) as live:

        async def run() -> Exit:
            async with asyncio.timeout(PATIENCE * 2), client_of(live.endpoints[0]) as (client, _):
                args = clinging.args(stays=False)
                return await client.run(Run(args), None, Output().put)

        over = asyncio.run(run())
        assert clinging.alive() == []
    assert (over.status, over.why) == (0, "exit")
    assert over.killed == clinging.count


@pytest.mark.some(1)
@pytest.mark.parametrize("cgroups", [False, True], ids=["alone", "cgroup"])
def test_its_time_is_bounded(tmp_path: Path, cgroups: bool) -> None:
    clinging = Clinging(tmp_path)
    limits = 'limits = { grace = "100ms", time = "1500ms" }'
    with served(tmp_path, limits, cgroups=cgroups) as live:

        async def run() -> Exit:
            async with asyncio.timeout(PATIENCE * 2), client_of(live.endpoints[0]) as (client, _):
                return await client.run(Run(clinging.args(), timeout=3600), None, Output().put)

        over = asyncio.run(run())
        assert clinging.alive() == []
    assert (over.signal, over.why) == ("KILL", "timeout")


def test_nothing_is_left_of_a_server_that_stops(tmp_path: Path) -> None:
    """Neither the helper nor a supervisor that waits for a call."""
    with served(tmp_path) as live:

        async def run() -> None:
            async with client_of(live.endpoints[0]) as (client, _):
                await client.run(Run(("sh", "-c", "true")), None, Output().put)

        asyncio.run(run())
        wait_until(lambda: len(_helpers()) >= 3)
        helpers = _helpers()
    wait_until(lambda: not any("commands.helper" in command_of(pid) for pid in helpers))


def _helpers() -> list[int]:
    return [pid for pid in below(os.getpid()) if "commands.helper" in command_of(pid)]


def test_a_program_that_has_ended_well_is_ended_by_nobody(tmp_path: Path) -> None:
    python_policy(tmp_path)
    with served(tmp_path) as live:

        async def run() -> Exit:
            async with client_of(live.endpoints[0]) as (client, _):
                args = ("sh", "-c", "sleep 0.1 & wait; exit 3")
                return await client.run(Run(args), None, Output().put)

        over = asyncio.run(run())
    assert (over.status, over.signal, over.why, over.killed) == (3, None, "exit", 0)
    assert wire.STDIN == 0
