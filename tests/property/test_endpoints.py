from __future__ import annotations

import pickle

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jackfield.endpoints import Transport, parse
from jackfield.errors import EndpointError


def percent_encoded(text: str | bytes) -> str:
    data = text.encode("utf-8") if isinstance(text, str) else text
    return "".join(f"%{byte:02X}" for byte in data)


no_nul = st.binary(min_size=1, max_size=40).filter(lambda data: b"\0" not in data)
labels = st.from_regex(r"[a-zA-Z_]([a-zA-Z0-9_-]{0,20}[a-z0-9_])?", fullmatch=True)
zones = st.from_regex(r"[A-Za-z0-9._~-]{1,15}", fullmatch=True)
hosts = st.one_of(
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(lambda address: f"[{address}]"),
    st.ip_addresses(v=6).map(lambda address: f"[{address.exploded.upper()}]"),
    st.ip_addresses(v=4).map(lambda address: f"[::ffff:{address}]"),
    st.builds("[{}%25{}]".format, st.ip_addresses(v=6), zones),
    st.lists(labels, min_size=1, max_size=4).map(".".join),
    st.sampled_from(["", "例子.测试", "bücher.test", "１２７.0.0.1", "a.test."]),
)
ports = st.integers(0, 65535)
sizes = st.builds("{}{}".format, st.integers(1, 1000), st.sampled_from(["", "K", "M", "k", "m"]))
flags = st.sampled_from(["on", "off"])
files = st.one_of(no_nul.map(percent_encoded), st.from_regex(r"[a-z./?=+中]{1,20}", fullmatch=True))
STREAMS = {
    "backlog": st.integers(1, 65535).map(str),
    "nodelay": flags,
    "keepalive": st.one_of(
        st.just("off"),
        st.integers(1, 32767).map("{}s".format),
        st.integers(1, 546).map("{}m".format),
        st.integers(1, 32767).map("{}000ms".format),
    ),
}
BUFFERS = {"rcvbuf": sizes, "sndbuf": sizes}
FILES = {"cert": files, "key": files, "ca": files}
DATAGRAMS = {
    "broadcast": flags,
    "group": st.one_of(
        st.ip_addresses(network="224.0.0.0/4").map(str),
        st.ip_addresses(network="ff00::/8").map(str),
    ),
    "interface": zones,
    "ttl": st.integers(1, 255).map(str),
}


def queries(options: dict[str, st.SearchStrategy[str]]) -> st.SearchStrategy[str]:
    """Some of these options, in any order."""
    return (
        st.fixed_dictionaries({}, optional=options)
        .flatmap(lambda some: st.permutations(sorted(some.items())))
        .map(lambda items: "?" + "&".join(f"{name}={value}" for name, value in items))
    )


resources = st.one_of(
    st.just(""),
    st.just("/"),
    no_nul.map(lambda data: f"/{percent_encoded(data)}"),
    st.from_regex(r"(/[a-z0-9._~!$&'()*+,;=:@ü中%41-]{0,8}){1,3}", fullmatch=True).map(
        lambda path: path.replace("%", "%41")
    ),
)
WEBSOCKET = {
    "origin": st.sampled_from(
        ["any", "null", "https://a.test", "http://[::1]:8000,https://b.test"]
    ),
    "deflate": flags,
    "query": st.from_regex(r"[a-z0-9=/?+,@]{1,20}", fullmatch=True),
}
unix_places = st.builds(
    "{}{}".format,
    st.sampled_from(["/", "///", "@", "//@", "%40"]),
    no_nul.filter(lambda data: not data.endswith(b"/")).map(percent_encoded),
)
right_urls: st.SearchStrategy[str] = st.one_of(
    st.builds("tcp://{}:{}{}".format, hosts, ports, queries(STREAMS | BUFFERS)),
    st.builds("tls://{}:{}{}".format, hosts, ports, queries(STREAMS | BUFFERS | FILES)),
    st.builds("ws://{}:{}{}{}".format, hosts, ports, resources, queries(STREAMS | WEBSOCKET)),
    st.builds("wss://{}:{}{}{}".format, hosts, ports, resources, queries(FILES | WEBSOCKET)),
    st.builds("udp://{}:{}{}".format, hosts, ports, queries(BUFFERS | DATAGRAMS)),
    st.builds(
        "{}:{}{}".format,
        st.sampled_from(["unix", "unix+seqpacket"]),
        unix_places,
        queries({"backlog": STREAMS["backlog"], "sndbuf": sizes}),
    ),
    st.builds("unix+dgram:{}{}".format, unix_places, queries({"sndbuf": sizes})),
    st.integers(0, 2**31 - 1).map("fd://{}".format),
    st.from_regex(r"memory://[\w.~-]{1,20}", fullmatch=True),
)
WORDS = [*map(str, Transport), *STREAMS, *BUFFERS, *FILES, *DATAGRAMS, *WEBSOCKET]
SIGNS = [*":/@[]%?&=#.- 。", "://", "//", "::", "%25", "%00", "%ff"]
SCRAPS = ["127.", "256", "0", "0x", "99999", "on", "64K", "30s", "a.test", "例", "٣", "ß"]
UNSEEN = ["\u00ad", "\u2028", "\ufe0f", "\udcff", "\0", "\n"]
pieces = st.sampled_from(WORDS + SIGNS + SCRAPS + UNSEEN)


@st.composite
def nearly_right_urls(draw: st.DrawFn) -> str:
    """A right URL of which a part is gone, doubled, or something else."""
    url = draw(right_urls)
    start, end = sorted((draw(st.integers(0, len(url))), draw(st.integers(0, len(url)))))
    return url[:start] + draw(st.one_of(pieces, st.just(""), st.just(url[start:] * 2))) + url[end:]


any_text = st.one_of(
    st.text(alphabet=st.characters(codec=None)),  # lone surrogates too, as in sys.argv
    st.lists(pieces).map("".join),
    nearly_right_urls(),
)


@given(right_urls)
def test_right_url_is_taken(url: str) -> None:
    """A URL made by the rules is an endpoint; its canonical URL gives the same, and stays."""
    endpoint = parse(url)
    assert parse(str(endpoint)) == endpoint
    assert str(parse(str(endpoint))) == str(endpoint)
    assert hash(parse(str(endpoint))) == hash(endpoint)
    assert pickle.loads(pickle.dumps(endpoint)) == endpoint  # noqa: S301  # made right here


@given(any_text)
@example("tcp://a.test:" + "9" * 4000)
@example("tcp://" + "9" * 4000 + ".1.1.1:1")
@example("tcp://a.test:1?rcvbuf=" + "9" * 4000 + "K")
def test_text_is_an_endpoint_or_refused_in_one_line(text: str) -> None:
    """Any text gives an endpoint, whose URL gives it again, or EndpointError and nothing else.

    The error's text is one line that can be printed, and ends with a URL that is right.
    """
    try:
        endpoint = parse(text)
    except EndpointError as error:
        line = str(error)
        assert line.isprintable()
        assert len(line) < 5000
        what, separator, right = line.rpartition("; for example ")
        assert what
        assert separator
        assert str(parse(right)) == right
    else:
        assert parse(str(endpoint)) == endpoint
        assert str(endpoint).isprintable()


@given(st.ip_addresses(network="127.0.0.0/8"), ports)
def test_loopback_network_is_loopback(address: object, port: int) -> None:
    """Every address of 127.0.0.0/8 is loopback, in IPv6's clothes too."""
    assert parse(f"tcp://{address}:{port}").is_loopback
    assert parse(f"tcp://[::ffff:{address}]:{port}").is_loopback


@given(st.integers(65536))
def test_port_past_the_last_is_refused(port: int) -> None:
    """No number past 65535 is a port."""
    with pytest.raises(EndpointError, match=r"is past 65535; for example tcp://a\.test:9999$"):
        parse(f"tcp://a.test:{port}")
