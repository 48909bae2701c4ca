"""The settings of the HTTP server. Everything that starts the API starts it here."""

from __future__ import annotations

import resource

from granian import Granian
from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings

#: connections the kernel keeps until a process accepts them
BACKLOG = 4096
#: connections of one process; past them new ones wait in the backlog
CONNECTIONS = 16384
#: files a process needs beside its connections: sockets of MongoDB and Redis, the loop, log files
OTHER_FILES = 256
#: a connection that is idle, or slow with a request's headers, is closed after this, in milliseconds
HEADER_TIMEOUT_MS = 10_000
#: bytes that a connection's read buffer may take
BUFFER_BYTES = 64 * 1024
#: how long requests under way may take at a stop, in seconds; `?wait=` takes the longest, up to 30
STOP_SECONDS = 35


def serve(target: str, host: str, port: int, workers: int) -> None:
    """Serve an ASGI application until SIGTERM; requests under way are answered first.

    HTTP/2 is off: a proxy's affair, and each of its streams would count as a connection's worth of work.
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
    """The connections that one process may have: as many as its files allow, once the limit is raised."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS + OTHER_FILES
    if hard == resource.RLIM_INFINITY or hard > soft:
        raised = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        soft = max(soft, raised)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(128, min(CONNECTIONS, soft - OTHER_FILES))
