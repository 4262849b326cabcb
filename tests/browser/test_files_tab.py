"""Files on the board's page: dropped, seen by the other browser, got back, and deleted."""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Download, FilePayload, Locator, Page, expect

from tests.browser.boards import PHONE, Visitor
from tests.browser.test_board_tab import at_page
from tests.filed import Filed, filed
from tests.live import until

pytestmark = pytest.mark.xdist_group("browser")

DATA = os.urandom(3_000_003)
SHA = hashlib.sha256(DATA).hexdigest()

DROP = """([place, name, kind, text]) => {
  const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, { type: kind }));
  for (const what of ["dragover", "drop"]) {
    const event = new DragEvent(what, { dataTransfer: transfer, bubbles: true, cancelable: true });
    document.querySelector(place).dispatchEvent(event);
  }
}"""


def drop(page: Page, place: str, name: str, data: bytes, kind: str = "") -> None:
    """Drop a file on a part of the page, as from a folder of the desktop."""
    page.evaluate(DROP, [place, name, kind, base64.b64encode(data).decode()])


def tab(visitor: Visitor, name: str) -> None:
    visitor.page.click(f"#tabs .rail-button:has-text('{name}')")


def row(page: Page, name: str) -> Locator:
    return page.locator(f'.file[data-name="{name}"]')


def hash_of(download: Download) -> str:
    return hashlib.sha256(Path(download.path()).read_bytes()).hexdigest()


def got(page: Page, link: Locator) -> Download:
    with page.expect_download() as download:
        link.click()
    return download.value


def in_folder(here: Filed, name: str) -> str:
    return hashlib.sha256((here.folder / name).read_bytes()).hexdigest()


def test_a_file_that_is_dropped_arrives_at_the_other_browser_and_is_the_same(
    browser: Browser,
) -> None:
    with filed() as here:
        cookies = here.invited("Mei", "member"), here.invited("Olu", "member")
        with at_page(here, browser, cookies[0]) as mei, at_page(here, browser, cookies[1]) as olu:
            tab(olu, "Files")
            expect(olu.page.locator("#files-none")).to_contain_text("No files yet.")
            tab(mei, "Files")
            drop(mei.page, "#view-files", "läb 中文 (1).bin", DATA)
            name = "läb 中文 (1).bin"
            for page in (mei.page, olu.page):
                expect(row(page, name)).to_contain_text("Mei, Today")
                expect(row(page, name)).to_contain_text("2.9 MiB")
            download = got(olu.page, row(olu.page, name).locator(".file-name"))
            assert download.suggested_filename == name
            assert hash_of(download) == in_folder(here, name) == SHA
            # whose it is, deletes it; and only they, once they are sure
            expect(row(olu.page, name).locator("[aria-label^=Delete]")).to_have_count(0)
            remove = row(mei.page, name).locator("[aria-label^=Delete]")
            remove.click()
            mei.page.click("#sure-not")
            assert in_folder(here, name) == SHA
            # a page that looks at another tab is told of a change by a mark
            tab(olu, "Chat")
            remove.click()
            mei.page.click("#sure-go")
            expect(row(mei.page, name)).to_have_count(0)
            expect(olu.page.locator(".rail-button:has-text('Files') .dot")).to_be_visible()
            tab(olu, "Files")
            expect(row(olu.page, name)).to_have_count(0)
            until(lambda: here.names() == [])


@pytest.mark.long
def test_several_go_at_once_and_what_is_refused_can_be_tried_again(browser: Browser) -> None:
    data = DATA[:300_000]
    with (
        filed('max_file = "512K"') as here,
        at_page(here, browser, here.invited("Mei", "member"), locale="zh-CN") as mei,
    ):
        page = mei.page
        tab(mei, "文件")
        assert here.http("PUT", "b.bin", b"theirs", here.token("Olu")).status == 201
        expect(row(page, "b.bin")).to_contain_text("Olu，今天")
        files = [FilePayload(name=f"{name}.bin", mimeType="", buffer=data) for name in "abcd"]
        files.append(FilePayload(name="e.bin", mimeType="", buffer=data * 2))
        page.set_input_files("#files-chosen", files)
        for name in "acd":
            expect(row(page, f"{name}.bin")).to_have_count(1)
        taken = page.locator("#uploads .upload", has_text="b.bin")
        expect(taken).to_contain_text("已有另一个同名文件")
        large = page.locator("#uploads .upload", has_text="e.bin")
        expect(large).to_contain_text("这里的文件最大 512 KiB")
        large.locator("[aria-label='移除 e.bin']").click()
        # somebody else's cannot be replaced; one's own can
        expect(taken.get_by_text("替换")).to_be_hidden()
        taken.get_by_text("两个都保留").click()
        expect(row(page, "b (2).bin")).to_have_count(1)
        assert (here.folder / "b (2).bin").read_bytes() == data
        assert (here.folder / "b.bin").read_bytes() == b"theirs"
        other = FilePayload(name="a.bin", mimeType="", buffer=b"other")
        page.set_input_files("#files-chosen", [other])
        page.locator("#uploads .upload", has_text="同名").get_by_text("替换").click()
        expect(row(page, "a.bin")).to_contain_text("5 B")
        assert (here.folder / "a.bin").read_bytes() == b"other"
        expect(page.locator("#uploads .upload")).to_have_count(0)


@pytest.mark.long
def test_a_file_that_is_offered_in_a_room_is_a_card_and_runs_nothing(browser: Browser) -> None:
    html = b"<script>parent.document.title = 'run'</script>"
    with filed("guests = false", is_open=True) as here:
        typing = here.by_lines("Priya")
        mei_, guest_ = here.invited("Mei", "member"), here.sign_in("Sam")
        with (
            at_page(here, browser, mei_, viewport=PHONE) as mei,
            at_page(here, browser, guest_) as guest,
        ):
            drop(mei.page, "#view-chat", "page.html", html, "text/html")
            card = mei.page.locator(".message a.file-card")
            expect(card).to_have_attribute("aria-label", "Download page.html, 46 B")
            # in a terminal it is text that can be read, and followed
            line = typing.line()
            while "page.html" not in line:
                line = typing.line()
            assert line.endswith(f"Mei: page.html (46 B) {here.url}files/page.html")
            # a download, however it is opened
            link = f"{here.url}files/page.html"
            assert got(mei.page, card).suggested_filename == "page.html"
            with mei.page.expect_download():
                mei.page.evaluate("(link) => { location.href = link; }", link)
            assert mei.page.title() != "run"
            # a guest sees what it is, and that it is not for them
            expect(guest.page.locator("div.file-card")).to_contain_text("for members")
            expect(guest.page.locator("#attach")).to_be_hidden()
            # what names another place, or another name than its own, is no card
            for text in (
                "page.html (46 B) https://evil.example/files/page.html",
                f"page.html (46 B) {here.url}files/other.html",
                f"page.html (46 B) {here.url}files/../page.html",
                f"page.html (46 B) {here.url}files/page.html?x",
            ):
                guest.say(text)
                expect(mei.page.locator(".message .text").last).to_have_text(text)
            expect(mei.page.locator(".file-card")).to_have_count(1)
        typing.close()
