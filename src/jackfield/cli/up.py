"""`jackfield up`: the small services on this machine, all at once."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import click

from jackfield.endpoints import Endpoint, Transport
from jackfield.errors import AddressInUse, ConfigurationError
from jackfield.events import Events
from jackfield.logs import Log, wants_colour
from jackfield.net import files
from jackfield.server import Server
from jackfield.service import find
from jackfield.serving import AnyServer, run_until_signal
from jackfield.version import __version__

SMALL = {
    "echo": "sends back what you send",
    "upper": "the same in upper case",
    "greet": "Hello, NAME! for each NAME",
    "menu": "choose by number, or type help",
    "time": "what the clock says",
    "room": "all who are there hear you",
}

FIRST_PORT = 7001

TRIES = 100
"""Ports tried for one service."""


@click.command(epilog="Example:  jackfield up")
@click.option("--show", is_flag=True, help="Show the messages.")
@click.option("-v", "--verbose", is_flag=True, help="Tell more.")
def up(*, show: bool, verbose: bool) -> None:
    """Start the small services on this machine, until Ctrl-C.

    Each listens on the loopback address alone, on a port from 7001 on by TCP and by UDP, and on
    a UNIX socket; a port that is taken is passed over. One line tells how to try each.

    For now that is all there is to it: a later version starts the board here, with accounts,
    storage and a web page.
    """
    log = Log(sys.stdout, messages=show, verbose=verbose)
    run_until_signal(_Panel(log).start)
    click.echo("Stopped.")


@dataclass
class _Panel:
    """The services, while they are started one after another."""

    log: Log

    async def start(self, started: list[AnyServer]) -> None:
        folder, problem = _folder()
        spare = count(FIRST_PORT + len(SMALL))
        servers: dict[str, Server[Any]] = {}
        try:
            for own_port, name in enumerate(SMALL, FIRST_PORT):
                servers[name] = await _started(name, own_port, spare, folder)
                started.append(servers[name])
        except BaseException:
            for server in started:
                await server.stop()
            raise
        _show(servers)
        if problem:
            click.echo(f"No UNIX sockets: {problem}\n")
        for name, server in servers.items():
            self.log.follow(server.events, name)


async def _started(name: str, port: int, spare: Iterator[int], folder: str | None) -> Server[Any]:
    """Start a service on its own port, or on the next that is free."""
    path: str | None = None if folder is None else f"{folder}/{name}.sock"
    others = count(2)
    service = find(name)
    for tries in count(1):
        tcp = Endpoint(Transport.TCP, "127.0.0.1", port)
        endpoints = [tcp, replace(tcp, transport=Transport.UDP)]
        if path is not None:
            endpoints.append(Endpoint(Transport.UNIX, path=path))
        server = Server(service, *endpoints, events=Events())
        try:
            await server.start()
        except AddressInUse as error:
            if tries > TRIES:
                raise
            if path is not None and str(error).startswith(str(endpoints[-1])):
                path = f"{folder}/{name}-{next(others)}.sock"
            else:
                port = next(spare)
        else:
            break
    return server


def _folder() -> tuple[str | None, str]:
    """Give a folder of the user's own for sockets, or none and why."""
    if sys.platform == "win32":
        return None, "this system has none"
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime and Path(runtime).is_dir():
        path = f"{runtime}/jackfield"
    else:
        path = f"{tempfile.gettempdir()}/jackfield-{os.getuid()}"
    try:
        return files.own_folder(path), ""
    except ConfigurationError as error:
        return None, str(error)


def _show(servers: dict[str, Server[Any]]) -> None:
    """Tell what there is, with a line each to try it with."""
    connect = f"{_command()} connect"
    has_nc = shutil.which("nc") is not None
    width = max(map(len, SMALL.values()))
    title = click.style(f"Jackfield {__version__}", bold=True)
    text = f"{title}: small services, for this machine alone. Ctrl-C stops.\n"
    click.echo(text, color=wants_colour(sys.stdout))
    for name, server in servers.items():
        at = server.endpoints[0]
        line = f"nc {at.host} {at.port}" if has_nc else f"{connect} {at}"
        click.echo(f"  {name:6} {SMALL[name]:{width}}   {line}")
    endpoints = servers["echo"].endpoints
    unix = ", and on a UNIX socket of its name" if endpoints[-1].path else ""
    click.echo(f"\nEach of them also by UDP{unix}:\n")
    for endpoint in endpoints:
        click.echo(f"  {connect} {endpoint}")
    click.echo()


def _command() -> str:
    """Name this very command, as it can be typed here."""
    if shutil.which("jackfield"):
        return "jackfield"
    beside = Path(sys.executable).with_name("jackfield")
    if not beside.exists():
        return f"{sys.executable} -m jackfield"
    here = Path.cwd()
    return str(beside.relative_to(here) if beside.is_relative_to(here) else beside)
