"""A board on this machine answers to this machine's names, and to nobody else's."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.boards import WholeBoard
from tests.live import Peer

SIGN_IN = json.dumps({"name": "Eve"})


@pytest.fixture(scope="module")
def lab() -> Iterator[WholeBoard]:
    with WholeBoard() as board:
        yield board


def answer(lab: WholeBoard, head: str, body: str = "") -> str:
    """Ask as a browser would whose page is of another name; give the line of the answer."""
    with Peer(lab.endpoint("page")) as browser:
        browser.sock.sendall(f"{head}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        return browser.line()


FOREIGN = [
    ("evil.example", 421),
    ("evil.example:{port}", 421),
    ("127.0.0.1.evil.example:{port}", 421),
    ("localhost.evil.example", 421),
    ("evil-localhost:{port}", 421),
    ("EVIL.example.", 421),
    ("127.0.0.1@evil.example", 400),
    ("127.0.0.1, evil.example", 400),
    ("<script>", 400),
    ("127.0.0.1:{port}\r\nHost: evil.example", 400),
]


@pytest.mark.parametrize(("host", "status"), FOREIGN)
def test_a_request_for_another_host_is_answered_by_a_refusal(
    lab: WholeBoard, host: str, status: int
) -> None:
    host = host.format(port=lab.endpoint("page").port)
    upgrade = (
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
    )
    with lab.bystanders() as others:
        for request in (
            f"GET / HTTP/1.1\r\nHost: {host}",
            f"GET /me HTTP/1.1\r\nHost: {host}",
            f"GET /in/secret HTTP/1.1\r\nHost: {host}",
            f"GET /chat HTTP/1.1\r\nHost: {host}\r\n{upgrade}",
            f"POST /board HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json",
        ):
            assert answer(lab, request).startswith(f"HTTP/1.1 {status} ")
        head = f"POST /sign-in HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json"
        assert answer(lab, head, SIGN_IN).startswith(f"HTTP/1.1 {status} ")
        others.hear_each_other()
    assert "Eve" not in lab.board.people._guests


def test_a_target_that_names_another_host_is_for_that_one(lab: WholeBoard) -> None:
    for target in ("http://evil.example/me", "http://evil.example:80/chat"):
        assert answer(lab, f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1").startswith("HTTP/1.1 421 ")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:{port}", "lab.localhost", "[::1]"])
def test_its_own_names_are_taken(lab: WholeBoard, host: str) -> None:
    host = host.format(port=lab.endpoint("page").port)
    assert answer(lab, f"GET /me HTTP/1.1\r\nHost: {host}").startswith("HTTP/1.1 200 ")
