"""TLS beyond the connection itself: settings for `conn.start_tls()`, and certificates of one's own.

`server_context()` and `client_context()` make the settings; `authority.py` keeps the local
authority, `certificates.py` makes and reads certificates, and `renewal.py` keeps that of a running
server from expiring.
"""

from __future__ import annotations

from jackfield.net.tls import client_context, server_context

__all__ = ["client_context", "server_context"]
