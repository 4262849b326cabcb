"""Who floods a board, or reads nothing of it, is told to wait or let go; others talk on."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any, Self

import pytest
from websockets.exceptions import ConnectionClosed

from jackfield.board.throttle import BURST as TRIES
from jackfield.events import ConnectionEnded, Refused
from jackfield.limits import Limits
from jackfield.services.chat import LIMITS
from jackfield.services.chat.clients import MOST_ERRORS
from jackfield.services.chat.history import MOST_PAGE, NewMessage
from jackfield.services.chat.hub import BURST, MOST_ROOMS
from tests.boards import CONFIG, WholeBoard
from tests.live import PATIENCE, until

OTHER = ("127.0.0.2", 0)
"""Another address of this machine, to come from."""

SMALL = CONFIG.replace(
    "[services.page]",
    "limits = { write_time = 1.5 }\n[services.page]\nlimits = { write_time = 1.5 }",
)


@pytest.fixture(scope="module")
def lab() -> Iterator[WholeBoard]:
    with WholeBoard(text=SMALL) as board:
        yield board


def unsent(lab: WholeBoard) -> int:
    """The most bytes that wait for any one of those in the chat."""
    chat = lab.board.chat
    return max((one._conn.core.unsent for one in tuple(chat._sessions)), default=0)


class Watch:
    """Looks at how much waits for each, all the time, in the board's own thread."""

    def __init__(self, lab: WholeBoard) -> None:
        self._lab = lab
        self.most = 0
        self._over = False

    def _look(self) -> None:
        self.most = max(self.most, unsent(self._lab))
        if not self._over:
            self._lab.loop.call_later(0.001, self._look)

    def __enter__(self) -> Self:
        self._lab.call(self._look)
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True


# Who says too much


@pytest.mark.parametrize(
    "frame",
    [
        '{{"do": "say", "room": "lobby", "id": "{number}", "text": "flood {number}"}}',
        '{{"do": "topic", "room": "lobby", "text": "flood {number}"}}',
        '{{"do": "join", "room": "flood-{name}-{number}"}}',
    ],
    ids=["messages", "topics", "rooms"],
)
def test_a_flood_is_taken_as_fast_as_people_are_and_then_ended(lab: WholeBoard, frame: str) -> None:
    with lab.bystanders() as others, lab.at_page() as eve:
        before = len(lab.of(ConnectionEnded))
        done = 0
        with suppress(ConnectionClosed):  # before all of it was sent
            for number in range(3000):
                eve.conn.send(frame.format(number=number, name=eve.name))
        waits = []
        with suppress(ConnectionClosed):
            while found := eve.next():
                done += found["is"] in {"kept", "done"}
                if found["is"] == "error":
                    waits.append(found["wait"])
        assert len(waits) >= MOST_ERRORS
        assert all(0 < wait <= 1 for wait in waits)
        assert BURST <= done < BURST + 60  # one a second after that, for as long as it took
        until(lambda: any("in a row" in one.reason for one in lab.of(ConnectionEnded)[before:]))
        others.hear_each_other(alone=False)
        assert len(lab.board.chat.hub.rooms) < MOST_ROOMS


def test_who_is_muted_says_nothing_by_a_topic_either(lab: WholeBoard) -> None:
    with lab.at_page() as ann, lab.at_page() as eve:
        for one in (ann, eve):
            one.tell(do="join", room="quiet")
            one.hear("done")
        ann.tell(do="topic", room="quiet", text="")
        ann.hear("done")
        room = lab.board.chat.hub.rooms["quiet"]
        lab.call(lambda: setattr(room, "record", _unowned(room.record)))
        lab.call(lambda: room.muted.update({eve.name.casefold(): 1e12}))
        eve.tell(do="topic", room="quiet", text="heard all the same")
        assert "you are muted here" in eve.hear("error")["why"]
        assert room.record.topic == ""


def _unowned(record: Any) -> Any:
    from dataclasses import replace

    return replace(record, owner="")


def test_who_guesses_waits_and_nobody_elsewhere_does(lab: WholeBoard) -> None:
    with lab.bystanders() as others:
        whys = []
        for number in range(TRIES + 3):
            claimed = {"X_Forwarded_For": f"192.0.2.{number}", "X_Real_IP": f"192.0.2.{number}"}
            reply = lab.post("/sign-in", {"token": "x" * 43, "name": "<b>"}, **claimed)
            assert (reply.status, "set-cookie" in reply.fields) == (403, False)
            whys.append(json.loads(reply.body)["why"])
        assert all("too many tries" in why for why in whys[TRIES:])
        assert not any("too many tries" in why for why in whys[:TRIES])
        with lab.socket() as guess:
            guess.send('{"do": "come", "token": "guessed"}')
            assert "too many tries" in json.loads(guess.recv(PATIENCE))["why"]
        with socket.create_connection(
            ("127.0.0.1", lab.endpoint("page").port), PATIENCE, OTHER
        ) as elsewhere:
            body = json.dumps({"name": f"Far-{others.name}"})
            elsewhere.sendall(
                "POST /sign-in HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
            )
            assert elsewhere.recv(4096).startswith(b"HTTP/1.1 200 ")
        others.hear_each_other()
        lab.call(lab.board.people._throttle._failed.clear)  # for the tests that follow


# A thousand sockets


@pytest.mark.parametrize("name", ["chat", "page"])
def test_of_a_thousand_sockets_of_one_address_so_many_are_let_in(
    lab: WholeBoard, name: str
) -> None:
    port = lab.endpoint(name).port
    before = len(lab.of(Refused))
    with lab.bystanders() as others, ExitStack() as opened:
        for _ in range(1000):
            with suppress(ConnectionResetError):  # one that is refused before connect() is back
                opened.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE, OTHER))
        most = Limits().connections_per_source
        refused = lab.await_events(Refused, before + 1000 - most)[before:]
        assert len(refused) == 1000 - most
        assert {one.limit for one in refused} == {"connections_per_source"}
        counted = lab.call(lab.board.units[name].status)["refused"]
        assert counted["connections_per_source"] == len(refused)
        others.hear_each_other()
        with lab.at_page() as more:  # from this address one still comes in
            more.say("and so do I")
            more.hear("kept")
    until(lambda: lab.board.units[name].server.connections < 50)  # type: ignore[union-attr]


# Who reads nothing


def fill(lab: WholeBoard, count: int, text: str, author: str) -> None:
    async def keep() -> None:
        for number in range(count):
            await lab.board.chat.hub.history.append(
                NewMessage("lobby", author, f"{author}-{number}", text)
            )

    lab.wait_for(keep())


def silent(lab: WholeBoard, opened: ExitStack, name: str) -> list[socket.socket]:
    """Somebody at the page and somebody by lines, who have come and read nothing any more."""
    at_page, by_lines = socks = [opened.enter_context(socket.socket()) for _ in range(2)]
    for sock, service in zip(socks, ("page", "chat"), strict=True):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(PATIENCE)
        sock.connect(("127.0.0.1", lab.endpoint(service).port))
    at_page.sendall(
        f"GET /chat HTTP/1.1\r\nHost: 127.0.0.1:{lab.endpoint('page').port}\r\n"
        f"Cookie: {lab.sign_in(name)}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        + _framed(b'{"do": "come"}')
    )
    by_lines.sendall(f"{name}-typing\n".encode())
    until(lambda: len(deaf(lab)) == 2)
    return socks


def deaf(lab: WholeBoard) -> list[str]:
    """Those of them who are here."""
    return [name for name in lab.board.chat.hub.people if name.startswith("Deaf")]


def _framed(data: bytes) -> bytes:
    """A masked frame of text, by a mask of zeros."""
    size = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2, "big")
    return b"\x81" + size + bytes(4) + data


def test_who_reads_nothing_slows_nobody_and_is_let_go(lab: WholeBoard) -> None:
    with lab.bystanders() as others, ExitStack() as opened, Watch(lab) as watch:
        silent(lab, opened, "Deaf")
        before = len(lab.of(ConnectionEnded))
        lines: list[str] = []
        count = 600
        reading = threading.Thread(
            target=lambda: lines.extend(others.bob.line() for _ in range(count)), daemon=True
        )
        reading.start()
        for start in range(0, count, 100):
            fill(lab, 100, f"{start} " + "long " * 700, f"Loud{start}")
            for _ in range(100):
                others.ann.hear("said")
        reading.join(PATIENCE)
        assert len(lines) == count
        until(lambda: not deaf(lab) and len(lab.of(ConnectionEnded)) >= before + 2)
        reasons = [one.reason for one in lab.of(ConnectionEnded)[before:]]
        assert len(reasons) == 2
        assert all("1.5 s" in reason for reason in reasons)
        assert watch.most <= LIMITS.outbox + 64 * 1024
        others.hear_each_other()


@pytest.mark.long
def test_who_asks_and_reads_nothing_has_one_answer_waiting(lab: WholeBoard) -> None:
    fill(lab, 200, "long " * 700, "Longs")
    asked = _framed(b'{"do": "page", "room": "lobby", "most": 200}') * 200
    with lab.bystanders() as others, ExitStack() as opened, Watch(lab) as watch:
        at_page, by_lines = silent(lab, opened, "Deafer")

        def ask(sock: socket.socket, data: bytes) -> None:
            with suppress(OSError):  # it is let go meanwhile
                sock.sendall(data)

        asking = [
            threading.Thread(target=ask, args=(at_page, asked), daemon=True),
            threading.Thread(target=ask, args=(by_lines, b"/history 200\n" * 200), daemon=True),
        ]
        for one in asking:
            one.start()
        others.hear_each_other(alone=False)
        until(lambda: not deaf(lab))
        for one in asking:
            one.join(PATIENCE)
        assert watch.most <= 2 * MOST_PAGE + 64 * 1024  # of 80 MB that it asked for
        others.hear_each_other()
