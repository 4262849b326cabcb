"""HTML and script in every field that the page shows or sends: it is text, and nothing of it runs.

What is said, by whom, in which room and under which topic is tried in `test_page.py`.
"""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, expect

from jackfield.services.chat.history import NewMessage
from tests.browser.boards import Board, visiting

pytestmark = pytest.mark.xdist_group("browser")

EVIL = "<img src=x onerror='window.hacked=1'><script>window.hacked=1</script>\"'>"

NOTHING_RAN = """() => window.hacked === undefined
  && !document.querySelector("img[src=x], script:not([src])")"""


def is_whole(page: Page) -> None:
    """See that nothing has run, and nothing has become a part of the page."""
    assert page.evaluate(NOTHING_RAN)


@pytest.mark.long
def test_the_boards_name_is_text_wherever_it_stands(browser: Browser) -> None:
    with Board(name=EVIL) as board, visiting(board, browser) as mei:
        page = mei.page
        page.goto(board.url)
        expect(page.locator("h1").first).to_contain_text(EVIL)
        is_whole(page)
        mei.come("Mei")
        assert EVIL in page.title()
        is_whole(page)


@pytest.mark.long
def test_whatever_is_put_into_a_link_or_a_field_of_the_door_is_text(browser: Browser) -> None:
    with Board({"secret": "Olu"}) as board, visiting(board, browser) as eve:
        eve.expected = "403"
        page = eve.page
        for address in (f"in/{quote(EVIL, safe='')}", f"#/{quote(EVIL)}", f"?{quote(EVIL)}"):
            page.goto(f"{board.url}{address}")
            page.wait_for_function("document.querySelector('#door-go')?.checkVisibility()")
            is_whole(page)
        page.goto(board.url)
        page.fill("#token", f"https://evil.example/in/{EVIL}")
        page.click("#door-go")
        expect(page.locator("#door-why")).to_have_text("nobody has this token")
        is_whole(page)


@pytest.mark.long
def test_whatever_is_typed_is_text_in_the_answer_too(board: Board, browser: Browser) -> None:
    with visiting(board, browser) as mei:
        mei.come("Mei")
        page = mei.page
        for count, command in enumerate(("join", "msg", "mute", "remove", EVIL), 1):
            page.fill("#text", "")
            mei.say(f"/{command} {EVIL}")
            expect(page.locator(".notice")).to_have_count(count)
            is_whole(page)
        page.fill("#text", "")
        mei.say(f"/topic {EVIL}")
        expect(page.locator("#room-topic")).to_have_text(EVIL)
        mei.say(f"/search {EVIL}")
        expect(page.locator("#search-note")).to_have_text("Nothing like it was said.")
        is_whole(page)


@pytest.mark.long
def test_what_a_chat_says_of_itself_is_text_too(board: Board, browser: Browser) -> None:
    """Whatever gets past the chat's own rules, by whatever mistake, is shown as text."""
    with visiting(board, browser) as mei:
        mei.come("Mei")
        message = NewMessage("lobby", EVIL, json.dumps({"id": "1"}), f"@{EVIL} {EVIL}")
        board.live.wait_for(board.chat.hub.history.append(message))
        expect(mei.page.locator(".message .text")).to_have_text(f"@{EVIL} {EVIL}")
        board.crowd(EVIL)
        expect(mei.page.locator(".person-name")).to_have_text([EVIL, "Mei"])
        for session in board.live.call(lambda: tuple(board.chat.hub.sessions_of("mei"))):
            board.live.call(lambda session=session: session.out("lobby", EVIL))  # type: ignore[misc]
        expect(mei.page.get_by_text(EVIL).first).to_be_visible()
        is_whole(mei.page)
