"""What `jackfield resolve` has found, as lines and as JSON."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import click

from jackfield.cli.shown import COLUMNS, counted, dim, fact, head, paragraph
from jackfield.net import stdio
from jackfield.tools.names.answers import Record
from jackfield.tools.names.asking import Asked, outcome
from jackfield.tools.names.labels import both, to_unicode
from jackfield.tools.names.resolving import (
    Looked,
    Machine,
    Ranked,
    all_records,
    question_of,
)
from jackfield.visible import printable, width

Answers = Sequence[Asked | Exception]


def _took(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


# A name's addresses


def told_look(looked: Looked, leads_back: Mapping[str, bool]) -> list[str]:
    """Tell what a name stands for."""
    number = counted(len(looked.addresses), "address", "addresses")
    if looked.by == "literal":
        lines = [head(looked.name)]
    else:
        lines = [f"{head(both(looked.name))}  {dim(f'{number} in {_took(looked.seconds)}')}"]
    lines += fact("from", looked.by_text)
    if looked.canonical and looked.canonical != looked.name:
        lines += fact("canonical", both(looked.canonical))
    aliases = [both(one) for one in looked.aliases if one != looked.canonical]
    if aliases:
        lines += fact("also", ", ".join(aliases))
    if looked.by != "literal":
        several = "Programs try them in this order, that of getaddrinfo():"
        lines += ["", several if len(looked.addresses) > 1 else "Its address:"]
    for place, one in enumerate(looked.addresses, 1):
        lines += _told_address(place, one, looked, leads_back)
    if len(looked.addresses) > 1:
        lines += fact("sorted", f"by the rules of RFC 6724, section 6, with {looked.policy}")
    found = all_records(looked.asked)
    if found:
        lines += ["", f"DNS, server {looked.asked[0].server}, has:", *told_list(found)]
    for note in looked.notes:
        lines += ["", *paragraph(note)]
    return lines


def _told_address(
    place: int, one: Ranked, looked: Looked, leads_back: Mapping[str, bool]
) -> list[str]:
    several = len(looked.addresses) > 1
    lines = []
    if looked.by != "literal":
        number = f"{place:>3}  " if several else "  "
        lines.append(f"{number}{click.style(one.address, fg='green')}")
    indent = 5 if several else 2
    source = one.candidate.source
    if source is None:
        lines += fact("reached", "not from here: this machine has no way to it", indent=indent)
    else:
        through = f" on {one.candidate.interface}" if one.candidate.interface else ""
        lines += fact("reached", f"from {source}{through}", indent=indent)
    order = f"{one.scope} scope, precedence {one.precedence}, label {one.label}"
    lines += fact("counts as", order, indent=indent)
    if one.reverse:
        leads = leads_back.get(one.address)
        back = "leads back to it" if leads else "does not lead back to it"
        lines += fact("reverse", f"{both(one.reverse)}, which {back}", indent=indent)
    if one.decision is not None:
        rule = f"rule {one.decision.rule}: " if one.decision.rule else ""
        lines += fact(f"before {place + 1}", f"{rule}{one.decision.text}", indent=indent)
    return lines


def plain_look(looked: Looked, leads_back: Mapping[str, bool]) -> dict[str, Any]:
    """Give the same as JSON has it."""
    return {
        "name": looked.name,
        "unicode": to_unicode(looked.name),
        "canonical": looked.canonical,
        "aliases": looked.aliases,
        "by": looked.by,
        "by_text": looked.by_text,
        "order": looked.order,
        "policy": looked.policy,
        "seconds": round(looked.seconds, 6),
        "addresses": [
            {
                "address": one.address,
                "source": one.candidate.source,
                "interface": one.candidate.interface,
                "scope": one.scope,
                "precedence": one.precedence,
                "label": one.label,
                "reverse": one.reverse,
                "leads_back": leads_back.get(one.address),
                "before_next": None
                if one.decision is None
                else {"rule": one.decision.rule, "text": one.decision.text},
            }
            for one in looked.addresses
        ],
        "dns": [_plain_asked(one) for one in looked.asked],
        "notes": looked.notes,
    }


# Records


def has_records(answers: Answers) -> bool:
    """Whether anything was found."""
    return any(isinstance(one, Asked) and one.answer.records for one in answers)


def told_records(name: str, kind: str, asked: Asked) -> list[str]:
    """Tell what a server has answered."""
    answer = asked.answer
    name = question_of(name, kind)
    by = f"from {asked.server} over {asked.transport} in {_took(asked.seconds)}"
    if answer.authoritative:
        by += ", whose own zone it is"
    if asked.was_cut:
        by += "; too long for UDP"
    said = outcome(asked, both(name), kind)
    if said:
        lines = [click.style(printable(said), fg="yellow"), *paragraph(by, 2)]
        lines += told_list(answer.aliases)
    else:
        what = counted(len(answer.records), f"{kind} record")
        lines = [f"{head(both(name))}  {dim(what)}", *paragraph(by, 2)]
        lines += told_list([*answer.aliases, *answer.records])
    if answer.unasked:
        text = f"{counted(answer.unasked, 'record')} more that nobody asked for, or too many"
        lines += paragraph(text, 2)
    if asked.passed_over:
        text = f"{counted(asked.passed_over, 'datagram')} passed over: no answers to this question"
        lines += paragraph(text, 2)
    return lines


def told_list(records: Sequence[Record]) -> list[str]:
    """Tell records in columns: name, TTL, type, value."""
    if not records:
        return []
    names = ["name", *(printable(record.name) for record in records)]
    ttls = ["TTL", *(f"{record.ttl} s" for record in records)]
    kinds = ["type", *(record.type for record in records)]
    longest, longest_ttl, longest_kind = (max(map(len, all_)) for all_ in (names, ttls, kinds))
    room = min(COLUMNS, stdio.columns(stdio.STDOUT))
    starts = [
        f"  {name:{longest}}  {ttl:>{longest_ttl}}  {kind:{longest_kind}}  "
        for name, ttl, kind in zip(names, ttls, kinds, strict=True)
    ]
    lines = [dim(f"{starts[0]}value")]
    for record, start in zip(records, starts[1:], strict=True):
        value = printable(_value(record))
        if not sys.stdout.isatty() or len(start) + width(value) <= room:
            lines.append(f"{start}{value}")
        else:
            lines.append(start.rstrip())
            lines += [f"      {part}" for part in textwrap.wrap(value, room - 6)]
    return lines


def _value(record: Record) -> str:
    """Give a record's value as people read it."""
    parts = record.parts
    if "target" not in parts:
        return record.value
    target = both(parts["target"])
    if record.type == "MX":
        return f"{target}, preference {parts['preference']}"
    if record.type == "SRV":
        more = f"priority {parts['priority']}, weight {parts['weight']}"
        return f"{target} port {parts['port']}, {more}"
    return target


def plain_records(name: str, kinds: Sequence[str], answers: Answers) -> dict[str, Any]:
    """Give the same as JSON has it."""
    return {
        "name": name,
        "unicode": to_unicode(name),
        "questions": [
            {"name": question_of(name, kind), "type": kind}
            | (
                _plain_asked(one) | {"outcome": outcome(one, name, kind), "error": None}
                if isinstance(one, Asked)
                else {"error": str(one)}
            )
            for kind, one in zip(kinds, answers, strict=True)
        ],
    }


def _plain_asked(asked: Asked) -> dict[str, Any]:
    answer = asked.answer
    return {
        "server": str(asked.server),
        "transport": asked.transport,
        "was_cut": asked.was_cut,
        "seconds": round(asked.seconds, 6),
        "status": answer.status,
        "authoritative": answer.authoritative,
        "aliases": answer.aliases,
        "records": answer.records,
        "unasked": answer.unasked,
        "passed_over": asked.passed_over,
    }


# This machine


def told_machine(found: Machine) -> list[str]:
    """Tell what this machine calls itself, and whom it asks."""
    lines = [f"{head(both(found.hostname))}  {dim('this machine')}"]
    lines += fact("full name", found.fqdn)
    if found.looked is None:
        lines += fact("addresses", f"none: {found.why}")
    else:
        addresses = ", ".join(one.address for one in found.looked.addresses)
        lines += fact("addresses", f"{addresses} (from {found.looked.by_text})")
    lines += fact("looks in", f"{' '.join(found.order)} (nsswitch.conf)")
    lines += fact("hosts", f"{counted(found.host_entries, 'line')} in /etc/hosts")
    lines += fact("servers", ", ".join(found.resolvers.servers))
    if found.resolvers.search:
        search = ", ".join(found.resolvers.search)
        dots = counted(found.resolvers.ndots, "dot")
        lines += fact("search", f"{search}; tried first for names of fewer than {dots}")
    lines += fact("sorts by", found.policy)
    return lines


def plain_machine(found: Machine) -> dict[str, Any]:
    """Give the same as JSON has it."""
    return {
        "hostname": found.hostname,
        "fqdn": found.fqdn,
        "resolved": None if found.looked is None else plain_look(found.looked, {}),
        "error": found.why or None,
        "order": found.order,
        "host_entries": found.host_entries,
        "servers": found.resolvers.servers,
        "search": found.resolvers.search,
        "ndots": found.resolvers.ndots,
        "policy": found.policy,
    }
