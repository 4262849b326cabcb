"""Who there is on a board: what the owner cannot do to an account first, then what they can."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from jackfield.board.export import export
from jackfield.errors import ConfigurationError
from jackfield.services.chat.hub import LOBBY, Person
from jackfield.services.chat.words import NotSaid
from tests.live import in_loop
from tests.unit.board.test_people import Lab, lab


async def owned(here: Lab) -> tuple[Person, str]:
    """Have the owner come in."""
    link = await here.people.first_owner()
    assert link is not None
    return await here.people.sign_in("Mara", link, "192.0.2.1")


async def listed(here: Lab) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in await here.people.people()}


@in_loop
async def check_refused(tmp_path: Path) -> None:
    async with lab(tmp_path, is_open=True) as here:
        people = here.people
        await owned(here)
        await here.invited("Ann")
        await people.who("guest", "", "192.0.2.1")
        before = await listed(here)
        for attempt, why in (
            (
                people.set_role("nobody", "member"),
                "nobody here is called 'nobody'; jackfield people",
            ),
            (people.remove("no\x1b\u202ebody"), "nobody here is called 'nobody'"),
            (people.rename("nobody", "Bob"), "nobody here is called 'nobody'"),
            (people.set_role("Ann", "king"), "a role is one of owner, operator, member"),
            (people.set_role("mara", "operator"), "Mara is the only owner"),
            (people.set_role("mara", "member"), "Mara is the only owner"),
            (people.remove("MARA"), "Mara is the only owner"),
            (people.rename("Ann", "mara"), "mara is somebody's name here"),
            (people.rename("Ann", "Guest"), "a guest is called Guest now"),
            (people.rename("Ann", "a b"), "made of letters"),
            (people.rename("Ann", "everyone"), "nobody is called everyone"),
            (people.rename("Ann", "x" * 33), "at most 32"),
            (people.rename("Ann", ""), "at least one letter"),
        ):
            with pytest.raises(ConfigurationError, match=why):
                await attempt
        assert await listed(here) == before


def test_what_cannot_be_changes_nothing(tmp_path: Path) -> None:
    check_refused(tmp_path)


@in_loop
async def check_role(tmp_path: Path) -> None:
    async with lab(tmp_path) as here:
        mara, _ = await owned(here)
        ann, secret = await here.invited("Ann")
        page, typing = await here.here(ann), await here.here(ann)
        assert not page.person.operator
        assert await here.people.set_role("@ann", "operator") == "Ann is operator now."
        assert page.person.operator
        assert typing.person.operator
        assert not page.ended
        assert await here.people.by_session(secret) == Person("Ann", operator=True)
        assert await here.people.set_role("Ann", "owner") == "Ann is owner now."
        assert page.became_so == [True]
        assert await here.people.owner() == mara  # who is so for longer
        assert await here.people.set_role("Mara", "member") == "Mara is member now."
        assert (await here.people.owner()).name == "Ann"
        with pytest.raises(ConfigurationError, match="Ann is the only owner"):
            await here.people.set_role("Ann", "member")


def test_another_role_takes_effect_at_once_and_an_owner_there_always_is(tmp_path: Path) -> None:
    check_role(tmp_path)


@in_loop
async def check_last_owners(tmp_path: Path) -> None:
    async with lab(tmp_path) as here:
        await owned(here)
        await here.invited("Ann")
        await here.people.set_role("Ann", "owner")
        results = await asyncio.gather(
            here.people.remove("Ann"), here.people.remove("Mara"), return_exceptions=True
        )
        assert [type(one) for one in results] == [str, ConfigurationError]


def test_of_two_owners_who_remove_each_other_one_stays(tmp_path: Path) -> None:
    check_last_owners(tmp_path)


@in_loop
async def check_remove(tmp_path: Path) -> None:
    async with lab(tmp_path, is_open=True) as here:
        people, hub = here.people, here.hub
        mara, _ = await owned(here)
        ann, secret = await here.invited("Ann")
        maras, anns = await here.here(mara), await here.here(ann)
        await hub.say(ann, LOBBY, "1", "I was here")
        room = await hub.direct(ann, "Mara")
        await hub.say(ann, room.name, "2", "psst")
        await people.remove("ann")
        assert anns.ended == "your account was removed by the owner of this board"
        assert not maras.ended
        hub.go(anns)
        assert await people.by_session(secret) is None
        with pytest.raises(NotSaid, match="ask for an invitation"):
            await people.sign_in("", secret, "192.0.2.1")
        # what was said stays, and nobody can appear to have said it
        said = [(one.author, one.text) for one in export(str(tmp_path / "board.db"), LOBBY)]
        assert said == [("Ann", "I was here")]
        for name in ("Ann", "ANN", "ａｎｎ"):
            with pytest.raises(NotSaid, match="somebody's name here"):
                await people.who(name, "", "192.0.2.1")
            with pytest.raises(NotSaid, match="somebody's name here"):
                await here.invited(name)
        with pytest.raises(ConfigurationError, match="somebody's name here, or was"):
            await people.rename("Mara", "Ann")
        with pytest.raises(ConfigurationError, match="nobody here is called 'Ann'"):
            await people.set_role("Ann", "member")
        assert [one.text for one in await hub.page(mara, room.name)] == ["psst"]
        with pytest.raises(NotSaid, match="ann can be written to no more"):
            await hub.say(mara, room.name, "3", "still there?")
        with pytest.raises(NotSaid, match="nobody here is called Ann"):
            await hub.direct(mara, "Ann")
        found = await listed(here)
        assert [*found] == ["Mara", "Ann"]
        assert (found["Ann"]["role"], found["Ann"]["sessions"]) == ("removed", 0)
        assert found["Ann"]["removed"] is not None
    async with lab(tmp_path) as here:
        assert "ann" not in str(await here.people.tokens()).lower()
        assert (await listed(here))["Ann"]["role"] == "removed"


def test_who_is_removed_is_sent_away_and_what_they_said_stays_theirs(tmp_path: Path) -> None:
    check_remove(tmp_path)


@in_loop
async def check_race(tmp_path: Path) -> None:
    async with lab(tmp_path) as here:
        await owned(here)
        ann, _ = await here.invited("Ann")
        bob, _ = await here.invited("Bob")
        # both were let in, and are not in the chat yet
        await here.people.remove("Ann")
        await here.people.set_role("Bob", "operator")
        with pytest.raises(NotSaid, match="your access was revoked"):
            await here.people.still(ann)
        assert await here.people.still(bob) == Person("Bob", operator=True)
        await here.people.rename("Bob", "Robert")
        assert (await here.people.still(bob)).name == "Robert"
        for one in await here.people.tokens():
            if one["kind"] == "session" and one["name"] == "Robert":
                await here.people.revoke(one["number"])
        with pytest.raises(NotSaid, match="your access was revoked"):
            await here.people.still(bob)


def test_who_is_on_the_way_in_meanwhile_is_found_out(tmp_path: Path) -> None:
    check_race(tmp_path)


@in_loop
async def check_rename(tmp_path: Path) -> None:
    async with lab(tmp_path, is_open=True) as here:
        people, hub = here.people, here.hub
        mara, _ = await owned(here)
        ann, secret = await here.invited("Ann")
        maras, anns = await here.here(mara), await here.here(ann)
        tea = await hub.join(ann, "tea")
        room = await hub.direct(mara, "Ann")
        await hub.say(mara, room.name, "1", "psst")
        await hub.say(mara, LOBBY, "2", "hello @ann")
        first = await hub.say(ann, LOBBY, "3", "said once")
        said = await people.rename("ann", "Anna")
        assert said == "Ann is called Anna now; the old name stays theirs."
        assert anns.ended == "you are called Anna here now: come in again"
        assert maras.outs == [("@ann,mara", "ann is called anna now")]
        hub.go(anns)

        anna = await people.by_session(secret)
        assert anna == Person("Anna")
        again = await here.here(anna)
        read = await hub.history.read_up_to("anna")
        assert sorted(read) == ["@anna,mara", LOBBY, "tea"]
        assert await hub.history.read_up_to("ann") == {}
        assert await hub.history.mentions_of("anna", LOBBY, 0) == 1
        assert tea.may_keep_order(anna)
        assert [one.text for one in await hub.page(anna, "@anna,mara")] == ["psst"]
        await hub.say(mara, "@anna,mara", "4", "so you are called Anna")
        assert again.texts == ["so you are called Anna"]
        assert await hub.say(anna, LOBBY, "3", "said once") == first  # under the old name
        with pytest.raises(NotSaid, match="somebody's name here"):
            await people.who("Ann", "", "192.0.2.1")
        assert (await listed(here))["Anna"]["former"] == ["Ann"]

        await people.rename("Anna", "ANNA")  # written otherwise
        assert (await listed(here))["ANNA"]["former"] == ["Ann"]
        await people.rename("anna", "Ann")  # it is theirs
        assert (await listed(here))["Ann"]["former"] == ["ANNA"]
        await people.remove("Ann")
        assert [*await listed(here)] == ["Mara", "Ann", "ANNA"]
    async with lab(tmp_path) as here:  # the store says the same as the chat did
        assert "@ann,mara" in here.hub.rooms


def test_who_is_called_otherwise_keeps_rooms_conversations_and_both_names(tmp_path: Path) -> None:
    check_rename(tmp_path)


@in_loop
async def check_strange(tmp_path: Path) -> None:
    async with lab(tmp_path) as here:
        mara, _ = await owned(here)
        await here.invited("Ann")
        await here.here(mara)
        # from before a board saw to it that there is somebody of the name
        here.hub.knows = lambda _: asyncio.sleep(0, result=True)
        await here.hub.direct(mara, "Zed")
        await here.hub.direct(mara, "Ann")
        with pytest.raises(ConfigurationError, match="has conversations from before"):
            await here.people.rename("Ann", "Zed")
        assert [*await listed(here)] == ["Mara", "Ann"]
        assert "@ann,mara" in here.hub.rooms


def test_nobody_finds_the_conversations_of_a_name_from_before(tmp_path: Path) -> None:
    check_strange(tmp_path)
