"""X.509 certificates: made, and read. Needs the package cryptography (extra `tls`); no I/O.

The rules this file owns:

1. Keys are of P-256, which every TLS library has; certificates are signed with SHA-256.
2. An authority signs certificates and nothing else, and no other authority (RFC 5280, section
   4.2.1.9). What it makes is for servers and for clients alike, by names and addresses
   (RFC 6125), and begins a day ago, for clocks that are late.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from ipaddress import ip_address

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from jackfield.errors import ConfigurationError

MOST_NAMES = 100
"""Names in one certificate."""

_DAY = dt.timedelta(days=1)
_LABEL = r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)"
_HOST = re.compile(rf"(\*\.)?{_LABEL}(\.{_LABEL})*")
_LONGEST_HOST = 253
_LONGEST_COMMON_NAME = 64  # RFC 5280, appendix A.1


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a certificate says.

    names: the host names and addresses it is for.
    fingerprint: SHA-256 of it, in hexadecimal.
    """

    subject: str
    names: tuple[str, ...]
    fingerprint: str
    expires: dt.datetime
    is_authority: bool


def read(pem: bytes) -> Certificate:
    """Read a certificate in PEM form. Raises ValueError for what is none."""
    found = x509.load_pem_x509_certificate(pem)
    names: list[str] = []
    is_authority = False
    for extension in found.extensions:
        value = extension.value
        if isinstance(value, x509.SubjectAlternativeName):
            names += value.get_values_for_type(x509.DNSName)
            names += map(str, value.get_values_for_type(x509.IPAddress))
        elif isinstance(value, x509.BasicConstraints):
            is_authority = value.ca
    common = found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return Certificate(
        str(common[0].value) if common else found.subject.rfc4514_string(),
        tuple(names),
        found.fingerprint(hashes.SHA256()).hex(),
        found.not_valid_after_utc,
        is_authority,
    )


def is_issued_by(pem: bytes, authority: bytes) -> bool:
    """Whether an authority has signed a certificate. Raises ValueError for what is none."""
    found = x509.load_pem_x509_certificate(pem)
    try:
        found.verify_directly_issued_by(x509.load_pem_x509_certificate(authority))
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def new_authority(name: str, lasts: dt.timedelta) -> tuple[bytes, bytes]:
    """Make an authority: its certificate, and its key, in PEM form."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _subject(name)
    builder = _begun(subject, subject, key, lasts)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(authority=True), critical=True)
    return _pem(builder.sign(key, hashes.SHA256())), _key_pem(key)


def new_certificate(
    names: list[str], lasts: dt.timedelta, authority: bytes, authority_key: bytes
) -> tuple[bytes, bytes]:
    """Make a certificate for host names and addresses: itself, and its key, in PEM form.

    It ends with the authority at the latest. Raises ConfigurationError for what is no name and
    no address, and ValueError for an authority that is none.
    """
    if not 0 < len(names) <= MOST_NAMES:
        msg = f"{len(names)} names, and 1 to {MOST_NAMES} fit in a certificate"
        raise ConfigurationError(msg)
    general = [_general_name(name) for name in names]
    issuer = x509.load_pem_x509_certificate(authority)
    signer = serialization.load_pem_private_key(authority_key, None)
    if not isinstance(signer, ec.EllipticCurvePrivateKey):
        raise ValueError("its key is of another kind")  # noqa: TRY004  a file's content
    if signer.public_key() != issuer.public_key():
        raise ValueError("its key is that of another certificate")
    left = issuer.not_valid_after_utc - _now()
    if left <= dt.timedelta():
        raise ValueError(f"it was good until {issuer.not_valid_after_utc:%Y-%m-%d}")
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _begun(_subject(names[0]), issuer.subject, key, min(lasts, left))
    builder = builder.add_extension(x509.SubjectAlternativeName(general), critical=False)
    builder = builder.add_extension(
        x509.BasicConstraints(ca=False, path_length=None), critical=True
    )
    builder = builder.add_extension(_usage(authority=False), critical=True)
    both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    builder = builder.add_extension(x509.ExtendedKeyUsage(both), critical=False)
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
    )
    return _pem(builder.sign(signer, hashes.SHA256())), _key_pem(key)


def _begun(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    lasts: dt.timedelta,
) -> x509.CertificateBuilder:
    now = _now()
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - _DAY).not_valid_after(now + lasts)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return builder.add_extension(identifier, critical=False)


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(text))
    except ValueError:
        pass
    if len(text) > _LONGEST_HOST or not _HOST.fullmatch(text):
        msg = f"{text!r} is neither the name of a host nor an address; for example example.org"
        raise ConfigurationError(msg)
    return x509.DNSName(text)


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:_LONGEST_COMMON_NAME])])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
