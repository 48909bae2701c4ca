"""The commands of the pages on upgrade and backup, with programs that stand for docker and the like."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BACKUP, UPGRADE = ((ROOT / f"docs/how-to/{name}.md").read_text() for name in ("backup", "upgrade"))
NOBODY = 65534
IMAGE = "dezky-platform-api:local"
#: an image is a file in `images` with the revision that it was built from, or `broken`
DOCKER = """#!/bin/sh
cd "$IMAGES"
case "$1 $2" in
    "tag "*) cp "$2" "$3" ;;
    "compose build") { [ -e is_broken ] && echo broken || git -C "$CLONE" rev-parse --short HEAD; } > "$IMAGE" ;;
esac
"""


def commands(page: str, heading: str) -> list[str]:
    section = page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^```\n(.*?)^```", section, re.DOTALL | re.MULTILINE)


def run(
    text: str, folder: Path, environment: Mapping[str, str], user: int | None = None
) -> subprocess.CompletedProcess[str]:
    command = ["sh", "-ec", text]
    return subprocess.run(
        command, cwd=folder, env=environment, user=user, capture_output=True, text=True, timeout=60, check=False
    )


# -- upgrade


class Host:
    """A clone of the project on a host, with programs that stand for docker and the like."""

    def __init__(self, folder: Path) -> None:
        self.upstream, self.clone, self.images = (folder / name for name in ("upstream", "clone", "images"))
        programs = folder / "bin"
        for made in (self.upstream, self.images, programs):
            made.mkdir()
        texts = {
            "docker": DOCKER,
            "platformctl": "#!/bin/sh\n",
            "make": f"#!/bin/sh\nexec {sys.executable} -m deploy.prepare --full\n",
        }
        for name, text in texts.items():
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)
        self.environment = {
            **os.environ,
            **{f"GIT_{who}_{what}": "a@b.test" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
            "PATH": f"{programs}:{os.environ['PATH']}",
            **{"CLONE": str(self.clone), "IMAGES": str(self.images), "IMAGE": IMAGE},
        }
        ignored = shutil.ignore_patterns("secrets", "certificates", ".env", "__pycache__")
        shutil.copytree(ROOT / "deploy", self.upstream / "deploy", ignore=ignored)
        shutil.copy(ROOT / ".gitignore", self.upstream)
        self.run("git init -q && git add -A && git commit -qm first", self.upstream)
        self.run(f"git clone -q {self.upstream} {self.clone}", folder)

    def run(self, text: str, folder: Path | None = None) -> str:
        done = run(text, folder or self.clone, self.environment)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def release(self, *, is_broken: bool = False) -> None:
        self.run("git commit -q --allow-empty -m next", self.upstream)
        if is_broken:
            (self.images / "is_broken").touch()


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_the_former_image_is_there_after_two_upgrades_to_a_broken_one(host: Host) -> None:
    former = host.run("docker compose build; git rev-parse --short HEAD")
    image = host.images / IMAGE
    for _ in range(2):
        host.release(is_broken=True)
        host.run(commands(UPGRADE, "Order")[0])
        assert image.read_text() == "broken\n"
    host.run(commands(UPGRADE, "Go back")[0].replace("REVISION", former))
    assert image.read_text() == f"{former}\n"
    assert host.run("git rev-parse --short HEAD") == former


def test_a_domain_that_was_written_into_the_files_stays_that_of_certificate_and_addresses(host: Host) -> None:
    host.run("grep -rlF dezky.local deploy | xargs sed -i 's/dezky\\.local/example.com/g'; make secrets")
    compose = host.clone / "deploy/compose"
    certificate, environment = ((compose / name).read_text() for name in ("certificates/server.pem", ".env"))
    assert "mongo.example.com" in (compose / "secrets/mongodb_uri").read_text()
    # both versions of a file have one size and, here, one second: Python would take the former one's bytecode
    host.run("rm -rf deploy/__pycache__")
    host.run(commands(UPGRADE, "From a domain that was written into the files")[0])
    assert (compose / "certificates/server.pem").read_text() == certificate
    assert (compose / ".env").read_text() == f"{environment}BASE_DOMAIN=example.com\n"
    assert "@mongo.dezky.local:27017" in (compose / "secrets/mongodb_uri").read_text()
    assert host.run("git status --short") == ""


# -- backup


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
    return run("\n".join(["umask 022", *commands(BACKUP, "Back up")]), clone, environment, user)


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
