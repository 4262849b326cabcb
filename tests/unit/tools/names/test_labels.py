from __future__ import annotations

import re

import idna
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jackfield.errors import NotationError
from jackfield.tools.names.labels import MOST_NAME, both, is_address, to_ascii, to_unicode


@pytest.mark.parametrize(
    ("name", "ascii_name"),
    [
        ("example.org", "example.org"),
        ("Example.ORG.", "example.org"),
        ("localhost", "localhost"),
        ("_sip._tcp.example.org", "_sip._tcp.example.org"),
        ("*.example.org", "*.example.org"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("faß.example", "xn--fa-hia.example"),  # IDNA 2003 made "fass" of it
        ("例え。テスト", "xn--r8jz45g.xn--zckzah"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("a" * 63 + ".b", "a" * 63 + ".b"),
    ],
)
def test_a_name_is_asked_for_in_ascii(name: str, ascii_name: str) -> None:
    assert to_ascii(name) == ascii_name


@pytest.mark.parametrize(
    ("name", "part", "words"),
    [
        ("", "", "at least one label"),
        (".", ".", "at least one label"),
        ("a..b", ".", "label 2 is empty"),
        (".a", ".", "label 1 is empty"),
        ("www.exa mple.org", " ", "label 2 of 3, 'exa mple', has ' ' in it"),
        ("www.exa/mple.org", "/", "has '/' in it"),
        ("www.-example.org", "-", "may not begin or end with -"),
        ("www.example-.org", "-", "may not begin or end with -"),
        ("www." + "a" * 64 + ".org", "a" * 64, "64 characters: 63 are the most"),
        ("snow☃man.example", "☃", "label 1 of 2, 'snow☃man', is no name by IDNA 2008"),
        ("www.\u0301a.example", "\u0301a", "label 2 of 3"),
        ("a" * 63 + "." + ".".join(["b" * 63] * 3), None, "255 bytes: 253 are the most"),
        ("x" * 5000, None, "5000 characters"),
        ("ü" * 63 + ".example", "ü" * 63, "label 1 of 2"),
        ("a\x1b[31m.example", "\x1b", "has"),
        ("\udcff.example", "\udcff", "label 1"),
    ],
)
def test_the_label_that_is_wrong_is_pointed_at(name: str, part: str | None, words: str) -> None:
    with pytest.raises(NotationError, match=re.escape(words)) as raised:
        to_ascii(name)
    error = raised.value
    assert error.value == name
    if part is not None:
        assert name[error.start : error.end] == part


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("xn--bcher-kva.example", "bücher.example"),
        ("XN--BCHER-KVA.example", "bücher.example"),
        ("xn--ls8h.example", "xn--ls8h.example"),  # a picture: a name by IDNA 2003 alone
        ("xn--.example", "xn--.example"),
        ("xn--" + "a" * 100, "xn--" + "a" * 100),
        ("example.org", "example.org"),
    ],
)
def test_a_name_is_shown_in_its_own_script(name: str, shown: str) -> None:
    assert to_unicode(name) == shown
    assert both(name) == (name if shown == name else f"{name} ({shown})")


def test_an_address_is_no_name() -> None:
    assert all(map(is_address, ["192.0.2.1", "::1", "fe80::1%eth0"]))
    assert not any(map(is_address, ["192.0.2", "localhost", ""]))


@given(st.text(max_size=80))
@example("a" * 63 + ".☃")
def test_any_text_is_a_name_or_an_error_that_points_into_it(text: str) -> None:
    """to_ascii() gives ASCII within the bounds, or a NotationError about a part of the text."""
    try:
        name = to_ascii(text)
    except NotationError as error:
        begin, end = error.start, error.end
    else:
        begin = end = 0
        _is_name(name)
    assert 0 <= begin <= end <= max(1, len(text))


def _is_name(name: str) -> None:
    assert name.isascii()
    assert len(name) <= MOST_NAME
    assert all(0 < len(label) <= 63 for label in name.split("."))
    assert to_ascii(name) == name


@given(st.text(st.characters(categories=["Ll", "Lo"]), min_size=1, max_size=20))
def test_what_idna_takes_is_taken_and_comes_back(label: str) -> None:
    """A label that IDNA 2008 takes as it is leads to ASCII and back to itself."""
    try:
        expected = idna.alabel(label).decode()
    except (idna.IDNAError, UnicodeError):
        return
    if idna.uts46_remap(label, True, False) != label:
        return
    assert to_ascii(label) == expected
    assert to_unicode(expected) == label
