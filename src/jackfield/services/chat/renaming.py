"""What becomes of a chat when one of its people is called otherwise."""

from __future__ import annotations

from dataclasses import replace

from jackfield.services.chat.hub import Hub, direct_name, two_of


def renamed(room: str, old: str, new: str) -> str:
    """Give what a direct conversation is called once one of its people has another key."""
    one, other = two_of(room)
    if old not in {one, other}:
        return room
    return direct_name(new, other if one == old else one)


def rename(hub: Hub, key: str, new: str) -> None:
    """Have a hub know a person by another key, as its history does by now.

    Their sessions are ended by who calls. Those whom they talk to find the conversation under its
    new name.
    """
    for room in tuple(hub.rooms.values()):
        for marks in (room.muted, room.removed):
            if key in marks:
                marks[new] = marks.pop(key)
        before = room.name
        name = renamed(before, key, new) if room.record.kind == "direct" else before
        owner = new if room.record.owner == key else room.record.owner
        room.record = replace(room.record, name=name, owner=owner)
        if name != before:
            hub.rooms[name] = hub.rooms.pop(before)
            for session in tuple(room.sessions):
                if session.person.key != key:
                    session.out(before, f"{key} is called {new} now")
                    session.changed(room)
