"""Jackfield: write a handler once, serve it on any transport, under any concurrency model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jackfield.version import __version__

if TYPE_CHECKING:
    from jackfield import framing
    from jackfield.client import connect
    from jackfield.endpoints import Endpoint
    from jackfield.events import Events
    from jackfield.fetching.fetch import fetch
    from jackfield.limits import Limits
    from jackfield.models.names import ModelName
    from jackfield.net.connection import Connection
    from jackfield.net.crossing import BlockingConnection
    from jackfield.rooms import Room
    from jackfield.server import Server
    from jackfield.service import Service
    from jackfield.serving import serve

__all__ = [
    "BlockingConnection",
    "Connection",
    "Endpoint",
    "Events",
    "Limits",
    "ModelName",
    "Room",
    "Server",
    "Service",
    "__version__",
    "connect",
    "fetch",
    "framing",
    "serve",
]

_HOMES = {
    "BlockingConnection": "jackfield.net.crossing",
    "Connection": "jackfield.net.connection",
    "Endpoint": "jackfield.endpoints",
    "Events": "jackfield.events",
    "Limits": "jackfield.limits",
    "ModelName": "jackfield.models.names",
    "Room": "jackfield.rooms",
    "Server": "jackfield.server",
    "Service": "jackfield.service",
    "connect": "jackfield.client",
    "fetch": "jackfield.fetching.fetch",
    "serve": "jackfield.serving",
}
"""Where each name lives: loaded when first used, so that importing the package costs nothing."""


def __getattr__(name: str) -> Any:
    import importlib  # noqa: PLC0415  here, so that `jackfield --version` need not load it

    if name == "framing":
        return importlib.import_module("jackfield.framing")
    if name not in _HOMES:
        msg = f"module 'jackfield' has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(importlib.import_module(_HOMES[name]), name)
