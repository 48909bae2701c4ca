"""The event log: read past events, or follow new ones."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from client.connection import MAX_PAGE_SIZE, Connection
from client.errors import PlatformError, pause_after
from client.models import Event
from client.resources.records import Listing

PAUSE = 2.0


class Events(Listing[Event]):
    """`/events`. Filters: tenant, action, actor, since, until, after."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, "/events")

    def follow(
        self, /, last: int = 50, *, interrupted: Callable[[PlatformError], None] | None = None, **filters: Any
    ) -> Iterator[Event]:
        """Iterate without end over the `last` events (1 to 200) and then every new one, oldest first.

        With the filter `after`, a cursor of the API, iterate over every event after it instead. `interrupted` is
        called for each failed request, before the request is repeated.
        """
        newer: Mapping[str, Any] = filters
        if "after" not in filters:
            response = self._connection.get(self._path, {**filters, "limit": min(last, MAX_PAGE_SIZE)}, kind=list)
            yield from reversed(response.data)
            newer = response.links["prev"]
        while True:
            try:
                response = self._connection.get(self._path, {**newer, "limit": MAX_PAGE_SIZE}, kind=list)
            except PlatformError as error:
                pause = pause_after(error, PAUSE)
                if pause is None:
                    raise
                if interrupted is not None:
                    interrupted(error)
                time.sleep(pause)
                continue
            yield from response.data
            newer = response.links["next"]
            if not response.data:
                time.sleep(PAUSE)
