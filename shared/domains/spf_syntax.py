"""The syntax of SPF policies (RFC 7208 section 12). A text that breaks it is a permanent error to its readers."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

VERSION = re.compile(r"v=spf1(?= |\Z)", re.IGNORECASE | re.ASCII)
MECHANISM = re.compile(
    r"([+?~-]?)(all|include|a|mx|ptr|ip4|ip6|exists)"
    r"(?::(.+?))?(?:/(0|[1-9][0-9]{0,2}))?(?://(0|[1-9][0-9]{0,2}))?",
    re.IGNORECASE,
)
MODIFIER = re.compile(r"([A-Za-z][A-Za-z0-9_.-]*)=(.*)")
#: a macro, or one character that is none; the letters c, r and t are for explanations only (section 7.2)
MACRO_TOKEN = re.compile(r"%\{[slodiphv](?!0+[^0-9])[0-9]*r?[.+,/_=-]*\}|%[%_-]|[!-$&-~]", re.IGNORECASE)
TOP_LABEL = re.compile(r"(?![0-9]+\Z)[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")
WITH_TARGET = frozenset({"include", "ip4", "ip6", "exists"})
#: the longest prefixes behind `/` and `//`; none may follow any other mechanism
PREFIXES = {"a": (32, 128), "mx": (32, 128), "ip4": (32, -1), "ip6": (128, -1)}


@dataclass(frozen=True)
class Mechanism:
    """One mechanism, or the modifier `redirect`. `qualifier`: `+`, `-`, `~` or `?`. `prefixes`: behind `/`, `//`."""

    qualifier: str
    name: str
    target: str = ""
    prefixes: tuple[int | None, int | None] = (None, None)

    def prefix_length(self, family: int) -> int | None:
        """Return the length of the prefix for IPv4 or IPv6; None when all bits count."""
        is_second = family == 6 and self.name != "ip6"
        return self.prefixes[1 if is_second else 0]


def is_spf(text: str) -> bool:
    """Return whether readers take a text for an SPF policy."""
    return VERSION.match(text) is not None


def read_terms(text: str) -> tuple[Mechanism, ...] | None:
    """Return the mechanisms in their order, with `redirect` at the end; None for a permanent error."""
    found: list[Mechanism] = []
    modifiers: dict[str, str] = {}
    for term in filter(None, text.split(" ")[1:]):
        mechanism, modifier = MECHANISM.fullmatch(term), MODIFIER.fullmatch(term)
        if mechanism is not None:
            one = _mechanism(mechanism)
            if one is None:
                return None
            found.append(one)
        elif modifier is None or not _add_modifier(modifiers, modifier[1].lower(), modifier[2]):
            return None
    if "redirect" in modifiers:
        found.append(Mechanism("+", "redirect", modifiers["redirect"]))
    return tuple(found)


def _mechanism(term: re.Match[str]) -> Mechanism | None:
    qualifier, name, target = term[1] or "+", term[2].lower(), term[3] or ""
    prefixes = tuple(None if length is None else int(length) for length in term.group(4, 5))
    longest = PREFIXES.get(name, (-1, -1))
    if any(length is not None and length > most for length, most in zip(prefixes, longest, strict=True)):
        return None
    is_target = TARGETS.get(name, _is_domain)
    is_right = is_target(target) if target or name in WITH_TARGET else True
    return Mechanism(qualifier, name, target, (prefixes[0], prefixes[1])) if is_right else None


def _add_modifier(known: dict[str, str], name: str, value: str) -> bool:
    """Add a modifier; return False for an error. Unknown ones may be repeated (section 6)."""
    is_known = name in ("redirect", "exp")
    is_right = name not in known and _is_domain(value) if is_known else _macro_tokens(value) is not None
    known[name] = value
    return is_right


def _macro_tokens(text: str) -> list[str] | None:
    """Return the macros and other characters of a text; None for one that is no macro string."""
    tokens = MACRO_TOKEN.findall(text)
    return tokens if "".join(tokens) == text else None


def _is_domain(text: str) -> bool:
    """Return whether a text names a domain: it ends with a macro, or with a dot and a top label."""
    tokens = _macro_tokens(text)
    if not tokens:
        return False
    _, dot, label = text.removesuffix(".").rpartition(".")
    return len(tokens[-1]) > 1 or (bool(dot) and TOP_LABEL.fullmatch(label) is not None)


def _is_ipv4(text: str) -> bool:
    return _is_address(text, ipaddress.IPv4Address)


def _is_ipv6(text: str) -> bool:
    # a zone, as in fe80::1%eth0, is no part of an address here
    return "%" not in text and _is_address(text, ipaddress.IPv6Address)


def _is_address(text: str, kind: Callable[[str], object]) -> bool:
    try:
        kind(text)
    except ValueError:
        return False
    return True


TARGETS: Mapping[str, Callable[[str], bool]] = {"all": lambda _: False, "ip4": _is_ipv4, "ip6": _is_ipv6}
