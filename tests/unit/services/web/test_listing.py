from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import re
from html.parser import HTMLParser
from urllib.parse import unquote_to_bytes

import pytest

from jackfield.net.tree import Entry
from jackfield.services.web import listing
from jackfield.services.web.listing import AT_ONCE, FIELDS, MOST, human_size


class Links(HTMLParser):
    """What a browser makes of a page: its elements, and the text and address of its links."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[tuple[str, str]] = []
        self.open = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "a":
            self.links.append((dict(attrs)["href"] or "", ""))
            self.open = True

    def handle_endtag(self, tag: str) -> None:
        if tag in {"a", "span"}:
            self.open = False

    def handle_data(self, data: str) -> None:
        if self.open:
            address, text = self.links.pop()
            self.links.append((address, text + data))


def page(names: list[bytes], entries: list[Entry], *, is_all: bool) -> str:
    return asyncio.run(listing.page(names, entries, is_all=is_all))


def file(name: str, size: int = 1) -> Entry:
    return Entry(name, is_folder=False, size=size, modified=1_000_000_000.0)


def folder(name: str) -> Entry:
    return Entry(name, is_folder=True, size=4096, modified=0.0)


def links(names: list[bytes], *entries: Entry) -> list[tuple[str, str]]:
    parser = Links()
    parser.feed(page(names, list(entries), is_all=True))
    return parser.links


ODD = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='x",
    "a&b;&lt;",
    "100%",
    "%2e%2e",
    "a?b#c",
    "javascript:alert(1)",
    "//example.org",
    "-rf",
    "a b",
    "\t\n",
    "中文",
    os.fsdecode(b"\xff\xfe"),
    "\u202eexe.txt",
    "\x01\x7f",
]


@pytest.mark.parametrize("name", ODD)
def test_no_name_is_taken_for_anything_else(name: str) -> None:
    """The link leads to that very name, and no element comes of it; in the path neither."""
    name = name.replace("/", "_")
    parser = Links()
    text = page([os.fsencode(name), b"x"], [file(name), folder(name)], is_all=True)
    parser.feed(text)
    assert sorted(set(parser.tags)) == sorted(
        ["a", "h1", "html", "li", "main", "meta", "p", "span", "style", "time", "title", "ul"]
    )
    assert text.encode()  # it can be sent
    (folder_link, _), (file_link, _) = parser.links[-2:]
    assert re.fullmatch(r"\./[\w.~%-]+", file_link, re.ASCII)
    assert folder_link == file_link + "/"
    assert unquote_to_bytes(file_link[2:]) == os.fsencode(name)


def test_folders_come_first_and_names_are_in_order() -> None:
    entries = [file("b"), file("A"), folder("z"), file("c"), folder("Y")]
    assert [text for _, text in links([], *entries)] == ["Y/", "z/", "A", "b", "c"]


def test_others_have_a_turn_while_a_long_one_is_written() -> None:
    async def turns() -> int:
        entries = [file(f"{number}") for number in range(AT_ONCE * 3)]
        written = asyncio.create_task(listing.page([], entries, is_all=True))
        count = 0
        while not written.done():
            count += 1
            await asyncio.sleep(0)
        assert written.result().count("<li") == AT_ONCE * 3
        return count

    assert asyncio.run(turns()) >= 3


def test_the_way_back() -> None:
    assert links([]) == []
    assert links([b"a"]) == [("/", "Files"), ("../", "↑ up")]
    assert links([b"a", b"b c", b"d"])[:3] == [("/", "Files"), ("../../", "a"), ("../", "b c")]


def test_what_is_said_below() -> None:
    def said(*entries: Entry, is_all: bool = True) -> str:
        found = re.search(r"<p>(.*)</p>", page([], list(entries), is_all=is_all))
        assert found
        return found[1]

    assert said() == "Nothing is in this folder."
    assert said(file("a", 1)) == "1 file, 1 B. Times are UTC."
    assert said(folder("a"), folder("b")) == "2 folders. Times are UTC."
    assert said(folder("a"), file("b", 1000), file("c", 1048)) == (
        "1 folder, 2 files, 2.0 KiB. Times are UTC."
    )
    assert said(file("a"), is_all=False).endswith(f"The folder has more; these are {MOST} of them.")


def test_a_row_has_size_and_time() -> None:
    text = page([], [file("a", 2048)], is_all=True)
    assert '<span class="s">2.0 KiB</span>' in text
    assert 'datetime="2001-09-09T01:46:40Z">2001-09-09 01:46</time>' in text
    assert '<span class="s"></span>' in page([], [folder("a")], is_all=True)


@pytest.mark.parametrize("modified", [-1e18, -1e10, 1e11, 1e18])
def test_a_time_beyond_all_calendars_hides_no_folder(modified: float) -> None:
    assert ">a</span>" in page(
        [], [Entry("a", is_folder=False, size=0, modified=modified)], is_all=True
    )


def test_nothing_on_the_page_may_run_and_its_style_may_be_used() -> None:
    style = re.search(r"<style>(.*?)</style>", page([], [], is_all=True), re.DOTALL)
    assert style
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in FIELDS["Content-Security-Policy"]
    assert "default-src 'none'" in FIELDS["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (100 * 1024, "100 KiB"),
        (1023.9 * 1024, "1024 KiB"),
        (1024**2, "1.0 MiB"),
        (3 * 1024**3, "3.0 GiB"),
        (5 * 1024**5, "5120.0 TiB"),
    ],
)
def test_sizes(size: float, text: str) -> None:
    assert human_size(size) == text
