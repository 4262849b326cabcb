"""All that can be found out about a name, or an address: put together from the other files here."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from jackfield.errors import (
    ConfigurationError,
    ConnectError,
    ConnectTimeout,
    JackfieldError,
    NameNotFound,
    RemoteProtocolError,
)
from jackfield.tools.names import asking, labels, lookup, policy, sources
from jackfield.tools.names.answers import Record, needs_dnspython
from jackfield.tools.names.asking import Asked, Server
from jackfield.tools.names.lookup import SockAddr
from jackfield.tools.names.policy import Candidate, Decision, Policy

MOST_REVERSED = 16
"""Addresses of a name whose own names are asked for."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """An address, and why it stands where it stands."""

    address: str
    candidate: Candidate
    scope: str
    precedence: int
    label: int
    reverse: str
    """The name that the system knows for the address; empty for none."""
    decision: Decision | None
    """Why it comes before the next one; None for the last."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What is known of a name."""

    name: str
    """In ASCII."""
    canonical: str
    by: str
    """Who has answered: `hosts file`, `DNS`, `literal` for an address, or `other`."""
    by_text: str
    order: tuple[str, ...]
    """Where the system looks, as nsswitch.conf says."""
    policy: str
    """By which tables the addresses are sorted."""
    addresses: tuple[Ranked, ...]
    aliases: tuple[str, ...]
    """Other names of the same: of the hosts file, or by CNAME."""
    asked: tuple[Asked, ...]
    """What DNS says, where it was asked."""
    notes: tuple[str, ...]
    seconds: float
    """That getaddrinfo() took."""


def look_up(name: str, timeout: float) -> Looked:
    """Find out what there is to a name or an address. Raises NameNotFound and ConnectTimeout.

    name: in ASCII, or an address. timeout: in seconds.
    """
    until = time.monotonic() + timeout
    order = tuple(sources.order(sources.text_of(sources.NSSWITCH)))
    where = sources.resolvers(sources.text_of(sources.RESOLV))
    entries = sources.hosts(sources.text_of(sources.HOSTS))
    notes: list[str] = []
    literal = labels.is_address(name)
    lines = sources.entries_of(entries, name)
    try:
        found = lookup.resolve(name, 0, timeout)
    except NameNotFound as error:
        raise _why_not(error, name, where, until) from error.__cause__
    numbers = [lookup.numeric(place) for place in found.addresses]
    asked: list[Asked] = []
    if literal:
        by, by_text = "literal", "it is an address"
    elif lines and "files" in order:
        by, by_text = "hosts file", _lines(lines)
    else:
        asked = _ask_dns(sources.candidates(name, where), ("A", "AAAA"), where, until, notes)
        by, by_text = _other(asked, numbers, order)
    if literal:
        lines = [entry for entry in entries if entry.address == numbers[0]]
        if lines:
            by_text = f"its names are in {_lines(lines)}"
        else:
            pointer = [question_of(name, "PTR")]
            asked = _ask_dns(pointer, ("PTR",), where, until, notes)
    aliases = dict.fromkeys(one for entry in lines for one in entry.names)
    for one in asked:
        aliases |= dict.fromkeys(record.parts["target"] for record in one.answer.aliases)
    aliases.pop(name, None)
    chosen, ranked = _rank(found.addresses, numbers, until)
    return Looked(
        name,
        "" if literal else found.canonical,
        by,
        by_text,
        order,
        chosen.name,
        ranked,
        tuple(aliases),
        tuple(asked),
        tuple(notes),
        found.seconds,
    )


def _lines(entries: list[sources.Entry]) -> str:
    numbers = sorted({entry.line for entry in entries})
    which = ", ".join(map(str, numbers[:8]))
    return f"{sources.HOSTS}, line{'s' if len(numbers) > 1 else ''} {which}"


def _ask_dns(
    names: Sequence[str],
    kinds: Sequence[str],
    where: sources.Resolvers,
    until: float,
    notes: list[str],
) -> list[Asked]:
    """Ask the servers of resolv.conf what the system has asked them; say what keeps us from it."""
    try:
        needs_dnspython()
    except ConfigurationError as error:
        notes.append(str(error))
        return []
    servers = [Server(address) for address in where.servers]
    for name in names:
        found: list[Asked] = []
        for kind in kinds:
            try:
                found.append(_ask_one(servers, name, kind, until))
            except (ConnectError, RemoteProtocolError) as error:
                notes.append(f"DNS, asked for {kind}: {error}")
        if any(one.answer.records for one in found):
            return found
    return []


def _ask_one(servers: Sequence[Server], name: str, kind: str, until: float) -> Asked:
    """Ask one server after another. Raises what the last one met with."""
    for left in range(len(servers), 0, -1):
        share = max(0.1, (until - time.monotonic()) / left)
        try:
            return asking.ask(servers[-left], name, kind, share)
        except (ConnectError, RemoteProtocolError):
            if left == 1:
                raise
    raise ConnectError("there is no server to ask")  # resolvers() gives one at the least


def _other(asked: list[Asked], numbers: list[str], order: tuple[str, ...]) -> tuple[str, str]:
    said = {record.parts["address"] for one in asked for record in one.answer.records}
    if said & set(numbers):
        server = asked[0].server
        return "DNS", f"DNS, server {server}"
    others = [word for word in order if word != "files" and not word.startswith("[")]
    return "other", f"not the hosts file, but one of: {', '.join(others) or 'nothing'}"


def _why_not(
    error: NameNotFound, name: str, where: sources.Resolvers, until: float
) -> JackfieldError:
    """Say what DNS says of a name that has no address, where it can be asked."""
    try:
        needs_dnspython()
        servers = [Server(address) for address in where.servers]
        asked = _ask_one(servers, name, "A", until)
    except ConfigurationError:
        return error
    except (ConnectError, RemoteProtocolError) as other:
        return NameNotFound(f"{error}; {other}")
    said = asking.outcome(asked, labels.both(name), "A")
    longer = [one for one in sources.candidates(name, where) if one != name]
    more = f"; looked for as {', '.join(longer)} as well" if longer else ""
    return NameNotFound(f"{said}{more}") if said else error


def tables() -> Policy:
    """Give the tables that the C library sorts by, as far as that is known."""
    try:
        glibc = bool(os.confstr("CS_GNU_LIBC_VERSION"))
    except (AttributeError, ValueError, OSError):
        return policy.RFC6724
    return (
        policy.configured(sources.text_of(sources.GAI), policy.GLIBC) if glibc else policy.RFC6724
    )


def _rank(
    places: list[SockAddr], numbers: list[str], until: float
) -> tuple[Policy, tuple[Ranked, ...]]:
    """Say of each address why it stands where it does."""
    found = [lookup.candidate(place) for place in places]
    chosen = tables()
    if chosen is policy.GLIBC and not policy.explained(chosen, found):
        # A glibc that has been taught the newer table.
        chosen = policy.RFC6724 if policy.explained(policy.RFC6724, found) else chosen
    reverses = lookup.reverse(places[:MOST_REVERSED], max(0.1, until - time.monotonic()))
    reverses += [""] * (len(places) - len(reverses))
    ranked = []
    for index, (number, one, name) in enumerate(zip(numbers, found, reverses, strict=True)):
        following = found[index + 1] if index + 1 < len(found) else None
        ranked.append(
            Ranked(
                number,
                one,
                policy.scope_name(chosen.scope(one.address)),
                chosen.precedence(one.address),
                chosen.label(one.address),
                name,
                None if following is None else _decision(chosen, one, following),
            )
        )
    return chosen, tuple(ranked)


def _decision(chosen: Policy, one: Candidate, following: Candidate) -> Decision:
    decision = policy.decide(chosen, one, following)
    if decision.order <= 0:
        return decision
    text = f"the system's own wish: by rule {decision.rule} the next would come first"
    return Decision(0, 0, text)


def confirmed(looked: Looked, timeout: float) -> dict[str, bool]:
    """Say of the name of each address whether it leads back to that address."""
    found: dict[str, bool] = {}
    for one in looked.addresses:
        if not one.reverse:
            continue
        try:
            places = lookup.addresses_of(one.reverse, 0, timeout)
        except (NameNotFound, ConnectTimeout):
            places = []
        found[one.address] = one.address in map(lookup.numeric, places)
    return found


def records(
    name: str, kinds: Sequence[str], server: Server | None, timeout: float
) -> list[Asked | ConnectError | RemoteProtocolError]:
    """Ask for records of each type; give the answer, or what kept it from coming.

    name: in ASCII, or an address, of which the reverse name is asked for PTR.
    """
    needs_dnspython()
    until = time.monotonic() + timeout
    configured = sources.resolvers(sources.text_of(sources.RESOLV)).servers
    servers = [server] if server else [Server(address) for address in configured]
    done: list[Asked | ConnectError | RemoteProtocolError] = []
    for left, kind in zip(range(len(kinds), 0, -1), kinds, strict=True):
        share = time.monotonic() + max(0.1, (until - time.monotonic()) / left)
        try:
            done.append(_ask_one(servers, question_of(name, kind), kind, share))
        except (ConnectError, RemoteProtocolError) as error:
            done.append(error)
    return done


def question_of(name: str, kind: str) -> str:
    """Give the name to ask for: of an address, for PTR, its reverse name (RFC 1035, 3.5)."""
    if kind == "PTR" and labels.is_address(name):
        return ip_address(name.partition("%")[0]).reverse_pointer
    return name


@dataclass(frozen=True, slots=True)
class Machine:
    """What this machine calls itself, and whom it asks."""

    hostname: str
    fqdn: str
    looked: Looked | None
    why: str
    """Why its own name has no address."""
    resolvers: sources.Resolvers
    order: tuple[str, ...]
    host_entries: int
    policy: str


def machine(timeout: float) -> Machine:
    """Find out the names of this machine."""
    hostname = socket.gethostname()
    looked, why = None, ""
    try:
        looked = look_up(labels.to_ascii(hostname), timeout)
    except JackfieldError as error:
        why = str(error)
    try:
        fqdn = lookup.within(timeout, lambda: socket.getfqdn(hostname))
    except TimeoutError:
        fqdn = hostname
    return Machine(
        hostname,
        fqdn,
        looked,
        why,
        sources.resolvers(sources.text_of(sources.RESOLV)),
        tuple(sources.order(sources.text_of(sources.NSSWITCH))),
        len(sources.hosts(sources.text_of(sources.HOSTS))),
        tables().name,
    )


def all_records(asked: Sequence[Asked]) -> list[Record]:
    """Give the records of several answers, aliases first and each once."""
    found: dict[tuple[str, str, str], Record] = {}
    for one in asked:
        for record in one.answer.aliases:
            found.setdefault((record.name, record.type, record.value), record)
    for one in asked:
        for record in one.answer.records:
            found.setdefault((record.name, record.type, record.value), record)
    return list(found.values())
