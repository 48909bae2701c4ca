"""Run all checks from this machine, without the API: `python -m worker.doctor`. Exits with 1 when a check failed."""

from __future__ import annotations

import sys

from shared.application.store import open_repositories
from shared.config.settings import SettingsError, read_settings
from shared.core.logging import configure_logs
from shared.diagnostics.model import CheckStatus
from shared.messaging.celery_app import make_celery
from shared.operations.dispatcher import Dispatcher
from worker.composition import open_diagnostics
from worker.integrations.registry import connect_integrations


def main() -> None:
    """Print every check, with what to do about those that failed."""
    try:
        settings = read_settings()
    except SettingsError as problem:
        sys.exit(f"The settings are invalid:\n{problem}")
    configure_logs("ERROR", "console")
    app = make_celery(settings.broker, "sender")
    store, dispatcher = open_repositories(settings), Dispatcher(settings.broker, app)
    checks = open_diagnostics(store, dispatcher, app, connect_integrations(settings), settings).run()
    for check in checks:
        print(f"{check.status.value:<15} {check.area}/{check.name}: {check.message}")
        if check.status in (CheckStatus.FAILED, CheckStatus.WARNING) and check.remedy:
            print(f"{'':<15} {check.remedy}")
    dispatcher.close()
    store.close()
    sys.exit(any(check.status is CheckStatus.FAILED for check in checks))


if __name__ == "__main__":
    main()
