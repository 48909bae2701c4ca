"""Start the HTTP server (Granian) with our settings."""

from __future__ import annotations

import resource

from granian import Granian
from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings

#: connections that the kernel queues until a process accepts them
BACKLOG = 4096
#: connections of one process; further ones wait in the backlog
CONNECTIONS = 16384
#: file descriptors besides connections: sockets of MongoDB and Redis, the event loop, log files
OTHER_FILES = 256
#: an idle connection, or one that sends request headers slowly, is closed after this, in milliseconds
HEADER_TIMEOUT_MS = 10_000
#: size limit of a connection's read buffer, in bytes
BUFFER_BYTES = 64 * 1024
#: time for requests in progress at a stop, in seconds; `?wait=` takes up to 30
STOP_SECONDS = 35


def serve(target: str, host: str, port: int, workers: int) -> None:
    """Serve an ASGI application until SIGTERM, then finish the requests in progress.

    HTTP/2 is left to a proxy, because its streams would bypass the limit of connections.
    """
    server = Granian(
        target,
        address=host,
        port=port,
        workers=workers,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        websockets=False,
        loop=Loops.asyncio,
        backlog=BACKLOG,
        backpressure=_connections(),
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_TIMEOUT_MS, max_buffer_size=BUFFER_BYTES),
        workers_kill_timeout=STOP_SECONDS,
    )
    server.serve()


def _connections() -> int:
    """Raise the limit of open files as far as needed, and return the connections that it allows one process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS + OTHER_FILES
    if hard == resource.RLIM_INFINITY or hard > soft:
        raised = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        soft = max(soft, raised)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(128, min(CONNECTIONS, soft - OTHER_FILES))
