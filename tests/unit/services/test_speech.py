from __future__ import annotations

from typing import Any

import pytest

from jackfield import Connection, Server, Service, connect, framing
from jackfield.errors import ConfigurationError
from jackfield.services.speech import Speech, is_leaving, plain
from tests.live import in_loop


@pytest.mark.parametrize(
    ("used", "speech"),
    [
        (framing.lines(), Speech(as_bytes=False, line_by_line=True, waits=False)),
        (framing.lines("gbk"), Speech(as_bytes=False, line_by_line=True, waits=False)),
        (framing.lines(None), Speech(as_bytes=True, line_by_line=True, waits=False)),
        (framing.raw(), Speech(as_bytes=True, line_by_line=False, waits=True)),
        (framing.length_prefixed(2), Speech(as_bytes=True, line_by_line=False, waits=False)),
        (framing.delimited(b"\0", "utf-8"), Speech(False, line_by_line=False, waits=False)),
        (framing.json_lines(), Speech(as_bytes=False, line_by_line=False, waits=False)),
    ],
    ids=["lines", "gbk", "bytes", "raw", "length", "delimited", "json"],
)
def test_how_to_speak_follows_from_the_framing(used: framing.Framing[Any], speech: Speech) -> None:
    assert Speech.of(used, "greet") == speech


@pytest.mark.parametrize(
    "used", [framing.fixed(64), framing.header("!H", length=0)], ids=["fixed", "header"]
)
def test_a_framing_that_cannot_carry_text_is_refused(used: framing.Framing[Any]) -> None:
    with pytest.raises(ConfigurationError, match=r"^greet speaks text, which framing '"):
        Speech.of(used, "greet")


def test_text_that_the_encoding_lacks_is_refused_before_anybody_is_there_to_hear_it() -> None:
    used = framing.lines("latin-1")
    with pytest.raises(ConfigurationError, match=r"^the text of it cannot be sent: "):
        Speech.of(used, "menu").check(used, ["Größe", "one\n菜单"], "the text of it")


def test_bytes_that_are_no_utf_8_come_back_as_they_were() -> None:
    speech = Speech.of(framing.raw(), "greet")
    name = "小明".encode("gbk")
    assert speech.message(speech.hear(b" " + name + b"\r\n")) == name


def test_words_that_leave() -> None:
    assert [word for word in ("q", "QUIT", "Exit", "quite", "", "bye") if is_leaving(word)] == [
        "q",
        "QUIT",
        "Exit",
    ]


def test_no_peer_writes_escape_sequences_to_another_ones_terminal() -> None:
    assert plain("a\x1b[31mb\x9bc\x07\td\r\n\u202ee 小明") == "a?[31mb?c?\td???e 小明"


async def read(conn: Connection[str]) -> None:
    """Say two lines at a time."""
    await Speech.of(framing.lines(), "read").say(conn, "one\ntwo")


@in_loop
async def test_lines_go_one_by_one_in_a_stream_and_together_in_a_unit() -> None:
    service = Service("read", read, framing.lines())
    async with Server(service, "tcp://127.0.0.1:0", "udp://127.0.0.1:0") as server:
        async with connect(server.endpoints[0], framing.lines()) as conn:
            assert [line async for line in conn] == ["one", "two"]
        async with connect(server.endpoints[1], framing.lines()) as conn:
            await conn.send("go on")
            assert await conn.receive(timeout=20) == "one\ntwo"
