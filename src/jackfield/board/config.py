"""A board's configuration: a file of TOML, checked as a whole before anything of it is used.

::

    [board]
    name = "The lab"

    [services.chat]                          # the chat by lines, the page, and files are there
    endpoints = ["tcp://127.0.0.1:7000"]     # without a word about them; `enabled = false`
                                             # leaves one out
    [services.page]
    endpoints = ["tcp://127.0.0.1:7080"]
    options = { origins = ["https://board.example.org"], prefix = "/board" }    # at a proxy

    [services.files]                         # on the page; with endpoints, for `jackfield put` too
    endpoints = ["tls://0.0.0.0:7002"]
    options = { folder = "/srv/lab/files", quota = "100G", max_file = "4G", guests = true }

    [services.commands]                      # what operators may run: not there without it
    policy = "policy.toml"                   # beside this file; a path
    endpoints = ["tls://0.0.0.0:7022"]       # for `jackfield run` beside the page

    [services.clock]                         # any other service, by a name of one's own
    service = "time"
    endpoints = ["tcp://127.0.0.1:7013", "udp://127.0.0.1:7013"]
    model = "threads"
    options = { protocol = "daytime" }
    limits = { connections = 20 }

Raises ConfigurationError, with the file and the line at fault, for whatever cannot be used.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from typing import Any, Literal, cast

from jackfield.board.filing import OPTIONS, checked
from jackfield.endpoints import Endpoint, parse
from jackfield.errors import ConfigurationError, EndpointError
from jackfield.limits import DEFAULT, Limits
from jackfield.models.names import MODELS, ModelName
from jackfield.services import toml
from jackfield.services.toml import Toml

MOST_SERVICES = 100

MOST_ORIGINS = 20
"""Places by which the page is reached from elsewhere."""

_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]{1,64}){1,8}")
_ORIGIN = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\])(:(?P<port>[0-9]{1,5}))?/?"
)

CHAT = "chat"
PAGE = "page"
FILES = "files"
COMMANDS = "commands"
_OWN = frozenset({CHAT, PAGE, FILES, COMMANDS})
_OWN_OPTIONS = {CHAT: (), PAGE: ("origins", "prefix"), FILES: OPTIONS, COMMANDS: ()}

_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
_KEYS = frozenset({"service", "endpoints", "model", "options", "limits", "enabled"})
_LIMITS = {field.name: field for field in fields(Limits)}

Where = Literal["here", "lan", "lan, in the clear"]
"""Who can reach a board that says nothing of its own about that: this machine, or the network."""

_DEFAULT: dict[Where, dict[str, str]] = {
    "here": {CHAT: "tcp://127.0.0.1:7000", PAGE: "tcp://127.0.0.1:7080"},
    "lan": {CHAT: "tls://0.0.0.0:7000", PAGE: "tls://0.0.0.0:7443"},
    "lan, in the clear": {CHAT: "tcp://0.0.0.0:7000", PAGE: "tcp://0.0.0.0:7080"},
}


@dataclass(frozen=True, slots=True)
class ServiceConfig:
    """One service of a board.

    service: which one, as `jackfield serve` calls it; chat, page, files and commands are the
    board's own.
    endpoints: none of files and commands that are reached through the page alone.
    limits: in place of the service's own, by name.
    """

    name: str
    service: str
    endpoints: tuple[Endpoint, ...]
    model: ModelName = "asyncio"
    options: tuple[tuple[str, Any], ...] = ()
    limits: tuple[tuple[str, Any], ...] = ()

    def limits_over(self, own: Limits) -> Limits:
        """Give the limits, over those that the service has of its own."""
        return replace(own, **dict(self.limits))


@dataclass(frozen=True, slots=True)
class Config:
    """What a board is to be. Equal ones make the same board."""

    name: str = "Jackfield"
    services: tuple[ServiceConfig, ...] = ()

    def service(self, name: str) -> ServiceConfig | None:
        """Give the service of a name."""
        return next((one for one in self.services if one.name == name), None)


def load(path: str | None, where: Where = "here") -> Config:
    """Read a configuration file; without one, give the default.

    where: who can reach the chat and the page, unless the file says so.
    """
    if path is None:
        return read("", "the default configuration", where)
    return _Reader(toml.load(path), _DEFAULT[where]).config()


def read(text: str, path: str, where: Where = "here") -> Config:
    """Read a configuration. path: what to call it in an error. where: as for `load()`."""
    return _Reader(Toml(text, path), _DEFAULT[where]).config()


class _Reader:
    """Checks what was read, and says where it stands."""

    def __init__(self, file: Toml, usual: dict[str, str]) -> None:
        self._usual = usual
        self._wrong = file.wrong
        self._file = file

    def config(self) -> Config:
        """Make the whole of it."""
        found = self._file.found
        for key in found:
            if key not in {"board", "services"}:
                raise self._wrong((key,), f"{key!r} means nothing here; there are board, services")
        board = self._table(found, "board")
        for key in board:
            if key != "name":
                raise self._wrong(("board", key), f"a board has no {key!r}; it has a name")
        name = board.get("name", "Jackfield")
        if not isinstance(name, str) or not 0 < len(name) <= 64 or not name.isprintable():
            raise self._wrong(("board", "name"), "a board's name is a text of 1 to 64 characters")
        given = self._table(found, "services")
        tables: dict[str, Any] = {CHAT: {}, PAGE: {}, FILES: {}} | given
        if len(tables) > MOST_SERVICES:
            raise self._wrong(("services",), f"more than {MOST_SERVICES} services")
        services = [self._service(key, tables[key]) for key in tables]
        return Config(name, tuple(one for one in services if one is not None))

    def _service(self, name: str, table: Any) -> ServiceConfig | None:
        at = "services", name
        if not _NAME.fullmatch(name):
            what = "a service is called by lower-case letters, digits and hyphens, a letter first"
            raise self._wrong(at, what)
        if not isinstance(table, dict):
            raise self._wrong(at, f"write [services.{name}] on a line of its own")
        known = _KEYS | {"policy"} if name == COMMANDS else _KEYS
        for key in table:
            if key not in known:
                close = get_close_matches(key, known, 1)
                hint = f"; did you mean {close[0]}?" if close else ""
                raise self._wrong((*at, key), f"a service has no {key!r}{hint}")
        if table.get("enabled", True) is False:
            return None
        service = table.get("service", name)
        if not isinstance(service, str):
            raise self._wrong((*at, "service"), "service is a name, such as echo")
        if name in _OWN and service != name:
            raise self._wrong(
                (*at, "service"), f"{name} is the board's own; call another otherwise"
            )
        model = table.get("model", "asyncio")
        if model not in MODELS:
            raise self._wrong((*at, "model"), f"a model is one of {', '.join(MODELS)}")
        if name in _OWN and model != "asyncio":
            raise self._wrong((*at, "model"), f"{name} runs under asyncio, which the board does")
        return ServiceConfig(
            name,
            service,
            self._endpoints(at, table),
            cast("ModelName", model),
            self._own_options(at, table) if name in _OWN else self._options(at, table),
            self._limits(at, table),
        )

    def _policy(self, at: tuple[str, ...], table: dict[str, Any]) -> str:
        """Give the path of the file that says who may run what: beside this one, or absolute."""
        path = table.get("policy")
        if not isinstance(path, str) or not path or "\0" in path:
            what = 'commands runs what a policy allows; name its file: policy = "policy.toml"'
            raise self._wrong((*at, "policy"), what)
        return os.path.join(os.path.dirname(self._file.path), os.path.expanduser(path))  # noqa: PTH111, PTH118, PTH120  as it is written, for messages

    def _endpoints(self, at: tuple[str, ...], table: dict[str, Any]) -> tuple[Endpoint, ...]:
        at = (*at, "endpoints")
        urls = table.get("endpoints")
        if urls is None and at[1] in _OWN:
            if at[1] not in self._usual:
                return ()
            urls = [self._usual[at[1]]]
        if not isinstance(urls, list) or not urls or not all(isinstance(url, str) for url in urls):
            what = 'endpoints is a list of URLs: endpoints = ["tcp://127.0.0.1:7001"]'
            raise self._wrong(at, what)
        try:
            return tuple(map(parse, urls))
        except EndpointError as error:
            raise self._wrong(at, str(error)) from None

    def _options(self, at: tuple[str, ...], table: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
        options = table.get("options", {})
        if not isinstance(options, dict):
            raise self._wrong((*at, "options"), "options is a table: options = { once = true }")
        return tuple((key.replace("-", "_"), _frozen(value)) for key, value in options.items())

    def _own_options(
        self, at: tuple[str, ...], table: dict[str, Any]
    ) -> tuple[tuple[str, Any], ...]:
        """Give the options of a service of the board's own: as that takes them."""
        found = dict(self._options(at, table))
        at = (*at, "options")
        known = _OWN_OPTIONS[at[1]]
        for key in found:
            if key not in known:
                has = f"it has {', '.join(known)}" if known else "it has none"
                raise self._wrong((*at, key), f"{at[1]} has no option {key!r}; {has}")
        if at[1] == COMMANDS:
            found["policy"] = self._policy(at[:-1], table)
        if at[1] == FILES:
            for key, value in found.items():
                try:
                    found[key] = checked(key, value)
                except ConfigurationError as error:
                    raise self._wrong((*at, key), str(error)) from None
        if "origins" in found:
            origins = found["origins"]
            if not isinstance(origins, tuple) or not 0 < len(origins) <= MOST_ORIGINS:
                raise self._wrong((*at, "origins"), f"origins is a list of 1 to {MOST_ORIGINS}")
            found["origins"] = tuple(self._origin((*at, "origins"), one) for one in origins)
        prefix = found.get("prefix", "/board")
        if not isinstance(prefix, str) or not _PREFIX.fullmatch(prefix):
            what = "prefix is a path as a proxy leaves it in: /board, without a slash at its end"
            raise self._wrong((*at, "prefix"), what)
        return tuple(found.items())

    def _origin(self, at: tuple[str, ...], text: Any) -> str:
        """Read one of the page's origins; give it as browsers write it."""
        found = _ORIGIN.fullmatch(text.lower()) if isinstance(text, str) else None
        if found is None or int(found["port"] or 1) not in range(1, 65536):
            shown = str(text)[:100]
            what = f"{shown!r} is no origin; write https://board.example.org, with no path"
            raise self._wrong(at, what)
        usual = {"http": "80", "https": "443"}[found["scheme"]]
        port = "" if found["port"] in {None, usual} else f":{found['port']}"
        return f"{found['scheme']}://{found['host']}{port}"

    def _limits(self, at: tuple[str, ...], table: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
        given = table.get("limits", {})
        if not isinstance(given, dict):
            raise self._wrong((*at, "limits"), "limits is a table: limits = { connections = 20 }")
        found: list[tuple[str, Any]] = []
        for key, value in given.items():
            if key not in _LIMITS:
                close = get_close_matches(key, _LIMITS, 1)
                hint = f"; did you mean {close[0]}?" if close else ""
                raise self._wrong((*at, "limits"), f"there is no limit {key!r}{hint}")
            kind = type(getattr(DEFAULT, key))
            fits = isinstance(value, int | float) and not isinstance(value, bool)
            if kind is tuple:
                fits = isinstance(value, list) and all(isinstance(one, str) for one in value)
            if not fits:
                raise self._wrong((*at, "limits"), f"the limit {key} cannot be {value!r}")
            found.append((key, tuple(value) if kind is tuple else kind(value)))
        try:
            replace(DEFAULT, **dict(found))
        except ConfigurationError as error:
            raise self._wrong((*at, "limits"), str(error)) from None
        return tuple(found)

    def _table(self, found: Mapping[str, Any], key: str) -> dict[str, Any]:
        table = found.get(key, {})
        if not isinstance(table, dict):
            raise self._wrong((key,), f"{key} is a table: write [{key}] on a line of its own")
        return table


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
