"""Talking at the board's page: with another page, with somebody at a terminal, and with oneself."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.boards import PHONE, Board, visiting

pytestmark = pytest.mark.xdist_group("browser")


def test_two_pages_and_a_terminal_hear_the_same(board: Board, browser: Browser) -> None:
    with visiting(board, browser) as mei, visiting(board, browser) as olu:
        mei.come("Mei")
        olu.come("Olu")
        with board.typing("Tom") as tom:
            mei.say("早上好 👋")
            olu.sees("早上好 👋")
            olu.say("two\nlines")
            mei.sees("早上好 👋", "two\nlines")
            tom.send("from a terminal")
            for page in (mei, olu):
                page.sees("早上好 👋", "two\nlines", "from a terminal")
            heard = [tom.line() for _ in range(3)]
            assert [line.partition(" ")[2] for line in heard[:2]] == ["Mei: 早上好 👋", "Olu: two"]
            expect(mei.page.locator(".person-name")).to_have_text(["Mei", "Olu", "Tom"])
        expect(mei.page.locator(".person-name")).to_have_text(["Mei", "Olu"])
        mei.say("/who")
        expect(mei.page.locator(".notice")).to_have_text("In #lobby: Mei, Olu")
        mei.say("//not a command")
        mei.sees("/not a command")
        mei.say("/dance")
        expect(mei.page.locator(".notice").last).to_contain_text("no command /dance")
        expect(mei.page.locator("#text")).to_have_value("/dance")


@pytest.mark.long
def test_a_flood_is_said_as_fast_as_the_board_takes_it(board: Board, browser: Browser) -> None:
    with visiting(board, browser) as mei:
        mei.come("Mei")
        flood = [f"number {number}" for number in range(12)]
        for text in flood:
            mei.say(text)
        expect(mei.page.locator(".waiting")).to_have_count(0)
        mei.sees(*flood)
        assert board.said() == flood


@pytest.mark.long
def test_unread_messages_mentions_and_direct_ones_are_counted(
    board: Board, browser: Browser
) -> None:
    with visiting(board, browser) as mei, board.typing("Tom") as tom:
        mei.come("Mei")
        mei.say("/join Deploy")
        expect(mei.page.locator("#room-name")).to_have_text("#deploy")
        for text in ("one", "two", "hello @mei, have a look"):
            tom.send(text)
        lobby = mei.room("lobby")
        expect(lobby.locator(".badge.mine")).to_have_text("1")
        expect(lobby).to_have_attribute("aria-label", "#lobby, 3 unread, 1 for you")
        expect(mei.page).to_have_title(re.compile(r"^\(1\) #deploy · The lab$"))
        lobby.click()
        expect(mei.page.locator(".line.new")).to_have_text("New")
        expect(mei.page.locator(".line.new + .message .text")).to_have_text("one")
        expect(mei.page.locator(".to-me .mention.me")).to_have_text("@mei")
        expect(lobby.locator(".badge")).to_have_count(0)
        expect(mei.page).to_have_title("#lobby · The lab")

        tom.send("/msg Mei for you alone")
        direct = mei.room("Tom")
        expect(direct.locator(".badge.mine")).to_have_text("1")
        direct.click()
        mei.sees("for you alone")
        mei.say("and back")
        while "(to you) Mei: and back" not in tom.line():
            pass
        assert board.said() == ["one", "two", "hello @mei, have a look"]


@pytest.mark.long
def test_a_name_is_completed_and_a_person_can_be_written_to(board: Board, browser: Browser) -> None:
    with visiting(board, browser) as mei, board.typing("Tomás") as tom:
        mei.come("Mei")
        expect(mei.page.locator(".person-name")).to_have_count(2)
        mei.page.locator("#text").press_sequentially("hi @to")
        expect(mei.page.locator("#choices .option")).to_have_text(["TTomás"])
        mei.page.keyboard.press("Tab")
        expect(mei.page.locator("#text")).to_have_value("hi @Tomás ")
        mei.page.keyboard.press("Enter")
        mei.sees("hi @Tomás")
        assert "@Tomás" in tom.line()
        mei.page.get_by_role("button", name="Tomás").click()
        mei.page.get_by_role("button", name="Write a direct message").click()
        expect(mei.page.locator("#room-name")).to_have_text("Tomás")
        expect(mei.page.locator(".line.empty")).to_contain_text("between you and Tomás")
        expect(mei.page.locator("#text")).to_be_focused()


@pytest.mark.long
def test_a_crowd_is_counted_and_not_named(board: Board, browser: Browser) -> None:
    with visiting(board, browser) as mei:
        mei.come("Mei")
        board.crowd(*(f"p{number}" for number in range(99)))
        expect(mei.page.locator("#people-count")).to_have_text("100")
        expect(mei.page.locator(".person-name")).to_have_count(100)
        board.crowd("one-more")
        expect(mei.page.locator("#people-title")).to_have_text("Here now: 101")
        expect(mei.page.locator("#people-list")).to_contain_text("counted and not named")
        mei.say("/who")
        expect(mei.page.locator(".notice")).to_have_text("In #lobby: 101 people")


@pytest.mark.long
def test_the_newest_stays_in_sight_while_one_writes(board: Board, browser: Browser) -> None:
    board.keep("Ann", *(f"message {number}" for number in range(40)))
    with visiting(board, browser, viewport=PHONE) as mei:
        mei.come("Mei")
        mei.sees("message 39")
        mei.page.fill("#text", "\n".join("a long draft"))
        mei.page.locator("#text").press_sequentially(", and on")
        last = mei.page.locator(".message").last
        expect(last).to_be_in_viewport(ratio=1)
        board.crowd("somebody")
        mei.page.press("#text", "Enter")
        expect(mei.page.locator(".message")).to_have_count(41)
        expect(last).to_be_in_viewport(ratio=0.9)
        expect(mei.page.locator("#newest")).to_be_hidden()


@pytest.mark.long
def test_a_rooms_owner_keeps_order(board: Board, browser: Browser) -> None:
    with visiting(board, browser) as mei, visiting(board, browser) as olu:
        mei.come("Mei").say("/join quiet")
        expect(mei.page.locator("#room-name")).to_have_text("#quiet")
        mei.page.click("#room-topic")
        mei.page.fill("#topic-text", "Whispers")
        mei.page.keyboard.press("Enter")
        expect(mei.page.locator("#room-topic")).to_have_text("Whispers")
        olu.come("Olu").say("/join quiet")
        expect(olu.page.locator("#room-topic")).to_have_text("Whispers")
        olu.say("/topic Shouts")
        expect(olu.page.locator(".notice")).to_have_text(
            "only the owner of a room changes its topic"
        )
        mei.page.get_by_role("button", name="Olu").click()
        mei.page.get_by_role("button", name="Mute here").click()
        olu.page.fill("#text", "")
        olu.say("hello?")
        expect(olu.page.locator(".failed .waits")).to_contain_text("you are muted here")
        olu.page.get_by_role("button", name="Discard").click()
        expect(olu.page.locator(".failed")).to_have_count(0)
        mei.say("/remove Olu")
        expect(olu.page.locator("#room-name")).to_have_text("#lobby")
        expect(olu.page.locator(".notice")).to_contain_text("Mei has removed you")
        assert board.said("quiet") == []


@pytest.mark.long
def test_looking_back_keeps_the_place_and_ends_at_the_first_message(
    board: Board, browser: Browser
) -> None:
    board.keep("Ann", *(f"message {number}" for number in range(1, 161)))
    with visiting(board, browser) as mei:
        mei.come("Mei")
        mei.sees("message 160")
        log = mei.page.locator("#log")
        assert mei.texts[0] == "message 111"
        seen = mei.page.locator(".message[data-number='115']")
        place = "one => one.getBoundingClientRect().top"
        before = log.evaluate(
            "log => { log.scrollTop = 300; return log.querySelector('[data-number=\"115\"]')"
            ".getBoundingClientRect().top; }"
        )
        expect(mei.page.locator(".message[data-number='61']")).to_have_count(1)
        assert abs(seen.evaluate(place) - before) < 2
        newest = mei.page.locator("#newest")
        expect(newest).to_have_text("To the newest")
        board.keep("Ann", "message 161")
        expect(newest).to_have_text("1 new below")
        log.focus()
        beginning = mei.page.locator(".line.beginning")
        while not beginning.count():
            mei.page.keyboard.press("Home")
            mei.page.wait_for_timeout(50)
        expect(beginning).to_have_text("This is where #lobby begins.")
        assert mei.texts == [f"message {number}" for number in range(1, 162)]
        newest.click()
        expect(newest).to_be_hidden()
        expect(mei.page.locator(".message").last).to_be_in_viewport()


@pytest.mark.long
def test_the_newest_is_shown_though_a_smooth_scroll_to_the_first_goes_on(
    board: Board, browser: Browser
) -> None:
    board.keep("Ann", *(f"message {number}\n\nand more" for number in range(1, 51)))
    with visiting(board, browser) as mei:
        mei.come("Mei")
        expect(mei.page.locator(".message[data-number='50']")).to_be_in_viewport()
        log = mei.page.locator("#log")
        log.evaluate("log => { log.scrollTop = 1200 }")
        expect(mei.page.locator("#newest")).to_be_visible()
        log.focus()
        mei.page.keyboard.press("Home")
        still = log.evaluate(
            """async log => {
                const frame = () => new Promise(requestAnimationFrame);
                while (log.scrollTop === 1200) await frame();
                document.querySelector("#newest").click();
                let last = -1;
                for (let same = 0; same < 30; same += 1) {
                    if (log.scrollTop !== last) same = 0;
                    last = log.scrollTop;
                    await frame();
                }
                return log.scrollHeight - log.clientHeight - last;
            }"""
        )
        assert still <= 1
        expect(mei.page.locator("#newest")).to_be_hidden()


@pytest.mark.long
def test_what_was_said_is_found_newest_first_in_chinese_too(board: Board, browser: Browser) -> None:
    board.keep("李伟", "今天天气很好", "服务器在三号机柜", "明天天气也不错")
    board.keep("Ann", *(f"filler {number}" for number in range(200)))
    with visiting(board, browser) as mei:
        mei.come("Mei")
        mei.sees("filler 199")
        mei.page.keyboard.press("Control+k")
        mei.page.keyboard.type("天气")
        mei.page.get_by_role("option", name="Search messages").click()
        found = mei.page.locator("#search-list .text")
        expect(found).to_have_text(["明天天气也不错", "今天天气很好"])
        mei.page.fill("#search-text", "机柜")
        mei.page.keyboard.press("Enter")
        expect(found).to_have_text(["服务器在三号机柜"])
        found.click()
        expect(mei.page.locator(".found-now .text")).to_have_text("服务器在三号机柜")
        expect(mei.page.locator(".found-now")).to_be_in_viewport()
        mei.page.click("#newest")
        mei.sees("filler 198", "filler 199")
        mei.say("/search nothing like it")
        expect(mei.page.locator("#search-note")).to_have_text("Nothing like it was said.")


@pytest.mark.long
def test_after_a_restart_all_comes_once_and_in_order(board: Board, browser: Browser) -> None:
    with visiting(board, browser) as mei:
        mei.come("Mei")
        mei.say("before")
        mei.sees("before")
        mei.expected = "net::ERR_"
        board.stop()
        expect(mei.page.locator("#banner")).to_contain_text("Reconnecting")
        mei.say("written meanwhile, 1")
        mei.say("written meanwhile, 2")
        expect(mei.page.locator(".waiting")).to_have_count(2)
        expect(mei.page.locator(".waits").first).to_have_text("Waiting to be sent")
        board.keep("Ann", "said meanwhile, 1", "said meanwhile, 2")
        board.start()
        expect(mei.page.locator("#banner")).to_be_hidden()
        expect(mei.page.locator(".waiting")).to_have_count(0)
        heard = ["before", "said meanwhile, 1", "said meanwhile, 2"]
        mei.sees(*heard, "written meanwhile, 1", "written meanwhile, 2")
        assert board.said() == mei.texts


@pytest.mark.long
def test_what_waits_outlives_a_reload(board: Board, browser: Browser) -> None:
    with visiting(board, browser) as mei:
        mei.come("Mei")
        mei.expected = "net::ERR_"
        mei.context.set_offline(True)
        expect(mei.page.locator("#banner")).to_contain_text("Reconnecting")
        mei.say("written without a network")
        expect(mei.page.locator(".waiting")).to_have_count(1)
        mei.context.set_offline(False)
        mei.page.reload()
        mei.sees("written without a network")
        expect(mei.page.locator(".waiting")).to_have_count(0)
        assert board.said() == ["written without a network"]
