"""A board's configuration: what it says, and which line is at fault."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.board.config import CHAT, FILES, PAGE, load, read
from jackfield.board.filing import with_defaults
from jackfield.endpoints import parse
from jackfield.errors import ConfigurationError
from jackfield.limits import DEFAULT

WRONG = [
    ("a = ", 1, "Invalid value"),
    ("other = 1", 1, "'other' means nothing here; there are board, services"),
    ("\n[board]\nname = 3", 3, "a board's name is a text"),
    ("[board]\ncolour = 'red'", 2, "a board has no 'colour'; it has a name"),
    ("board = 3", 1, "board is a table"),
    ("services = 3", 1, "services is a table"),
    ("[services]\necho = 3", 2, "write [services.echo] on a line of its own"),
    ("[services.Echo]", 1, "a service is called by lower-case letters"),
    ("[services.echo]\nendpoint = []", 2, "no 'endpoint'; did you mean endpoints?"),
    ("[services.echo]", 1, "endpoints is a list of URLs"),
    ("[services.echo]\nendpoints = []", 2, "endpoints is a list of URLs"),
    ("[services.echo]\nendpoints = ['tcp://x']", 2, "the port is missing"),
    ("[services.echo]\n\nendpoints = [3]", 3, "endpoints is a list of URLs"),
    ("[services.e]\nservice = 3\nendpoints = ['tcp://x:1']", 2, "service is a name"),
    ("[services.e]\nendpoints = ['tcp://x:1']\nmodel = 'fast'", 3, "a model is one of asyncio"),
    ("[services.e]\nendpoints = ['tcp://x:1']\noptions = 3", 3, "options is a table"),
    ("[services.e]\nendpoints = ['tcp://x:1']\nlimits = 3", 3, "limits is a table"),
    (
        "[services.e]\nendpoints = ['tcp://x:1']\nlimits = { idel = 3 }",
        3,
        "there is no limit 'idel'; did you mean idle?",
    ),
    ("[services.e]\nendpoints = ['tcp://x:1']\nlimits = { idle = -3 }", 3, "the limit idle is"),
    ("[services.e]\nendpoints = ['tcp://x:1']\nlimits = { idle = 'x' }", 3, "idle cannot be 'x'"),
    ("[services.e]\nendpoints = ['tcp://x:1']\nlimits = { allow = 3 }", 3, "allow cannot be 3"),
    ("[services.chat]\nmodel = 'threads'", 2, "chat runs under asyncio"),
    ("[services.files]\nmodel = 'threads'", 2, "files runs under asyncio"),
    ("[services.files.options]\nfolders = 'x'", 2, "files has no option 'folders'; it has folder,"),
    ("[services.files.options]\nfolder = ''", 2, "folder is a path"),
    ("[services.files.options]\nread_only = 1", 2, "read_only is true or false"),
    ("[services.files.options]\nkeep_parts = 0", 2, "keep_parts is a number of seconds"),
    *(
        (f"[services.files.options]\n{key} = {value}", 2, f"{key} is a size")
        for key in ("quota", "max_file")
        for value in ("0", "-1", "true", "1.5", "'0K'", "'ten'", f"{1 << 62}")
    ),
    ("[services.page]\nservice = 'web'", 2, "page is the board's own"),
    ("[services.chat]\noptions = { origins = [] }", 2, "chat has no option 'origins'; it has none"),
    ("[services.page]\noptions = { origin = 'x' }", 2, "has no option 'origin'; it has origins, p"),
    ("[services.page]\noptions = { origins = 'x' }", 2, "origins is a list of 1 to 20"),
    ("[services.page]\noptions = { origins = [] }", 2, "origins is a list of 1 to 20"),
    (f"[services.page]\noptions = {{ origins = {['http://a'] * 21} }}", 2, "a list of 1 to 20"),
    (
        "[services.page.options]\nprefix = '/b'\norigins = ['https://a.example/b']",
        3,
        "'https://a.example/b' is no origin; write https://board.example.org, with no path",
    ),
    ("[services.commands]\n", 1, 'name its file: policy = "policy.toml"'),
    ("[services.commands]\n\npolicy = 3", 3, "name its file"),
    ('[services.commands]\npolicy = "a\\u0000b"', 2, "name its file"),
    ("[services.commands]\npolicy = 'p'\noptions = { allow = ['ls'] }", 3, "it has none"),
    ("[services.clock]\npolicy = 'p'\n", 2, "a service has no 'policy'"),
    *(
        (f"[services.page]\n\noptions = {{ origins = [{one}] }}", 3, "is no origin")
        for one in (
            *("3", "'board.example.org'", "'ftp://x'", "'https://'", "'https://a b'"),
            *("'https://u@x'", "'https://x:0'", "'https://x:65536'", "'https://x?'", "'null'"),
            "'https://é.example'",
        )
    ),
    *(
        (f"[services.page.options]\nprefix = {one}", 2, "prefix is a path")
        for one in ("3", "''", "'/'", "'board'", "'/board/'", "'/a//b'", "'/{x}'", "'/a?b'", "'/é'")
    ),
]


@pytest.mark.parametrize(("text", "line", "what"), WRONG)
def test_what_cannot_be_used_is_refused_with_its_line(text: str, line: int, what: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        read(text, "x.toml")
    assert str(error.value).startswith(f"x.toml, line {line}: ")
    assert what in str(error.value)
    assert "\n" not in str(error.value)


def test_a_page_behind_a_proxy() -> None:
    options = "origins = ['HTTPS://Board.example.org:443/', 'http://[::1]:8080'], prefix = '/a/b'"
    page = read(f"[services.page]\noptions = {{ {options} }}", "x.toml").service(PAGE)
    assert page
    assert dict(page.options) == {
        "origins": ("https://board.example.org", "http://[::1]:8080"),
        "prefix": "/a/b",
    }


def test_without_a_word_there_are_chat_page_and_files_on_this_machine() -> None:
    found = load(None)
    assert [one.name for one in found.services] == [CHAT, PAGE, FILES]
    *others, files = found.services
    assert all(one.endpoints[0].is_loopback for one in others)
    assert files.endpoints == ()
    for where in ("lan", "lan, in the clear"):
        *reached, files = load(None, where).services
        assert files.endpoints == ()
        assert all(one.endpoints[0].is_any for one in reached)
        tls = {one.endpoints[0].transport.uses_tls for one in reached}
        assert tls == {where == "lan"}


def test_a_service_is_what_its_table_says() -> None:
    text = """
    [services.page]
    enabled = false

    [services.clock]
    service = "time"
    endpoints = ["tcp://127.0.0.1:7013", "udp://127.0.0.1:7013"]
    model = "threads"
    options = { protocol = "daytime" }
    limits = { connections = 20, idle = 5, allow = ["10.0.0.0/8"] }
    """
    found = read(text, "x.toml")
    assert [one.name for one in found.services] == [CHAT, FILES, "clock"]
    clock = found.service("clock")
    assert clock is not None
    assert clock.service == "time"
    assert clock.endpoints == (parse("tcp://127.0.0.1:7013"), parse("udp://127.0.0.1:7013"))
    assert (clock.model, dict(clock.options)) == ("threads", {"protocol": "daytime"})
    limits = clock.limits_over(DEFAULT)
    assert (limits.connections, limits.idle, limits.allow) == (20, 5.0, ("10.0.0.0/8",))
    assert found == read(text, "another.toml")
    assert found.service(PAGE) is None


def test_the_policy_of_commands_is_beside_the_configuration() -> None:
    text = "[services.commands]\npolicy = '{}'\n"
    for path, found in (("p.toml", "/etc/lab/p.toml"), ("/srv/p.toml", "/srv/p.toml")):
        commands = read(text.format(path), "/etc/lab/x.toml").service("commands")
        assert commands
        assert (dict(commands.options), commands.endpoints) == ({"policy": found}, ())
    assert load(None).service("commands") is None


def test_files_have_bounds_that_are_written_as_sizes() -> None:
    text = "[services.files.options]\nfolder = '/srv/x'\nquota = '100G'\nmax_file = 4096\n"
    files = read(text + "keep_parts = 60\nguests = true\n", "x.toml").service(FILES)
    assert files is not None
    found = {"folder": "/srv/x", "quota": 100 << 30, "max_file": 4096, "keep_parts": 60.0}
    assert dict(files.options) == found | {"guests": True}
    given = with_defaults(dict(files.options))
    assert given == found | {"guests": True, "read_only": False, "no_remove": False}
    assert with_defaults({"quota": 4096})["max_file"] == 4096


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="ENOENT"):
        load(str(tmp_path / "nowhere.toml"))
    file = tmp_path / "x.toml"
    file.write_bytes(b"[board]\nname = '\xff'\n")
    with pytest.raises(ConfigurationError, match="line 2: this is no UTF-8"):
        load(str(file))


@given(st.text(max_size=200))
def test_whatever_a_file_holds_it_is_read_or_refused_in_one_line(text: str) -> None:
    try:
        read(text, "x.toml")
    except ConfigurationError as error:
        lines = str(error).count("\n")
        assert not lines
