"""serve(): by signals, in a process of its own where it must end whatever the handlers do."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from jackfield import serve
from jackfield.errors import AddressInUse, ConfigurationError
from jackfield.events import Draining, Event, Events, Listening, Stopped, Warned
from jackfield.models.names import ModelName
from jackfield.service import find
from jackfield.serving import AnyServer, run_until_signal
from tests.live import ALL, PATIENCE


def signalled(number: int, **options: Any) -> list[Event]:
    """Serve `echo` here, and send ourselves a signal as soon as it listens."""
    told: list[Event] = []
    events = Events()
    events.subscribe(Event, told.append)
    events.subscribe(Listening, lambda _: signal.raise_signal(number))
    serve(find("echo"), "tcp://127.0.0.1:0", events=events, **options)
    return told


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it(number: int) -> None:
    before = signal.getsignal(number)
    told = signalled(number)
    assert [type(event) for event in told] == [Listening, Draining, Stopped]
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("model", ALL)
def test_it_ends_under_every_model(model: ModelName) -> None:
    assert isinstance(signalled(signal.SIGTERM, model=model)[-1], Stopped)


def test_with_events_of_ones_own_nothing_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    signalled(signal.SIGTERM)
    assert capsys.readouterr() == ("", "")


def test_an_endpoint_in_use_is_an_error_at_once() -> None:
    before = signal.getsignal(signal.SIGINT)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(AddressInUse):
            serve(find("echo"), url, events=Events())
    assert signal.getsignal(signal.SIGINT) is before


def test_it_is_for_the_main_thread() -> None:
    errors: list[BaseException] = []

    def run() -> None:
        try:
            serve(find("echo"), "tcp://127.0.0.1:0", events=Events())
        except ConfigurationError as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(PATIENCE)
    assert str(errors[0]) == "serve() waits for signals, which reach the main thread alone"


def test_a_signal_during_a_slow_start_ends_that() -> None:
    tidied = []

    async def start(servers: list[AnyServer]) -> None:
        signal.raise_signal(signal.SIGINT)
        try:
            await threading_never()
        finally:
            tidied.append(True)

    run_until_signal(start)
    assert tidied


async def threading_never() -> None:
    """Wait for what does not come."""
    import asyncio

    await asyncio.get_running_loop().create_future()


def test_off_loopback_there_is_one_warning_with_the_command_for_each_address() -> None:
    told: list[Event] = []
    events = Events()
    events.subscribe(Event, told.append)
    events.subscribe(Warned, lambda _: signal.raise_signal(signal.SIGTERM))
    serve(find("echo"), "tcp://0.0.0.0:0", "tcp://127.0.0.1:0", events=events)
    [warning] = [event for event in told if isinstance(event, Warned)]
    first, *commands = warning.text.splitlines()
    assert "other machines can reach it" in first
    assert all(command.startswith("jackfield connect tcp://") for command in commands)


def test_with_a_certificate_of_our_own_it_says_how_another_machine_trusts_it() -> None:
    told: list[Event] = []
    events = Events()
    events.subscribe(Event, told.append)
    events.subscribe(Warned, lambda _: signal.raise_signal(signal.SIGTERM))
    serve(find("echo"), "tls://0.0.0.0:0", events=events)
    [warning] = [event for event in told if isinstance(event, Warned)]
    _, show, trust, *commands = warning.text.splitlines()
    assert show.startswith("jackfield cert show > here.pem ")
    assert trust.startswith("jackfield cert trust here.pem ")
    assert all(command.startswith("jackfield connect tls://") for command in commands)
    assert "--ca" not in warning.text


HANDLERS = """
from __future__ import annotations
import asyncio, sys, threading, time
import jackfield.serving
from jackfield import Limits, Service, framing, serve

def stuck(conn):
    conn.send(conn.receive())
    threading.Event().wait()

async def waits(conn):
    await conn.send(await conn.receive())
    await asyncio.get_running_loop().create_future()

async def stubborn(conn):
    await conn.send(await conn.receive())
    while True:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            pass

async def blocks(conn):
    await conn.send(await conn.receive())
    while True:
        time.sleep(60)

if __name__ == "__main__":
    name, model, drain, grace = sys.argv[1:]
    jackfield.serving.GRACE = float(grace)
    service = Service(name, globals()[name], framing.lines(), Limits(drain=float(drain)))
    serve(service, "tcp://127.0.0.1:0", model=model)
"""


class Running:
    """A program that serves one of these handlers, and one peer that its handler has answered."""

    def __init__(
        self, folder: Path, handler: str, model: str, drain: float, grace: float = PATIENCE
    ) -> None:
        program = folder / "program.py"
        program.write_text(HANDLERS, "utf-8")
        self.process = subprocess.Popen(
            [sys.executable, str(program), handler, model, str(drain), str(grace)],
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr
        self.stderr = self.process.stderr
        port = int(self.await_line("listening on ").rpartition(":")[2])
        self.peer = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.peer.sendall(b"hello\n")
        assert self.peer.recv(100) == b"hello\n"
        self.name = f"tcp://127.0.0.1:{self.peer.getsockname()[1]}"

    def await_line(self, text: str) -> str:
        """Read on to a line with this in it."""
        for line in self.stderr:
            if text in line:
                return line
        raise AssertionError(f"{text!r} has not come")

    def finish(self) -> tuple[int, str]:
        """Wait for the end; give the exit status and what was written since."""
        rest = self.stderr.read()
        self.stderr.close()
        self.peer.close()
        return self.process.wait(PATIENCE), rest


STUCK = [
    ("stuck", "asyncio"),
    ("stuck", "threads"),
    ("stuck", "inline"),
    ("stuck", "processes"),
    ("waits", "asyncio"),
    ("waits", "threads"),
    ("blocks", "processes"),
]


@pytest.mark.some(1)
@pytest.mark.parametrize(("handler", "model"), STUCK, ids=["-".join(row) for row in STUCK])
def test_at_the_deadline_who_is_still_there_is_named_and_left(
    tmp_path: Path, handler: str, model: str
) -> None:
    running = Running(tmp_path, handler, model, drain=0.1)
    running.process.send_signal(signal.SIGTERM)
    status, text = running.finish()
    assert f"cut       who was still there: {running.name}" in text
    assert "Traceback" not in text
    assert text.endswith(" stopped\n")
    assert status == 0


@pytest.mark.some(1)
@pytest.mark.parametrize("model", ["asyncio", "threads", "processes"])
def test_a_second_signal_cuts_at_once(tmp_path: Path, model: str) -> None:
    running = Running(tmp_path, "waits", model, drain=3600)
    running.process.send_signal(signal.SIGINT)
    running.await_line("stopping  1 connection may take 3600 s")
    running.process.send_signal(signal.SIGINT)
    status, text = running.finish()
    assert f"cut       who was still there: {running.name}" in text
    assert status == 0


def test_a_blocked_loop_does_not_keep_it_from_ending(tmp_path: Path) -> None:
    running = Running(tmp_path, "blocks", "asyncio", drain=0.1, grace=0.2)
    running.process.send_signal(signal.SIGTERM)
    status, text = running.finish()
    assert text.endswith("a handler holds up the event loop past the deadline; left without it\n")
    assert status == 1


def test_a_handler_that_will_not_be_cancelled_does_not_keep_it_from_ending(tmp_path: Path) -> None:
    running = Running(tmp_path, "stubborn", "asyncio", drain=0.1, grace=0.6)
    running.process.send_signal(signal.SIGTERM)
    status, text = running.finish()
    assert f"cut       who was still there: {running.name}" in text
    assert status == 1
