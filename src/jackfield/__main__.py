"""The command, as `jackfield` and as `python -m jackfield`."""

from __future__ import annotations

import contextlib
import sys


def main() -> int:
    """Run the command; give its exit status."""
    try:
        if sys.argv[1:] == ["--version"]:
            from jackfield.version import __version__

            with contextlib.suppress(Exception):  # what keeps it from being printed is told below
                print(f"jackfield {__version__}", flush=True)  # noqa: T201  click takes twice as long
                return 0
        from jackfield.cli.main import run
        from jackfield.net.stdio import hold_closed

        hold_closed()  # or a socket would take the place of a standard stream that is closed

        return run(sys.argv[1:])
    except KeyboardInterrupt:  # before anything has begun
        return 130


if __name__ == "__main__":
    sys.exit(main())
