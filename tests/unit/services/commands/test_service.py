from __future__ import annotations

import asyncio
import os
import pickle
import signal
from pathlib import Path

import pytest

from jackfield.errors import ConfigurationError
from jackfield.events import CommandEnded, CommandStarted, Event, Reloaded, Warned
from jackfield.models.names import ModelName
from jackfield.service import Service, find
from jackfield.services.commands import wire
from jackfield.services.commands.client import NotAllowed
from jackfield.services.commands.people import Proof
from jackfield.services.commands.service import Commands, Source
from jackfield.services.commands.wire import Run
from jackfield.testing.served import Served
from tests.live import PATIENCE, Live
from tests.remote import Output, client_of, python_policy, ran, service_of, wait_until

URLS = ["tcp://127.0.0.1:0", "unix://FOLDER/s", "ws://127.0.0.1:0/run"]
MODELS: list[ModelName] = ["asyncio", "threads", "inline"]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("url", URLS)
def test_it_runs_on_every_stream_under_every_model(
    tmp_path: Path, url: str, model: ModelName
) -> None:
    service = service_of(python_policy(tmp_path))
    with Live(service, url.replace("FOLDER", str(tmp_path)), model=model) as live:
        data = os.urandom(2_000_000)
        over, out, err = ran(live.endpoints[0], "sh", "-c", "cat; echo x >&2; exit 3", stdin=data)
        assert (over.status, out, err) == (3, data, b"x\n")
        assert (over.in_, over.out, over.err) == (len(data), len(data), 2)
        started, ended = live.await_event(CommandStarted), live.await_event(CommandEnded)
    assert (started.who, started.command) == ("me", "sh -c 'cat; echo x >&2; exit 3'")
    assert (ended.status, ended.received, ended.sent) == (3, len(data), len(data) + 2)


def test_it_runs_in_memory(tmp_path: Path) -> None:
    async def run() -> None:
        async with (
            asyncio.timeout(PATIENCE),
            Served(service_of(python_policy(tmp_path))) as served,
            client_of(served.server.endpoints[0]) as (client, _),
        ):
            output = Output()
            over = await client.run(Run(("sh", "-c", "echo hi")), None, output.put)
            assert (over.status, bytes(output.out)) == (0, b"hi\n")

    asyncio.run(run())


def test_workers_have_helpers_of_their_own_and_read_anew_too(tmp_path: Path) -> None:
    policy = python_policy(tmp_path)
    with Live(service_of(policy), "tcp://127.0.0.1:0", workers=2) as live:
        for _ in range(4):
            assert ran(live.endpoints[0], "sh", "-c", "exit 4")[0].status == 4
        policy.write_text("")
        live.wait_for(live.server.reload(service_of(policy)))
        live.await_event(Reloaded)
        with pytest.raises(NotAllowed, match="sh is not allowed for me"):
            ran(live.endpoints[0], "sh", "-c", "exit 4")


def test_once_workers_are_reloaded_those_of_before_go_by_it_too(tmp_path: Path) -> None:
    policy = python_policy(tmp_path)
    with Live(service_of(policy), "tcp://127.0.0.1:0", workers=2) as live:

        async def run() -> None:
            run = Run(("sh", "-c", "exit 4"))
            async with (
                client_of(live.endpoints[0]) as (one, _),
                client_of(live.endpoints[0]) as (other, _),
            ):
                for client in (one, other):
                    assert (await client.run(run, None, Output().put)).status == 4
                policy.write_text("")
                await live.server.reload(service_of(policy))
                for client in (one, other):
                    with pytest.raises(NotAllowed, match="sh is not allowed for me"):
                        await client.run(run, None, Output().put)

        live.wait_for(run())


def test_commands_follow_one_another_on_a_connection(tmp_path: Path) -> None:
    with Live(service_of(python_policy(tmp_path)), f"unix://{tmp_path}/s") as live:

        async def run() -> list[int | None]:
            async with asyncio.timeout(PATIENCE), client_of(live.endpoints[0]) as (client, _):
                found: list[int | None] = []
                for number in range(20):
                    text = f"exec head -c 100000 /dev/zero; exit {number}"
                    over = await client.run(Run(("sh", "-c", text)), None, Output().put)
                    found.append(over.out)
                    over = await client.run(Run(("sh", "-c", f"exit {number}")), None, Output().put)
                    found.append(over.status)
                return found

        told = asyncio.run(run())
    assert told == [one for number in range(20) for one in (100_000, number)]


def test_many_run_at_once(tmp_path: Path) -> None:
    with Live(service_of(python_policy(tmp_path)), f"unix://{tmp_path}/s") as live:

        async def one(number: int) -> bytes:
            async with client_of(live.endpoints[0]) as (client, _):
                output = Output()
                text = f"sleep 0.1; echo {number}"
                await client.run(Run(("sh", "-c", text)), None, output.put)
                return bytes(output.out)

        async def all_of_them() -> list[bytes]:
            async with asyncio.timeout(PATIENCE * 2):
                return await asyncio.gather(*map(one, range(20)))

        assert asyncio.run(all_of_them()) == [b"%d\n" % number for number in range(20)]


@pytest.mark.parametrize("name", ["INT", "TERM", "USR1", "HUP"])
def test_a_signal_reaches_every_process(tmp_path: Path, name: str) -> None:
    with Live(service_of(python_policy(tmp_path)), f"unix://{tmp_path}/s") as live:
        text = f"trap 'echo outer; exit 7' {name}; sh -c 'trap \"echo inner; exit\" {name};"
        text += "echo go; while :; do sleep 0.02; done' & wait; wait"

        async def run() -> tuple[int | None, bytes]:
            async with asyncio.timeout(PATIENCE), client_of(live.endpoints[0]) as (client, _):
                output = Output()
                running = asyncio.create_task(client.run(Run(("sh", "-c", text)), None, output.put))
                await asyncio.to_thread(wait_until, lambda: b"go" in output.out)
                await client.signal(name)
                over = await running
                return over.status, bytes(output.out)

        status, out = asyncio.run(run())
    assert status == 7
    assert b"outer" in out


def test_a_stopped_program_goes_on_when_it_is_told_to(tmp_path: Path) -> None:
    with Live(service_of(python_policy(tmp_path)), f"unix://{tmp_path}/s") as live:

        async def run() -> int | None:
            async with asyncio.timeout(PATIENCE), client_of(live.endpoints[0]) as (client, _):
                text = "echo go; kill -STOP $$; exit 6"
                output = Output()
                running = asyncio.create_task(client.run(Run(("sh", "-c", text)), None, output.put))
                await asyncio.to_thread(wait_until, lambda: output.out)
                while not running.done():
                    await client.signal("CONT")
                    await asyncio.wait({running}, timeout=0.05)
                return running.result().status

        assert asyncio.run(run()) == 6


def test_what_is_read_anew_holds_at_once_and_what_cannot_be_allows_nothing(tmp_path: Path) -> None:
    policy = python_policy(tmp_path)
    text = policy.read_text()
    with Live(service_of(policy), f"unix://{tmp_path}/s") as live:

        async def run() -> None:
            async with asyncio.timeout(PATIENCE), client_of(live.endpoints[0]) as (client, _):
                assert (
                    await client.run(Run(("sh", "-c", "exit 1")), None, Output().put)
                ).status == 1
                policy.write_text("")
                await asyncio.to_thread(live.wait_for, live.server.reload())
                with pytest.raises(NotAllowed):
                    await client.run(Run(("sh", "-c", "exit 2")), None, Output().put)
                policy.write_text(text)
                await asyncio.to_thread(live.wait_for, live.server.reload())
                assert (
                    await client.run(Run(("sh", "-c", "exit 3")), None, Output().put)
                ).status == 3
                policy.write_text("nonsense")
                await asyncio.to_thread(live.wait_for, live.server.reload())
                with pytest.raises(NotAllowed):
                    await client.run(Run(("sh", "-c", "exit 4")), None, Output().put)

        asyncio.run(run())
        assert "nothing is allowed until this is put right" in live.of(Warned)[-1].text


def test_a_board_says_who_somebody_is_and_where_the_record_goes(tmp_path: Path) -> None:
    """By protocols of the service's own: it needs nothing of a board."""

    class Accounts:
        async def names(self, proof: Proof, /) -> tuple[str, ...]:
            return ("anna", "operator") if proof.digest else ()

    class Kept:
        def __init__(self) -> None:
            self.events: list[Event] = []

        def note(self, event: Event, /) -> None:
            self.events.append(event)

    path = tmp_path / "policy.toml"
    path.write_text('allow = [{ who = ["me"], program = "/bin/true" }]')
    kept = Kept()
    handler = Commands(Source(str(path), (), None), who=Accounts(), record=kept)
    service = Service("commands", handler, wire.framing())
    with Live(service, f"unix://{tmp_path}/s") as live:
        with pytest.raises(NotAllowed, match="this takes a token"):
            ran(live.endpoints[0], "true")
        with pytest.raises(NotAllowed, match="true is not allowed for anna"):
            ran(live.endpoints[0], "true", token="x")
        assert live.of(CommandStarted) == []
    assert [type(event).__name__ for event in kept.events] == ["Refused", "CommandRefused"]


def test_who_is_revoked_while_a_command_is_begun_is_not_missed(tmp_path: Path) -> None:
    class Accounts:
        """It is asked who comes, and who asks for a command; whoever looks then finds nobody."""

        asked = 0

        async def names(self, proof: Proof, /) -> tuple[str, ...]:
            self.asked += 1
            return ("me",) if self.asked <= 2 else ()

    path = python_policy(tmp_path)
    handler = Commands(Source(str(path), (), None), who=Accounts())
    service = Service("commands", handler, wire.framing())
    with Live(service, f"unix://{tmp_path}/s") as live:
        over, out, _ = ran(live.endpoints[0], "sh", "-c", "sleep 60; echo after")
        assert (over.why, out) == ("revoked", b"")


def test_a_helper_that_was_killed_is_replaced(tmp_path: Path) -> None:
    service = service_of(python_policy(tmp_path))
    with Live(service, f"unix://{tmp_path}/s") as live:
        over, out, _ = ran(live.endpoints[0], "sh", "-c", "cat /proc/$PPID/stat")
        assert over.status == 0
        os.kill(int(out.decode().rpartition(")")[2].split()[1]), signal.SIGKILL)
        assert ran(live.endpoints[0], "sh", "-c", "exit 3")[0].status == 3


def test_the_handler_crosses_between_processes(tmp_path: Path) -> None:
    service = find("commands", allow=("true,false",))
    again = pickle.loads(pickle.dumps(service))  # noqa: S301  our own
    assert isinstance(again.handler, Commands)
    with pytest.raises(ConfigurationError, match="nothing is: name programs by --allow"):
        find("commands", allow=(" , ",))
