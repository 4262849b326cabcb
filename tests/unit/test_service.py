from __future__ import annotations

import pickle
import sys
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from jackfield import service as module
from jackfield.errors import ConfigurationError
from jackfield.framing import lines
from jackfield.framing.raw import Raw
from jackfield.limits import DEFAULT, Limits
from jackfield.net.connection import Connection
from jackfield.net.crossing import BlockingConnection
from jackfield.service import READY, Replier, Service, find
from tests import handlers
from tests.live import Live


async def native(conn: Connection[str]) -> None:
    """An `async def` handler."""


async def with_option(option: int, conn: Connection[str]) -> None:
    """One that a partial makes a handler of."""


def blocking(conn: BlockingConnection[str]) -> None:
    """A `def` handler."""


class Called:
    """A handler with settings of its own."""

    func = "an attribute that functools.partial has, too"

    async def __call__(self, conn: Connection[str]) -> None:
        """Serve."""

    async def method(self, conn: Connection[str]) -> None:
        """Serve."""

    def plain(self, conn: BlockingConnection[str]) -> None:
        """Serve."""


class CalledBlocking:
    def __call__(self, conn: BlockingConnection[str]) -> None:
        """Serve."""


@pytest.mark.parametrize(
    ("handler", "is_async"),
    [
        (native, True),
        (partial(with_option, 3), True),
        (partial(partial(with_option), 3), True),
        (Called(), True),
        (partial(Called()), True),
        (Called().method, True),
        (blocking, False),
        (partial(blocking), False),
        (CalledBlocking(), False),
        (Called().plain, False),
        (lambda _: None, False),
        (Replier(str), False),
    ],
)
def test_the_kind_of_a_handler_is_found_out(handler: Any, is_async: bool) -> None:
    assert Service("x", handler).is_async is is_async


def test_a_service_has_defaults() -> None:
    service = Service("x", blocking)
    assert isinstance(service.framing, Raw)
    assert service.limits is DEFAULT
    assert not service.joins_rooms


def test_a_reply_is_made_for_each_message_and_none_for_none() -> None:
    service = Service.reply("r", lambda line: None if line == "no" else line * 2, lines())
    assert isinstance(service.handler, Replier)
    with Live(service, "tcp://127.0.0.1:0", model="threads") as live, live.connect() as peer:
        peer.send("no")
        assert peer.ask("ab") == "abab"
    chunks = Service.reply("r", bytes.upper, limits=Limits(threads=1))
    assert isinstance(chunks.framing, Raw)
    assert chunks.limits.threads == 1


def test_a_service_crosses_between_processes() -> None:
    again = pickle.loads(pickle.dumps(handlers.native))  # noqa: S301  our own
    assert again.handler is handlers.obey
    assert again.name == "obey"


# Finding one by name


NEEDED: dict[str, dict[str, Any]] = {
    "commands": {"allow": ("true",)},
    "files": {"folder": "."},
    "web": {"hello": "hi"},
}
"""What has to be said of some."""


@pytest.mark.parametrize("name", READY)
def test_the_ready_ones_are_found(name: str) -> None:
    assert find(name, **NEEDED.get(name, {})).name == name


def test_options_are_passed_on() -> None:
    assert find("greet", once=True).handler.once  # type: ignore[union-attr]


def test_an_option_it_does_not_have_is_refused_with_those_it_has() -> None:
    with pytest.raises(ConfigurationError) as caught:
        find("echo", loud_ness=3)
    assert str(caught.value) == (
        "echo has no option --loud-ness; it takes --once, --delay, --framing"
    )
    with pytest.raises(ConfigurationError, match="it is a service as it is"):
        find("tests.handlers:native", once=True)


def test_ones_own_is_found_by_its_path() -> None:
    assert find("tests.handlers:native") is handlers.native


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of one's own."""
    (tmp_path / "mine_of_test.py").write_text(
        "from jackfield import Service\n"
        "def make(*, size=1):\n    return Service(f'mine{size}', print)\n"
        "def bare():\n    return Service('bare', print)\n"
        "def other():\n    return 3\n"
        "class Holder:\n    service = Service('held', print)\n"
        "number = 3\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "mine_of_test", raising=False)
    return "mine_of_test"


def test_what_makes_one_is_called(mine: str) -> None:
    assert find(f"{mine}:make").name == "mine1"
    assert find(f"{mine}:make", size=2).name == "mine2"
    assert find(f"{mine}:Holder.service").name == "held"
    with pytest.raises(ConfigurationError, match="bare has no option --size; it takes none"):
        find(f"{mine}:bare", size=2)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nowhere.at_all:x", "nowhere.at_all:x: cannot import nowhere.at_all: No module named"),
        ("MINE:nothing", "MINE:nothing: MINE has no nothing"),
        ("MINE:Holder.nothing", "MINE:Holder.nothing: MINE has no Holder.nothing"),
        ("MINE:", "MINE:: MINE has no "),
        ("MINE:number", "MINE:number is 3, which is no Service"),
        ("MINE:other", "MINE:other made 3, which is no Service"),
        (":service", ":service: '' is no module; write package.module:service"),
        (".mine:service", ".mine:service: '.mine' is no module; write package.module:service"),
    ],
)
def test_what_is_none_is_said_in_one_line(mine: str, name: str, says: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        find(name.replace("MINE", mine))
    assert str(caught.value).startswith(says.replace("MINE", mine))
    assert "\n" not in str(caught.value)


def test_a_name_that_is_no_service_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigurationError) as caught:
        find("ehco")
    assert str(caught.value).startswith(
        f"there is no service called 'ehco'; did you mean echo? there are {', '.join(READY)},"
    )
    assert str(caught.value).endswith("and your own as package.module:service")
    with pytest.raises(ConfigurationError, match=f"called 'zzz'; there are {READY[0]}"):
        find("zzz")


def test_other_packages_add_theirs_by_an_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    points = metadata.EntryPoints(
        [metadata.EntryPoint("shout", "tests.handlers:native", module.ENTRY_POINTS)]
    )
    monkeypatch.setattr(metadata, "entry_points", lambda group: points.select(group=group))
    assert find("shout") is handlers.native
    with pytest.raises(ConfigurationError, match="menu, room, shout, time"):
        find("whisper")
