"""The version, in a file of its own so that telling it costs no other import."""

from __future__ import annotations

__version__ = "0.1.0"
