"""A Chromium for the tests of each module.

It is ended with them: while Playwright runs, no other test of the process could have an event loop.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.boards import CHROMIUM, Board


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, without a window."""
    if not CHROMIUM:
        pytest.skip("there is no chromium on this machine (Debian: apt install chromium)")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def misled(browser: Browser) -> Iterator[Browser]:
    """Chromium that is told that names of somebody else's are this machine's."""
    rules = "MAP evil.example 127.0.0.1, MAP board.example 127.0.0.1"
    chromium = browser.browser_type.launch(
        executable_path=CHROMIUM, args=["--no-sandbox", f"--host-resolver-rules={rules}"]
    )
    yield chromium
    chromium.close()


@pytest.fixture
def board() -> Iterator[Board]:
    """An open board."""
    with Board() as made:
        yield made
