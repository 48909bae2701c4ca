"""Compare a response with a document: names and values must be equal, ids and times only of the same kind."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

#: values that differ from run to run, as written, with the pattern that the other run's must match
KINDS: dict[str, str] = {
    "time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z",
    "uuid": r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "hex32": r"\b[0-9a-f]{32}\b",
    "hex24": r"\b[0-9a-f]{24}\b",
    "left_out": "…",
}
#: the kinds whose values are equal wherever they are shown
NAMES = ("uuid", "hex24")
ANY = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in KINDS.items()))


class ResponseComparison:
    """Compares a whole document's responses: an id that is shown twice must be one id in the responses too."""

    def __init__(self) -> None:
        self._given_by_shown: dict[str, str] = {}

    def of_http(self, shown: str, given: str) -> Iterator[str]:
        """Return the differences of a whole response: status line, shown headers, and body if shown."""
        shown_head, _, shown_body = shown.partition("\n\n")
        given_head, _, given_body = given.replace("\r\n", "\n").partition("\n\n")
        shown_first, *shown_lines = shown_head.strip().split("\n")
        given_first, *given_lines = given_head.strip().split("\n")
        yield from self.of_text(shown_first, given_first, "status line")
        headers = dict(map(_header, given_lines))
        for name, value in map(_header, shown_lines):
            yield from self.of_text(value, headers.get(name, "(no such header)"), name)
        if shown_body.strip():
            yield from self.of_json(shown_body, given_body)
        elif given_body.strip():
            yield f"a body is given and none is shown: {given_body[:200]}"

    def of_json(self, shown: str, given: str) -> Iterator[str]:
        """Return the differences of a body with their places. Fields that are not shown do not count."""
        try:
            answered = json.loads(given)
        except ValueError:
            yield f"the answer is not JSON: {given[:300]!r}"
            return
        yield from self._of_value(json.loads(shown), answered, "")

    def of_text(self, shown: str, given: str, place: str) -> Iterator[str]:
        match = re.fullmatch(_pattern(shown), given, re.DOTALL)
        if match is None:
            yield f"{place}: shown {shown!r}, given {given!r}"
            return
        places = [found for found in ANY.finditer(shown) if found.lastgroup != "left_out"]
        for found, value in zip(places, match.groups(), strict=True):
            if found.lastgroup in NAMES and self._given_by_shown.setdefault(found[0], value) != value:
                yield f"{place}: {found[0]} was {self._given_by_shown[found[0]]} before, and is {value} here"

    def _of_value(self, shown: Any, given: Any, place: str) -> Iterator[str]:
        if isinstance(shown, Mapping) and isinstance(given, Mapping):
            for name, value in shown.items():
                if name in given:
                    yield from self._of_value(value, given[name], f"{place}/{name}")
                else:
                    yield f"{place}/{name}: shown, and not given; given are {', '.join(given)}"
        elif isinstance(shown, list) and isinstance(given, list) and len(shown) == len(given):
            for number, (one, other) in enumerate(zip(shown, given, strict=True)):
                yield from self._of_value(one, other, f"{place}/{number}")
        elif isinstance(shown, str) and isinstance(given, str):
            yield from self.of_text(shown, given, place)
        elif shown != given or type(shown) is not type(given):
            yield f"{place}: shown {shown!r}, given {given!r}"


def _header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip().lower(), value.strip()


def _pattern(shown: str) -> str:
    """Turn shown text into a pattern: a group for each value that may differ, any text for omitted parts."""
    parts: list[str] = []
    end = 0
    for found in ANY.finditer(shown):
        parts.append(re.escape(shown[end : found.start()]))
        parts.append(".*" if found.lastgroup == "left_out" else f"({KINDS[str(found.lastgroup)]})")
        end = found.end()
    return "".join([*parts, re.escape(shown[end:])])
