"""Runs a Python module with a clock that is off: `python -m chaos.wrong_clock SECONDS MODULE [ARGUMENTS]`."""

from __future__ import annotations

import runpy
import sys
import time


def put_off(seconds: float) -> None:
    """From now on `time.time` is off by so much for whoever imports it from now on. What is monotonic stays."""
    right, right_ns = time.time, time.time_ns
    time.time = lambda: right() + seconds
    time.time_ns = lambda: right_ns() + int(seconds * 10**9)


if __name__ == "__main__":
    put_off(float(sys.argv[1]))
    module, sys.argv = sys.argv[2], sys.argv[2:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
