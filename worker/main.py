"""The Celery entry: `celery -A worker.main:app worker`. A bad setting ends the start with a sentence."""

from __future__ import annotations

import sys

from shared.config.settings import SettingsError, read_settings
from worker.app import create_worker

try:
    app = create_worker(read_settings())
except SettingsError as problem:
    sys.exit(f"The settings do not make sense:\n{problem}")
