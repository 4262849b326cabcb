from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jackfield.events import ConnectionOpened, HandlerFailed, MessageReceived, Refused, Stopped
from jackfield.framing import raw
from jackfield.limits import Limits
from jackfield.models.names import ModelName
from jackfield.testing import Served
from jackfield.tls import authority
from tests import handlers
from tests.live import in_loop, until


@in_loop
async def test_a_service_has_clients_without_a_port() -> None:
    async with Served(handlers.native) as served:
        async with served.connect() as one, served.connect() as other:
            await one.send("echo 1")
            await other.send("echo 2")
            assert (await one.receive(), await other.receive()) == ("1", "2")
        assert len(served.of(ConnectionOpened)) == 2
        assert [event.message for event in served.of(MessageReceived)] == ["echo 1", "echo 2"]
    assert served.of(Stopped)


@pytest.mark.parametrize("model", ["asyncio", "threads", "inline"])
def test_blocking_clients_too(model: ModelName) -> None:
    with Served(handlers.blocking, model=model) as served, served.connect() as conn:
        conn.send("echo hello")
        assert conn.receive() == "hello"
        conn.send("fail now")
        with pytest.raises(ConnectionError):
            conn.receive()
        until(lambda: served.of(HandlerFailed))


def test_limits_and_framing_are_those_of_the_server() -> None:
    limits = Limits(connections=1)
    with Served(handlers.native, limits=limits, framing=handlers.native.framing) as served:
        with served.connect() as one, served.connect(raw()) as other:
            assert other.receive() == b"error: the server is full; try again later\n"
            one.send("quit")
        assert [event.limit for event in served.of(Refused)] == ["connections"]


def test_the_fixture_serves_until_the_end_of_the_test(
    serve_in_memory: Callable[..., Served[Any]],
) -> None:
    one = serve_in_memory(handlers.native)
    other = serve_in_memory(handlers.replying, model="threads")
    for served in (one, other):
        with served.connect() as conn:
            conn.send("echo hello")
            assert conn.receive() == "hello"


def test_the_fixture_keeps_the_authority_in_a_folder_of_the_test(jackfield_home: Path) -> None:
    assert authority.trusted() == []
    assert Path(authority.certificate()).is_relative_to(jackfield_home)
    assert len(authority.trusted()) == 1


def test_pytest_finds_the_fixtures_by_itself(pytestconfig: pytest.Config) -> None:
    assert pytestconfig.pluginmanager.hasplugin("jackfield")
