"""The page behind nginx, in a part of a site that is others' besides."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from jackfield.endpoints import Endpoint
from tests.boards import CONFIG as BOARD
from tests.boards import WholeBoard
from tests.browser.boards import Board, visiting
from tests.commands.people import end
from tests.live import dialed, free_port, until

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin") or ""

pytestmark = [
    pytest.mark.xdist_group("browser"),
    pytest.mark.skipif(
        not NGINX, reason="there is no nginx here (Debian: apt install nginx-light)"
    ),
]

CONFIG = """
daemon off;
pid nginx.pid;
error_log stderr;
events {{ }}
http {{
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxied;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  map $http_upgrade $connection_upgrade {{ default upgrade; "" close; }}
  server {{
    listen 127.0.0.1:{port};
    location /board/ {{
      proxy_pass http://127.0.0.1:{board}{path};
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
    }}
    location / {{
      default_type text/plain;
      return 200 "somebody else's: <$http_cookie>";
    }}
  }}
}}
"""


@contextmanager
def nginx(folder: Path, port: int, board: Endpoint, path: str) -> Iterator[str]:
    """An nginx that has a board's page at /board/; give the address of its site.

    port: of the site. path: what nginx puts in the place of /board/; empty for nothing else.
    """
    config = folder / "nginx.conf"
    config.write_text(CONFIG.format(port=port, board=board.port, path=path), encoding="utf-8")
    process = subprocess.Popen([NGINX, "-p", str(folder), "-c", str(config), "-e", "stderr"])
    try:
        until(lambda: _answers(board.with_port(port)))
        yield f"http://127.0.0.1:{port}/"
    finally:
        end(process)


def _answers(where: Endpoint) -> bool:
    try:
        dialed(where).close()
    except OSError:
        return False
    return True


@pytest.mark.long
@pytest.mark.parametrize(("prefix", "path"), [("", "/"), ("/board", "")])
def test_the_page_works_in_its_part_of_a_site_and_is_seen_in_no_other(
    tmp_path: Path, browser: Browser, prefix: str, path: str
) -> None:
    with (
        Board({"secret": "Olu"}, prefix) as board,
        nginx(tmp_path, free_port(), board.live.endpoints[0], path) as site,
    ):
        board.url = f"{site}board/"
        with visiting(board, browser) as olu, board.typing("Tom") as tom:
            page = olu.page
            page.goto(f"{board.url}in/secret")
            page.click("#door-go")
            expect(page.locator(".link-state.open")).to_have_count(1)
            expect(page).to_have_url(f"{board.url}#/lobby")
            olu.say("through a proxy")
            olu.sees("through a proxy")
            assert tom.line().endswith("Olu: through a proxy")
            tom.send("and back")
            olu.sees("through a proxy", "and back")
            page.reload()
            olu.sees("through a proxy", "and back")
            cookies: list[Any] = olu.context.cookies()
            assert [one["path"] for one in cookies] == ["/board"]

            # Other parts of the site get nothing of it, and lead nowhere.
            request = olu.context.request
            for other in ("", "chat", "me", "boards/"):
                assert request.get(f"{site}{other}").text() == "somebody else's: <>"
            assert request.get(f"{board.url}nowhere").status == 404
            assert request.get(f"{board.url}me").json()["name"] == "Olu"
            foreign = request.post(
                f"{board.url}sign-out",
                data={},
                headers={"Origin": "https://evil.example"},
            )
            assert foreign.status == 403
            page.click("#settings-button")
            page.click("#sign-out")
            expect(page.locator("#token")).to_be_visible()
            assert olu.context.cookies() == []


@pytest.mark.long
def test_a_board_is_reached_by_the_name_of_the_site_and_by_no_other(
    tmp_path: Path, misled: Browser
) -> None:
    port = free_port()
    options = f'options = {{ prefix = "/board", origins = ["http://board.example:{port}"] }}'
    with (
        WholeBoard(text=f"{BOARD}{options}\n") as lab,
        nginx(tmp_path, port, lab.endpoint("page"), "") as site,
        misled.new_context() as context,
        lab.by_lines("Tom") as tom,
    ):
        context.set_default_timeout(20_000)
        page = context.new_page()
        page.goto(f"http://board.example:{port}/board/")
        page.fill("#name", "Mei")
        page.click("#door-go")
        expect(page.locator(".link-state.open")).to_have_count(1)
        page.fill("#text", "by its name")
        page.press("#text", "Enter")
        assert tom.line().endswith("Mei: by its name")
        for name, status in (("evil.example", 421), ("board.example", 200)):
            answer = page.goto(f"http://{name}:{port}/board/me")
            assert answer is not None
            assert answer.status == status
        assert context.request.get(f"{site}board/me").json()["name"] is None  # another cookie's
