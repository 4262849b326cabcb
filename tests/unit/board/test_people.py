"""Who a board lets in, under which name, and what becomes of guests."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jackfield.board import people as module
from jackfield.board.database import Database
from jackfield.board.messages import StoredHistory
from jackfield.board.people import GUEST, BoardPeople
from jackfield.board.throttle import BURST
from jackfield.errors import ConfigurationError
from jackfield.services.chat.history import NewMessage, RoomRecord
from jackfield.services.chat.hub import Hub, Person
from jackfield.services.chat.words import NotSaid
from tests.live import in_loop
from tests.unit.services.chat.test_hub import Heard

DAY = 86400.0


class Ticks:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Lab:
    """A board's people, their chat and their clock."""

    def __init__(self, people: BoardPeople, hub: Hub, ticks: Ticks) -> None:
        self.people = people
        self.hub = hub
        self.ticks = ticks

    async def invited(self, name: str, role: str = "member") -> tuple[Person, str]:
        secret = await self.people.invite(role, time.time() + DAY, 1)
        return await self.people.sign_in(name, secret, "192.0.2.1")

    async def here(self, person: Person) -> Heard:
        heard = Heard(person.name)
        heard.person = person
        await self.hub.come(heard)
        return heard


@contextlib.asynccontextmanager
async def lab(tmp_path: Path, *, is_open: bool = False) -> AsyncIterator[Lab]:
    database = await Database.open(str(tmp_path / "board.db"))
    ticks = Ticks()
    people = BoardPeople(database, is_open=is_open, ticks=ticks)
    hub = Hub(StoredHistory(database))
    people.use(hub)
    await people.open()
    await hub.open()
    try:
        yield Lab(people, hub, ticks)
    finally:
        await database.close()


@in_loop
async def check_closed(tmp_path: Path) -> None:
    async with lab(tmp_path) as here:
        who = here.people.who
        for name, token in (("Eve", ""), ("", ""), ("Eve", "wrong"), ("", "x" * 43)):
            with pytest.raises(NotSaid, match=r"ask for an invitation"):
                await who(name, token, "192.0.2.1")
        person, secret = await here.invited("Ann")
        assert person == Person("Ann")
        assert await who("", secret, "192.0.2.1") == (person, "")  # it is no new one
        assert await who(secret, secret, "192.0.2.1") == (person, "")  # typed
        assert await here.people.sign_in("", secret, "192.0.2.1") == (person, secret)
        assert await here.people.by_session(secret) == person
        await here.people.sign_out(secret)
        assert await here.people.by_session(secret) is None


def test_a_closed_board_lets_nobody_in_without_a_secret(tmp_path: Path) -> None:
    check_closed(tmp_path)


@in_loop
async def check_typed(tmp_path: Path, *, is_open: bool) -> None:
    async with lab(tmp_path, is_open=is_open) as here:
        invitation = await here.people.invite("operator", time.time() + DAY, 1)
        line = f"Ann  http://127.0.0.1:7080/in/{invitation}"
        person, secret = await here.people.who(line, line, "192.0.2.1")
        assert person == Person("Ann", operator=True)
        assert await here.people.who(secret, secret, "192.0.2.1") == (person, "")


@pytest.mark.parametrize("is_open", [False, True])
def test_who_types_lines_comes_by_an_invitation_too(tmp_path: Path, is_open: bool) -> None:
    check_typed(tmp_path, is_open=is_open)


@in_loop
async def check_throttle(tmp_path: Path) -> None:
    async with lab(tmp_path) as here:
        _, secret = await here.invited("Ann")
        for _ in range(BURST):
            with pytest.raises(NotSaid, match="no good"):
                await here.people.who("", "wrong", "203.0.113.9")
        with pytest.raises(NotSaid, match="too many tries") as caught:
            await here.people.who("", secret, "203.0.113.9")
        assert caught.value.wait == 5
        assert await here.people.who("", secret, "192.0.2.1")
        here.ticks.now += 5
        assert await here.people.who("", secret, "203.0.113.9")
        for _ in range(100):  # a classroom behind one address
            assert await here.people.who("", secret, "192.0.2.7")


def test_who_fails_too_often_waits(tmp_path: Path) -> None:
    check_throttle(tmp_path)


@in_loop
async def check_guests(tmp_path: Path) -> None:
    async with lab(tmp_path, is_open=True) as here:
        who = here.people.who
        ann, _ = await here.invited("Ann")
        with pytest.raises(NotSaid, match="somebody's name here"):
            await who("ANN", "", "192.0.2.1")
        bob, secret = await who("Bob", "", "192.0.2.1")
        assert bob == Person("Bob", guest=True)
        assert await who("Bob", secret, "192.0.2.1") == (bob, "")
        assert await here.people.by_session(secret) == bob
        for name in ("bob", "ＢＯＢ"):
            with pytest.raises(NotSaid, match="is here already"):
                await who(name, "", "192.0.2.1")
        with pytest.raises(NotSaid, match="a guest is called bob now"):
            await here.invited("bob")
        with pytest.raises(NotSaid, match="letters"):
            await who("Bob Smith", "Bob Smith", "192.0.2.1")

        session = await here.here(bob)
        with pytest.raises(NotSaid, match="guests have no direct"):
            await here.hub.direct(bob, "Ann")
        with pytest.raises(NotSaid, match="that is a guest"):
            await here.hub.direct(ann, "Bob")
        await here.hub.join(bob, "tea")
        here.ticks.now += 10 * GUEST
        here.people._sweep()
        assert await here.people.by_session(secret) == bob  # who is here all the time
        here.hub.go(session)
        here.ticks.now += GUEST - 1
        here.people._sweep()
        assert await here.people.by_session(secret) == bob  # and a page is loaded anew
        here.ticks.now += GUEST + 1
        here.people._sweep()
        assert await here.people.by_session(secret) is None
        assert here.people._sweeping is None

        other, _ = await who("Bob", "", "192.0.2.1")
        await here.here(other)
        assert await here.hub.history.read_up_to("bob") == {"lobby": 0}


def test_a_guest_has_a_name_as_long_as_they_are_here(tmp_path: Path) -> None:
    check_guests(tmp_path)


@in_loop
async def check_crowd(tmp_path: Path) -> None:
    async with lab(tmp_path, is_open=True) as here:
        results = await asyncio.gather(
            *(here.people.who("Bob", "", f"192.0.2.{at}") for at in range(20)),
            return_exceptions=True,
        )
        assert sum(isinstance(one, tuple) for one in results) == 1
        _, secret = next(one for one in results if isinstance(one, tuple))
        await here.people.sign_out(secret)
        invitation = await here.people.invite("member", time.time() + DAY, 1)
        both = await asyncio.gather(
            here.people.who("Bob", invitation, "192.0.2.1"),
            here.people.who("Bob", "", "192.0.2.2"),
            return_exceptions=True,
        )
        assert sum(isinstance(one, tuple) for one in both) == 1


def test_a_race_for_a_name_has_one_winner(tmp_path: Path) -> None:
    check_crowd(tmp_path)


@in_loop
async def check_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_GUESTS", 3)
    async with lab(tmp_path, is_open=True) as here:
        for at in range(3):
            await here.people.who(f"g{at}", "", "192.0.2.1")
        with pytest.raises(NotSaid, match="3 guests are here already"):
            await here.people.who("g4", "", "192.0.2.1")


def test_guests_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_many(tmp_path, monkeypatch)


@in_loop
async def check_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, called in (("root", "root"), ("all", "owner"), ("", "owner"), ("a b", "owner")):
        monkeypatch.setenv("LOGNAME", name)
        monkeypatch.setenv("USER", name)
        folder = tmp_path / (name or "none")
        folder.mkdir()
        async with lab(folder) as here:
            link = await here.people.first_owner()
            assert link is not None
            owner = await here.people.owner()  # who comes by a socket of this machine
            assert owner == Person(called, operator=True)
            assert await here.people.first_owner() is None
            person, _ = await here.people.sign_in("New", link, "192.0.2.1")
            assert person == owner  # it is too late for another name


def test_whoever_runs_the_board_is_its_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_owner(tmp_path, monkeypatch)


@in_loop
async def check_revoke(tmp_path: Path) -> None:
    async with lab(tmp_path) as here:
        await here.people.first_owner()
        ann, secret = await here.invited("Ann")
        bob, _ = await here.invited("Bob")
        anns, bobs = await here.here(ann), await here.here(bob)
        for one in await here.people.tokens():
            if one["name"] == "Ann":
                said = await here.people.revoke(one["number"])
                assert said == f"Token {one['number']}, session of Ann, is of no use any more."
        assert anns.ended
        assert not bobs.ended
        assert await here.people.by_session(secret) is None
        with pytest.raises(ConfigurationError, match="there is no token 99"):
            await here.people.revoke(99)
        with pytest.raises(ConfigurationError, match="nobody is invited as 'owner'"):
            await here.people.invite("owner", time.time() + DAY, 1)


def test_who_is_here_by_a_revoked_session_is_sent_away(tmp_path: Path) -> None:
    check_revoke(tmp_path)


@in_loop
async def check_again(tmp_path: Path) -> None:
    async with lab(tmp_path, is_open=True) as here:
        ann, _ = await here.invited("Ann")
        guest, _ = await here.people.who("Guest", "", "192.0.2.1")
        await here.here(ann)
        await here.here(guest)
        await here.hub.history.make_room(RoomRecord("tea"))
        await here.hub.history.append(NewMessage("tea", "Guest", "1", "hello"))
    async with lab(tmp_path, is_open=True) as here:
        assert await here.hub.history.read_up_to("ann") == {"lobby": 0}
        assert await here.hub.history.read_up_to("guest") == {}
        assert len(await here.hub.history.page("tea")) == 1  # what was said stays


def test_guests_are_forgotten_and_accounts_are_not(tmp_path: Path) -> None:
    check_again(tmp_path)


@in_loop
async def check_typing_guests(tmp_path: Path) -> None:
    async with lab(tmp_path, is_open=True) as here:
        for who in (here.people.who, here.people.own_doors.who):
            bob, _ = await who("Bob", "Bob", "192.0.2.1")
            session = await here.here(bob)
            with pytest.raises(NotSaid, match="is here already"):
                await who("Bob", "Bob", "192.0.2.1")
            here.hub.go(session)
        bob, secret = await here.people.who("Bob", "", "192.0.2.1")
        assert await here.people.who(secret, secret, "192.0.2.1") == (bob, "")
        here.hub.go(await here.here(bob))
        with pytest.raises(NotSaid, match="is here already"):
            await here.people.who("Bob", "Bob", "192.0.2.1")


def test_who_comes_by_lines_and_goes_may_come_again_by_the_same_name(tmp_path: Path) -> None:
    check_typing_guests(tmp_path)
