"""The application of one API process: `asgi` for the server of `python -m api`, `app` for any WSGI server."""

from __future__ import annotations

import gc
import sys

from api.app import create_app
from api.http.server_policy import ApiServerPolicy
from api.startup import prepare_in_background
from serving.bridge import Bridge
from shared.config.settings import SettingsError, read_api_settings

try:
    settings = read_api_settings()
except SettingsError as problem:
    sys.exit(f"The settings are invalid:\n{problem}")
app = create_app(settings)
asgi = Bridge(app, settings.request_threads, ApiServerPolicy())
app.extensions["token_validator"].fetch_keys()
prepare_in_background(app.extensions["services"])
# imported objects live as long as the process; without this each full garbage collection would scan them
gc.collect()
gc.freeze()
