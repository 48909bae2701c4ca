"""No process's clock decides a value that is stored or compared with database times: uses of clocks are listed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
WALL_CLOCK = re.compile(r"\b(?:datetime\.(?:now|utcnow|today)|date\.today|time\.time(?:_ns)?|time)\(\)|datetime\.now\(")
#: file to the reason why it may read its own clock
MAY: Mapping[str, str] = {
    "api/http/rate_limits.py": "the library that counts requests says by the wall clock when a window ends",
    "api/auth/claims.py": "an issuer says by the wall clock how long a token is good",
    "api/auth/tokens.py": "a verified token is remembered until it expires at most",
    "api/routes/webhooks/stripe.py": "a signature of Stripe's is good for some minutes",
    "worker/diagnostics/checks.py": "how far this host's clock is from the database's is what is checked",
    "worker/diagnostics/products.py": "a certificate's end is a time of the world",
    "worker/http/json_client.py": "a date to wait for, from an answer that does not tell its own time",
    "worker/integrations/stripe/client.py": "which customers a search may not show yet; a key keeps a second one away",
}


def test_every_use_of_a_wall_clock_is_listed_with_its_reason() -> None:
    reading = {
        str(path.relative_to(ROOT))
        for package in ("api", "worker", "shared")
        for path in (ROOT / package).rglob("*.py")
        if WALL_CLOCK.search(path.read_text())
    }
    assert reading == set(MAY)
