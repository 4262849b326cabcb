"""The page of a board as `jackfield up` serves it: its own people, and what its disk keeps."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.live import free_port

pytestmark = pytest.mark.xdist_group("browser")

CONFIG = """
[board]
name = "The lab"
[services.chat]
endpoints = ["tcp://127.0.0.1:{lines}"]
[services.page]
endpoints = ["tcp://127.0.0.1:{page}"]
"""

JACKFIELD = [sys.executable, "-m", "jackfield"]


@contextmanager
def up(folder: Path) -> Iterator[str]:
    """A board that runs; the link it has said, if it has said one. It is killed, not stopped."""
    command = [*JACKFIELD, "up", "--config", str(folder / "board.toml")]
    command += ["--data", str(folder / "data")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if "invite" in line:
                break
        try:
            yield "".join(re.findall(r"http://\S+/in/\S+", said))
        finally:
            process.kill()


@pytest.mark.long
def test_what_was_said_outlives_a_board_that_is_killed(tmp_path: Path, browser: Browser) -> None:
    ports = {"lines": free_port(), "page": free_port()}
    (tmp_path / "board.toml").write_text(CONFIG.format(**ports))
    with browser.new_context() as owners, browser.new_context() as members:
        owner, member = owners.new_page(), members.new_page()
        with up(tmp_path) as link:
            owner.goto(link)
            owner.fill("#name", "Ann")
            owner.click("#door-go")
            expect(owner.locator("#own")).to_contain_text("Ann")
            invitation = subprocess.run(
                [*JACKFIELD, "invite", "--data", tmp_path / "data", "--json"],
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            member.goto(re.findall(r'"link": "([^"]+)"', invitation)[0])
            member.click("#door-go")
            expect(member.locator("#door-why")).to_have_text("a name has at least one letter")
            member.fill("#name", "小梅")
            member.click("#door-go")
            expect(member.locator("#own")).to_contain_text("小梅")
            member.fill("#text", "before")
            member.press("#text", "Enter")
            expect(owner.locator(".message .text")).to_have_text(["before"])
        expect(member.locator("#banner")).to_be_visible()
        member.fill("#text", "meanwhile")
        member.press("#text", "Enter")
        expect(member.locator(".waiting")).to_have_count(1)
        with up(tmp_path):
            for page in (owner, member):
                expect(page.locator(".message:not(.waiting) .text")).to_have_text(
                    ["before", "meanwhile"], timeout=20_000
                )
            expect(member.locator(".waiting")).to_have_count(0)
            member.reload()
            expect(member.locator(".message .text")).to_have_text(["before", "meanwhile"])
