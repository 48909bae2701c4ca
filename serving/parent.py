"""End a process together with its parent process."""

from __future__ import annotations

import ctypes
import signal
import sys

#: prctl(2): the signal that this process gets when its parent ends
PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Send SIGTERM to this process when its parent ends for any reason; on Linux only.

    Otherwise the workers of a killed server would continue to serve requests next to those of the next start.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
