"""What tests of one's own framings, services and transports stand on.

- `check_framing()` runs the laws that a framing keeps.
- `memory_pair()` gives two connections that speak to each other without a socket, with faults
  where wanted (`Faults`).
- `Served` serves a service without a port, so that a test can be its client.
- `check_transport()` is a conformance suite: what every transport has to do.

With pytest, the fixtures `serve_in_memory` and `jackfield_home` are there by themselves.
"""

from __future__ import annotations

from jackfield.framing.laws import check_framing
from jackfield.testing.pairs import Faults, memory_pair
from jackfield.testing.served import Served
from jackfield.testing.transports import check_transport

__all__ = ["Faults", "Served", "check_framing", "check_transport", "memory_pair"]
