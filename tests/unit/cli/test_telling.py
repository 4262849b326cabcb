from __future__ import annotations

import pytest

from jackfield.cli.telling import expiry, told
from jackfield.endpoints import parse
from jackfield.fetching.steps import Asked, Connected, Ended, LookedUp, Pausing, Tried
from jackfield.framing.http import Request
from jackfield.net.details import ChainLink
from jackfield.net.dialing import Attempt

HERE = parse("tcp://127.0.0.1:80")


def test_an_address_was_not_looked_up() -> None:
    assert told(LookedUp("127.0.0.1", [HERE], 0.1)) == []
    assert told(LookedUp("a", [HERE], 0.1)) == ["* a is 127.0.0.1, looked up in 100.0 ms"]


def test_an_attempt_is_told_with_what_came_of_it() -> None:
    step = Tried(Attempt(HERE, "refused (ECONNREFUSED)", 12.5))
    assert told(step) == ["* tried 127.0.0.1:80: refused (ECONNREFUSED), 12.5 s"]


def test_secrets_are_not_shown() -> None:
    fields = [("Authorization", "Bearer abc"), ("Cookie", "a=b c"), ("X", "y")]
    lines = told(Asked(Request("PUT", "/", fields), 3))  # type: ignore[arg-type]  # pairs
    assert lines == [
        "> PUT / HTTP/1.1",
        "> Authorization: Bearer (not shown)",
        "> Cookie: (not shown)",
        "> X: y",
        ">",
        "* with a body of 3 bytes",
    ]


def test_a_certificate_of_many_names_does_not_fill_the_screen() -> None:
    link = ChainLink("a", "b", 0.0, tuple(map(str, range(50))))
    (_, line) = told(Connected(HERE, HERE, None, [link], 0.1))
    assert "0, 1, 2, 3, 4, 5, 6, 7 and 42 more: certified by b, until 1970-01-01" in line


@pytest.mark.parametrize(
    ("days", "text"), [(1.5, "in 1 day"), (89.9, "in 89 days"), (0.5, "in 0 days")]
)
def test_an_expiry_says_how_far_it_is(days: float, text: str) -> None:
    link = ChainLink("a", "b", days * 86400, ())
    assert expiry(link, now=0.0).endswith(text)


def test_a_small_body_has_no_rate() -> None:
    assert told(Ended(2048, 0.1)) == ["* 2048 bytes of body, 100.0 ms in all"]
    assert told(Ended(102_400, 1.0)) == ["* 102400 bytes of body, 1000.0 ms in all, 100 KiB/s"]


def test_a_pause_says_from_where_it_goes_on() -> None:
    assert told(Pausing("cut", 0.5, 0)) == ["* cut", "* trying again in 0.5 s"]
    assert told(Pausing("cut", 0.5, 7))[1] == "* trying again, from byte 7 on, in 0.5 s"
