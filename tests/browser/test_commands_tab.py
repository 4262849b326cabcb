"""The tab of commands: they run, are interrupted and end, for operators and nobody else."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from jackfield.events import CommandEnded
from tests.browser.test_board_tab import LOST, TAB, at_page
from tests.commanded import POLICY, Running, running

pytestmark = pytest.mark.xdist_group("browser")

TICKING = """
import sys, time
print("begun", flush=True)
print("oh dear", file=sys.stderr, flush=True)
for line in sys.stdin:
    print("heard", line.strip(), flush=True)
    if line == "go\\n":
        break
for number in range(10_000):
    print("tick", number, flush=True)
    time.sleep(0.05)
"""

MANY = "for number in range(300_000): print('line', number)"

HOSTILE = r"print('<img src=x onerror=alert(1)>\x1b[2J\x07 a\rb'); print('\u202eabc \u4e2d\u6587')"


class Operator:
    """An operator at the tab."""

    def __init__(self, lab: Running, page: Page) -> None:
        self.lab = lab
        self.page = page

    def run(self, line: str) -> Locator:
        """Run a command; give what is shown of it."""
        self.page.fill("#run-line", line)
        self.page.press("#run-line", "Enter")
        return self.page.locator(".call").first

    def python(self, folder: Path, text: str) -> Locator:
        """Run a program of Python."""
        file = folder / "program.py"
        file.write_text(text)
        return self.run(f"{sys.executable} '{file}'")


@contextmanager
def operating(browser: Browser, folder: Path, **context: Any) -> Iterator[Operator]:
    with (
        running(folder) as lab,
        at_page(lab, browser, lab.invited("Bo", "operator"), **context) as visitor,
    ):
        visitor.page.click(f"{TAB}:has-text('Commands')")
        expect(visitor.page.locator(".allowed-one")).to_have_count(2)
        yield Operator(lab, visitor.page)


def test_a_command_is_seen_while_it_runs_is_told_things_and_is_interrupted(
    browser: Browser, tmp_path: Path
) -> None:
    with operating(browser, tmp_path) as one:
        call = one.python(tmp_path, TICKING)
        expect(call.locator(".state")).to_have_text("running")
        expect(call.locator(".line-of.out .said")).to_have_text("begun")
        expect(call.locator(".line-of.err")).to_have_text(re.compile("err.*oh dear"))
        ink = "(one) => getComputedStyle(one).color"
        out, err = (call.locator(f".line-of.{name}").evaluate(ink) for name in ("out", "err"))
        assert out != err
        call.locator("input").fill("你好")
        call.locator("input").press("Enter")
        expect(call.locator(".line-of.in .said")).to_have_text("你好")
        expect(call.locator(".line-of.out .said").last).to_have_text("heard 你好")
        call.locator("input").fill("go")
        call.get_by_role("button", name="Send").click()
        expect(call.get_by_text("tick 3", exact=True)).to_be_visible()
        assert one.lab.ran() == []
        call.locator("[data-do=interrupt]").click()
        expect(call.locator(".state")).to_have_text(re.compile(r"ended by signal INT|status 1\b"))
        expect(call.get_by_text("KeyboardInterrupt")).to_be_visible()
        assert one.lab.await_event(CommandEnded).who == "Bo"
        second = one.run("env echo 'a  b' $HOME")
        expect(second.locator(".state")).to_have_text(re.compile(r"^exit status 0, "))
        expect(second.locator(".said")).to_have_text("a  b $HOME")
        expect(second.locator(".call-args code")).to_have_text(["env", "echo", "a  b", "$HOME"])
        expect(one.page.locator(".call")).to_have_count(2)


@pytest.mark.long
def test_a_command_is_ended_and_run_again(browser: Browser, tmp_path: Path) -> None:
    with operating(browser, tmp_path) as one:
        call = one.python(tmp_path, TICKING)
        expect(call.locator(".line-of.out .said")).to_have_text("begun")
        call.locator("[data-do=end]").click()
        expect(call.locator(".state")).to_have_text(re.compile("signal TERM, on request"))
        expect(call.locator("form")).to_be_hidden()
        call.locator("[data-do=again]").click()
        expect(one.page.locator(".call")).to_have_count(2)
        again = one.page.locator(".call").first
        expect(again.locator(".line-of.out .said")).to_have_text("begun")
        again.locator("[data-do=eof]").click()
        expect(again.get_by_text("tick 1", exact=True)).to_be_visible()
        one.page.goto("about:blank")  # a page that is gone ends what it ran
        over = one.lab.await_events(CommandEnded, 2)[1]
        assert (over.signal, over.why) == ("TERM", "client lost")


@pytest.mark.long
def test_a_program_that_is_told_nothing_more_ends_by_itself(
    browser: Browser, tmp_path: Path
) -> None:
    with operating(browser, tmp_path) as one:
        call = one.run("env cat -n")
        call.locator("input").fill("x")
        call.locator("input").press("Enter")
        expect(call.locator(".line-of.out .said")).to_have_text("     1\tx", use_inner_text=True)
        call.locator("[data-do=eof]").click()
        expect(call.locator(".state")).to_have_text(re.compile(r"^exit status 0, "))


@pytest.mark.long
def test_much_output_is_bounded_and_text_is_text(browser: Browser, tmp_path: Path) -> None:
    with operating(browser, tmp_path) as one:
        call = one.python(tmp_path, MANY)
        expect(call.locator(".state")).to_have_text(re.compile("^exit status 0, "), timeout=60_000)
        expect(call.locator(".said")).to_have_count(1000)
        expect(call.locator(".said").last).to_have_text("line 299999")
        expect(call.locator(".note")).to_have_text("Older lines are not kept: 299000")
        call = one.python(tmp_path, HOSTILE)
        expect(call.locator(".said")).to_have_text(["b", "\u202eabc 中文"])
        assert call.locator("img").count() == 0
        call = one.python(tmp_path, HOSTILE.replace(" a\\rb", ""))
        expect(call.locator(".said").first).to_have_text("<img src=x onerror=alert(1)>␛[2J␇")


@pytest.mark.long
def test_what_is_not_allowed_is_said_with_the_line_that_would_allow_it(
    browser: Browser, tmp_path: Path
) -> None:
    with operating(browser, tmp_path) as one:
        call = one.run("/usr/bin/rm -r /x")
        expect(call.locator(".state")).to_have_text("not run")
        expect(call.locator(".why")).to_contain_text('program = "/usr/bin/rm", args = ["\\\\-r"')
        one.page.fill("#run-line", "env 'x")
        one.page.press("#run-line", "Enter")
        expect(one.page.locator("#run-why")).to_have_text("A quote in it is not closed.")
        one.page.click(".allowed-one button >> nth=0")
        expect(one.page.locator("#run-line")).to_have_value("env ")
        expect(one.page.locator(".allowed-one").first).to_contain_text("echo|cat|printenv")


@pytest.mark.long
def test_who_is_no_operator_any_more_sees_it_end(browser: Browser, tmp_path: Path) -> None:
    with (
        running(tmp_path) as lab,
        at_page(lab, browser, lab.invited("Bo", "operator")) as visitor,
    ):
        visitor.expected = LOST
        one = Operator(lab, visitor.page)
        visitor.page.click(f"{TAB}:has-text('Commands')")
        call = one.python(tmp_path, TICKING)
        expect(call.locator(".line-of.out .said")).to_have_text("begun")
        lab.wait_for(lab.board.people.set_role("Bo", "member"))
        expect(call.locator(".state")).to_have_text(re.compile("it is not allowed any more"))
        expect(visitor.page.locator("#commands-why")).to_have_text(
            "only operators of this board run commands"
        )
        expect(visitor.page.locator(TAB)).to_have_text(["Chat", "Files"])
        expect(visitor.page.locator("#run-part")).to_be_hidden()  # and what has come can be read
        expect(call.locator("[data-do=again]")).to_be_hidden()
        expect(call.locator("[data-do=drop]")).to_be_visible()
        expect(call.locator(".line-of.out .said").first).to_have_text("begun")
        visitor.page.click(f"{TAB}:has-text('Chat')")
        expect(visitor.page.locator("#view-commands")).to_be_hidden()
        visitor.page.goto(f"{lab.url}#tab/commands")
        expect(visitor.page.locator("#view-chat")).to_be_visible()
        expect(visitor.page.locator("#view-commands")).to_be_hidden()
        lab.wait_for(lab.board.people.set_role("Bo", "operator"))
        visitor.page.click(f"{TAB}:has-text('Commands')")
        expect(visitor.page.locator("#commands-why")).to_be_hidden()
        again = one.run("env echo 'here again'")
        expect(again.locator(".said")).to_have_text("here again")


@pytest.mark.long
def test_the_tab_comes_and_goes_with_the_role_whatever_is_looked_at(
    browser: Browser, tmp_path: Path
) -> None:
    with (
        running(tmp_path) as lab,
        at_page(lab, browser, lab.invited("Bo", "member")) as visitor,
    ):
        page, people = visitor.page, lab.board.people
        expect(page.locator("#room-name")).to_have_text("#lobby")
        expect(page.locator(TAB)).to_have_text(["Chat", "Files"])
        lab.wait_for(people.set_role("Bo", "operator"))
        expect(page.locator(TAB)).to_have_text(["Chat", "Files", "Commands"])
        lab.wait_for(people.set_role("Bo", "member"))
        expect(page.locator(TAB)).to_have_text(["Chat", "Files"])
        expect(page.locator("#view-chat")).to_be_visible()


@pytest.mark.long
@pytest.mark.some(1)
@pytest.mark.parametrize("who", ["a member", "a guest"])
def test_nobody_else_has_the_tab(browser: Browser, tmp_path: Path, who: str) -> None:
    with running(tmp_path, is_open=True) as lab:
        lab.allow(POLICY.replace('["operator"]', '["operator", "Mei"]'))
        lab.reload()
        cookie = lab.sign_in("Mei") if who == "a guest" else lab.invited("Mei", "member")
        with at_page(lab, browser, cookie) as visitor:
            expect(visitor.page.locator(f"{TAB}:has-text('Commands')")).to_have_count(0)
            visitor.page.goto(f"{lab.url}#tab/commands")
            visitor.page.reload()
            expect(visitor.page.locator("#room-name")).to_have_text("#lobby")
            expect(visitor.page.locator("#view-commands")).to_be_hidden()
