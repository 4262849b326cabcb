"""Model `inline`: one connection after another.

While one is served the others wait in the listen queue. Datagrams are answered one by one in
order of arrival, whoever sent them, and a stream connection does not hold them up.
"""

from __future__ import annotations

from jackfield.endpoints import Endpoint
from jackfield.errors import ConfigurationError
from jackfield.models.asyncio import AsyncioModel


class InlineModel(AsyncioModel):
    """Handlers one after another."""

    name = "inline"
    one_at_a_time = True

    @property
    def capacity(self) -> int | None:
        return 1

    def check(self, endpoints: tuple[Endpoint, ...]) -> None:
        super().check(endpoints)
        streams = any(not endpoint.is_datagram for endpoint in endpoints)
        if streams and self.serving.service.joins_rooms:
            msg = (
                f"{self.serving.service.name} needs several connections at a time, and under "
                "inline a stream has one; choose --model asyncio, threads or processes"
            )
            raise ConfigurationError(msg)
