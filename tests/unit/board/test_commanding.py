"""Remote commands of a board: who may run what, and that nobody else may, over real sockets."""

from __future__ import annotations

import json
import shlex
import sys
from contextlib import closing
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path

import pytest
from websockets.typing import Origin

from jackfield.errors import ConfigurationError
from jackfield.events import CommandEnded, CommandRefused, CommandStarted
from jackfield.net.binding import reachable_host
from jackfield.services.commands import wire
from tests.commanded import POLICY, WAIT, Running, running, token_in
from tests.live import PATIENCE, until
from tests.owned import CONFIG
from tests.remote import ran

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="commands needs Linux")


# Without a policy


def test_a_board_without_a_policy_has_no_commands(tmp_path: Path) -> None:
    with Running(tmp_path) as lab:
        owner = lab.owner()
        assert "commands" not in lab.board.units
        assert json.loads(lab.ask("/me", Cookie=owner).body)["commands"] is False
        assert lab.listed(owner) == (404, {"why": "this board runs no commands now"})
        assert lab.turned_away(owner) == 404


# Who may


def test_operators_and_the_owner_run_what_the_policy_allows(tmp_path: Path) -> None:
    with running(tmp_path) as lab:
        for cookie, name in ((lab.owner(), "Ann"), (lab.invited("Bo", "operator"), "Bo")):
            assert json.loads(lab.ask("/me", Cookie=cookie).body)["commands"] is True
            with lab.sitting(cookie) as one:
                assert one.come_in() == name
                one.run("env", "echo", name, "$HOME", "*")
                over = one.hear("exit")
                assert (over["status"], over["why"]) == (0, "exit")
                assert one.output[wire.STDOUT].decode() == f"{name} $HOME *\n"
                assert "/usr/bin/rm" in one.refused("/usr/bin/rm", "-r", "/x")
        assert [event.who for event in lab.of(CommandStarted)] == ["Ann", "Bo"]
        assert [event.status for event in lab.await_events(CommandEnded, 2)] == [0, 0]
        assert [event.who for event in lab.await_events(CommandRefused, 2)] == ["Ann", "Bo"]


@pytest.mark.parametrize("who", ["a member", "a guest", "nobody"])
def test_nobody_else_comes_in_whatever_the_policy_says(tmp_path: Path, who: str) -> None:
    with running(tmp_path, is_open=True) as lab:
        lab.allow(POLICY.replace('["operator"]', '["operator", "Mei"]'))
        lab.reload()
        cookie = ""
        if who != "nobody":
            cookie = lab.sign_in("Mei") if who == "a guest" else lab.invited("Mei", "member")
        status = 401 if who == "nobody" else 403
        assert json.loads(lab.ask("/me", Cookie=cookie).body)["commands"] is False
        assert lab.listed(cookie)[0] == status
        assert lab.turned_away(cookie, origin=Origin(lab.origin)) == status
        with lab.sitting() as other:  # a program, that is no page
            other.tell(do="hello", version=1, token=token_in(cookie) if cookie else "")
            assert "token" in other.hear("refused")["why"]
        assert lab.of(CommandStarted) == []


def test_other_sites_are_refused(tmp_path: Path) -> None:
    with running(tmp_path) as lab:
        owner = lab.owner()
        assert lab.turned_away(owner, origin=Origin("https://evil.example")) == 403
        assert lab.turned_away(owner, origin=Origin("null")) == 403
        assert lab.listed(owner, Origin="https://evil.example")[0] == 403
        assert lab.listed(owner, Sec_Fetch_Site="cross-site")[0] == 403
        assert lab.listed(owner)[0] == 200


def test_a_name_that_is_a_role_gives_no_role(tmp_path: Path) -> None:
    with running(tmp_path) as lab:
        lab.allow(POLICY.replace('["operator"]', '["owner"]'))
        lab.reload()
        cookie = lab.invited("Owner", "operator")
        assert lab.listed(cookie) == (200, {"allowed": []})
        with lab.sitting(cookie) as one:
            assert one.come_in() == "account:Owner"
            assert "not allowed" in one.refused("env", "echo", "x")
        with lab.sitting(lab.invited("Operator", "operator")) as one:
            assert one.come_in() == "Operator"


def test_a_name_counts_as_the_chat_compares_names_and_lists_its_own_lines(tmp_path: Path) -> None:
    with running(tmp_path) as lab:
        _, found = lab.listed(lab.invited("zED", "operator"))
        assert [one["program"] for one in found["allowed"]] == [
            "/usr/bin/env", sys.executable, "/usr/bin/id",
        ]  # fmt: skip
        assert found["allowed"][0]["args"] == ["echo|cat|printenv", ".*"]
        assert found["allowed"][0]["many"] is True
        assert found["allowed"][1]["args"] is None
        assert found["allowed"][2]["args"] == []
        _, found = lab.listed(lab.invited("Bo", "operator"))
        assert [one["name"] for one in found["allowed"]][-1] != "id"


def test_a_token_for_files_runs_nothing_and_lets_nobody_in(tmp_path: Path) -> None:
    with running(tmp_path) as lab:
        owner = lab.owner()
        token = json.loads(lab.post("/token", {}, Cookie=owner).body)["token"]
        with lab.sitting() as one:
            one.tell(do="hello", version=1, token=token)
            assert "token" in one.hear("refused")["why"]
        reply = lab.post("/sign-in", {"name": "", "token": token})
        assert reply.status == 403
        assert b"for files alone" in reply.body
        cookie = f"{owner.partition('=')[0]}={token}"
        assert lab.me(cookie) is None
        assert lab.turned_away(cookie) == 401


def test_behind_a_proxy_in_the_clear_there_are_none(tmp_path: Path) -> None:
    with running(tmp_path) as lab:
        owner = lab.owner()
        assert lab.listed(owner, X_Forwarded_Proto="https")[0] == 200
        status, told = lab.listed(owner, X_Forwarded_Proto="http")
        assert (status, "TLS alone" in told["why"]) == (403, True)
        about = lab.ask("/me", Cookie=owner, X_Forwarded_Proto="http")
        assert json.loads(about.body)["commands"] is False


def test_off_loopback_in_the_clear_the_page_runs_none(tmp_path: Path) -> None:
    with running(tmp_path) as lab:
        lab.write(lab.with_commands.replace("127.0.0.1:{page}", "0.0.0.0:{page}"))
        lab.reload()
        here = reachable_host(lab.endpoint("page"))
        if replace(lab.endpoint("page"), host=here).is_loopback:
            pytest.skip("this machine is on no network")
        owner = lab.owner()
        with closing(HTTPConnection(here, lab.ports["page"], timeout=PATIENCE)) as conn:
            for path, status in (("/commands", 403), ("/me", 200)):
                conn.request("GET", path, headers={"Cookie": owner})
                answer = conn.getresponse()
                told = json.loads(answer.read())
                assert answer.status == status
                assert told.get("commands", False) is False
                assert told.get("name", "Ann") == "Ann"


# While it runs


@pytest.mark.parametrize("how", ["revoked", "demoted", "removed", "signed out", "renamed"])
def test_who_may_no_more_is_refused_at_once_and_what_runs_is_ended(
    tmp_path: Path, how: str
) -> None:
    with running(tmp_path) as lab:
        lab.allow(POLICY.replace('["operator"]', '["Bo"]'))
        lab.reload()
        cookie = lab.invited("Bo", "operator")
        people = lab.board.people
        with lab.sitting(cookie) as idle, lab.sitting(cookie) as one:
            idle.come_in()
            one.begins()
            assert lab.ran() == []
            number = lab.wait_for(people.accounts.number_of(token_in(cookie)))
            assert number is not None
            if how == "revoked":
                lab.wait_for(people.revoke(number))
            elif how == "demoted":
                lab.wait_for(people.set_role("Bo", "member"))
            elif how == "removed":
                lab.wait_for(people.remove("Bo"))
            elif how == "renamed":
                lab.wait_for(people.rename("Bo", "Bob"))
            else:
                lab.post("/sign-out", {}, Cookie=cookie)
            over = lab.await_event(CommandEnded)
            assert over.signal == "TERM"
            if how == "signed out":
                one.is_ended()
                idle.is_ended()
            else:
                assert "not" in idle.refused("env", "echo", "x")
                assert over.why == "revoked"
                assert one.hear("exit")["why"] == "revoked"
                assert "not" in one.refused("env", "echo", "x")
        if how != "renamed":
            assert lab.turned_away(cookie) in {401, 403}
        assert [event.command for event in lab.of(CommandStarted)] == [shlex.join(WAIT)]


def test_a_lost_connection_ends_what_it_ran(tmp_path: Path) -> None:
    with running(tmp_path) as lab:
        with lab.sitting(lab.owner()) as one:
            one.begins()
            one.conn.socket.close()
        over = lab.await_event(CommandEnded)
        assert (over.signal, over.why) == ("TERM", "client lost")


def test_what_runs_ends_with_the_service_and_with_the_board(tmp_path: Path) -> None:
    with running(tmp_path) as lab:
        owner = lab.owner()
        with lab.sitting(owner) as one:
            one.begins()
            lab.do(owner, "stop", names=["commands"])
            assert one.hear("exit")["signal"] == "TERM"
            assert "not allowed" in one.refused("env", "echo", "x")
        assert lab.turned_away(owner) == 404
        lab.do(owner, "start", names=["commands"])
        with lab.sitting(owner) as one:
            one.begins()
            lab.stop()
            over = lab.await_events(CommandEnded, 2)[1]
            assert (over.signal, over.why) == ("TERM", "server stopped")


# The configuration


def test_a_policy_that_is_read_anew_holds_at_once(tmp_path: Path) -> None:
    with running(tmp_path) as lab, lab.sitting(lab.owner()) as one:
        one.begins()
        lab.allow("[[allow]]\nwho = ['owner']\nprogram = '/usr/bin/env'\nargs = 'any'\n")
        lab.reload()
        assert one.hear("exit")["why"] == "revoked"
        assert "not allowed" in one.refused(*WAIT)
        one.run("env", "echo", "x")
        assert one.hear("exit")["status"] == 0


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("[[allow]]\nwho = ['operator']\nprogram = 'date'\n", 3, "absolute path"),
        ("user = 'nobody'\n\n[[alow]]\n", 3, "did you mean allow"),
        ("[[allow]]\nwho = ['anyone']\nprogram = '/usr/bin/date'\n", 2, "on a board anyone runs"),
        ("[[allow]]\nwho = ['member']\nprogram = '/usr/bin/date'\n", 2, "on a board member runs"),
        ("[[allow]]\nwho = ['certificate:x']\nprogram = '/bin/ls'\n", 2, "certificate:x runs"),
        ("[[allow]\n", 1, ""),
    ],
)
def test_a_bad_policy_is_refused_with_its_line_and_the_old_one_stays(
    tmp_path: Path, text: str, line: int, why: str
) -> None:
    with running(tmp_path) as lab, lab.sitting(lab.owner()) as one:
        one.begins()
        lab.policy.write_text(text)
        for reload in (lab.board.reload(), lab.board._do({"do": "reload", "names": ["commands"]})):
            with pytest.raises(ConfigurationError) as told:
                lab.wait_for(reload)
            assert str(told.value).startswith(f"{lab.policy}, line {line}: ")
            assert why in str(told.value)
        assert lab.state("commands") == "running"
        assert lab.ran() == []
        one.tell(do="stop")
        assert one.hear("exit")["why"] == "stopped"
        one.run("env", "echo", "x")
        assert one.hear("exit")["status"] == 0


def test_without_its_section_the_service_ends(tmp_path: Path) -> None:
    with running(tmp_path) as lab, lab.sitting(lab.owner()) as one:
        one.begins()
        lab.write(CONFIG)
        lab.reload()
        assert one.hear("exit")["signal"] == "TERM"
        assert "commands" not in lab.board.units


def test_off_loopback_it_is_served_over_tls_alone(tmp_path: Path) -> None:
    with Running(tmp_path, more="endpoints = ['tcp://0.0.0.0:{commands}']") as lab:
        lab.write(lab.with_commands)
        with pytest.raises(ConfigurationError, match=r"TLS alone: tls://0\.0\.0\.0"):
            lab.reload()
        assert "commands" not in lab.board.units


# Other programs


def test_a_program_comes_in_by_the_token_of_a_sign_in(tmp_path: Path) -> None:
    with running(tmp_path, more="endpoints = ['tcp://127.0.0.1:{commands}']") as lab:
        token = token_in(lab.invited("Bo", "operator"))
        with lab.sitting() as one:
            assert one.come_in(token) == "Bo"
            one.run("env", "echo", "x")
            assert one.hear("exit")["status"] == 0
        assert ran(lab.endpoint("commands"), "env", "echo", "y", token=token)[1] == b"y\n"
        until(lambda: len(lab.ran()) == 2)
        assert {event.who for event in lab.ran()} == {"Bo"}
