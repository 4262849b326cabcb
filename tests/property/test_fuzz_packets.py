"""A sample of what `scripts/fuzz_packets.py` tries; the whole of it is a proof of its own."""

from __future__ import annotations

import pytest

from jackfield.errors import BadMessage
from scripts import fuzz as fuzzing
from scripts import fuzz_packets
from scripts.fuzz import GROWTH
from scripts.fuzz_packets import Reader, dns_readers, fuzz, icmp_readers

SAMPLE = 3000


@pytest.mark.parametrize("readers", [[one] for one in icmp_readers()] + [dns_readers()])
def test_no_packet_is_too_much(readers: list[Reader]) -> None:
    told: list[str] = []
    assert fuzz(readers, SAMPLE, 7, told.append) == []
    assert f": {SAMPLE} inputs, " in told[0]
    taken = int(told[1].removesuffix(" of them were taken"))
    assert taken > SAMPLE // 20  # so that not all are refused at the first look


def broken(how: str) -> Reader:
    """A reader that does as it is told."""
    seen: list[bytes] = []

    def read(data: bytes) -> object:
        seen.append(data)
        if how == "raises":
            raise BadMessage("not even this")
        if how == "slow":
            sum(range(200_000))
        return len(seen) if how == "changes" else 1

    def complaint(data: bytes, read: object) -> str:
        return "it is wrong" if how == "wrong" else ""

    return Reader("broken", read, [b"some packet"], [b"x"], complaint)


@pytest.mark.parametrize(
    ("how", "finding"),
    [
        ("raises", "BadMessage('not even this') was raised for"),
        ("changes", "read again, it is something else for"),
        ("wrong", "it is wrong for"),
        ("slow", " s for "),
    ],
)
def test_what_is_wrong_is_found(how: str, finding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz_packets, "SLOWEST", 0.0005 if how == "slow" else 10)
    findings = fuzz([broken(how)], 300, 7, lambda _: None)
    assert findings
    assert finding in findings[0]


def test_memory_that_grows_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = iter([0, GROWTH + 1])
    monkeypatch.setattr(fuzzing, "resident", lambda: next(sizes))
    assert fuzz(dns_readers(), 10, 7, lambda _: None) == ["memory grew by 8.0 MiB"]
