"""A process that ends with the one that started it."""

from __future__ import annotations

import ctypes
import signal
import sys

#: prctl(2): the signal that this process gets when its parent ends
PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Have this process told to stop when its parent ends in whatever way; on Linux only.

    Otherwise a server whose main process is killed leaves its workers behind, and they go on answering beside those of
    the next start.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
