"""The board's page over HTTP, from Python's own client and the websockets package's."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import websockets.sync.client
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from jackfield.board import web
from jackfield.board.web import Page
from jackfield.errors import KeepingFailed
from jackfield.services.chat import Chat
from tests.certificates import Certificates
from tests.live import Live, until
from tests.pages import Names
from tests.web import Browser, Reply

TCP = "tcp://127.0.0.1:0"
JSON = "application/json"


class Board:
    """A page that is served, and a browser at it."""

    def __init__(self, live: Live, browser: Browser, people: Names) -> None:
        self.live = live
        self.browser = browser
        self.people = people

    @property
    def port(self) -> int:
        return self.live.endpoints[0].port

    def post(self, path: str, what: Any, **fields: str) -> Reply:
        body = what if isinstance(what, bytes) else json.dumps(what).encode()
        return self.browser.ask(path, "POST", body, **{"Content_Type": JSON, **fields})

    def sign_in(self, name: str = "Mei") -> str:
        """Sign in; give the cookie, as it is sent back."""
        return self.post("/sign-in", {"name": name}).fields["set-cookie"].partition(";")[0]

    def me(self, cookie: str) -> Any:
        return json.loads(self.browser.ask("/me", Cookie=cookie).body)["name"]

    def socket(self, cookie: str = "", **more: Any) -> websockets.sync.client.ClientConnection:
        fields = {"Cookie": cookie} if cookie else {}
        url = f"ws://127.0.0.1:{self.port}{more.pop('path', '/chat')}"
        conn: websockets.sync.client.ClientConnection = websockets.sync.client.connect(
            url, additional_headers=fields, open_timeout=20, proxy=None, **more
        )
        return conn

    def refused(self, cookie: str = "", **more: Any) -> int:
        with pytest.raises(InvalidStatus) as refused:
            self.socket(cookie, **more)
        return refused.value.response.status_code


@contextmanager
def board(tokens: dict[str, str] | None = None, **how: Any) -> Iterator[Board]:
    chat = Chat()
    people = Names(chat.hub, tokens)
    with (
        Live(Page(chat, people, **how).service(), TCP) as live,
        Browser(live.endpoints[0]) as browser,
    ):
        yield Board(live, browser, people)


@pytest.fixture
def lab() -> Iterator[Board]:
    with board(name="The lab") as made:
        yield made


# The page itself


def test_every_answer_says_that_nothing_foreign_may_run(lab: Board) -> None:
    for path in ("/", "/in/secret", "/me", "/page/0/app.js"):
        fields = lab.browser.ask(path).fields
        policy = fields["content-security-policy"]
        assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert fields["x-content-type-options"] == "nosniff"
        assert fields["referrer-policy"] == "no-referrer"
        assert fields["cross-origin-opener-policy"] == "same-origin"
        assert fields["cache-control"] == "no-store"


def test_the_page_has_no_script_or_style_of_its_own_and_no_address_elsewhere(lab: Board) -> None:
    text = lab.browser.ask("/").text
    assert re.findall(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=|//", text) == []
    for script in (Path(web.__file__).parent / "page").glob("*.js"):
        code = script.read_text()
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", code)


def test_files_are_kept_for_ever_under_an_address_that_changes_with_them(lab: Board) -> None:
    text = lab.browser.ask("/").text
    addresses = re.findall(r'(?:href|src)="(page/[^"]+)"', text)
    assert len(addresses) >= 5
    for address in addresses:
        reply = lab.browser.ask(f"/{address}")
        assert reply.status == 200
        assert reply.fields["cache-control"] == "public, max-age=31536000, immutable"
    script = next(one for one in addresses if one.endswith("app.js"))
    assert reply.fields["x-content-type-options"] == "nosniff"
    plain, packed = (
        lab.browser.ask(f"/{script}"),
        lab.browser.ask(f"/{script}", Accept_Encoding="gzip"),
    )
    assert plain.fields["content-type"] == "text/javascript; charset=utf-8"
    assert "content-encoding" not in plain.fields
    assert packed.fields["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    version = script.split("/")[1]
    assert lab.browser.ask(f"/page/{version[::-1]}x/app.js").status == 404


def test_every_module_that_is_imported_is_there(lab: Board) -> None:
    folder = Path(web.__file__).parent / "page"
    for script in folder.glob("*.js"):
        for name in re.findall(r'from "\./([^"]+)"', script.read_text()):
            assert (folder / name).is_file(), (script.name, name)


def test_both_languages_say_the_same_things(lab: Board) -> None:
    pattern = r'^  (\w+):\s*"((?:[^"\\]|\\.)*)"'
    en: dict[str, str] = {}
    zh: dict[str, str] = {}
    for name in ("words.js", "words-files.js", "words-commands.js"):
        text = (Path(web.__file__).parent / "page" / name).read_text()
        english, _, chinese = text.partition("const ZH = ")
        for words, part in ((en, english), (zh, chinese)):
            found = dict(re.findall(pattern, part, re.MULTILINE))
            assert not words.keys() & found.keys()
            words.update(found)
    assert en.keys() == zh.keys()
    for key, said in en.items():
        assert set(re.findall(r"\{\w+\}", said)) == set(re.findall(r"\{\w+\}", zh[key])), key
    used = set(re.findall(r'data-t(?:-\w+)?="(\w+)"', lab.browser.ask("/").text))
    assert used <= en.keys()


@pytest.mark.parametrize(
    "path",
    [
        "/page/../web.py",
        "/page/{v}/../index.html",
        "/page/{v}/..%2f..%2fweb.py",
        "/page/{v}/index.html",
        "/page/{v}/",
        "/page/{v}/app.js/",
        "/page/{v}/app.js%00",
        "/page/{v}/%61pp.jsx",
        "/page//app.js",
        "/in/",
        "/in/a/b",
        "//",
        "/" + "x" * 2000,
    ],
)
def test_hostile_paths_find_nothing(lab: Board, path: str) -> None:
    version = re.findall(r'"page/(\w+)/', lab.browser.ask("/").text)[0]
    assert lab.browser.ask(path.replace("{v}", version)).status == 404


def test_a_link_shows_the_page_and_is_not_used_up_by_being_looked_at(lab: Board) -> None:
    for method in ("GET", "HEAD", "GET"):
        assert lab.browser.ask("/in/one-time-secret", method).status == 200
    assert lab.people.sources == []
    text = lab.browser.ask("/in/one-time-secret").text
    assert "one-time-secret" not in text
    assert re.findall(r'(?:href|src)="(?!\.\./page/|#)', text) == []


# Signing in and out


def test_a_session_is_a_cookie_that_no_script_and_no_other_site_has(lab: Board) -> None:
    reply = lab.post("/sign-in", {"name": "Mei"})
    assert json.loads(reply.body) == {
        "name": "Mei",
        "owner": False,
        "open": True,
        "board": "The lab",
        "files": None,
        "commands": False,
    }
    cookie, *attributes = reply.fields["set-cookie"].split("; ")
    assert re.fullmatch(rf"jackfield-{lab.port}=[\w-]{{20,}}", cookie)
    assert set(attributes) == {f"Max-Age={web.KEPT}", "HttpOnly", "SameSite=Strict"}
    assert lab.me(cookie) == "Mei"
    assert lab.me("") is None
    assert lab.me(f"other=1; {cookie}; jackfield=x") == "Mei"
    assert lab.me(cookie[:-1]) is None
    assert lab.me(f"jackfield-{lab.port}={'x' * 5000}") is None
    assert lab.people.sources == ["127.0.0.1"]


def test_over_tls_the_cookie_is_never_sent_in_the_clear(
    certificates: Certificates,
) -> None:
    chat = Chat()
    service = Page(chat, Names(chat.hub)).service()
    with (
        Live(service, certificates.url()) as live,
        Browser(live.endpoints[0], ca=certificates.ca) as browser,
    ):
        reply = Board(live, browser, Names(chat.hub)).post("/sign-in", {"name": "Mei"})
    assert "; Secure" in reply.fields["set-cookie"]


def test_a_proxy_says_that_it_was_reached_over_tls(lab: Board) -> None:
    reply = lab.post("/sign-in", {"name": "Mei"}, X_Forwarded_Proto="https")
    assert "; Secure" in reply.fields["set-cookie"]


def test_who_may_not_come_in_is_told_why(lab: Board) -> None:
    reply = lab.post("/sign-in", {"name": "<script>alert(1)</script>"})
    assert reply.status == 403
    assert reply.fields["content-type"] == JSON
    assert "letters" in json.loads(reply.body)["why"]
    assert "set-cookie" not in reply.fields


def test_by_a_token_alone_where_the_board_is_closed() -> None:
    with board({"right": "Olu"}) as lab:
        assert json.loads(lab.browser.ask("/me").body)["open"] is False
        assert lab.post("/sign-in", {"name": "Mei"}).status == 403
        assert lab.post("/sign-in", {"token": "wrong"}).status == 403
        assert json.loads(lab.post("/sign-in", {"token": "right"}).body)["name"] == "Olu"


def test_signing_out_ends_the_session_and_its_sockets(lab: Board) -> None:
    cookie, other = lab.sign_in("Mei"), lab.sign_in("Olu")
    with lab.socket(cookie) as mine, lab.socket(other) as theirs:
        for conn in (mine, theirs):
            conn.send('{"do": "come"}')
            assert json.loads(conn.recv(20))["is"] == "welcome"
        reply = lab.post("/sign-out", {}, Cookie=cookie)
        assert "Max-Age=0" in reply.fields["set-cookie"]
        with pytest.raises(ConnectionClosed):
            list(iter(lambda: mine.recv(20), None))
        theirs.send('{"do": "rooms", "ask": 1}')
        until(lambda: json.loads(theirs.recv(20))["is"] == "rooms")
    assert lab.me(cookie) is None
    assert lab.me(other) == "Olu"
    assert lab.refused(cookie, origin=Origin(f"http://127.0.0.1:{lab.port}")) == 401


def test_who_signs_in_anew_leaves_the_session_before(lab: Board) -> None:
    first = lab.sign_in("Mei")
    assert lab.post("/sign-in", {"name": "Olu"}, Cookie=first).status == 200
    assert lab.me(first) is None


def test_who_signs_in_by_their_own_session_keeps_it(lab: Board) -> None:
    cookie = lab.sign_in()
    secret = cookie.partition("=")[2]
    lab.people.is_open = False
    lab.people.tokens[secret] = "Mei"
    lab.people.next_secret = secret
    assert lab.post("/sign-in", {"token": secret}, Cookie=cookie).status == 200
    assert lab.me(cookie) == "Mei"


def test_a_store_that_fails_is_told_of(lab: Board) -> None:
    lab.people.fails = KeepingFailed("the disk is full")
    reply = lab.post("/sign-in", {"name": "Mei"})
    assert (reply.status, json.loads(reply.body)) == (503, {"why": "the disk is full"})


# Requests that another site's page has sent


@pytest.mark.parametrize("path", ["/sign-in", "/sign-out"])
@pytest.mark.parametrize(
    "fields",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://127.0.0.1.evil.example:{port}"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "cross-site", "Origin": "http://127.0.0.1:{port}"},
    ],
)
def test_another_sites_page_changes_nothing(lab: Board, path: str, fields: dict[str, str]) -> None:
    cookie = lab.sign_in()
    given = {name: value.format(port=lab.port) for name, value in fields.items()}
    reply = lab.post(path, {"name": "Evil"}, Cookie=cookie, **given)
    assert reply.status == 403
    assert "set-cookie" not in reply.fields
    assert "access-control-allow-origin" not in reply.fields
    assert lab.me(cookie) == "Mei"


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b'{"name": "Mei"}', "text/plain", 415),
        (b"name=Mei", "application/x-www-form-urlencoded", 415),
        (b"not json", JSON, 400),
        (b"[]", JSON, 400),
        (b"\xff", JSON, 400),
        (b"[" * 4000, JSON, 400),
        (b'{"name": 1}', JSON, 400),
        (b'{"name": "' + b"x" * 5000 + b'"}', JSON, 413),
    ],
)
def test_only_json_of_a_fair_size_is_taken(lab: Board, body: bytes, kind: str, status: int) -> None:
    assert lab.post("/sign-in", body, Content_Type=kind).status == status


def test_the_boards_own_page_may(lab: Board) -> None:
    own = {"Origin": f"http://127.0.0.1:{lab.port}", "Sec_Fetch_Site": "same-origin"}
    assert lab.post("/sign-in", {"name": "Mei"}, **own).status == 200


def test_what_changes_something_is_no_get(lab: Board) -> None:
    for path in ("/sign-in", "/sign-out"):
        assert lab.browser.ask(path).status == 405


# The chat


def test_a_page_talks_as_the_one_who_has_signed_in(lab: Board) -> None:
    own = Origin(f"http://127.0.0.1:{lab.port}")
    with lab.socket(lab.sign_in(), origin=own) as conn:
        conn.send('{"do": "come", "name": "Somebody else"}')
        assert json.loads(conn.recv(20))["name"] == "Mei"


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
def test_sockets_from_another_sites_page_are_refused(lab: Board, origin: str) -> None:
    cookie = lab.sign_in()
    assert lab.refused(cookie, origin=Origin(origin)) == 403


def test_a_page_that_is_not_signed_in_has_no_socket(lab: Board) -> None:
    assert lab.refused(origin=Origin(f"http://127.0.0.1:{lab.port}")) == 401


def test_the_chat_is_for_sockets_alone(lab: Board) -> None:
    assert lab.browser.ask("/chat").status == 426


def test_another_program_says_itself_who_it_is(lab: Board) -> None:
    with lab.socket() as conn:
        conn.send('{"do": "come", "name": "Terminal"}')
        assert json.loads(conn.recv(20))["name"] == "Terminal"


# Behind a proxy


def test_a_proxy_may_leave_its_prefix_in(lab: Board) -> None:
    del lab
    with board(prefix="/board/") as made:
        text = made.browser.ask("/board/").text
        address = re.findall(r'src="(page/[^"]+)"', text)[0]
        assert made.browser.ask(f"/board/{address}").status == 200
        assert made.browser.ask("/").status == 404
        reply = made.post("/board/sign-in", {"name": "Mei"})
        assert "Path" not in reply.fields["set-cookie"]  # so it is /board, where it came from
        cookie = reply.fields["set-cookie"].partition(";")[0]
        with made.socket(cookie, path="/board/chat") as conn:
            conn.send('{"do": "come"}')
            assert json.loads(conn.recv(20))["name"] == "Mei"


def test_a_proxy_is_reached_by_a_name_of_its_own() -> None:
    address = "https://board.example.org"
    with board(origins=[address]) as made:
        named = {"Host": "board.example.org", "Origin": address, "X_Forwarded_Proto": "https"}
        reply = made.post("/sign-in", {"name": "Mei"}, **named)
        assert reply.fields["set-cookie"].startswith("jackfield=")
        assert made.browser.ask("/", Host="evil.example").status == 421
        assert made.post("/sign-in", {"name": "Olu"}, Origin=address).status == 200
        cookie = f"jackfield-{made.port}={next(iter(made.people.sessions))}"
        with made.socket(cookie, origin=Origin(address)) as conn:
            conn.send('{"do": "come"}')
            assert json.loads(conn.recv(20))["is"] == "welcome"


# Remote commands, of a board that has none


def test_a_page_without_commands_runs_none(lab: Board) -> None:
    cookie = lab.sign_in()
    assert lab.browser.ask("/commands", Cookie=cookie).status == 404
    assert lab.refused(cookie, path="/commands") == 404
