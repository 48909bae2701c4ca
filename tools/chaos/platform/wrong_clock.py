"""Run a Python module with a wrong clock: `python -m tools.chaos.platform.wrong_clock SECONDS MODULE [ARGUMENTS]`."""

from __future__ import annotations

import datetime
import runpy
import sys
import time
from typing import Any

_Datetime = datetime.datetime


class _AnyDatetime(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        """Accept instances that C code makes, which are of the original class."""
        return isinstance(instance, _Datetime)


class _OffDatetime(_Datetime, metaclass=_AnyDatetime):
    """Replace `datetime.datetime`: instances are of that class, and only `now` is off."""

    off = datetime.timedelta()

    def __new__(cls, *args: Any, **options: Any) -> Any:
        return _Datetime(*args, **options)

    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> Any:
        return _Datetime.now(tz) + cls.off

    @classmethod
    def utcnow(cls) -> Any:
        return _Datetime.now(datetime.UTC).replace(tzinfo=None) + cls.off


def shift_clocks(seconds: float) -> None:
    """Shift every wall clock for modules that are imported from now on. Monotonic clocks stay right."""
    right, right_ns = time.time, time.time_ns
    time.time = lambda: right() + seconds
    time.time_ns = lambda: right_ns() + int(seconds * 10**9)
    _OffDatetime.off = datetime.timedelta(seconds=seconds)
    datetime.datetime = _OffDatetime  # type: ignore[misc]


if __name__ == "__main__":
    shift_clocks(float(sys.argv[1]))
    module, sys.argv = sys.argv[2], sys.argv[2:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
