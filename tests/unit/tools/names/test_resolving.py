from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path

import pytest

from jackfield.errors import (
    BadMessage,
    ConfigurationError,
    ConnectError,
    ConnectRefused,
    NameNotFound,
)
from jackfield.tools.names import asking, labels, lookup, policy, resolving, sources
from jackfield.tools.names.asking import Asked, Server
from jackfield.tools.names.lookup import Resolved
from tests.live import PATIENCE, free_port
from tests.nameserver import NameServer, answered


@pytest.fixture(autouse=True)
def etc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files of a test's own in the place of the system's."""
    for name in ("HOSTS", "RESOLV", "NSSWITCH", "GAI"):
        monkeypatch.setattr(sources, name, tmp_path / name.lower())
    return tmp_path


def found(*addresses: str, canonical: str = "") -> Resolved:
    return Resolved([(address, 0) for address in addresses], canonical, 0.001)


def dead_server() -> Server:
    return Server("127.0.0.1", free_port())


def test_without_dnspython_addresses_are_told_and_what_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "dns.message", None)
    monkeypatch.setitem(sys.modules, "dns", None)
    monkeypatch.setattr(lookup, "resolve", lambda *_: found("127.0.0.1"))
    looked = resolving.look_up("x.example", PATIENCE)
    assert [one.address for one in looked.addresses] == ["127.0.0.1"]
    assert (looked.by, looked.by_text) == ("other", "not the hosts file, but one of: dns")
    (note,) = looked.notes
    assert note.endswith("pip install 'jackfield[tools]'")
    with pytest.raises(ConfigurationError, match="dnspython"):
        resolving.records("x.example", ["A"], None, PATIENCE)


def test_without_dnspython_a_name_without_an_address_is_told_as_the_system_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> Resolved:
        raise NameNotFound("x.example: it has no address (EAI_NONAME)")

    monkeypatch.setattr(lookup, "resolve", fail)
    monkeypatch.setitem(sys.modules, "dns.message", None)
    monkeypatch.setitem(sys.modules, "dns", None)
    with pytest.raises(NameNotFound, match=r"it has no address \(EAI_NONAME\)"):
        resolving.look_up("x.example", PATIENCE)


def test_without_idna_another_script_is_refused_and_not_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "idna", None)
    with pytest.raises(ConfigurationError, match=r"package idna: pip install 'jackfield\[tools\]'"):
        labels.to_ascii("bücher.example")
    assert labels.to_unicode("xn--bcher-kva.example") == "xn--bcher-kva.example"
    assert labels.to_ascii("example.org") == "example.org"


def test_a_server_that_is_down_is_passed_over_for_the_next() -> None:
    with NameServer(["x.example 1 A 192.0.2.1"]) as server:
        servers = [dead_server(), Server("127.0.0.1", server.port)]
        asked = resolving._ask_one(servers, "x.example", "A", 1e9)
    assert asked.server.port == server.port
    with pytest.raises(ConnectRefused):
        resolving._ask_one([dead_server(), dead_server()], "x.example", "A", 1e9)
    with pytest.raises(ConnectError, match="no server to ask"):
        resolving._ask_one([], "x.example", "A", 1e9)


def test_what_keeps_dns_from_being_asked_is_a_note_and_no_error(
    monkeypatch: pytest.MonkeyPatch, etc: Path
) -> None:
    def down(server: Server, *_: object) -> Asked:
        raise ConnectRefused(f"{server}: nobody answers")

    monkeypatch.setattr(asking, "ask", down)
    monkeypatch.setattr(lookup, "resolve", lambda *_: found("127.0.0.1"))
    (etc / "resolv").write_text("nameserver 192.0.2.53\n")
    (etc / "nsswitch").write_text("hosts: files mdns [NOTFOUND=return] dns\n")
    looked = resolving.look_up("x.example", PATIENCE)
    assert looked.notes == (
        "DNS, asked for A: 192.0.2.53: nobody answers",
        "DNS, asked for AAAA: 192.0.2.53: nobody answers",
    )
    assert looked.by_text == "not the hosts file, but one of: mdns, dns"


def test_why_a_name_has_no_address_is_told_where_dns_cannot_be_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> Resolved:
        raise NameNotFound("x.example: it has no address")

    def down(server: Server, *_: object) -> Asked:
        raise ConnectRefused(f"{server}: nobody answers")

    monkeypatch.setattr(lookup, "resolve", fail)
    monkeypatch.setattr(asking, "ask", down)
    with pytest.raises(NameNotFound, match=r"^x.example: it has no address; 127.0.0.1: nobody"):
        resolving.look_up("x.example", PATIENCE)


def test_a_name_that_dns_has_and_the_system_does_not_find_is_told_as_the_system_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> Resolved:
        raise NameNotFound("x.example: it has no address")

    monkeypatch.setattr(lookup, "resolve", fail)
    with NameServer(["x.example 1 A 192.0.2.1"]) as server:
        ask = asking.ask
        here = Server("127.0.0.1", server.port)
        monkeypatch.setattr(asking, "ask", lambda _, *rest: ask(here, *rest))
        with pytest.raises(NameNotFound, match=r"^x.example: it has no address$"):
            resolving.look_up("x.example", PATIENCE)


def test_an_order_that_no_rule_explains_is_the_systems_own_wish(
    monkeypatch: pytest.MonkeyPatch, etc: Path
) -> None:
    monkeypatch.setattr(lookup, "resolve", lambda *_: found("203.0.113.9", "127.0.0.1"))
    (etc / "hosts").write_text("203.0.113.9 x\n127.0.0.1 x\n")
    looked = resolving.look_up("x", PATIENCE)
    first, _ = looked.addresses
    assert first.decision is not None
    assert first.decision.rule == 0
    assert first.decision.text.startswith("the system's own wish: by rule ")
    assert looked.by_text == f"{etc / 'hosts'}, lines 1, 2"


def test_a_library_that_goes_by_the_newer_rfc_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """IPv4 before a unique local address: so it is by RFC 6724, and not by RFC 3484."""
    candidates = {
        "192.0.2.1": ("192.0.2.1", "192.0.2.2"),
        "fd00::1": ("fd00::1", "fd00::2"),
    }

    def candidate(place: tuple[str, int]) -> policy.Candidate:
        address, source = map(ip_address, candidates[place[0]])
        return policy.Candidate(address, source)

    monkeypatch.setattr(lookup, "candidate", candidate)
    monkeypatch.setattr(lookup, "numeric", lambda place: place[0])
    monkeypatch.setattr(lookup, "reverse", lambda places, _: [""] * len(places))
    monkeypatch.setattr(resolving, "tables", lambda: policy.GLIBC)
    chosen, _ = resolving._rank([("192.0.2.1", 0), ("fd00::1", 0)], ["192.0.2.1", "fd00::1"], 0)
    assert chosen is policy.RFC6724


def test_another_library_goes_by_the_rfc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "confstr", lambda _: None)
    assert resolving.tables() is policy.RFC6724
    monkeypatch.delattr(os, "confstr")
    assert resolving.tables() is policy.RFC6724


def test_errors_stand_in_the_place_of_answers() -> None:
    def junk(wire: bytes, transport: str) -> Sequence[bytes]:
        return [answered(wire)[:-1]]

    with NameServer(["x.example 1 MX 1 y.example."], hostile={"bad.example": junk}) as server:
        here = Server("127.0.0.1", server.port)
        first, second = resolving.records("x.example", ["MX", "TXT"], here, PATIENCE)
        (third,) = resolving.records("bad.example", ["A"], here, PATIENCE)
    assert isinstance(first, Asked)
    assert isinstance(second, Asked)
    assert isinstance(third, BadMessage)


def test_a_machine_whose_own_name_is_unknown_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> Resolved:
        raise NameNotFound("it has no address")

    monkeypatch.setattr(lookup, "resolve", fail)
    monkeypatch.setattr(asking, "ask", fail)
    machine = resolving.machine(0.5)
    assert machine.looked is None
    assert "it has no address" in machine.why
    assert machine.resolvers.servers == ("127.0.0.1",)


def test_the_name_of_an_address_is_turned_round_for_ptr() -> None:
    assert resolving.question_of("192.0.2.1", "PTR") == "1.2.0.192.in-addr.arpa"
    assert resolving.question_of("fe80::1%eth0", "PTR").endswith(".8.e.f.ip6.arpa")
    assert resolving.question_of("192.0.2.1", "A") == "192.0.2.1"
    assert resolving.question_of("x.example", "PTR") == "x.example"
