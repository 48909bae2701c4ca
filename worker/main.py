"""The Celery entry: `celery -A worker.main:app worker`. A bad setting ends the start with a sentence."""

from __future__ import annotations

import sys

from shared.metrics.exposition import prepare_processes

# before any import of what counts: a prefork worker's children share their metrics with the process that serves them
prepare_processes()

from shared.config.settings import SettingsError, read_settings  # noqa: E402
from worker.app import create_worker  # noqa: E402

try:
    app = create_worker(read_settings())
except SettingsError as problem:
    sys.exit(f"The settings do not make sense:\n{problem}")
