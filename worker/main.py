"""The Celery entry: `celery -A worker.main:app worker`. An invalid setting stops the start with a sentence."""

from __future__ import annotations

import sys

from shared.metrics.exposition import share_metrics_of_children

# before any import that defines metrics: prefork children share theirs with the process that serves them
share_metrics_of_children()

from shared.config.settings import SettingsError, read_settings  # noqa: E402
from worker.app import create_worker  # noqa: E402

try:
    app = create_worker(read_settings())
except SettingsError as problem:
    sys.exit(f"The settings are invalid:\n{problem}")
