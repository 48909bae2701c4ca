"""What is remembered outside the database, in Redis: how far it had come. It may be lost; then nothing can be told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import redis
import structlog

log = structlog.get_logger(__name__)

#: keeps the higher number of one line; another line is left to `replace`
_KEEP = """
local known = redis.call('HMGET', KEYS[1], 'line', 'number')
if known[1] and (known[1] ~= ARGV[1] or tonumber(known[2]) >= tonumber(ARGV[2])) then return 0 end
redis.call('HSET', KEYS[1], 'line', ARGV[1], 'number', ARGV[2])
return 1
"""


@dataclass(frozen=True)
class MarkedPosition:
    """`line`: which database; `number`: how far it had come."""

    line: str
    number: int


class HighWaterMark:
    """Of one database, by its name. Safe to share between threads."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    def recall(self, database: str) -> MarkedPosition | None:
        """None when there is nothing, or Redis does not answer."""
        with _heeded():
            line, number = self._redis.hmget(_key(database), "line", "number")
            return MarkedPosition(_text(line), int(number)) if line and number else None
        return None

    def keep(self, database: str, line: str, number: int) -> None:
        """Remember it, unless more is remembered, or another line. What fails is tried again with the next number."""
        with _heeded():
            self._redis.eval(_KEEP, 1, _key(database), line, str(number))

    def replace(self, database: str, line: str, number: int) -> bool:
        """Remember it instead of whatever there was. False when Redis does not answer."""
        with _heeded():
            self._redis.hset(_key(database), mapping={"line": line, "number": number})
            return True
        return False


@contextmanager
def _heeded() -> Iterator[None]:
    try:
        yield
    except (redis.RedisError, OSError) as problem:
        log.warning("memory.unreachable", problem=type(problem).__name__)


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _key(database: str) -> str:
    return f"dezky:epoch:{database}"
