"""How often one may fail to come in."""

from __future__ import annotations

from jackfield.board import throttle as module
from jackfield.board.throttle import BURST, EVERY, MOST_SOURCES, Throttle


class Ticks:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_after_a_burst_one_waits() -> None:
    ticks = Ticks()
    throttle = Throttle(ticks)
    for _ in range(BURST):
        assert throttle.wait_of("192.0.2.1") == 0
        throttle.fail("192.0.2.1")
    assert throttle.wait_of("192.0.2.1") == EVERY
    assert throttle.wait_of("192.0.2.2") == 0
    for _ in range(100):  # who goes on trying has to wait no longer for that
        throttle.fail("192.0.2.1")
    assert throttle.wait_of("192.0.2.1") == 2 * EVERY
    ticks.now += 2 * EVERY
    assert throttle.wait_of("192.0.2.1") == 0
    throttle.fail("192.0.2.1")
    assert throttle.wait_of("192.0.2.1") == EVERY
    ticks.now += BURST * EVERY * 2
    for _ in range(BURST):
        throttle.fail("192.0.2.1")
    assert throttle.wait_of("192.0.2.1") == EVERY


def test_a_site_of_ipv6_is_one_source() -> None:
    throttle = Throttle(Ticks())
    for host in range(BURST):
        throttle.fail(f"2001:db8::{host + 1:x}")
    assert throttle.wait_of("2001:db8::ffff") > 0
    assert throttle.wait_of("2001:db8:0:1::1") == 0


def test_sources_are_forgotten_before_they_are_too_many() -> None:
    throttle = Throttle(Ticks())
    for at in range(MOST_SOURCES + 500):
        throttle.fail(f"10.{at >> 16}.{at >> 8 & 255}.{at & 255}")
    assert len(throttle._failed) == MOST_SOURCES
    for _ in range(module.BURST):
        throttle.fail("")  # no address: sockets of this machine
    assert throttle.wait_of("") > 0
