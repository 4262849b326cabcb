"""Tables made from the source, so that no page repeats by hand what the code says.

`{limits}`: the fields of `jackfield.Limits`, each with unit, default and why.
`{bounds}`: those bounds and times that stand elsewhere.
`{url-options}`: the options of endpoint URLs, each with what fits and where it applies.
`{command}`: what a command's `--help` shows.
"""

from __future__ import annotations

from dataclasses import fields
from importlib import import_module
from typing import TYPE_CHECKING

import click
from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from sphinx.pycode import ModuleAnalyzer

from jackfield.cli.main import jackfield
from jackfield.endpoints.options import OPTIONS
from jackfield.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sphinx.application import Sphinx

ELSEWHERE = (
    ("`max_message=` of a framing", "jackfield.framing.base", "DEFAULT_MAX_MESSAGE"),
    ("`max_message=` of `raw()`", "jackfield.framing.raw", "CHUNK"),
    ("`delimiter` of `delimited()`", "jackfield.framing.delimited", "LONGEST_DELIMITER"),
    ("a JSON value", "jackfield.framing.json_lines", "MAX_DEPTH"),
    ("the target of an HTTP request", "jackfield.framing.http", "MAX_TARGET"),
    ("all fields of an HTTP head", "jackfield.framing.http", "MAX_HEAD"),
    ("their number", "jackfield.framing.http", "MAX_FIELDS"),
    ("the body of an HTTP request", "jackfield.framing.http", "MAX_BODY"),
    ("`timeout=` of `connect()`", "jackfield.client", "TIMEOUT"),
)
"""What to call it, and where it stands: with its value in the source and its text below."""

SECONDS = {
    "handshake",
    "first_message",
    "idle",
    "ping",
    "message_time",
    "write_time",
    "session_idle",
    "linger_time",
    "heartbeat",
    "drain",
    "TIMEOUT",
}
BYTES = {
    "message_rate",
    "outbox",
    "write_high",
    "linger_bytes",
    "DEFAULT_MAX_MESSAGE",
    "CHUNK",
    "MAX_HEAD",
    "MAX_BODY",
}


def limits_rows() -> list[tuple[str, str, str]]:
    """Give name, default and why of each limit."""
    why = texts_of("jackfield.limits", "Limits")
    return [
        (f"`{field.name}`", _amount(field.name, field.default), why[field.name])
        for field in fields(Limits)
    ]


def bounds_rows() -> list[tuple[str, str, str]]:
    """Give name, value and meaning of each bound that stands elsewhere."""
    return [
        (
            label,
            _amount(name, getattr(import_module(module), name)),
            texts_of(module, "")[name],
        )
        for label, module, name in ELSEWHERE
    ]


def options_rows() -> list[tuple[str, str, str, str]]:
    """Give an example, the transports, what fits and what for, of each URL option."""
    what = texts_of("jackfield.endpoints.endpoint", "Options")
    return [
        (
            f"`{name}={option.example}`",
            ", ".join(f"`{transport}`" for transport in sorted(option.transports)),
            option.rule,
            what[name],
        )
        for name, option in OPTIONS.items()
    ]


def texts_of(module: str, name: str) -> dict[str, str]:
    """Give the text below each attribute of a class, as one paragraph."""
    found = ModuleAnalyzer.for_module(module).find_attr_docs()
    return {
        attribute: " ".join(" ".join(lines).split())
        for (owner, attribute), lines in found.items()
        if owner == name
    }


def _amount(name: str, default: object) -> str:
    if default == ():
        return "none"
    if name in SECONDS:
        return f"{default:g} s"
    if name in BYTES:
        assert isinstance(default, int)
        kib = default // 1024
        return f"{kib} KiB" if kib % 1024 else f"{kib // 1024} MiB"
    return f"{default:,}"


class _Table(Directive):  # type: ignore[misc]  # docutils has no types
    """A table in Markdown, parsed where the directive stands."""

    head: tuple[str, ...] = ()

    def rows(self) -> Iterable[tuple[str, ...]]:
        """Give the cells of each row."""
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        lines = [
            f"| {' | '.join(cells)} |"
            for cells in (self.head, ["---"] * len(self.head), *self.rows())
        ]
        here = nodes.Element()
        self.state.nested_parse(StringList(lines, "made from the source"), 0, here)
        return list(here.children)


class _Limits(_Table):
    head = ("limit", "default", "what it is, and why")

    def rows(self) -> Iterable[tuple[str, ...]]:
        return limits_rows()


class _Bounds(_Table):
    head = ("for", "bound", "what it is")

    def rows(self) -> Iterable[tuple[str, ...]]:
        return bounds_rows()


class _URLOptions(_Table):
    head = ("option", "for", "what fits", "what for")

    def rows(self) -> Iterable[tuple[str, ...]]:
        return options_rows()


class _Command(Directive):  # type: ignore[misc]  # docutils has no types
    """The help of a command: none for `jackfield` itself."""

    optional_arguments = 1
    final_argument_whitespace = True  # a command of a command

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0] if self.arguments else ""
        text = help_of(name)
        return [nodes.literal_block(text, text, language="text")]


def help_of(name: str) -> str:
    """Give what `jackfield NAME --help` shows."""
    found: click.Command = jackfield
    context = click.Context(jackfield, info_name="jackfield", terminal_width=84)
    for part in name.split():
        inner = found.get_command(context, part) if isinstance(found, click.Group) else None
        assert inner is not None, f"there is no command {name}"
        found = inner
        context = click.Context(found, context, info_name=part, terminal_width=84)
    return found.get_help(context)


def setup(app: Sphinx) -> dict[str, bool]:
    """Hook into Sphinx."""
    app.add_directive("limits", _Limits)
    app.add_directive("bounds", _Bounds)
    app.add_directive("url-options", _URLOptions)
    app.add_directive("command", _Command)
    return {"parallel_read_safe": True}
