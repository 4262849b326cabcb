"""The command, as `jackfield` and as `python -m jackfield`."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command; give its exit status."""
    try:
        if sys.argv[1:] == ["--version"]:
            return _version()
        from jackfield.cli.main import run
        from jackfield.net.stdio import hold_closed

        hold_closed()  # or a socket would take the place of a standard stream that is closed

        return run(sys.argv[1:])
    except KeyboardInterrupt:  # before anything has begun
        return 130


def _version() -> int:
    """Print the version without click, which would cost half the time."""
    from jackfield.errors import LocalError
    from jackfield.net import stdio
    from jackfield.version import __version__

    try:
        stdio.put(f"jackfield {__version__}\n")
    except LocalError as error:
        stdio.write(stdio.STDERR, f"jackfield: {error}\n".encode())
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
