"""`jackfield people`: the accounts of a board that runs, with people connected to it."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import websockets.sync.client
from websockets.exceptions import ConnectionClosed

from tests.commands.people import Piped
from tests.commands.test_up import Up, said
from tests.live import PATIENCE, until

Socket = websockets.sync.client.ClientConnection


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with Up(tmp_path_factory.mktemp("board")) as it:
        yield it


def invited(board: Up, name: str) -> str:
    """Have somebody come in by the page; give their cookie, which holds their token."""
    return signed_in(board, json.loads(board.told("invite", "--json"))["link"], name)


def signed_in(board: Up, link: str, name: str = "") -> str:
    with closing(http.client.HTTPConnection("127.0.0.1", board.ports["page"], PATIENCE)) as conn:
        body = json.dumps({"name": name, "token": link})
        conn.request("POST", "/sign-in", body, {"Content-Type": "application/json"})
        answer = conn.getresponse()
        answer.read()
        return dict(answer.headers.items())["Set-Cookie"].partition(";")[0]


@contextlib.contextmanager
def page(board: Up, cookie: str) -> Iterator[Socket]:
    """The socket of a page that somebody has open."""
    url = f"ws://127.0.0.1:{board.ports['page']}/chat"
    with websockets.sync.client.connect(
        url, additional_headers={"Cookie": cookie}, open_timeout=PATIENCE, proxy=None
    ) as conn:
        conn.send('{"do": "come"}')
        yield conn


def heard(conn: Socket, wanted: str) -> dict[str, Any]:
    """Hear on until there is a message of a kind."""
    while True:
        found: dict[str, Any] = json.loads(conn.recv(PATIENCE))
        if found["is"] == wanted:
            return found


def ended(conn: Socket) -> str:
    """Hear on until the board ends the connection; give what it says of why."""
    rcvd = None
    try:
        while True:
            conn.recv(PATIENCE)
    except ConnectionClosed as closed:
        rcvd = closed.rcvd
    assert rcvd
    assert rcvd.code == 1008
    return rcvd.reason


def listed(board: Up) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in json.loads(board.told("people", "--json"))}


@pytest.mark.some(2)
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("role", "nobody", "member"), "nobody here is called 'nobody'; jackfield people lists"),
        (("role", "nobody", "king"), "'king' is not one of 'owner', 'operator', 'member'"),
        (("rename", "nobody", "somebody"), "nobody here is called 'nobody'"),
        (("remove", "no\x1bbody"), "nobody here is called 'nobody'"),
        (("link", "nobody"), "nobody here is called 'nobody'"),
        (("banish", "ann"), "banish"),
    ],
)
def test_what_cannot_be_is_one_line(board: Up, arguments: tuple[str, ...], says: str) -> None:
    done = board.ask("people", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_last_owner_stays(board: Up) -> None:
    (owner,) = (one for one in listed(board).values() if one["role"] == "owner")
    for arguments in (("remove", owner["name"]), ("role", owner["name"], "member")):
        done = board.ask("people", *arguments)
        assert done.returncode == 2
        assert f"{owner['name']} is the only owner" in done.stderr


@pytest.mark.long
def test_who_is_removed_is_told_why_on_the_page_and_sent_away(board: Up) -> None:
    cookie = invited(board, "Eve")
    with page(board, cookie) as eve:
        assert heard(eve, "welcome")["name"] == "Eve"
        until(lambda: listed(board)["Eve"]["here"] == 1)
        assert "Eve                  member    since 20" in board.told("people")
        assert "here now, 1 connection, 1 session" in board.told("people")
        assert board.told("people", "remove", "eve").startswith("Eve is removed.")
        assert ended(eve) == "your account was removed by the owner of this board"
    assert "Eve                  removed   20" in board.told("people")
    assert listed(board)["Eve"]["sessions"] == 0


@pytest.mark.long
def test_another_role_reaches_a_page_that_is_open(board: Up) -> None:
    with page(board, invited(board, "Rosa")) as rosa:
        assert heard(rosa, "welcome")["rooms"][0]["keeper"] is False
        told = json.loads(board.told("people", "role", "rosa", "operator", "--json"))
        assert told["text"] == "Rosa is operator now."
        assert heard(rosa, "room")["room"]["keeper"] is True
        board.told("people", "role", "rosa", "member")
        assert heard(rosa, "room")["room"]["keeper"] is False


@pytest.mark.long
def test_who_is_called_otherwise_comes_back_as_that(board: Up) -> None:
    cookie = invited(board, "Wang")
    with page(board, cookie) as wang:
        heard(wang, "welcome")
        assert board.told("people", "rename", "wang", "王芳").startswith("Wang is called 王芳 now")
        assert ended(wang) == "you are called 王芳 here now: come in again"
    with page(board, cookie) as wang:
        assert heard(wang, "welcome")["name"] == "王芳"
    assert listed(board)["王芳"]["former"] == ["Wang"]
    assert "; before: Wang" in board.told("people")


def test_a_revoked_session_is_told_why_and_no_other_one_of_the_same_person(board: Up) -> None:
    first = invited(board, "Lena")
    (number,) = (
        one["number"]
        for one in json.loads(board.told("tokens", "--json"))
        if (one["kind"], one["name"]) == ("session", "Lena")
    )
    with board.line() as line, page(board, first) as lena:
        heard(lena, "welcome")
        said(line, "name?")
        line.sendall(first.partition("=")[2].encode() + b"\n")  # the same session, in a terminal
        said(line, "Hello, Lena")
        board.told("revoke", str(number))
        why = "your access was revoked by the owner of this board"
        assert ended(lena) == why
        assert why in said(line, why)
        while line.recv(4096):
            pass


def test_a_terminal_whose_token_is_revoked_says_why_and_ends(board: Up, tmp_path: Path) -> None:
    token = invited(board, "Tom").partition("=")[2]
    url = f"ws://127.0.0.1:{board.ports['page']}/chat"
    env = {"JACKFIELD_HOME": str(tmp_path), "JACKFIELD_TOKEN": token}
    with Piped("chat", url, "--plain", **env) as tom:
        until(lambda: listed(board)["Tom"]["here"] == 1)
        board.told("people", "remove", "Tom")
        status, _, errors = tom.finish()
    assert status == 1
    assert "your account was removed by the owner of this board" in errors
    assert "Traceback" not in errors


@pytest.mark.long
def test_a_terminal_comes_back_under_the_name_it_is_given(board: Up, tmp_path: Path) -> None:
    token = invited(board, "Rolf").partition("=")[2]
    url = f"ws://127.0.0.1:{board.ports['page']}/chat"
    env = {"JACKFIELD_HOME": str(tmp_path), "JACKFIELD_TOKEN": token}
    with Piped("chat", url, "--plain", **env) as rolf:
        until(lambda: listed(board)["Rolf"]["here"] == 1)
        board.told("people", "rename", "Rolf", "Ralf")
        assert "you are called Ralf here now" in rolf.await_error("connected again")
        rolf.write("here I am\n")
        rolf.await_output("Ralf: here I am")


def test_who_lost_their_session_comes_in_as_themselves_by_a_link(board: Up) -> None:
    first = invited(board, "Vera")
    found = json.loads(board.told("people", "link", "vera", "--json"))
    assert found["name"] == "Vera"
    with page(board, signed_in(board, found["link"])) as vera, page(board, first) as elsewhere:
        assert heard(vera, "welcome")["name"] == heard(elsewhere, "welcome")["name"] == "Vera"
    assert listed(board)["Vera"]["sessions"] == 2
    with pytest.raises(KeyError):
        signed_in(board, found["link"])  # it was good once
    text = board.told("people", "link", "Vera")
    assert "Signs in as Vera, once, today." in text
    assert "/in/" in text
