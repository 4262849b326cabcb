"""Who may run which programs, and within what bounds: a file of TOML, checked as a whole.

::

    user = "nobody"                     # as whom programs run; without, as the server does
    path = "/usr/bin:/bin"              # PATH of what is run

    [limits]                            # of each call, unless its line says otherwise
    time = "10m"
    output = "1G"
    memory = "512M"
    processes = 64

    [[allow]]
    who = ["anna", "certificate:ci.example.org"]
    program = "/usr/bin/git"
    args = ["log", "--oneline|--stat", "[a-z0-9/]+", "..."]
    folder = "/srv/project"
    env = ["TZ"]
    keep = ["SSH_AUTH_SOCK"]
    limits = { time = "30s" }

Nothing here does I/O but `load()`. The rules this file owns:

1. What no line allows is refused. The first line that fits is the one that holds.
2. A program is an absolute path. Who asks may say its last part alone, or all of it.
3. `args` has a regular expression for each argument, which all of it must match; "..." as the last
   one lets the one before it stand for any number of arguments. Without `args` there may be none;
   `args = "any"` lets any pass.
4. A shell, which runs whatever it is told, is allowed by a line that says `shell = true` alone.

Raises ConfigurationError, with the file and the line at fault, for whatever cannot be used.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from jackfield.errors import ConfigurationError
from jackfield.services import toml
from jackfield.services.toml import At, Toml

ANYONE = "anyone"
"""Whoever is on this machine, and has said nothing of who that is."""

ME = "me"
"""Whoever is on this machine as the same user as the server."""

PATH = "/usr/local/bin:/usr/bin:/bin"

LONGEST_MATCHED = 1000
"""Characters of an argument that is matched: so that no pattern takes long over one."""

MOST_LINES = 1000
MOST_AT_ONCE = 64
"""Commands that run at a time, unless the policy says otherwise."""

SHELLS = frozenset(
    "ash bash busybox csh dash fish ksh mksh nu pwsh rbash sh tcsh zsh".split()  # noqa: SIM905
)

_TOP = frozenset({"user", "path", "folder", "limits", "allow", "at_once"})
_KEYS = frozenset({"who", "program", "args", "folder", "env", "keep", "shell", "limits"})
_LIMITS = frozenset({"time", "output", "memory", "processes", "grace"})

_WHO = re.compile(r"certificate:[^\x00-\x1f]{1,200}|[^:\s\x00-\x1f]{1,64}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h|d)")
_SIZE = re.compile(r"(\d{1,15})([kKMGT]?)(?:i?B)?")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SCALES = {"": 0, "k": 1, "K": 1, "M": 2, "G": 3, "T": 4}
_MANY = "..."

Wrong = Callable[[str], str]
"""Says why a line cannot be for somebody of this name; "" where it can."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one call may use."""

    time: float = 600.0
    """Seconds."""
    output: int = 16 * 1024 * 1024 * 1024
    """Bytes, standard output and error together. No more of it is made than the client takes."""
    memory: int = 512 * 1024 * 1024
    """Bytes: of all its processes where there is a cgroup, else of each."""
    processes: int = 64
    """Processes at a time."""
    grace: float = 2.0
    """Seconds between TERM and KILL."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line: who may run what.

    args: a pattern for each argument; None lets any pass. many: whether the last one stands for
    any number. number: where the line stands, 0 where there is no file.
    """

    who: frozenset[str]
    program: str
    args: tuple[re.Pattern[str], ...] | None = ()
    many: bool = False
    folder: str = "/"
    env: frozenset[str] = frozenset()
    keep: frozenset[str] = frozenset()
    bounds: Bounds = field(default_factory=Bounds)
    number: int = 0

    def is_for(self, program: str) -> bool:
        """Whether this is what somebody asks for: by its path, or the last part of it."""
        wanted = self.program if "/" in program else posixpath.basename(self.program)
        return program == wanted

    def fits(self, args: tuple[str, ...]) -> bool:
        """Whether these arguments, without the program, are allowed."""
        if self.args is None:
            return True
        if self.many:
            if len(args) < len(self.args) - 1:
                return False
            patterns = [*self.args, *self.args[-1:] * (len(args) - len(self.args))]
        elif len(args) != len(self.args):
            return False
        else:
            patterns = [*self.args]
        return all(
            len(arg) <= LONGEST_MATCHED and pattern.fullmatch(arg) is not None
            for arg, pattern in zip(args, patterns, strict=False)
        )


@dataclass(frozen=True, slots=True)
class Policy:
    """What is allowed.

    source: what a refusal calls it: the file's name, or "" where it was made of --allow.
    user: as whom programs run, "" for the server's own. at_once: commands at a time.
    """

    lines: tuple[Line, ...] = ()
    source: str = ""
    user: str = ""
    path: str = PATH
    at_once: int = MOST_AT_ONCE

    def line_for(self, names: Iterable[str], args: tuple[str, ...]) -> Line | None:
        """Give the first line that lets somebody of these names run this; None without."""
        known = frozenset(names)
        for line in self.lines:
            if known & line.who and line.is_for(args[0]) and line.fits(args[1:]):
                return line
        return None

    def names(self, name: str) -> bool:
        """Whether a line is for this name."""
        return any(name in line.who for line in self.lines)

    def refusal(
        self, names: tuple[str, ...], args: tuple[str, ...], find: Callable[[str], str | None]
    ) -> str:
        """Say why somebody may not run this, and which line would let them.

        names: of who asks, at least one. find: gives the path of a program by its name.
        """
        asked = args[0]
        line = next((one for one in self.lines if one.is_for(asked)), None)
        program = line.program if line is not None else asked
        if "/" not in program:
            program = find(program) or f"/PATH/TO/{program}"
        if not self.source:
            return self._not_listed(names[0], asked, line)
        shell = ", shell = true" if posixpath.basename(program) in SHELLS else ""
        patterns = ", ".join(_quoted(_pattern(one)) for one in args[1:])
        given = f", args = [{patterns}]" if patterns else ""
        rule = f"{{ who = [{_quoted(names[0])}], program = {_quoted(program)}{given}{shell} }}"
        why = f"{asked} is not allowed for {names[0]}"
        if line is not None and line.who & frozenset(names):
            why += f" with these arguments (line {line.number} allows others)"
        return f"{why}; in {self.source} this would allow it, in allow = [ … ]: {rule}"

    def _not_listed(self, name: str, asked: str, line: Line | None) -> str:
        if line is not None:
            return f"{asked} is not allowed for {name}, but for who has a token"
        listed = ",".join(posixpath.basename(one.program) for one in self.lines)
        wanted = f"--allow {listed},{asked}" if listed else f"--allow {asked}"
        return f"{asked} is not allowed for {name}; a server started with {wanted} would allow it"


def _quoted(text: str) -> str:
    """Write a text of TOML."""
    inside = "".join(
        f"\\{char}" if char in '"\\' else char if char.isprintable() else f"\\U{ord(char):08x}"
        for char in text
    )
    return f'"{inside}"'


def _pattern(arg: str) -> str:
    """Give the pattern that matches just this argument, in characters that can be seen."""
    return "".join(re.escape(char) if char.isprintable() else f"\\U{ord(char):08x}" for char in arg)


def of_names(names: Iterable[str], find: Callable[[str], str | None], who: Iterable[str]) -> Policy:
    """Make the policy of `--allow`: these programs, with any arguments.

    find: gives the path of a program by its name. Raises ConfigurationError.
    """
    lines = []
    for name in names:
        if "/" in name and not name.startswith("/"):
            raise ConfigurationError(f"--allow {name}: a program is a name, or an absolute path")
        program = name if name.startswith("/") else find(name)
        if program is None:
            raise ConfigurationError(f"--allow {name}: there is no such program on PATH")
        if posixpath.basename(program) in SHELLS:
            raise ConfigurationError(
                f"--allow {name}: a shell runs whatever it is told; that takes a policy file with "
                "shell = true"
            )
        lines.append(Line(frozenset(who), program, args=None))
    if not lines:
        raise ConfigurationError("--allow takes names of programs: --allow date,ls,df")
    return Policy(tuple(lines))


def load(path: str, known: frozenset[str] | None = None, *, wrong: Wrong | None = None) -> Policy:
    """Read a policy. known: names of those who have a token; None where nobody has one.

    wrong: in place of these, where people are known otherwise.
    """
    return _Reader(toml.load(path, trusted=True), known, wrong).policy()


def read(text: str, path: str, known: frozenset[str] | None = None) -> Policy:
    """Read a policy from its text. path: what to call it. known: as in `load()`."""
    return _Reader(Toml(text, path), known).policy()


class _Reader:
    """Checks what was read."""

    def __init__(
        self, found: Toml, known: frozenset[str] | None, wrong: Wrong | None = None
    ) -> None:
        self._toml = found
        self._known = known
        self._wrong = wrong or self._has_no_token

    def policy(self) -> Policy:
        """Make the whole of it."""
        found = self._toml.found
        for key in found:
            if key not in _TOP:
                raise self._toml.unknown((), key, _TOP, "a policy")
        user = self._text(found, (), "user", "")
        path = self._text(found, (), "path", PATH)
        if not all(part.startswith("/") for part in path.split(":")):
            raise self._toml.wrong(("path",), "path has absolute folders, with : between them")
        folder = self._folder(found, (), "/")
        at_once = self._number(found, (), "at_once", MOST_AT_ONCE)
        usual = self._bounds(found, (), Bounds())
        rules = found.get("allow", [])
        if not isinstance(rules, list) or not all(isinstance(one, dict) for one in rules):
            raise self._toml.wrong(("allow",), "allow is a list of tables: write [[allow]]")
        if len(rules) > MOST_LINES:
            raise self._toml.wrong(("allow",), f"more than {MOST_LINES} lines")
        lines = [
            self._line(("allow", number), one, folder, usual) for number, one in enumerate(rules)
        ]
        name = posixpath.basename(self._toml.path)
        return Policy(tuple(lines), name, user, path, at_once)

    def _line(self, at: At, table: dict[str, Any], folder: str, usual: Bounds) -> Line:
        for key in table:
            if key not in _KEYS:
                raise self._toml.unknown(at, key, _KEYS, "a line of allow")
        who = self._texts(table, at, "who")
        for name in who:
            self._check_who((*at, "who"), name)
        program = self._text(table, at, "program", "")
        if not program.startswith("/") or posixpath.normpath(program) != program:
            what = 'program is an absolute path: program = "/usr/bin/date"'
            raise self._toml.wrong((*at, "program"), what)
        shell = table.get("shell", False)
        if not isinstance(shell, bool):
            raise self._toml.wrong((*at, "shell"), "shell is true or false")
        if posixpath.basename(program) in SHELLS and not shell:
            what = f"{program} is a shell, which runs whatever it is told: say shell = true too"
            raise self._toml.wrong((*at, "program"), what)
        args, many = self._args(at, table)
        return Line(
            who=frozenset(who),
            program=program,
            args=args,
            many=many,
            folder=self._folder(table, at, folder),
            env=frozenset(self._variables(table, at, "env")),
            keep=frozenset(self._variables(table, at, "keep")),
            bounds=self._bounds(table, at, usual),
            number=self._toml.line_of((*at, "program")),
        )

    def _check_who(self, at: At, name: str) -> None:
        if not _WHO.fullmatch(name):
            what = f"{name!r} is no name; write one, or certificate:NAME, me or anyone"
            raise self._toml.wrong(at, what)
        wrong = self._wrong(name)
        if wrong:
            raise self._toml.wrong(at, wrong)

    def _has_no_token(self, name: str) -> str:
        own = name in {ANYONE, ME} or name.startswith("certificate:")
        if own or name in (self._known or ()):
            return ""
        return f"nobody has a token as {name}: --token-file FILE names who has one"

    def _args(
        self, at: At, table: dict[str, Any]
    ) -> tuple[tuple[re.Pattern[str], ...] | None, bool]:
        if table.get("args") == "any":
            return None, False
        given = self._texts(table, at, "args") if "args" in table else []
        many = given[-1:] == [_MANY]
        if many:
            given = given[:-1]
        if (many and not given) or _MANY in given:
            what = '"..." stands last, behind the pattern that it repeats'
            raise self._toml.wrong((*at, "args"), what)
        try:
            return tuple(map(re.compile, given)), many
        except (re.error, OverflowError, RecursionError) as error:
            what = f"a pattern of args is no regular expression: {error}"
            raise self._toml.wrong((*at, "args"), what) from None

    def _bounds(self, table: dict[str, Any], at: At, usual: Bounds) -> Bounds:
        given = table.get("limits", {})
        at = (*at, "limits")
        if not isinstance(given, dict):
            raise self._toml.wrong(at, 'limits is a table: limits = { time = "30s" }')
        found: dict[str, Any] = {}
        for key in given:
            if key not in _LIMITS:
                raise self._toml.unknown(at, key, _LIMITS, "limits")
            if key in {"time", "grace"}:
                found[key] = self._duration((*at, key), given[key])
            elif key == "processes":
                found[key] = self._number(given, at, key, 0)
            else:
                found[key] = self._size((*at, key), given[key])
        return replace(usual, **found)

    def _duration(self, at: At, value: Any) -> float:
        parts = _DURATION.fullmatch(value) if isinstance(value, str) else None
        seconds = float(parts[1]) * _UNITS[parts[2]] if parts else 0.0
        if not 0 < seconds <= 10_000_000:
            raise self._toml.wrong(at, f"{at[-1]} is a time, such as 30s, 10m or 2h")
        return seconds

    def _size(self, at: At, value: Any) -> int:
        parts = _SIZE.fullmatch(value) if isinstance(value, str) else None
        size = int(parts[1]) * 1024 ** _SCALES[parts[2]] if parts else 0
        if isinstance(value, int) and not isinstance(value, bool):
            size = value
        if not 0 < size < 1 << 62:
            raise self._toml.wrong(at, f"{at[-1]} is a size, such as 4096, 64K or 512M")
        return size

    def _number(self, table: dict[str, Any], at: At, key: str, usual: int) -> int:
        value = table.get(key, usual)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= 100_000:
            raise self._toml.wrong((*at, key), f"{key} is a whole number from 1 to 100000")
        return value

    def _text(self, table: dict[str, Any], at: At, key: str, usual: str) -> str:
        value = table.get(key, usual)
        if not isinstance(value, str) or "\0" in value or len(value) > 4096:
            raise self._toml.wrong((*at, key), f"{key} is a text")
        return value

    def _texts(self, table: dict[str, Any], at: At, key: str) -> list[str]:
        value = table.get(key)
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise self._toml.wrong((*at, key), f'{key} is a list of texts: {key} = ["…"]')
        return value

    def _variables(self, table: dict[str, Any], at: At, key: str) -> list[str]:
        names = self._texts(table, at, key) if key in table else []
        for name in names:
            if not _VARIABLE.fullmatch(name):
                raise self._toml.wrong((*at, key), f"{name!r} is no name of a variable")
        return names

    def _folder(self, table: dict[str, Any], at: At, usual: str) -> str:
        folder = self._text(table, at, "folder", usual)
        if not folder.startswith("/") or posixpath.normpath(folder) != folder:
            raise self._toml.wrong((*at, "folder"), 'folder is an absolute path: "/srv/data"')
        return folder
