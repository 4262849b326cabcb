from __future__ import annotations

import contextlib
import io
import json
import signal
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jackfield.cli import chat as command
from jackfield.cli import signins
from jackfield.cli.main import run
from jackfield.cli.signins import SignIn
from jackfield.endpoints import parse
from jackfield.framing.json_lines import JSONLines
from jackfield.service import Service
from jackfield.services.chat import LIMITS, Chat, make, wire
from jackfield.services.chat.doors import Doors
from jackfield.services.chat.hub import Person
from jackfield.services.chat.words import NotSaid
from tests.certificates import Certificates
from tests.commands.fullscreen import FullScreen
from tests.commands.people import Piped, read_until
from tests.live import Live, free_port, until


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """What is kept is kept there, and no board of this machine is found."""
    with tempfile.TemporaryDirectory(prefix="jf") as runtime:  # of a name that a socket can have
        monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
        monkeypatch.setenv("JACKFIELD_HOME", str(tmp_path))
        monkeypatch.delenv("JACKFIELD_DATA", raising=False)
        monkeypatch.delenv("JACKFIELD_TOKEN", raising=False)
        yield tmp_path


class Secrets(Doors):
    """Lets in who has an invitation, and gives a token for it, or who has a token."""

    question = "?"

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.good = {"invite", "fresh", "other"}

    async def who(self, name: str, token: str, source: str) -> tuple[Person, str]:
        self.asked.append((name, token))
        if token not in self.good:
            raise NotSaid("that is no token of this board")
        return Person(name or "alice"), "fresh" if token == "invite" else ""


@contextlib.contextmanager
def serving(chat: Chat | None = None, url: str = "ws://127.0.0.1:0/") -> Iterator[tuple[Live, str]]:
    """A chat, and where it is."""
    service: Service[Any] = make()
    if chat is not None:
        framing = JSONLines(wire.MOST_MESSAGE)
        service = Service("chat", chat.by_client, framing, LIMITS, joins_rooms=True, silent=True)
    with Live(service, url) as live:
        yield live, str(live.endpoints[0])


def said(chat: Chat, room: str = "lobby") -> list[str]:
    history: Any = chat.hub.history
    return [one.text for one in history._messages.get(room, [])]


# What goes wrong


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        ([], 1, "start one with `jackfield up`"),
        (["tcp:/x"], 2, "for example tcp://127.0.0.1:9999"),
        (["udp://127.0.0.1:9"], 2, "a chat needs a stream"),
        (["https://[x/in/y"], 2, "is no link"),
        (["https://a b/"], 2, "cannot stand in a URL"),
        (["ws://127.0.0.1:9/", "--plain", "--send"], 2, "one of them"),
        (["ws://127.0.0.1:9/", "--send", "--json"], 2, "--json is for --plain"),
        (["ws://127.0.0.1:9/", "--name", "a b"], 2, "--name: a name is made of letters"),
        (["ws://127.0.0.1:9/", "--room", "\x1b"], 2, "--room: "),
        (["ws://127.0.0.1:9/", "--ca", "x"], 2, "for tls:// and wss://"),
        (["ws://127.0.0.1:0/"], 2, "port 0"),
        (["ws://127.0.0.1:1/"], 1, "ECONNREFUSED"),
    ],
)
def test_what_goes_wrong_is_one_line_and_an_exit_status(
    arguments: list[str], status: int, says: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["chat", *arguments]) == status
    output, errors = capfd.readouterr()
    assert output == ""
    assert len(errors.splitlines()) == 1
    assert says in errors


def test_a_server_that_speaks_lines_is_told_apart() -> None:
    with Live(make(), "tcp://127.0.0.1:0") as live, Piped("chat", str(live.endpoints[0])) as ann:
        status, _, errors = ann.finish()
        assert (status, len(errors.splitlines())) == (1, 1)
        assert "no chat for clients is there" in errors


def test_who_may_not_come_in_is_told_why_once() -> None:
    chat = Chat(doors=Secrets())
    with serving(chat) as (_, where), Piped("chat", where, "--token", "wrong", "--send") as ann:
        ann.write("x\n")
        status, _, errors = ann.finish()
        assert status == 1
        assert errors.count("that is no token of this board (see --name and --token)") == 1


def test_a_file_of_a_sign_in_that_is_damaged_is_named(
    home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = signins.path_of(parse("ws://127.0.0.1:9/"))
    signins.keep(parse("ws://127.0.0.1:9/"), SignIn("a", "b"))
    path.write_text("[]")
    assert run(["chat", "ws://127.0.0.1:9/"]) == 2
    assert f"{path}: is damaged; remove it" in capfd.readouterr().err


def test_the_full_screen_without_its_package_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    import sys

    for name in [name for name in sys.modules if name.startswith("jackfield.services.chat.term")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "prompt_toolkit", None)
    monkeypatch.setitem(sys.modules, "prompt_toolkit.application", None)
    monkeypatch.setattr(command, "is_at_terminal", lambda: True)
    assert run(["chat", "ws://127.0.0.1:9/"]) == 2
    assert "pip install 'jackfield[board]', or use --plain" in capfd.readouterr().err


# Where, and who


@pytest.mark.parametrize(
    ("link", "where", "token"),
    [
        ("https://h.example:8443/in/s%2Fx", "wss://h.example:8443/chat", "s/x"),
        ("https://h.example/in/abc/", "wss://h.example:443/chat", "abc"),
        ("http://[::1]:8000/", "ws://[::1]:8000/chat", None),
        ("HTTP://h.example/rooms", "ws://h.example:80/chat", None),
        ("unix:///run/x.sock", "unix:///run/x.sock", None),
    ],
)
def test_a_link_of_a_page_says_where_and_who(link: str, where: str, token: str | None) -> None:
    found, secret = command.place(link)
    assert (str(found), secret) == (where, token)


def test_the_board_of_this_machine_is_found_by_its_socket() -> None:
    where = command.local_board()
    assert where not in command.boards()  # others of this network may be heard
    Path(where.path).parent.mkdir(parents=True, mode=0o700)
    chat = Chat()
    with serving(chat, str(where)), Piped("chat", "--name", "ann", "--send") as ann:
        ann.write("hello")
        assert ann.finish() == (0, b"", "")
        assert said(chat) == ["hello"]


def test_of_several_boards_one_is_chosen(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    found = [parse("ws://127.0.0.1:1/"), parse("wss://h.example:443/chat")]
    monkeypatch.setattr(command, "boards", lambda: found)
    assert run(["chat"]) == 1
    assert "there are 2 boards; name one: ws://127.0.0.1:1, wss://" in capfd.readouterr().err
    monkeypatch.setattr(command, "is_at_terminal", lambda: True)
    monkeypatch.setattr("sys.stdin", io.StringIO("3\n2\n"))
    assert command.place(None) == (found[1], None)
    assert "  2  wss://h.example:443/chat\n" in capfd.readouterr().err


@pytest.mark.long
def test_a_token_that_a_board_gives_is_kept_and_used_by_itself(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    doors = Secrets()
    chat = Chat(doors=doors)
    with serving(chat, "ws://127.0.0.1:0/chat") as (_, where):
        link = where.replace("ws:", "http:").replace("/chat", "/in/invite")
        alice = ["--name", "alice"]
        for arguments in ([link, *alice], [link], [where, *alice], [where, "--token", "other"]):
            with Piped("chat", *arguments, "--send") as ann:
                ann.write("x\n")
                assert ann.finish() == (0, b"", "")
        path = signins.path_of(parse(where))
        assert path.parent == home / "boards"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        monkeypatch.setenv("JACKFIELD_TOKEN", "wrong")
        with Piped("chat", where, "--send") as ann:
            ann.write("x\n")
            assert ann.finish()[0] == 1
        monkeypatch.delenv("JACKFIELD_TOKEN")
        doors.good.remove("fresh")
        with Piped("chat", where, "--send") as ann:
            ann.write("x\n")
            assert f"(remove {path} to sign in anew, or" in ann.finish()[2]
    tokens = [("alice", "invite"), *[("", one) for one in ("fresh", "fresh", "other", "wrong")]]
    assert doors.asked == [*tokens, ("", "fresh")]


# --send


def test_a_log_is_as_few_messages_as_can_hold_it() -> None:
    chat = Chat()
    text = "".join(f"line {number}\n" for number in range(1000))
    with serving(chat) as (_, where):
        with Piped("chat", where, "--name", "ci", "--room", "#Ops", "--send") as ci:
            ci.write_all(text.encode())
            assert ci.finish() == (0, b"", "")
        assert len(said(chat, "ops")) == 3
        assert "\n".join(said(chat, "ops")) == text.rstrip()


def test_a_line_longer_than_a_message_is_cut() -> None:
    chat = Chat()
    with serving(chat) as (_, where), Piped("chat", where, "--name", "ci", "--send") as ci:
        ci.write_all("长".encode() * 9000)
        assert ci.finish()[0] == 0
        assert [len(one) for one in said(chat)] == [4000, 4000, 1000]


@pytest.mark.long
def test_lines_that_come_now_and_then_are_said_as_they_come() -> None:
    chat = Chat()
    with serving(chat) as (_, where), Piped("chat", where, "--name", "ci", "--send") as ci:
        for number in range(2):
            ci.write(f"step {number}\nof it\n")
            until(lambda number=number: len(said(chat)) == number + 1)  # type: ignore[misc]
        assert ci.finish()[0] == 0
        assert said(chat) == ["step 0\nof it", "step 1\nof it"]


@pytest.mark.parametrize("given", ["", "\n  \n"])
def test_nothing_to_send_is_a_failure(given: str) -> None:
    with serving() as (_, where), Piped("chat", where, "--name", "ci", "--send") as ci:
        ci.write(given)
        status, _, errors = ci.finish()
        assert status == 1
        assert "there is nothing to send" in errors


def test_what_is_refused_is_a_failure() -> None:
    chat = Chat()
    with serving(chat) as (live, where), Piped("chat", where, "--name", "ci", "--send") as ci:
        live.call(lambda: chat.hub.rooms)
        until(lambda: "ci" in chat.hub.people)
        live.call(lambda: chat.hub.rooms["lobby"].muted.update(ci=1e12))
        ci.write("shh\n")
        status, _, errors = ci.finish()
        assert status == 1
        assert "-- not said: you are muted here" in errors


def test_what_is_sent_while_the_board_restarts_arrives_once() -> None:
    chat = Chat()
    with contextlib.ExitStack() as stack:
        live, where = stack.enter_context(serving(chat, f"ws://127.0.0.1:{free_port()}/"))
        ci = stack.enter_context(Piped("chat", where, "--name", "ci", "--send"))
        ci.write("one\n")
        until(lambda: said(chat) == ["one"])
        live.stop(0)
        ci.await_error("the connection was lost")
        ci.write("two\n")
        ci.end_input()
        with serving(Chat(chat.hub.history), where):
            status, _, errors = ci.finish()
        assert status == 0
        assert errors.splitlines()[-1] == "-- connected again"
        assert said(chat) == ["one", "two"]


def test_what_cannot_be_delivered_in_time_is_a_failure() -> None:
    with contextlib.ExitStack() as stack:
        chat = Chat()
        live, where = stack.enter_context(serving(chat))
        arguments = ("chat", where, "--name", "ci", "--send", "--timeout", "100ms")
        ci = stack.enter_context(Piped(*arguments))
        until(lambda: "ci" in chat.hub.people)
        live.stop(0)
        ci.await_error("the connection was lost")
        ci.write("two\n")
        status, _, errors = ci.finish()
        assert status == 1
        assert "-- not kept within 0.1 s: 1 of it" in errors


# --plain


def test_plain_says_each_line_and_writes_what_is_said_in_every_room() -> None:
    with (
        serving() as (_, where),
        Piped("chat", where, "--name", "ann", "--plain") as ann,
        Piped("chat", where, "--name", "bob", "--room", "ops", "--json") as bob,
    ):
        ann.write("你好\n\n")
        ann.await_output(" ann: 你好\n")
        bob.write("to ops \x1b[2J\u202e\n")
        found = json.loads(bob.await_output("\n"))
        assert (found["room"], found["author"], found["text"]) == ("ops", "bob", "to ops [2J")
        ann.end_input()  # others are heard all the same
        bob.write("more\n")
        bob.await_output('"more"')
        for one in (ann, bob):
            one.process.send_signal(signal.SIGINT)
            assert one.finish()[0] == 130


def test_a_room_that_one_may_not_be_in_is_a_failure() -> None:
    chat = Chat()
    with serving(chat) as (live, where):
        live.wait_for(chat.open())
        room = live.wait_for(chat.hub.join(Person("bob"), "ops"))
        room.removed["ann"] = 1e12
        for way in ("--plain", "--send"):
            with Piped("chat", where, "--name", "ann", "--room", "ops", way) as ann:
                ann.write("x\n")
                status, _, errors = ann.finish()
                assert status == 1
                assert "-- you are not in ops: you were removed from ops" in errors


def test_plain_whose_reader_has_gone_ends() -> None:
    with serving() as (_, where), Piped("chat", where, "--name", "ann", "--plain") as ann:
        ann.stdout.close()
        ann.write("x\n")
        assert ann.process.wait(20) == 0


def test_it_goes_over_tls(certificates: Certificates) -> None:
    url = f"wss://127.0.0.1:0/chat?cert={certificates.cert}&key={certificates.key}"
    with serving(url=url) as (live, _):
        where = f"https://127.0.0.1:{live.endpoints[0].port}/"
        with Piped("chat", where, "--ca", certificates.ca, "--name", "a", "--send", "-v") as ann:
            ann.write("x\n")
            status, _, errors = ann.finish()
            assert status == 0, errors
            assert "-- tried wss://127.0.0.1:" in errors


# The full screen


def await_more(person: FullScreen) -> None:
    """Wait until anything more is painted."""
    size = len(person.read)
    read_until(person.keyboard, lambda read: len(read) > size, person.read)


@contextlib.contextmanager
def two() -> Iterator[tuple[FullScreen, Piped, Chat, Live]]:
    """Dora at a terminal, and bob who says what is written to him."""
    chat = Chat()
    with (
        serving(chat) as (live, where),
        FullScreen("chat", where, "--name", "dora") as dora,
        Piped("chat", where, "--name", "bob", "--plain") as bob,
    ):
        dora.await_screen("2 here: bob, dora")
        yield dora, bob, chat, live


def test_the_screen_shows_what_is_said_wide_characters_in_their_columns() -> None:
    with two() as (dora, bob, _, _):
        bob.write("早上好！昨晚的构建终于通过了，谢谢大家，今天下午三点的会议改到四点可以吗？\n")
        bob.write("e\u0301te\u0301 👨\u200d👩\u200d👧 \u202e\x9b31m @dora\n")
        screen = dora.await_screen("@dora")
        rows = [row.partition("│")[2] for row in screen.splitlines()]
        first = rows.index("      三点的会议改到四点可以吗？") - 1
        assert rows[first][5:] == " bob: 早上好！昨晚的构建终于通过了，谢谢大家，今天下午"
        assert rows[first + 2][5:] == " bob: e\u0301te\u0301 👨👩👧 31m @dora"
        dora.press("谢谢\r")
        bob.await_output("dora: 谢谢")
        dora.await_screen("dora: 谢谢")
        dora.press("\x03")
        assert dora.finish() == 130


@pytest.mark.long
def test_rooms_are_joined_gone_to_and_left_and_their_unread_messages_counted() -> None:
    with two() as (dora, bob, chat, live):
        dora.press("/join ops\r")
        dora.await_screen("│ #ops")
        live.wait_for(chat.hub.join(Person("bob"), "ops"))
        for number in range(3):
            bob.write(f"{number} {'@dora' if number else ''}\n")
        dora.await_screen("@2 1 │")
        dora.press("\x0b")  # Ctrl-K offers the rooms
        dora.await_screen("> /go")
        dora.press("\t\r")
        screen = dora.await_screen("─ new ─")
        assert "│ #lobby" in screen
        assert "@2" not in screen
        dora.press("\x0e")  # Ctrl-N
        dora.await_screen("│ #ops")
        dora.press("/leave\r")
        dora.await_screen("│ #lobby")
        dora.press("/msg bob psst\r")
        dora.await_screen("│ @bob")
        bob.await_output("(to you) dora: psst")
        dora.press("\x04")
        assert dora.finish() == 0


def test_tab_completes_commands_and_names() -> None:
    with two() as (dora, bob, _, _):
        dora.press("/who\t\r")
        dora.await_screen("* 2 here: bob, dora")
        dora.press("hi @b\t!\r")
        bob.await_output("dora: hi @bob !")
        dora.press("/nothing\r")
        dora.await_screen("there is no command /nothing")
        dora.press("//not a command\x1b\rtwo\r")
        bob.await_output("dora: /not a command\n      two")


@pytest.mark.long
def test_history_scrolls_back_and_is_loaded_as_one_goes() -> None:
    chat = Chat()
    from jackfield.services.chat.history import NewMessage

    with serving(chat) as (live, where):

        async def fill() -> None:
            await chat.open()
            for number in range(230):
                await chat.hub.history.append(
                    NewMessage("lobby", "bob", str(number), f"m{number}.")
                )
                chat.hub.rooms["lobby"].record = (await chat.hub.history.rooms())[0]

        live.wait_for(fill())
        with FullScreen("chat", where, "--name", "dora") as dora:
            dora.await_screen("bob: m229.")
            for first in ("m130.", "m30.", "m0."):  # of each page that is loaded
                while f"bob: {first}" not in dora.screen:
                    dora.press("\x1b[5~")
                    await_more(dora)
            dora.await_screen("scrolled back")
            dora.press("\x1b[1;5F")  # Ctrl-End
            dora.await_screen("bob: m229.")
            dora.press("\x1b[<64;40;10M")  # the wheel
            dora.await_screen("scrolled back")


@pytest.mark.long
def test_a_narrow_terminal_has_no_rooms_at_the_side_and_a_wider_one_has() -> None:
    with two() as (dora, bob, _, _):
        bob.write("hello there\n")
        dora.await_screen("bob: hello there")
        dora.resize(40)
        dora.process.send_signal(signal.SIGWINCH)
        screen = dora.await_screen("bob: hello there")
        assert "│" not in screen
        dora.resize(100)
        dora.process.send_signal(signal.SIGWINCH)
        dora.await_screen("│ #lobby")
        dora.await_screen("bob: hello there")


def test_it_reconnects_by_itself_and_says_what_was_written_meanwhile() -> None:
    chat = Chat()
    with contextlib.ExitStack() as stack:
        live, where = stack.enter_context(serving(chat, f"ws://127.0.0.1:{free_port()}/"))
        dora = stack.enter_context(FullScreen("chat", where, "--name", "dora"))
        dora.await_screen("1 here: dora")
        live.stop(0)
        dora.await_screen("reconnecting in")
        dora.press("still here\r")
        dora.await_screen("… dora: still here")
        with serving(Chat(chat.hub.history), where):
            screen = dora.await_screen("connected")
            until(lambda: said(chat) == ["still here"])
            assert "reconnecting" not in screen
            dora.press("\x03")
            assert dora.finish() == 130


def test_no_colour_is_no_colour() -> None:
    chat = Chat()
    with (
        serving(chat) as (_, where),
        FullScreen("chat", where, "--name", "dora", NO_COLOR="1") as dora,
        Piped("chat", where, "--name", "bob", "--plain") as bob,
    ):
        bob.write("hello\n")
        dora.await_screen("bob: hello")
        colours = {str(number) for base in (30, 90) for number in range(base, base + 8)}
        assert not dora.painted().attributes & colours


@pytest.mark.some(1)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_and_gives_the_terminal_back(number: int) -> None:
    with serving() as (_, where), FullScreen("chat", where, "--name", "dora") as dora:
        dora.await_screen("1 here: dora")
        dora.send_signal(number)
        assert dora.finish() == 128 + number
        assert b"\x1b[?1049l" in dora.read  # the screen from before
