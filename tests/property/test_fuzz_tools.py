"""A sample of what `scripts/fuzz_tools.py` tries; the whole of it is a proof of its own."""

from __future__ import annotations

import pytest

from scripts import fuzz, fuzz_tools
from scripts.fuzz_tools import READERS, Reader

SAMPLE = 3000


@pytest.mark.parametrize("reader", [pytest.param(one, id=one.name) for one in READERS])
def test_no_input_is_too_much(reader: Reader) -> None:
    told: list[str] = []
    found = fuzz.fuzz([reader], SAMPLE, 7, told.append, fuzz_tools.complaint)
    assert found == []
    assert told[0].startswith(f"{reader.name}: {SAMPLE} inputs, ")


@pytest.mark.parametrize("reader", [pytest.param(one, id=one.name) for one in READERS])
def test_what_is_valid_is_read_to_the_end(reader: Reader) -> None:
    for data in reader.valid:
        reader.read(data)


def test_what_is_wrong_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(data: bytes) -> None:
        raise IndexError(data)

    def takes_long(_: bytes) -> None:
        sum(range(100_000))

    for read, finding in ((fails, "IndexError("), (takes_long, " s for ")):
        monkeypatch.setattr(fuzz, "SLOWEST", 0.0005 if read is takes_long else 10)
        broken = Reader("broken", read, [b"some line"], [b"x"], b"abc")
        (found, *_) = fuzz.fuzz([broken], 100, 7, lambda _: None, fuzz_tools.complaint)
        assert finding in found
