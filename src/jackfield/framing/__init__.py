"""Framings: the sans-I/O rules that cut bytes into messages and back."""

from __future__ import annotations

from jackfield.framing.base import Framing
from jackfield.framing.delimited import delimited
from jackfield.framing.fixed import Fixed as fixed  # noqa: N813  lower case, as all constructors
from jackfield.framing.header import Header as header  # noqa: N813  lower case, as all
from jackfield.framing.header import HeaderMessage
from jackfield.framing.json_lines import JSONLines as json_lines  # noqa: N813  lower case, as all
from jackfield.framing.length_prefixed import length_prefixed
from jackfield.framing.lines import lines
from jackfield.framing.names import parse
from jackfield.framing.netstring import Netstring as netstring  # noqa: N813  lower case, as all
from jackfield.framing.raw import Raw as raw  # noqa: N813  lower case, as all
from jackfield.framing.text_or_binary import TextOrBinary as text_or_binary  # noqa: N813  as all

__all__ = [
    "Framing",
    "HeaderMessage",
    "delimited",
    "fixed",
    "header",
    "json_lines",
    "length_prefixed",
    "lines",
    "netstring",
    "parse",
    "raw",
    "text_or_binary",
]
