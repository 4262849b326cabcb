"""`jackfield ip`, as people and scripts use it."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jackfield.cli.main import run
from tests.commands.people import COMMAND, AtTerminal, environment

Said = Callable[..., str]


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    """Run the command; give what it says."""

    def saying(*arguments: str, status: int = 0) -> str:
        assert run(["ip", *arguments]) == status
        out, err = capsys.readouterr()
        assert not (out and err)
        return out or err

    return saying


EVERY = [
    ["192.168.1.10/24", "fe80::fc:ff:fe00:1%eth0/64", "3232235786"],
    ["192.0.2.0/31", "192.0.2.1/32", "192.0.2.255/24", "192.0.2.0/0.0.0.255", "224.0.0.251/24"],
    ["2001:db8::/64", "2001:db8::/127", "::/128", "ff02::1", "::ffff:192.0.2.1"],
    ["2001:db8:1234:5678:9abc:def0:1234:5678%abcdefghijklmno/100"],
    ["--same", "192.168.1.10", "192.168.2.20/24"],
    ["--same", "2001:db8:1234:5678:9abc:def0:1234:5678/64", "2001:db8:1234:5678::"],
    ["--same", "192.168.1.10", "::1"],
    ["--same", "192.168.1.10", "192.168.2.20"],
    ["--same", "192.168.1.10/16", "192.168.2.20/24"],
    ["--same", "192.168.1.10/16", "192.168.2.20/22"],
    ["--split", "4", "192.168.1.0/24", "2001:db8:1234:5678::/64"],
    ["--split", "/64", "2001:db8::/32", "--most", "3"],
    ["--sum", "10.0.0.0/24", "10.0.2.0/24", "2001:db8::", "2001:db9::"],
    ["--contains", "10.0.0.0/8", "10.1.2.3", "192.0.2.1", "::1", "0.0.0.0/0"],
    ["--to", "127.0.0.1", "fe80::1", "fe80::1%nope"],
    [],
]  # fmt: skip


@pytest.mark.parametrize("arguments", EVERY, ids=" ".join)
def test_it_fits_on_a_screen_and_has_json(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    status = run(["ip", *arguments])
    out, err = capsys.readouterr()
    assert err == ""
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) <= 80
    assert all(line == line.rstrip() for line in out.splitlines())
    assert run(["ip", "--json", *arguments]) == status
    json.loads(capsys.readouterr().out)


def test_an_address_is_explained(said: Said) -> None:
    assert said("192.168.1.10/24") == (
        "192.168.1.10/24\n"
        "  version    IPv4, 32 bits\n"
        "  kind       private: 192.168.0.0/16, Private-Use (RFC 1918)\n"
        "             for networks of one's own; many have the same addresses, and reach\n"
        "             the Internet by NAT\n"
        "  reach      networks of one's own; the Internet does not route it\n"
        "  class      C: 192.0.0.0 to 223.255.255.255, networks of /24. Classes ended in\n"
        "             1993 with CIDR (RFC 4632): now the length of the prefix counts\n"
        "  network    192.168.1.0/24\n"
        "  mask       255.255.255.0 is /24; wildcard 0.0.0.255\n"
        "  hosts      192.168.1.1 to 192.168.1.254: 254 of 256 addresses\n"
        "  broadcast  192.168.1.255\n"
        "  bits       11000000.10101000.00000001.00001010\n"
        "             nnnnnnnn.nnnnnnnn.nnnnnnnn.hhhhhhhh\n"
        "             n: network, 24 bits; h: host, 8 bits\n"
        "  integer    3232235786, 0xc0a8010a\n"
        "  reverse    10.1.168.192.in-addr.arpa\n"
    )


def test_what_an_address_means_in_its_network(said: Said) -> None:
    assert "no host has it" in said("192.168.1.0/24")
    assert "all hosts of the network" in said("192.168.1.255/24")
    assert "it is the subnet-router anycast address" in said("2001:db8::/64")
    assert "RFC 3021" in said("192.0.2.0/31")
    assert "RFC 6164" in said("2001:db8::/127")
    assert "a network of one" in said("192.0.2.0/32")
    assert "as it was written" in said("192.168.1.10/0.0.0.255")
    assert "as a mask it is /24: write ADDRESS/24" in said("192.168.1.10", "255.255.255.0")


def test_the_shape_of_json(said: Said) -> None:
    (found,) = json.loads(said("--json", "192.168.1.10/24"))
    assert list(found) == [
        *("text", "address", "full", "version", "zone", "historic_class", "kinds", "reach"),
        *("scope", "network", "as_mask", "bits", "integer", "from_integer", "reverse", "embedded"),
    ]
    assert found["network"] == {
        "network": "192.168.1.0/24",
        "length": 24,
        "mask": "255.255.255.0",
        "wildcard": "0.0.0.255",
        "length_as": "prefix",
        "first": "192.168.1.1",
        "last": "192.168.1.254",
        "broadcast": "192.168.1.255",
        "anycast": None,
        "count": 256,
        "hosts": 254,
        "role": "host",
    }
    assert (found["integer"], found["kinds"][0]["rfc"]) == ("3232235786", "RFC 1918")


@pytest.mark.parametrize(
    ("arguments", "status", "line"),
    [
        (["192.168.1.10/24", "192.168.1.20"], 0, "On one network: 192.168.1.0/24."),
        (["192.168.1.10/24", "192.168.2.20"], 1, "is a router"),
        (["192.168.1.10/24", "192.168.2.20"], 1, "they part at bit 23; 22 bits are the same"),
        (["192.168.1.10/16", "192.168.2.20/24"], 1, "They do not agree"),
        (["192.168.1.10", "192.168.2.20"], 0, "Write it as 192.168.1.10/22."),
        (["192.168.1.10/24", "192.168.1.20/25"], 0, "by prefixes of two lengths"),
        (["192.168.1.10/24", "192.168.1.10"], 0, "all bits are the same"),
        (["10.0.0.1/8", "192.0.0.1"], 1, "no bit is the same before it"),
        (["10.0.0.1/8", "::1"], 1, "Never on one network"),
        (["::1/64", "::1:0:0:0:0"], 1, "bits 33 to 64 of 128"),
    ],
)
def test_on_one_network_or_not(said: Said, arguments: list[str], status: int, line: str) -> None:
    text = said("--same", *arguments, status=status)
    assert line in re.sub(r"\n +", " ", text)
    found = json.loads(said("--same", "--json", *arguments, status=status))
    assert (found["same"] is False) == (status == 1)


def test_where_they_part_is_marked(said: Said) -> None:
    lines = said("--same", "192.168.1.10/24", "192.168.2.20", status=1).splitlines()
    assert lines[1] == "  11000000.10101000.00000001.00001010  192.168.1.10"
    assert lines[2] == "  11000000.10101000.00000010.00010100  192.168.2.20"
    assert lines[3] == "  ========.========.======^"


def test_a_long_list_of_parts_is_cut(said: Said) -> None:
    lines = said("--split", "/32", "10.0.0.0/8", "--most", "3").splitlines()
    assert lines == [
        "10.0.0.0/8 in 16,777,216 parts of /32, 1 address each",
        "  10.0.0.0/32          to 10.0.0.0",
        "  10.0.0.1/32          to 10.0.0.1",
        "  ... 16,777,213 more; --most N shows more",
        "  10.255.255.255/32    to 10.255.255.255",
    ]
    (found,) = json.loads(said("--split", "/32", "10.0.0.0/8", "--most", "2", "--json"))
    assert found == {
        "network": "10.0.0.0/8",
        "length": 32,
        "count": 16777216,
        "parts": ["10.0.0.0/32", "10.0.0.1/32"],
    }
    assert len(said("--split", "256", "10.0.0.0/8").splitlines()) == 257


def test_networks_are_joined(said: Said) -> None:
    assert said("--sum", "192.0.2.0/25", "192.0.2.128/25") == (
        "1 network with 256 addresses, as in those given\n  192.0.2.0/24\n"
    )
    assert "One alone for all of them, 10.0.0.0/22, has 512 addresses more." in said(
        "--sum", "10.0.0.0/24", "10.0.2.0/24"
    )


def test_containing_has_an_exit_status(said: Said) -> None:
    yes = said("--contains", "10.0.0.0/8", "10.1.2.3")
    assert yes == "10.1.2.3 is in 10.0.0.0/8: its first 8 bits are the same\n"
    no = said(
        "--contains", "10.0.0.0/8", "10.1.2.3", "192.0.2.1", "8.0.0.0/7", "10.0.0.0/7", status=1
    )
    assert no.splitlines()[1:] == [
        "192.0.2.1 is not in 10.0.0.0/8: they part at bit 1",
        "8.0.0.0/7 is not in 10.0.0.0/8: they part at bit 7",
        "10.0.0.0/7 is not in 10.0.0.0/8: it is the larger one, and holds it",
    ]  # fmt: skip


def test_this_machine(said: Said) -> None:
    text = said()
    assert re.search(r"^  lo +up, MTU \d+$", text, re.MULTILINE)
    assert re.search(r"^ +127\.0\.0\.1/8 +loopback$", text, re.MULTILINE)
    assert re.search(r"^  to 127\.0\.0\.0/8 +from 127\.0\.0\.1, on lo$", text, re.MULTILINE)
    found = json.loads(said("--json"))
    assert list(found) == ["interfaces", "routes"]
    lo = next(one for one in found["interfaces"] if one["loopback"])
    assert "127.0.0.1/8" in lo["addresses"]


def test_the_way_to_an_address(said: Said) -> None:
    assert said("--to", "127.0.0.1") == (
        "From this machine\n  to 127.0.0.1            from 127.0.0.1, on lo\n"
    )


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["10.0.0.256"], "jackfield: 10.0.0.256: the fourth octet is 256; eight bits "),
        (["--split", "3", "10.0.0.0/8"], "jackfield: 3: equal parts are 2, 4, 8"),
        (["--contains", "10.0.0.0/9x", "::1"], "jackfield: 10.0.0.0/9x: after / stands"),
        (["--same", "10.0.0.1"], "jackfield ip: --same compares two addresses (see "),
        (["--sum"], "jackfield ip: --sum needs an ADDRESS (see "),
        (["--sum", "--to", "::"], "jackfield ip: --sum and --to do not go together (see "),
        (["10.0.0.1\n"], "jackfield: 10.0.0.1\\n: there is a space in it"),
    ],
)  # fmt: skip
def test_an_error_is_one_line(said: Said, arguments: list[str], line: str) -> None:
    text = said(*arguments, status=2)
    assert text.startswith(line)
    assert text.count("\n") == 1


def on_terminal(*arguments: str, **more: str) -> str:
    """What a person sees, with the colours in it."""
    with AtTerminal(*arguments, columns=80, **more) as terminal:
        terminal.finish()
        return terminal.read.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("more", [{}, {"NO_COLOR": "1"}], ids=["colour", "NO_COLOR"])
def test_on_a_terminal_a_mark_stands_below_what_is_wrong(more: dict[str, str]) -> None:
    text = on_terminal("ip", "192.168.256.1/24", **more)
    plain = re.sub("\x1b\\[[0-9;]*m", "", text)
    assert plain.splitlines()[1:] == ["  192.168.256.1/24", "          ^^^"]
    assert (text != plain) == (not more)


def test_colour_says_nothing_that_the_text_does_not(said: Said) -> None:
    text = on_terminal("ip", "192.168.1.10/20")
    assert "\x1b[36m\x1b[1m11000000.10101000.0000\x1b[0m0001.00001010" in text
    plain = re.sub("\x1b\\[[0-9;]*m", "", text)
    assert plain == said("192.168.1.10/20")
    assert on_terminal("ip", "192.168.1.10/20", NO_COLOR="1") == plain


def test_whoever_reads_no_more_ends_it_quietly() -> None:
    words = ["ip", "--split", "/32", "10.0.0.0/8", "--most", "1000000"]
    process: Any = subprocess.Popen(
        [*COMMAND, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    with process:
        assert process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        process.wait(60)


def test_what_cannot_be_written_is_one_line() -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    for words in (["ip", "1.2.3.4"], ["ip", "--json"], ["ports"], ["families"]):
        with full.open("wb") as output:
            done = subprocess.run(
                [*COMMAND, *words],
                stdout=output,
                stderr=subprocess.PIPE,
                text=True,
                timeout=60,
                check=False,
            )
        assert done.returncode == 1
        assert done.stderr.startswith("jackfield: standard output cannot be written: ")
        assert done.stderr.count("\n") == 1


def test_without_standard_output_it_ends_quietly() -> None:
    words = " ".join([*map(shlex.quote, COMMAND), "ip", "1.2.3.4", ">&-"])
    done = subprocess.run(["sh", "-c", words], stderr=subprocess.PIPE, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (1, b"")


def test_an_encoding_that_lacks_a_character_gets_a_question_mark() -> None:
    done = subprocess.run(
        [*COMMAND, "families", "--options", "tcp"],
        stdout=subprocess.PIPE,
        env=environment(PYTHONIOENCODING="ascii"),
        timeout=60,
        check=True,
    )
    assert b" ?s: " in done.stdout
