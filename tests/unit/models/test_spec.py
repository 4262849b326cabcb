from __future__ import annotations

import pickle
import struct
import sys
import types
from importlib.machinery import ModuleSpec
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.errors import ConfigurationError
from jackfield.framing import lines
from jackfield.limits import Limits
from jackfield.models import spec
from jackfield.models.spec import Main, Spec, parts_of, pickled, with_parts
from jackfield.service import Service
from tests import handlers


@given(st.binary(min_size=1, max_size=1), st.lists(st.binary()))
def test_parts_come_back_as_they_were(kind: bytes, parts: list[bytes]) -> None:
    """Whatever bytes they hold, the parts of a message are those that were put in."""
    assert parts_of(with_parts(kind, *parts)) == parts


@given(st.binary(min_size=1))
def test_any_bytes_have_parts_or_are_refused(message: bytes) -> None:
    """Garbage gives parts no longer than itself, or raises struct.error."""
    try:
        parts = parts_of(message)
    except struct.error:
        return
    assert sum(map(len, parts)) < len(message)


def of(service: Service[Any]) -> Spec:
    return Spec(service, service.framing, Limits(), (), shows=False, watches=False)


def test_a_spec_is_what_it_was() -> None:
    again = pickle.loads(pickled(of(handlers.native), "obey", "under processes"))  # noqa: S301  our own
    assert again.service.handler is handlers.obey
    assert again.limits == Limits()


def test_a_framing_that_cannot_cross_is_refused_too() -> None:
    framing = lines()
    framing.cut = lambda *_: (0, 0, 1)  # type: ignore[method-assign]
    with pytest.raises(ConfigurationError, match="must stand at the top level of a module"):
        pickled(of(Service("x", handlers.obey, framing)), "x", "under processes")


def typed_in(conn: object) -> None:
    """A handler that says it was typed in."""


def test_what_was_typed_in_cannot_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    main = types.ModuleType("__main__")
    main.typed_in = typed_in  # type: ignore[attr-defined]
    monkeypatch.setattr(typed_in, "__module__", "__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)
    service = Service("typed", typed_in, lines())
    with pytest.raises(ConfigurationError) as caught:
        pickled(of(service), "typed", "under processes")
    assert str(caught.value) == (
        "service typed: its handler was typed in, not imported; under processes it must stand in "
        "a file"
    )
    main.__file__ = "/somewhere/script.py"
    assert b"__main__" in pickled(of(service), "typed", "under processes")
    assert spec.main() == Main("/somewhere/script.py", None)
    main.__spec__ = ModuleSpec("package.script", None)
    assert spec.main() == Main("/somewhere/script.py", "package.script")
