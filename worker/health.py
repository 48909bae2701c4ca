"""Check that a worker or scheduler on this machine is alive: `python -m worker.health`, for container health checks.

It reads the process's metrics, so METRICS_PORT must be set. A process that hangs does not answer in time.
"""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request

#: timeout of the request, in seconds
TIMEOUT_SECONDS = 4.0


def main() -> None:
    """Exit with 0 when the metrics endpoint answers, else with 1 and a sentence."""
    port = os.environ.get("METRICS_PORT")
    if not port:
        sys.exit("METRICS_PORT is not set, so the process cannot be checked; set it to a free port.")
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{int(port)}/metrics", timeout=TIMEOUT_SECONDS) as response:
            response.read()
    except (OSError, urllib.error.URLError, ValueError) as problem:
        sys.exit(f"The process does not answer on port {port}: {problem}")


if __name__ == "__main__":
    main()
