from __future__ import annotations

import re
import sys

import dns.flags
import dns.message
import dns.rrset
import pytest

from jackfield.errors import BadMessage, ConfigurationError
from jackfield.tools.names import answers
from jackfield.tools.names.answers import Answer, NotOurs, Question, is_cut, question, read
from tests.nameserver import answered


def asked(name: str = "www.example.org", kind: str = "A") -> Question:
    return question(name, kind)


def told(one: Question, *records: str) -> Answer:
    return read(answered(one.wire, records=records), one)


def test_a_question_asks_for_recursion_and_allows_1232_bytes() -> None:
    query = dns.message.from_wire(asked().wire)
    assert query.flags == dns.flags.RD
    assert (query.edns, query.payload) == (0, 1232)
    assert dns.message.from_wire(question("a.example", "MX", edns=False).wire).edns == -1


def test_records_are_told_with_their_ttl_and_their_parts() -> None:
    found = told(asked(), "www.example.org 300 A 192.0.2.1", "www.example.org 300 A 192.0.2.2")
    assert found.status == "NOERROR"
    assert [(one.ttl, one.value) for one in found.records] == [
        (300, "192.0.2.1"),
        (300, "192.0.2.2"),
    ]
    assert found.unasked == 0


@pytest.mark.parametrize(
    ("kind", "data", "value", "parts"),
    [
        ("AAAA", "2001:db8::1", "2001:db8::1", {"address": "2001:db8::1"}),
        ("CNAME", "a.example.", "a.example", {"target": "a.example"}),
        ("PTR", "a.example.", "a.example", {"target": "a.example"}),
        ("MX", "10 mx.example.", "10 mx.example", {"preference": 10, "target": "mx.example"}),
        (
            "SRV",
            "1 2 5060 sip.example.",
            "1 2 5060 sip.example",
            {"priority": 1, "weight": 2, "port": 5060, "target": "sip.example"},
        ),
        ("MX", "0 .", "0 .", {"preference": 0, "target": "."}),
        ("TXT", '"a b" "c"', '"a b" "c"', {"strings": ["a b", "c"]}),
        ("TXT", r'"\027[31m\255"', '"\x1b[31m\\xff"', {"strings": ["\x1b[31m\\xff"]}),
    ],
)
def test_each_type_has_its_parts(kind: str, data: str, value: str, parts: object) -> None:
    one = asked(kind=kind)
    (record,) = told(one, f"www.example.org 60 {kind} {data}").records
    assert (record.type, record.value, record.parts) == (kind, value, parts)


def test_a_name_with_controls_in_it_is_escaped() -> None:
    one = asked(kind="PTR")
    (record,) = told(one, r"www.example.org 60 PTR a\027\[31m\255.example.").records
    assert record.value == r"a\027[31m\255.example"


def test_aliases_are_followed_and_told() -> None:
    found = told(
        asked(),
        "b.example 20 CNAME c.example.",
        "www.example.org 10 CNAME b.example.",
        "c.example 30 A 192.0.2.1",
    )
    assert [(one.name, one.ttl, one.value) for one in found.aliases] == [
        ("www.example.org", 10, "b.example"),
        ("b.example", 20, "c.example"),
    ]
    assert found.canonical == "c.example"
    assert [one.value for one in found.records] == ["192.0.2.1"]


def test_aliases_in_a_circle_are_refused() -> None:
    with pytest.raises(BadMessage, match=r"in a circle: www.example.org -> b.example -> www"):
        told(
            asked(),
            "www.example.org 1 CNAME b.example.",
            "b.example 1 CNAME www.example.org.",
        )


@pytest.mark.parametrize("more", [0, 1])
def test_a_chain_of_aliases_has_a_bound(more: int) -> None:
    one = question("n0.example", "A")
    chain = [
        f"n{number}.example 1 CNAME n{number + 1}.example."
        for number in range(answers.MOST_ALIASES + more)
    ]
    if more:
        with pytest.raises(BadMessage, match="do not end: 16 are followed"):
            told(one, *chain)
    else:
        assert len(told(one, *chain).aliases) == answers.MOST_ALIASES


def test_what_nobody_asked_for_is_left_out_and_counted() -> None:
    found = told(
        asked(),
        "www.example.org 1 A 192.0.2.1",
        "bank.example 1 A 192.0.2.66",
        "www.example.org 1 AAAA ::1",
    )
    assert ([one.value for one in found.records], found.unasked) == (["192.0.2.1"], 2)


def test_records_have_a_bound() -> None:
    lines = [f"www.example.org 1 A 10.0.{n // 256}.{n % 256}" for n in range(1000)]
    found = told(asked(), *lines)
    assert len(found.records) == answers.MOST_RECORDS
    assert found.unasked == 1000 - answers.MOST_RECORDS


def test_a_text_has_a_bound() -> None:
    one = asked(kind="TXT")
    text = " ".join(['"' + "x" * 255 + '"'] * 60)
    (record,) = told(one, f"www.example.org 1 TXT {text}").records
    assert len("".join(record.parts["strings"])) == answers.MOST_TEXT


@pytest.mark.parametrize("rcode", ["NXDOMAIN", "SERVFAIL", "REFUSED"])
def test_a_status_is_told(rcode: str) -> None:
    one = asked()
    answer = dns.message.make_response(dns.message.from_wire(one.wire))
    answer.set_rcode(getattr(dns.rcode, rcode))
    answer.flags |= dns.flags.AA
    found = read(answer.to_wire(), one)
    assert (found.status, found.records, found.authoritative) == (rcode, (), True)
    answer.question = []  # a server that could not read it may leave it out
    assert read(answer.to_wire(), one).status == rcode


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        (lambda _: b"", BadMessage, "0 bytes are no DNS message"),
        (lambda wire: wire[:11], BadMessage, "11 bytes are no DNS message"),
        (lambda wire: wire[:-1], BadMessage, "no DNS message"),
        (lambda wire: wire + b"x", BadMessage, "TrailingJunk"),
        (lambda wire: wire[:12] + b"\xc0\x0c" + wire[14:], BadMessage, "no DNS message"),
        (lambda wire: bytes([wire[0] ^ 1]) + wire[1:], NotOurs, "another question"),
        (lambda wire: wire[:2] + b"\0" + wire[3:], NotOurs, "another question"),
        (lambda wire: wire.replace(b"\3www", b"\3wwx"), NotOurs, "another question"),
    ],
    ids=["empty", "short", "cut", "junk", "pointer", "id", "a query", "name"],
)
def test_what_is_no_answer_is_refused(change: object, kind: type[Exception], words: str) -> None:
    one = asked()
    wire = change(answered(one.wire))  # type: ignore[operator]  # a function
    with pytest.raises(kind, match=re.escape(words)) as raised:
        read(wire, one)
    assert type(raised.value) is kind


def test_an_answer_in_other_capitals_is_ours() -> None:
    one = asked()
    assert read(answered(one.wire).replace(b"\3www", b"\3WwW"), one).status == "NOERROR"


def test_an_answer_that_was_cut_is_known_by_its_header_alone() -> None:
    one = asked()
    wire = bytearray(answered(one.wire))
    assert not is_cut(bytes(wire), one)
    wire[2] |= 0x02
    assert is_cut(bytes(wire), one)
    assert is_cut(bytes(wire[:12]), one)
    assert not is_cut(bytes(wire[:11]), one)


def test_without_dnspython_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dns", None)
    monkeypatch.setitem(sys.modules, "dns.message", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'jackfield\[tools\]'"):
        question("a.example", "A")


def test_a_name_that_dns_cannot_carry_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="cannot be asked for"):
        question("a." * 200 + "b", "A")
