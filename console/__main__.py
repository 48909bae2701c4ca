"""Serve the console: `python -m console --host 0.0.0.0 --port 3002 --workers 2`."""

from __future__ import annotations

import sys

import click

from console.settings import SettingsError, read_settings
from serving.launch import serve


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=3002, show_default=True, help="Port to listen on.")
@click.option("--workers", default=1, show_default=True, help="Processes.")
def main(host: str, port: int, workers: int) -> None:
    """Serve the web console until SIGTERM."""
    try:
        read_settings()
    except SettingsError as problem:
        sys.exit(f"The console's settings do not make sense:\n{problem}")
    serve("console.main:asgi", host, port, workers)


if __name__ == "__main__":
    main()
