"""The command `jackfield`: each file parses, calls, shows, and holds no logic of its own."""

from __future__ import annotations
