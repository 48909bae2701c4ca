"""Names for objects on a server that several tests share."""

from __future__ import annotations

from collections import Counter


class UnusedNames:
    """Returns a name, and another one each further time, because a test that failed is repeated on the same server."""

    def __init__(self) -> None:
        self._used: Counter[str] = Counter()

    def __call__(self, name: str) -> str:
        self._used[name] += 1
        return name if self._used[name] == 1 else f"{name}{self._used[name]}"
