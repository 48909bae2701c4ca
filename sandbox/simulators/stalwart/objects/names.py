"""Read names as Stalwart does: domains, local parts of addresses, ids, and words of a text search."""

from __future__ import annotations

import re
from typing import Any

from sandbox.simulators.stalwart.objects.properties import SetError, invalid_patch

ALPHABET = "abcdefghijklmnopqrstuvwxyz792013"
#: the parser also accepts these capitals
_READ = frozenset(ALPHABET) | frozenset("KLMNOPQRSTUVWXYZ")

SUFFIXES = frozenset(
    "test localhost local internal lan home corp intranet private localdomain com net org de eu uk onion".split()
)


def canonical_domain(given: Any) -> str:
    """Remove white space, lower the case, encode A-labels; the suffix rule refuses `.example`. Raises SetError."""
    name = "".join(str(given).split()).lower()
    try:
        name = name.encode("idna").decode() if not name.isascii() else name
    except UnicodeError:
        name = ""
    labels = name.split(".")
    # as in Stalwart, labels get no further check: leading hyphens, underscores and 70 bytes are accepted
    if len(labels) < 2 or not all(labels) or "*" in name or labels[-1] not in SUFFIXES:
        raise invalid_patch("Invalid domain name", "name")
    return name


def local_part(given: Any) -> str:
    """Remove white space and lower the case. Raises SetError."""
    name = "".join(str(given).split()).lower()
    if not name or "@" in name:
        raise invalid_patch("Invalid email local part", "name")
    return name


def encode_id(number: int) -> str:
    """Write a number in base 32 with the product's alphabet, without padding."""
    text = ""
    while True:
        number, digit = divmod(number, 32)
        text = ALPHABET[digit] + text
        if number == 0:
            return text


def decode_id(id_: str) -> int:
    """Read the number of an id that this simulator made."""
    number = 0
    for letter in id_:
        number = number * 32 + ALPHABET.index(letter)
    return number


def parses(id_: Any) -> bool:
    """Return whether this is a well-formed id; the server silently drops others."""
    return isinstance(id_, str) and set(id_) <= _READ


def words(text: str) -> list[str]:
    """Split at characters other than letters and digits; words of one letter do not count."""
    return [word for word in re.split(r"[\W_]+", text.lower()) if len(word) > 1]


def violation(prop: str, kind: str, id_: str) -> SetError:
    return SetError("primaryKeyViolation", properties=[prop], objectId={"object": kind, "id": id_})
