"""Start Flower with every page behind its login: `python -m worker.flower --port=5555`.

Flower leaves `/metrics` and `/healthcheck` open to everybody, even with a login. Here they require it as well, and
Flower does not start without one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from celery.bin.celery import main as celery_main
from flower import urls
from flower.views.monitor import Healthcheck, Metrics
from tornado import web

#: options that restrict access; one is required
LOGINS = ("FLOWER_BASIC_AUTH", "FLOWER_AUTH")


class ProtectedMetrics(Metrics):  # type: ignore[misc]
    """Flower's metrics, for signed-in users."""

    @web.authenticated
    async def get(self) -> None:
        """Return the metrics."""
        await super().get()


class ProtectedHealthcheck(Healthcheck):  # type: ignore[misc]
    """Flower's health check, for signed-in users."""

    @web.authenticated
    async def get(self) -> None:
        """Respond that Flower runs."""
        await super().get()


_PROTECTED: dict[str, Any] = {r"/metrics": ProtectedMetrics, r"/healthcheck": ProtectedHealthcheck}


#: columns of the list of tasks: tenant and cause of failure before ids
COLUMNS = "name,state,args,exception,received,runtime,retries,worker,uuid"

#: the newest tasks that Flower keeps, each in about 8 kB; its default of 100,000 needs more than its containers have
MAX_TASKS = 10_000


def protect_handlers() -> None:
    """Replace the handlers that Flower leaves open. Raises LookupError when this version has others."""
    places = {one[0]: place for place, one in enumerate(urls.handlers) if isinstance(one, tuple)}
    missing = _PROTECTED.keys() - places.keys()
    if missing:
        raise LookupError(f"this version of Flower has no handler for {', '.join(sorted(missing))}")
    for path, handler in _PROTECTED.items():
        urls.handlers[places[path]] = (path, handler)


def main() -> None:
    """Run Flower until SIGTERM or SIGINT."""
    for name in LOGINS:
        path = os.environ.pop(f"{name}_FILE", None)
        if path and name not in os.environ:
            os.environ[name] = Path(path).read_text().strip()
    if not any(os.environ.get(name) for name in LOGINS):
        sys.exit(f"Flower would be open to everybody: set {' or '.join(LOGINS)}, or {LOGINS[0]}_FILE.")
    protect_handlers()
    sys.argv = ["celery", *arguments(sys.argv[1:])]
    celery_main()


def arguments(given: Sequence[str]) -> list[str]:
    """Return the arguments of `celery` that start Flower; those given override ours."""
    ours = (f"--tasks_columns={COLUMNS}", f"--max_tasks={MAX_TASKS}")
    return ["-A", "worker.main:app", "flower", *ours, *given]


if __name__ == "__main__":
    main()
