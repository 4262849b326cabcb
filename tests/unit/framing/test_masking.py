from __future__ import annotations

import runpy
import sys

import pytest

from jackfield.framing import masking, upgrading


def test_a_mask_is_undone_by_itself() -> None:
    masked = masking.apply_mask(b"hello", b"\x01\x02\x03\x04")
    assert masked == b"igohn"
    assert masking.apply_mask(masked, b"\x01\x02\x03\x04") == b"hello"


def test_without_its_part_in_c(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "websockets.speedups", None)
    apply_mask = runpy.run_path(masking.__file__)["apply_mask"]
    assert apply_mask is not masking.apply_mask
    assert apply_mask(b"hello", b"\x01\x02\x03\x04") == b"igohn"


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("websockets.speedups", "websockets.utils", "websockets.client"):
        monkeypatch.setitem(sys.modules, name, None)
    assert runpy.run_path(masking.__file__)["apply_mask"] is None
    assert runpy.run_path(upgrading.__file__)["ServerProtocol"] is None
