"""The pages on names and on who is there show what the commands say, on the network they show."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands.people import environment
from tests.named import machine
from tests.namespaces import needs
from tests.routed import made
from tests.test_docs import ROOT, blocks, ours, typed

NAMES = ROOT / "docs/how-to/names.md"
THERE = ROOT / "docs/how-to/is-it-there.md"


def shape(text: str) -> list[str]:
    """The lines of an output in any order, without what is another each time: times, mostly."""
    text = re.sub(r"(?<![\d.])\d+\.\d+(e-\d+)?(?![\d.])", "N", text)
    text = re.sub(r"[▁-█×]+", "▁", text.replace(socket.gethostname(), "here"))
    return sorted(" ".join(line.split()) for line in text.splitlines())


def check(page: Path, within: Callable[..., list[str]]) -> None:
    """Type what the page has one type, in a namespace; compare with what it shows.

    A line of three dots stands for any lines.
    """
    shown = [one for one in typed() if one.page == page and ours(one) is not None]
    assert len(shown) > 5
    for one in shown:
        words = ours(one)
        assert words is not None
        done = subprocess.run(
            within(sys.executable, "-m", "jackfield", *words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            env=environment(),
            timeout=50,
            check=False,
        )
        expected, found = shape(one.output), shape(done.stdout)
        if "..." in expected:
            expected.remove("...")
            assert set(expected) <= set(found), (one.command, done.stdout)
        else:
            assert found == expected, (one.command, done.stdout)


def zone_of(page: Path) -> list[str]:
    """The zone that the page shows."""
    (zone,) = (block for block in blocks(page, "text") if " MX " in block)
    return zone.splitlines()


def test_the_page_on_names() -> None:
    with machine(zone_of(NAMES)) as here:
        check(NAMES, here.space.within)


@pytest.mark.long
def test_the_page_on_who_is_there() -> None:
    needs("iptables")
    with made() as net:
        net.here.set("ipv4/ping_group_range", "0 2147483647")
        net.router.address("10.9.1.77/24", on="e0")
        every_fourth = "-A INPUT -p icmp -m statistic --mode nth --every 4 --packet 2 -j DROP"
        net.there.run("iptables", "-w", *every_fourth.split())
        net.router.run("iptables", "-w", *["-A", "INPUT", "-d", "10.9.1.77", "-j", "DROP"])
        check(THERE, net.here.within)
