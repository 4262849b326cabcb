"""Workers: several processes that serve the same endpoints, each with its own model.

`supervisor.py` is the server as its user sees it, `running.py` one worker as the supervisor sees
it, `worker.py` what runs in that process, and `wire.py` what they say to each other.
"""

from __future__ import annotations
