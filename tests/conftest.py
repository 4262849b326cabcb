"""What all tests share: certificates, how hard the property tests try, and what fails every test.

The profile is "fast" by default, "proof" when JACKFIELD_PROOF=1. With --sample, of tests over a
product of parameters some rows are run; see sampling.py.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests import certificates as module
from tests import sampling
from tests.certificates import Certificates

settings.register_profile("fast", max_examples=20, deadline=None)
settings.register_profile("proof", max_examples=2000, deadline=None)
settings.load_profile("proof" if os.environ.get("JACKFIELD_PROOF") == "1" else "fast")

# Hundreds of interpreters are started here: none is to compile anew what another has.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--sample",
        action="store_true",
        help="of tests over a product of parameters, run some rows that have each value",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "pairs: have a sample show each pair of values")
    config.addinivalue_line("markers", "long: leave it out of a sample")
    config.addinivalue_line("markers", "some(count): have a sample show so many of the cases")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: a test waits for processes and deadlines as much as it works.

    Another number: `pytest -n NUMBER`.
    """
    return len(os.sched_getaffinity(0)) + 1


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("sample"):
        out = set(sampling.left_out([one for one in items if isinstance(one, pytest.Function)]))
        config.hook.pytest_deselected(items=[*out])
        items[:] = [item for item in items if item not in out]


class Escaped(logging.Handler):
    """Keeps what event loops log: an exception in a callback, a task's that nobody asked for."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.errors: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.errors.append(self.format(record))


@pytest.fixture(autouse=True)
def _no_error_escapes_into_a_loop() -> Iterator[None]:
    """An error that reaches an event loop's own handler has passed everybody who could tell it."""
    escaped = Escaped()
    logger = logging.getLogger("asyncio")
    logger.addHandler(escaped)
    yield
    logger.removeHandler(escaped)
    assert not escaped.errors


@pytest.fixture(scope="session", autouse=True)
def _home(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the local authority of whoever runs the tests out of them."""
    os.environ["JACKFIELD_HOME"] = str(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Give an authority's certificate, and one it has issued for this machine."""
    return module.make(tmp_path_factory.mktemp("certificates"))
