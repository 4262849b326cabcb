"""Feed what reads packets of ICMP and answers of DNS with what no honest peer sends.

    python -m scripts.fuzz_packets [COUNT] [SEED]

COUNT inputs for each reader: valid packets that were mutated, random bytes, and random pieces. Of
each input it is checked that

- nothing comes of it but what the reader promises: a value, None, or a BadMessage;
- what it gives is within its bounds, and the same when it is read again;
- a packet of ICMP that is taken has its checksum right;
- it takes no longer than `SLOWEST` seconds of processor time.

And of all of them, that memory does not grow. Exit status 1 tells of a finding, with the input.
"""

from __future__ import annotations

import struct
import sys
import time
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from random import Random
from typing import Any, NamedTuple

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

from jackfield.errors import BadMessage
from jackfield.tools.names import answers
from jackfield.tools.pinging import icmp
from scripts import fuzz as fuzzing
from scripts.fuzz import SLOWEST, mutated

COUNT = 1_000_000

TOKEN = b"\1\2\3\4\5\6\7\x08"


class Reader(NamedTuple):
    """What reads, what it can read, and what is wrong with what it gives: nothing, for most."""

    name: str
    read: Callable[[bytes], Any]
    valid: Sequence[bytes]
    pieces: Sequence[bytes]
    complaint: Callable[[bytes, Any], str]
    mended: Callable[[bytes], bytes] = bytes
    """Makes a checksum right again, so that not all that was changed is refused for that."""


def _checked(data: bytes) -> bytes:
    if len(data) < icmp.HEADER:
        return data
    bare = data[:2] + b"\0\0" + data[4:]
    return bare[:2] + icmp.checksum(bare).to_bytes(2) + bare[4:]


def _ipv4(inner: bytes, options: bytes = b"") -> bytes:
    size = 20 + len(options)
    addresses = ip_address("192.0.2.1").packed + ip_address("203.0.113.5").packed
    start = (0x40 | size // 4, 0, size + len(inner), 1, 0x4000, 64, 1, 0)
    return struct.pack("!BBHHHBBH", *start) + addresses + options + inner


def _ipv6(inner: bytes) -> bytes:
    addresses = ip_address("2001:db8::1").packed + ip_address("2001:db8::5").packed
    return struct.pack("!IHBB", 0x60000000, len(inner), 58, 64) + addresses + inner


def _errors(version: int, quoted: bytes) -> list[bytes]:
    kinds = [(3, 1), (3, 4), (11, 0), (12, 0), (4, 0)] if version == 4 else [(1, 0), (2, 0), (3, 0)]
    return [_checked(struct.pack("!BBHI", *kind, 0, 1400) + quoted) for kind in kinds]


def icmp_readers() -> list[Reader]:
    """Give those of ICMP: over both kinds of socket, and from the queue of errors."""
    carried = icmp.payload(TOKEN, 3, 56)
    asked4, asked6 = (icmp.request(version, 7, 3, carried) for version in (4, 6))
    reply4 = _checked(b"\0" + asked4[1:])
    replies6 = [b"\x81" + asked6[1:], b"\x81\0\xab\xcd\0\7\0\3"]
    errors4 = _errors(4, _ipv4(asked4)) + _errors(4, _ipv4(asked4, b"\1" * 8)[:36])
    errors6 = _errors(6, _ipv6(asked6)) + _errors(6, _ipv6(asked6)[:48])
    queue = struct.pack("=IBBBBII", 113, 2, 11, 0, 0, 0, 0)
    by4 = struct.pack("=HH4s8x", 2, 0, ip_address("192.0.2.1").packed)
    by6 = struct.pack("=HHI16sI", 10, 0, 0, ip_address("2001:db8::1").packed, 0)
    pieces = [b"\0\0", b"\xff\xff", b"\x45", b"\x60", b"\x08\0", b"\0\7\0\3", b"\1", b"\x3a"]
    return [
        Reader("ICMP", _read4, [reply4, asked4, *errors4], pieces, _icmp_complaint(4), _checked),
        Reader("ICMPv6", _read6, [*replies6, asked6, *errors6], pieces, _icmp_complaint(6)),
        Reader(
            "ICMP in IPv4",
            icmp.unwrapped,
            [_ipv4(one, options) for one in (reply4, *errors4) for options in (b"", b"\1" * 40)],
            pieces,
            _unwrapped_complaint,
        ),
        Reader("errors of ICMP, queued", icmp.queued, [queue + by4, queue + by6], pieces, _queued),
    ]


def _read4(data: bytes) -> Any:
    return icmp.read(4, data)


def _read6(data: bytes) -> Any:
    return icmp.read(6, data)


def _icmp_complaint(version: int) -> Callable[[bytes, Any], str]:
    def complaint(data: bytes, read: Any) -> str:
        if version == 4 and read is not None and icmp.checksum(data):
            return "a wrong checksum was taken"
        if isinstance(read, icmp.Trouble):
            if ip_address(read.destination).version != version:
                return "an address of another family"
            text = icmp.meaning(version, read.kind, read.code, read.information)
            if not text or not text.isprintable() or len(text) > 150:
                return f"words that cannot be: {text!r}"
            read = icmp.Reply(read.identifier, read.sequence, read.payload)
        if read is None:
            return ""
        in_place = isinstance(read, icmp.Reply) and read.payload in data
        in_range = 0 <= read.identifier <= 0xFFFF and 0 <= read.sequence <= 0xFFFF
        return "" if in_place and in_range else f"{read} cannot be"

    return complaint


def _unwrapped_complaint(data: bytes, read: Any) -> str:
    if read is None:
        return ""
    ttl, inner = read
    return "" if 0 <= ttl <= 255 and inner in data else f"{read} cannot be"


def _queued(data: bytes, read: Any) -> str:
    if read is None:
        return "" if len(data) < 16 else "a whole one was not taken"
    if read.by:
        ip_address(read.by)
    text = icmp.local_meaning(read.number)
    return "" if text.isprintable() else f"words that cannot be: {text!r}"


# Answers of DNS

QUESTION = "www.example.org"


def _answer(kind: str, *records: str, rcode: str = "NOERROR") -> tuple[answers.Question, bytes]:
    asked = answers.question(QUESTION, kind)
    answer = dns.message.make_response(dns.message.from_wire(asked.wire))
    answer.flags |= dns.flags.AA
    answer.set_rcode(dns.rcode.from_text(rcode))
    for line in records:
        name, ttl, of, value = line.split(None, 3)
        answer.answer.append(dns.rrset.from_text(name, int(ttl), "IN", of, value))
    return asked, answer.to_wire()


def dns_readers() -> list[Reader]:
    """Give one for each type that is asked for."""
    www = f"{QUESTION}."
    bodies = {
        "A": ["{} 300 A 192.0.2.1", "{} 300 A 192.0.2.2"],
        "AAAA": ["{} 5 CNAME a.example.", "a.example. 5 CNAME b.example.", "b.example. 1 AAAA ::1"],
        "CNAME": ["{} 300 CNAME other.example."],
        "MX": ["{} 300 MX 10 mx.example.", "{} 300 MX 20 {}"],
        "TXT": ['{} 300 TXT "some" "text \\027[31m"', '{} 1 TXT "\\255\\000"'],
        "SRV": ["{} 300 SRV 1 2 3 sip.example."],
        "PTR": ["{} 300 PTR xn--bcher-kva.example."],
    }
    pieces = [
        b"\xc0\x0c",
        b"\xc0\x00",
        b"\xc0\xff",
        b"\3www",
        b"\0\1\0\1",
        b"\xff\xff",
        b"\0",
        b"\x3f",
    ]
    readers = []
    for kind, lines in bodies.items():
        asked, wire = _answer(kind, *(line.format(www, www) for line in lines))
        valid = [wire]
        for rcode in ("NXDOMAIN", "SERVFAIL", "NOERROR"):
            _, other = _answer(kind, rcode=rcode)
            valid.append(wire[:2] + other[2:])
        cut = bytearray(wire)
        cut[2] |= 0x02
        valid.append(bytes(cut))
        mended = _mender_of(wire, len(asked.wire) - _OPT)
        read = _reader_of(asked)
        readers.append(Reader(f"DNS, {kind}", read, valid, pieces, _dns_complaint, mended))
    return readers


_OPT = 11
"""Bytes of the record at the end of a question that tells of EDNS."""


def _mender_of(wire: bytes, end: int) -> Callable[[bytes], bytes]:
    """Give what makes an answer ours again: number, flags and question."""

    def mended(data: bytes) -> bytes:
        return wire[:3] + data[3:12] + wire[12:end] + data[end:]

    return mended


def _reader_of(asked: answers.Question) -> Callable[[bytes], Any]:
    def read(data: bytes) -> Any:
        answers.is_cut(data, asked)
        try:
            return answers.read(data, asked)
        except BadMessage as error:
            return str(error)

    return read


def _dns_complaint(_: bytes, read: Any) -> str:
    if isinstance(read, str):  # an error, which is shown by printable()
        return "" if len(read) < 6000 else f"an error of {len(read)} characters"
    if len(read.records) > answers.MOST_RECORDS or len(read.aliases) > answers.MOST_ALIASES + 1:
        return f"{len(read.records)} records and {len(read.aliases)} aliases are too many"
    if read.unasked < 0:
        return f"{read.unasked} records that nobody asked for"
    return next(filter(None, map(_record_complaint, (*read.aliases, *read.records))), "")


def _record_complaint(record: answers.Record) -> str:
    shown = [
        record.name,
        record.parts.get("target", ""),
        "" if record.type == "TXT" else record.value,
    ]
    for text in shown:
        if not (text.isascii() and text.isprintable()):
            return f"{text!r} in a record"
    return "" if 0 <= record.ttl < 1 << 31 else f"a TTL of {record.ttl}"


def made(reader: Reader, chance: Random) -> bytes:
    """Make one input."""
    way = chance.random()
    if way < 0.05:
        return chance.randbytes(chance.randrange(80))
    if way < 0.1:
        return b"".join(chance.choices(reader.pieces, k=chance.randrange(24)))
    data = chance.choice(reader.valid)
    if way < 0.2:
        data += chance.choice(reader.valid)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
        data = mutated(data, reader.pieces, chance)
    return reader.mended(data) if chance.random() < 0.9 else data


def tried(reader: Reader, data: bytes) -> tuple[str, bool]:
    """Try one input; say what is wrong, or nothing, and whether it was taken."""
    began = time.process_time()
    try:
        read = reader.read(data)
        found = reader.complaint(data, read)
        if not found and reader.read(data) != read:
            found = "read again, it is something else"
    except Exception as error:  # noqa: BLE001  whatever it is, it is the finding
        return f"{reader.name}: {error!r} was raised for {data!r}", False
    took = time.process_time() - began
    if took > SLOWEST:
        found = f"{took:.3f} s"
    text = f"{reader.name}: {found} for {data!r}" if found else ""
    return text, not isinstance(read, str | None)


def fuzz(
    readers: Sequence[Reader], count: int, seed: int, tell: Callable[[str], None] = print
) -> list[str]:
    """Try so many inputs, the readers in turn; give what is wrong, ten findings at the most."""
    taken = 0

    def complain(reader: Reader, data: bytes, _: Random) -> str:
        nonlocal taken
        found, was_taken = tried(reader, data)
        taken += was_taken
        return found

    findings = fuzzing.fuzz(readers, count, seed, tell, complain, make=made)
    tell(f"{taken} of them were taken")
    return findings


def main() -> int:
    """Run as a command."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else COUNT
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    findings: list[str] = []
    for reader in icmp_readers():
        findings += fuzz([reader], count, seed)
    findings += fuzz(dns_readers(), count, seed)
    for finding in findings:
        print(finding[:2000])
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
