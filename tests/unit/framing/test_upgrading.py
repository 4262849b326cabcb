from __future__ import annotations

from typing import Any

import pytest

from jackfield.endpoints import parse
from jackfield.errors import ConfigurationError, UpgradeError
from jackfield.framing import upgrading
from jackfield.framing.http import HTTP, HTTPError, Request, Response
from jackfield.framing.upgrading import (
    Offer,
    Site,
    accept,
    check_installed,
    refusal_of,
    site_of,
)

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455, section 1.3


def asked(target: str = "/", method: str = "GET", **fields: str | None) -> Request:
    """Parse a request as a browser makes it, with these fields in place of its own."""
    used: dict[str, str | None] = {
        "host": "a.example:9999",
        "upgrade": "websocket",
        "connection": "keep-alive, Upgrade",
        "sec-websocket-key": KEY,
        "sec-websocket-version": "13",
    }
    used |= {name.replace("_", "-"): value for name, value in fields.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in used.items() if value is not None)
    (request,) = HTTP().decoder().feed(f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode())
    assert isinstance(request, Request)
    return request


def refused(request: Request, site: Site | None = None) -> Response:
    with pytest.raises(HTTPError) as caught:
        accept(request, site or Site())
    response = refusal_of(caught.value)
    assert response.body.decode() == f"{caught.value}\n"
    assert dict(response.fields)["Content-Length"] == str(len(response.body))
    return response


# What a server refuses


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (asked(method="POST"), 405),
        (asked(method="HEAD"), 405),
        (asked("/other"), 404),
        (asked("//"), 404),
        (asked(upgrade=None), 426),
        (asked(connection="close"), 426),
        (asked(upgrade="h2c"), 426),
        (asked(upgrade="websocket, h2c"), 426),
        (asked(sec_websocket_version="8"), 426),
        (asked(sec_websocket_version=None), 426),
        (asked(sec_websocket_key=None), 400),
        (asked(sec_websocket_key="short"), 400),
        (asked(sec_websocket_key="dG9vIHNob3J0"), 400),
        (asked(sec_websocket_extensions="=;="), 400),
        (asked(origin="https://evil.example"), 403),
    ],
)
def test_a_request_that_is_refused(request_: Request, status: int) -> None:
    response = refused(request_)
    fields = dict(response.fields)
    assert response.status == status
    assert "close" in fields["Connection"]
    assert fields.get("Allow") == ("GET" if status == 405 else None)
    assert fields.get("Sec-WebSocket-Version") == ("13" if status == 426 else None)
    assert fields.get("Upgrade") == ("websocket" if status == 426 else None)


@pytest.mark.parametrize(
    ("origin", "host", "site"),
    [
        ("null", "a.example", Site()),  # a page from a file
        ("a.example", "a.example", Site()),
        ("http://a.example", "b.example", Site()),
        ("http://a.example:8080", "a.example:9999", Site()),
        ("http://a.example", "a.example:9999", Site()),
        ("https://a.example:80", "a.example:443", Site()),
        ("http://a.example, http://a.example", "a.example", Site()),
        ("http://a.example.evil", "a.example", Site(origins=("http://a.example",))),
        # a name of somebody else's that was pointed to this machine
        ("http://evil.example:9999", "evil.example:9999", Site(is_loopback=True)),
        ("http://127.0.0.1.evil.example", "127.0.0.1.evil.example", Site(is_loopback=True)),
    ],
)
def test_a_page_that_may_not_connect(origin: str, host: str, site: Site) -> None:
    response = refused(asked(origin=origin, host=host), site)
    assert response.status == 403
    assert b"?origin= lets them" in response.body


@pytest.mark.parametrize(
    ("origin", "host", "site"),
    [
        (None, "a.example", Site()),  # no browser
        ("http://a.example", "a.example", Site()),
        ("http://a.example", "a.example:80", Site()),
        ("https://A.example:443", "a.EXAMPLE", Site()),
        ("http://[::1]:9999", "[::1]:9999", Site(is_loopback=True)),
        ("http://127.0.0.1:9999", "127.0.0.1:9999", Site(is_loopback=True)),
        ("http://localhost:9999", "localhost:9999", Site(is_loopback=True)),
        ("http://app.localhost:9999", "app.localhost:9999", Site(is_loopback=True)),
        ("https://B.example", "a.example", Site(origins=("https://b.example",))),
        ("https://b.example", "127.0.0.1", Site(origins=("https://b.example",), is_loopback=True)),
        ("null", "a.example", Site(origins=("null",))),
        ("https://anybody.example", "a.example", Site(origins=("any",), is_loopback=True)),
    ],
)
def test_a_page_that_may_connect(origin: str | None, host: str, site: Site) -> None:
    assert accept(asked(origin=origin, host=host), site)[0].status == 101


# What it agrees to


def test_the_answer_of_the_standard() -> None:
    response, deflate = accept(asked(), Site())
    assert response.status == 101
    assert response.fields == {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Accept": ACCEPT,
    }
    assert deflate == 0


@pytest.mark.parametrize("target", ["/chat", "/chat?room=1", "http://a.example/chat"])
def test_the_path_of_an_endpoint(target: str) -> None:
    assert accept(asked(target), Site("/chat"))[0].status == 101
    assert refused(asked(target), Site("/cha")).status == 404
    assert accept(asked(target), Site(None))[0].status == 101


@pytest.mark.parametrize(
    ("offer", "agreed", "window"),
    [
        ("permessage-deflate", "", 12),
        ("permessage-deflate; client_max_window_bits", "", 12),
        ("permessage-deflate; server_max_window_bits=10", "; server_max_window_bits=10", 10),
        ("permessage-deflate; server_no_context_takeover", "", 12),
        ("x-other, permessage-deflate", "", 12),
    ],
)
def test_compression_without_context_takeover(offer: str, agreed: str, window: int) -> None:
    response, deflate = accept(asked(sec_websocket_extensions=offer), Site())
    assert dict(response.fields)["Sec-WebSocket-Extensions"] == (
        f"permessage-deflate; server_no_context_takeover; client_no_context_takeover{agreed}"
    )
    assert deflate == window


@pytest.mark.parametrize("offer", ["x-other", "permessage-deflate; unknown"])
def test_extensions_that_nobody_knows_are_left_out(offer: str) -> None:
    response, deflate = accept(asked(sec_websocket_extensions=offer), Site())
    assert (deflate, "Sec-WebSocket-Extensions" in dict(response.fields)) == (0, False)


def test_no_compression_where_it_is_off() -> None:
    request = asked(sec_websocket_extensions="permessage-deflate")
    assert accept(request, Site(deflate=False))[1] == 0


def test_what_an_endpoint_lets_in() -> None:
    assert site_of(parse("ws://127.0.0.1:1")) == Site(is_loopback=True)
    assert site_of(parse("wss://0.0.0.0:1/a?origin=https://b.test,null&deflate=off")) == Site(
        "/a", ("https://b.test", "null"), deflate=False
    )
    assert site_of(parse("ws://[::1]:1?origin=any&deflate=on")).origins == ("any",)


# A client's side


def answered(offer: Offer, status: int = 101, **fields: str | None) -> int:
    used: dict[str, str | None] = {
        "upgrade": "websocket",
        "connection": "upgrade",
        "sec-websocket-accept": _accept_of(offer),
    }
    used |= {name.replace("_", "-"): value for name, value in fields.items()}
    response = Response(status, {name: value for name, value in used.items() if value})
    response.raw = list(dict(response.fields).items())
    return offer.agreed(response)


def _accept_of(offer: Offer) -> str:
    request = offer.request()
    fields = {name.lower(): value for name, value in request.fields.items()}
    asking = asked(sec_websocket_key=fields["sec-websocket-key"])
    return dict(accept(asking, Site())[0].fields)["Sec-WebSocket-Accept"]


@pytest.mark.parametrize(
    ("url", "target", "host"),
    [
        ("ws://a.example:9999", "/", "a.example:9999"),
        ("ws://a.example:80/chat", "/chat", "a.example"),
        ("wss://a.example:443", "/", "a.example"),
        ("wss://a.example:80", "/", "a.example:80"),
        ("ws://[fe80::1%25eth0]:9999/%C3%BC?query=a=1%26b=2", "/%C3%BC?a=1&b=2", "[fe80::1]:9999"),
    ],
)
def test_what_a_client_asks(url: str, target: str, host: str) -> None:
    request = Offer(parse(url)).request()
    assert (request.method, request.target, request.fields["Host"]) == ("GET", target, host)
    assert "Sec-WebSocket-Extensions" not in request.fields
    assert "Origin" not in request.fields


def test_a_client_offers_compression_if_asked_to() -> None:
    offer = Offer(parse("ws://a.example:1?deflate=on"))
    assert offer.request().fields["Sec-WebSocket-Extensions"] == (
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
        "client_max_window_bits"
    )
    agreed = "permessage-deflate; server_no_context_takeover; client_max_window_bits=9"
    assert answered(offer, sec_websocket_extensions=agreed) == 9
    with pytest.raises(UpgradeError, match="not as a WebSocket begins"):
        answered(offer, sec_websocket_extensions="permessage-deflate")


@pytest.mark.parametrize(
    ("status", "fields", "what"),
    [
        (404, {}, "the server has answered 404 Not Found in place of beginning a WebSocket"),
        (
            301,
            {"location": "ws://b.example/"},
            "the server has answered 301 Moved Permanently to ws://b.example/ in place of",
        ),
        (101, {"upgrade": "h2c"}, "answered 101 Switching Protocols, but not as a WebSocket"),
        (101, {"connection": "close"}, "not as a WebSocket begins"),
        (101, {"sec_websocket_accept": "wrong"}, "not as a WebSocket begins"),
        (101, {"sec_websocket_accept": None}, "not as a WebSocket begins"),
        (101, {"sec_websocket_extensions": "permessage-deflate"}, "not as a WebSocket begins"),
        (101, {"sec_websocket_protocol": "chat"}, "not as a WebSocket begins"),
    ],
)
def test_an_answer_that_begins_no_websocket(status: int, fields: Any, what: str) -> None:
    with pytest.raises(UpgradeError) as caught:
        answered(Offer(parse("ws://a.example:1")), status, **fields)
    assert what in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    check_installed()
    monkeypatch.setattr(upgrading, "ServerProtocol", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'jackfield\[web\]'"):
        check_installed()
