"""Lists of `tag=value` in TXT records: those of DKIM (RFC 6376 section 3.2), and stricter ones of later standards."""

from __future__ import annotations

import re

#: a tag of DKIM and DMARC: spaces may stand around its name and value
TAG = re.compile(r"[ \t\r\n]*([A-Za-z][A-Za-z0-9_]*)[ \t\r\n]*=([ -~\t\r\n]*)")
#: a field of MTA-STS and TLS reporting: its value follows the equals sign and is not empty
FIELD = re.compile(r"[ \t]*([A-Za-z0-9][A-Za-z0-9_.-]{0,31})=([!-~][ -~\t]*)")


def read_tags(text: str, form: re.Pattern[str] = TAG) -> dict[str, str] | None:
    """Return the tags in their order, values without outer spaces. The case of names matters.

    None for a text that is no such list, or that has a tag twice: its readers ignore it.
    """
    found: dict[str, str] = {}
    parts = text.split(";")
    if not parts[-1].strip(" \t\r\n"):
        parts.pop()
    for part in parts:
        tag = form.fullmatch(part)
        if tag is None or tag[1] in found:
            return None
        found[tag[1]] = tag[2].strip()
    return found


def first_tag(tags: dict[str, str]) -> tuple[str, str]:
    """Return the name and the value of the first tag; both empty for an empty list."""
    return next(iter(tags.items()), ("", ""))


def listed(value: str | None) -> frozenset[str]:
    """Return the members of a list inside a value, which colons separate."""
    return frozenset(one.strip() for one in (value or "").split(":") if one.strip())
