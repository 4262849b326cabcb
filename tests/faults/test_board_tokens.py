"""What lets somebody into a closed board lets in nobody else, and nobody when it is over.

Each token is tried by every way in: the page's request, its cookie, a socket, lines.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from jackfield.board.accounts import LOGIN, SESSION
from tests.boards import AtPage, WholeBoard
from tests.live import PATIENCE, Peer

DAY = 86400.0


@pytest.fixture(scope="module")
def lab() -> Iterator[WholeBoard]:
    with WholeBoard(is_open=False) as board:
        yield board


@pytest.fixture(autouse=True)
def patience(lab: WholeBoard) -> Iterator[None]:
    """Nobody waits for what an earlier test tried; and no secret is told to the operator."""
    yield
    lab.call(lab.board.people._throttle._failed.clear)
    lab.board.people.accounts._clock = time.time


def invitation(lab: WholeBoard, *, uses: int = 1) -> str:
    return lab.wait_for(lab.board.people.invite("member", time.time() + DAY, uses))


def member(lab: WholeBoard, name: str) -> str:
    """Somebody who has come by an invitation; give their cookie."""
    return lab.sign_in(name, invitation(lab))


def number_of(lab: WholeBoard, secret: str) -> int:
    found = lab.wait_for(lab.board.people.accounts.number_of(secret))
    assert found is not None
    return found


def secret_of(cookie: str) -> str:
    return cookie.partition("=")[2]


def why_not(lab: WholeBoard, token: str) -> set[str]:
    """What is said by each way in to who has this token, and a name that is free."""
    name = f"Eve{time.monotonic_ns()}"[:32]
    reply = lab.post("/sign-in", {"name": name, "token": token})
    assert (reply.status, "set-cookie" in reply.fields) == (403, False)
    whys = {str(json.loads(reply.body)["why"])}
    with lab.socket() as conn:
        conn.send(json.dumps({"do": "come", "name": name, "token": token}))
        answer: dict[str, Any] = json.loads(conn.recv(PATIENCE))
        assert answer["is"] == "error"
        whys.add(answer["why"])
        conn.send('{"do": "rooms"}')  # nor does anything else let them in
        assert json.loads(conn.recv(PATIENCE))["is"] == "error"
    with Peer(lab.endpoint("chat")) as typing:
        typing.line()
        said = typing.ask(f"{name} {token}")
        assert said.startswith("* ")
        assert "Hello" not in said
    assert token not in "".join(whys) + said
    lab.call(lab.board.people._throttle._failed.clear)
    return whys


def is_nobodys(lab: WholeBoard, cookie: str) -> None:
    """See that a cookie stands for nobody, at any place where it could."""
    assert lab.me(cookie) is None
    assert lab.post("/board", {"do": "status"}, Cookie=cookie).status == 401
    with pytest.raises(InvalidStatus) as refused, lab.socket(cookie):
        pass
    assert refused.value.response.status_code == 401


def test_an_invitation_for_one_is_used_up_by_the_first(lab: WholeBoard) -> None:
    once = invitation(lab)
    assert lab.me(lab.sign_in("Ann", once)) == "Ann"
    assert why_not(lab, once) == {"this link is used up; ask for a new one"}
    assert why_not(lab, f"{lab.origin}/in/{once}") == {"this link is used up; ask for a new one"}


def test_the_owners_link_signs_in_once(lab: WholeBoard) -> None:
    _, link = lab.wait_for(lab.board.owner_link())
    cookie = lab.sign_in("Owner", link)
    assert lab.post("/board", {"do": "status"}, Cookie=cookie).status == 200
    assert why_not(lab, link) == {"this link is used up; ask for a new one"}
    assert lab.me(cookie) == "Owner"


@pytest.mark.parametrize("path", ["/in/{}", "/in/{}?x=1", "/in/{}/"])
def test_who_only_looks_at_a_link_leaves_it_whole(lab: WholeBoard, path: str) -> None:
    once = invitation(lab)
    for _ in range(3):
        lab.ask(path.format(once))
    assert lab.me(lab.sign_in(f"Looker{len(path)}", once))


def test_a_forged_cookie_is_nobodys(lab: WholeBoard) -> None:
    cookie = member(lab, "Forged")
    name, _, secret = cookie.partition("=")
    other = "A" if secret[5] != "A" else "B"
    for forged in (
        secret[:-1],
        secret + "A",
        secret[:5] + other + secret[6:],
        secret.swapcase(),
        secret[::-1],
        f'"{secret}"',
        secret + "%00",
        "",
        "x" * 8000,
        "' OR 1=1 --",
        "Forged",
        f"{number_of(lab, secret)}",
    ):
        is_nobodys(lab, f"{name}={forged}")
    is_nobodys(lab, f"jackfield-1={secret}")  # another port's
    is_nobodys(lab, f"jackfield={secret}")
    assert lab.me(cookie) == "Forged"


def test_a_secret_is_of_use_only_as_what_it_is(lab: WholeBoard) -> None:
    once, link = invitation(lab), lab.wait_for(lab.board.owner_link())[1]
    name = member(lab, "Kinds").partition("=")[0]
    for secret in (once, link.rpartition("/")[2]):
        is_nobodys(lab, f"{name}={secret}")  # it signs in, and is no session
    assert lab.me(lab.sign_in("Kinds2", once)) == "Kinds2"


def test_a_token_of_another_board_lets_nobody_in(lab: WholeBoard) -> None:
    with WholeBoard(is_open=False) as elsewhere:
        cookie = member(elsewhere, "Mei")
        foreign = invitation(elsewhere)
        port = lab.endpoint("page").port
        is_nobodys(lab, f"jackfield-{port}={secret_of(cookie)}")
        for token in (secret_of(cookie), foreign):
            assert why_not(lab, token) == {
                "that token is no good, or no more; ask for an invitation"
            }
        assert elsewhere.me(elsewhere.sign_in("Olu", foreign)) == "Olu"  # there it is good


def test_what_is_revoked_is_over_at_once_for_who_is_connected_too(lab: WholeBoard) -> None:
    cookie, ann = member(lab, "Revoked"), member(lab, "Stays")
    with AtPage(lab.socket(cookie)) as eve, AtPage(lab.socket(ann)) as stays:
        lab.wait_for(lab.board.people.revoke(number_of(lab, secret_of(cookie))))
        with pytest.raises(ConnectionClosed):
            eve.hear("nothing any more")
        stays.say("nobody else is sent away")
        stays.hear("kept")
    is_nobodys(lab, cookie)
    assert len(why_not(lab, secret_of(cookie))) == 1
    once = invitation(lab)
    lab.wait_for(lab.board.people.revoke(number_of(lab, once)))
    assert why_not(lab, once) == {"this link is revoked; ask for a new one"}


def test_what_has_expired_is_over(lab: WholeBoard) -> None:
    cookie, once = member(lab, "Expired"), invitation(lab)
    link = lab.wait_for(lab.board.owner_link())[1]
    accounts = lab.board.people.accounts
    later = time.time() + LOGIN + 1
    accounts._clock = lambda: later
    assert why_not(lab, link) == {"this link is expired; ask for a new one"}
    later = time.time() + DAY + 1
    assert why_not(lab, once) == {"this link is expired; ask for a new one"}
    later = time.time() + DAY + SESSION + 1
    is_nobodys(lab, cookie)


def test_no_secret_is_told_to_the_operator(lab: WholeBoard) -> None:
    once = invitation(lab)
    lab.ask(f"/in/{once}")
    cookie = lab.sign_in("Told", once)
    with AtPage(lab.socket(cookie)) as told:
        told.say("x")
        told.hear("kept")
    why_not(lab, "x" * 43)
    text = "\n".join(map(str, lab.told))
    assert secret_of(cookie) not in text
    assert once not in text
