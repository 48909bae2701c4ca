"""The application of one console process: `asgi` for the server of `python -m console`, `app` for any WSGI server."""

from __future__ import annotations

import sys

from console.app import create_app
from console.settings import SettingsError, read_settings
from console.web.server_policy import ConsoleServerPolicy
from serving.bridge import Bridge

#: requests that one process answers at a time; each waits for the API most of its time
THREADS = 16

try:
    settings = read_settings()
except SettingsError as problem:
    sys.exit(f"The console's settings do not make sense:\n{problem}")
app = create_app(settings)
asgi = Bridge(app, THREADS, ConsoleServerPolicy())
