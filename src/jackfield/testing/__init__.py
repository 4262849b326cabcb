"""What tests of one's own framings and services stand on."""

from __future__ import annotations

from jackfield.framing.laws import check_framing

__all__ = ["check_framing"]
