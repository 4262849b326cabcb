"""`jackfield serve`: one service, ready-made or your own."""

from __future__ import annotations

import os
import sys
import traceback
from dataclasses import replace
from functools import partial
from typing import Any

import click
from click.shell_completion import CompletionItem

from jackfield.cli.certificates import with_files
from jackfield.cli.values import duration, size
from jackfield.endpoints import Endpoint, parse
from jackfield.errors import ConfigurationError, JackfieldError
from jackfield.events import Events
from jackfield.framing.names import parse as parse_framing
from jackfield.logs import Log
from jackfield.metrics import Metrics
from jackfield.models.names import MODELS
from jackfield.net.access import is_network
from jackfield.net.binding import listen_fds
from jackfield.recording import Recorder
from jackfield.server import Server
from jackfield.service import READY, Service, find
from jackfield.services.status import make as make_status
from jackfield.serving import AnyServer, run
from jackfield.workers.supervisor import MOST as MOST_WORKERS
from jackfield.workers.supervisor import Supervisor


def _complete_service(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    del ctx, param
    return [CompletionItem(name) for name in READY if name.startswith(incomplete)]


@click.command(
    epilog="""Examples:

    \b
      jackfield serve echo tcp://127.0.0.1:9999 udp://127.0.0.1:9999
      jackfield serve greet tcp://127.0.0.1:9999 --model threads --delay 1s --show
      jackfield serve menu unix:///tmp/menu.sock --language zh
      jackfield serve commands tcp://127.0.0.1:7022 --allow date,ls,df
      jackfield serve mine:service tcp://127.0.0.1:9999

    Ctrl-C stops it: nobody new is let in, and those there have five seconds to finish. SIGHUP
    makes it read certificates, and the file of a menu or a policy, anew."""
)
@click.argument("service", required=False, shell_complete=_complete_service)
@click.argument("endpoints", metavar="ENDPOINT...", nargs=-1)
@click.option(
    "--model",
    type=click.Choice(list(MODELS)),
    metavar="NAME",
    default="asyncio",
    show_default=True,
    help="Where handlers run: asyncio, threads, processes or inline.",
)
@click.option(
    "--workers",
    metavar="N",
    type=click.IntRange(1, MOST_WORKERS),
    help="So many processes that share the endpoints, each with its own model.",
)
@click.option(
    "--framing",
    metavar="NAME",
    help="How bytes are cut into messages, in place of the service's own: raw, lines, "
    "lines:gbk, length:4, netstring, json, ...",
)
@click.option(
    "--max-connections",
    metavar="N",
    type=click.IntRange(min=1),
    help="Connections in total; past it a new one is told so and closed.",
)
@click.option(
    "--max-connections-per-ip",
    metavar="N",
    type=click.IntRange(min=1),
    help="Connections from one address.",
)
@click.option(
    "--allow",
    metavar="NETWORK",
    multiple=True,
    help="Who alone may connect: an address or 192.0.2.0/24. Can be given again. commands: also "
    "which programs may be run, in place of a policy: date,ls,df.",
)
@click.option(
    "--deny", metavar="NETWORK", multiple=True, help="Who may not, even if allowed. Likewise."
)
@click.option("--cert", metavar="FILE", help="Certificate for tls:// endpoints, with its chain.")
@click.option("--key", metavar="FILE", help="Its private key, unless it is in the same file.")
@click.option("--ca", metavar="FILE", help="Authorities; clients must show a certificate of one.")
@click.option("--once", is_flag=True, help="Answer once, then close.")
@click.option(
    "--delay", metavar="TIME", callback=duration, help="Wait before each answer: 1s, 250ms."
)
@click.option("--file", metavar="FILE", help="menu: the menu, in TOML.")
@click.option("--language", metavar="en|zh", help="menu: of the built-in menu.")
@click.option("--protocol", metavar="daytime|time", help="time: RFC 867 or RFC 868.")
@click.option("--hello", metavar="TEXT", help="web: answer by this, in place of a folder.")
@click.option(
    "--auth",
    metavar="NAME:sha256:HEX",
    multiple=True,
    help="web: who may see it, by the digest of a password. Can be given again.",
)
@click.option(
    "--host", metavar="NAME", multiple=True, help="web: a name it answers to. Can be given again."
)
@click.option("--hidden", is_flag=True, help="web: serve names that begin with a dot, too.")
@click.option("--follow-links", is_flag=True, help="web: follow links out of the folder.")
@click.option(
    "--max-file", metavar="SIZE", callback=size, help="files: the most one may have: 10M, 4G."
)
@click.option("--quota", metavar="SIZE", callback=size, help="files: the most all may have.")
@click.option(
    "--keep-parts",
    metavar="TIME",
    callback=duration,
    help="files: how long what has come of one is kept to be gone on with; 7d unless given.",
)
@click.option("--read-only", is_flag=True, help="files: nothing can be put or removed.")
@click.option("--no-remove", is_flag=True, help="files: nothing can be removed or replaced.")
@click.option("--policy", metavar="FILE", help="commands: who may run what, in TOML.")
@click.option(
    "--token-file", metavar="FILE", help="commands: who has a token; NAME:sha256:HEX a line."
)
@click.option("--show", is_flag=True, help="Show the messages.")
@click.option(
    "--dump", is_flag=True, help="Show all bytes, in hexadecimal and as text, inside TLS too."
)
@click.option(
    "--record", metavar="FILE", help="Keep all bytes with their time in a new file, to replay."
)
@click.option(
    "--metrics",
    metavar="ENDPOINT",
    help="Serve counters for Prometheus there, and who is connected: tcp://127.0.0.1:9100.",
)
@click.option("--json", "as_json", is_flag=True, help="Tell what happens as JSON, a line each.")
@click.option("-v", "--verbose", is_flag=True, help="Tell more.")
def serve(
    *,
    service: str | None,
    endpoints: tuple[str, ...],
    model: str,
    workers: int | None,
    framing: str | None,
    max_connections: int | None,
    max_connections_per_ip: int | None,
    allow: tuple[str, ...],
    deny: tuple[str, ...],
    cert: str | None,
    key: str | None,
    ca: str | None,
    show: bool,
    dump: bool,
    record: str | None,
    metrics: str | None,
    as_json: bool,
    verbose: bool,
    **options: Any,
) -> None:
    """Serve SERVICE at one or more endpoints, until Ctrl-C.

    SERVICE is one of these, or your own as package.module:service (the current folder is looked
    in too):

    \b
      echo   sends back what comes
      upper  sends it back in upper case
      greet  answers each NAME with Hello, NAME!
      menu   a numbered menu
      time   what the clock says
      room   what one sends, all others hear
      chat   people in rooms, by lines and for jackfield chat
      commands  programs of this machine, by a policy: see jackfield run
      web    a folder over HTTP: jackfield serve web FOLDER tcp://127.0.0.1:8080
      files  a folder for jackfield put, get, ls and rm:
             jackfield serve files FOLDER ENDPOINT

    An ENDPOINT is a URL: tcp://127.0.0.1:9999, tls://, ws://127.0.0.1:9999/PATH, wss://, udp://,
    unix:///PATH, unix+dgram:, unix+seqpacket:, fd://3. Port 0 takes any free one. Without an
    ENDPOINT the sockets that systemd has passed are served.
    """  # noqa: D301  click takes the character itself
    if service is None:
        raise click.UsageError(f"which service? there are {', '.join(READY)}, and your own")
    given, endpoints = _options(service, options, endpoints)
    programs = tuple(one for one in allow if service == "commands" and not is_network(one))
    allow = tuple(one for one in allow if one not in programs)
    given |= {"allow": programs} if programs else {}
    chosen = parse_framing(framing) if framing else None
    if chosen is not None and service in READY:
        given["framing"] = chosen
    found = _find(service, given, verbose=verbose)
    wanted: dict[str, Any] = {
        "connections": max_connections,
        "connections_per_source": max_connections_per_ip,
        "allow": allow,
        "deny": deny,
    }
    limits = replace(found.limits, **{name: value for name, value in wanted.items() if value})
    where = [parse(url) for url in endpoints] or listen_fds()
    if not where:
        raise click.UsageError("where? an endpoint is missing, for example tcp://127.0.0.1:9999")
    if cert or key or ca:
        where = _with_files(where, cert, key, ca)
    events = Events()
    is_http = (chosen or found.framing).name == "http"
    peers = verbose or not is_http  # of browsers it is what they ask for that matters
    log = Log(sys.stdout, messages=show, dump=dump, as_json=as_json, verbose=verbose, peers=peers)
    log.follow(events)
    how: dict[str, Any] = {"model": model, "limits": limits, "framing": chosen, "events": events}
    server: AnyServer
    if workers is None:
        server = Server(found, *where, **how)
    else:
        server = Supervisor(found, *where, workers=workers, **how)
    if verbose:
        used = chosen or found.framing
        text = f"{found.name}, framing {used.name}, model {model}, process {os.getpid()}"
        click.echo(text, err=True)
    renew = None if ":" in service else partial(find, service, **given)
    others = [_status(server, metrics, log)] if metrics else []
    recorder = Recorder(record) if record else None  # last: what is wrong else leaves no file
    if recorder is not None:
        recorder.follow(events)
    try:
        named = "http" if is_http else framing or ""
        run(server, *others, connect_framing=named, renew=renew)
    except JackfieldError:  # it has not started
        if recorder is not None:
            recorder.discard()
        raise


def _status(server: AnyServer, where: str, log: Log) -> Server[Any]:
    """Make the server that tells how this one is. Of its own events only trouble is logged."""
    if not parse(where).is_stream:
        raise click.UsageError("--metrics is HTTP, so a stream: for example tcp://127.0.0.1:9100")
    metrics = Metrics()
    metrics.follow(server)
    events = Events()
    log.follow(events, "metrics", quiet=True)
    return Server(make_status(metrics, [server]), where, events=events)


def _options(
    service: str, options: dict[str, Any], arguments: tuple[str, ...]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Give the options that were given, and the endpoints: some have a folder before them."""
    given = {name: value for name, value in options.items() if value}
    if service not in {"web", "files"} or "hello" in given:
        return given, arguments
    if not arguments or "://" in arguments[0]:
        other = "; or --hello TEXT in place of one" if service == "web" else ""
        raise click.UsageError(
            f"which folder? for example: jackfield serve {service} . tcp://127.0.0.1:8080{other}"
        )
    return given | {"folder": arguments[0]}, arguments[1:]


def _find(name: str, options: dict[str, Any], *, verbose: bool) -> Service[Any]:
    """Get the service; one's own may fail in any way while it is loaded."""
    if ":" not in name:
        return find(name, **options)
    sys.path.insert(0, os.getcwd())  # noqa: PTH109  sys.path holds strings
    try:
        return find(name, **options)
    except JackfieldError:
        raise
    except Exception as error:
        if verbose:
            traceback.print_exc()
        text = f"{name}: loading it failed: {type(error).__name__}: {error}"
        where = traceback.extract_tb(error.__traceback__)[-1]
        raise ConfigurationError(
            f"{text} ({where.filename}, line {where.lineno}; -v shows the traceback)"
        ) from error


def _with_files(
    where: list[Endpoint], cert: str | None, key: str | None, ca: str | None
) -> list[Endpoint]:
    if not any(endpoint.transport.uses_tls for endpoint in where):
        what = "--cert, --key and --ca are for tls:// and wss:// endpoints"
        raise click.UsageError(f"{what}; there is none")
    return [
        with_files(endpoint, cert, key, ca) if endpoint.transport.uses_tls else endpoint
        for endpoint in where
    ]
