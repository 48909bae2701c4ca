"""Write the generated reference: `python -m tools.reference`; `--check` only compares."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from tools.reference import database, metrics, reasons, settings

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"


def pages() -> dict[Path, str]:
    """Return each generated file with its text."""
    return {
        REFERENCE / "configuration.md": settings.configuration(),
        REFERENCE / "reasons.md": reasons.page(),
        REFERENCE / "database.md": database.page(),
        REFERENCE / "metrics.md": metrics.page(),
        ROOT / ".env.example": settings.environment(),
    }


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; exit status 1 when a file is out of date.")
def main(check: bool) -> None:
    """Write the generated files."""
    stale = {path: text for path, text in pages().items() if not path.exists() or path.read_text() != text}
    for path, text in stale.items():
        if not check:
            path.write_text(text)
        click.echo(f"{path.relative_to(ROOT)}: {'out of date' if check else 'written'}")
    sys.exit(bool(check and stale))


if __name__ == "__main__":
    main()
