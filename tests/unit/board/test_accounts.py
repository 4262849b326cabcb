"""Who may come in, and who may not: forged, expired, revoked and used-up secrets first."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jackfield.board.accounts import (
    KEPT_AFTER,
    LOGIN,
    MOST_USES,
    NOTED,
    SESSION,
    Account,
    Accounts,
    hash_of,
)
from jackfield.board.database import Database
from jackfield.errors import ConfigurationError
from jackfield.services.chat.hub import Person
from jackfield.services.chat.words import NotSaid
from tests.live import in_loop

DAY = 86400.0


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@contextlib.asynccontextmanager
async def opened(tmp_path: Path) -> AsyncIterator[tuple[Accounts, Clock]]:
    database = await Database.open(str(tmp_path / "board.db"))
    clock = Clock()
    try:
        yield Accounts(database, clock), clock
    finally:
        await database.close()


async def noted(accounts: Accounts) -> None:
    """What nobody waits for is written."""
    await asyncio.sleep(0)
    await accounts._database.write(lambda _: None)


async def invited(accounts: Accounts, clock: Clock, name: str) -> tuple[Account, str]:
    return await accounts.redeem(await accounts.invite(expires=clock() + DAY), name)


@in_loop
async def check_forged(tmp_path: Path) -> None:
    async with opened(tmp_path) as (accounts, clock):
        invitation = await accounts.invite(expires=clock() + DAY)
        _, session = await accounts.redeem(invitation, "Ann")
        machine = await accounts.machine("printer")
        flipped = ("B" if session[0] == "A" else "A") + session[1:]
        for wrong in ("", "x", session[:-1], session + "A", flipped, "\ud800", "é", machine):
            assert await accounts.by_session(wrong) is None
            with pytest.raises(NotSaid, match="lets nobody in"):
                await accounts.redeem(wrong, "Eve")
        with pytest.raises(NotSaid, match="lets nobody in"):
            await accounts.redeem(session, "Eve")  # a session is no invitation
        assert await accounts.by_session(invitation) is None  # nor the other way round
        assert not await accounts.is_machine(session)
        assert await accounts.is_machine(machine)
        assert [one.name for one in await accounts.people()] == ["Ann"]


def test_a_forged_secret_lets_nobody_in(tmp_path: Path) -> None:
    check_forged(tmp_path)


@in_loop
async def check_over(tmp_path: Path) -> None:
    async with opened(tmp_path) as (accounts, clock):
        late = await accounts.invite(expires=clock() + DAY)
        revoked = await accounts.invite(expires=clock() + 9 * DAY)
        await accounts.revoke((await accounts.tokens())[0].number)
        used = await accounts.invite(expires=clock() + 9 * DAY)
        await accounts.redeem(used, "Ann")
        clock.now += DAY
        for secret, why in ((late, "expired"), (revoked, "revoked"), (used, "used up")):
            with pytest.raises(NotSaid, match=f"this link is {why}"):
                await accounts.redeem(secret, "Eve")
        assert [one.state for one in await accounts.tokens()] == [
            "good",  # Ann's session
            "used up",
            "revoked",
            "expired",
        ]


def test_what_is_over_lets_nobody_in(tmp_path: Path) -> None:
    check_over(tmp_path)


@in_loop
async def check_sessions(tmp_path: Path) -> None:
    async with opened(tmp_path) as (accounts, clock):
        ann, session = await invited(accounts, clock, "Ann")
        assert await accounts.by_session(session) == ann
        clock.now += SESSION - 10
        assert await accounts.by_session(session) == ann  # and is good for as long again
        await noted(accounts)
        clock.now += SESSION - 10
        assert await accounts.by_session(session) == ann
        await noted(accounts)
        clock.now += SESSION + 10
        assert await accounts.by_session(session) is None

        second = (await accounts.redeem(await accounts.login_link(ann), ""))[1]
        assert await accounts.by_session(second) == ann
        await accounts.sign_out(second)
        assert await accounts.by_session(second) is None

        third = (await accounts.redeem(await accounts.login_link(ann), "Other name"))[1]
        assert await accounts.by_session(third) == ann  # who is called as before
        await accounts.revoke((await accounts.tokens())[0].number)
        assert await accounts.by_session(third) is None
        with pytest.raises(ConfigurationError, match="there is no token 999"):
            await accounts.revoke(999)


def test_a_session_ends(tmp_path: Path) -> None:
    check_sessions(tmp_path)


@in_loop
async def check_owner(tmp_path: Path) -> None:
    async with opened(tmp_path) as (accounts, clock):
        assert await accounts.owner() is None
        first = await accounts.first_owner("root")
        assert await accounts.owner() == Account(1, "root", "owner")
        second = await accounts.first_owner("root")
        assert first is not None
        assert second is not None
        with pytest.raises(NotSaid, match="revoked"):
            await accounts.redeem(first, "Eve")
        clock.now += LOGIN
        with pytest.raises(NotSaid, match="expired"):
            await accounts.redeem(second, "Eve")
        third = await accounts.first_owner("root")
        assert third is not None
        with pytest.raises(NotSaid, match="letters"):
            await accounts.redeem(third, "not a name")
        owner, session = await accounts.redeem(third, "Ann")
        assert (owner.name, owner.role, owner.person) == ("Ann", "owner", Person("Ann", True))
        assert await accounts.by_session(session) == owner
        assert await accounts.first_owner("root") is None
        with pytest.raises(NotSaid, match="used up"):
            await accounts.redeem(third, "Eve")
        again = await accounts.redeem(await accounts.login_link(owner), "Beth")
        assert again[0].name == "Ann"  # a name is kept by its holder


def test_the_first_owner_comes_by_a_link_that_works_once(tmp_path: Path) -> None:
    check_owner(tmp_path)


@in_loop
async def check_names(tmp_path: Path) -> None:
    async with opened(tmp_path) as (accounts, clock):
        await invited(accounts, clock, "Straße")
        invitation = await accounts.invite(expires=clock() + DAY)
        for taken in ("Straße", "STRASSE", "strasse", "ｓｔｒａｓｓｅ"):
            with pytest.raises(NotSaid, match="is somebody's name here"):
                await accounts.redeem(invitation, taken)
        for bad in ("", " ", "@all", "all", "a b", "x" * 33, "\u202eevil"):
            with pytest.raises(NotSaid):
                await accounts.redeem(invitation, bad)
        account, _ = await accounts.redeem(invitation, "王芳")  # nothing was used up so far
        assert account.role == "member"
        assert not account.person.operator
        assert await accounts.named("王芳") == account
        assert await accounts.named("nobody") is None


def test_names_are_unique_as_they_are_compared(tmp_path: Path) -> None:
    check_names(tmp_path)


@in_loop
async def check_races(tmp_path: Path) -> None:
    async with opened(tmp_path) as (accounts, clock):
        for_one_name = await accounts.invite(expires=clock() + DAY, uses=50)
        results = await asyncio.gather(
            *(accounts.redeem(for_one_name, "Ann") for _ in range(50)), return_exceptions=True
        )
        assert sum(isinstance(one, tuple) for one in results) == 1
        assert sum(isinstance(one, NotSaid) for one in results) == 49

        for_three = await accounts.invite(expires=clock() + DAY, uses=3)
        results = await asyncio.gather(
            *(accounts.redeem(for_three, f"p{at}") for at in range(50)), return_exceptions=True
        )
        assert sum(isinstance(one, tuple) for one in results) == 3
        assert {str(one) for one in results if isinstance(one, NotSaid)} == {
            "this link is used up; ask for a new one"
        }
        assert len(await accounts.people()) == 4
        by_number = {one.number: one for one in await accounts.tokens() if one.kind == "invite"}
        assert sorted(one.uses or 0 for one in by_number.values()) == [0, 49]

        links = await asyncio.gather(*(accounts.first_owner("root") for _ in range(5)))
        good = 0
        for link in links:
            assert link is not None
            with contextlib.suppress(NotSaid):
                await accounts.redeem(link, "")
                good += 1
        assert good == 1


def test_races_for_a_name_and_for_the_last_use_have_one_winner(tmp_path: Path) -> None:
    check_races(tmp_path)


@in_loop
async def check_roles(tmp_path: Path) -> None:
    async with opened(tmp_path) as (accounts, clock):
        with pytest.raises(ConfigurationError, match="nobody is invited as owner"):
            await accounts.invite("owner", expires=clock() + DAY)
        for uses in (0, -1, MOST_USES + 1):
            with pytest.raises(ConfigurationError, match="1 to 10000 people"):
                await accounts.invite(expires=clock() + DAY, uses=uses)
        for expires in (0.0, clock(), clock() + 1e12, float("inf"), float("nan")):
            with pytest.raises(ConfigurationError, match="some time from now on"):
                await accounts.invite(expires=expires)
        invitation = await accounts.invite("operator", expires=clock() + DAY)
        account, _ = await accounts.redeem(invitation, "Op")
        assert account.person == Person("Op", operator=True)


def test_what_one_is_invited_as(tmp_path: Path) -> None:
    check_roles(tmp_path)


@in_loop
async def check_list(tmp_path: Path) -> None:
    async with opened(tmp_path) as (accounts, clock):
        ann, session = await invited(accounts, clock, "Ann")
        await accounts.machine("the printer\nin the hall", by=ann)
        began = int(clock())
        clock.now += NOTED + 1
        await accounts.by_session(session)
        await noted(accounts)
        await accounts.sign_out("nobody's")
        machine, of_ann, invitation = await accounts.tokens()
        assert (machine.kind, machine.label) == ("machine", "the printer in the hall")
        assert (machine.last_used, machine.expires, machine.uses) == (None, None, None)
        assert (of_ann.kind, of_ann.name, of_ann.role) == ("session", "Ann", "member")
        assert of_ann.last_used == began + NOTED + 1
        assert (invitation.kind, invitation.uses, invitation.last_used) == ("invite", 0, began)
        clock.now += KEPT_AFTER + 1
        await accounts.invite(expires=clock() + DAY)
        assert [one.kind for one in await accounts.tokens()] == ["invite", "machine", "session"]


def test_tokens_are_listed_with_their_last_use_and_without_themselves(tmp_path: Path) -> None:
    check_list(tmp_path)


@in_loop
async def check_hashed(tmp_path: Path) -> None:
    async with opened(tmp_path) as (accounts, clock):
        made = [
            await accounts.invite(expires=clock() + DAY, uses=2),
            await accounts.machine("m"),
            (await invited(accounts, clock, "Ann"))[1],
        ]
    whole = (tmp_path / "board.db").read_bytes()
    for secret in made:
        assert len(secret) == 43
        assert secret.encode() not in whole
        assert hash_of(secret) in whole


def test_the_store_holds_no_secret(tmp_path: Path) -> None:
    check_hashed(tmp_path)
