"""The WSGI entry: `granian --interface wsgi console.main:app`. A bad setting ends the start with a sentence."""

from __future__ import annotations

import sys

from console.app import create_app
from console.settings import SettingsError, read_settings

try:
    settings = read_settings()
except SettingsError as problem:
    sys.exit(f"The console's settings do not make sense:\n{problem}")
app = create_app(settings)
