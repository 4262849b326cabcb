"""What tests of connections share: wires, whose loops note every error that escapes into them."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from jackfield.net.tls import client_context, server_context
from tests.certificates import Certificates
from tests.unit.net.wires import FACES, KINDS, FaceName, Kind, Wire, Wires

Opener = Callable[..., Wire]


@pytest.fixture(scope="session")
def contexts(certificates: Certificates) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's and a client's."""
    return server_context(certificates.cert, certificates.key), client_context(certificates.ca)


@pytest.fixture
def wires(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> Iterator[Wires]:
    """Opens connections with a plain socket at their other end."""
    opened = Wires(*contexts)
    yield opened
    opened.close()


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Each transport of streams."""
    found: Kind = request.param
    return found


@pytest.fixture(params=FACES)
def face(request: pytest.FixtureRequest) -> FaceName:
    """Each way a handler may hold a connection."""
    found: FaceName = request.param
    return found


@pytest.fixture
def opener(wires: Wires, kind: Kind, face: FaceName) -> Opener:
    """Opens a wire: over each transport, by each face."""
    return partial(wires.open, kind, face)
