from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import click
import pytest

from jackfield.cli import resolved
from jackfield.errors import ConnectTimeout
from jackfield.tools.names.answers import Answer, Record
from jackfield.tools.names.asking import Asked, Server
from jackfield.tools.names.policy import Candidate, Decision
from jackfield.tools.names.resolving import Looked, Machine, Ranked
from jackfield.tools.names.sources import Resolvers


def ranked(address: str, source: str | None, decision: Decision | None = None) -> Ranked:
    own = None if source is None else ip_address(source)
    candidate = Candidate(ip_address(address), own, interface="eth0")
    return Ranked(address, candidate, "global", 10, 4, "", decision)


LOOKED = Looked(
    name="xn--bcher-kva.example",
    canonical="web.example",
    by="DNS",
    by_text="DNS, server 192.0.2.53",
    order=("files", "dns"),
    policy="the table of RFC 6724",
    addresses=(
        ranked("192.0.2.1", "192.0.2.9", Decision(-1, 1, "there is a way to it")),
        ranked("2001:db8::1", None, Decision(0, 0, "the system's own wish")),
        ranked("2001:db8::2", None),
    ),
    aliases=("web.example", "other.example"),
    asked=(),
    notes=("DNS, asked for A: nobody answers",),
    seconds=1.5,
)


def lines(told: list[str]) -> list[str]:
    return [click.unstyle(line) for line in told]


def test_all_that_is_known_of_a_name_is_told() -> None:
    assert lines(resolved.told_look(LOOKED, {})) == [
        "xn--bcher-kva.example (bücher.example)  3 addresses in 1.50 s",
        "  from       DNS, server 192.0.2.53",
        "  canonical  web.example",
        "  also       other.example",
        "",
        "Programs try them in this order, that of getaddrinfo():",
        "  1  192.0.2.1",
        "     reached    from 192.0.2.9 on eth0",
        "     counts as  global scope, precedence 10, label 4",
        "     before 2   rule 1: there is a way to it",
        "  2  2001:db8::1",
        "     reached    not from here: this machine has no way to it",
        "     counts as  global scope, precedence 10, label 4",
        "     before 3   the system's own wish",
        "  3  2001:db8::2",
        "     reached    not from here: this machine has no way to it",
        "     counts as  global scope, precedence 10, label 4",
        "  sorted     by the rules of RFC 6724, section 6, with the table of RFC 6724",
        "",
        "DNS, asked for A: nobody answers",
    ]


def test_an_address_is_told_with_what_points_at_it() -> None:
    one = replace(ranked("192.0.2.1", "192.0.2.9"), reverse="host.example")
    pointer = Record("1.2.0.192.in-addr.arpa", 9, "PTR", "host.example", {"target": "host.example"})
    asked = Asked(
        Server("192.0.2.53"), "UDP", False, 0.1, Answer("NOERROR", (), (pointer,), 0, False), 0
    )
    looked = replace(
        LOOKED, name="192.0.2.1", by="literal", by_text="it is an address", addresses=(one,)
    )
    looked = replace(looked, canonical="", aliases=(), notes=(), asked=(asked, asked))
    told = lines(resolved.told_look(looked, {"192.0.2.1": False}))
    assert told[:2] == ["192.0.2.1", "  from       it is an address"]
    assert "  reverse    host.example, which does not lead back to it" in told
    assert told[-3:] == [
        "DNS, server 192.0.2.53, has:",
        "  name                    TTL  type  value",
        "  1.2.0.192.in-addr.arpa  9 s  PTR   host.example",
    ]


def asked(*records: Record, status: str = "NOERROR", **more: int) -> Asked:
    answer = Answer(status, (), records, more.get("unasked", 0), authoritative=False)
    cut = bool(more.get("cut"))
    return Asked(Server("192.0.2.53"), "TCP", cut, 0.0123, answer, more.get("passed_over", 0))


def test_what_is_odd_about_an_answer_is_told() -> None:
    record = Record("x.example", 60, "A", "192.0.2.1", {"address": "192.0.2.1"})
    found = asked(record, unasked=2, passed_over=1, cut=1)
    assert lines(resolved.told_records("x.example", "A", found)) == [
        "x.example  1 A record",
        "  from 192.0.2.53 over TCP in 12.3 ms; too long for UDP",
        "  name        TTL  type  value",
        "  x.example  60 s  A     192.0.2.1",
        "  2 records more that nobody asked for, or too many",
        "  1 datagram passed over: no answers to this question",
    ]


@pytest.mark.parametrize(
    ("kind", "parts", "value"),
    [
        ("MX", {"preference": 5, "target": "a.example"}, "a.example, preference 5"),
        (
            "SRV",
            {"priority": 1, "weight": 2, "port": 3, "target": "xn--bcher-kva.example"},
            "xn--bcher-kva.example (bücher.example) port 3, priority 1, weight 2",
        ),
        ("TXT", {"strings": ["a\tb"]}, r'"a\tb"'),
    ],
)
def test_values_are_told_as_people_read_them(
    kind: str, parts: dict[str, object], value: str
) -> None:
    record = Record("x.example", 1, kind, '"a\tb"', parts)
    assert lines(resolved.told_list([record]))[1].endswith(f"  {value}")
    assert resolved.told_list([]) == []


def test_a_long_value_is_cut_into_lines_for_a_terminal_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    record = Record("x.example", 1, "TXT", f'"{"x" * 200}"', {"strings": ["x" * 200]})
    (_, line) = lines(resolved.told_list([record]))
    assert line.endswith('x"')
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    told = lines(resolved.told_list([record]))
    assert max(map(len, told)) <= 80
    assert "".join(part.strip() for part in told[2:]) == record.value


def test_errors_stand_beside_answers_in_json() -> None:
    found = resolved.plain_records(
        "x.example", ("A", "MX"), [asked(), ConnectTimeout("192.0.2.53: no answer")]
    )
    first, second = found["questions"]
    assert first["outcome"] == "x.example is there, and has no A record (NOERROR, no data)"
    assert second == {"name": "x.example", "type": "MX", "error": "192.0.2.53: no answer"}
    assert not resolved.has_records([asked(), ConnectTimeout("no")])


def test_a_machine_is_told() -> None:
    machine = Machine(
        "here",
        "here.example",
        replace(LOOKED, by_text="/etc/hosts, line 1"),
        "",
        Resolvers(("192.0.2.53",), (), 1),
        ("files",),
        1,
        "the table of RFC 6724",
    )
    assert lines(resolved.told_machine(machine)) == [
        "here  this machine",
        "  full name  here.example",
        "  addresses  192.0.2.1, 2001:db8::1, 2001:db8::2 (from /etc/hosts, line 1)",
        "  looks in   files (nsswitch.conf)",
        "  hosts      1 line in /etc/hosts",
        "  servers    192.0.2.53",
        "  sorts by   the table of RFC 6724",
    ]
    assert resolved.plain_machine(machine)["resolved"]["canonical"] == "web.example"
