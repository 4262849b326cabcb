"""XOR with a mask of four bytes (RFC 6455, section 5.3), in C where that is installed.

`apply_mask` is None without the package websockets, which is in the extra `web`. To import it takes
some 25 ms, so nothing that is always loaded imports this module.
"""

from __future__ import annotations

from typing import Any

apply_mask: Any
try:
    from websockets.speedups import apply_mask
except ImportError:
    try:
        from websockets.utils import apply_mask
    except ImportError:
        apply_mask = None
