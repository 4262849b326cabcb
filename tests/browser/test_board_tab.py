"""The tab of the board's owner: what it shows, what it does, and that it is nobody else's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest
from playwright.sync_api import Browser, Locator, Page, Request, expect

from jackfield import framing
from jackfield.board.sqlite import State
from jackfield.service import Service
from tests.browser.boards import PHONE, Board, Visitor, visiting
from tests.browser.test_page import NAMELESS, SMALL
from tests.live import Live, Peer, until
from tests.owned import CONFIG, Lab, lab

pytestmark = pytest.mark.xdist_group("browser")

TAB = "#tabs .rail-button"
LOST = "Failed to load resource"
"""What Chromium says of a request that was refused, or found nobody."""

GONE = "net::ERR_"
"""What it says of one that found no page there, or one that ended meanwhile."""


class Owner:
    """A board, and its owner who looks at the tab."""

    def __init__(self, here: Lab, visitor: Visitor) -> None:
        self.here = here
        self.visitor = visitor
        self.page: Page = visitor.page
        self.asked: list[str] = []
        self.page.on("request", self._note)

    def _note(self, request: Request) -> None:
        if request.url == f"{self.here.url}board":
            self.asked.append((request.post_data_json or {}).get("do", ""))

    def show(self, tab: str) -> None:
        self.page.click(f"{TAB}:has-text('{tab}')")

    def service(self, name: str) -> Locator:
        return self.page.locator(f"[data-service={name}]")

    def press(self, what: str, name: str) -> None:
        """Press the button of a command, of a service or of all."""
        place = "#services-all" if name == "all" else f"[data-service={name}]"
        self.page.click(f"{place} [data-do={what}]")

    def sees(self, name: str, state: str) -> None:
        expect(self.service(name).locator(".state")).to_have_text(state)


def let_in(here: Lab, visitor: Visitor, cookie: str) -> None:
    """Have a browser be somebody's who has signed in."""
    name, _, value = cookie.partition("=")
    visitor.context.add_cookies([{"name": name, "value": value, "url": here.url}])


def at_page(here: Lab, browser: Browser, cookie: str, **context: Any) -> Any:
    """A visitor who has signed in."""
    visit = visiting(cast("Board", here), browser, **context)  # it needs to know the address alone

    @contextmanager
    def come() -> Iterator[Visitor]:
        with visit as visitor:
            let_in(here, visitor, cookie)
            visitor.page.goto(here.url)
            expect(visitor.page.locator(".link-state.open")).to_have_count(1)
            yield visitor

    return come()


@contextmanager
def owning(browser: Browser, **context: Any) -> Iterator[Owner]:
    """A board that runs, and its owner at the tab."""
    with lab() as here, at_page(here, browser, here.owner(), **context) as visitor:
        owner = Owner(here, visitor)
        if context.get("viewport") == PHONE:
            owner.page.click("#view-chat .side-button")
        owner.show(owner.page.locator(TAB).last.inner_text())
        expect(owner.page.locator(".service")).to_have_count(4)
        yield owner


@pytest.mark.long
@pytest.mark.parametrize("who", ["a member", "an operator", "a guest"])
def test_nobody_else_has_the_tab(browser: Browser, who: str) -> None:
    with lab(is_open=True) as here:
        cookie = here.sign_in("Mei") if who == "a guest" else here.invited("Mei", who.split()[1])
        with at_page(here, browser, cookie) as visitor:
            asked: list[str] = []
            visitor.page.on("request", lambda request: asked.append(request.url))
            tabs = ["Chat"] if who == "a guest" else ["Chat", "Files"]
            expect(visitor.page.locator(TAB)).to_have_text(tabs)
            visitor.page.goto(f"{here.url}#tab/board")
            visitor.page.reload()
            expect(visitor.page.locator("#room-name")).to_have_text("#lobby")
            expect(visitor.page.locator("#view-board")).to_be_hidden()
            visitor.say("hello")
            visitor.sees("hello")
            assert f"{here.url}board" not in asked


@pytest.mark.long
def test_it_shows_each_service_as_it_is(browser: Browser) -> None:
    with owning(browser) as owner:
        expect(owner.page.locator("h4")).to_have_text(["chat", "page", "files", "clock time"])
        clock = owner.service("clock")
        owner.sees("clock", "running")
        ports = owner.here.ports
        expect(clock.locator("code")).to_have_text([f"tcp://127.0.0.1:{ports['clock']}"])
        expect(clock.locator("dd").first).to_have_text("0 now, 0 in all")
        with Peer(owner.here.board.units["clock"].config.endpoints[0]) as peer:
            peer.line()
            expect(clock.locator("dd").first).to_have_text(re.compile("1 in all"))
        counts = owner.here.board.units["clock"].counts
        assert counts is not None
        owner.here.call(lambda: counts.refused.update({"connections": 12, "idle": 3}))
        expect(clock.locator(".refusals dd")).to_have_text("12 by connections, 3 by idle")
        expect(owner.page.locator("#fact-people")).to_have_text("1")
        expect(owner.page.locator("#fact-store")).to_have_text("ok")
        store = owner.here.board._database
        assert store is not None
        owner.here.call(lambda: store._set(State("full", "there is no room")))
        expect(owner.page.locator("#fact-store")).to_have_text("full")
        expect(owner.page.locator("#store-why")).to_have_text("there is no room")


@pytest.mark.long
def test_it_asks_only_while_somebody_looks(browser: Browser) -> None:
    hide = """(isHidden) => {
      Object.defineProperty(document, "hidden", { value: isHidden, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }"""
    with lab() as here, at_page(here, browser, here.owner()) as visitor:
        owner, page = Owner(here, visitor), visitor.page
        page.clock.install()
        page.reload()
        expect(page.locator(".link-state.open")).to_have_count(1)
        page.clock.run_for(60_000)
        assert owner.asked == []

        owner.show("Board")
        expect(page.locator(".service")).to_have_count(4)
        before = len(owner.asked)
        with page.expect_request(f"{here.url}board"):
            page.clock.run_for(2500)
        assert set(owner.asked[before:]) == {"status"}

        for away, back in (
            (lambda: owner.show("Chat"), lambda: owner.show("Board")),
            (lambda: page.evaluate(hide, True), lambda: page.evaluate(hide, False)),
        ):
            away()
            before = len(owner.asked)
            page.clock.run_for(60_000)
            assert owner.asked[before:] == []
            with page.expect_request(f"{here.url}board"):
                back()


def test_a_service_is_stopped_and_started(browser: Browser) -> None:
    with owning(browser) as owner:
        page, here = owner.page, owner.here
        owner.press("stop", "clock")  # nobody is connected: nothing to ask about
        expect(page.locator("#board-said")).to_have_text("clock: stopped.")
        owner.sees("clock", "stopped")
        expect(owner.service("clock").locator("[data-do=start]")).to_be_focused()
        expect(owner.service("clock").get_by_role("button")).to_have_count(1)
        expect(owner.service("clock").locator("dl div").first).to_be_hidden()
        page.keyboard.press("Enter")
        expect(page.locator("#board-said")).to_have_text("clock: started.")
        owner.sees("clock", "running")
        expect(owner.service("clock").locator("[data-do=stop]")).to_be_focused()
        owner.press("reload", "clock")
        expect(page.locator("#board-said")).to_have_text("clock: reloaded.")
        owner.press("restart", "clock")
        expect(page.locator("#board-said")).to_have_text("clock: restarted.")
        assert here.state("clock") == "running"
        expect(page.locator(".link-state.open")).to_have_count(1)  # the chat has not noticed


@pytest.mark.long
def test_who_would_be_cut_off_is_asked_about_first(browser: Browser) -> None:
    with owning(browser) as owner:
        page, here = owner.page, owner.here
        with Peer(here.board.units["chat"].config.endpoints[0]) as peer:
            peer.line()
            expect(owner.service("chat").locator("dd").first).to_have_text("1 now, 1 in all")
            owner.press("stop", "chat")
            expect(page.locator("#sure-text")).to_contain_text("Connections that end: 1.")
            expect(page.locator("#sure-not")).to_be_focused()
            page.keyboard.press("Escape")
            expect(page.locator("#sure")).to_be_hidden()
            expect(owner.service("chat").locator("[data-do=stop]")).to_be_focused()
            owner.press("restart", "chat")
            expect(page.locator("#sure-title")).to_have_text("Restart chat?")
            page.click("#sure-not")
            assert here.state("chat") == "running"
            owner.press("stop", "chat")
            page.keyboard.press("Tab")
            page.keyboard.press("Enter")
            owner.sees("chat", "stopped")
            peer.rest()


@pytest.mark.long
def test_why_something_cannot_be_done_is_one_line(browser: Browser) -> None:
    with owning(browser) as owner:
        page, here = owner.page, owner.here
        owner.visitor.expected = LOST
        owner.press("stop", "clock")
        owner.sees("clock", "stopped")
        endpoint = here.board.units["clock"].config.endpoints[0]
        with Live(Service.reply("other", lambda line: line, framing=framing.lines()), endpoint):
            owner.press("start", "clock")
            expect(page.get_by_role("alert").and_(page.locator("#board-why"))).to_contain_text(
                str(endpoint.port)
            )
            owner.sees("clock", "failed")
            why = here.board.units["clock"].why
            expect(owner.service("clock").locator(".why")).to_have_text(why)
        owner.press("start", "clock")
        owner.sees("clock", "running")
        expect(page.locator("#board-why")).to_be_hidden()
        here.write(CONFIG + 'model = "quick"\n')
        owner.press("reload", "all")
        expect(page.locator("#board-why")).to_contain_text(f"{here.file}, line")
        here.write(CONFIG.partition("[services.clock]")[0])
        owner.press("reload", "all")
        expect(page.locator("#board-said")).to_have_text("The configuration was read anew.")
        expect(page.locator("h4")).to_have_text(["chat", "page", "files"])


@pytest.mark.long
def test_the_page_is_stopped_by_itself(browser: Browser) -> None:
    with owning(browser) as owner:
        page, here = owner.page, owner.here
        owner.visitor.expected = GONE
        owner.press("stop", "page")
        expect(page.locator("#sure-text")).to_contain_text("jackfield start page")
        page.click("#sure-go")
        expect(page.locator("#board-lost")).to_contain_text("jackfield start page")
        here.settle()
        assert here.state("page") == "stopped"
        here.wait_for(here.board._do({"do": "start", "names": ["page"]}))
        owner.sees("page", "running")
        expect(page.locator("#board-lost")).to_be_hidden()
        expect(page.locator(".link-state.open")).to_have_count(1)


@pytest.mark.long
@pytest.mark.parametrize("name", ["page", "all"])
def test_the_page_is_started_again_by_itself(browser: Browser, name: str) -> None:
    with owning(browser) as owner:
        page, here = owner.page, owner.here
        owner.visitor.expected = GONE
        first = here.board.units["page"].server
        owner.press("restart", name)
        expect(page.locator("#sure-text")).to_contain_text("comes back by itself")
        page.click("#sure-go")
        expect(page.locator("#board-said")).to_have_text("The page starts again…")
        here.settle()
        assert here.board.units["page"].server is not first
        expect(page.locator(".link-state.open")).to_have_count(1)
        expect(page.locator("#board-lost")).to_be_hidden()
        until(lambda: here.call(lambda: len(here.board.chat.hub.people)) == 1)


@pytest.mark.long
def test_somebody_is_invited(browser: Browser) -> None:
    with owning(browser) as owner:
        page, here = owner.page, owner.here
        page.fill("#invite-uses", "0")
        page.click("#invite-go")
        expect(page.locator("#invite-uses:invalid")).to_have_count(1)
        page.fill("#invite-uses", "30")
        page.fill("#invite-days", "2")
        page.get_by_text("operator", exact=True).click()
        page.click("#invite-go")
        expect(page.locator("#invite-for")).to_contain_text("Lets 30 people in, as operator, until")
        drawn = page.locator("#invite-code").evaluate(
            "async (image) => { await image.decode(); return image.naturalWidth > 0; }"
        )
        assert drawn
        link = page.locator("#invite-link").input_value()
        assert link.startswith(f"{here.url}in/")
        expect(page.locator("#invite-copy")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("#invite-copy")).to_have_text("Copied")
        expect(page.locator(".token").first).to_contain_text("invitation operator")
        expect(page.locator(".token").first).to_contain_text("never used")
        expect(page.locator(".token").first).to_contain_text("for 30 more")
        with visiting(cast("Board", here), browser) as other:
            other.page.goto(link)
            other.page.fill("#name", "小梅")
            other.page.click("#door-go")
            expect(other.page.locator("#own")).to_contain_text("小梅")
            expect(other.page.locator(TAB)).to_have_text(["Chat", "Files"])
        assert link.rpartition("/")[2] not in page.locator("#tokens").inner_text()


@pytest.mark.long
def test_tokens_are_listed_and_revoked(browser: Browser) -> None:
    with owning(browser) as owner:
        page, here = owner.page, owner.here
        cookie = here.invited("Mei", "member")
        with at_page(here, browser, cookie) as mei:
            mei.expected = LOST
            page.check("#tokens-all")
            expect(page.locator(".token")).to_have_count(4)
            expect(page.locator(".token.over")).to_have_count(2)
            expect(page.locator(".token.over button")).to_have_count(0)
            page.uncheck("#tokens-all")
            expect(page.locator(".token")).to_have_count(2)
            session = page.locator(".token", has_text="Mei")
            session.get_by_role("button").click()
            expect(page.locator("#sure-title")).to_contain_text("Mei")
            expect(page.locator("#sure-text")).to_contain_text("Mei is sent away")
            page.click("#sure-go")
            expect(page.locator("#board-said")).to_contain_text("session of Mei, is of no use")
            expect(session).to_have_count(0)
            expect(page.locator("#tokens-title")).to_be_focused()
            expect(mei.page.locator("#door")).to_be_visible()
        owner.visitor.expected = LOST
        own = page.locator(".token", has_text="this browser")
        own.get_by_role("button").click()
        expect(page.locator("#sure-text")).to_contain_text("what you are signed in by")
        page.click("#sure-go")
        expect(page.locator("#door")).to_be_visible()


@pytest.mark.long
def test_what_is_said_meanwhile_is_unread(browser: Browser) -> None:
    with owning(browser) as owner:
        page, here = owner.page, owner.here
        chat = page.locator(TAB).first
        expect(page.locator("#view-chat")).to_be_hidden()
        expect(page).to_have_title("Board · The lab")
        with at_page(here, browser, here.invited("Mei", "member")) as mei:
            for number in range(40):
                mei.say(f"line {number}")
            mei.sees("line 39")
            expect(chat).to_have_accessible_name("Chat, New")
            expect(chat.locator(".dot")).to_be_visible()
            expect(page.locator("#view-board")).to_be_visible()
            owner.show("Chat")
            expect(page.locator(".line.new")).to_have_count(1)
            expect(page.locator(".message .text").last).to_be_in_viewport()
            expect(chat).to_have_accessible_name("Chat")
            page.go_back()
            expect(page.locator("#view-board")).to_be_visible()
            page.keyboard.press("Control+k")
            page.keyboard.type("lobby")
            page.keyboard.press("Enter")
            expect(page.locator("#text")).to_be_focused()
        owner.show("Board")
        page.reload()
        expect(page.locator(".service")).to_have_count(4)
        assert page.url == f"{here.url}#tab/board"


@pytest.mark.long
def test_everything_has_a_name_and_is_reached_by_keys(browser: Browser) -> None:
    with owning(browser) as owner:
        page = owner.page
        page.click("#invite-go")
        expect(page.locator("#invite-made")).to_be_visible()
        assert page.evaluate(NAMELESS) == []
        names = [button.get_attribute("aria-label") for button in page.locator("[data-do]").all()]
        assert {"Stop: page", "Stop: All services", "Reload: clock"} <= set(names)
        expect(page.get_by_role("group", name="All services")).to_be_visible()
        expect(page.get_by_role("region", name="Services")).to_be_visible()
        page.evaluate("document.activeElement.blur()")
        reached: list[str] = []
        for _ in range(45):
            page.keyboard.press("Tab")
            what, ring = page.evaluate(
                "(() => { const one = document.activeElement; return [one.id || one.ariaLabel"
                " || one.className, one === document.body"
                " || getComputedStyle(one).outlineStyle !== 'none'"
                " || getComputedStyle(one.nextElementSibling ?? one).outlineStyle !== 'none']; })()"
            )
            assert ring, what
            reached.append(what)
        wanted = {"skip", "Board", "Stop: All services", "Restart: clock", "invite-days"}
        assert wanted | {"invite-uses", "invite-go", "invite-copy", "tokens-all"} <= set(reached)
        assert not {"text", "log", "people-button"} & set(reached)  # those are in the other tab
        owner.press("stop", "page")
        expect(page.get_by_role("alertdialog")).to_have_accessible_name("Stop page?")
        assert page.evaluate(NAMELESS) == []
        page.keyboard.press("Escape")
        page.locator("#skip").focus()
        page.keyboard.press("Enter")
        expect(page.locator("#board-title")).to_be_focused()


@pytest.mark.long
def test_on_a_phone(browser: Browser) -> None:
    with owning(browser, viewport=PHONE, has_touch=True) as owner:
        page = owner.page
        expect(page.locator("#board-title")).to_be_focused()
        expect(page.locator("#side")).to_be_hidden()
        page.click("#invite-go")
        expect(page.locator("#invite-made")).to_be_visible()
        small = SMALL.replace('".room-about"', '".room-about, .check"')
        assert page.evaluate(small) == []
        wide = "document.documentElement.scrollWidth > innerWidth"
        assert page.evaluate(wide) is False
        parts = page.locator("#board-parts")
        assert parts.evaluate("(one) => one.scrollWidth > one.clientWidth") is False
        page.click("#view-board .side-button")
        expect(page.locator("#side")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.locator("#view-board .side-button")).to_be_focused()
        page.click("#view-board .side-button")
        page.click("[data-room=lobby]")
        expect(page.locator("#room-name")).to_be_visible()
        assert page.evaluate("document.querySelector('#view-chat').inert") is False


@pytest.mark.long
def test_in_chinese(browser: Browser) -> None:
    with owning(browser, locale="zh-CN") as owner:
        page = owner.page
        expect(page.locator(TAB)).to_have_text(["聊天", "文件", "看板"])
        owner.sees("clock", "运行中")
        owner.press("stop", "clock")
        expect(page.locator("#board-said")).to_have_text("clock：完成")
        owner.sees("clock", "已停止")
        page.click("#invite-go")
        expect(page.locator("#invite-for")).to_contain_text("可让一人以成员身份进入")
        expect(page.locator(".token", has_text="此浏览器")).to_contain_text("会话 Ann")
        shown = page.locator("#view-board").inner_text()
        known = {"The", "lab", "chat", "page", "files", "clock", "time", "tcp", "Ann", "B", "KiB"}
        assert set(re.findall("[A-Za-z]+", shown)) <= known
