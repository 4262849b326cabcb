"""The ready services, one module or folder each, with a `make()` whose keywords are its options.

`jackfield.service.find()` gets them by name. Their handlers are functions and frozen
dataclasses, never closures, so that they can be sent to a process by reference.
"""

from __future__ import annotations

from jackfield.limits import Limits

FEW = Limits(datagrams_per_source=100)
"""For services that say more than they are told, so that over UDP little can be made of them
against others; far more than a person asks for."""
