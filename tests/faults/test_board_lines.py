"""Whatever is typed at a board by lines: one error for who has typed it, and nothing for others."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from jackfield.events import ConnectionEnded
from jackfield.services.chat import LONGEST_LINE
from jackfield.services.chat.clients import MOST_ERRORS
from jackfield.services.chat.hub import BURST
from jackfield.services.chat.typed import TRIES
from tests.boards import WholeBoard
from tests.live import Peer, until

EVIL = "<script>alert(1)</script>\u202e\x1b[2J\x00\x9b31m"


@pytest.fixture(scope="module")
def lab() -> Iterator[WholeBoard]:
    with WholeBoard() as board:
        yield board


BAD_NAMES = [
    b"x" * 33,
    b"x" * 16_000,
    EVIL.encode(),
    b"ann\xe2\x80\xae",
    b"an\xe2\x80\x8bn",
    b"\x1b]0;owned\x07",
    b"<b>ann</b>",
    b"a/../b",
    b"everyone",
    b"\xff\xff\xff",
    b"\x00",
    b"",
]


@pytest.mark.some(4)
@pytest.mark.parametrize("name", BAD_NAMES, ids=count())
def test_a_name_that_cannot_be_is_refused_and_not_repeated(lab: WholeBoard, name: bytes) -> None:
    with lab.bystanders() as others, Peer(lab.endpoint("chat")) as eve:
        assert "name" in eve.line()
        eve.sock.sendall(name + b"\n")
        said = eve.line()
        assert said.startswith("* ")
        assert said.isprintable()
        assert "script" not in said
        eve.sock.sendall(f"Eve-{others.name}\n".encode())
        assert eve.line().startswith(f"* Hello, Eve-{others.name}.")
        others.hear_each_other()


def test_who_offers_too_many_names_is_let_go(lab: WholeBoard) -> None:
    with lab.bystanders() as others, Peer(lab.endpoint("chat")) as eve:
        eve.send(*["<b>"] * 100)
        rest = eve.rest().decode().splitlines()
        assert len(rest) == 1 + TRIES + 1
        assert rest[-1] == "* That was one try too many."
        others.hear_each_other()


SENSELESS = [
    f"/{EVIL}",
    "/" + "x" * 15_000,
    "/__class__",
    "/join",
    f"/join {EVIL}",
    "/join " + "x" * 15_000,
    "/join @ann,bob",
    "/leave",
    f"/leave {EVIL}",
    "/leave nowhere",
    "/msg",
    f"/msg {EVIL} x",
    "/msg a,b x",
    "/history -1",
    "/history 1e3",
    "/history 1.5",
    "/history " + "9" * 5000,
    "/search",
    "/topic " + "x" * 201,
    "/mute",
    "/mute Ann",
    "/mute Ann -1",
    "/mute Ann nan",
    "/mute Ann " + "9" * 400,
    f"/mute {EVIL}",
    f"/remove {EVIL}",
    "x" * 4001,
    "\u202e\u200b\x00\x1b",
]


@pytest.mark.some(10)
@pytest.mark.parametrize("line", SENSELESS, ids=count())
def test_what_makes_no_sense_is_answered_once(lab: WholeBoard, line: str) -> None:
    with lab.bystanders() as others, lab.by_lines(f"Eve-{others.name}") as eve:
        said = eve.ask(line)
        assert said.startswith("* ")
        assert said.isprintable()
        assert len(said) < 300
        assert eve.ask("/who").startswith("* ")
        others.hear_each_other()


@pytest.mark.parametrize("line", ["/history 0", "/history 200", "/history ٣", '/search " OR * (-'])
def test_numbers_and_words_at_their_ends_are_only_that(lab: WholeBoard, line: str) -> None:
    with lab.bystanders() as others, lab.by_lines(f"Eve-{others.name}") as eve:
        eve.send(line, "/who")
        while " in lobby: " not in eve.line():
            pass
        others.hear_each_other()


def test_what_turns_or_hides_is_left_out_for_whoever_reads(lab: WholeBoard) -> None:
    with lab.bystanders() as others, lab.by_lines(f"Eve-{others.name}") as eve:
        eve.send(f"a{EVIL}b")
        line = others.bob.line()
        assert line.partition(": ")[2] == "a<script>alert(1)</script>[2J31mb"
        assert line.isprintable()
        assert others.ann.hear("said")["text"] == "a<script>alert(1)</script>[2J31mb"
        eve.send("\ud7ff /topic".encode().decode(), f"/topic {EVIL} topic")
        assert others.ann.hear("said")["text"] == "\ud7ff /topic"
        assert others.ann.hear("room")["room"]["topic"] == "<script>alert(1)</script>[2J31m topic"


def test_a_line_past_the_bound_ends_the_connection_with_a_reason(lab: WholeBoard) -> None:
    with lab.bystanders() as others, lab.by_lines(f"Eve-{others.name}") as eve:
        before = len(lab.of(ConnectionEnded))
        eve.sock.sendall(b"x" * (LONGEST_LINE + 2) + b"\nnot said\n")
        assert f"past the bound of {LONGEST_LINE}" in eve.rest().decode()
        until(lambda: told(lab, str(LONGEST_LINE), before))
        assert len(told(lab, str(LONGEST_LINE), before)) == 1
        others.hear_each_other()


def told(lab: WholeBoard, why: str, after: int) -> list[ConnectionEnded]:
    """What the operator was told of connections that ended for a reason."""
    return [one for one in lab.of(ConnectionEnded)[after:] if why in one.reason]


@pytest.mark.long
def test_a_flood_is_said_as_far_as_anybodys_and_then_ended(lab: WholeBoard) -> None:
    with lab.bystanders() as others, lab.by_lines(f"Eve-{others.name}") as eve:
        before = len(lab.of(ConnectionEnded))
        eve.send("\n".join(f"flood {number}" for number in range(3000)))
        errors = [line for line in eve.rest().decode().splitlines() if "not so fast" in line]
        assert len(errors) >= MOST_ERRORS
        until(lambda: told(lab, "errors in a row", before))
        heard = [others.bob.line() for _ in range(BURST)]
        assert [line.rpartition(" ")[2] for line in heard] == [str(n) for n in range(BURST)]
        others.hear_each_other(alone=False)
        said = lab.wait_for(lab.board.chat.hub.history.page("lobby", most=200))
        flood = [one for one in said if one.author == f"Eve-{others.name}"]
        assert BURST <= len(flood) < BURST + 60  # one a second after that, for as long as it took


HTTP = (
    "POST / HTTP/1.1\r\nHost: 127.0.0.1:7000\r\nConnection: keep-alive\r\nContent-Length: 30\r\n"
    "User-Agent: Mozilla/5.0\r\nContent-Type: text/plain\r\nOrigin: https://evil.example\r\n\r\n"
    "Ann\r\nsaid by another site\r\nquit\r\n"
)


@pytest.mark.parametrize("head", [HTTP, HTTP.replace("POST / HTTP/1.1", "GET /Ann HTTP/1.1")])
def test_a_browser_that_another_site_sends_says_nothing(lab: WholeBoard, head: str) -> None:
    with lab.bystanders() as others, Peer(lab.endpoint("chat")) as browser:
        browser.sock.sendall(head.encode())
        assert b"Hello" not in browser.rest()
        others.hear_each_other()
