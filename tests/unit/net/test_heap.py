from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
from jackfield.net.heap import keep_freed
if sys.argv[1] == "kept":
    keep_freed()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(200):
    some = [b"x" * 1_000_000 for _ in range(3)]
    del some
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    command = [sys.executable, "-c", PROGRAM, how]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is done")
def test_memory_that_was_freed_is_there_for_the_next_long_message() -> None:
    assert faults("kept") * 10 < faults("not")
