"""Every service, under every model, over every transport: the same words, or a stated reason."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from jackfield.errors import ConfigurationError
from jackfield.models.names import ModelName
from jackfield.net.ioloop import new_event_loop
from tests.certificates import Certificates
from tests.models import table
from tests.models.matrix import (
    MODELS,
    SERVICES,
    TRANSPORTS,
    reason,
    run_cell,
    script,
)

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "services.md"


@pytest.mark.pairs
@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("service", SERVICES)
def test_cell(
    service: str,
    model: ModelName,
    transport: str,
    short_folder: Path,
    certificates: Certificates,
) -> None:
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        cell = run_cell(service, model, transport, short_folder, certificates)
        why = reason(service, model, transport)
        if why:
            with pytest.raises(ConfigurationError) as refused:
                runner.run(cell)
            assert str(refused.value) == why
        else:
            assert runner.run(cell) == script(service, transport)


def test_the_table_in_the_documentation_is_what_these_tests_show() -> None:
    """Run with JACKFIELD_WRITE_TABLE=1 to write it."""
    page = PAGE.read_text("utf-8")
    made = table.put_into(page)
    if os.environ.get("JACKFIELD_WRITE_TABLE"):
        PAGE.write_text(made, "utf-8")
    assert made == PAGE.read_text("utf-8"), "stale: run this test with JACKFIELD_WRITE_TABLE=1"
