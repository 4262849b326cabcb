from __future__ import annotations

import pytest

from jackfield import framing
from jackfield.errors import ConfigurationError
from jackfield.events import ConnectionEnded, ConnectionOpened
from jackfield.service import Replier
from jackfield.services.answering import Answerer, answering, checked_delay
from jackfield.services.echo import same
from tests.live import Live


def test_without_options_it_is_answered_straight_from_the_read() -> None:
    service = answering("echo", same, framing.lines(), once=False, delay=0)
    assert isinstance(service.handler, Replier)


@pytest.mark.parametrize(("once", "delay"), [(True, 0.0), (False, 0.01), (True, 0.01)])
def test_with_options_it_takes_a_handler(once: bool, delay: float) -> None:
    service = answering("echo", same, framing.lines(), once=once, delay=delay)
    assert service.handler == Answerer(same, once, delay)
    with Live(service, "tcp://127.0.0.1:0") as live, live.connect() as peer:
        peer.send("one", "two")
        assert peer.line() == "one"
        assert peer.line() == ("" if once else "two")


@pytest.mark.parametrize("delay", [-1.0, 3600.5, float("nan"), float("inf")])
def test_a_delay_that_makes_no_sense_is_refused(delay: float) -> None:
    with pytest.raises(ConfigurationError, match=r"^echo: a delay of .* where 0 to 3600 is"):
        checked_delay("echo", delay)


def test_a_delay_holds_up_one_peer_alone_and_no_stop() -> None:
    service = answering("echo", same, framing.lines(), once=False, delay=3600)
    with Live(service, "tcp://127.0.0.1:0", drain=0) as live, live.connect() as waiting:
        waiting.send("one")
        with live.connect():
            live.await_events(ConnectionOpened, 2)
        live.await_event(ConnectionEnded)  # the one that left, while the other's answer waits
