"""`jackfield resolve`, beside getent and dig, with a name server of the tests' own."""

from __future__ import annotations

import json
import random
import re
import socket
import subprocess
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from jackfield.cli.main import run
from tests.commands.people import AtTerminal
from tests.live import PATIENCE
from tests.named import machine
from tests.nameserver import NameServer, answered, pair
from tests.namespaces import needs

ZONE = [
    "example.org 300 A 192.0.2.10",
    "example.org 300 AAAA 2001:db8::10",
    "example.org 3600 MX 10 mail.example.org.",
    "example.org 3600 MX 20 backup.example.org.",
    'example.org 60 TXT "v=spf1 -all" "and more"',
    "www.example.org 60 CNAME web.example.org.",
    "web.example.org 30 CNAME example.org.",
    "_sip._tcp.example.org 5 SRV 1 2 5060 sip.example.org.",
    "10.2.0.192.in-addr.arpa 90 PTR example.org.",
    "xn--bcher-kva.example 10 A 192.0.2.11",
    "evil.example 1 TXT " + r'"\027[31mred\007" "\226\128\174back" "\255"',
]


@pytest.fixture
def server() -> Iterator[NameServer]:
    with NameServer(ZONE, rcodes={"refused.example": "REFUSED"}) as one:
        yield one


def as_json(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert run(["resolve", "--json", *words]) == 0
    return json.loads(capsys.readouterr().out)


# Records, beside dig


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("example.org", "A"),
        ("example.org", "AAAA"),
        ("example.org", "MX"),
        ("example.org", "TXT"),
        ("www.example.org", "A"),
        ("www.example.org", "CNAME"),
        ("_sip._tcp.example.org", "SRV"),
        ("10.2.0.192.in-addr.arpa", "PTR"),
    ],
)
def test_records_are_those_of_dig(
    name: str, kind: str, server: NameServer, capsys: pytest.CaptureFixture[str]
) -> None:
    needs("dig")
    host, port = server.address.split(":")
    words = ["dig", f"@{host}", "-p", port, "+noall", "+answer", "+time=20", name, kind]
    done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=True)
    theirs = [
        (owner.rstrip("."), int(ttl), kind, re.sub(r"\.(?=$|\s)", "", value))
        for owner, ttl, _, kind, value in (
            line.split(None, 4) for line in done.stdout.splitlines() if line
        )
    ]
    (found,) = as_json(capsys, "--server", server.address, "--type", kind, name)["questions"]
    ours = [
        (one["name"], one["ttl"], one["type"], one["value"])
        for one in found["aliases"] + found["records"]
    ]
    assert theirs
    assert sorted(ours) == sorted(theirs)


def test_several_types_are_asked_for(
    server: NameServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["resolve", "-s", server.address, "-t", "mx", "-t", "A", "example.org"]) == 0
    assert re.sub(r"\d+\.\d ms", "TIME", capsys.readouterr().out) == (
        "example.org  2 MX records\n"
        f"  from {server.address} over UDP in TIME, whose own zone it is\n"
        "  name            TTL  type  value\n"
        "  example.org  3600 s  MX    mail.example.org, preference 10\n"
        "  example.org  3600 s  MX    backup.example.org, preference 20\n"
        "example.org  1 A record\n"
        f"  from {server.address} over UDP in TIME, whose own zone it is\n"
        "  name           TTL  type  value\n"
        "  example.org  300 s  A     192.0.2.10\n"
    )


def test_a_server_without_a_type_is_asked_for_addresses(
    server: NameServer, capsys: pytest.CaptureFixture[str]
) -> None:
    found = as_json(capsys, "--server", server.address, "www.example.org")["questions"]
    assert [(one["type"], one["records"][0]["value"]) for one in found] == [
        ("A", "192.0.2.10"),
        ("AAAA", "2001:db8::10"),
    ]
    (found,) = as_json(capsys, "--server", server.address, "192.0.2.10")["questions"]
    assert (found["name"], found["type"]) == ("10.2.0.192.in-addr.arpa", "PTR")
    assert found["records"][0]["parts"] == {"target": "example.org"}


def test_a_name_in_another_script_is_shown_both_ways(
    server: NameServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["resolve", "-s", server.address, "-t", "A", "Bücher.example"]) == 0
    assert "xn--bcher-kva.example (bücher.example)" in capsys.readouterr().out
    assert as_json(capsys, "-s", server.address, "bücher.example")["unicode"] == "bücher.example"


def test_nothing_in_a_record_is_obeyed_by_a_terminal(server: NameServer) -> None:
    words = ("resolve", "-s", server.address, "-t", "TXT", "evil.example")
    with AtTerminal(*words) as terminal:
        assert terminal.finish() == 0
        assert b"\x1b[31m" not in terminal.read
        assert r"\x1b[31mred\x07" in terminal.screen
        assert r"\u202eback" in terminal.screen
        assert r"\xff" in terminal.screen


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("none.example", "there is no name none.example (NXDOMAIN, says {server})"),
        (
            "refused.example",
            (
                "{server} does not answer that question to us: try another with --server (REFUSED, "
                "says {server})"
            ),
        ),
        ("10.2.0.192.in-addr.arpa", "10.2.0.192.in-addr.arpa is there, and has no A record (NO"),
    ],
)
def test_nothing_found_is_a_line_and_status_1(
    name: str, line: str, server: NameServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["resolve", "-s", server.address, "-t", "A", name]) == 1
    captured = capsys.readouterr()
    assert captured.out.startswith(line.format(server=server.address))
    assert captured.err == ""


def test_no_answer_is_an_error_for_each_type(capfd: pytest.CaptureFixture[str]) -> None:
    udp, tcp = pair("127.0.0.1", 0)
    address = f"127.0.0.1:{udp.getsockname()[1]}"
    with udp, tcp:  # nobody reads there
        words = ["resolve", "-s", address, "--timeout", "400ms", "x.example"]
        assert run(words) == 1
        captured = capfd.readouterr()
        assert captured.out == ""
        first, second = captured.err.splitlines()
        assert first.startswith(f"jackfield: A of x.example: {address}: no answer over UDP in ")
        assert second.startswith(f"jackfield: AAAA of x.example: {address}: no answer")
        assert run([*words, "--json"]) == 1
        found = json.loads(capfd.readouterr().out)["questions"]
        assert [sorted(one) for one in found] == [["error", "name", "type"]] * 2


def test_a_hostile_answer_is_an_error_of_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    def circle(wire: bytes, transport: str) -> Sequence[bytes]:
        lines = ["a.example 1 CNAME b.example.", "b.example 1 CNAME a.example."]
        return [answered(wire, records=lines)]

    with NameServer(hostile={"a.example": circle}) as server:
        assert run(["resolve", "-s", server.address, "-t", "A", "a.example"]) == 1
    error = capfd.readouterr().err
    assert error.startswith(
        f"jackfield: A of a.example: {server.address}: the aliases lead in a ci"
    )
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["a..b"], "jackfield: a..b: label 2 is empty: there is a dot too many\n"),
        (["-s", "ns.example", "x"], "jackfield: ns.example: 'ns.example' is no address; a server"),
        (["-t", "A"], "jackfield resolve: --type and --server need a NAME (see "),
        (["-t", "HINFO", "x"], "jackfield resolve: Invalid value for '--type' / '-t': 'HINFO' is"),
        (["--timeout", "0", "x"], "jackfield resolve: --timeout is more than 0 and up to 60s"),
        (["--timeout", "61s", "x"], "jackfield resolve: --timeout is more than 0 and up to 60s"),
        (["a", "b"], "jackfield resolve: Got unexpected extra argument (b)"),
    ],
)
def test_wrong_usage_is_a_line_and_status_2(
    words: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["resolve", *words]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(line)
    assert captured.err.count("\n") == 1


# Addresses, beside getent, on a machine of the test's own

SETS = {
    "both": ["192.0.2.1", "2001:db8:1::9"],
    "local": ["10.1.2.3", "fd77::9", "2001:db8:1::9"],
    "near": ["2001:db8:ffff::1", "2001:db8:1:0:ffff::1", "2001:db8:1::2"],
    "tunnel": ["2002:c633:6401::9", "2001:db8:1::9", "192.0.2.1"],
    "no-way": ["2a00::1", "192.0.2.1"],
    "loop": ["127.0.0.1", "10.1.0.1", "::1"],
    "many": [f"192.0.2.{number}" for number in range(1, 30)],
    "subnet": ["198.51.100.1", "10.1.0.2", "10.1.255.1"],
}


PLACES = ["192.0.2.{}", "10.1.0.{}", "127.0.0.{}", "169.254.9.{}", "fd77::{}", "fd77::7:0:0:{}"]
PLACES += ["2001:db8:1::{}", "2001:db8:{}::1", "2002:c000:{}::1", "2a00:{}::1", "fec0::{}"]


def by_chance(seed: int) -> list[str]:
    """Some addresses of all kinds, in any order."""
    chance = random.Random(seed)
    found = {chance.choice(PLACES).format(chance.randrange(2, 250)) for _ in range(8)}
    return chance.sample(sorted(found), len(found))


SETS |= {f"chance{seed}": by_chance(seed) for seed in range(10)}


def zone_of(sets: dict[str, list[str]]) -> list[str]:
    return [
        f"{name}.test.example 60 {'AAAA' if ':' in one else 'A'} {one}"
        for name, addresses in sets.items()
        for one in addresses
    ]


@pytest.mark.long
def test_addresses_are_in_the_order_of_getent_and_explained_by_the_rules() -> None:
    rules = set()
    with machine(zone_of(SETS)) as here:
        for name, addresses in SETS.items():
            found = here.json(f"{name}.test.example")
            ours = [one["address"] for one in found["addresses"]]
            assert ours == here.getent(f"{name}.test.example")
            assert sorted(ours) == sorted(addresses)
            assert (found["by"], found["by_text"]) == ("DNS", "DNS, server 127.0.0.1")
            rules |= {one["before_next"]["rule"] for one in found["addresses"][:-1]}
            assert found["addresses"][-1]["before_next"] is None
            assert {one["value"] for each in found["dns"] for one in each["records"]} == set(ours)
    assert 0 not in rules  # the system's own wish, which no rule explains
    assert rules >= {1, 6, 8, 9, 10}


def test_a_gai_conf_changes_the_order_and_is_told() -> None:
    with machine(zone_of(SETS), gai_conf="precedence ::ffff:0:0/96 100\n") as here:
        found = here.json("both.test.example")
        assert [one["address"] for one in found["addresses"]] == SETS["both"]
        assert here.getent("both.test.example") == SETS["both"]
    assert found["policy"] == "/etc/gai.conf"
    assert found["addresses"][0]["before_next"] == {
        "rule": 6,
        "text": "higher precedence: 100, then 1",
    }


def test_the_hosts_file_is_told_by_its_line_and_dns_is_not_asked() -> None:
    with machine([]) as here:
        found = here.json("printer")
        assert (found["by"], found["by_text"]) == ("hosts file", "/etc/hosts, line 2")
        assert found["canonical"] == "Printer.corp.example"
        assert found["aliases"] == ["Printer.corp.example", "lp"]
        assert found["addresses"][0]["reverse"] == "Printer.corp.example"
        assert found["addresses"][0]["leads_back"] is True
        assert here.server.asked == []
        found = here.json("10.1.0.77")
        assert (found["by"], found["aliases"]) == (
            "literal",
            ["Printer.corp.example", "printer", "lp"],
        )


def test_aliases_ttls_and_the_search_list() -> None:
    zone = [
        "www.corp.example 60 CNAME web.corp.example.",
        "web.corp.example 30 A 10.1.0.8",
        "8.0.1.10.in-addr.arpa 90 PTR other.corp.example.",
    ]
    with machine(zone) as here:
        found = here.json("www")
        done = here.resolve("www")
    assert found["canonical"] == "web.corp.example"
    assert found["aliases"] == ["web.corp.example"]
    (first, *_) = found["dns"]
    assert [(one["name"], one["ttl"]) for one in first["aliases"] + first["records"]] == [
        ("www.corp.example", 60),
        ("web.corp.example", 30),
    ]
    assert found["addresses"][0]["reverse"] == "other.corp.example"
    assert found["addresses"][0]["leads_back"] is False
    assert re.sub(r"\d+\.\d ms", "TIME", done.stdout) == (
        "www  1 address in TIME\n"
        "  from       DNS, server 127.0.0.1\n"
        "  canonical  web.corp.example\n"
        "\n"
        "Its address:\n"
        "  10.1.0.8\n"
        "  reached    from 10.1.0.1 on d0\n"
        "  counts as  global scope, precedence 10, label 4\n"
        "  reverse    other.corp.example, which does not lead back to it\n"
        "\n"
        "DNS, server 127.0.0.1, has:\n"
        "  name               TTL  type   value\n"
        "  www.corp.example  60 s  CNAME  web.corp.example\n"
        "  web.corp.example  30 s  A      10.1.0.8\n"
    )


def test_an_address_is_told_by_what_points_at_it() -> None:
    zone = ["10.2.0.192.in-addr.arpa 90 PTR example.org.", "example.org 5 A 192.0.2.10"]
    with machine(zone) as here:
        found = here.json("192.0.2.10")
    assert found["dns"][0]["records"][0]["ttl"] == 90
    assert found["addresses"][0]["reverse"] == "example.org"
    assert found["addresses"][0]["leads_back"] is True


@pytest.mark.parametrize(
    ("name", "line"),
    [
        (
            "none.example",
            "jackfield: there is no name none.example (NXDOMAIN, says 127.0.0.1); looked ",
        ),
        ("text.example", "jackfield: text.example is there, and has no A record (NOERROR, no data"),
    ],
)
def test_a_name_without_an_address_is_an_error_of_one_line(name: str, line: str) -> None:
    with machine(["text.example 1 TXT hello"]) as here:
        done = here.resolve(name)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(line)
    assert done.stderr.count("\n") == 1


def test_nobody_who_answers_is_told_within_the_time() -> None:
    with machine([], resolv_conf="nameserver 10.1.9.9\n") as here:
        done = here.resolve("--timeout", "500ms", "x.example")
    assert done.returncode == 1
    assert done.stderr == (
        "jackfield: x.example: the system has not found out its addresses in 0.5 s; no name server "
        "answers, or allow more with --timeout\n"
    )


def test_this_machine_is_told() -> None:
    with machine([]) as here:
        found = here.json()
        done = here.resolve()
    assert found["hostname"] == socket.gethostname()
    assert found["servers"] == ["127.0.0.1"]
    assert found["search"] == ["corp.example"]
    assert found["order"] == ["files", "dns"]
    assert found["host_entries"] == 3
    lines = done.stdout.splitlines()
    assert lines[0].startswith(socket.gethostname())
    assert "  looks in   files dns (nsswitch.conf)" in lines
    assert "  search     corp.example; tried first for names of fewer than 1 dot" in lines


# On a terminal


@pytest.mark.parametrize("without", ["", "1"], ids=["colour", "none"])
def test_it_fits_a_terminal_and_colour_is_for_it_alone(
    without: str, server: NameServer, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ("resolve", "-s", server.address, "example.org", "-t", "TXT", "-t", "MX")
    with AtTerminal(*words, NO_COLOR=without) as terminal:
        assert terminal.finish() == 0
        assert (b"\x1b[1m" in terminal.read) == (not without)
        assert max(map(len, terminal.screen.splitlines())) <= 80
    assert run(list(words)) == 0
    assert "\x1b" not in capfd.readouterr().out
