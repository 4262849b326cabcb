"""A few seconds of scripts/people.py, and that it finds what it looks for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scripts.people import Page, Told, Typist, Visitor
from tests.live import in_loop

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "people.py"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")


@pytest.mark.long
@pytest.mark.timeout(180)
def test_a_hundred_people_of_whom_a_tenth_come_and_go_lose_nothing() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "5", "100"], capture_output=True, text=True, check=False
    )
    assert "missing 0, twice 0, out of order 0\n" in done.stdout, done.stdout + done.stderr
    assert ", 0 deliveries" not in done.stdout
    assert "; 0 times somebody came back" not in done.stdout
    assert done.returncode == 0


def said(count: int) -> tuple[Told, list[bytes]]:
    told = Told()
    return told, [told.next_text() for _ in range(count)]


@pytest.mark.parametrize(
    ("heard", "wrong"),
    [
        ([0, 1, 2], {}),
        ([0, 2], {"missing": 1}),
        ([0, 1, 1, 2], {"twice": 1}),
        ([1, 0, 2], {"out of order": 1}),
    ],
)
def test_what_a_typist_has_lost_is_found(heard: list[int], wrong: dict[str, int]) -> None:
    @in_loop
    async def check() -> None:
        told, texts = said(3)
        typist = Typist(told, "p0")
        for number in heard:
            typist.take(b"12:34 p1: " + texts[number])
        typist.check([0, 1, 2])
        assert {name: count for name, count in told.wrong.items() if count} == wrong
        typist.is_in.cancel()

    check()


@pytest.mark.parametrize(
    ("heard", "wrong"),
    [
        ([1, 2, 3], {}),
        ([1, 2], {"missing": 1}),
        ([1, 2, 2, 3], {"twice": 1}),
        ([1, 3, 2], {"out of order": 1, "missing": 1}),
    ],
)
def test_what_a_page_has_lost_is_found(heard: list[int], wrong: dict[str, int]) -> None:
    @in_loop
    async def check() -> None:
        told, texts = said(3)
        visitor = Visitor(told, "p0")
        page = Page(visitor)
        page.is_in.set_result(None)
        for number in heard:
            text = texts[number - 1].decode()
            page.take(b'{"is":"said","number":%d,"text":"%s"}' % (number, text.encode()))
        visitor.check([])
        assert {name: count for name, count in told.wrong.items() if count} == wrong

    check()


def test_something_else_than_was_said_is_found() -> None:
    told, texts = said(2)
    one, other = Visitor(told, "p0"), Visitor(told, "p1")
    one.accept(1, texts[0])
    other.accept(1, texts[1])
    one.accept(2, b"nobody's")
    assert told.wrong == {"different from what others have": 1, "never said": 1}
