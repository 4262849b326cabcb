"""What another site's page can do to a board by the browser of somebody who is signed in: nothing.

The other page is of another port of the same host, to which a browser sends the board's cookie, of
another name of this machine, or of a name whose owner says that it is this machine's.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from jackfield.events import RequestAnswered
from tests.browser.boards import Board, Visitor, visiting

pytestmark = pytest.mark.xdist_group("browser")

ATTACK = """async ({ page, lines }) => {
  const said = {};
  const ask = async (name, address, how) => {
    const answer = await fetch(address, { credentials: "include", ...how }).catch(() => null);
    said[name] = answer === null ? "refused" : answer.type;
  };
  const json = { "Content-Type": "application/json" };
  const body = '{"name": "Evil", "token": ""}';
  await ask("read", `${page}me`);
  await ask("unseen", `${page}me`, { mode: "no-cors" });
  for (const path of ["sign-in", "sign-out", "board"]) {
    await ask(`${path} as text`, page + path, { method: "POST", mode: "no-cors", body });
    await ask(`${path} as json`, page + path, { method: "POST", headers: json, body });
    await ask(`${path} beacon`, page + path, { method: "POST", mode: "no-cors", keepalive: true,
      headers: { "Content-Type": "application/x-www-form-urlencoded" }, body });
  }
  await ask("lines", lines, { method: "POST", mode: "no-cors",
    body: "Evil\\r\\nsaid by another site\\r\\n".repeat(20) });
  said.socket = await new Promise((done) => {
    const socket = new WebSocket(`${page.replace("http", "ws")}chat`);
    socket.onopen = () => { socket.send('{"do": "come", "name": "Evil"}'); done("open"); };
    socket.onerror = () => done("refused");
  });
  said.script = await new Promise((done) => {
    const script = document.createElement("script");
    script.onload = () => done("loaded");
    script.onerror = () => done("refused");
    script.src = `${page}me`;
    document.body.append(script);
  });
  const frame = document.createElement("iframe");
  frame.name = "framed";
  const loaded = new Promise((done) => { frame.onload = done; });
  frame.src = page;
  document.body.append(frame);
  await loaded;
  const form = document.createElement("form");
  Object.assign(form, { method: "POST", action: `${page}sign-out`, target: "framed" });
  form.enctype = "text/plain";
  form.innerHTML = "<input name='{\\"a\\":\\"' value='\\"}'>";
  document.body.append(form);
  const sent = new Promise((done) => { frame.onload = done; });
  form.submit();
  await sent;
  return said;
}"""


class Evil(BaseHTTPRequestHandler):
    """The other site: an empty page, whatever is asked for."""

    def do_GET(self) -> None:  # its name in the standard library
        body = b"<!doctype html><body>evil"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  as it is called there
        """Nobody is told."""


@pytest.fixture(scope="module")
def evil_port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Evil) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def attack(board: Board, victim: Visitor, address: str) -> Any:
    """Have the victim's browser open another page, which does what it can; give what it got."""
    page = victim.context.new_page()
    framed: list[str] = []
    page.on("framenavigated", lambda frame: framed.append(frame.url))
    page.goto(f"{address}/")
    lines = f"http://127.0.0.1:{board.lines.endpoints[0].port}/"
    said = page.evaluate(ATTACK, {"page": board.url, "lines": lines})
    assert board.url not in framed  # what is framed is the browser's own page, which says so
    page.close()
    return said


@pytest.mark.long
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "evil.example"])
def test_another_sites_page_reads_nothing_and_changes_nothing(
    board: Board, misled: Browser, evil_port: int, host: str
) -> None:
    with visiting(board, misled) as mei, board.typing("Tom") as tom:
        mei.come("Mei")
        sources = list(board.people.sources)
        said = attack(board, mei, f"http://{host}:{evil_port}")
        mei.elsewhere.clear()  # where the other page has been
        assert set(said.values()) == {"refused"}
        tried = {(one.method, one.target, one.status) for one in board.live.of(RequestAnswered)}
        assert {("POST", path, 403) for path in ("/sign-in", "/sign-out", "/board")} < tried
        assert ("GET", "/chat", 403) in tried  # so it is the board that has refused
        assert board.people.sources == sources  # nobody has even tried to sign in
        assert board.chat.hub.people == ["Mei", "Tom"]
        mei.say("still signed in")
        mei.sees("still signed in")
        assert tom.line().endswith("Mei: still signed in")
        mei.page.reload()
        expect(mei.page.locator("#own")).to_contain_text("Mei")
        assert board.said() == ["still signed in"]


@pytest.mark.long
def test_a_name_that_turns_out_to_be_this_machine_is_answered_nothing(
    board: Board, misled: Browser
) -> None:
    port = board.live.endpoints[0].port
    with misled.new_context() as context:
        page = context.new_page()
        reached = page.goto(f"http://evil.example:{port}/")
        assert reached is not None
        assert reached.status == 421
        said = page.evaluate(
            """async () => {
              const ask = async (path, how) => (await fetch(path, how)).status;
              const headers = { "Content-Type": "application/json" };
              const body = '{"name": "Evil"}';
              const socket = await new Promise((done) => {
                const socket = new WebSocket(`ws://${location.host}/chat`);
                socket.onopen = () => done("open");
                socket.onerror = () => done("refused");
              });
              return [await ask("/me"), await ask("/sign-in", { method: "POST", headers, body }),
                socket];
            }"""
        )
        assert said == [421, 421, "refused"]
    assert board.people.sources == []
