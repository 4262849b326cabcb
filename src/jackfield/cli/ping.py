"""`jackfield ping`: whether hosts are there."""

from __future__ import annotations

from contextlib import closing

import click

from jackfield.cli.pinged import View, plain
from jackfield.cli.shown import echo_json
from jackfield.cli.values import duration
from jackfield.errors import ConfigurationError
from jackfield.tools.pinging.pinging import (
    COUNT,
    INTERVAL,
    MOST_COUNT,
    MOST_HOSTS,
    SIZE,
    TIMEOUT,
    Pinger,
    Plan,
)
from jackfield.tools.pinging.targets import targets_of

LOOK_UP = 5.0
"""Seconds that finding a name's address may take."""


@click.command(
    epilog="""Exit status: 0 every host has answered, 1 one has not, 2 wrong usage. Ctrl-C ends it
    at any time with what is known by then.

    Standards: RFC 792 (ICMP), RFC 4443 (ICMPv6).

    \b
    Examples:
      jackfield ping localhost
      jackfield ping --count 3 --interval 0.2 127.0.0.1 ::1
      jackfield ping --count 0 192.0.2.1
      jackfield ping --ttl 1 example.org
      jackfield ping --tcp 443 example.org
      jackfield ping --json 127.0.0.1"""
)
@click.argument("hosts", metavar="HOST...", nargs=-1, required=True)
@click.option(
    "-c",
    "--count",
    metavar="N",
    type=click.IntRange(0, MOST_COUNT),
    default=COUNT,
    show_default=True,
    help="How often to ask each; 0 is until Ctrl-C.",
)
@click.option(
    "-i",
    "--interval",
    metavar="TIME",
    callback=duration,
    default=f"{INTERVAL:g}s",
    show_default=True,
    help="How long to wait between two probes to a host: 200ms at the least, for root 2ms.",
)
@click.option(
    "-s",
    "--size",
    metavar="BYTES",
    type=int,
    help=f"What a packet carries; ICMP adds 8 bytes, IPv4 20, IPv6 40.  [default: {SIZE}]",
)
@click.option(
    "-t",
    "--ttl",
    metavar="N",
    type=click.IntRange(1, 255),
    help="Over how many routers a packet may go; who uses up the last one says so.",
)
@click.option(
    "-W",
    "--timeout",
    metavar="TIME",
    callback=duration,
    default=f"{TIMEOUT:g}s",
    show_default=True,
    help="After which time a probe is lost; what comes still later is counted as late.",
)
@click.option("-4", "only4", is_flag=True, help="Ask over IPv4.")
@click.option("-6", "only6", is_flag=True, help="Ask over IPv6.")
@click.option(
    "--tcp",
    "port",
    metavar="PORT",
    type=click.IntRange(1, 65535),
    help="Ask by connecting to this port over TCP. Refused is an answer, too: the host is there.",
)
@click.option("--json", "as_json", is_flag=True, help="Tell the result as JSON.")
def ping(
    *,
    hosts: tuple[str, ...],
    count: int,
    interval: float,
    size: int | None,
    ttl: int | None,
    timeout: float,
    only4: bool,
    only6: bool,
    port: int | None,
    as_json: bool,
) -> int:
    """Find out whether hosts are there, how fast they answer, and how many answers are lost.

    ICMP echo requests are sent where this user may: over a datagram socket (Linux allows it by
    net.ipv4.ping_group_range), else over a raw one (root may), else TCP stands in for it; which
    one it is, and why, is said. On a terminal it is shown while it goes on.
    """
    if only4 and only6:
        raise click.UsageError("-4 and -6 do not go together")
    if port is not None and size is not None:
        raise click.UsageError("--size is for ICMP; TCP carries nothing to connect")
    if len(set(hosts)) > MOST_HOSTS:
        number = len(set(hosts))
        raise ConfigurationError(f"{number} hosts at once are too many; {MOST_HOSTS} is the most")
    plan = Plan(count, interval, SIZE if size is None else size, ttl, timeout, port or 0)
    version = 4 if only4 else 6 if only6 else 0
    pinger = Pinger(targets_of(hosts, version=version, timeout=LOOK_UP), plan)
    view = None if as_json else View(pinger)
    try:
        with closing(pinger.run()) as events:
            for event in events:
                if view is not None:
                    view.show(event)
    except KeyboardInterrupt:
        pass
    if view is None:
        echo_json(plain(pinger))
    else:
        view.end()
    return 0 if all(target.tally.answered for target in pinger.targets) else 1
