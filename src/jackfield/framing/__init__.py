"""Framings: the sans-I/O rules that cut bytes into messages and back."""

from jackfield.framing.base import Framing
from jackfield.framing.lines import lines
from jackfield.framing.raw import Raw as raw  # noqa: N813  the public name is the framing's own

__all__ = ["Framing", "lines", "raw"]
