"""The board's page itself: what it shows of hostile text, and who can use it, and how."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from jackfield.services.chat.history import RoomRecord
from tests.browser.boards import PHONE, Board, visiting

pytestmark = pytest.mark.xdist_group("browser")

NAMELESS = """() => {
  const named = (one) => [
    one.getAttribute("aria-label"),
    ...(one.getAttribute("aria-labelledby") ?? "").split(" ")
      .map((id) => document.getElementById(id)?.textContent),
    ...[...(one.labels ?? [])].map((label) => label.textContent),
    one.tagName === "BUTTON" || one.tagName === "A" ? one.textContent : "",
  ].some((text) => text?.trim());
  const wanted = "button, input, textarea, a, dialog, nav, aside, [role=log], [role=listbox]";
  const found = [...document.querySelectorAll(wanted)]
    .filter((one) => one.checkVisibility() && !named(one));
  const images = [...document.images].filter((one) => !one.hasAttribute("alt"));
  const ids = [...document.querySelectorAll("[id]")].map((one) => one.id);
  const twice = ids.filter((id, at) => ids.indexOf(id) !== at);
  const levels = [...document.querySelectorAll("h1, h2, h3")]
    .filter((one) => !one.textContent.trim() && one.checkVisibility());
  return [...found, ...images, ...levels].map((one) => one.outerHTML.slice(0, 120)).concat(twice);
}"""
"""What has no name for who cannot see it."""

SMALL = """() => [...document.querySelectorAll("button, a, input:not([type=radio]), textarea")]
  .filter((one) => one.checkVisibility({ visibilityProperty: true }) && !one.closest("[inert]"))
  .filter((one) => !one.classList.contains("skip"))
  .map((one) => [(one.closest(".room-about") ?? one).getBoundingClientRect(), one])
  .filter(([box]) => box.width && (box.width < 44 || box.height < 44))
  .map(([box, one]) => `${box.width}x${box.height} ${one.outerHTML.slice(0, 90)}`)"""
"""What is too small for a finger."""

OVERFLOWS = """() => [...document.querySelectorAll("html, #log, .room-list, .message")]
  .filter((one) => one.scrollWidth > one.clientWidth + 1).map((one) => one.className)"""


def complaints(page: Page) -> list[str]:
    found: list[str] = page.evaluate(NAMELESS)
    return found


def test_hostile_text_is_text_everywhere(board: Board, browser: Browser) -> None:
    evil = "<img src=x onerror='window.hacked=1'><script>window.hacked=1</script>"
    texts = [
        evil,
        f"`{evil}`",
        f"```\n{evil}\n```",
        "javascript:alert(1) data:text/html,x https://good.example/?q='\"onclick=alert(1)",
        "https://bank.example@evil.example/ and https://user:pass@evil.example",
        "x" * 3500,
        "\u202egnp.exe \x00\x1b[31m\u2066 &lt;b&gt; &#x3c;",
        "（见 https://例子.example/路径）。 www.example.org (https://a.example/b_(c)).",
        "@" * 50 + "@Mei@Mei @.Mei `unclosed ```never closed",
    ]
    board.keep(evil[:60], *texts)
    rooms = board.chat.hub.history
    board.live.wait_for(rooms.make_room(RoomRecord("<b>x</b>", topic=evil)))
    board.live.wait_for(rooms.set_topic("lobby", evil))
    lobby = board.chat.hub.rooms["lobby"]
    lobby.record = RoomRecord("lobby", topic=evil, last=len(texts))
    with visiting(board, browser) as mei:
        mei.come("Mei")
        page = mei.page
        expect(page.locator(".message")).to_have_count(len(texts))
        expect(page.locator("#room-topic")).to_have_text(evil)
        expect(page.locator(".author").first).to_have_text(evil[:60])
        assert page.locator("#log img, #log script, #log b, header img").count() == 0
        shown = page.locator(".message .text")
        assert shown.nth(0).inner_text() == evil
        expect(shown.nth(1).locator("code")).to_have_text(evil)
        expect(shown.nth(2).locator("pre code")).to_have_text(evil)
        links = page.locator("#log a")
        addresses = links.evaluate_all("links => links.map((one) => one.getAttribute('href'))")
        assert addresses == [
            "https://good.example/?q=",
            "https://xn--fsqu00a.example/%E8%B7%AF%E5%BE%84",
            "https://a.example/b_(c)",
        ]
        for link in links.all():
            assert link.get_attribute("rel") == "noopener noreferrer nofollow"
        assert page.evaluate(OVERFLOWS) == []
        assert page.evaluate("window.hacked") is None
        mei.say(f"/join {evil[:20]}")
        expect(page.locator(".notice")).to_contain_text("the name of a room")
        page.fill("#text", "")
        page.keyboard.press("Control+k")
        page.keyboard.type(evil)
        expect(page.locator("#palette-list .option")).to_have_count(1)
        page.keyboard.press("Enter")
        expect(page.locator("#search-list .text").first).to_contain_text("<img src=x")
        assert page.locator("dialog img").count() == 0
        assert page.evaluate("window.hacked") is None


@pytest.mark.long
def test_a_hostile_name_is_refused_with_words(board: Board, browser: Browser) -> None:
    with visiting(board, browser) as visitor:
        visitor.page.goto(board.url)
        for name in ("<script>alert(1)</script>", "a\u202eb", ""):
            visitor.page.fill("#name", name)
            visitor.page.click("#door-go")
            expect(visitor.page.locator("#door-why")).to_contain_text("a name")
        visitor.errors = [one for one in visitor.errors if "403" not in one]


@pytest.mark.long
def test_an_address_that_means_nothing_leads_to_the_lobby(board: Board, browser: Browser) -> None:
    with visiting(board, browser) as mei:
        mei.page.goto(f"{board.url}in/%")
        expect(mei.page.locator("#name")).to_be_visible()
        mei.come("Mei")
        for part in ("#/%", "#/%E0%A4", "#/nowhere", "#<img>"):
            mei.page.goto(f"{board.url}{part}")
            mei.page.reload()
            expect(mei.page.locator("#room-name")).to_have_text("#lobby")


@pytest.mark.long
def test_all_is_done_by_keys(board: Board, browser: Browser) -> None:
    with visiting(board, browser) as mei:
        page, press = mei.page, mei.page.keyboard.press
        page.goto(board.url)
        expect(page.locator("#name")).to_be_focused()
        page.keyboard.type("Mei")
        press("Enter")
        expect(page.locator(".link-state.open")).to_have_count(1)
        press("Control+k")
        page.keyboard.type("garden")
        expect(page.locator("[role=option][aria-selected=true]")).to_contain_text("Search")
        press("ArrowDown")
        press("Enter")
        expect(page.locator("#room-name")).to_have_text("#garden")
        expect(page.locator("#text")).to_be_focused()
        page.keyboard.type("one")
        press("Shift+Enter")
        page.keyboard.type("two")
        press("ArrowUp")
        press("Enter")
        mei.sees("one\ntwo")
        press("Alt+ArrowUp")
        expect(page.locator("#room-name")).to_have_text("#lobby")
        page.locator("[data-room=lobby]").focus()
        press("ArrowDown")
        expect(page.locator("[data-room=garden]")).to_be_focused()
        press("Home")
        expect(page.locator("[data-room=lobby]")).to_be_focused()
        press("End")
        press("Enter")
        expect(page.locator("#room-name")).to_have_text("#garden")
        press("Control+k")
        expect(page.locator("#palette")).to_be_visible()
        press("Escape")
        expect(page.locator("#palette")).to_be_hidden()

        page.evaluate("document.activeElement.blur()")
        reached = set()
        for _ in range(30):
            press("Tab")
            reached.add(
                page.evaluate("document.activeElement.id || document.activeElement.className")
            )
            ring = page.evaluate(
                "(() => { const one = document.activeElement, style = getComputedStyle(one);"
                " return one === document.body || style.outlineStyle !== 'none'"
                " || one.id === 'text'; })()"
            )
            assert ring, page.evaluate("document.activeElement.outerHTML")
        wanted = {"skip", "settings-button", "find-button", "room-topic", "search-button"}
        assert wanted | {"people-button", "log", "text"} <= reached


@pytest.mark.long
def test_everything_has_a_name_for_who_cannot_see_it(board: Board, browser: Browser) -> None:
    board.keep("Ann", "hello `x`", "```\ncode\n```", "https://example.org/")
    with visiting(board, browser) as mei, visiting(board, browser) as olu:
        mei.page.goto(board.url)
        expect(mei.page.locator("#name")).to_be_visible()
        assert complaints(mei.page) == []
        mei.come("Mei")
        olu.come("Olu")
        page = mei.page
        expect(page.locator(".person-name")).to_have_count(2)
        assert complaints(page) == []
        assert page.locator("#log").get_attribute("role") == "log"
        assert page.locator("#log").get_attribute("aria-label") == "#lobby"
        expect(page.locator("#log")).to_have_attribute("aria-live", "polite")
        for opener in ("#settings-button", "#search-button", "#find-button", "#room-topic"):
            page.click(opener)
            expect(page.locator("dialog[open]")).to_have_count(1)
            assert complaints(page) == []
            page.keyboard.press("Escape")
            expect(page.locator("dialog[open]")).to_have_count(0)
        page.get_by_role("button", name="Olu").click()
        assert complaints(page) == []


@pytest.mark.long
def test_on_a_phone_rooms_and_people_are_drawers(board: Board, browser: Browser) -> None:
    board.keep("Ann", "hello")
    with visiting(board, browser, viewport=PHONE, has_touch=True, is_mobile=True) as mei:
        mei.come("Mei")
        page = mei.page
        mei.sees("hello")
        assert page.evaluate(SMALL) == []
        assert page.evaluate(OVERFLOWS) == []
        side = page.locator("#side")
        expect(side).not_to_be_in_viewport()
        page.tap("#side-button")
        expect(side).to_be_in_viewport()
        expect(page.locator("[data-room=lobby]")).to_be_focused()
        page.wait_for_timeout(250)
        assert page.evaluate(SMALL) == []
        page.keyboard.press("Escape")
        expect(side).not_to_be_in_viewport()
        expect(page.locator("#side-button")).to_be_focused()
        expect(page.locator("#people")).to_be_hidden()
        page.tap("#people-button")
        expect(page.locator(".person-name")).to_have_text(["Mei"])
        page.touchscreen.tap(20, 400)
        expect(page.locator("#people")).to_be_hidden()
        page.tap("#side-button")
        page.tap("#settings-button")
        assert page.evaluate(SMALL) == []
        box = page.locator("#composer").bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= PHONE["height"] + 1


@pytest.mark.long
def test_the_language_is_the_browsers_or_as_set(board: Board, browser: Browser) -> None:
    board.keep("Ann", "hello")
    with visiting(board, browser, locale="zh-CN") as mei:
        page = mei.page
        page.goto(board.url)
        expect(page.locator("h1").first).to_have_text("进入 The lab")
        page.fill("#name", "<>")
        page.click("#door-go")
        expect(page.locator("#door-why")).to_contain_text("只能用文字")
        mei.errors.clear()
        mei.come("小梅")
        expect(page.locator("html")).to_have_attribute("lang", "zh")
        expect(page.locator("#text")).to_have_attribute("placeholder", "在 #lobby 中发言")
        expect(page.locator(".line.day")).to_have_text("今天")
        page.click("#settings-button")
        page.get_by_text("English", exact=True).click()
        expect(page.locator("#text")).to_have_attribute("placeholder", "Message #lobby")
        expect(page.locator("html")).to_have_attribute("lang", "en")


@pytest.mark.long
def test_it_is_light_or_dark_as_the_system_or_as_set(board: Board, browser: Browser) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    with visiting(board, browser, color_scheme="dark") as mei:
        mei.come("Mei")
        dark = mei.page.evaluate(paper)
        mei.page.click("#settings-button")
        mei.page.get_by_text("Light", exact=True).click()
        light = mei.page.evaluate(paper)
        assert light == "rgb(255, 255, 255)" != dark
        mei.page.reload()
        expect(mei.page.locator(".link-state.open")).to_have_count(1)
        assert mei.page.evaluate(paper) == light
        mei.page.click("#settings-button")
        mei.page.get_by_text("As the system", exact=True).click()
        assert mei.page.evaluate(paper) == dark


@pytest.mark.some(1)
@pytest.mark.parametrize("prefix", ["", "/some/board"])
def test_a_link_lets_somebody_in_and_they_stay_in(browser: Browser, prefix: str) -> None:
    with (
        Board({"secret": "Olu"}, prefix) as board,
        visiting(board, browser) as olu,
    ):
        page = olu.page
        page.goto(f"{board.url}in/wrong")
        page.click("#door-go")
        expect(page.locator("#door-why")).to_have_text("nobody has this token")
        olu.errors.clear()
        page.goto(f"{board.url}in/secret")
        expect(page.locator("#door-text")).to_have_text("This link lets you in.")
        assert len(board.people.sources) == 1
        page.click("#door-go")
        expect(page.locator("#own")).to_contain_text("Olu")
        expect(page).to_have_url(f"{board.url}#/lobby")
        cookies: list[Any] = olu.context.cookies()
        assert [(one["path"], one["httpOnly"], one["sameSite"]) for one in cookies] == [
            (prefix or "/", True, "Strict")
        ]
        assert page.evaluate("document.cookie") == ""
        page.reload()
        expect(page.locator(".link-state.open")).to_have_count(1)
        page.click("#settings-button")
        page.click("#sign-out")
        expect(page.locator("#token")).to_be_visible()
        assert olu.context.cookies() == []
        page.fill("#token", f"{board.url}in/secret")
        page.click("#door-go")
        expect(page.locator("#own")).to_contain_text("Olu")


def test_the_pages_rules_hold_against_itself(board: Board, browser: Browser) -> None:
    """What gets into the page, by whatever mistake, cannot run and cannot tell anybody."""
    with visiting(board, browser) as mei:
        mei.come("Mei")
        mei.page.evaluate(
            "() => { document.body.insertAdjacentHTML('beforeend',"
            " \"<img src='https://evil.example/x' onerror='window.hacked=1'>\");"
            " const script = document.createElement('script');"
            " script.textContent = 'window.hacked=1'; document.body.append(script); }"
        )
        assert mei.page.evaluate("fetch('https://evil.example/').catch(() => 'no')") == "no"
        assert mei.page.evaluate("window.hacked") is None
        mei.elsewhere.clear()  # what was held back is told of as well
        assert len(mei.errors) >= 3
        assert all(re.search("Content Security Policy|Refused", one) for one in mei.errors)
        mei.errors.clear()
