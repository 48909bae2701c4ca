"""docs/how-to/receive-webhooks.md is true: its example is run, and its numbers are those of the code."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.core.signatures import HEADER, REPLAY_WINDOW, new_secret, signed_headers
from worker.jobs.webhook_delivery.attempt import HOUR, MINUTE, RETRY_DELAYS

TEXT = (Path(__file__).parents[2] / "docs" / "how-to" / "receive-webhooks.md").read_text()
BODY = b'{"id":"1","action":"tenant.created"}'


@pytest.fixture
def is_from_dezky() -> Callable[[str, str, bytes], bool]:
    """Return the guide's example as a receiver would copy it."""
    (example,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    names: dict[str, Callable[[str, str, bytes], bool]] = {}
    exec(example, names)  # noqa: S102 - our own manual
    return names["is_from_dezky"]


def header(*secrets: str, ago: float = 0) -> str:
    return signed_headers(secrets, "id", int(time.time() - ago), BODY)[HEADER]


def test_the_documented_example_accepts_only_our_current_signatures(
    is_from_dezky: Callable[[str, str, bytes], bool],
) -> None:
    old, new = new_secret(), new_secret()
    assert is_from_dezky(old, header(old), BODY)
    assert is_from_dezky(old, header(new, old), BODY)
    assert is_from_dezky(new, header(new, old), BODY)
    assert not is_from_dezky(new, header(old), BODY)
    assert not is_from_dezky(old, header(old), BODY + b" ")
    assert not is_from_dezky(old, header(old, ago=REPLAY_WINDOW + 5), BODY)
    now = int(time.time())
    for forged in ("", "nonsense", "v1=0", "t=,v1=0", "t=\u00b2,v1=0", f"t={'9' * 5000},v1=0", f"t={now},v1=\u00fc"):
        assert not is_from_dezky(old, forged, BODY)


def test_the_documented_times_are_those_of_the_schedule() -> None:
    documented = re.search(r"tried ten times.*: after (.*?), a little later", TEXT, re.DOTALL)
    assert documented is not None
    units = {"s": 1.0, "min": MINUTE, "h": HOUR}
    named = [float(number) * units[unit] for number, unit in re.findall(r"(\d+) (s|min|h)", documented[1])]
    assert named == list(RETRY_DELAYS)
    # the first attempt has no delay
    assert 1 + len(RETRY_DELAYS) == 10
