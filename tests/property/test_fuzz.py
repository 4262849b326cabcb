"""A sample of what `scripts/fuzz.py` tries; the whole of it is a proof of its own."""

from __future__ import annotations

from typing import Any

import pytest

from jackfield.errors import RemoteProtocolError
from jackfield.framing.base import Decoder, Framing
from scripts import fuzz
from scripts.fuzz import Kind

SAMPLE = 6000


@pytest.mark.parametrize("kinds", [fuzz.http_kinds, fuzz.websocket_kinds])
def test_no_input_is_too_much(kinds: Any) -> None:
    told: list[str] = []
    assert fuzz.fuzz(kinds(), SAMPLE, 7, told.append) == []
    assert f": {SAMPLE} inputs, " in told[0]


class Broken(Framing[bytes]):
    """A framing whose decoder does as it is told."""

    name = "broken"

    def __init__(self, how: str) -> None:
        super().__init__(100)
        self.how = how

    def decoder(self) -> Decoder[bytes]:
        return Fails(self)


class Fails(Decoder[bytes]):
    _framing: Broken

    def feed(self, data: bytes) -> list[bytes]:
        how = self._framing.how
        if how == "raises":
            raise IndexError(data)
        if how == "another error":
            self.error = ValueError("no")  # type: ignore[assignment]  # which is the fault
        if how == "by pieces":
            return [data]
        if how == "by pieces, an error" and len(data) == 1:
            self.error = RemoteProtocolError("no")
        if how == "slow":
            sum(range(100_000))
        return []

    def finish(self) -> None:
        pass


@pytest.mark.parametrize(
    ("how", "finding"),
    [
        ("raises", "IndexError("),
        ("another error", "no RemoteProtocolError"),
        ("by pieces", " in the pieces "),
        ("by pieces, an error", " in the pieces "),
        ("slow", " s for "),
    ],
)
def test_what_is_wrong_is_found(how: str, finding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz, "SLOWEST", 0.0005 if how == "slow" else 10)
    kind = Kind("broken", Broken(how), [b"some message"], [b"x"], b"abc")
    findings = fuzz.fuzz([kind], 300, 7, lambda _: None)
    assert findings
    assert finding in findings[0]


def test_memory_that_grows_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = iter([0, fuzz.GROWTH + 1])
    monkeypatch.setattr(fuzz, "resident", lambda: next(sizes))
    assert fuzz.fuzz(fuzz.http_kinds(), 10, 7, lambda _: None) == ["memory grew by 8.0 MiB"]
