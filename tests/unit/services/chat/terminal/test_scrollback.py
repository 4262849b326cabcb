from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.services.chat.history import Message
from jackfield.services.chat.known import KnownRoom, Unsent
from jackfield.services.chat.terminal.scrollback import Row, Scrollback, author_style
from jackfield.services.chat.terminal.wrapping import width

NOON = time.mktime((2026, 11, 28, 12, 0, 0, 0, 0, -1))


def message(number: int, text: str = "", author: str = "alice", at: float = NOON) -> Message:
    return Message("lobby", number, author, str(number), text or f"message {number}", at)


def room(*messages: Message) -> KnownRoom:
    known = KnownRoom("lobby", messages=list(messages))
    known.last = messages[-1].number if messages else 0
    known.floor = messages[0].number - 1 if messages else 0
    return known


def scrollback(known: KnownRoom, unsent: list[Unsent] | None = None) -> Scrollback:
    return Scrollback(known, lambda: "dora", lambda: unsent or [])


def texts(rows: list[Row]) -> list[str]:
    return ["".join(text for _, text in row) for row in rows]


# What is shown


def test_an_empty_room_shows_nothing_and_a_notice_in_it_is_seen() -> None:
    view = scrollback(room())
    assert view.view(40, 10) == []
    view.notice("one\ntwo")
    assert texts(view.view(40, 10)) == ["* one", "  two"]


def test_messages_have_their_time_and_days_a_line() -> None:
    view = scrollback(room(message(1, "hi"), message(2, "there", "bob", NOON + 86400)))
    assert texts(view.view(34, 10)) == [
        "─── Saturday 28 November 2026 ────",
        "12:00 alice: hi",
        "──── Sunday 29 November 2026 ─────",
        "12:00 bob: there",
    ]


def test_long_messages_are_indented_and_their_lines_kept() -> None:
    view = scrollback(room(message(1, "one two three four\n\n  five")))
    assert texts(view.view(24, 10))[1:] == [
        "12:00 alice: one two",
        "      three four",
        "      ",
        "        five",
    ]


def test_a_name_as_wide_as_the_screen_leaves_room_for_what_was_said() -> None:
    view = scrollback(room(message(1, "hello", "长" * 32)))
    rows = texts(view.view(20, 10))[1:]
    assert rows == ["12:00 长长长长长…: ", "hello"]
    assert all(width(row) <= 20 for row in rows)


def test_what_a_peer_is_called_and_says_is_never_obeyed() -> None:
    view = scrollback(room(message(1, "\x1b[2Jx\u202e", "a\x1b]0;b")))
    assert texts(view.view(60, 10))[1] == "12:00 a\\x1b]0;b: \\x1b[2Jx\\u202e"


def test_mentions_ones_own_and_others_have_their_styles() -> None:
    view = scrollback(room(message(1, "hi @Dora"), message(2, "@dora", "dora"), message(3, "@bob")))
    rows = view.view(60, 10)
    assert [row[1][0] for row in rows[1:]] == [
        author_style("alice"),
        "class:me",
        author_style("ALICE"),
    ]
    assert [row[3][0] for row in rows[1:]] == ["class:mentioned", "", ""]


def test_what_is_not_kept_yet_stands_below_all_else() -> None:
    known = room(message(1))
    view = scrollback(known, [Unsent("lobby", "x", "wait")])
    view.notice("note")
    assert texts(view.view(60, 10))[1:] == ["12:00 alice: message 1", "* note", "    … dora: wait"]


def test_new_messages_are_marked_once() -> None:
    view = scrollback(room(message(1), message(2), message(3)))
    view.new_after = 1
    found = texts(view.view(40, 10))
    assert found[2].strip("─") == " new "
    assert len(found) == 5


def test_notices_stay_where_they_were() -> None:
    known = room(message(5))
    view = scrollback(known)
    view.notice("after five")
    known.messages.append(message(6))
    assert texts(view.view(40, 10))[1:] == [
        "12:00 alice: message 5",
        "* after five",
        "12:00 alice: message 6",
    ]
    del known.messages[0]  # the room holds so many messages and no more
    assert texts(view.view(40, 10))[0] == "* after five"


# Scrolling


def long() -> KnownRoom:
    return room(*(message(number) for number in range(11, 61)))


def test_it_follows_what_is_said_until_one_scrolls_back() -> None:
    known = long()
    view = scrollback(known)
    assert texts(view.view(40, 5))[-1].endswith("message 60")
    known.messages.append(message(61))
    assert texts(view.view(40, 5))[-1].endswith("message 61")
    view.scroll(-2)
    assert not view.follows
    before = view.view(40, 5)
    known.messages.append(message(62))
    known.messages[:0] = [message(number) for number in range(1, 11)]
    assert view.view(40, 5) == before
    view.scroll(3)
    assert view.follows
    assert texts(view.view(40, 5))[-1].endswith("message 62")


def test_pages_keep_two_rows_in_sight_and_end_at_both_ends() -> None:
    view = scrollback(long())
    first = texts(view.view(40, 10))
    view.scroll_page(-1)
    second = texts(view.view(40, 10))
    assert second[-2:] == first[:2]
    assert not view.wants_older
    for _ in range(20):
        view.scroll_page(-1)
    top = texts(view.view(40, 10))
    assert top[0].startswith("─")
    assert top[1].endswith("message 11")
    assert view.wants_older
    view.scroll_to_end()
    view.scroll_to_start()
    assert texts(view.view(40, 10)) == top
    for _ in range(20):
        view.scroll_page(1)
    assert view.follows


@pytest.mark.parametrize("height", [0, 1, 2])
def test_a_screen_of_next_to_no_rows_does_no_harm(height: int) -> None:
    view = scrollback(long())
    for move in (-1, -100, 5, 1000):
        view.scroll(move)
        assert len(view.view(8, height)) <= height


def test_a_message_scrolled_to_that_is_let_go_moves_to_the_next() -> None:
    known = long()
    view = scrollback(known)
    view.view(40, 5)
    view.scroll_to_start()
    del known.messages[:20]
    assert texts(view.view(40, 5))[0].startswith("─")
    view.scroll(1)
    assert texts(view.view(40, 5))[1].endswith("message 31")
    known.messages.clear()
    assert view.view(40, 5) == []


@given(
    st.lists(st.text("ab 你\n", min_size=1, max_size=60), min_size=1, max_size=20),
    st.integers(10, 40),
    st.integers(1, 12),
    st.lists(st.integers(-15, 15), max_size=12),
    st.booleans(),
)
def test_wherever_one_scrolls_a_window_of_the_whole_is_shown(
    said: list[str], columns: int, height: int, moves: list[int], noticed: bool
) -> None:
    """Scrolling by n moves a window of `height` rows over all rows by n, within both ends."""
    known = room(*(message(number, text) for number, text in enumerate(said, 1)))
    view = scrollback(known, [Unsent("lobby", "x", "wait for it")])
    if noticed:
        view.notice("a notice")
    whole = scrollback(known, [Unsent("lobby", "x", "wait for it")])
    if noticed:
        whole.notice("a notice")
    rows = whole.view(columns, 10_000)
    end = len(rows)
    assert view.view(columns, height) == rows[max(0, end - height) : end]
    tail = len(whole._block(len(known.messages)))
    for move in moves:
        view.scroll(move)
        wanted = end + move
        if not view.follows or move < 0:
            wanted = max(wanted, min(height, len(rows)))
        if wanted >= len(rows) - tail:
            wanted = len(rows) if view.follows else wanted
        end = min(wanted, len(rows))
        assert view.view(columns, height) == rows[max(0, end - height) : end]
