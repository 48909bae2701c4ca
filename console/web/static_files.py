"""Static files: URLs that change with their content, and the dark rules for people without a chosen theme."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

from flask import Blueprint, Flask, Response

from console.auth.session import FILES

CHOSEN, UNDECIDED = '[data-bs-theme="dark"]', '[data-theme="auto"]'
RULE = re.compile(r"(?P<selectors>[^{}]*)\{(?P<body>[^{}]*)\}")


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


def add_system_theme(app: Flask, bootstrap: Path) -> None:
    """Serve the rules as a file of its own, made from Bootstrap's and the console's style sheets."""
    own = Path(app.static_folder or "") / "console.css"
    rules = system_rules(bootstrap.read_text() + own.read_text())
    pages = Blueprint("system_theme", __name__)

    @pages.get("/static/system-theme.css")
    def styles() -> Response:
        return Response(rules, content_type="text/css; charset=utf-8")

    app.register_blueprint(pages)


def system_rules(styles: str) -> str:
    """Copy each rule of the chosen dark theme for the theme `auto`, under the system's preference."""
    found = [
        f"{match['selectors'].strip().replace(CHOSEN, UNDECIDED)} {{{match['body']}}}"
        for match in RULE.finditer(re.sub(r"/\*.*?\*/", "", styles, flags=re.DOTALL).replace("=dark]", '="dark"]'))
        if CHOSEN in match["selectors"]
    ]
    return "\n".join(["@media (prefers-color-scheme: dark) {", *found, "}"])
