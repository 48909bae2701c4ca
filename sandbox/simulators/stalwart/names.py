"""How Stalwart reads names: domains, the part of an address before the @, ids, and words of a text search."""

from __future__ import annotations

import re
from typing import Any

from sandbox.simulators.stalwart.properties import SetError, invalid_patch

ALPHABET = "abcdefghijklmnopqrstuvwxyz792013"
#: the parser takes these capitals too
_READ = frozenset(ALPHABET) | frozenset("KLMNOPQRSTUVWXYZ")

SUFFIXES = frozenset(
    "test localhost local internal lan home corp intranet private localdomain com net org de eu uk".split()
)


def canonical_domain(given: Any) -> str:
    """White space removed, lower case, A-labels; the suffix rule refuses `.example`. Raises SetError."""
    name = "".join(str(given).split()).lower()
    try:
        name = name.encode("idna").decode() if not name.isascii() else name
    except UnicodeError:
        name = ""
    if "." not in name or name.endswith(".") or name.rsplit(".", 1)[1] not in SUFFIXES:
        raise invalid_patch("Invalid domain name", "name")
    return name


def local_part(given: Any) -> str:
    """White space removed, lower case. Raises SetError."""
    name = "".join(str(given).split()).lower()
    if not name or "@" in name:
        raise invalid_patch("Invalid email local part", "name")
    return name


def encode_id(number: int) -> str:
    """A number in base 32 with the product's alphabet, no padding."""
    text = ""
    while True:
        number, digit = divmod(number, 32)
        text = ALPHABET[digit] + text
        if number == 0:
            return text


def decode_id(id_: str) -> int:
    """The number of an id that was made here."""
    number = 0
    for letter in id_:
        number = number * 32 + ALPHABET.index(letter)
    return number


def parses(id_: Any) -> bool:
    """Whether the server takes this for an id at all; what does not parse is dropped without a word."""
    return isinstance(id_, str) and set(id_) <= _READ


def words(text: str) -> list[str]:
    """Split at what is no letter or digit; words of one letter do not count."""
    return [word for word in re.split(r"[\W_]+", text.lower()) if len(word) > 1]


def violation(prop: str, kind: str, id_: str) -> SetError:
    return SetError("primaryKeyViolation", properties=[prop], objectId={"object": kind, "id": id_})
