from __future__ import annotations

import copy
import pickle

import pytest

from jackfield import framing

ALL = [
    framing.raw(),
    framing.lines(),
    framing.lines(None),
    framing.delimited(),
    framing.delimited(encoding="utf-8"),
    framing.fixed(8),
    framing.length_prefixed(),
    framing.length_prefixed("varint"),
    framing.header(">I", length=0),
    framing.netstring(),
    framing.json_lines(),
]


def test_the_public_names_are_there() -> None:
    assert set(framing.__all__) <= set(dir(framing))


@pytest.mark.parametrize("one", ALL, ids=lambda one: type(one).__name__)
def test_every_framing_is_bounded_named_and_crosses_processes(
    one: framing.Framing[object],
) -> None:
    assert 1 <= one.max_message <= 64 * 1024
    assert one.name != framing.Framing.name
    for other in (pickle.loads(pickle.dumps(one)), copy.copy(one)):  # noqa: S301  made here
        assert type(other) is type(one)
        assert vars(other) == vars(one)


@pytest.mark.parametrize("one", ALL, ids=lambda one: type(one).__name__)
def test_an_empty_unit_is_a_message_or_the_peers_error(one: framing.Framing[object]) -> None:
    takes_it = type(one).__name__ not in {"Fixed", "Header", "JSONLines"}

    if takes_it:
        assert one.decode_unit(b"") in {"", b""}
    else:
        with pytest.raises(ConnectionError):
            one.decode_unit(b"")
