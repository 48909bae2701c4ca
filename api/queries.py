"""Query parameters: read strictly, an unknown or malformed one is told with its name. Cursors and Link headers."""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import urlencode

from flask import request

from shared.domain.errors import Flaw, InvalidInput

LONGEST_WAIT = 30.0
DEFAULT_LIMIT, LARGEST_LIMIT = 50, 200
CURSOR = re.compile(r"[0-9a-f]{24}")


def require_known(allowed: Collection[str]) -> None:
    """Raises InvalidInput for a parameter this route does not know: a misspelt filter must not list everything."""
    flaws = [Flaw(f"?{name}", "is not a parameter of this route") for name in request.args if name not in allowed]
    if flaws:
        raise InvalidInput(flaws)


def wait_seconds() -> float:
    """`?wait=`: 0 to 30, 0 without it."""
    text = request.args.get("wait", "0")
    if not re.fullmatch(r"\d{1,3}(\.\d{1,3})?", text) or float(text) > LONGEST_WAIT:
        raise InvalidInput([Flaw("?wait", f"must be a number of seconds from 0 to {LONGEST_WAIT:.0f}")])
    return float(text)


def limit() -> int:
    """`?limit=`: 1 to 200, 50 without it."""
    text = request.args.get("limit", str(DEFAULT_LIMIT))
    if not re.fullmatch(r"\d{1,4}", text) or not 1 <= int(text) <= LARGEST_LIMIT:
        raise InvalidInput([Flaw("?limit", f"must be a number from 1 to {LARGEST_LIMIT}")])
    return int(text)


def cursor() -> str | None:
    """`?cursor=`: as given by a Link header, never made up."""
    text = request.args.get("cursor")
    if text is not None and not CURSOR.fullmatch(text):
        raise InvalidInput([Flaw("?cursor", "is not a cursor; follow the Link header instead of making one")])
    return text


def next_link(following: str | None) -> dict[str, str]:
    """The RFC 8288 Link header to the following page, or none at the end."""
    if following is None:
        return {}
    arguments = {**request.args.to_dict(), "cursor": following}
    return {"Link": f'<{request.path}?{urlencode(arguments)}>; rel="next"'}
