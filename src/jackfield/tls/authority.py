"""The local authority: certificates of one's own, so that `tls://` works without buying any.

The rules this file owns:

1. The authority is made when it is first needed, in `folder()`: its certificate `authority.pem`,
   and its key `authority.key`, which its owner alone can read. Beside them is a certificate for
   this machine with its key, `machine.pem` and `machine.key`. A file is replaced whole or not
   at all, and only one process at a time makes any.
2. The machine's certificate names localhost, this machine, and all its addresses. It is made
   anew when that changes, or `RENEW` before it expires.
3. Clients trust this authority, and those of other machines that `trust()` was given, beside
   the system's own. Each is a file in `trusted/`.
4. No key ever leaves the machine: another machine is given the certificate.
"""

from __future__ import annotations

import datetime as dt
import os
import re
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from jackfield.endpoints import Endpoint
from jackfield.errors import ConfigurationError
from jackfield.net import files
from jackfield.net.interfaces import addresses, machine_names
from jackfield.net.tls import server_context

if TYPE_CHECKING:
    from jackfield.tls.certificates import Certificate

AUTHORITY_LASTS = dt.timedelta(days=3650)
LASTS = dt.timedelta(days=90)
RENEW = dt.timedelta(days=30)
"""How long the authority's certificate and those it makes are good, and how long before its end
this machine's own is made anew."""

MOST = 1024 * 1024
"""Bytes of a file of certificates."""

_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----", re.DOTALL)


def folder() -> Path:
    """Give the folder of everything here: in `$JACKFIELD_HOME`, or where the platform has data.

    On Linux as the XDG Base Directory Specification has it. Raises ConfigurationError when the
    user has no home.
    """
    home = os.environ.get("JACKFIELD_HOME")
    if home:
        return Path(home) / "authority"
    if sys.platform == "win32":
        data = os.environ.get("LOCALAPPDATA") or _of_user()
    elif sys.platform == "darwin":
        data = _of_user("Library", "Application Support")
    else:
        data = os.environ.get("XDG_DATA_HOME", "")
        if not os.path.isabs(data):  # noqa: PTH117  "" is no path; that specification has it so
            data = _of_user(".local", "share")
    return Path(data, "jackfield", "authority")


def _of_user(*parts: str) -> str:
    try:
        return str(Path.home().joinpath(*parts))
    except RuntimeError:
        msg = "this user has no home folder for the local authority; name one in JACKFIELD_HOME"
        raise ConfigurationError(msg) from None


def certificate() -> str:
    """Give the file of the authority's certificate, which is made if there is none."""
    with _alone():
        _authority()
    return str(folder() / "authority.pem")


def trusted() -> list[str]:
    """Give the files of the authorities to trust beside the system's: this one, and others'."""
    try:
        where = folder()
    except ConfigurationError:  # then nothing was made or brought there
        return []
    found = [where / "authority.pem", *sorted((where / "trusted").glob("*.pem"))]
    return [str(path) for path in found if os.path.isfile(path)]  # noqa: PTH113  raises nothing


def trust(path: str) -> Certificate:
    """Trust the authority in a file from now on; saying so twice is saying it once.

    Raises ConfigurationError for a file that holds none, or more than its certificate.
    """
    data = files.read(path, MOST)
    if b"PRIVATE KEY" in data:
        msg = f"{path}: there is a private key in it; bring the certificate alone, and keep the key"
        raise ConfigurationError(msg)
    found = _CERTIFICATE.findall(data)
    if len(found) != 1:
        msg = f"{path}: {len(found)} certificates in it, and an authority has one"
        raise ConfigurationError(msg)
    one = _read(path, found[0])
    if not one.is_authority:
        msg = (
            f"{path}: the certificate of {one.subject}, which is no authority; on the other "
            "machine `jackfield cert show` prints that of its authority"
        )
        raise ConfigurationError(msg)
    with _alone():
        where = files.own_folder(str(folder() / "trusted"))
        files.replace(f"{where}/{one.fingerprint[:16]}.pem", found[0] + b"\n", 0o644)
    return one


def forget(fingerprint: str) -> Certificate:
    """Trust the authority with this fingerprint, or the beginning of one, no more.

    Raises ConfigurationError when none is trusted that has it, or several are.
    """
    wanted = fingerprint.replace(":", "").lower()
    found = [
        (path, one)
        for path in (folder() / "trusted").glob("*.pem")
        if path.stem.startswith(wanted[:16])
        and (one := read(str(path))).fingerprint.startswith(wanted)
    ]
    if len(found) != 1 or not wanted:
        msg = (
            f"{len(found)} trusted authorities have a fingerprint that begins with "
            f"{fingerprint!r}; `jackfield cert` lists them"
        )
        raise ConfigurationError(msg)
    path, one = found[0]
    path.unlink()
    return one


def read(path: str) -> Certificate:
    """Say what the certificate in a file is. Raises ConfigurationError."""
    return _read(path, files.read(path, MOST))


def _read(path: str, pem: bytes) -> Certificate:
    certificates = _certificates()
    try:
        found: Certificate = certificates.read(pem)
    except ValueError as error:
        raise ConfigurationError(f"{path}: no certificate that can be read ({error})") from None
    return found


def serving_files() -> tuple[str, str]:
    """Give the files of this machine's certificate and its key, made anew where that is due.

    Raises ConfigurationError when they cannot be made.
    """
    cert, key = folder() / "machine.pem", folder() / "machine.key"
    with _alone():
        names = _own_names()
        if not _is_good(cert, key, names):
            _make(names, str(cert), str(key))
    return str(cert), str(key)


def with_certificate(endpoint: Endpoint) -> Endpoint:
    """Name this machine's certificate for an endpoint of TLS that names none itself."""
    if not endpoint.transport.uses_tls or endpoint.options.cert:
        return endpoint
    cert, key = serving_files()
    return replace(endpoint, options=replace(endpoint.options, cert=cert, key=key))


def own_among(endpoints: list[Endpoint]) -> str:
    """Give the file of this machine's certificate, if one of these is served with it; else ""."""
    certs = {endpoint.options.cert for endpoint in endpoints} - {None}
    if not certs:  # then it takes no home folder either, which not every user has
        return ""
    try:
        own = str(folder() / "machine.pem")
    except ConfigurationError:
        return ""
    return own if own in certs else ""


def make(names: list[str], cert: str, key: str) -> None:
    """Make a certificate for these names and addresses, with a key, in two files of PEM form.

    Raises ConfigurationError for what is neither a name nor an address, and for a file that
    cannot be written.
    """
    with _alone():
        _make(names, cert, key)


def _own_names() -> list[str]:
    names = [*machine_names(), *(str(address).partition("%")[0] for address in addresses())]
    return list(dict.fromkeys(names))[: _certificates().MOST_NAMES]


def _is_good(cert: Path, key: Path, names: list[str]) -> bool:
    """Whether a certificate is there, of this authority, for all these names, and lasts."""
    authority = folder() / "authority.pem"
    if not all(path.is_file() for path in (cert, key, authority)):
        return False
    try:
        server_context(str(cert), str(key))  # only one of the two may have been replaced
        found, last = read(str(cert)), read(str(authority)).expires
        issued = _certificates().is_issued_by(
            files.read(str(cert), MOST), files.read(str(authority), MOST)
        )
    except (ConfigurationError, ValueError):
        return False
    left = found.expires - dt.datetime.now(dt.UTC)
    lasts = left > RENEW or (found.expires >= last and left > dt.timedelta())
    return issued and lasts and set(names) <= set(found.names)


def _make(names: list[str], cert: str, key: str) -> None:
    authority, authority_key = _authority()
    try:
        made = _certificates().new_certificate(names, LASTS, authority, authority_key)
    except ConfigurationError:
        raise
    except (ValueError, TypeError) as error:  # TypeError: a key with a password
        raise _unusable(str(error)) from None
    files.replace(key, made[1], 0o600)
    files.replace(cert, made[0], 0o644)


def _authority() -> tuple[bytes, bytes]:
    """Give the authority's certificate and its key; made when there is no certificate.

    A key alone is left of a making that was broken off.
    """
    where = folder()
    cert, key = where / "authority.pem", where / "authority.key"
    if not cert.exists():
        name = f"Jackfield authority of {machine_names()[-1]}"
        made = _certificates().new_authority(name, AUTHORITY_LASTS)
        files.replace(str(key), made[1], 0o600)
        files.replace(str(cert), made[0], 0o644)
    elif not key.exists():
        raise _unusable("authority.key is missing")
    return files.read(str(cert), MOST), files.read(str(key), MOST)


def _unusable(why: str) -> ConfigurationError:
    return ConfigurationError(
        f"{folder()}: the authority there cannot be used ({why}); restore it, or remove "
        "authority.pem for a new one, which other machines have to trust anew"
    )


def _alone() -> files.Lock:
    """Keep other processes from making any meanwhile. The folder is there then."""
    where = folder()
    files.make_folders(str(where.parent))
    files.own_folder(str(where))
    return files.Lock(str(where / "lock"))


def _certificates() -> ModuleType:
    try:
        from jackfield.tls import certificates  # noqa: PLC0415  an extra, and slow to load
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "cryptography":
            raise
        msg = (
            "the local authority needs the package cryptography: pip install 'jackfield[tls]'; or "
            "name a certificate with --cert FILE and --key FILE"
        )
        raise ConfigurationError(msg) from None
    return certificates
