"""People for tests of the board's page: whoever has a name may come in, or whoever has a token."""

from __future__ import annotations

from secrets import token_urlsafe

from jackfield.services.chat import words
from jackfield.services.chat.hub import Hub, Person
from jackfield.services.chat.words import NotSaid, key_of


class Names:
    """Anybody may come in under a name that nobody has now; or by a token alone, if there are any.

    tokens: whose each is. sessions: by secret, who has come in.
    fails: raised in place of letting anybody in. next_secret: of the next session.
    """

    def __init__(self, hub: Hub, tokens: dict[str, str] | None = None) -> None:
        self._hub = hub
        self.is_open = tokens is None
        self.tokens = tokens or {}
        self.sessions: dict[str, Person] = {}
        self.sources: list[str] = []
        self.fails: Exception | None = None
        self.next_secret = ""

    async def sign_in(self, name: str, token: str, source: str) -> tuple[Person, str]:
        self.sources.append(source)
        if self.fails is not None:
            raise self.fails
        if self.is_open:
            chosen = words.name_of(name)
            if any(True for _ in self._hub.sessions_of(key_of(chosen))):
                raise NotSaid(f"{chosen} is here already; choose another name")
        elif token in self.tokens:
            chosen = self.tokens[token]
        else:
            raise NotSaid("nobody has this token")
        person, secret = Person(chosen), self.next_secret or token_urlsafe()
        self.sessions[secret] = person
        return person, secret

    async def by_session(self, secret: str) -> Person | None:
        return self.sessions.get(secret)

    async def sign_out(self, secret: str) -> None:
        self.sessions.pop(secret, None)
