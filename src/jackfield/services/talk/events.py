"""What happens in a conversation, for whoever shows it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened."""


@dataclass(frozen=True, slots=True)
class Met(Event):
    """The peer is a talk, and is called so. Delivery is confirmed from here on."""

    name: str


@dataclass(frozen=True, slots=True)
class TakenForPlain(Event):
    """The peer is taken for another program: it gets plain text and can confirm nothing."""


@dataclass(frozen=True, slots=True)
class Heard(Event):
    """The peer has said a line."""

    text: str


@dataclass(frozen=True, slots=True)
class Confirmed(Event):
    """The peer has a line of ours, after all those before it."""

    text: str


@dataclass(frozen=True, slots=True)
class SentPlain(Event):
    """A line of ours was sent to a plain peer. Whether it arrived nobody tells."""

    text: str


@dataclass(frozen=True, slots=True)
class Unconfirmed(Event):
    """The conversation ended before the peer confirmed a line of ours: it may not have it."""

    text: str


@dataclass(frozen=True, slots=True)
class PeerLeft(Event):
    """The peer has said goodbye."""


@dataclass(frozen=True, slots=True)
class PeerGone(Event):
    """The peer is there no more, without a goodbye. `reason` is a few words."""

    reason: str


@dataclass(frozen=True, slots=True)
class PeerBusy(Event):
    """The peer speaks with somebody else, in its words."""

    text: str
