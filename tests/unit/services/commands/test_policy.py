from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.errors import ConfigurationError
from jackfield.services.commands import policy
from jackfield.services.commands.policy import Bounds, of_names, read

POLICY = """\
user = "nobody"
path = "/usr/bin:/bin"
at_once = 3

[limits]
time = "10m"
output = "1M"
memory = 4096
processes = 5
grace = "250ms"

[[allow]]
who = ["anna", "certificate:ci.example.org"]
program = "/usr/bin/git"
args = ["log", "--oneline|--stat", "[a-z0-9/]+", "..."]
folder = "/srv/project"
env = ["TZ"]
keep = ["SSH_AUTH_SOCK"]
limits = { time = "30s" }

[[allow]]
who = ["me"]
program = "/usr/bin/date"

[[allow]]
who = ["anna"]
program = "/bin/sh"
args = "any"
shell = true
"""
KNOWN = frozenset({"anna"})


def find(name: str) -> str | None:
    return {"uptime": "/usr/bin/uptime", "date": "/bin/date", "sh": "/bin/sh"}.get(name)


def test_a_policy_says_who_may_run_what_and_how() -> None:
    found = read(POLICY, "etc/policy.toml", KNOWN)
    assert (found.user, found.path, found.at_once, found.source) == (
        "nobody",
        "/usr/bin:/bin",
        3,
        "policy.toml",
    )
    git, date, shell = found.lines
    assert git.bounds == Bounds(30.0, 1024 * 1024, 4096, 5, 0.25)
    assert date.bounds.time == 600
    assert git.folder == "/srv/project"
    assert (set(git.env), set(git.keep)) == ({"TZ"}, {"SSH_AUTH_SOCK"})
    assert (git.number, date.number, shell.number) == (14, 23, 27)


@pytest.mark.parametrize(
    ("who", "args", "allowed"),
    [
        ("anna", "git log --stat a", True),
        ("anna", "git log --stat a b/c d", True),
        ("anna", "git log --stat", True),
        ("anna", "/usr/bin/git log --stat a", True),
        ("certificate:ci.example.org", "git log --stat a", True),
        ("anna", "git log", False),
        ("anna", "git log --stat a B", False),
        ("anna", "git log --statx a", False),
        ("anna", "git push", False),
        ("anna", "./git log --stat a", False),
        ("anna", "/bin/git log --stat a", False),
        ("anna", "GIT log --stat a", False),
        ("me", "git log --stat a", False),
        ("me", "date", True),
        ("me", "date -s now", False),
        ("anyone", "date", False),
        ("anna", "sh -c anything", True),
    ],
)
def test_what_no_line_allows_is_refused(who: str, args: str, allowed: bool) -> None:
    line = read(POLICY, "policy.toml", KNOWN).line_for([who], tuple(args.split()))
    assert (line is not None) == allowed


@pytest.mark.parametrize("end", ["\n", "x\n", "\nx", " ", "\x00"])
def test_a_pattern_matches_all_of_an_argument(end: str) -> None:
    found = read('allow = [{who=["me"], program="/a", args=["[a-z]+"]}]', "p")
    assert found.line_for(["me"], ("a", "abc"))
    assert not found.line_for(["me"], ("a", f"abc{end}"))


def test_an_argument_that_is_too_long_to_be_matched_is_not_allowed() -> None:
    found = read('allow = [{who=["me"], program="/a", args=["a+"]}]', "p")
    assert found.line_for(["me"], ("a", "a" * policy.LONGEST_MATCHED))
    assert not found.line_for(["me"], ("a", "a" * (policy.LONGEST_MATCHED + 1)))


@given(
    st.lists(
        st.binary(max_size=20).map(lambda data: data.decode("utf-8", "surrogateescape")), max_size=5
    )
)
def test_the_line_that_a_refusal_shows_would_allow_just_that(args: list[str]) -> None:
    """The rule in a refusal, put into a policy, allows what was refused, and no other arguments."""
    asked = ("uptime", *args)
    told = read("", "policy.toml").refusal(("anna", "me"), asked, find)
    rule = told.partition("in allow = [ … ]: ")[2]
    assert rule.startswith('{ who = ["anna"], program = "/usr/bin/uptime"')
    found = read(f"allow = [{rule}]", "policy.toml", KNOWN)
    assert found.line_for(["anna"], asked)
    assert not found.line_for(["anna"], (*asked, "x"))
    assert not found.line_for(["me"], asked)


def test_a_refusal_says_which_line_allows_other_arguments() -> None:
    found = read(POLICY, "policy.toml", KNOWN)
    assert found.refusal(("me",), ("date", "-u"), find) == (
        "date is not allowed for me with these arguments (line 23 allows others); in policy.toml "
        'this would allow it, in allow = [ … ]: { who = ["me"], program = "/usr/bin/date", '
        'args = ["\\\\-u"] }'
    )
    assert "shell = true }" in read("", "p").refusal(("me",), ("sh", "-c", "x"), find)
    assert 'program = "/PATH/TO/zz"' in found.refusal(("me",), ("zz",), find)


def test_a_list_of_programs_is_a_policy_too() -> None:
    found = of_names(["date", "/opt/x y"], find, ["me"])
    assert [line.program for line in found.lines] == ["/bin/date", "/opt/x y"]
    assert found.line_for(["me"], ("date", "-u"))
    assert not found.line_for(["anyone"], ("date",))
    assert found.refusal(("me",), ("uptime",), find) == (
        "uptime is not allowed for me; a server started with --allow date,x y,uptime would allow it"
    )
    assert found.refusal(("anyone",), ("date",), find) == (
        "date is not allowed for anyone, but for who has a token"
    )


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ([], "--allow takes names of programs"),
        (["nope"], "--allow nope: there is no such program on PATH"),
        (["./x"], "--allow ./x: a program is a name, or an absolute path"),
        (["sh"], "--allow sh: a shell runs whatever it is told"),
    ],
)
def test_what_cannot_be_in_a_list_is_told(names: list[str], says: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        of_names(names, find, ["me"])
    assert str(caught.value).startswith(says)


LINE = '[[allow]]\nwho = ["me"]\nprogram = "/bin/date"\n'
WRONG = [
    ("x = ", 1, "Invalid value"),
    ("usr = 3", 1, "a policy has no 'usr'; did you mean user?"),
    ("user = 3", 1, "user is a text"),
    ('path = "bin"', 1, "path has absolute folders"),
    ("at_once = 0", 1, "at_once is a whole number"),
    ("at_once = true", 1, "at_once is a whole number"),
    ('folder = "srv"', 1, "folder is an absolute path"),
    ("\nlimits = 3", 2, "limits is a table"),
    ("[limits]\n\ntime = 3", 3, "time is a time"),
    ("[limits]\ngrace = '0s'", 2, "grace is a time"),
    ("[limits]\noutput = 'big'", 2, "output is a size"),
    ("[limits]\noutput = true", 2, "output is a size"),
    ("[limits]\nprocesses = 1.5", 2, "processes is a whole number"),
    ("[limits]\ncpu = 1", 2, "limits has no 'cpu'"),
    ("allow = 3", 1, "allow is a list of tables"),
    ("allow = [3]", 1, "allow is a list of tables"),
    (LINE + LINE + "whom = 1", 7, "a line of allow has no 'whom'; did you mean who?"),
    ('[[allow]]\nprogram = "/bin/x"', 1, "who is a list of texts"),
    ('[[allow]]\nwho = "me"\nprogram = "/bin/x"', 2, "who is a list of texts"),
    ('[[allow]]\nwho = ["a b"]\nprogram = "/bin/x"', 2, "'a b' is no name"),
    ('[[allow]]\nwho = ["bob"]\nprogram = "/bin/x"', 2, "nobody has a token as bob"),
    ('[[allow]]\nwho = ["me"]', 1, "program is an absolute path"),
    ('[[allow]]\nwho = ["me"]\nprogram = "date"', 3, "program is an absolute path"),
    ('[[allow]]\nwho = ["me"]\nprogram = "/bin/../date"', 3, "program is an absolute path"),
    ('[[allow]]\nwho = ["me"]\nprogram = "/bin/bash"', 3, "/bin/bash is a shell"),
    (LINE + "shell = 1", 4, "shell is true or false"),
    (LINE + "args = 3", 4, "args is a list of texts"),
    (LINE + 'args = ["("]', 4, "a pattern of args is no regular expression"),
    (LINE + 'args = ["..."]', 4, '"..." stands last'),
    (LINE + 'args = ["...", "a"]', 4, '"..." stands last'),
    (LINE + 'env = ["A=B"]', 4, "'A=B' is no name of a variable"),
    (LINE + 'keep = ["1A"]', 4, "'1A' is no name of a variable"),
    (LINE + 'limits = { time = "1" }', 4, "time is a time"),
    (
        'allow = [\n  { who = ["me"], program = "/bin/a" },\n  { who = ["me"], program = "b" },\n]',
        3,
        "program is an absolute path",
    ),
    ("allow = [" + "{}," * 1001 + "]", 1, "more than 1000 lines"),
    ("x = " + "[" * 5000, 1, ""),
]


@pytest.mark.parametrize(("text", "line", "says"), WRONG, ids=range(len(WRONG)))
def test_what_is_wrong_is_told_with_its_line(text: str, line: int, says: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(text, "policy.toml", KNOWN)
    if says:
        assert str(caught.value).startswith(f"policy.toml, line {line}: {says}")


def test_a_policy_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text(LINE)
    assert policy.load(str(path)).lines[0].program == "/bin/date"
    path.write_bytes(b"\n\nuser = '\xff'")
    with pytest.raises(ConfigurationError, match="line 3: this is no UTF-8"):
        policy.load(str(path))
    with pytest.raises(ConfigurationError, match="No such file"):
        policy.load(str(tmp_path / "none"))
