"""What a name server answers, read: RFC 1035, and RFC 6891 for the longer status.

The rules this file owns:

1. It is pure: bytes in, an `Answer` or a BadMessage out, whatever the bytes are.
2. A message has a bound by its transport, 65,535 bytes; what is kept of it has bounds of its own.
3. What answers the question is kept: records of the name asked for, or of the name its aliases
   lead to. Others in the answer are counted, since a server can put anything there.
4. Text in records stays what it was; whoever shows it makes it fit to be shown.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from jackfield.errors import BadMessage, ConfigurationError


class NotOurs(BadMessage):
    """An answer to another question: nothing of it concerns us."""


TYPES = ("A", "AAAA", "CNAME", "MX", "TXT", "SRV", "PTR")

MOST_MESSAGE = 65_535
"""Bytes of a message: its length over TCP has 16 bits (RFC 1035, section 4.2.2)."""

MOST_RECORDS = 256
"""Records of an answer that are kept."""

MOST_ALIASES = 16
"""Names that lead from one to the next; resolvers give up at about as many."""

MOST_TEXT = 4096
"""Bytes of a TXT record that are kept."""


def needs_dnspython() -> None:
    """See to it that DNS can be spoken. Raises ConfigurationError."""
    try:
        import dns.message  # noqa: F401, PLC0415  it is in an extra
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "dns":
            raise
        raise ConfigurationError(
            "to ask a name server needs the package dnspython: pip install 'jackfield[tools]'"
        ) from None


@dataclass(frozen=True, slots=True)
class Record:
    """One record."""

    name: str
    """Whose it is, without the final dot."""
    ttl: int
    """Seconds for which it may be kept."""
    type: str
    value: str
    """As a zone file has it, but names without the final dot, and text not escaped."""
    parts: dict[str, Any] = field(default_factory=dict)
    """Its parts by name, as JSON can carry them."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server has answered to one question."""

    status: str
    """Such as NOERROR or NXDOMAIN: RFC 6895, section 2.3."""
    aliases: tuple[Record, ...]
    """The CNAMEs from the name asked for to the one that has the records."""
    records: tuple[Record, ...]
    unasked: int
    """Records of the answer that have nothing to do with the question, or are too many."""
    authoritative: bool

    @property
    def canonical(self) -> str:
        """The name at the end of the aliases; empty where there are none."""
        return self.aliases[-1].parts["target"] if self.aliases else ""


@dataclass(frozen=True, slots=True)
class Question:
    """What a server is asked."""

    name: str
    kind: str
    number: int
    """By which the answer is known."""
    wire: bytes


def question(name: str, kind: str, *, edns: bool = True) -> Question:
    """Make a query that asks for recursion. Raises ConfigurationError.

    name: in ASCII, as `labels.to_ascii()` gives it. edns: whether to allow answers of 1232 bytes
    over UDP, as has been agreed on since DNS flag day 2020.
    """
    needs_dnspython()
    import dns.exception  # noqa: PLC0415
    import dns.message  # noqa: PLC0415

    try:
        query = dns.message.make_query(
            f"{name}.", kind, use_edns=0 if edns else False, payload=1232 if edns else None
        )
    except dns.exception.DNSException as error:
        raise ConfigurationError(f"{name} cannot be asked for: {error}") from None
    return Question(name, kind, query.id, query.to_wire())


def is_cut(wire: bytes, question: Question) -> bool:
    """Whether these bytes begin an answer that was too long for its datagram."""
    return (
        len(wire) >= 12 and int.from_bytes(wire[:2]) == question.number and wire[2] & 0x82 == 0x82
    )


def read(wire: bytes, question: Question) -> Answer:
    """Read the answer to a question. Raises BadMessage for what is none, and says what is wrong."""
    import dns.exception  # noqa: PLC0415
    import dns.flags  # noqa: PLC0415
    import dns.message  # noqa: PLC0415
    import dns.name  # noqa: PLC0415
    import dns.rcode  # noqa: PLC0415
    import dns.rdataclass  # noqa: PLC0415

    if len(wire) < 12:
        raise BadMessage(f"{len(wire)} bytes are no DNS message; its header alone has 12")
    if int.from_bytes(wire[:2]) != question.number or not wire[2] & 0x80:
        raise NotOurs("it answers another question than ours")
    try:
        message = dns.message.from_wire(wire)
        asked = [(rrset.name, rrset.rdtype.name) for rrset in message.question]
        wanted = dns.name.from_text(f"{question.name}.")
    except (dns.exception.DNSException, ValueError) as error:
        raise BadMessage(f"no DNS message ({type(error).__name__}: {error})") from error
    status = dns.rcode.to_text(message.rcode())
    if asked != [(wanted, question.kind)] and (asked or status == "NOERROR"):
        raise NotOurs("it answers another question than ours")
    # Of the Internet's class alone: in others the same number is another type, or none.
    found = [rrset for rrset in message.answer if rrset.rdclass == dns.rdataclass.IN]
    aliases, end = _aliases(found, wanted, question.kind)
    records = [
        _record(rrset, data)
        for rrset in found
        if rrset.name == end and rrset.rdtype.name == question.kind
        for data in rrset
    ]
    total = sum(len(rrset) for rrset in message.answer)
    kept = records[:MOST_RECORDS]
    authoritative = bool(message.flags & dns.flags.AA)
    unasked = total - len(aliases) - len(kept)
    return Answer(status, tuple(aliases), tuple(kept), unasked, authoritative)


def _aliases(rrsets: list[Any], name: Any, kind: str) -> tuple[list[Record], Any]:
    """Follow the aliases from a name; give them, and the name they end at. Raises BadMessage."""
    leads = {
        rrset.name: rrset for rrset in rrsets if rrset.rdtype.name == "CNAME" and kind != "CNAME"
    }
    found: list[Record] = []
    seen = {name}
    while name in leads:
        rrset = leads[name]
        found.append(_record(rrset, rrset[0]))
        name = rrset[0].target
        if name in seen:
            way = " -> ".join([*(one.name for one in found), found[-1].parts["target"]])
            raise BadMessage(f"the aliases lead in a circle: {way}")
        if len(found) > MOST_ALIASES:
            raise BadMessage(f"the aliases do not end: {MOST_ALIASES} are followed")
        seen.add(name)
    return found, name


def _record(rrset: Any, data: Any) -> Record:
    """Make a record. Its value is made of its parts alone, so it is what is told of them."""
    kind = rrset.rdtype.name
    parts: dict[str, Any] = {}
    if kind in {"A", "AAAA"}:
        parts = {"address": data.address}
        value = data.address
    elif kind in {"CNAME", "PTR"}:
        value = _text(data.target)
        parts = {"target": value}
    elif kind == "MX":
        parts = {"preference": data.preference, "target": _text(data.exchange)}
        value = f"{data.preference} {parts['target']}"
    elif kind == "SRV":
        parts = {
            "priority": data.priority,
            "weight": data.weight,
            "port": data.port,
            "target": _text(data.target),
        }
        value = " ".join(map(str, parts.values()))
    else:
        parts = {"strings": _strings(data.strings)}
        value = " ".join(f'"{part}"' for part in parts["strings"])
    return Record(_text(rrset.name), rrset.ttl, kind, value, parts)


def _text(name: Any) -> str:
    r"""Give a name as zone files have it: what is no letter or digit in it as \DDD."""
    text: str = name.to_text(omit_final_dot=True)
    return text


def _strings(strings: tuple[bytes, ...]) -> list[str]:
    found: list[str] = []
    left = MOST_TEXT
    for part in strings:
        found.append(part[:left].decode("utf-8", "backslashreplace"))
        left -= len(part)
        if left <= 0:
            break
    return found
