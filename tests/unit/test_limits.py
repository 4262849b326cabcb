from __future__ import annotations

import ast
import dataclasses
import inspect
import pickle

import pytest

from jackfield import limits
from jackfield.errors import ConfigurationError
from jackfield.limits import DEFAULT, Limits


def test_the_defaults_are_on_for_everything() -> None:
    assert Limits() == DEFAULT
    for field in dataclasses.fields(Limits):
        value = getattr(DEFAULT, field.name)
        assert value == () or 0 < value < float("inf"), field.name


@pytest.mark.parametrize("value", [0, -1, 0.0])
@pytest.mark.parametrize("name", ["connections", "idle", "outbox"])
def test_none_can_be_off(name: str, value: float) -> None:
    with pytest.raises(ConfigurationError, match=f"the limit {name} is {value!r}; it can be"):
        Limits(**{name: value})  # type: ignore[arg-type]


def test_each_says_why_it_is_what_it_is() -> None:
    """Every field is followed by its docstring: its unit and its reason."""
    (found,) = [
        node
        for node in ast.parse(inspect.getsource(limits)).body
        if isinstance(node, ast.ClassDef) and node.name == "Limits"
    ]
    described = {
        first.target.id
        for first, second in zip(found.body, found.body[1:], strict=False)
        if isinstance(first, ast.AnnAssign)
        and isinstance(first.target, ast.Name)
        and isinstance(second, ast.Expr)
        and isinstance(second.value, ast.Constant)
    }
    assert described == {field.name for field in dataclasses.fields(Limits)}


def test_each_can_be_set_and_none_changed() -> None:
    mine = Limits(connections=1, session_idle=0.5)
    assert (mine.connections, mine.session_idle) == (1, 0.5)
    assert dataclasses.replace(mine, connections=2).session_idle == 0.5
    with pytest.raises(dataclasses.FrozenInstanceError):
        mine.connections = 2  # type: ignore[misc]


def test_they_cross_between_processes() -> None:
    mine = Limits(processes=3)
    assert pickle.loads(pickle.dumps(mine)) == mine  # noqa: S301  our own
