from __future__ import annotations

import pytest

from jackfield.services.web.kinds import UNKNOWN, is_text, kind_of


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.html", "text/html; charset=utf-8"),
        ("A.HTML", "text/html; charset=utf-8"),
        ("a.txt", "text/plain; charset=utf-8"),
        ("a.js", "text/javascript; charset=utf-8"),
        ("a.mjs", "text/javascript; charset=utf-8"),
        ("a.css", "text/css; charset=utf-8"),
        ("a.json", "application/json; charset=utf-8"),
        ("a.md", "text/markdown; charset=utf-8"),
        ("a.csv", "text/csv; charset=utf-8"),
        ("a.svg", "image/svg+xml; charset=utf-8"),
        ("a.xml", "text/xml; charset=utf-8"),
        ("a.py", "text/x-python; charset=utf-8"),
        ("a.wasm", "application/wasm"),
        ("a.png", "image/png"),
        ("a.jpg", "image/jpeg"),
        ("a.webp", "image/webp"),
        ("a.mp4", "video/mp4"),
        ("a.pdf", "application/pdf"),
        ("a.zip", "application/zip"),
        ("a.woff2", "font/woff2"),
        ("a.tar.gz", "application/gzip"),
        ("a.gz", "application/gzip"),
        ("a.svgz", "application/gzip"),
        ("a.txt.bz2", "application/x-bzip2"),
        ("a.xz", "application/x-xz"),
        ("a.Z", UNKNOWN),
        ("a.br", UNKNOWN),
        ("README", UNKNOWN),
        ("a.", UNKNOWN),
        (".html", UNKNOWN),
        ("a.unknown", UNKNOWN),
        ("data:text/html,x", UNKNOWN),
        ("http://a/b.html?", UNKNOWN),
        ("\udcff.txt", "text/plain; charset=utf-8"),
        ("a;b.txt", "text/plain; charset=utf-8"),
    ],
)
def test_kinds(name: str, kind: str) -> None:
    assert kind_of(name) == kind


def test_text_is_told_from_the_rest() -> None:
    assert is_text("text/plain; charset=utf-8")
    assert is_text("application/json")
    assert is_text("image/svg+xml; charset=utf-8")
    assert not is_text("image/png")
    assert not is_text(UNKNOWN)
