"""Count the connections in the MongoDB driver's pools."""

from __future__ import annotations

from typing import Any

from pymongo.monitoring import ConnectionPoolListener

from shared.metrics.metrics import POOL_CONNECTIONS


class PoolListener(ConnectionPoolListener):
    """Listener for one client. `open`: existing connections; `in_use`: those that run a command."""

    def connection_created(self, event: Any) -> None:
        POOL_CONNECTIONS.labels("open").inc()

    def connection_closed(self, event: Any) -> None:
        POOL_CONNECTIONS.labels("open").dec()

    def connection_checked_out(self, event: Any) -> None:
        POOL_CONNECTIONS.labels("in_use").inc()

    def connection_checked_in(self, event: Any) -> None:
        POOL_CONNECTIONS.labels("in_use").dec()

    def connection_ready(self, event: Any) -> None: ...

    def connection_check_out_started(self, event: Any) -> None: ...

    def connection_check_out_failed(self, event: Any) -> None: ...

    def pool_created(self, event: Any) -> None: ...

    def pool_ready(self, event: Any) -> None: ...

    def pool_cleared(self, event: Any) -> None: ...

    def pool_closed(self, event: Any) -> None: ...
