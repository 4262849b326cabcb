"""`jackfield ping`, in network namespaces: loss, silence, routers, firewalls, and few rights."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import pytest

from jackfield.cli.main import run
from jackfield.tools.pinging import icmp
from tests.commands.people import AtTerminal, Piped
from tests.live import PATIENCE
from tests.namespaces import needs
from tests.routed import NOBODY, Net, made

FAST = ("-i", "0.02", "-W", "5s")
EVERYBODY = "0 2147483647"
NO_ONE = "1 0"


@pytest.fixture(scope="module")
def shared() -> Iterator[Net]:
    """A net that no test changes."""
    with made() as net:
        yield net


@pytest.fixture
def net() -> Iterator[Net]:
    """A net for one test."""
    with made() as one:
        yield one


@pytest.fixture(params=["raw", "datagram"])
def way(request: pytest.FixtureRequest, net: Net) -> str:
    """Over both kinds of socket: which one it is depends on this value of the kernel's."""
    net.here.set("ipv4/ping_group_range", EVERYBODY if request.param == "datagram" else NO_ONE)
    return f"icmp {request.param}"


# What answers


@pytest.mark.some(1)
def test_every_host_answers(net: Net, way: str) -> None:
    hosts = ["127.0.0.1", "::1", "10.9.1.254", "10.9.2.2", "fd09:2::2", "10.9.1.1"]
    found = net.json(*FAST, "-c", "4", *hosts)
    assert [one["host"] for one in found] == hosts
    for one in found:
        assert (one["way"], one["error"], one["why"]) == (way, None, None)
        assert (one["sent"], one["answered"], one["lost"], one["loss"]) == (4, 4, 0, 0.0)
        assert (one["duplicates"], one["late"], one["damaged"], one["troubles"]) == (0, 0, 0, [])
        times = one["seconds"]
        assert 0 < times["min"] <= times["average"] <= times["max"] < PATIENCE
        assert 0 <= times["deviation"] <= times["max"]
        assert len(one["recent"]) == 4


@pytest.mark.some(1)
@pytest.mark.parametrize("size", [0, 1, 15, 16, 1400, 9000, 65_507])
def test_any_size_comes_back_whole(size: int, shared: Net) -> None:
    done = shared.ping(*FAST, "-c", "2", "-s", str(size), "10.9.2.2", "fd09:2::2")
    assert done.returncode == 0, done.stdout
    assert "10.9.2.2: 1: " in done.stdout
    assert f" ms, {size + 8} bytes, TTL 63\n" in done.stdout
    assert f"  {size} bytes by ICMP over a " in done.stdout


class Responder:
    """Answers echo requests in the place of the other machine's system, as a test wants.

    answers: gives the ICMP packets to send for a request: by its number, identifier and payload.
    """

    def __init__(self, net: Net, answers: Callable[[int, int, bytes], Sequence[bytes]]) -> None:
        net.there.set("ipv4/icmp_echo_ignore_all", "1")
        self._answers = answers
        self._sock = net.there.call(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))
        self._end, self._ended = socket.socketpair()
        self._thread = threading.Thread(target=self._answer, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.close()
        self._thread.join(PATIENCE)
        self._ended.close()
        self._sock.close()

    def _answer(self) -> None:
        while True:
            ready, _, _ = select.select([self._sock, self._ended], [], [])
            if self._ended in ready:
                return
            data, peer = self._sock.recvfrom(65_535)
            kind, _, _, identifier, number = struct.unpack_from("!BBHHH", data, 20)
            if kind == 8:
                for packet in self._answers(number, identifier, data[28:]):
                    self._sock.sendto(packet, peer)


def echo(number: int, identifier: int, payload: bytes) -> bytes:
    """An echo reply."""
    data = struct.pack("!BBHHH", 0, 0, 0, identifier, number) + payload
    return data[:2] + icmp.checksum(data).to_bytes(2) + data[4:]


# What gets lost


@pytest.mark.some(1)
def test_every_fourth_one_gets_lost(net: Net, way: str) -> None:
    needs("iptables")
    rule = "-A INPUT -p icmp -m statistic --mode nth --every 4 --packet 2 -j DROP"
    net.there.run("iptables", "-w", *rule.split())
    found = net.json("-i", "0.02", "-W", "500ms", "-c", "12", "10.9.2.2")
    (one,) = found
    assert (one["sent"], one["answered"], one["lost"], one["loss"]) == (12, 9, 3, 0.25)
    lost = [place for place, time in enumerate(one["recent"]) if time is None]
    assert len(lost) == 3


@pytest.mark.some(1)
def test_silence_is_a_loss_of_all_and_status_1(net: Net, way: str) -> None:
    needs("iptables")
    net.there.run("iptables", "-w", "-A", "INPUT", "-p", "icmp", "-j", "DROP")
    words = ("-i", "0.02", "-W", "300ms", "-c", "3", "10.9.2.2")
    (one,) = net.json(*words, status=1)
    assert (one["sent"], one["answered"], one["loss"]) == (3, 0, 1.0)
    assert one["seconds"] == {"min": None, "average": None, "max": None, "deviation": None}
    done = net.ping(*words)
    assert done.returncode == 1
    assert done.stdout.count(": no answer in 0.3 s\n") == 3
    assert done.stdout.endswith("10.9.2.2\n  3 sent, 0 answered, 3 lost (100%)\n")


@pytest.mark.long
def test_one_silent_host_of_several_is_status_1(net: Net, way: str) -> None:
    needs("iptables")
    net.there.run("iptables", "-w", "-A", "INPUT", "-p", "icmp", "-j", "DROP")
    words = ("-i", "0.02", "-W", "300ms", "-c", "2")
    first, second = net.json(*words, "10.9.1.254", "10.9.2.2", status=1)
    assert (first["answered"], second["answered"]) == (2, 0)


@pytest.mark.long
def test_what_comes_late_is_lost_and_told(net: Net, way: str) -> None:
    """The first answer is held back until the fourth request is there, when its time is up."""
    held: list[bytes] = []

    def answers(number: int, identifier: int, payload: bytes) -> Sequence[bytes]:
        mine = echo(number, identifier, payload)
        if number == 1:
            held.append(mine)
            return []
        return [*held, mine] if number == 4 else [mine]

    with Responder(net, answers):
        (one,) = net.json("-i", "0.8", "-W", "2s", "-c", "4", "10.9.2.2")
    assert (one["sent"], one["answered"], one["lost"], one["late"]) == (4, 3, 1, 1)
    assert one["duplicates"] == 0


@pytest.mark.some(1)
def test_what_comes_twice_is_told(net: Net, way: str) -> None:
    def answers(number: int, identifier: int, payload: bytes) -> Sequence[bytes]:
        return [echo(number, identifier, payload)] * (3 if number < 3 else 1)

    with Responder(net, answers):
        done = net.ping("-i", "0.1", "-W", "5s", "-c", "3", "10.9.2.2")
    assert done.returncode == 0
    assert done.stdout.count(" (once more)\n") == 4
    assert "  3 sent, 3 answered, 0 lost (0%)\n  4 answered more than once\n" in done.stdout


@pytest.mark.some(1)
def test_an_answer_that_is_not_what_was_sent_does_not_count(net: Net, way: str) -> None:
    def answers(number: int, identifier: int, payload: bytes) -> Sequence[bytes]:
        good = echo(number, identifier, payload)
        return [
            echo(number, identifier, payload[:-1] + b"x"),
            echo(number, identifier, payload[:-1]),
            echo(number, identifier, b"\0" * 8 + payload[8:]),  # somebody else's token
            echo(number + 1, identifier, payload),
            good[:2] + b"\0\0" + good[4:],  # a wrong checksum
            good[:7],
        ]

    with Responder(net, answers):
        (one,) = net.json("-i", "0.1", "-W", "500ms", "-c", "2", "10.9.2.2", status=1)
        done = net.ping("-c", "1", "-W", "500ms", "10.9.2.2")
    assert (one["sent"], one["answered"], one["lost"], one["damaged"]) == (2, 0, 2, 8)
    assert "10.9.2.2: 1: an answer that does not bring back what was sent\n" in done.stdout


@pytest.mark.some(1)
def test_errors_about_what_we_did_not_send_are_not_taken(net: Net, way: str) -> None:
    def answers(number: int, identifier: int, payload: bytes) -> Sequence[bytes]:
        asked = struct.pack("!BBHHH", 8, 0, 0, identifier, number) + b"\0" * 8
        where = [socket.inet_aton(one) for one in ("10.9.1.1", "10.9.2.2")]
        quoted = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 92, 1, 0, 64, 1, 0, *where) + asked
        data = struct.pack("!BBHI", 3, 1, 0, 0) + quoted
        lie = data[:2] + icmp.checksum(data).to_bytes(2) + data[4:]
        return [lie, echo(number, identifier, payload)]

    with Responder(net, answers):
        (one,) = net.json(*FAST, "-c", "3", "10.9.2.2")
    assert (one["answered"], one["troubles"]) == (3, [])


# What is told by others


def trouble(found: list[Any]) -> tuple[str, str | None, int]:
    (one,) = found
    (told,) = one["troubles"]
    return told["text"], told["by"], told["count"]


@pytest.mark.some(1)
@pytest.mark.parametrize(
    ("host", "by", "word"), [("10.9.2.2", "10.9.1.254", "TTL"), ("fd09:2::2", "fd09:1::ff", "hop")]
)
def test_who_used_up_the_ttl_is_told(net: Net, way: str, host: str, by: str, word: str) -> None:
    found = net.json(*FAST, "-c", "3", "--ttl", "1", host, status=1)
    text, who, count = trouble(found)
    assert (who, count) == (by, 3)
    assert word in text
    assert text.endswith("(time exceeded)")
    done = net.ping(*FAST, "-c", "1", "--ttl", "1", host)
    assert f"{host}: 1: {by} says: the {word}" in done.stdout


@pytest.mark.some(1)
@pytest.mark.parametrize(
    ("host", "route", "by"),
    [
        ("10.9.9.9", ["ip", "route", "add", "unreachable", "10.9.9.0/24"], "10.9.1.254"),
        ("fd09:9::9", ["ip", "-6", "route", "add", "unreachable", "fd09:9::/64"], "fd09:1::ff"),
    ],
)
def test_who_has_no_way_is_told(net: Net, way: str, host: str, route: list[str], by: str) -> None:
    net.router.run(*route)
    text, who, count = trouble(net.json(*FAST, "-c", "2", host, status=1))
    assert (who, count) == (by, 2)
    assert "unreachable" in text or "no route" in text


@pytest.mark.some(1)
def test_a_firewall_is_told(net: Net, way: str) -> None:
    needs("iptables")
    rule = "-A FORWARD -p icmp -j REJECT --reject-with icmp-host-prohibited"
    net.router.run("iptables", "-w", *rule.split())
    text, who, _ = trouble(net.json(*FAST, "-c", "2", "10.9.2.2", status=1))
    assert (text, who) == ("a firewall forbids the host (host prohibited)", "10.9.1.254")


@pytest.mark.long
def test_a_network_without_a_way_from_here_is_told(net: Net, way: str) -> None:
    net.here.run("ip", "route", "del", "default")
    text, who, count = trouble(net.json(*FAST, "-c", "2", "203.0.113.1", status=1))
    assert (text, who, count) == (
        "this machine has no way to its network (ENETUNREACH)",
        None,
        2,
    )


@pytest.mark.some(1)
def test_a_neighbour_that_is_not_there_is_told_by_this_machine(net: Net, way: str) -> None:
    net.here.set("ipv4/neigh/e0/mcast_solicit", "1")
    net.here.set("ipv4/neigh/e0/retrans_time_ms", "50")
    done = net.ping("-c", "1", "-W", "10s", "10.9.1.77")
    assert done.returncode == 1
    assert "10.9.1.77: 1: this machine" in done.stdout


@pytest.mark.long
def test_answers_of_others_are_not_taken_for_ours(net: Net, way: str) -> None:
    """Another ping to the same host at the same time, with numbers and sizes like ours."""
    needs("ping")
    words = net.here.within("ping", "-i", "0.01", "-c", "200", "-q", "10.9.2.2")
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as other:
        (one,) = net.json(*FAST, "-c", "20", "10.9.2.2")
        other.wait(PATIENCE)
    assert (one["answered"], one["duplicates"], one["damaged"]) == (20, 0, 0)


# Few rights


def test_nobody_may_over_a_datagram_socket(net: Net) -> None:
    net.here.set("ipv4/ping_group_range", EVERYBODY)
    found = net.json("-c", "1", "10.9.2.2", "fd09:2::2", as_nobody=True)
    assert [(one["way"], one["answered"]) for one in found] == [("icmp datagram", 1)] * 2


def test_where_icmp_is_not_allowed_tcp_stands_in_and_it_says_why(net: Net) -> None:
    net.here.set("ipv4/ping_group_range", NO_ONE)
    done = net.ping("-c", "2", "-i", "0.2", "10.9.2.2", as_nobody=True)
    assert done.returncode == 0, done.stderr
    head = " ".join(done.stdout.split())
    assert head.startswith(
        "10.9.2.2 by connecting over TCP to port 443 ICMP is not allowed here: no datagram socket "
        "(EACCES; net.ipv4.ping_group_range is 1 0), and no raw one (EPERM), which needs root or "
        "CAP_NET_RAW. TCP stands in for it; sudo sysctl net.ipv4.ping_group_range='0 2147483647' "
        "would allow it to everybody"
    )
    assert "10.9.2.2: 1: " in done.stdout
    assert "refused: it is there, and nobody listens on the port\n" in done.stdout
    assert "  2 sent, 2 answered, 2 of these refused, 0 lost (0%)\n" in done.stdout
    (one,) = net.json("-c", "1", "10.9.2.2", as_nobody=True)
    assert (one["way"], one["port"], one["refused"]) == ("tcp", 443, 1)
    assert one["why"].startswith("ICMP is not allowed here")


def test_silence_is_a_loss_by_tcp_too(net: Net) -> None:
    needs("iptables")
    net.there.run("iptables", "-w", "-A", "INPUT", "-j", "DROP")
    (one,) = net.json("--tcp", "80", "-i", "0.02", "-W", "200ms", "-c", "3", "10.9.2.2", status=1)
    assert (one["way"], one["sent"], one["answered"], one["lost"]) == ("tcp", 3, 0, 3)


def test_a_host_without_a_way_is_told_by_tcp_too(net: Net) -> None:
    net.router.run("ip", "route", "add", "unreachable", "10.9.9.0/24")
    text, _, _ = trouble(net.json("--tcp", "80", *FAST, "-c", "1", "10.9.9.9", status=1))
    assert text == "machine unreachable (EHOSTUNREACH)"


def test_only_root_may_ask_more_often(shared: Net) -> None:
    done = shared.ping("-i", "0.1", "10.9.2.2", as_nobody=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "jackfield: 0.1 s between two would be a flood: 0.2 s is the least; only root may ask more "
        "often\n"
    )


# By TCP, and what else needs no namespace


def test_a_port_that_is_open_answers(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        assert run(["ping", "--tcp", port, "-i", "0.2", "-c", "2", "127.0.0.1"]) == 0
        out = capsys.readouterr().out
        assert re.fullmatch(
            r"127\.0\.0\.1\n"
            rf"  by connecting over TCP to port {port}\n"
            r"127\.0\.0\.1: 1: [\d.]+ ms\n"
            r"127\.0\.0\.1: 2: [\d.]+ ms\n"
            r"127\.0\.0\.1\n"
            r"  2 sent, 2 answered, 0 lost \(0%\)\n"
            r"  min [\d.]+, average [\d.]+, max [\d.]+, deviation [\d.]+ ms\n",
            out,
        )


def test_a_name_without_an_address_does_not_keep_others_from_being_asked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["--tcp", "9", "-c", "1", "no..name", "localhost", "224.0.0.1"]
    assert run(["ping", "--json", *words]) == 1
    first, second, third = json.loads(capsys.readouterr().out)["hosts"]
    assert (first["address"], first["error"]) == (
        None,
        "no..name: label 2 is empty: there is a dot too many",
    )
    assert second["answered"] == 1
    assert third["error"] == "224.0.0.1: 224.0.0.1 stands for many hosts; one is asked at a time"
    assert run(["ping", *words]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "no..name                  not asked: see below" in lines
    assert "no..name: label 2 is empty: there is a dot too many" in lines


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], "jackfield ping: Missing argument 'HOST...'"),
        (["-4", "-6", "x"], "jackfield ping: -4 and -6 do not go together (see "),
        (["--tcp", "80", "-s", "1", "x"], "jackfield ping: --size is for ICMP; TCP carries"),
        (["--tcp", "0", "x"], "jackfield ping: Invalid value for '--tcp': 0 is not in the range"),
        (["-s", "65508", "x"], "jackfield: a packet carries 0 to 65507 bytes, not 65508"),
        (["-W", "61s", "x"], "jackfield: an answer is waited for up to 60 s, not 61"),
        (["-W", "0", "x"], "jackfield: an answer is waited for up to 60 s, not 0"),
        (["-i", "1ms", "x"], "jackfield: 0.001 s between two would be a flood: 0."),
        (["--ttl", "256", "x"], "jackfield ping: Invalid value for '-t' / '--ttl': 256 is not in"),
        (
            [f"10.0.{n // 256}.{n % 256}" for n in range(257)],
            "jackfield: 257 hosts at once are too",
        ),
    ],
    ids=["none", "both", "size", "tcp", "large", "long", "short", "often", "ttl", "many"],
)
def test_wrong_usage_is_a_line_and_status_2(
    words: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["ping", *words]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(line)
    assert captured.err.count("\n") == 1


def test_ctrl_c_ends_it_with_what_is_known() -> None:
    with Piped("ping", "--tcp", "9", "-c", "0", "-i", "0.2", "127.0.0.1") as command:
        command.await_output(b"127.0.0.1: 2: ")
        command.process.send_signal(signal.SIGINT)
        status, out, err = command.finish()
    assert (status, err) == (0, "")
    assert re.search(rb"\n  \d+ sent, \d+ answered, \d+ of these refused, 0 lost \(0%\)\n", out)


def test_who_reads_no_more_has_had_enough() -> None:
    with Piped("ping", "--tcp", "9", "-c", "0", "-i", "0.2", "127.0.0.1") as command:
        command.await_output(b"127.0.0.1: 1: ")
        command.stdout.close()
        assert command.process.wait(PATIENCE) in {0, 1}
        assert b"Traceback" not in command.stderr.read()


# On a terminal


@pytest.mark.some(1)
@pytest.mark.parametrize("without", ["", "1"], ids=["colour", "none"])
def test_one_host_has_a_picture_below_its_lines(without: str) -> None:
    words = ("ping", "--tcp", "9", "-c", "4", "-i", "0.2", "127.0.0.1")
    with AtTerminal(*words, NO_COLOR=without) as terminal:
        terminal.await_raw(b"2 of 2, lost 0%")  # on the screen it is for a moment alone
        assert terminal.finish() == 0
        assert (b"\x1b[1m" in terminal.read) == (not without)
        screen = terminal.screen
    assert re.search(r"^   4 [\d.]+ ms, refused", screen, re.MULTILINE)
    assert "of 4, lost" not in screen  # the picture made place for the result
    assert re.search(r"^  [▁-█]{4}$", screen, re.MULTILINE)
    assert max(map(len, screen.splitlines())) <= 80


def test_several_hosts_are_a_table_that_is_painted_anew() -> None:
    words = ("ping", "--tcp", "9", "-c", "3", "-i", "0.2", "127.0.0.1", "localhost", "no..name")
    with AtTerminal(*words) as terminal:
        terminal.await_raw(b"127.0.0.1                    1")  # for a moment alone
        assert terminal.finish() == 1
        screen = terminal.screen
    assert screen.count("host, times in ms         sent  lost   min   avg   max   dev") == 1
    assert re.search(r"^127\.0\.0\.1 +3 +0% ( +[\d.]+){4}  [▁-█]{3}$", screen, re.MULTILINE)
    assert re.search(r"^localhost +3 +0% ", screen, re.MULTILINE)
    assert max(map(len, screen.splitlines())) <= 80


@pytest.mark.long
def test_a_table_that_does_not_fit_is_not_painted_while_it_goes_on() -> None:
    hosts = [f"127.0.0.{number}" for number in range(1, 31)]
    with AtTerminal("ping", "--tcp", "9", "-c", "1", *hosts) as terminal:
        assert terminal.finish() == 0
        screen = terminal.screen
    assert screen.count("host, times in ms") == 1
    assert "127.0.0.30: 1: " in screen


def test_a_terminal_of_ascii_gets_a_picture_of_ascii() -> None:
    words = ("ping", "--tcp", "9", "-c", "3", "-i", "0.2", "127.0.0.1")
    with AtTerminal(*words, PYTHONIOENCODING="ascii") as terminal:
        assert terminal.finish() == 0
        assert re.search(r"^  [_.~=*%#-]{3}$", terminal.screen, re.MULTILINE)


def test_this_python_has_what_it_runs_on() -> None:
    """Nobody must be able to run this Python: else tests of few rights would test nothing."""
    assert Path(sys.executable).exists()
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        needs("setpriv")
        subprocess.run([*NOBODY, sys.executable, "-c", "import jackfield"], check=True, timeout=60)
