from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import threading
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from jackfield.errors import ConfigurationError
from jackfield.events import (
    ChildLost,
    ConnectionEnded,
    ConnectionOpened,
    Cut,
    DatagramsDropped,
    HandlerFailed,
    Refused,
    Warned,
)
from jackfield.framing import lines
from jackfield.limits import Limits
from jackfield.models import helper, processes, spec
from jackfield.models.helper import Helper
from jackfield.models.process import Process
from jackfield.models.processes import AHEAD, ProcessesModel
from jackfield.net import handing
from jackfield.server import Server
from jackfield.service import Service
from tests import handlers
from tests.certificates import Certificates
from tests.live import (
    PATIENCE,
    Live,
    Peer,
    all_closed,
    children_of,
    runs,
    sockets_of,
    until,
)

TCP = "tcp://127.0.0.1:0"
UDP = "udp://127.0.0.1:0"
PROOF = os.environ.get("JACKFIELD_PROOF") == "1"


def forked(service: Service[Any] = handlers.native, *urls: str, **options: Any) -> Live:
    return Live(service, *(urls or (TCP,)), model="processes", **options)


def model_of(live: Live) -> ProcessesModel:
    model = live.server._model
    assert isinstance(model, ProcessesModel)
    return model


def helper_of(live: Live) -> int:
    helper = model_of(live)._helper
    assert helper is not None
    return helper.pid


def idle_of(live: Live) -> list[int]:
    """The children that wait for a connection."""
    return live.call(lambda: [process.pid for process in model_of(live)._idle])


def gone(pid: int) -> bool:
    return not runs(pid)


def all_ahead(live: Live) -> list[int]:
    until(lambda: len(idle_of(live)) == AHEAD)
    return idle_of(live)


def kill_ahead(live: Live) -> int:
    """Kill the children that wait, and have no others come; give whom to let go on for that."""
    ahead, forker = all_ahead(live), helper_of(live)
    os.kill(forker, signal.SIGSTOP)
    for pid in ahead:
        os.kill(pid, signal.SIGKILL)
    until(lambda: idle_of(live) == [])
    return forker


# One child for one connection


@pytest.mark.parametrize("service", [handlers.native, handlers.blocking, handlers.replying])
def test_a_child_serves_one_connection_and_exits(service: Service[str]) -> None:
    with forked(service) as live:
        peers = [live.connect() for _ in range(3)]
        with all_closed(peers):
            pids = [int(peer.ask("pid")) for peer in peers]
            assert len({*pids, os.getpid(), helper_of(live)}) == 5
            peers[0].close()
            until(lambda: not runs(pids[0]))
            assert peers[1].ask("pid") == str(pids[1])
            with live.connect() as fourth:
                assert int(fourth.ask("pid")) not in pids
    for pid in pids:
        until(partial(gone, pid))


def test_handlers_run_there_as_they_are() -> None:
    """An `async def` one as a task of the child's loop, a `def` one in a thread of its own."""
    with forked(handlers.native) as live, live.connect() as peer:
        assert peer.ask("thread") == "StreamConnection main"
    with forked(handlers.blocking) as live, live.connect() as peer:
        assert peer.ask("thread") == "BlockingConnection obey 1"
    with forked(handlers.replying) as live, live.connect() as peer:
        assert peer.ask("thread") == "NoneType reply 1"


def test_children_are_forked_ahead_by_a_small_helper_with_one_thread() -> None:
    with forked() as live:
        ahead = all_ahead(live)
        helper = helper_of(live)
        assert sorted(children_of(helper)) == sorted(ahead)
        status = Path(f"/proc/{helper}/status").read_text()
        assert "Threads:\t1\n" in status
        with live.connect() as peer:
            assert int(peer.ask("pid")) == ahead[0]  # it was there before its connection
            assert int(peer.ask("helper")) == helper
            assert len(all_ahead(live)) == AHEAD  # and another has taken its place


def test_the_default_cap_is_the_limits() -> None:
    assert Limits().processes == 64
    with forked() as live:
        assert model_of(live).capacity == 64


def test_nothing_leaks_into_a_child() -> None:
    """It holds its own connection and its socket to the server, and nothing of anybody else."""
    with forked(handlers.native, TCP, UDP) as live:
        peers = [live.connect(0), live.connect(0), live.connect(1)]
        with all_closed(peers):
            pids = [int(peer.ask("pid")) for peer in peers]
            all_ahead(live)  # and the helper lets go of the last one's socket soon after
            held: list[set[str]] = []

            def none_is_shared() -> bool:
                held[:] = [sockets_of(pid) for pid in [*pids, helper_of(live), os.getpid()]]
                return len(set.union(*held)) == sum(map(len, held))

            until(none_is_shared)
            for pid, (_, socks) in zip(pids, enumerate(held), strict=False):
                loops_own = 2  # the pair by which signals wake it
                assert len(socks) - loops_own == 2, pid
            stdin = {os.readlink(f"/proc/{pid}/fd/0") for pid in pids}  # noqa: PTH115  no file
            assert len(stdin) == 1
            files = [
                os.readlink(entry.path)  # noqa: PTH115  likewise
                for pid in pids
                for entry in os.scandir(f"/proc/{pid}/fd")
                if int(entry.name) > 2
            ]
            assert {name.partition(":")[0] for name in files} <= {"socket", "anon_inode", "pipe"}


# One that is lost


@pytest.mark.some(1)
@pytest.mark.parametrize(
    ("command", "ending"),
    [
        ("die SIGKILL", "was killed by SIGKILL"),
        ("die SIGSEGV", "was killed by SIGSEGV"),
        ("exit 3", "exited with status 3"),
        ("exit 0", "exited with status 0"),
    ],
)
@pytest.mark.parametrize("service", [handlers.native, handlers.blocking])
def test_a_child_that_is_lost_loses_its_own_connection_only_and_is_reported_and_replaced(
    service: Service[str], command: str, ending: str
) -> None:
    with (
        forked(service, limits=Limits(processes=2)) as live,
        live.connect() as other,
        live.connect() as peer,
    ):
        assert other.ask("echo here") == "here"
        pid, name = int(peer.ask("pid")), peer.name
        peer.send(command)
        assert peer.line() == ""
        assert live.await_event(ConnectionEnded).reason == f"its process {ending}"
        assert live.of(ChildLost) == [ChildLost(name, pid, ending)]
        with live.connect() as third:
            assert third.ask("echo there") == "there"
        assert other.ask("echo still here") == "still here"
    assert len(live.of(ChildLost)) == 1
    assert len(live.of(ConnectionEnded)) == 3


def test_a_lost_child_takes_a_datagram_peers_session_with_it_and_no_other() -> None:
    with forked(handlers.native, UDP) as live, live.connect() as other, live.connect() as peer:
        assert other.ask("echo here") == "here"
        first = peer.ask("pid")
        os.kill(int(first), signal.SIGKILL)
        live.await_event(ConnectionEnded)
        assert peer.ask("pid") != first  # a new session
        assert other.ask("echo still here") == "still here"
    (lost,) = live.of(ChildLost)
    assert (lost.process, lost.reason) == (int(first), "was killed by SIGKILL")


def test_sigterm_lets_a_childs_handler_finish() -> None:
    with forked() as live, live.connect() as peer:
        pid = int(peer.ask("pid"))
        os.kill(pid, signal.SIGTERM)
        assert peer.line() == ""
        peer.close()
        assert live.await_event(ConnectionEnded).reason == ""
    assert live.of(ChildLost) == []


def test_an_idle_child_that_is_killed_loses_nothing() -> None:
    with forked() as live:
        forker = kill_ahead(live)
        os.kill(forker, signal.SIGCONT)
        with live.connect() as peer:
            assert peer.ask("echo hello") == "hello"
    assert live.of(ChildLost) == []


def test_a_connection_is_not_given_to_a_child_that_has_just_died() -> None:
    """The server has not noticed yet that the children which wait are gone."""
    with forked() as live:
        ahead = all_ahead(live)

        def kill_and_accept() -> Peer:
            for pid in ahead:
                os.kill(pid, signal.SIGKILL)
            for pid in ahead:
                until(partial(gone, pid))
            peer = live.connect()
            listener = live.server._listeners[0]
            listener._on_readable()  # type: ignore[union-attr]
            return peer

        with live.call(kill_and_accept) as peer:
            assert peer.ask("echo hello") == "hello"
            assert int(peer.ask("pid")) not in ahead
    assert live.of(ChildLost) == []


def test_the_counts_arrive_whatever_is_on_its_way_to_a_child_that_has_finished() -> None:
    """A room's messages and a drain race with the children's last words; none is reported lost."""
    rounds = 30 if PROOF else 3
    with forked(limits=Limits(connections_per_source=10_000)) as live, live.connect() as talker:
        talker.ask("echo here")
        for number in range(rounds):
            peers = [live.connect() for _ in range(8)]
            for peer in peers:
                assert peer.ask("join") == "done"
            for peer in peers:
                peer.send("quit")
                talker.send(*["tell hello"] * 4)
            for peer in peers:
                peer.rest()
                peer.close()
            for _ in range(32):
                assert talker.line() == "done"
            live.await_events(ConnectionEnded, 8 * (number + 1))
    assert live.of(ChildLost) == []
    ended = live.of(ConnectionEnded)
    assert [event.messages_received for event in ended[:-1]] == [2] * (8 * rounds)


# The helper


def test_a_helper_that_is_killed_is_restarted_and_live_children_go_on() -> None:
    with (
        forked(handlers.native, TCP, UDP) as live,
        live.connect() as peer,
        live.connect(1) as datagrams,
    ):
        pid = peer.ask("pid")
        session = datagrams.ask("pid")
        helper = helper_of(live)
        os.kill(helper, signal.SIGKILL)
        text = live.await_event(Warned).text
        assert text == "the process that forks children died; restarting it"
        assert peer.ask("pid") == pid
        others = [live.connect() for _ in range(AHEAD + 1)]  # AHEAD were forked before
        with all_closed(others):
            forkers = {other.ask("helper") for other in others}
            assert str(helper_of(live)) in forkers
            assert helper_of(live) != helper
        assert peer.ask("pid") == pid
        assert datagrams.ask("pid") == session
        # and how an orphan ends is told, though nobody can say by what
        peer.send("exit 3")
        assert peer.line() == ""
        lost = live.await_event(ChildLost)
        assert (lost.process, lost.reason) == (int(pid), "ended without a word")
    assert len(live.of(ConnectionEnded)) == 3 + AHEAD


@pytest.mark.long
@pytest.mark.parametrize("service", [handlers.native, handlers.blocking])
def test_an_orphan_is_cut_at_the_deadline_like_any_other(service: Service[str]) -> None:
    with forked(service) as live, live.connect() as peer:
        pid = int(peer.ask("pid"))
        peer.send("block" if service is handlers.blocking else "wait")
        os.kill(helper_of(live), signal.SIGKILL)
        live.await_event(Warned)
        all_ahead(live)
        live.stop(0.1)
        assert live.of(Cut) == [Cut((peer.name,))]
        assert live.of(ConnectionEnded)[0].reason == "cut at the deadline"
        until(lambda: not runs(pid))


@pytest.mark.long
@pytest.mark.parametrize(
    ("harm", "says"),
    [
        ("fork", "failed (BlockingIOError: [Errno 11] no process left); restarting it"),
        ("load", "cannot be loaded in a process: RuntimeError: not today; trying again"),
        ("exit", "cannot be loaded in a process: its process ended at once; trying again"),
    ],
)
def test_a_helper_that_fails_again_and_again_is_tried_again_until_it_does_not(
    harm: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(processes, "LONGEST_PAUSE", 0.002)
    harms = tmp_path / "harms"
    service = handlers.lines_of(handlers.Unsteady(harm, str(harms)))
    with forked(service) as live, live.connect() as early:
        assert early.ask("echo hello") == "hello"
        harms.touch()
        os.kill(helper_of(live), signal.SIGKILL)
        waiting = [live.connect() for _ in range(AHEAD + 2)]
        with all_closed(waiting):
            live.await_events(Warned, 4)
            assert sum(says in event.text for event in live.of(Warned)) >= 2
            assert early.ask("echo on") == "on"
            harms.unlink()
            assert [peer.ask("echo done") for peer in waiting] == ["done"] * len(waiting)


def test_children_that_die_before_they_are_needed_are_replaced() -> None:
    with forked() as live:
        for _ in range(2):
            before = all_ahead(live)
            for pid in before:
                os.kill(pid, signal.SIGKILL)
            until(lambda: len(idle_of(live)) == AHEAD and not set(idle_of(live)) & set(before))  # noqa: B023  called right here
        with live.connect() as peer:
            assert peer.ask("echo hello") == "hello"
    assert live.of(ChildLost) == []


def test_nobody_is_accepted_before_there_is_a_child_for_it() -> None:
    """What is accepted holds a descriptor, of which there may be none left for the child then."""
    with forked(handlers.native, TCP, UDP) as live:
        all_ahead(live)
        helper = helper_of(live)
        os.kill(helper, signal.SIGSTOP)
        peers = [live.connect() for _ in range(AHEAD + 3)]
        with all_closed([*peers, datagrams := live.connect(1)]):
            assert [peer.ask("echo in") for peer in peers[:AHEAD]] == ["in"] * AHEAD
            datagrams.send("echo in")
            live.call(lambda: None)
            assert len(live.of(ConnectionOpened)) == AHEAD
            os.kill(helper, signal.SIGCONT)
            assert [peer.ask("echo in") for peer in peers[AHEAD:]] == ["in"] * 3
            assert datagrams.line() == "in"


def test_who_waits_for_a_child_when_the_server_stops_is_cut_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "FIRST_PAUSE", 3600.0)
    harms = tmp_path / "harms"
    service = handlers.lines_of(handlers.Unsteady("load", str(harms)))
    with forked(service, TCP, UDP) as live:
        all_ahead(live)
        harms.touch()
        os.kill(helper_of(live), signal.SIGKILL)
        live.await_events(Warned, 2)  # from here on it pauses
        monkeypatch.setattr(Process, "take_up", lambda *_: False)  # as if they had just died
        with live.connect() as peer, live.connect(1) as datagrams:
            live.await_event(ConnectionOpened)
            datagrams.send("echo hello")  # for which there is no place at all
            assert live.server.connections == 1
            live.stop(0.1)
            assert live.of(Cut)[0].peers == (peer.name,)
            assert len(live.of(ConnectionEnded)) == 1


def test_who_waits_for_a_child_while_the_server_drains_is_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(processes, "LONGEST_PAUSE", 0.002)
    harms = tmp_path / "harms"
    service = handlers.lines_of(handlers.Unsteady("load", str(harms)))
    with forked(service) as live:
        all_ahead(live)
        harms.touch()
        os.kill(helper_of(live), signal.SIGKILL)
        live.await_events(Warned, 2)
        real = Process.take_up
        monkeypatch.setattr(Process, "take_up", lambda *_: False)  # as if they had just died
        with live.connect() as peer:
            peer.send("echo hello")
            live.await_event(ConnectionOpened)
            monkeypatch.setattr(Process, "take_up", real)
            stopping = threading.Thread(target=live.stop)
            stopping.start()
            until(lambda: live.server._stopping)
            harms.unlink()
            assert peer.line() in {"hello", ""}  # drained: what the child had read by then
            peer.close()
            stopping.join(PATIENCE)
    assert live.of(Cut) == []


# What cannot run so


def test_a_handler_without_a_name_is_refused_at_start() -> None:
    service = Service("nameless", lambda conn: conn.send("hello"), lines())
    with pytest.raises(ConfigurationError) as caught, forked(service):
        pass
    text = str(caught.value)
    assert text.startswith("service nameless: its handler cannot be found by name from another ")
    assert "<lambda>" in text
    assert text.endswith("under processes it must stand at the top level of a module")


def test_a_handler_inside_a_function_is_refused_at_start() -> None:
    async def handler(conn: object) -> None: ...

    with (
        pytest.raises(ConfigurationError, match="must stand at the top level of a module"),
        forked(Service("inner", handler, lines())),
    ):
        pass


def test_a_module_that_cannot_be_loaded_there_is_refused_at_start(tmp_path: Path) -> None:
    for harm, says in (
        ("load", "cannot be loaded in a process: RuntimeError: not today"),
        ("exit", "cannot be loaded in a process: its process ended at once"),
        ("thread", "starts 1 threads, and a process with threads cannot be forked"),
    ):
        service = handlers.lines_of(handlers.Unsteady(harm, str(tmp_path)))
        with pytest.raises(ConfigurationError, match=says), forked(service):
            pass


def test_a_child_whose_socket_cannot_be_taken_is_asked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No descriptor is left for it: the message comes, and no socket with it."""
    monkeypatch.setattr(processes, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(processes, "LONGEST_PAUSE", 0.02)
    none_left = threading.Event()

    def taken(sock: handing.Socket) -> tuple[bytes, handing.Socket | None]:
        message, other = handing.take(sock)
        if other is not None and none_left.is_set():
            other.close()
            return message, None
        return message, other

    monkeypatch.setattr(helper, "take", taken)
    with forked() as live:
        all_ahead(live)
        none_left.set()
        peers = [live.connect() for _ in range(AHEAD + 2)]
        with all_closed(peers):
            live.await_event(Warned)
            assert [peer.ask("echo in") for peer in peers[:AHEAD]] == ["in"] * AHEAD
            until(lambda: model_of(live)._pause == 0.02)
            none_left.clear()
            assert [peer.ask("echo in") for peer in peers[AHEAD:]] == ["in"] * 2
            all_ahead(live)
            none_left.set()
            for peer in peers:
                peer.close()
            live.await_events(ConnectionEnded, AHEAD + 2)
            with live.connect() as peer:
                assert peer.ask("echo in") == "in"
            live.await_events(Warned, 2)  # it stops while it waits to ask again
    assert {event.text for event in live.of(Warned)} == {
        "no descriptor is left for another process (see ulimit -n); trying again"
    }
    assert live.of(ChildLost) == []


def test_a_child_that_dies_before_it_has_its_connection_is_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with forked() as live:
        forker = kill_ahead(live)
        welcome = model_of(live).child_came
        killed: list[int] = []

        def kill_first(by: Helper, pid: int, sock: handing.Socket) -> None:
            if not killed:
                killed.append(pid)
                os.kill(pid, signal.SIGKILL)
                until(partial(gone, pid))
            welcome(by, pid, sock)

        monkeypatch.setattr(model_of(live), "child_came", kill_first)
        with live.connect() as peer:
            os.kill(forker, signal.SIGCONT)
            assert int(peer.ask("pid")) != killed[0]
    assert live.of(ChildLost) == []


def test_certificates_are_loaded_before_the_first_fork(
    certificates: Certificates, tmp_path: Path
) -> None:
    """A child needs no right to read them, and finds them even when they are gone."""
    cert, key = tmp_path / "cert", tmp_path / "key"
    cert.write_bytes(Path(certificates.cert).read_bytes())
    key.write_bytes(Path(certificates.key).read_bytes())
    with forked(handlers.native, f"tls://127.0.0.1:0?cert={cert}&key={key}") as live:
        cert.unlink()
        key.unlink()
        with Peer(live.endpoints[0], ca=certificates.ca) as peer:
            assert peer.ask("echo secret") == "secret"


def test_no_process_to_be_had_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "Popen", fail)
        with pytest.raises(ConfigurationError) as caught, forked():
            pass
    assert str(caught.value) == (
        "no process can be started: Resource temporarily unavailable (EAGAIN)"
    )


def test_a_platform_that_cannot_fork_is_told_to_choose_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(processes, "SUPPORTED", False)
    assert handing.SUPPORTED
    with pytest.raises(ConfigurationError, match="cannot fork, so there is no model processes"):
        asyncio.run(Server(handlers.native, TCP, model="processes").start())


SCRIPT = """
    import asyncio, os, sys
    from jackfield import Server, Service, connect, framing

    async def mine(conn):
        async for line in conn:
            await conn.send(f"{line} {os.getpid()}")

    service = Service("mine", mine, framing.lines())

    async def main():
        async with Server(service, "tcp://127.0.0.1:0", model="processes") as server:
            async with connect(server.endpoints[0], framing.lines()) as conn:
                await conn.send("hello")
                word, pid = (await conn.receive()).split()
                print(word, int(pid) != os.getpid())

    GUARD
"""
GUARDED = 'if __name__ == "__main__":\n        asyncio.run(main())'


def run(*command: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        **options,
    )


@pytest.mark.some(1)
@pytest.mark.parametrize("way", ["script", "module", "package"])
def test_a_handler_in_the_script_itself_works(way: str, tmp_path: Path) -> None:
    text = textwrap.dedent(SCRIPT.replace("GUARD", GUARDED))
    package = tmp_path / "mine"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "words.py").write_text("")
    if way != "script":
        text = f"from . import words\n{text}"
    (package / "app.py").write_text(text)
    (package / "__main__.py").write_text(text)
    command = {
        "script": [str(package / "app.py")],
        "module": ["-m", "mine.app"],
        "package": ["-m", "mine"],
    }[way]
    done = run(*command, cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("hello True\n", "")


def test_a_script_that_starts_its_server_unguarded_is_told_what_to_do(tmp_path: Path) -> None:
    """Each helper would run it anew and start another helper, without end."""
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(SCRIPT.replace("GUARD", "asyncio.run(main())")))
    done = run(str(script))
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("Traceback") == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("jackfield.errors.ConfigurationError: service mine cannot be loaded")
    assert last.endswith('must stand under: if __name__ == "__main__":')


def test_a_handler_that_was_typed_in_is_refused(tmp_path: Path) -> None:
    text = textwrap.dedent(SCRIPT.replace("GUARD", "asyncio.run(main())"))
    done = run("-c", text)
    assert done.returncode == 1
    assert (
        done.stderr.strip()
        .splitlines()[-1]
        .endswith("its handler was typed in, not imported; under processes it must stand in a file")
    )


# Rooms between children


def test_what_one_publishes_the_others_hear_and_no_stranger() -> None:
    with forked(handlers.native, TCP, "unix+seqpacket:@PID", UDP) as live:
        peers = [live.connect(0), live.connect(1), live.connect(2)]
        with all_closed([*peers, stranger := live.connect(0)]):
            for peer in peers:
                assert peer.ask("join") == "done"
            assert stranger.ask("echo here") == "here"
            peers[0].send("say 你好")
            assert [peer.line() for peer in peers] == ["你好"] * 3
            assert peers[0].line() == "done"
            assert peers[1].ask("tell others") == "done"
            assert [peers[0].line(), peers[2].line()] == ["others", "others"]
            assert peers[2].ask("part") == "done"
            assert stranger.ask("say from outside") == "done"
            assert [peers[0].line(), peers[1].line()] == ["from outside", "from outside"]
            peers[2].send("say last")
            assert [peer.line() for peer in (*peers, stranger)[:2]] == ["last", "last"]
            assert peers[2].line() == "done"
            assert stranger.ask("echo nothing") == "nothing"
    assert model_of(live)._rooms == {}


@pytest.mark.parametrize("service", [handlers.native, handlers.blocking])
def test_a_large_message_is_refused_cleanly_and_nobody_has_it(service: Service[str]) -> None:
    framing = lines(max_message=4_000_000)
    with (
        forked(service, framing=framing) as live,
        live.connect() as speaker,
        live.connect() as listener,
    ):
        assert listener.ask("join") == "done"
        assert speaker.ask("join") == "done"
        refused = speaker.ask("large 300000")
        assert refused.startswith(
            "LocalProtocolError: a message of 300000 bytes for room 'all', and under processes"
        )
        assert refused.endswith("can cross to the others; send it in parts")
        speaker.send("large 100000")
        assert len(speaker.line()) == 100_000
        assert speaker.line() == "said"
        assert len(listener.line()) == 100_000
        assert speaker.ask("say on") == "on"
        assert listener.line() == "on"
    assert [*live.of(HandlerFailed), *live.of(ChildLost)] == []


def test_who_says_more_than_can_be_passed_on_is_ended_by_the_policy() -> None:
    limits = Limits(outbox=20_000)
    with forked(limits=limits) as live, live.connect() as flooder, live.connect() as other:
        assert flooder.ask("echo here") == other.ask("echo here") == "here"

        def wait_for_flood() -> None:
            """The server is busy elsewhere while a child of it floods a room."""
            flooder.send("flood 200")
            until(lambda: flooder_is_gone(flooder))

        live.call(wait_for_flood)
        flooder.close()
        reason = live.await_event(ConnectionEnded).reason
        assert reason == "it says more in room 'all' than can be passed on"
        assert other.ask("echo here") == "here"


def flooder_is_gone(peer: Peer) -> bool:
    peer.sock.settimeout(0)
    try:
        return peer.sock.recv(100) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


# Datagrams


def test_each_datagram_peer_has_a_child_for_as_long_as_it_speaks() -> None:
    limits = Limits(session_idle=0.2)
    with (
        forked(handlers.native, UDP, limits=limits) as live,
        live.connect() as one,
        live.connect() as other,
    ):
        pid = int(one.ask("pid"))
        assert other.ask("pid") not in {str(pid), str(os.getpid())}
        assert one.ask("peer") == one.name
        assert one.ask("local") == str(live.endpoints[0])
        live.await_events(ConnectionEnded, 2)
        until(lambda: not runs(pid))
        assert one.ask("pid") != str(pid)
    assert live.of(ChildLost) == []


async def _asked(model: ProcessesModel) -> list[str]:
    done: list[str] = []

    def ask(when: bytes, what: str) -> None:
        model.in_turn(when, partial(done.append, what))

    now = spec.when()
    ask((int.from_bytes(now, "big") + 10**15).to_bytes(8, "big"), "in days, it says")
    ask(now, "then")
    assert done == []
    await asyncio.sleep(0)
    ask(bytes(8), "first")  # it has been read only now
    while not done:  # noqa: ASYNC110  nobody tells
        await asyncio.sleep(0)
    return done


def test_what_was_asked_of_rooms_first_is_done_first_whichever_process_asked() -> None:
    with forked() as live:
        assert live.wait_for(_asked(model_of(live))) == ["first", "then", "in days, it says"]


def test_a_process_that_has_ended_meanwhile_joins_nothing() -> None:
    with forked() as live:
        with live.connect() as peer:
            assert peer.ask("join") == "done"
            until(lambda: model_of(live)._rooms)
            (process,) = model_of(live)._rooms["all"]
        live.await_event(ConnectionEnded)
        live.call(lambda: model_of(live).join(process, "all", "disconnect"))
        assert model_of(live)._rooms == {}


def test_empty_datagrams_arrive_as_such() -> None:
    with forked(handlers.lines_of(handlers.once), UDP) as live, live.connect() as peer:
        peer.sock.send(b"")
        assert peer.sock.recv(100) == b""


def test_bad_datagrams_are_refused_by_the_child() -> None:
    with forked(handlers.native, UDP) as live, live.connect() as peer:
        peer.sock.send(b"\xff\xff")
        told = peer.line()
        assert told == f"error: {live.await_event(Refused).reason}"


@pytest.mark.long
def test_what_a_slow_child_has_not_taken_waits_within_a_bound(tmp_path: Path) -> None:
    limits = Limits(session_inbox=10)
    service = handlers.lines_of(handlers.slow_to_hear)
    with (
        forked(service, "unix+dgram:@PID", limits=limits) as live,
        live.connect() as peer,
    ):
        hears = tmp_path / "hears"
        peer.send(str(hears))
        live.await_event(ConnectionOpened)
        sent = 1000
        peer.send(*["x" * 4000] * sent)
        live.await_event(DatagramsDropped)
        until(lambda: dropped(live) > sent - 300)
        hears.touch()
        assert int(peer.line()) + dropped(live) == sent


def dropped(live: Live) -> int:
    return sum(event.count for event in live.of(DatagramsDropped))


def test_a_peer_that_does_not_read_holds_its_child_back() -> None:
    """What waits for it in the server has a bound."""
    service = handlers.lines_of(handlers.chatter)
    limits = Limits(write_high=20_000)
    with forked(service, "unix+dgram:@PID", limits=limits) as live:
        with live.connect() as peer:
            peer.send("go")
            live.await_event(ConnectionOpened)
            session = live.call(lambda: next(iter(live.server._live.values())))
            until(lambda: session.unsent > 20_000)
            for number in range(200):
                assert session.unsent < 30_000
                assert peer.line().startswith(f"{number:06} ")
        live.await_event(ConnectionEnded)


def test_a_childs_sending_fails_when_its_datagram_peer_is_lost() -> None:
    service = handlers.lines_of(handlers.until_lost)
    with forked(service, "unix+dgram:@PID") as live:
        with live.connect() as peer:
            assert peer.ask("go") == "go"
        assert live.await_event(ConnectionEnded).reason.startswith("nobody listens at the other")
        assert live.of(HandlerFailed) == []


def test_a_child_that_is_stopped_holds_up_nobody_else_and_is_killed_at_the_deadline() -> None:
    with forked() as live, live.connect() as peer, live.connect() as other:
        pid = int(peer.ask("pid"))
        os.kill(pid, signal.SIGSTOP)
        peer.send("echo late")
        assert other.ask("echo well") == "well"
        os.kill(pid, signal.SIGCONT)
        assert peer.line() == "late"
        os.kill(pid, signal.SIGSTOP)
        live.stop(drain=0.1)
        until(lambda: gone(pid))
        assert peer.line() == ""
