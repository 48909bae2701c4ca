"""Compare the locked packages with published advisories: `python -m tools.audit`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

LOCK = Path(__file__).parents[1] / "requirements.lock"


def main() -> None:
    """Exit status 0: no advisory; 1: some, listed; 3: packages are left of which no source of advisories knew."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(LOCK), "--disable-pip", "--format=json"]
    done = subprocess.run([*command, "--progress-spinner=off"], capture_output=True, text=True, check=False)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        packages = []
    unknown = [one["name"] for one in packages if "skip_reason" in one]
    advisories = [(one["name"], one["version"], found["id"]) for one in packages for found in one.get("vulns", [])]
    for name, version, advisory in advisories:
        print(f"{name} {version}: {advisory}")
    if not packages or len(unknown) == len(packages):
        print("No source of advisories was reached, so nothing is known. Run this where the network allows it.")
    elif unknown:
        print(f"Not known: {', '.join(unknown)}")
    if advisories:
        sys.exit(1)
    sys.exit(3 if unknown or not packages else 0)


if __name__ == "__main__":
    main()
