"""High-water mark in Redis, to detect that an older MongoDB backup was restored. It may be lost at any time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import redis
import structlog

log = structlog.get_logger(__name__)

#: stores the number if it is higher; the mark of another database id is changed only by `replace`
_ADVANCE = """
local known = redis.call('HMGET', KEYS[1], 'line', 'number')
if known[1] and (known[1] ~= ARGV[1] or tonumber(known[2]) >= tonumber(ARGV[2])) then return 0 end
redis.call('HSET', KEYS[1], 'line', ARGV[1], 'number', ARGV[2])
return 1
"""


@dataclass(frozen=True)
class MarkedPosition:
    """A position of a database. `database_id`: from the `epochs` collection; `number`: rises over time."""

    database_id: str
    number: int


class HighWaterMark:
    """Reads and writes high-water marks, one per database name. Safe to share between threads."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    def read(self, database: str) -> MarkedPosition | None:
        """Return the mark; None when there is none or Redis does not answer."""
        with _redis_errors_logged():
            line, number = self._redis.hmget(_key(database), "line", "number")
            return MarkedPosition(_text(line), int(number)) if line and number else None
        return None

    def advance(self, database: str, database_id: str, number: int) -> None:
        """Store the position, unless the mark is higher or of another id. The next call makes up for a failure."""
        with _redis_errors_logged():
            self._redis.eval(_ADVANCE, 1, _key(database), database_id, str(number))

    def replace(self, database: str, database_id: str, number: int) -> bool:
        """Store the position unconditionally. Returns False when Redis does not answer."""
        with _redis_errors_logged():
            self._redis.hset(_key(database), mapping={"line": database_id, "number": number})
            return True
        return False


@contextmanager
def _redis_errors_logged() -> Iterator[None]:
    try:
        yield
    except (redis.RedisError, OSError) as problem:
        log.warning("high_water_mark.unavailable", problem=type(problem).__name__)


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _key(database: str) -> str:
    return f"dezky:epoch:{database}"
