"""What the page does for a board's owner alone: a whole board, asked over HTTP."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import pytest
import websockets.sync.client

from jackfield import framing
from jackfield.board import owning
from jackfield.errors import KeepingFailed
from jackfield.events import Warned
from jackfield.service import Service
from tests.live import Live, Peer, free_port, until
from tests.owned import CONFIG, DAY, Lab, lab
from tests.web import Browser

# Who may not

EVERYTHING = [
    {"do": "status"},
    {"do": "tokens"},
    {"do": "tokens", "all": True},
    {"do": "invite"},
    {"do": "revoke", "number": 1},
    {"do": "stop", "names": ["clock"]},
    {"do": "start", "names": ["clock"]},
    {"do": "restart", "names": ["clock"]},
    {"do": "reload"},
    {"do": "no such thing"},
    {},
]

OTHERS: dict[str, tuple[int, Callable[[Lab], str]]] = {
    "a member": (403, lambda lab: lab.invited("Mei", "member")),
    "an operator": (403, lambda lab: lab.invited("Olu", "operator")),
    "a guest": (403, lambda lab: lab.sign_in("Gus")),
    "no cookie": (401, lambda _: ""),
    "a cookie of nobody": (401, lambda lab: f"jackfield-{lab.ports['page']}=" + "x" * 43),
    "an invitation for a cookie": (
        401,
        lambda lab: (
            f"jackfield-{lab.ports['page']}="
            + lab.wait_for(lab.board.people.invite("operator", time.time() + DAY, 1))
        ),
    ),
}


@pytest.mark.parametrize("who", OTHERS)
def test_nobody_but_the_owner_is_told_or_changes_anything(who: str) -> None:
    status, come = OTHERS[who]
    with lab(is_open=True) as here:
        cookie = come(here)
        wanted = {401: "sign in first", 403: "only the owner of this board may do that"}[status]
        before = here.numbers()
        for what in EVERYTHING:
            reply = here.order(what, cookie)
            assert (reply.status, json.loads(reply.body)) == (status, {"why": wanted})
        assert here.numbers() == before
        assert here.state("clock") == "running"
        with Browser(here.board.units["page"].config.endpoints[0]) as browser:
            assert json.loads(browser.ask("/me", Cookie=cookie).body)["owner"] is False
            assert browser.ask("/board").status == 405


def test_an_owner_whose_session_has_ended_is_nobody() -> None:
    with lab() as here:
        cookie, other = here.owner(), here.owner()
        assert here.do(cookie, "status")["name"] == "The lab"
        assert here.post("/sign-out", {}, Cookie=other).status == 200
        assert here.refused(other, {"do": "status"}, 401) == "sign in first"
        own = [one["number"] for one in here.do(cookie, "tokens")["tokens"] if one["own"]]
        assert len(own) == 1
        here.do(cookie, "revoke", number=own[0])
        assert here.refused(cookie, {"do": "status"}, 401) == "sign in first"


def test_no_other_site_can_ask_in_the_owners_name() -> None:
    with lab() as here:
        cookie = here.owner()
        order = {"do": "stop", "names": ["clock"]}
        foreign: list[dict[str, str]] = [
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Origin": f"http://127.0.0.1:{here.ports['chat']}"},  # another service of the host
            {"Sec_Fetch_Site": "cross-site"},
            {"Sec_Fetch_Site": "same-site"},
        ]
        for fields in foreign:
            assert here.order(order, cookie, **fields).status == 403
            assert here.order({"do": "status"}, cookie, **fields).status == 403
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
            assert here.order(order, cookie, Content_Type=kind).status == 415
        assert here.order(order, cookie, Host="evil.example").status == 421
        assert here.state("clock") == "running"
        own = f"http://127.0.0.1:{here.ports['page']}"
        assert here.order({"do": "status"}, cookie, Origin=own).status == 200


@pytest.mark.parametrize(
    "what",
    [
        b"",
        b"[]",
        b'"status"',
        b"{",
        b"[" * 4000,
        b"\xff",
        {"do": None},
        {"do": ["status"]},
        {"do": "down"},
        {"do": "backup", "file": "/tmp/x"},
        {"do": "status" * 100},
        {"do": "stop", "names": "clock"},
        {"do": "stop", "names": [["clock"]]},
        {"do": "stop", "names": {"clock": 1}},
        {"do": "revoke"},
        {"do": "revoke", "number": "1"},
        {"do": "revoke", "number": True},
        {"do": "revoke", "number": -1},
        {"do": "revoke", "number": 2**64},
        {"do": "revoke", "number": 1.5},
        {"do": "revoke", "number": 999},
        {"do": "invite", "role": "owner"},
        {"do": "invite", "role": ["member"]},
        {"do": "invite", "uses": 0},
        {"do": "invite", "uses": 10**9},
        {"do": "invite", "uses": "3"},
        {"do": "invite", "expires": "1d"},
        {"do": "invite", "expires": -1},
        {"do": "invite", "expires": 1e300},
        {"do": "invite", "expires": 10**400},
        b'{"do": "invite", "expires": NaN}',
        b'{"do": "invite", "expires": Infinity}',
        b'{"do": "invite", "expires": -Infinity}',
        {"do": "invite", "base": 1},
        {"do": "invite", "base": "javascript:alert(1)//"},
        {"do": "invite", "base": "https:///"},
        {"do": "invite", "base": "https://[::1/"},
        {"do": "invite", "base": "https://board.example"},
        {"do": "invite", "base": "https://board.example/\n/"},
        {"do": "invite", "base": "https://b\u00f6ard.example/"},
        {"do": "invite", "base": "https://board.example/" + "x" * 400 + "/"},
    ],
    ids=repr,
)
def test_what_makes_no_sense_is_refused_in_one_line(lively: tuple[Lab, str], what: Any) -> None:
    here, cookie = lively
    reply = here.order(what, cookie)
    assert reply.status in {400, 409}, reply.text
    why = json.loads(reply.body)["why"]
    assert 0 < len(why) < 250
    assert "\n" not in why
    assert here.state("clock") == here.state("page") == "running"


@pytest.fixture(scope="module")
def lively() -> Iterator[tuple[Lab, str]]:
    """A board, and its owner's cookie, for tests that change nothing."""
    with lab() as here:
        yield here, here.owner()


def test_a_request_past_its_bound_is_refused(lively: tuple[Lab, str]) -> None:
    here, cookie = lively
    reply = here.order(b" " * 4097, cookie)
    assert reply.status == 413


# What the owner sees and does


def test_the_owner_sees_what_the_command_shows() -> None:
    with lab() as here:
        cookie = here.owner()
        with Peer(here.board.units["clock"].config.endpoints[0]) as peer:
            peer.line()
            until(lambda: here.board.units["clock"].status()["opened"] == 1)
            told = here.do(cookie, "status")
            shown = here.call(here.board.status)
        moving = {"connections", "opened", "messages_per_second", "bytes_per_second"}
        assert told.keys() == shown.keys()
        for one, other in zip(told["services"], shown["services"], strict=True):
            assert one.keys() == other.keys()
            assert {key: one[key] for key in one.keys() - moving} == {
                key: other[key] for key in one.keys() - moving
            }
        clock = told["services"][3]
        assert (clock["name"], clock["state"], clock["opened"]) == ("clock", "running", 1)
        assert told["store"] == {"state": "ok", "why": ""}


def test_a_service_is_stopped_and_started_alone() -> None:
    with lab() as here:
        cookie = here.owner()
        url = f"ws://127.0.0.1:{here.ports['page']}/chat"
        fields = {"Cookie": cookie}
        with websockets.sync.client.connect(url, additional_headers=fields, proxy=None) as chat:
            chat.send('{"do": "come"}')
            assert json.loads(chat.recv(20))["is"] == "welcome"
            said = here.do(cookie, "stop", names=["clock"])
            assert said == {"text": "clock: stopped."}
            assert here.state("clock") == "stopped"
            assert here.do(cookie, "start", names=["clock"]) == {"text": "clock: started."}
            assert here.do(cookie, "restart", names=["clock"]) == {"text": "clock: restarted."}
            assert here.do(cookie, "reload", names=["clock"]) == {"text": "clock: reloaded."}
            assert here.state("clock") == "running"
            chat.send('{"do": "rooms", "ask": 1}')
            while json.loads(chat.recv(20)).get("ask") != 1:
                pass
        why = here.refused(cookie, {"do": "stop", "names": ["clock", "nothing"]})
        assert why == "there is no service 'nothing'; there are chat, page, files, clock"


def test_a_service_that_cannot_start_says_why() -> None:
    with lab() as here:
        cookie = here.owner()
        here.do(cookie, "stop", names=["clock"])
        endpoint = here.board.units["clock"].config.endpoints[0]
        with Live(Service.reply("other", lambda line: line, framing=framing.lines()), endpoint):
            why = here.refused(cookie, {"do": "start", "names": ["clock"]})
            assert str(endpoint.port) in why
            assert here.do(cookie, "status")["services"][2]["why"] in why
            assert here.state("clock") == "failed"
        here.do(cookie, "start", names=["clock"])
        assert here.state("clock") == "running"


def test_a_configuration_that_cannot_be_used_changes_nothing() -> None:
    with lab() as here:
        cookie = here.owner()
        here.write(CONFIG + 'model = "quick"\n')
        why = here.refused(cookie, {"do": "reload"})
        assert f"{here.file}, line" in why
        assert here.state("clock") == "running"
        here.write(CONFIG.partition("[services.clock]")[0])
        assert here.do(cookie, "reload") == {"text": "The configuration was read anew."}
        assert "clock" not in here.board.units


@pytest.mark.parametrize("names", [["page"], None], ids=["page", "all"])
def test_the_page_can_stop_itself(names: list[str] | None) -> None:
    with lab() as here:
        cookie = here.owner()
        assert here.do(cookie, "restart", names=names) == {"leaves": True}
        here.settle()
        assert here.do(cookie, "status")["name"] == "The lab"
        assert here.do(cookie, "stop", names=names) == {"leaves": True}
        here.settle()
        assert here.state("page") == "stopped"
        assert here.state("clock") == ("stopped" if names is None else "running")
        with pytest.raises(ConnectionRefusedError):
            Peer(here.board.units["page"].config.endpoints[0])


def test_a_page_that_moves_says_so_before_it_goes() -> None:
    with lab() as here:
        cookie = here.owner()
        here.ports["page"] = free_port()
        here.write(CONFIG)
        assert here.do(cookie, "reload") == {"leaves": True}
        here.settle()
        moved = f"jackfield-{here.ports['page']}={cookie.partition('=')[2]}"
        assert here.do(moved, "status")["name"] == "The lab"


def test_what_fails_once_the_page_is_gone_is_told_to_the_operator() -> None:
    with lab() as here:
        cookie = here.owner()
        warned: list[Warned] = []
        here.board.events.subscribe(Warned, warned.append)
        here.do(cookie, "stop", names=["clock"])
        endpoint = here.board.units["clock"].config.endpoints[0]
        with Live(Service.reply("other", lambda line: line, framing=framing.lines()), endpoint):
            assert here.do(cookie, "restart") == {"leaves": True}
            until(lambda: warned)
        here.settle()
        assert "clock: " in str(warned[0])
        assert here.do(cookie, "status")["services"][1]["state"] == "running"


def test_what_was_asked_for_does_not_outlive_the_board() -> None:
    here = Lab(is_open=False)
    with here:
        cookie = here.owner()
        assert here.do(cookie, "restart") == {"leaves": True}
    assert {name: unit.server for name, unit in here.board.units.items()} == {
        "chat": None,
        "page": None,
        "files": None,
        "clock": None,
    }


def test_the_owner_makes_an_invitation() -> None:
    with lab() as here:
        cookie = here.owner()
        made = here.do(cookie, "invite", role="operator", expires=2 * DAY, uses=30)
        assert made.keys() == {"link", "expires", "uses", "role", "picture"}
        assert made["link"].startswith(f"http://127.0.0.1:{here.ports['page']}/in/")
        assert (made["role"], made["uses"]) == ("operator", 30)
        kind, _, drawing = made["picture"].partition(",")
        assert kind == "data:image/svg+xml;charset=utf-8"
        tags = {
            one.tag.partition("}")[2]
            for one in ET.fromstring(unquote(drawing)).iter()  # noqa: S314  the board's own
        }
        assert tags == {"svg", "path"}
        base = "https://board.example/lab/"
        other = here.do(cookie, "invite", base=base)
        assert other["link"].startswith(f"{base}in/")
        assert (other["role"], other["uses"]) == ("member", 1)
        here.sign_in("Olu", made["link"])
        here.sign_in("Mei", other["link"].rpartition("/")[2])
        secrets = [one["link"].rpartition("/")[2] for one in (made, other)]
        listed = json.dumps(here.do(cookie, "tokens", all=True))
        assert not any(secret in listed for secret in secrets)


def test_the_owner_lists_tokens_and_makes_one_useless() -> None:
    with lab() as here:
        cookie = here.owner()
        mei = here.invited("Mei", "member")
        found = here.do(cookie, "tokens")
        assert [(one["kind"], one["name"], one["own"]) for one in found["tokens"]] == [
            ("session", "Mei", False),
            ("session", "Ann", True),
        ]
        assert found["more"] == 0
        number = found["tokens"][0]["number"]
        text = here.do(cookie, "revoke", number=number)["text"]
        assert text == f"Token {number}, session of Mei, is of no use any more."
        assert here.refused(mei, {"do": "status"}, 401) == "sign in first"
        assert len(here.do(cookie, "tokens")["tokens"]) == 1
        everything = here.do(cookie, "tokens", all=True)["tokens"]
        assert {one["state"] for one in everything} == {"good", "revoked", "used up"}


def test_a_long_list_of_tokens_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owning, "MOST_TOKENS", 3)
    with lab() as here:
        cookie = here.owner()
        for _ in range(5):
            here.do(cookie, "invite")
        found = here.do(cookie, "tokens")
        numbers = [one["number"] for one in found["tokens"]]
        assert (len(numbers), found["more"]) == (3, 3)
        assert numbers == sorted(numbers, reverse=True)


def test_a_store_that_fails_is_told_and_lets_nobody_in(monkeypatch: pytest.MonkeyPatch) -> None:
    with lab() as here:
        cookie = here.owner()

        async def fails(*_: object) -> None:
            raise KeepingFailed("the disk is full")

        monkeypatch.setattr(here.board.people.accounts, "by_session", fails)
        assert here.refused(cookie, {"do": "status"}, 503) == "the disk is full"
