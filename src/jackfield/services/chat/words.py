"""What may be said and how people and rooms may be called: every text of a peer passes here.

The rules this file owns:

1. Names are compared by NFKC and without case, so that nobody can take a name that looks the same
   to a computer. They are shown as their holder wrote them.
2. Nothing that people read holds a control character, or one that turns the direction of writing
   or hides: only line feed and tab, and those only in messages.
3. Characters of writing without spaces are found one by one: a search for two of them is a search
   for the one right after the other.
"""

from __future__ import annotations

import re
import unicodedata

from jackfield.errors import JackfieldError

MOST_NAME = 32
"""Characters of a name of a person or room."""

MOST_TEXT = 4000
"""Characters of a message."""

MOST_TOPIC = 200
"""Characters of a room's topic."""

MOST_TERMS = 16
"""Words, or runs of characters, that are searched for at a time."""

LONGEST_PHRASE = 32
"""Words, or CJK characters, of one of those; what comes after them is left out of account."""

MOST_MENTIONS = 50
"""Names that one message mentions; those after them are words like others."""

_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_JOINER = "\u200d"  # within emoji
_NAME = re.compile(r"[\w][\w.\-]*", re.UNICODE)
_MENTION = re.compile(r"(?<![\w@/])@([\w][\w.\-]*)", re.UNICODE)
_CJK = re.compile(
    "[\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3038-\u303b\u3040-\u30ff\u3100-\u312f"
    "\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua48f\uf900-\ufaff"
    "\uff66-\uff9f\U0001b000-\U0001b16f\U00020000-\U0003ffff\u0e00-\u0e7f]"
)
_WORD = re.compile(r"[^\W_]+", re.UNICODE)

TAKEN = frozenset({"all", "everyone", "here", "system", "jackfield", "board", "所有人", "系统"})
"""Names that nobody has, since they mean something else."""


class NotSaid(JackfieldError):
    """What somebody wanted to say or be called cannot be. The text tells them why.

    wait: seconds after which it can be said as it is; None where it never can.
    """

    def __init__(self, text: str, wait: float | None = None) -> None:
        super().__init__(text)
        self.wait = wait

    def __reduce__(self) -> tuple[type[NotSaid], tuple[str, float | None]]:
        return type(self), (str(self), self.wait)


def name_of(text: str, what: str = "a name") -> str:
    """Give a name as it is to be shown. Raises NotSaid for one that cannot be."""
    name = unicodedata.normalize("NFC", text).strip()
    if not name:
        raise NotSaid(f"{what} has at least one letter")
    if len(name) > MOST_NAME:
        raise NotSaid(f"{what} has at most {MOST_NAME} characters")
    if not _NAME.fullmatch(name) or not _NAME.fullmatch(key_of(name)):
        raise NotSaid(f"{what} is made of letters, digits, '_', '-' and '.', a letter first")
    if key_of(name) in TAKEN:
        raise NotSaid(f"nobody is called {name}; choose another")
    return name


def key_of(name: str) -> str:
    """Give what names are compared by."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def message_of(text: str) -> str:
    """Give the text of a message as it is to be kept. Raises NotSaid for one that cannot be."""
    said = clean(text, lines=True).strip("\n").rstrip()
    if not said.strip():
        raise NotSaid("there is nothing in this message")
    if len(said) > MOST_TEXT:
        raise NotSaid(f"a message has at most {MOST_TEXT} characters; this one has {len(said)}")
    return said


def topic_of(text: str) -> str:
    """Give a topic as it is to be kept: one line, perhaps an empty one. Raises NotSaid."""
    topic = clean(text, lines=False).strip()
    if len(topic) > MOST_TOPIC:
        raise NotSaid(f"a topic has at most {MOST_TOPIC} characters; this one has {len(topic)}")
    return topic


def clean(text: str, *, lines: bool) -> str:
    """Leave out what cannot be seen, and surrogates, which are no characters.

    lines: whether line feeds and tabs stay; else they become spaces.
    """
    whole = text.replace("\r\n", "\n").replace("\r", "\n")
    if not lines:
        whole = whole.replace("\n", " ").replace("\t", " ")
    whole = whole.encode("utf-8", "replace").decode("utf-8")
    if not _UNSEEN.search(whole):
        return whole
    return "".join(
        char
        for at, char in enumerate(whole)
        if not _UNSEEN.match(char) or (char == _JOINER and _joins(whole, at))
    )


def _joins(text: str, at: int) -> bool:
    """Whether a joiner stands between two pictures, as within a family."""
    around = text[at - 1 : at] + text[at + 1 : at + 2]
    return len(around) == 2 and all(ord(char) > 0x2000 for char in around)


def mentions_in(text: str) -> set[str]:
    """Give the keys of the names that a message mentions, as in `@name`."""
    found: set[str] = set()
    for name in _MENTION.finditer(text):
        found.add(key_of(name[1].rstrip(".-")))
        if len(found) == MOST_MENTIONS:
            break
    return found


def indexed(text: str) -> str:
    """Give the words of a message as the index has them: divided by spaces, CJK one by one."""
    spaced = _CJK.sub(lambda found: f" {found[0]} ", unicodedata.normalize("NFKC", text))
    return " ".join(_WORD.findall(spaced.casefold()))


def phrases_of(text: str) -> list[list[str]]:
    """Give what to search for: phrases, each a row of words that must follow one another.

    Empty for a text that holds nothing to be found.
    """
    plain = unicodedata.normalize("NFKC", text)[: 8 * MOST_TEXT].casefold()
    parts = plain.split()[:MOST_TERMS]
    return [words[:LONGEST_PHRASE] for part in parts if (words := indexed(part).split())]
