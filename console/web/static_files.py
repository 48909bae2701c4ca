"""Serve static files that browsers may cache, because their URLs change with their content."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from flask import Flask

from console.auth.session import FILES


def version_files(app: Flask) -> None:
    """Add a digest of all static files to their URLs, so that an upgrade never meets a cached older file."""
    digest = hashlib.sha256()
    for path in sorted(Path(app.static_folder or "").rglob("*")):
        digest.update(path.read_bytes())
    version = digest.hexdigest()[:12]

    @app.url_defaults
    def add_version(endpoint: str, values: dict[str, Any]) -> None:
        if endpoint in FILES:
            values["v"] = version
