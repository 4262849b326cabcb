"""`jackfield fetch`: what a browser does, without one, and shown."""

from __future__ import annotations

from typing import Any

import click

from jackfield.cli.fetched import Wishes, fetch_all
from jackfield.cli.running import run
from jackfield.cli.values import duration, size
from jackfield.client import TIMEOUT
from jackfield.errors import LocalError
from jackfield.fetching.asking import IDLE, REDIRECTS, RETRIES
from jackfield.fetching.saving import checksum
from jackfield.fetching.urls import URL, parse
from jackfield.net import files, stdio
from jackfield.net.tls import client_context

MOST_DATA = 64 * 1024 * 1024
"""Bytes of a body to send: it is held in memory, so that it can be sent again."""


@click.command(
    epilog="""Exit status: 0 done, 1 something else, 2 wrong usage, 6 no such name, 7 refused or no
    way there, 8 no HTTP, 18 cut off, 22 an HTTP status of 400 or above, 28 too slow, 35 TLS, 47
    redirects, 61 content coding, 63 too large, 130 Ctrl-C. The numbers are curl's. With several
    URLs it is that of the first one that failed.

    \b
    Examples:
      jackfield fetch https://example.org/
      jackfield fetch -v https://example.org/ > page.html
      jackfield fetch -O --checksum sha256:9f86d0... https://example.org/film.mkv
      jackfield fetch --continue -O https://example.org/film.mkv
      jackfield fetch -d name=Ada -H 'Accept: text/html' https://example.org/"""
)
@click.argument("urls", metavar="URL...", nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    "outputs",
    metavar="FILE",
    multiple=True,
    help="Write the body to FILE, which is replaced when all of it has come; - is standard output. "
    "Once for each URL.",
)
@click.option(
    "-O", "--remote-name", is_flag=True, help="The same, called as the last part of the URL."
)
@click.option(
    "--continue",
    "-C",
    "resume",
    is_flag=True,
    help="Go on with what an earlier run has left in FILE.part, or with FILE itself.",
)
@click.option(
    "--checksum",
    "expected",
    metavar="KIND:HEX",
    help="What the body must be, as sha256:9f86d0...; a file gets its name only then.",
)
@click.option("-X", "--request", "method", metavar="METHOD", help="GET, or POST with -d.")
@click.option("-I", "--head", is_flag=True, help="Ask for the header alone, and print it.")
@click.option(
    "-d",
    "--data",
    metavar="DATA",
    multiple=True,
    help="Send this, as a form is sent; @FILE sends a file as it is, @- standard input. "
    "Several are joined by &. 64 MiB at the most.",
)
@click.option(
    "-H",
    "--header",
    "headers",
    metavar="'NAME: VALUE'",
    multiple=True,
    help="Send this field; without a value, leave out what is sent by default.",
)
@click.option(
    "-u",
    "--user",
    metavar="NAME[:PASSWORD]",
    help="Authorization by the scheme Basic; without a password, it is asked for.",
)
@click.option(
    "--compressed/--no-compressed",
    default=None,
    help="Ask for gzip, deflate, br and zstd and undo them. Default: yes, but not into a file, "
    "since half of that cannot be gone on with.",
)
@click.option(
    "--redirects",
    metavar="N",
    type=click.IntRange(0, 100),
    default=REDIRECTS,
    show_default=True,
    help="Follow so many; 0 shows the first one. Never from https to http.",
)
@click.option(
    "--retries",
    metavar="N",
    type=click.IntRange(0, 1000),
    default=RETRIES,
    show_default=True,
    help="When a response is cut or comes no more, or the server is busy (429, 503): try again so "
    "often in a row, pausing as it says by Retry-After, and go on where it was cut.",
)
@click.option("--retry-connect", is_flag=True, help="Try again when connecting fails, too.")
@click.option(
    "--timeout",
    metavar="TIME",
    callback=duration,
    default=f"{TIMEOUT:g}s",
    show_default=True,
    help="How long connecting may take.",
)
@click.option(
    "--idle-timeout",
    metavar="TIME",
    callback=duration,
    default=f"{IDLE:g}s",
    show_default=True,
    help="How long the server may say nothing.",
)
@click.option(
    "--max-time", metavar="TIME", callback=duration, help="How long each URL may take in all."
)
@click.option(
    "--max-size", metavar="SIZE", callback=size, help="The most a body may have, such as 10M."
)
@click.option("--ca", metavar="FILE", help="Authorities to trust, in place of the system's.")
@click.option("--cert", metavar="FILE", help="Certificate to show, with its chain.")
@click.option("--key", metavar="FILE", help="Its private key, unless it is in that file.")
@click.option("-i", "--include", is_flag=True, help="Print the header before the body.")
@click.option("-q", "--quiet", is_flag=True, help="No header and no progress on the screen.")
@click.option(
    "--raw-output",
    is_flag=True,
    help="Let control characters, and what is no text, through to the terminal.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Report each URL as a line of JSON; with -o, -O or -I."
)
@click.option("-v", "--verbose", is_flag=True, help="Tell all that happens, and how long it took.")
def fetch(
    *,
    urls: tuple[str, ...],
    outputs: tuple[str, ...],
    remote_name: bool,
    resume: bool,
    expected: str | None,
    method: str | None,
    head: bool,
    data: tuple[str, ...],
    headers: tuple[str, ...],
    user: str | None,
    compressed: bool | None,
    max_size: int | None,
    include: bool,
    quiet: bool,
    raw_output: bool,
    as_json: bool,
    verbose: bool,
    **options: Any,
) -> int:
    """What a browser does, without one, and shown.

    The body of each URL goes to standard output or to a file; on a terminal the header is shown,
    and for a file how far it is. Redirects are followed, TLS is verified, and a download that was
    cut is gone on with.
    """
    if head and (data or method):
        raise click.UsageError("-I asks for a header alone; without -d and -X")
    targets = _targets([parse(url) for url in urls], outputs, remote_name=remote_name)
    to_files = all(path for _, path in targets)
    if as_json and not (to_files or head):
        raise click.UsageError("--json prints a report in place of a body; name a file with -o")
    if resume and not to_files:
        raise click.UsageError("--continue is for a file; name it with -o or -O")
    if resume and compressed:
        raise click.UsageError("--continue and --compressed do not go together")
    if expected and len(targets) > 1:
        raise click.UsageError("--checksum is for one URL")
    if head and (outputs or remote_name):
        raise click.UsageError("-I prints a header, and there is no body for a file")
    options |= {
        "method": "HEAD" if head else method,
        "data": _data(data) if data else None,
        "headers": [_header(text) for text in headers],
        "auth": _user(user) if user is not None else None,
        "max_body": max_size,
        "cert": options["cert"] or "",
        "key": options["key"] or "",
    }
    if compressed is not None:
        options["decode"] = compressed
    if any(url.is_secure for url, _ in targets):  # what a file lacks is wrong usage, and once
        client_context(options["ca"] or "", options["cert"], options["key"])
    wishes = Wishes(
        targets=targets,
        options=options,
        resume=resume,
        expected=None if expected is None else checksum(expected),
        include=include or head,
        quiet=quiet,
        verbose=verbose,
        raw_output=raw_output,
        json=as_json,
        more=bool(headers or user or data or method),
    )
    return run(lambda: fetch_all(wishes))


# What is asked for


def _targets(
    urls: list[URL], outputs: tuple[str, ...], *, remote_name: bool
) -> list[tuple[URL, str]]:
    if remote_name:
        if outputs:
            raise click.UsageError("-o and -O do not go together")
        for url in urls:
            if not url.name:
                raise click.UsageError(f"{url} ends in no name for a file; give one with -o")
        return [(url, url.name) for url in urls]
    if len(outputs) > len(urls):
        raise click.UsageError(f"{len(outputs)} times -o, and {len(urls)} URLs")
    paths = ["" if path == "-" else path for path in outputs] + [""] * len(urls)
    return list(zip(urls, paths, strict=False))


def _data(parts: tuple[str, ...]) -> bytes:
    return b"&".join(_one_data(part) for part in parts)


def _one_data(text: str) -> bytes:
    if text == "@-":
        return _all_input()
    if text.startswith("@"):
        return files.read(text[1:], MOST_DATA)
    return text.encode("utf-8", "surrogateescape")


def _all_input() -> bytes:
    parts: list[bytes] = []
    left = MOST_DATA
    while part := stdio.read(stdio.STDIN, 64 * 1024):
        parts.append(part)
        left -= len(part)
        if left < 0:
            raise LocalError(f"standard input has more than the {MOST_DATA} bytes of a body")
    return b"".join(parts)


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise click.UsageError(f"{text!r} is no field; write -H 'Name: value'")
    return name.strip(), value.strip()


def _user(text: str) -> tuple[str, str]:
    name, colon, password = text.partition(":")
    if not colon:
        if not stdio.has_terminal():
            raise click.UsageError("there is no terminal to ask for the password on; NAME:PASSWORD")
        password = click.prompt(
            f"Password of {name}", hide_input=True, err=True, default="", show_default=False
        )
    return name, password
