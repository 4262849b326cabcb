from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from jackfield.errors import ConfigurationError
from jackfield.service import find
from jackfield.services.web import LIMITS, LONGEST_TEXT, make
from jackfield.services.web.site import Site


def test_it_is_one_of_the_ready_services(tmp_path: Path) -> None:
    service = find("web", folder=str(tmp_path))
    assert service.name == "web"
    assert service.limits is LIMITS
    assert not service.silent


@pytest.mark.parametrize("given", [{}, {"folder": ".", "hello": "x"}])
def test_a_folder_or_a_text(given: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="a folder, or one text"):
        make(**given)  # type: ignore[arg-type]  # strings, all of them


def test_a_folder_that_there_is(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="ENOENT"):
        make(folder=str(tmp_path / "none"))


def test_a_text_of_some_length() -> None:
    make(hello="x" * LONGEST_TEXT)
    with pytest.raises(ConfigurationError, match="more than"):
        make(hello="x" * (LONGEST_TEXT + 1))


def test_no_connection_of_anybody_who_says_nothing_lasts_ten_seconds() -> None:
    """Half a second passes between two looks, and a limit may be passed just after one."""
    assert max(LIMITS.first_message, LIMITS.idle, LIMITS.message_time) + 2 * 0.5 < 10


def test_its_handler_crosses_processes_and_opens_the_folder_there(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    site = Site(make(folder=str(tmp_path)).handler.shown)  # type: ignore[union-attr]  # it is one
    assert "tree" not in vars(site)
    other = pickle.loads(pickle.dumps(site))  # noqa: S301  it is our own
    assert other.shown == site.shown
    opened = other.tree.open([b"a"])
    assert opened is not None
    other.tree.close()
    os.close(opened.fd)
