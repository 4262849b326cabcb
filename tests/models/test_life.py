"""What a server can be told while it runs, under every model: suspend, resume, reload."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import shutil
import socket
import ssl
from dataclasses import replace
from pathlib import Path

import pytest

from jackfield.errors import ConfigurationError
from jackfield.events import DatagramsDropped, Reloaded, Resumed, Suspended
from jackfield.framing import lines, raw
from jackfield.models.names import ModelName
from jackfield.models.processes import ProcessesModel
from jackfield.service import Service
from tests import certificates as made
from tests import handlers
from tests.certificates import Certificates
from tests.live import ALL, PATIENCE, SEVERAL, Live, Peer, runs, until

TCP = "tcp://127.0.0.1:0"
UDP = "udp://127.0.0.1:0"

other = handlers.lines_of(handlers.once)


def queued(peer: Peer) -> bool:
    """Whether nobody has accepted it: what it sends is not answered."""
    peer.sock.settimeout(0.1)
    try:
        peer.sock.recv(1)
    except TimeoutError:
        return True
    return False


@pytest.mark.parametrize("model", SEVERAL)
def test_while_suspended_who_is_there_goes_on_and_others_wait(model: ModelName) -> None:
    with Live(handlers.native, TCP, model=model) as live, live.connect() as before:
        assert before.ask("echo 1") == "1"
        live.call(live.server.suspend)
        live.call(live.server.suspend)
        with live.connect() as later:
            later.send("echo 2")
            assert before.ask("echo 3") == "3"
            assert queued(later)
            live.call(live.server.resume)
            live.call(live.server.resume)
            later.sock.settimeout(20)
            assert later.line() == "2"
        assert len(live.of(Suspended)) == len(live.of(Resumed)) == 1


@pytest.mark.parametrize("model", SEVERAL)
def test_while_suspended_no_datagram_of_somebody_new_is_taken(model: ModelName) -> None:
    with Live(handlers.native, UDP, model=model) as live, live.connect() as before:
        assert before.ask("echo 1") == "1"
        live.call(live.server.suspend)
        with live.connect() as later:
            later.send("echo 2")
            event = live.await_event(DatagramsDropped)
            assert event.reason == "nobody new is taken while the server is suspended"
            assert before.ask("echo 3") == "3"
            live.call(live.server.resume)
            assert later.ask("echo 4") == "4"


def test_a_full_server_is_not_resumed_beyond_its_capacity() -> None:
    with Live(handlers.native, TCP, model="inline") as live, live.connect() as first:
        assert first.ask("echo 1") == "1"
        with live.connect() as second:
            second.send("echo 2")
            live.call(live.server.suspend)
            live.call(live.server.resume)
            assert queued(second)
            live.call(live.server.suspend)
            first.close()
            assert queued(second)
            live.call(live.server.resume)
            second.sock.settimeout(20)
            assert second.line() == "2"


def test_a_server_that_does_not_run_cannot_be_suspended() -> None:
    with Live(handlers.native, TCP) as live:
        live.stop()
        live.call(live.server.suspend)
        live.call(live.server.resume)
        assert not live.of(Suspended)


@pytest.mark.parametrize("model", ALL)
def test_a_reload_is_for_those_who_come_after_it(model: ModelName) -> None:
    with Live(handlers.native, TCP, model=model) as live:
        if model != "inline":
            before = live.connect()
            assert before.ask("echo 1") == "1"
        live.wait_for(live.server.reload(other))
        with live.connect() as after:
            assert after.ask("echo 2") == "echo 2"
            assert after.line() == ""
        if model != "inline":
            assert [before.ask("echo 3"), before.ask("quit")] == ["3", "done"]
            assert before.line() == ""
            before.close()
        assert len(live.of(Reloaded)) == 1


def test_another_framing_comes_with_the_service() -> None:
    loud = Service.reply("loud", str.upper, lines(encoding="latin-1"))
    quiet = Service.reply("quiet", bytes.lower, raw())
    with Live(loud, TCP, UDP) as live:
        live.wait_for(live.server.reload(quiet))
        for number in (0, 1):
            with live.connect(number) as peer:
                peer.sock.send(b"Hello")
                assert peer.sock.recv(100) == b"hello"
    with Live(loud, UDP, framing=lines(encoding="utf-8")) as live:
        live.wait_for(live.server.reload(replace(loud, framing=lines())))
        with live.connect() as peer:
            assert peer.ask("é") == "É"


def served_certificate(live: Live, ca: str) -> bytes:
    context = ssl.create_default_context(cafile=ca)
    at = live.endpoints[0]
    with (
        socket.create_connection((at.host, at.port)) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as sock,
    ):
        shown = sock.getpeercert(binary_form=True)
        assert shown
        return hashlib.sha256(shown).digest()


@pytest.mark.parametrize("model", ALL)
def test_a_reload_reads_certificates_anew(model: ModelName, tmp_path: Path) -> None:
    ours = made.make(tmp_path)
    (tmp_path / "next").mkdir()
    theirs = made.make(tmp_path / "next")
    with Live(handlers.native, ours.url(), model=model) as live:
        if model != "inline":
            before = Peer(live.endpoints[0], ca=ours.ca)
            assert before.ask("echo 1") == "1"
        first = served_certificate(live, ours.ca)
        shutil.copy(theirs.cert, ours.cert)
        with pytest.raises(ConfigurationError, match="no certificate with its key"):
            live.wait_for(live.server.reload(other))
        assert served_certificate(live, ours.ca) == first
        shutil.copy(theirs.key, ours.key)
        live.wait_for(live.server.reload())
        assert served_certificate(live, theirs.ca) != first
        if model != "inline":
            assert before.ask("echo 2") == "2"
            before.close()


def test_a_reload_that_cannot_be_leaves_all_as_it_was() -> None:
    typed_in = handlers.lines_of(lambda _: None)
    with Live(handlers.native, TCP, model="processes") as live:
        with pytest.raises(ConfigurationError, match="cannot be found by name"):
            live.wait_for(live.server.reload(typed_in))
        with live.connect() as peer:
            assert peer.ask("echo 1") == "1"
        assert not live.of(Reloaded)


@pytest.mark.long
def test_the_helper_of_before_ends_with_the_last_of_its_children() -> None:
    with Live(handlers.native, TCP, model="processes") as live, live.connect() as peer:
        helper = int(peer.ask("helper"))
        for _ in range(2):
            live.wait_for(live.server.reload())
        assert int(peer.ask("helper")) == helper
        assert runs(helper)
        peer.send("quit")
        assert [peer.line(), peer.line()] == ["done", ""]
        model = live.server._model
        assert isinstance(model, ProcessesModel)
        until(lambda: all(one.is_over for one in model._retired))


@pytest.mark.some(1)
@pytest.mark.parametrize("model", SEVERAL)
def test_what_is_killed_is_also_a_child_of_before(model: ModelName) -> None:
    with Live(handlers.native, TCP, model=model) as live, live.connect() as peer:
        assert peer.ask("echo 1") == "1"
        live.wait_for(live.server.reload())
        peer.send("block" if model != "asyncio" else "wait")
        live.stop(drain=0.1)
        if model == "processes":
            with contextlib.suppress(ConnectionResetError):  # when it has not read all by then
                assert peer.sock.recv(1) == b""


@pytest.mark.some(1)
@pytest.mark.parametrize("model", SEVERAL)
@pytest.mark.parametrize("service", [handlers.native, handlers.blocking])
def test_a_handler_can_ask_whether_the_server_stops(
    model: ModelName, service: Service[str], certificates: Certificates
) -> None:
    for url in (TCP, UDP, certificates.url()):
        with (
            Live(service, url, model=model) as live,
            Peer(live.endpoints[0], ca=certificates.ca) as peer,
        ):
            assert peer.ask("draining") == "False"
            peer.send("until draining")
            assert peer.line() == "now"
            stopped = asyncio.run_coroutine_threadsafe(live.server.stop(), live.loop)
            assert peer.line() == "draining"
            peer.close()
            stopped.result(PATIENCE)
