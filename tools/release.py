"""Build the artifacts of a release from one version: `python -m tools.release`."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"


def version() -> str:
    """Return the one version, which stands in pyproject.toml."""
    found: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    return found


def build_wheels(folder: Path) -> None:
    """Build the service's wheel, and that of the command line with the client."""
    hatch = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    for project in (ROOT, ROOT / "platformctl"):
        subprocess.run(hatch, cwd=project, check=True)


def main() -> None:
    """Build wheels, the bill of materials and, where docker is, the image. Stops at the first failure."""
    name = f"dezky-platform-api:{version()}"
    DIST.mkdir(exist_ok=True)
    build_wheels(DIST)
    lock, sbom = str(ROOT / "requirements.lock"), str(DIST / "sbom.json")
    cyclonedx = str(Path(sys.executable).parent / "cyclonedx-py")
    subprocess.run([cyclonedx, "requirements", lock, "--output-file", sbom], cwd=ROOT, check=True)
    docker = shutil.which("docker")
    if docker and subprocess.run([docker, "info"], capture_output=True, check=False).returncode == 0:
        subprocess.run([docker, "build", "--tag", name, "."], cwd=ROOT, check=True)
        print(f"image {name}")
    else:
        print(f"No docker engine here: the image was not built. Elsewhere: docker build --tag {name} .")
    for path in sorted(DIST.iterdir()):
        print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
