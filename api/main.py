"""The WSGI entry: `granian --interface wsgi api.main:app`. A bad setting ends the start with a sentence."""

from __future__ import annotations

import gc
import sys

from api.app import create_app
from api.startup import prepare_in_background
from shared.config.settings import SettingsError, read_settings

try:
    settings = read_settings()
except SettingsError as problem:
    sys.exit(f"The settings do not make sense:\n{problem}")
app = create_app(settings)
prepare_in_background(app.extensions["control_plane"])
# what is here now stays: without this each full collection walks all of it, while a request waits
gc.collect()
gc.freeze()
