"""A board's files: who may do what, over HTTP and over the service's own protocol alike."""

from __future__ import annotations

import json
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from jackfield.board.owners import LOST
from jackfield.board.people import REVOKED
from tests.filed import Filed, Native, filed
from tests.live import PATIENCE, until

DATA = b"contents" * 100
MORE = b"others" * 100


def native(here: Filed, token: str) -> Native:
    return Native(here.endpoint("files"), token)


def ran(status: int, *arguments: str) -> str:
    """Run a command; give what it says of errors."""
    command = [sys.executable, "-m", "jackfield", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == status, done.stderr
    assert done.stderr.count("\n") <= 1
    return done.stderr


def put(client: Native, name: str, data: bytes = DATA, *, replace: bool = False) -> Any:
    return client.put(name, data, blake3(data).hexdigest(), replace=replace)


def test_a_file_is_whoever_has_put_it_over_whatever_way() -> None:
    with filed() as here:
        owner = here.token_of(here.owner())
        mei, olu, ops = here.token("Mei"), here.token("Olu"), here.token("Priya", "operator")
        assert here.http("PUT", "by-http", DATA, mei).status == 201
        with native(here, mei) as client:
            assert put(client, "by-native")["is"] == "put"
        for name in ("by-http", "by-native"):
            # nobody else, by HTTP
            reply = here.http("DELETE", name, token=olu)
            assert (reply.status, reply.text.count("\n")) == (403, 1)
            assert "it is Mei's" in reply.text
            assert here.http("PUT", f"{name}?replace", MORE, olu).status == 403
            # nor by the protocol
            with native(here, olu) as client:
                assert put(client, name, MORE, replace=True)["why"] == "denied"
                removed = client.ask({"do": "remove", "name": name})
                assert (removed["is"], removed["why"]) == ("error", "denied")
            assert (here.folder / name).read_bytes() == DATA
        listed = {one["name"]: one for one in here.list(olu)["files"]}
        assert {one["owner"] for one in listed.values()} == {"Mei"}
        assert not any(one["mine"] for one in listed.values())
        assert all(one["mine"] for one in here.list(ops)["files"])
        # she herself, an operator, and the board's owner
        assert here.http("PUT", "by-http?replace", MORE, mei).status == 204
        assert (here.folder / "by-http").read_bytes() == MORE
        assert here.http("PUT", "by-http?replace", DATA, ops).status == 204
        assert here.http("DELETE", "by-http", token=mei).status == 403  # it is the operator's now
        with native(here, mei) as client:
            assert client.ask({"do": "remove", "name": "by-native"})["is"] == "removed"
        assert here.http("DELETE", "by-http", token=owner).status == 204
        assert here.names() == []


def test_a_file_that_somebody_puts_meanwhile_is_not_replaced() -> None:
    with filed() as here:
        mei = here.token("Mei")
        with native(here, here.token("Olu")) as olu:
            offer = {"do": "put", "name": "x", "size": len(MORE), "mode": 0o644, "replace": True}
            assert olu.ask(offer)["is"] == "held"
            # while that is on its way nobody else writes the name, but by another way
            assert here.http("PUT", "x", DATA, mei).status == 409
            assert here.http("PUT", "y", DATA, mei).status == 201
            (here.folder / "y").rename(here.folder / "x")
            message = {"do": "bytes", "at": 0, "body": len(MORE)}
            olu.send(message, MORE)
            end = {"do": "end", "size": len(MORE), "hash": blake3(MORE).hexdigest()}
            assert olu.ask(end)["why"] == "denied"
        assert (here.folder / "x").read_bytes() == DATA


def test_the_commands_say_who_one_is_by_a_token(tmp_path: Path) -> None:
    with filed() as here:
        token = tmp_path / "token"
        token.write_text(here.token("Mei") + "\n")
        (tmp_path / "x").write_bytes(DATA)
        server = str(here.endpoint("files"))
        assert "that token is no good here" in ran(1, "put", str(tmp_path / "x"), server)
        known = "--token-file", str(token)
        ran(0, "put", *known, str(tmp_path / "x"), server)
        assert here.list(here.token("Olu"))["files"][0]["owner"] == "Mei"
        ran(0, "get", *known, f"{server}/x", str(tmp_path / "copy"))
        assert (tmp_path / "copy" / "x").read_bytes() == DATA
        token.write_text(here.token("Priya"))
        assert "it is Mei's" in ran(1, "rm", *known, f"{server}/x")
        token.write_text("")
        assert "there is no token in it" in ran(2, "ls", *known, server)
        token.write_text("x" * 600)
        assert "512 characters at the most" in ran(2, "ls", *known, server)


def test_what_nobody_has_put_and_folders_are_for_operators() -> None:
    with filed() as here:
        mei, ops = here.token("Mei"), here.token("Priya", "operator")
        (here.folder / "found").write_bytes(DATA)
        (here.folder / "link").symlink_to("found")
        with native(here, mei) as client:
            assert client.ask({"do": "folder", "name": "box", "mode": 0o755})["is"] == "folder"
            assert put(client, "box/mine")["is"] == "put"
            for name in ("found", "link", "box"):
                said = client.ask({"do": "remove", "name": name, "deep": True})
                assert said["why"] == "denied", name
            assert client.ask({"do": "remove", "name": "box/mine"})["is"] == "removed"
            assert put(client, "box/mine")["is"] == "put"
        for name in ("found", "box", "link"):
            assert here.http("DELETE", name, token=mei).status == 403
        assert here.list(mei)["files"][1] | {"modified": 0} == {
            "name": "found",
            "kind": "file",
            "size": len(DATA),
            "modified": 0,
            "mine": False,
        }
        assert here.http("DELETE", "box", token=ops).status == 409  # there is something in it
        with native(here, ops) as client:
            assert client.ask({"do": "remove", "name": "box", "deep": True})["is"] == "removed"
        assert here.http("DELETE", "found", token=ops).status == 204
        # what was in a folder that is gone is nobody's when it comes again
        (here.folder / "box").mkdir()
        (here.folder / "box" / "mine").write_bytes(DATA)
        assert here.http("DELETE", "box/mine", token=mei).status == 403


def test_who_comes_without_a_token_that_is_good_does_nothing() -> None:
    with filed(is_open=True) as here:
        guest = here.sign_in("Olu")
        for token in ("", "wrong", guest.partition("=")[2]):
            with native(here, token) as client:
                assert client.hello["why"] == "denied"
                assert client.heard() is None
        for method in ("GET", "PUT", "DELETE"):
            assert here.http(method, "x", DATA).status == 401
            assert here.http(method, "x", DATA, "wrong").status == 401
            assert here.http(method, "x", DATA, Cookie=guest).status == 403
        assert here.post("/token", {}, Cookie=guest).status == 403
        assert here.post("/token", {}).status == 403
        assert json.loads(here.ask("/me", Cookie=guest).body)["files"] is None
        assert here.names() == []


def test_guests_may_look_where_it_is_configured_so() -> None:
    with filed("guests = true", is_open=True) as here:
        assert here.http("PUT", "x", DATA, here.token("Mei")).status == 201
        guest = here.sign_in("Olu")
        about = json.loads(here.ask("/me", Cookie=guest).body)["files"]
        assert about == {"put": False, "link": f"{here.url}files/"}
        assert here.http("GET", "x", Cookie=guest).body == DATA
        listed = json.loads(here.http("GET", "?json", Cookie=guest).body)["files"]
        assert [(one["name"], one["mine"]) for one in listed] == [("x", False)]
        for method in ("PUT", "DELETE"):
            reply = here.http(method, "x?replace", MORE, Cookie=guest)
            assert (reply.status, reply.text.count("\n")) == (403, 1)
        assert (here.folder / "x").read_bytes() == DATA


def test_who_guesses_tokens_has_to_wait() -> None:
    with filed() as here:
        statuses = [here.http("GET", "", token=f"no{number}").status for number in range(30)]
        assert statuses[0] == 401
        assert statuses[-1] == 429


def test_who_is_revoked_or_removed_is_sent_away_and_does_nothing_more() -> None:
    with filed() as here:
        mei, olu = here.token("Mei"), here.token("Olu")
        tokens = here.wait_for(here.board.people.tokens())
        number = next(
            one["number"] for one in tokens if (one["name"], one["label"]) == ("Mei", "files")
        )
        with native(here, mei) as one, native(here, olu) as other:
            assert put(one, "x")["is"] == "put"
            here.wait_for(here.board.people.revoke(number))
            assert one.heard() == {"error": REVOKED}
            assert one.heard() is None
            assert put(other, "y")["is"] == "put"
            here.wait_for(here.board.people.remove("Olu"))
            assert other.heard() == {"error": REVOKED}
        for token in (mei, olu):
            assert here.http("DELETE", "x", token=token).status == 401
        until(lambda: here.board.units["files"].status()["connections"] == 0)
        # what a removed account has put stays, and is an operator's to remove
        assert here.names() == ["x", "y"]
        listed = here.list(here.token("Priya", "operator"))["files"]
        assert [one.get("owner") for one in listed] == ["Mei", None]


def test_a_session_that_ends_while_a_file_comes_keeps_it_from_appearing() -> None:
    with filed() as here:
        mei = here.token("Mei")
        conn = HTTPConnection("127.0.0.1", here.ports["page"], timeout=60)
        conn.putrequest("PUT", "/files/late")
        conn.putheader("Authorization", f"Bearer {mei}")
        conn.putheader("Content-Length", str(len(DATA) * 2))
        conn.endheaders(DATA)
        until(lambda: any(name.startswith(".jackfield-part") for name in here.names()))
        here.wait_for(here.board.people.remove("Mei"))
        conn.send(DATA)
        answer = conn.getresponse()
        assert (answer.status, answer.read().decode().strip()) == (403, LOST)
        conn.close()
        until(lambda: here.names() == [])


@pytest.mark.parametrize("options", ["", "guests = true"])
def test_pages_hear_that_files_have_changed(options: str) -> None:
    with filed(options, is_open=True) as here, here.at_page("Olu") as guest:
        cookie = here.invited("Mei", "member")
        with here.socket(cookie) as page:
            page.send('{"do": "come"}')
            assert json.loads(page.recv(60))["is"] == "welcome"
            here.http("PUT", "x", DATA, Cookie=cookie)
            while json.loads(page.recv(60)) != {"is": "files"}:
                pass
            here.http("DELETE", "x", Cookie=cookie)
            while json.loads(page.recv(60)) != {"is": "files"}:
                pass
        guest.say("done")
        kinds = set()
        while (kind := guest.next()["is"]) != "said":
            kinds.add(kind)
        assert ("files" in kinds) == bool(options)


def test_the_service_stops_and_starts_with_its_routes() -> None:
    with filed() as here:
        cookie = here.owner()
        token = here.token_of(cookie)
        here.do(cookie, "stop", names=["files"])
        reply = here.http("GET", "", token=token)
        assert (reply.status, reply.text) == (503, "the board's files are not served now\n")
        assert json.loads(here.ask("/me", Cookie=cookie).body)["files"] is None
        here.do(cookie, "start", names=["files"])
        assert here.http("PUT", "x", DATA, token).status == 201
        here.do(cookie, "reload", names=["files"])
        assert here.http("GET", "x", token=token).body == DATA
        # without endpoints, by the page alone
        here.write(here.text.replace('endpoints = ["tcp://127.0.0.1:{files}"]', ""))
        here.do(cookie, "reload")
        assert here.http("GET", "x", token=token).body == DATA
        found = next(one for one in here.do(cookie, "status")["services"] if one["name"] == "files")
        assert (found["state"], found["endpoints"]) == ("running", [])
        here.do(cookie, "stop", names=["files"])
        assert here.http("GET", "", token=token).status == 503


def test_a_folder_that_is_not_there_is_the_services_failure_alone() -> None:
    with filed("folder = 'nowhere'") as here:
        assert here.state("files") == "failed"
        assert "nowhere" in here.board.units["files"].why
        assert here.me(here.owner()) == "Ann"
