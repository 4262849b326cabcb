from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from jackfield import framing
from jackfield.errors import ConfigurationError
from jackfield.service import find
from jackfield.services.menu import LANGUAGES, Guide, Visit
from jackfield.services.menu.file import Menu
from tests.live import Live

SMALL = """
title = "Today"
[[choice]]
name = "Soup"
text = "Tomato."
[[choice]]
name = "Cakes"
[[choice.choice]]
name = "Apple"
text = "With cream."
"""


@pytest.fixture
def small(tmp_path: Path) -> str:
    path = tmp_path / "menu.toml"
    path.write_text(SMALL, "utf-8")
    return str(path)


def menu_of(service: Any) -> Menu:
    assert isinstance(service.handler, Guide)
    return service.handler.menu


def test_a_conversation(small: str) -> None:
    with Live(find("menu", file=small), "tcp://127.0.0.1:0") as live, live.connect() as peer:
        top = ["Today", "  1  Soup", "  2  Cakes"]
        assert [peer.line() for _ in top] == top
        assert peer.ask("1") == "Tomato."
        assert peer.ask("3") == "Please choose 1 to 2; help shows where you are, q leaves."
        cakes = ["Cakes", "  1  Apple", "  0  back"]
        peer.send("2")
        assert [peer.line() for _ in cakes] == cakes
        assert peer.ask("1") == "With cream."
        assert peer.ask("help") == "You are here: Today > Cakes"
        assert [peer.line() for _ in cakes[1:]] == cakes[1:]
        peer.send("0")
        assert [peer.line() for _ in top] == top
        peer.send("q")
        assert peer.line() == ""


def test_each_chunk_gets_one_reply_over_raw_and_nothing_comes_before(small: str) -> None:
    service = find("menu", file=small, framing=framing.raw())
    with Live(service, "tcp://127.0.0.1:0") as live, live.connect() as peer:
        for said, reply in (
            (b"1", b"Tomato."),
            (b"hello", b"Please choose 1 to 2; help shows where you are, q leaves."),
            (b"2\r\n", b"Cakes\n  1  Apple\n  0  back"),
            (b"help", b"You are here: Today > Cakes\n  1  Apple\n  0  back"),
        ):
            peer.sock.sendall(said)
            assert peer.sock.recv(4096) == reply
        peer.sock.sendall(b"quit")
        assert peer.sock.recv(4096) == b""


def test_a_datagram_is_answered_by_one(small: str) -> None:
    with (
        Live(find("menu", file=small), "udp://127.0.0.1:0") as live,
        live.connect() as one,
        live.connect() as other,
    ):
        assert one.ask("2") == "Cakes\n  1  Apple\n  0  back"
        assert other.ask("1") == "Tomato."  # each peer is where it is
        assert one.ask("1") == "With cream."


def test_once(small: str) -> None:
    service = find("menu", file=small, once=True, delay=0.01)
    with Live(service, "tcp://127.0.0.1:0") as live, live.connect() as peer:
        peer.send("1", "2")
        assert peer.rest() == b"Today\n  1  Soup\n  2  Cakes\nTomato.\n"


@pytest.mark.parametrize("said", ["0", "back"])
def test_there_is_no_way_back_from_the_top(said: str) -> None:
    visit = Visit(menu_of(find("menu")))
    answer = visit.answer(said)
    assert answer is not None
    assert answer.startswith("Please choose 1 to ")


@pytest.mark.parametrize("said", ["", "-1", "1.0", "0x1", "999999999999999999", "²", "一", "5"])
def test_what_is_no_choice(said: str) -> None:
    visit = Visit(menu_of(find("menu")))
    answer = visit.answer(said)
    assert answer is not None
    assert answer.startswith("Please choose 1 to ")


def test_digits_of_a_chinese_keyboard_are_digits() -> None:
    visit = Visit(menu_of(find("menu", language="zh")))
    assert visit.answer("１") == visit.answer("1")


def test_chinese_has_its_own_words() -> None:
    visit = Visit(menu_of(find("menu", language="zh")))
    assert visit.listing().startswith("套接字简介\n  1  什么是套接字\n")
    assert str(visit.answer("2")).endswith("\n  0  返回")
    assert str(visit.answer("帮助")).startswith("您的位置： 套接字简介 > 传送消息的方式\n")
    assert visit.answer("返回") == visit.listing()
    assert visit.answer("退出") is None


def test_chinese_can_be_had_in_gbk() -> None:
    service = find("menu", language="zh", framing=framing.lines("gbk"))
    with Live(service, "tcp://127.0.0.1:0") as live, live.connect() as peer:
        peer.sock.sendall("退出\n".encode("gbk"))
        assert peer.rest().decode("gbk").startswith("套接字简介\n")


def test_an_encoding_without_chinese_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="the text of the menu cannot be sent: "):
        find("menu", language="zh", framing=framing.lines("latin-1"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_built_in_menus_have_the_same_shape(language: str) -> None:
    def shape(choice: Any) -> Any:
        return [shape(inner) for inner in choice.choices]

    assert shape(menu_of(find("menu", language=language)).top) == shape(menu_of(find("menu")).top)


def test_a_language_there_is_not() -> None:
    with pytest.raises(ConfigurationError, match="no built-in menu in 'fr'; there are en, zh"):
        find("menu", language="fr")


def test_a_file_brings_its_own_language(small: str) -> None:
    with pytest.raises(ConfigurationError, match="--language is for the built-in menus"):
        find("menu", file=small, language="zh")


def test_it_can_be_sent_to_a_process() -> None:
    service = find("menu", language="zh")
    assert pickle.loads(pickle.dumps(service)).handler == service.handler  # noqa: S301  our own
