"""DKIM keys (RFC 6376 section 3.6.1): whether a published key verifies what the wanted one signs."""

from __future__ import annotations

from shared.domains.tag_list import first_tag, listed, read_tags

VERSION = "DKIM1"


def is_key(text: str) -> bool:
    """Return whether a text at a selector is a key record, well-formed or not. Its version may be left out."""
    tags = read_tags(text)
    return text.lower().replace(" ", "").startswith("v=dkim1") or (tags is not None and "p" in tags)


def serves(wanted: str, seen: str) -> bool:
    """Return whether a published key is the wanted one. Order, defaults and further tags make no difference."""
    ours, theirs = read_tags(wanted), _read_key(seen)
    if ours is None or theirs is None:
        return False
    is_same = _key(ours) == _key(theirs) and _type(ours) == _type(theirs)
    return is_same and _accepts(theirs)


def _accepts(tags: dict[str, str]) -> bool:
    """Return whether the key is in use for mail signed with SHA-256, and not only a test."""
    hashes, services = listed(tags.get("h")), listed(tags.get("s"))
    is_for_mail = not services or bool(services & {"*", "email"})
    return (not hashes or "sha256" in hashes) and is_for_mail and "y" not in listed(tags.get("t"))


def _read_key(text: str) -> dict[str, str] | None:
    """Return the tags of a key that verifiers accept: a version is the first tag, and there is a key."""
    tags = read_tags(text)
    if tags is None or not tags.get("p"):
        return None
    return tags if "v" not in tags or first_tag(tags) == ("v", VERSION) else None


def _key(tags: dict[str, str]) -> str:
    return "".join(tags.get("p", "").split())


def _type(tags: dict[str, str]) -> str:
    return tags.get("k", "rsa").lower()
