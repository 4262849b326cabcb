"""What goes past its bounds ends itself, and disturbs no other call."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pwd
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from jackfield import connect
from jackfield.errors import ConfigurationError, EndOfStream
from jackfield.events import CommandEnded, CommandRefused, Refused
from jackfield.services.commands import wire
from jackfield.services.commands.client import CommandClient, NotAllowed
from jackfield.services.commands.wire import WINDOW, Exit, Run
from tests.live import PATIENCE, Live
from tests.remote import (
    Output,
    client_of,
    command_of,
    python_policy,
    ran,
    served,
    service_of,
    wait_until,
)

SLEEP = f"sleep 61.{os.getpid()}"
"""Tells the processes of one test from those of others, which run at the same time."""

BOMB = f"bomb() {{ [ $1 -gt 0 ] && {{ bomb $(($1-1)) & bomb $(($1-1)) & }}; {SLEEP}; }}; bomb 11"
"""Doubles far past any bound, and yet not for ever: nobody limits the processes of root."""

MANY = 4000
"""Processes of a bomb before it is ended: half of what it would have, on a machine that is busy. It
is a few hundred else."""

HOG = """
kept = []
while True:
    kept.append(b"x" * 10_000_000)
"""
ENDLESS = """
import os
while True:
    os.write(1, b"x" * 65536)
"""


def python(text: str) -> tuple[str, ...]:
    return sys.executable, "-I", "-S", "-c", text


ROUNDS = 20
SLOWEST = 5.0
"""Seconds for an answer of a call that is not disturbed, on a machine that is busy."""


class Good:
    """A call that starts a program for each line of its input, and answers it then."""

    TEXT = "while read line; do /bin/true || exit 1; echo $line; done"

    def __init__(self) -> None:
        self.output = Output()
        self.is_enough = asyncio.Event()
        self.answered = asyncio.Event()
        self.asked = 0
        self.slowest = 0.0
        self._news = asyncio.Event()

    async def run(self, client: CommandClient) -> Exit:
        """Run it until that is enough, and so many lines were answered."""
        return await client.run(Run(("sh", "-c", self.TEXT)), self._read, self._put)

    async def _read(self, size: int) -> bytes:
        began = time.monotonic()
        while self.output.out.count(b"\n") < self.asked:
            self._news.clear()
            await self._news.wait()
        if self.asked:
            self.answered.set()
            self.slowest = max(self.slowest, time.monotonic() - began)
        if self.is_enough.is_set() and self.asked >= ROUNDS:
            return b""
        self.asked += 1
        return b"%d\n" % self.asked

    async def _put(self, stream: int, data: bytes) -> None:
        await self.output.put(stream, data)
        self._news.set()


def beside(live: Live, *args: str, taken: int | None = None) -> Exit:
    """Run something bad, beside something good that runs before it, meanwhile and after it.

    taken: bytes of its output after which the bad one is stopped. Give how that one has ended.
    """

    async def run() -> Exit:
        at = live.endpoints[0]
        good, size = Good(), 0
        async with (
            asyncio.timeout(PATIENCE * 2),
            client_of(at) as (bad, _),
            client_of(at) as (other, _),
        ):

            async def put(_: int, data: bytes) -> None:
                nonlocal size
                size += len(data)
                if taken is not None and size >= taken > size - len(data):
                    await bad.stop()

            going = asyncio.create_task(good.run(other))
            await good.answered.wait()
            over = await bad.run(Run(args, timeout=PATIENCE), None, put)
            good.is_enough.set()
            fine = await going
            assert (fine.status, fine.why) == (0, "exit")
            assert good.output.out.split() == [b"%d" % (one + 1) for one in range(good.asked)]
            assert good.slowest < SLOWEST
            then = Output()
            await other.run(Run(("sh", "-c", "echo fine")), None, then.put)
            assert then.out == b"fine\n"
            return over

    return asyncio.run(run())


@pytest.mark.long  # it starves whatever else runs on the machine
@pytest.mark.skipif(os.getuid() != 0, reason="only a supervisor of root's is in time for certain")
@pytest.mark.parametrize("limits", ["", 'limits = { processes = 30, grace = "50ms" }'])
@pytest.mark.parametrize("user", ["", "nobody"])
@pytest.mark.parametrize("cgroups", [False, True], ids=["alone", "cgroup"])
def test_a_fork_bomb_hurts_only_its_own_call(
    tmp_path: Path, user: str, limits: str, cgroups: bool
) -> None:
    policy = python_policy(tmp_path, top=f'user = "{user}"' if user else "")
    policy.write_text(policy.read_text() + limits)
    with Live(service_of(policy, cgroups=cgroups), f"unix://{tmp_path}/s") as live:
        bad = beside(live, "sh", "-c", BOMB)
        assert bad.why in {"processes", "timeout"}  # counted, or held by the system until then
        assert bad.killed < MANY
        assert _left_of(SLEEP) == []


def _left_of(text: str) -> list[str]:
    """Give what the system says of each process with this in its command line."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal() and text in command_of(int(folder.name)):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                found.append((folder / "stat").read_text()[:60])
    return found


@pytest.mark.long
@pytest.mark.parametrize("limits", ["", 'limits = { memory = "200M", grace = "50ms" }'])
def test_a_memory_hog_hurts_only_its_own_call(tmp_path: Path, limits: str) -> None:
    with served(tmp_path, limits) as live:
        bad = beside(live, *python(HOG))
    # where there is a cgroup it is killed, else it gets no more and fails by itself
    assert (bad.status, bad.why) == (1, "exit") or bad.why == "memory"


def test_endless_output_is_ended_at_its_bound_and_hurts_only_its_own_call(tmp_path: Path) -> None:
    with served(tmp_path, 'limits = { output = "3M", grace = "50ms" }') as live:
        bad = beside(live, *python(ENDLESS))
    assert bad.why == "output"
    assert bad.out == 3 * 1024 * 1024


def test_endless_output_within_the_usual_bound_hurts_nobody_while_it_is_taken(
    tmp_path: Path,
) -> None:
    much = 100 * 1024 * 1024
    with served(tmp_path) as live:
        bad = beside(live, *python(ENDLESS), taken=much)
    assert bad.why == "stopped"
    assert much <= bad.out <= much + 2 * WINDOW


def test_who_does_not_read_lets_the_program_wait_and_nobody_else(tmp_path: Path) -> None:
    with served(tmp_path) as live:

        async def run() -> Exit:
            at = live.endpoints[0]
            async with asyncio.timeout(PATIENCE), connect(at, framing=wire.framing()) as conn:
                await conn.send(wire.encode(wire.Hello()))
                await conn.send(wire.encode(Run(python(ENDLESS))))
                got = 0
                while got < WINDOW:
                    message = await conn.receive()
                    got += len(message) - 1 if isinstance(message, bytes) else 0
                assert got == WINDOW  # to the byte: no more was allowed
                over, out, _ = await asyncio.to_thread(ran, at, "sh", "-c", "echo fine")
                assert (over.status, out) == (0, b"fine\n")
                await conn.send(wire.encode(wire.Stop()))
                while True:
                    message = await conn.receive()
                    said = wire.from_server(message) if isinstance(message, str) else None
                    if isinstance(said, Exit):
                        return said

        over = asyncio.run(run())
    assert (over.why, over.out) == ("stopped", WINDOW)


BREAKS: list[tuple[list[Any], str]] = [
    ([b"\0early"], "the first message is a hello"),
    ([{"do": "run", "args": ["true"]}], "the first message is a hello"),
    ([{"do": "hello", "version": 1}, {"do": "hello", "version": 1}], "a second hello"),
    ([{"do": "hello", "version": 1}, b"\1output"], "data of a client is standard input"),
    ([{"do": "hello", "version": 1}, b""], "data of a client is standard input"),
    ([{"do": "hello", "version": 1}, {"do": "run", "args": ["sh"]}, {"do": "run", "args": ["sh"]}],
     "one command at a time"),
    ([{"do": "hello", "version": 1}, {"do": "run", "args": ["sh"]}, {"do": "end"}, b"\0x"],
     "standard input has ended"),
    ([{"do": "hello", "version": 1}, {"do": "run", "args": ["sh", "-c", "sleep 60"]},
      *[b"\0" + b"x" * 65536] * 22], f"more than {WINDOW} bytes of standard input"),
    ([{"do": "hello", "version": 1}, {"do": "run", "args": ["sh"]},
      {"do": "more", "stream": 1, "bytes": 1}], "room for more than was sent"),
]  # fmt: skip


@pytest.mark.parametrize(("messages", "says"), BREAKS, ids=range(len(BREAKS)))
def test_a_client_that_breaks_the_rules_is_told_and_its_command_ended(
    tmp_path: Path, messages: list[Any], says: str
) -> None:
    with served(tmp_path) as live:

        async def run() -> str:
            last = ""
            at = live.endpoints[0]
            async with asyncio.timeout(PATIENCE), connect(at, framing=wire.framing()) as conn:
                # at once: else the command may have ended before what comes last
                await conn.send_many(
                    one if isinstance(one, bytes) else json.dumps(one) for one in messages
                )
                try:
                    while True:
                        message = await conn.receive()
                        last = message if isinstance(message, str) else last
                except EndOfStream:
                    return last

        assert json.loads(asyncio.run(run()))["why"].startswith(says)
        assert live.await_event(Refused).reason.startswith(says)


def test_a_client_of_another_version_is_told(tmp_path: Path) -> None:
    with served(tmp_path) as live:

        async def run() -> str:
            at = live.endpoints[0]
            async with asyncio.timeout(PATIENCE), connect(at, framing=wire.framing()) as conn:
                await conn.send(json.dumps({"do": "hello", "version": 2}))
                return str(await conn.receive())

        assert "speaks version 1" in asyncio.run(run())


def test_refusals_and_what_cannot_be_started_are_told_and_recorded(tmp_path: Path) -> None:
    policy = python_policy(tmp_path)
    text = policy.read_text()
    text += '[[allow]]\nwho = ["me"]\nprogram = "/no/such"\n'
    text += f'[[allow]]\nwho = ["me"]\nprogram = "{tmp_path}"\nfolder = "/tmp"\n'
    policy.write_text(text)
    link = tmp_path / "link"
    link.symlink_to("/tmp")
    wanted = [
        (
            Run(("uptime", "a b")),
            "uptime is not allowed for me; in policy.toml this would allow it",
        ),
        (Run(("such",)), "/no/such: No such file or directory"),
        (Run((str(tmp_path),)), f"{tmp_path}: Permission denied"),
        (Run(("sh",), env=(("PATH", "/x"),)), "line 13 of policy.toml lets nobody set PATH"),
        (Run((str(tmp_path),), cwd="/etc"), "/etc is not in /tmp, where this may run"),
        (Run((str(tmp_path),), cwd="../etc"), "../etc is not in /tmp"),
        (Run((str(tmp_path),), cwd="/tmp/../etc"), "/tmp/../etc is not in /tmp"),
        (Run(("sh",), cwd="/no/such/folder"), "/no/such/folder: No such file or directory"),
        (Run(("sh",), cwd=str(policy)), f"{policy}: it is no folder, or a link, which is not"),
        (Run(("sh",), cwd=str(link)), f"{link}: it is no folder, or a link, which is not"),
    ]
    with Live(service_of(policy), f"unix://{tmp_path}/s") as live:

        async def run() -> None:
            async with asyncio.timeout(PATIENCE), client_of(live.endpoints[0]) as (client, _):
                for run, says in wanted:
                    with pytest.raises(NotAllowed) as caught:
                        await client.run(run, None, Output().put)
                    assert str(caught.value).startswith(says)
                over = await client.run(Run(("sh", "-c", "exit 5")), None, Output().put)
                assert over.status == 5  # and the connection goes on

        asyncio.run(run())
        refused = live.of(CommandRefused)
        assert [event.reason[:9] for event in refused] == [says[:9] for _, says in wanted]
        assert refused[0].command == "uptime 'a b'"
        assert refused[0].peer == f"unix://{tmp_path}/s"
        assert len(live.of(CommandEnded)) == 1


def test_only_so_many_run_at_a_time(tmp_path: Path) -> None:
    with served(tmp_path, top="at_once = 1") as live:

        async def run() -> None:
            at = live.endpoints[0]
            async with (
                asyncio.timeout(PATIENCE),
                client_of(at) as (one, _),
                client_of(at) as (
                    other,
                    _,
                ),
            ):
                first = asyncio.create_task(
                    one.run(Run(("sh", "-c", "echo; sleep 60")), None, (output := Output()).put)
                )
                await asyncio.to_thread(wait_until, lambda: output.out)
                with pytest.raises(NotAllowed, match="too many commands run at the moment"):
                    await other.run(Run(("sh", "-c", "exit 1")), None, Output().put)
                await one.stop()
                await first
                over = await other.run(Run(("sh", "-c", "exit 1")), None, Output().put)
                assert over.status == 1

        asyncio.run(run())


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_it_runs_as_the_user_that_the_policy_names(tmp_path: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    with served(tmp_path, top='user = "nobody"') as live:
        text = "id -u; id -g; id -G; echo $HOME; cat /etc/shadow 2>&1 | tail -c 18"
        over, out, _ = ran(live.endpoints[0], "sh", "-c", text)
    assert over.status == 0
    groups = " ".join(map(str, os.getgrouplist("nobody", nobody.pw_gid)))
    told = f"{nobody.pw_uid}\n{nobody.pw_gid}\n{groups}\n{nobody.pw_dir}\nPermission denied\n"
    assert out.decode() == told


def test_a_user_that_there_is_not_is_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no such user here"):
        service_of(python_policy(tmp_path, top='user = "no-such-user"'))
