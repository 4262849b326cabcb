"""Fixtures for pytest, which finds them by itself (entry point `pytest11`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from jackfield.service import Service
    from jackfield.testing.served import Served


@pytest.fixture
def serve_in_memory() -> Iterator[Callable[..., Served[Any]]]:
    """Serve services without a port until the end of the test.

    `serve_in_memory(service, model="threads")` gives a `Served`, which has started;
    `with served.connect() as conn:` is a client of it.
    """
    from jackfield.testing.served import Served  # noqa: PLC0415  only where it is used

    with ExitStack() as started:

        def serve(service: Service[Any], **options: Any) -> Served[Any]:
            return started.enter_context(Served(service, **options))

        yield serve


@pytest.fixture
def jackfield_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the local authority in a folder of this test, so that `tls://` works and leaves nothing.

    Gives the folder.
    """
    home = tmp_path / "jackfield"
    monkeypatch.setenv("JACKFIELD_HOME", str(home))
    return home
