"""A service whose connections share what one handler has in its event loop."""

from __future__ import annotations

import pytest

from jackfield.errors import ConfigurationError
from jackfield.framing.lines import lines
from jackfield.models.names import ModelName
from jackfield.net.connection import Connection
from jackfield.service import Service
from jackfield.workers.supervisor import Supervisor
from tests.live import ALL, Live, Peer

TCP = "tcp://127.0.0.1:0"


class Counting:
    """Tells each who comes how many there were."""

    def __init__(self) -> None:
        self.count = 0

    async def __call__(self, conn: Connection[str]) -> None:
        self.count += 1
        await conn.send(str(self.count))


def single() -> Service[str]:
    return Service("counting", Counting(), lines(), single=True)


@pytest.mark.parametrize("model", [one for one in ALL if one != "asyncio"])
def test_other_models_have_no_place_for_what_is_shared(model: ModelName) -> None:
    with (
        pytest.raises(ConfigurationError, match=f"counting .* by model asyncio, not {model}"),
        Live(single(), TCP, model=model),
    ):
        pass


def test_nor_have_workers() -> None:
    with pytest.raises(ConfigurationError, match=r"counting has all .* leave out workers"):
        Supervisor(single(), TCP, workers=2)


def test_a_reload_leaves_it_as_it_is() -> None:
    with Live(single(), TCP) as live:
        for number in ("1", "2"):
            with Peer(live.endpoints[0]) as peer:
                assert peer.line() == number
            live.wait_for(live.server.reload(single()))
