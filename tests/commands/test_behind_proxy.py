"""A board whose page is a part of another site: behind nginx, as the documentation has it."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import websockets.sync.client
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from tests.commands.test_up import CONFIG, Up
from tests.live import PATIENCE, free_port, until

NGINX = shutil.which("nginx")
ORIGIN = "http://board.example.org"
OPTIONS = f'options = {{ origins = ["{ORIGIN}"], prefix = "/board" }}\n'
PAGE_PORT = 'endpoints = ["tcp://127.0.0.1:{page}"]\n'
GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "talk-on-the-page.md"


def asked(
    port: int, path: str, body: object = None, **fields: str
) -> tuple[int, str, http.client.HTTPMessage]:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, PATIENCE)) as conn:
        sent = None if body is None else json.dumps(body)
        more = {"Content-Type": "application/json"} if sent else {}
        conn.request("POST" if sent else "GET", path, sent, {**more, **fields})
        answer = conn.getresponse()
        return answer.status, answer.read().decode(), answer.headers


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    folder = tmp_path_factory.mktemp("board")
    ports = {name: free_port() for name in ("chat", "page", "clock")}
    (folder / "ports.json").write_text(json.dumps(ports), encoding="utf-8")
    config = CONFIG.format(**ports)
    where = PAGE_PORT.format(**ports)
    (folder / "jackfield.toml").write_text(config.replace(where, where + OPTIONS), "utf-8")
    with Up(folder) as it:
        yield it


def secret_of(board: Up) -> str:
    link: str = json.loads(board.told("invite", "--json"))["link"]
    assert link.startswith(f"{ORIGIN}/board/in/")
    return link.rpartition("/")[2]


def test_links_lead_to_the_proxy(board: Up) -> None:
    assert f"  In a browser   {ORIGIN}/board/in/" in board.text
    assert secret_of(board)
    port = board.ports["page"]
    assert asked(port, "/board/", Host="board.example.org")[0] == 200
    assert asked(port, "/", Host="board.example.org")[0] == 404
    assert asked(port, "/board/", Host="evil.example")[0] == 421


def test_an_option_that_cannot_be_is_refused_with_its_line_and_all_goes_on(board: Up) -> None:
    before = board.config.read_text("utf-8")
    line = before.splitlines().index(OPTIONS.strip()) + 1
    board.config.write_text(before.replace('"/board"', '"board/"'), "utf-8")
    done = board.ask("reload")
    board.config.write_text(before, "utf-8")
    assert done.returncode == 2
    assert f"line {line}: prefix is a path as a proxy leaves it in" in done.stderr
    assert asked(board.ports["page"], "/board/", Host="board.example.org")[0] == 200


def test_another_prefix_holds_from_a_reload_on(tmp_path: Path) -> None:
    with Up(tmp_path) as it:
        port = it.ports["page"]
        assert asked(port, "/")[0] == 200
        where = PAGE_PORT.format(**it.ports)
        before = it.config.read_text("utf-8")
        it.config.write_text(before.replace(where, where + OPTIONS), "utf-8")
        it.told("reload")
        assert [asked(port, path)[0] for path in ("/", "/board/")] == [404, 200]
        it.config.write_text(before, "utf-8")
        it.told("reload")
        assert [asked(port, path)[0] for path in ("/", "/board/")] == [200, 404]
        assert it.stop() == 0


@contextlib.contextmanager
def nginx(folder: Path, board: Up) -> Iterator[int]:
    """Run nginx with the location of the documentation before a board; give its port."""
    found = re.search(r"```nginx\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    assert found
    location = found[1].replace(":7080", f":{board.ports['page']}")
    port = free_port()
    (folder / "nginx.conf").write_text(
        f"""
        daemon off; pid {folder}/pid; error_log {folder}/log; events {{ }}
        http {{
            access_log off;
            client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
            uwsgi_temp_path {folder}; scgi_temp_path {folder};
            server {{ listen 127.0.0.1:{port}; {location} }}
        }}
        """,
        "utf-8",
    )
    assert NGINX
    log = str(folder / "log")
    process = subprocess.Popen([NGINX, "-p", str(folder), "-e", log, "-c", f"{folder}/nginx.conf"])
    try:
        until(lambda: (folder / "pid").exists() or process.poll() is not None)
        assert process.poll() is None, (folder / "log").read_text("utf-8")
        yield port
    finally:
        process.terminate()
        process.wait(PATIENCE)


@pytest.mark.skipif(NGINX is None, reason="there is no nginx on this machine")
def test_people_come_in_and_talk_by_nginx(board: Up, tmp_path: Path) -> None:
    with nginx(tmp_path, board) as port:
        named = {"Host": "board.example.org"}
        status, text, _ = asked(port, "/board/", **named)
        assert (status, "<html" in text) == (200, True)
        script = re.findall(r'src="(page/[^"]+)"', text)[0]
        assert asked(port, f"/board/{script}", **named)[0] == 200
        body = {"name": "Mei", "token": secret_of(board)}
        foreign = {"Origin": "http://evil.example"}
        assert asked(port, "/board/sign-in", body, **named, **foreign)[0] == 403
        status, _, fields = asked(port, "/board/sign-in", body, **named, Origin=ORIGIN)
        assert status == 200
        cookie = fields["Set-Cookie"].partition(";")[0]
        url = f"ws://127.0.0.1:{port}/board/chat"
        # The cookie has the port where it was given: none, by the name of the site.
        cookie = cookie.replace("=", f"-{port}=", 1)
        with pytest.raises(InvalidStatus):
            websockets.sync.client.connect(
                url, origin=Origin("http://evil.example"), open_timeout=PATIENCE, proxy=None
            )
        with websockets.sync.client.connect(
            url,
            additional_headers={"Cookie": cookie},
            origin=Origin(ORIGIN),
            open_timeout=PATIENCE,
            proxy=None,
        ) as conn:
            conn.send('{"do": "come"}')
            assert json.loads(conn.recv(PATIENCE))["name"] == "Mei"
