"""Lists of `tag=value` in TXT records (RFC 6376 section 3.2), and the forms in which people paste them."""

from __future__ import annotations

import re

TAG = re.compile(r"[ \t\r\n]*([A-Za-z][A-Za-z0-9_]*)[ \t\r\n]*=([^;]*)")
CHUNK = re.compile(r'"((?:[^"\\]|\\.)*)"')


def read_tags(text: str) -> dict[str, str] | None:
    """Return the tags in their order, names in lower case, values without outer spaces.

    None for a text that is no such list, or that has a tag twice: its readers ignore it.
    """
    found: dict[str, str] = {}
    parts = text.split(";")
    if not parts[-1].strip():
        parts.pop()
    for part in parts:
        tag = TAG.fullmatch(part)
        if tag is None or tag[1].lower() in found:
            return None
        found[tag[1].lower()] = tag[2].strip()
    return found


def first_tag(tags: dict[str, str]) -> tuple[str, str]:
    """Return the name and the value of the first tag; both empty for an empty list."""
    return next(iter(tags.items()), ("", ""))


def unpasted(text: str) -> str:
    """Return what a text means that was pasted from a zone file: its quotes and backslashes removed.

    Its readers do not do that, so a record that needs it does not work; but it shows what its owner wanted to publish.
    """
    stripped = text.strip()
    joined = "".join(CHUNK.findall(stripped)) if stripped.startswith(('"', '\\"')) else stripped
    return re.sub(r"\\(.)", r"\1", joined or stripped).strip().strip('"')


def listed(value: str | None, separator: str = ":") -> frozenset[str]:
    """Return the members of a list inside a value, in lower case."""
    return frozenset(one.strip().lower() for one in (value or "").split(separator) if one.strip())
