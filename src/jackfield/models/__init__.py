"""Models: where handlers run. One short file each; `running.py` is what they share."""

from __future__ import annotations

from jackfield.models.running import Serving

__all__ = ["Serving"]
