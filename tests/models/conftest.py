"""What the tests of models share."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """Give a folder whose path leaves room for a socket's name in the 107 bytes of a UNIX path."""
    folder = Path(tempfile.mkdtemp(prefix="jf-"))
    yield folder
    shutil.rmtree(folder)
