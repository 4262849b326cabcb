"""Certificates for one run of the tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Certificates:
    """Files in PEM form: an authority, and a certificate for this machine with its key."""

    ca: str
    cert: str
    key: str

    def url(self, scheme_and_host: str = "tls://127.0.0.1:0") -> str:
        """A TLS endpoint with these files."""
        return f"{scheme_and_host}?cert={self.cert}&key={self.key}"


def make(folder: Path) -> Certificates:
    """Make them in a folder."""
    authority = trustme.CA()
    ours = authority.issue_cert("127.0.0.1", "localhost", "::1")
    paths = [str(folder / name) for name in ("ca.pem", "cert.pem", "key.pem")]
    authority.cert_pem.write_to_path(paths[0])
    ours.cert_chain_pems[0].write_to_path(paths[1])
    ours.private_key_pem.write_to_path(paths[2])
    return Certificates(*paths)
