"""`jackfield cert`: the local authority, by which `tls://` works between one's own machines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jackfield.tls import authority

if TYPE_CHECKING:
    from jackfield.tls.certificates import Certificate


@click.group(
    invoke_without_command=True,
    epilog="""Examples, to have this machine trust the services of another one:

    \b
      there$ jackfield cert show > there.pem
      here$  jackfield cert trust there.pem
      here$  jackfield connect tls://there:9999

    \b
      jackfield cert make www.example.org 192.0.2.7""",
)
@click.option("--json", "as_json", is_flag=True, help="Tell it as JSON.")
@click.pass_context
def cert(ctx: click.Context, *, as_json: bool) -> None:
    """Certificates of one's own, for tls:// between one's own machines.

    The first service at a tls:// endpoint without --cert makes a local authority for this machine,
    and with it a certificate for all its names and addresses. Both stay on this machine, and the
    certificate is renewed by itself. Programs of the same user here trust it; on another machine
    it has to be brought in once, by `cert show` there and `cert trust` here.

    Without a command: says what there is, and what this machine trusts.
    """
    if ctx.invoked_subcommand is not None:
        return
    own = authority.folder() / "authority.pem"
    paths = authority.trusted()
    found = {path: authority.read(path) for path in paths}
    if as_json:
        click.echo(json.dumps({path: _record(one) for path, one in found.items()}, indent=1))
        return
    if str(own) not in found:
        click.echo(f"There is no authority here yet; the first tls:// service makes it in {own}")
    for path, one in found.items():
        what = "This machine's authority" if path == str(own) else "Trusted as well"
        click.echo(f"{what}: {one.subject}, until {one.expires:%Y-%m-%d}")
        click.echo(f"  SHA-256 {one.fingerprint}")
        click.echo(f"  {path}")


@cert.command()
def show() -> None:
    """Print the certificate of this machine's authority, for another machine to trust.

    It is made if there is none yet. It is no secret; its key is, and is never printed.
    """
    click.echo(Path(authority.certificate()).read_text("ascii"), nl=False)


@cert.command()
@click.argument("file")
def trust(file: str) -> None:
    """Trust the authority of another machine, whose certificate is in FILE."""
    one = authority.trust(file)
    click.echo(f"From now on {one.subject} is trusted, until {one.expires:%Y-%m-%d}.")
    click.echo(f"Compare with what `jackfield cert` says there: SHA-256 {one.fingerprint}")


@cert.command()
@click.argument("fingerprint")
def forget(fingerprint: str) -> None:
    """Trust an authority no more, whose FINGERPRINT is, or begins, like this."""
    click.echo(f"{authority.forget(fingerprint).subject} is not trusted any more.")


@cert.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option(
    "--out",
    metavar="PREFIX",
    help="Write PREFIX.pem and PREFIX.key; without, they are called after the first NAME.",
)
def make(names: tuple[str, ...], *, out: str | None) -> None:
    """Make a certificate and its key for any program, by the names and addresses NAME.

    Files that are there are replaced. The certificate is good for 90 days.
    """
    prefix = out or names[0].replace("*", "_").replace(":", "_").replace("/", "_")
    files = f"{prefix}.pem", f"{prefix}.key"
    authority.make(list(names), *files)
    one = authority.read(files[0])
    click.echo(f"{files[0]}: for {', '.join(one.names)}, until {one.expires:%Y-%m-%d}")
    click.echo(f"{files[1]}: its key; keep it to yourself")


def _record(one: Certificate) -> dict[str, Any]:
    return {
        "subject": one.subject,
        "fingerprint": one.fingerprint,
        "expires": one.expires.isoformat(),
    }
