"""The command, as `jackfield` and as `python -m jackfield`."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command; give its exit status."""
    try:
        if sys.argv[1:] == ["--version"]:
            from jackfield.version import __version__

            print(f"jackfield {__version__}")  # noqa: T201  click would cost half the time
            return 0
        from jackfield.cli.main import run
        from jackfield.net.stdio import hold_closed

        hold_closed()  # or a socket would take the place of a standard stream that is closed

        return run(sys.argv[1:])
    except KeyboardInterrupt:  # before anything has begun
        return 130


if __name__ == "__main__":
    sys.exit(main())
