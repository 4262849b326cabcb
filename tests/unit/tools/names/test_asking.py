"""Asking a name server over real sockets, whatever the server does."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

from jackfield.errors import (
    BadMessage,
    ConnectError,
    ConnectRefused,
    ConnectTimeout,
    JackfieldError,
    NotationError,
)
from jackfield.tools.names import asking
from jackfield.tools.names.asking import Asked, Server, ask, outcome, server_of
from tests.live import PATIENCE, free_port
from tests.nameserver import Hostile, NameServer, answered, pair

ZONE = [
    "example.org 300 A 192.0.2.1",
    "example.org 300 MX 10 mail.example.org.",
    "www.example.org 60 CNAME example.org.",
    *(f"big.example.org 60 TXT {'x' * 200}{number}" for number in range(100)),
]


def asked_of(server: NameServer, name: str, kind: str = "A", timeout: float = PATIENCE) -> Asked:
    return ask(Server("127.0.0.1", server.port), name, kind, timeout)


def test_an_answer_comes_over_udp() -> None:
    with NameServer(ZONE) as server:
        found = asked_of(server, "www.example.org")
    assert (found.transport, found.was_cut, found.passed_over) == ("UDP", False, 0)
    assert [one.value for one in found.answer.aliases] == ["example.org"]
    assert [one.value for one in found.answer.records] == ["192.0.2.1"]
    assert found.answer.authoritative
    assert outcome(found, "www.example.org", "A") == ""


def test_what_is_too_long_for_a_datagram_is_asked_for_over_tcp() -> None:
    with NameServer(ZONE) as server:
        found = asked_of(server, "big.example.org", "TXT")
    assert server.asked == [("big.example.org", "TXT", "UDP"), ("big.example.org", "TXT", "TCP")]
    assert (found.transport, found.was_cut) == ("TCP", True)
    assert len(found.answer.records) == 100


@pytest.mark.parametrize(
    ("name", "rcode", "words"),
    [
        ("none.example.org", "", "there is no name none.example.org (NXDOMAIN, says 127.0.0.1:"),
        ("bad.example", "SERVFAIL", "could not find out about bad.example"),
        ("bad.example", "REFUSED", "does not answer that question to us"),
        ("bad.example", "FORMERR", "does not understand the question"),
        ("bad.example", "NOTIMP", "cannot answer that kind of question"),
        ("bad.example", "YXDOMAIN", "has no answer (YXDOMAIN, says"),
        ("www.example.org", "", "www.example.org is there, and has no MX record"),
    ],
)
def test_what_came_of_it_is_a_line(name: str, rcode: str, words: str) -> None:
    zone = [*ZONE[:1], "www.example.org 60 A 192.0.2.1"]
    with NameServer(zone, rcodes={"bad.example": rcode or "NOERROR"}) as server:
        found = asked_of(server, name, "MX")
    assert words in outcome(found, name, "MX")


def test_a_server_without_edns_is_asked_again_without() -> None:
    def old(wire: bytes, transport: str) -> Sequence[bytes]:
        if b"\0\0\x29" in wire:  # the OPT record of EDNS
            return [wire[:2] + b"\x80\x01" + b"\0" * 8]  # FORMERR, and nothing else
        return [answered(wire, records=["old.example 1 A 192.0.2.1"])]

    with NameServer(hostile={"old.example": old}) as server:
        found = asked_of(server, "old.example")
    assert [one.value for one in found.answer.records] == ["192.0.2.1"]
    assert len(server.asked) == 2


def test_a_question_that_got_lost_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "AGAIN", (0.05, 0.1))
    tried: list[str] = []

    def third(wire: bytes, transport: str) -> Sequence[bytes]:
        tried.append(transport)
        return [answered(wire)] if len(tried) == 3 else []

    with NameServer(hostile={"slow.example": third}) as server:
        found = asked_of(server, "slow.example")
    assert found.answer.status == "NOERROR"
    assert tried == ["UDP"] * 3


def test_answers_to_other_questions_are_passed_over() -> None:
    def guesses(wire: bytes, transport: str) -> Sequence[bytes]:
        number = int.from_bytes(wire[:2])
        wrong = [answered(wire, id=(number + n) & 0xFFFF) for n in range(1, 6)]
        other = answered(wire, records=["x.example 1 A 6.6.6.6"]).replace(b"\1x", b"\1y")
        return [*wrong, other, answered(wire, records=["x.example 1 A 192.0.2.1"])]

    with NameServer(hostile={"x.example": guesses}) as server:
        found = asked_of(server, "x.example")
    assert [one.value for one in found.answer.records] == ["192.0.2.1"]
    assert found.passed_over == 6


def flood(wire: bytes, transport: str) -> Sequence[bytes]:
    number = int.from_bytes(wire[:2])
    return [answered(wire, id=(number + n) & 0xFFFF) for n in range(1, 200)]


def cut(wire: bytes) -> bytes:
    """An answer that says it did not fit."""
    data = bytearray(answered(wire))
    data[2] |= 0x02
    return bytes(data)


def after_udp(*parts: bytes) -> Hostile:
    """Over UDP, say that TCP must be taken; there, write these."""
    return lambda wire, transport: [cut(wire)] if transport == "UDP" else parts


@pytest.mark.parametrize(
    ("hostile", "kind", "words"),
    [
        (lambda wire, _: [wire[:2] + b"\x80\0" + b"\xff" * 30], BadMessage, "no DNS message"),
        (lambda wire, _: [answered(wire)[:20]], BadMessage, "no DNS message"),
        (flood, BadMessage, "101 datagrams came that answer other questions"),
        (lambda wire, _: [answered(wire, id=0)] * 3, ConnectTimeout, "answer other questions"),
        (lambda *_: [], ConnectTimeout, "no answer over UDP in "),
        (after_udp(b""), BadMessage, "was cut after 0 of 2 bytes"),
        (after_udp(b"\0\x20abc"), BadMessage, "was cut after 3 of 32 bytes"),
        (after_udp(b"\0\0"), BadMessage, "0 bytes are no DNS message"),
        (after_udp(b"\xff\xff" + b"x" * 65_535), NotationError, ""),
    ],
    ids=["junk", "cut", "flood", "wrong", "silent", "no TCP", "short", "empty", "other"],
)
def test_what_a_server_may_do_is_an_error_in_a_line(
    hostile: Hostile, kind: type[JackfieldError], words: str
) -> None:
    if kind is NotationError:  # the last row: what answers another question over TCP
        kind, words = BadMessage, "another question"
    with (
        NameServer(hostile={"x.example": hostile}) as server,
        pytest.raises(kind, match=re.escape(words)) as raised,
    ):
        asked_of(server, "x.example", timeout=PATIENCE if kind is BadMessage else 0.3)
    assert str(raised.value).startswith(f"127.0.0.1:{server.port}: ")
    assert "\n" not in str(raised.value)


def test_a_port_where_nobody_answers_is_told() -> None:
    with pytest.raises(ConnectRefused, match=r"nobody answers on its UDP port \(ECONNREFUSED\)"):
        ask(Server("127.0.0.1", free_port()), "x.example", "A", PATIENCE)


def test_a_server_without_tcp_is_told() -> None:
    udp, tcp = pair("127.0.0.1", 0)
    tcp.close()
    with (
        NameServer(hostile={"x.example": after_udp()}, sockets=(udp, None)) as server,
        pytest.raises(ConnectRefused, match="too long for UDP, and nobody answers on its TCP"),
    ):
        asked_of(server, "x.example")


def test_a_server_that_says_nothing_over_tcp_is_told() -> None:
    udp, tcp = pair("127.0.0.1", 0)
    with (
        tcp,  # which listens, and accepts nobody
        NameServer(hostile={"x.example": after_udp()}, sockets=(udp, None)) as server,
        pytest.raises(ConnectTimeout, match="over TCP nothing came in time"),
    ):
        asked_of(server, "x.example", timeout=0.5)


def test_a_network_without_a_way_is_told() -> None:
    with pytest.raises(ConnectError, match="it cannot be asked over UDP"):
        ask(Server("255.255.255.255"), "x.example", "A", PATIENCE)


@pytest.mark.parametrize(
    ("text", "server", "shown"),
    [
        ("192.0.2.53", Server("192.0.2.53", 53), "192.0.2.53"),
        ("192.0.2.53:5353", Server("192.0.2.53", 5353), "192.0.2.53:5353"),
        ("::1", Server("::1", 53), "::1"),
        ("[::1]", Server("::1", 53), "::1"),
        ("[2001:DB8::53]:5353", Server("2001:db8::53", 5353), "[2001:db8::53]:5353"),
        ("fe80::1%eth0", Server("fe80::1%eth0", 53), "fe80::1%eth0"),
    ],
)
def test_a_server_is_written_as_an_address(text: str, server: Server, shown: str) -> None:
    assert server_of(text) == server
    assert str(server) == shown


@pytest.mark.parametrize(
    ("text", "part", "words"),
    [
        ("ns.example", "ns.example", "'ns.example' is no address"),
        ("", "", "'' is no address"),
        ("192.0.2.256:53", "192.0.2.256", "'192.0.2.256' is no address"),
        ("[::g]:53", "::g", "'::g' is no address"),
        ("[::1", "[::1", "with both brackets"),
        ("[::1]x", "[::1]x", "with both brackets"),
        ("192.0.2.1:", "", "'' is no port"),
        ("192.0.2.1:0", "0", "'0' is no port"),
        ("192.0.2.1:65536", "65536", "'65536' is no port"),
        ("[::1]:x", "x", "'x' is no port"),
        ("192.0.2.1:" + "9" * 5000, "9" * 5000, "is no port"),
    ],
)
def test_the_part_of_a_server_that_is_wrong_is_pointed_at(text: str, part: str, words: str) -> None:
    with pytest.raises(NotationError, match=re.escape(words)) as raised:
        server_of(text)
    assert text[raised.value.start : raised.value.end] == part
