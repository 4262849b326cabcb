"""Who may come in: what the chat needs somebody to know about people.

`Doors` says what that is; `OpenDoors` lets anybody in under a name that nobody has at the moment.
A board knows accounts and tokens.
"""

from __future__ import annotations

from typing import Protocol

from jackfield.services.chat import words
from jackfield.services.chat.hub import Hub, Person, Session
from jackfield.services.chat.words import NotSaid, key_of


class Doors(Protocol):
    """Finds out who somebody is."""

    question: str
    """What to ask of somebody who types."""

    async def who(self, name: str, token: str, source: str) -> tuple[Person, str]:
        """Give who this is, by a token or, where that is enough, by a name alone.

        With it goes a new token, by which they come back; empty for none. Who types lines says
        both at once: name and token are the same then.
        source: the address they come from, for which attempts are counted.
        Raises NotSaid, with words for them, for who may not come in.
        """

    async def still(self, person: Person) -> Person:
        """Give somebody who has just come in as they are now, which may be otherwise by then.

        Raises NotSaid, with words for them, for who may be here no more.
        """
        return person


class OpenDoors(Doors):
    """Anybody may come in, under a name of their choice that nobody has now."""

    question = "What is your name?"

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def who(self, name: str, token: str, source: str) -> tuple[Person, str]:
        del token, source
        chosen = words.name_of(name)
        if any(True for _ in self._hub.sessions_of(key_of(chosen))):
            raise NotSaid(f"{chosen} is here already; choose another name")
        return Person(chosen), ""


class GuestDoors(OpenDoors):
    """Likewise, and nothing stays theirs: who comes by the name later finds nothing of it."""

    def __init__(self, hub: Hub) -> None:
        super().__init__(hub)
        self._hub = hub

    async def who(self, name: str, token: str, source: str) -> tuple[Person, str]:
        person, _ = await super().who(name, token, source)
        await self._hub.history.forget(person.key)
        return Person(person.name, guest=True), ""


async def bring_in(hub: Hub, doors: Doors, session: Session) -> dict[str, int]:
    """Bring a session in, as `Hub.come()`, unless its person may be here no more by then.

    Whoever is to be sent away before this is done is found so, and afterwards is among the hub's
    sessions. Raises NotSaid.
    """
    read = await hub.come(session)
    try:
        person = await doors.still(session.person)
        if person.key != session.person.key:
            raise NotSaid(f"you are called {person.name} here now: come in again", 0.1)
    except BaseException:
        hub.go(session)
        raise
    session.person = person
    return read
