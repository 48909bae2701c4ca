"""Serve the console: `python -m console --host 0.0.0.0 --port 3002 --workers 2`."""

from __future__ import annotations

import sys

import click
from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings

from console.settings import SettingsError, read_settings

#: a connection that is idle, or slow with a request's headers, is closed after this, in milliseconds
HEADER_TIMEOUT_MS = 10_000
STOP_SECONDS = 10


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=3002, show_default=True, help="Port to listen on.")
@click.option("--workers", default=1, show_default=True, help="Processes.")
@click.option("--threads", default=16, show_default=True, help="Requests that one process answers at a time.")
def main(host: str, port: int, workers: int, threads: int) -> None:
    """Serve the web console until SIGTERM."""
    try:
        read_settings()
    except SettingsError as problem:
        sys.exit(f"The console's settings do not make sense:\n{problem}")
    Granian(
        "console.main:app",
        address=host,
        port=port,
        workers=workers,
        blocking_threads=threads,
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,
        websockets=False,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_TIMEOUT_MS),
        workers_kill_timeout=STOP_SECONDS,
    ).serve()


if __name__ == "__main__":
    main()
