from __future__ import annotations

import pytest

from jackfield.framing.http import HTTPError, Request
from jackfield.http.hosts import MOST_KNOWN, Hosts


def asked(host: str, target: str = "/", method: str = "GET") -> Request:
    return Request(method, target, {"host": host})


@pytest.mark.parametrize(
    ("host", "local", "named", "elsewhere"),
    [
        ("localhost", True, True, True),
        ("LocalHost:80", True, True, True),
        ("localhost.", True, True, True),
        ("a.localhost", True, True, True),
        ("127.0.0.1:8080", True, True, True),
        ("192.0.2.1", True, True, True),
        ("[::1]:80", True, True, True),
        ("", True, True, True),
        ("files.example", False, True, True),
        ("FILES.example.:80", False, True, True),
        ("other.example", False, False, True),
        ("files.example.evil", False, False, True),
        ("127.0.0.1.evil", False, False, True),
        ("localhost.evil", False, False, True),
        ("1.2.3", False, False, True),
        ("0x7f.1", False, False, True),
    ],
)
def test_which_are_meant(host: str, local: bool, named: bool, elsewhere: bool) -> None:
    """On loopback without names, with a name of its own, and off loopback."""
    for _ in range(2):  # found out, and remembered
        hosts = Hosts()
        assert hosts.answer_to(asked(host), is_local=True) is local
        assert hosts.answer_to(asked(host), is_local=False) is elsewhere
        hosts = Hosts(["Files.Example"])
        assert hosts.answer_to(asked(host), is_local=True) is named
        assert hosts.answer_to(asked(host), is_local=False) is named


@pytest.mark.parametrize("host", ["a b", "a@b", "a/b", "[::1", "::1", "a:b", "ä", "a,b", "a" * 300])
def test_what_is_no_host(host: str) -> None:
    hosts = Hosts()
    for target in ("/", "http://127.0.0.1/"):
        with pytest.raises(HTTPError, match=r"^400 "):
            hosts.answer_to(asked(host, target), is_local=True)


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("http://localhost/a?b", "/a?b"),
        ("https://localhost:443", "/"),
        ("HTTP://LOCALHOST?b", "/?b"),
        ("http://localhost#x", "/#x"),
    ],
)
def test_a_target_in_absolute_form_is_made_plain(target: str, path: str) -> None:
    request = asked("other.example", target)
    assert Hosts().answer_to(request, is_local=True)
    assert request.target == path


def test_it_takes_the_place_of_the_field() -> None:
    assert not Hosts().answer_to(asked("localhost", "http://other.example/"), is_local=True)


@pytest.mark.parametrize("target", ["*", "a", "http://", "http:///a", "ftp://a/", "a:80", ""])
def test_targets_of_no_host(target: str) -> None:
    with pytest.raises(HTTPError, match=r"^400 "):
        Hosts().answer_to(asked("localhost", target), is_local=True)


def test_a_star_is_for_options() -> None:
    assert Hosts().answer_to(asked("localhost", "*", "OPTIONS"), is_local=True)


def test_what_is_remembered_has_a_bound() -> None:
    hosts = Hosts()
    for number in range(3 * MOST_KNOWN):
        hosts.answer_to(asked(f"h{number}.example"), is_local=False)
    assert len(hosts._known) <= MOST_KNOWN
