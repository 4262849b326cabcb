"""`jackfield ip`: addresses and networks, explained; and those of this machine."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any

import click

from jackfield.cli import addressed
from jackfield.cli.shown import echo, echo_json
from jackfield.net.interfaces import interfaces
from jackfield.tools.addresses import facts, networks
from jackfield.tools.addresses.notation import Written, read
from jackfield.tools.addresses.routes import route, routes

MOST = 256
MOST_PARTS = 1_000_000


@click.command(
    epilog="""Exit status: 0 done; 1 when the answer of --same or --contains is no; 2 wrong usage.

    Standards: RFC 4632 (CIDR), RFC 4291 (IPv6), RFC 6890 (kinds of addresses), RFC 3021 (/31).

    \b
    Examples:
      jackfield ip
      jackfield ip 192.168.1.10/24 fe80::1%eth0 3232235786
      jackfield ip 192.168.1.10/255.255.255.0
      jackfield ip --same 192.168.1.10/24 192.168.2.20
      jackfield ip --split /26 192.168.1.0/24
      jackfield ip --sum 192.0.2.0/25 192.0.2.128/25
      jackfield ip --contains 10.0.0.0/8 10.1.2.3
      jackfield ip --to 192.0.2.1"""
)
@click.argument("addresses", metavar="[ADDRESS[/LENGTH]]...", nargs=-1)
@click.option(
    "--same",
    is_flag=True,
    help="Say whether two addresses are on one network, and where they part.",
)
@click.option(
    "--split",
    "into",
    metavar="/LENGTH|COUNT",
    help="Split each network: /26 into parts of that length, 4 into so many.",
)
@click.option(
    "--most",
    metavar="N",
    type=click.IntRange(1, MOST_PARTS),
    default=MOST,
    show_default=True,
    help="How many parts --split shows.",
)
@click.option("--sum", "summed", is_flag=True, help="Find the fewest networks that cover these.")
@click.option("--contains", "network", metavar="NETWORK", help="Say which of these are in NETWORK.")
@click.option(
    "--to",
    "to",
    is_flag=True,
    help="Say which address of this machine would be used to reach these, and which way. "
    "Nothing is sent.",
)
@click.option("--json", "as_json", is_flag=True, help="Tell it as JSON.")
def ip(
    *,
    addresses: tuple[str, ...],
    same: bool,
    into: str | None,
    most: int,
    summed: bool,
    network: str | None,
    to: bool,
    as_json: bool,
) -> int:
    """Explain addresses and networks, of IPv4 and IPv6.

    An ADDRESS may have the LENGTH of its network's prefix (/24), a mask (/255.255.255.0) or a
    wildcard (/0.0.0.255) behind it, and may be an integer (3232235786, 0xc0a8010a). Without
    one: the interfaces of this machine, and which of its addresses would be used to reach what.
    """
    asked = [name for name, given in _ways(same, into, summed, network, to) if given]
    if len(asked) > 1:
        raise click.UsageError(f"{asked[0]} and {asked[1]} do not go together")
    if asked and not addresses:
        raise click.UsageError(f"{asked[0]} needs an ADDRESS")
    written = [read(text) for text in addresses]
    if same:
        if len(written) != 2:
            raise click.UsageError("--same compares two addresses")
        return _same(*written, as_json=as_json)
    if network is not None:
        return _contains(read(network), written, as_json=as_json)
    if into is not None:
        _split([networks.split(one, into) for one in written], most, as_json=as_json)
    elif summed:
        found = networks.joined(written)
        _tell(found, addressed.told_sum, as_json=as_json)
    elif to:
        ways = [route(one.address) for one in written]
        _tell(ways, lambda ways: addressed.told_routes(ways, "From this machine"), as_json=as_json)
    elif written:
        _explain([facts.facts(one) for one in written], as_json=as_json)
    else:
        _machine(as_json=as_json)
    return 0


def _ways(*given: Any) -> list[tuple[str, bool]]:
    names = ("--same", "--split", "--sum", "--contains", "--to")
    return [(name, value not in {None, False}) for name, value in zip(names, given, strict=True)]


def _tell(found: Any, told: Callable[[Any], Any], *, as_json: bool) -> None:
    if as_json:
        echo_json(found)
    else:
        echo(told(found))


def _explain(found: list[facts.Facts], *, as_json: bool) -> None:
    if as_json:
        echo_json(found)
        return
    for number, one in enumerate(found):
        echo([""] if number else [])
        echo(addressed.told(one))


def _same(one: Written, other: Written, *, as_json: bool) -> int:
    found = networks.same(one, other)
    _tell(found, addressed.told_same, as_json=as_json)
    return 1 if found.same is False else 0


def _contains(network: Written, inner: list[Written], *, as_json: bool) -> int:
    found = [networks.contains(network, one) for one in inner]
    if as_json:
        echo_json(found)
    else:
        for one in found:
            echo(addressed.told_contained(one))
    return 0 if all(one.contained for one in found) else 1


def _split(found: list[networks.Split], most: int, *, as_json: bool) -> None:
    if as_json:
        echo_json(
            [
                {
                    "network": one.network,
                    "length": one.length,
                    "count": one.count,
                    "parts": list(islice(one.parts(), most)),
                }
                for one in found
            ]
        )
        return
    for one in found:
        echo(addressed.told_split(one, most))


def _machine(*, as_json: bool) -> None:
    found = interfaces()
    ways = routes(found)
    if as_json:
        echo_json({"interfaces": found, "routes": ways})
        return
    echo(addressed.told_interfaces(found))
    echo(["", *addressed.told_routes(ways, "Which address is used to reach what")])
