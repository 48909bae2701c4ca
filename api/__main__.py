"""Serve the API: `python -m api --host 0.0.0.0 --port 3001 --workers 2`."""

from __future__ import annotations

import sys

import click

from serving.launch import serve
from shared.config.settings import SettingsError, read_api_settings
from shared.metrics.exposition import serve_metrics, share_metrics_of_children


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=3001, show_default=True, help="Port to listen on.")
@click.option("--workers", default=1, show_default=True, help="Processes; each has REQUEST_THREADS threads.")
@click.option("--target", default="api.main:asgi", show_default=True, help="The ASGI application to serve.")
def main(host: str, port: int, workers: int, target: str) -> None:
    """Serve the HTTP API until SIGTERM."""
    try:
        settings = read_api_settings()
    except SettingsError as problem:
        sys.exit(f"The settings are invalid:\n{problem}")
    share_metrics_of_children()
    serve_metrics(settings.metrics_port, settings.metrics_host)
    serve(target, host, port, workers)


if __name__ == "__main__":
    main()
