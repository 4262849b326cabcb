"""URLs of http and https: whatever is typed or sent is a URL that can be sent, or the one error."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from jackfield.errors import EndpointError
from jackfield.fetching.urls import MOST, parse

TARGET = re.compile(r"/[!-~]*")
ODD = st.text(alphabet=st.sampled_from("/:@?#%[]\\.. \t\r\n\0ü你a1-_&=;\udc80\ud800"), max_size=60)
BASES = st.sampled_from(["http://a/b/c?d", "https://[::1]:8/", "http://u:p@example.org/x/"])


def check(text: str) -> None:
    """What is parsed can be sent, says nothing of a password, and is its own canonical form."""
    try:
        url = parse(text)
    except EndpointError as error:
        assert str(error).isprintable()  # noqa: PT017  it need not be raised
        return
    assert TARGET.fullmatch(url.target)
    assert re.fullmatch(r"[!-~]+", url.authority)
    assert len(str(url)) <= MOST
    again = parse(str(url))
    assert (again.origin, again.target) == (url.origin, url.target)


@given(ODD)
def test_anything_typed_is_a_url_or_the_one_error(text: str) -> None:
    check(text)


@given(st.sampled_from(["http://", "https://", "HTTP://u:p@"]), ODD)
def test_anything_behind_a_scheme_is_too(scheme: str, text: str) -> None:
    check(scheme + text)


@given(BASES, st.text(max_size=80) | ODD)
def test_anything_in_a_location_is_too(base: str, reference: str) -> None:
    """A reference that a server chooses leads to a URL of http or https, or is the one error."""
    try:
        url = parse(base).join(reference)
    except EndpointError as error:
        assert str(error).isprintable()  # noqa: PT017  as above
        return
    assert url.scheme in {"http", "https"}
    assert (url.user, url.password) == (None, None)
    assert TARGET.fullmatch(url.target)


@given(BASES, st.text(alphabet="abcd./?;=", max_size=30))
def test_resolving_leaves_no_dot_segments(base: str, reference: str) -> None:
    try:
        path = parse(base).join(reference).target.partition("?")[0]
    except EndpointError:
        return
    assert not {".", ".."} & set(path.split("/"))
