"""The commands of docs/how-to/backup.md, with containers that print what they were asked."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs/how-to/backup.md").read_text()
SECTION = PAGE.partition("## Back up\n")[2].partition("\n## ")[0]
COMMANDS = "\n".join(re.findall(r"^```\n(.*?)^```", SECTION, re.DOTALL | re.MULTILINE))
NOBODY = 65534


@pytest.fixture
def clone() -> Iterator[Path]:
    """Make a folder as that of the project after `make secrets`, with programs that stand for containers.

    It is not below pytest's folders, which are closed to other users.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        (folder / "bin").mkdir()
        for program in (folder / "bin/docker", folder / "bin/platformctl"):
            program.write_text('#!/bin/sh\necho "$@"\n')
            program.chmod(0o755)
        for part in ("secrets", "certificates"):
            (folder / "deploy/compose" / part).mkdir(parents=True)
        (folder / "deploy/compose/secrets/stamp_keys").write_text("key")
        (folder / "deploy/compose/.env").touch()
        yield folder


def back_up(clone: Path, user: int | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": f"{clone / 'bin'}:{os.environ['PATH']}"}
    command = ["sh", "-ec", f"umask 022\n{COMMANDS}"]
    return subprocess.run(
        command, cwd=clone, env=environment, user=user, capture_output=True, text=True, timeout=60, check=False
    )


def archives(clone: Path) -> dict[str, Path]:
    return {path.name.partition("-")[0]: path for path in clone.iterdir() if path.is_file()}


def test_every_backup_is_private_to_the_person_who_made_it(clone: Path) -> None:
    done = back_up(clone)
    assert done.returncode == 0, done.stderr
    found = archives(clone)
    assert found.keys() == {"mongo", "secrets", "authentik", "stalwart", "ocis"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in found.values()} == {0o600}


@pytest.mark.parametrize("has_mail", [False, True])
def test_the_backup_of_secrets_has_the_settings_of_mail_if_there_are_any(clone: Path, has_mail: bool) -> None:
    if has_mail:
        (clone / "deploy/compose/authentik.env").write_text("AUTHENTIK_EMAIL__HOST=mail.example.com\n")
    done = back_up(clone)
    assert done.returncode == 0, done.stderr
    with tarfile.open(archives(clone)["secrets"]) as archive:
        names = set(archive.getnames())
    assert {"secrets/stamp_keys", "certificates", ".env"} <= names
    assert ("authentik.env" in names) == has_mail


def test_a_backup_without_the_right_to_read_the_secrets_fails(clone: Path) -> None:
    is_root = os.geteuid() == 0
    (clone / "deploy/compose/secrets").chmod(0o700 if is_root else 0)
    done = back_up(clone, NOBODY if is_root else None)
    (clone / "deploy/compose/secrets").chmod(0o700)
    assert done.returncode != 0
    assert "secrets" in done.stderr
