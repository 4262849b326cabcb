"""How hard the property tests try: "fast" by default, "proof" when JACKFIELD_PROOF=1."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("fast", max_examples=25, deadline=None)
settings.register_profile("proof", max_examples=2000, deadline=None)
settings.load_profile("proof" if os.environ.get("JACKFIELD_PROOF") == "1" else "fast")
