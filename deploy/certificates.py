"""Make certificates of a development root, and let the containers' users read what they mount."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

#: user of the proxy's container
PROXY = 65532
#: names under the domain that the proxy serves
NAMES = ("api", "console", "auth", "mail", "files")
#: how long certificates are good, in days: the root's is for development, browsers refuse longer ones of servers
ROOT_DAYS, SERVER_DAYS = 3650, 397
NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
#: folders of configuration that containers mount
CONFIGURATION = (
    "authentik",
    *(f"compose/{name}" for name in ("authentik", "mongo", "ocis", "redis", "stalwart", "traefik")),
)


def make_certificates(folder: Path, domain: str) -> list[str]:
    """Make the root and the server's certificate where they are missing; return which are new.

    An existing root signs a new server certificate, so that everybody who trusts the root trusts that one too.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # without root the proxy's key is open to every user, but for the folder
    folder.chmod(0o755 if os.geteuid() == 0 else 0o700)
    new = []
    if not (folder / "server.pem").exists():
        if not (folder / "root.pem").exists():
            _make_root(folder)
            new.append("root")
        _make_server(folder, domain)
        new.append("server")
    _set_modes(folder)
    return new


def check_names(folder: Path, domain: str) -> None:
    """End with a sentence if the server's certificate is there and is not for all names under the domain."""
    certificate = folder / "server.pem"
    if not certificate.exists():
        return
    hosts = [f"{name}.{domain}" for name in NAMES]
    # openssl tells the result by words: its exit code is 0 in most versions
    answers = {host: _openssl("x509", "-in", certificate, "-noout", "-checkhost", host) for host in hosts}
    if lacking := [host for host, answer in answers.items() if "does match" not in answer]:
        sys.exit(
            f"{certificate} is not for {', '.join(lacking)}: correct BASE_DOMAIN, put a certificate for these names "
            "there, or remove server.pem and server.key, and the next run makes new ones."
        )


def _make_root(folder: Path) -> None:
    _openssl(
        *("req", "-x509", *NEW_KEY, "-keyout", folder / "root.key", "-out", folder / "root.pem", "-days", ROOT_DAYS),
        *("-subj", "/CN=dezky development root", "-addext", "basicConstraints=critical,CA:TRUE"),
        *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
    )


def _make_server(folder: Path, domain: str) -> None:
    key, request, extensions = folder / "root.key", folder / "server.csr", folder / "server.ext"
    if not key.exists():
        sys.exit(
            f"{folder} has root.pem, and neither server.pem nor root.key to sign one with: put your certificate there "
            "as server.pem and server.key, or remove root.pem for a new development root."
        )
    hosts = ",".join(f"DNS:{name}.{domain}" for name in NAMES)
    extensions.write_text(
        f"subjectAltName={hosts}\nbasicConstraints=CA:FALSE\nkeyUsage=digitalSignature\nextendedKeyUsage=serverAuth\n"
    )
    _openssl("req", *NEW_KEY, "-keyout", folder / "server.key", "-out", request, "-subj", f"/CN=api.{domain}")
    _openssl(
        *("x509", "-req", "-in", request, "-CA", folder / "root.pem", "-CAkey", key, "-CAcreateserial"),
        *("-days", SERVER_DAYS, "-extfile", extensions, "-out", folder / "server.pem"),
    )
    for name in ("server.csr", "server.ext", "root.srl"):
        (folder / name).unlink(missing_ok=True)


def _set_modes(folder: Path) -> None:
    """Set owner and modes of all files, also of those that a person has put there."""
    for name in ("server.key", "root.pem"):
        if not (folder / name).exists():
            sys.exit(
                f"{folder / name} is missing: server.pem needs its key, and root.pem of the authority that signed it."
            )
    for name in ("root.pem", "server.pem"):
        set_mode(folder / name, 0o644)
    if (folder / "root.key").exists():
        set_mode(folder / "root.key", 0o600)
    if os.geteuid() == 0:
        os.chown(folder / "server.key", PROXY, -1)
        set_mode(folder / "server.key", 0o600)
    else:
        # the proxy's user is somebody else on this machine; the folder keeps others out
        set_mode(folder / "server.key", 0o644)


def open_configuration(deploy: Path) -> None:
    """Let every user read the configuration: a clone made with umask 077 is closed to the containers' users."""
    for folder in (deploy / name for name in CONFIGURATION):
        for path in (folder, *folder.rglob("*")):
            set_mode(path, path.stat().st_mode | (0o555 if path.is_dir() else 0o444))


def set_mode(path: Path, mode: int) -> None:
    """Set the mode if it differs, or end with the file's name."""
    if path.stat().st_mode & 0o7777 == mode & 0o7777:
        return
    try:
        path.chmod(mode)
    except PermissionError:
        sys.exit(f"{path} belongs to another user: run this as that user or as root.")


def _openssl(*arguments: object) -> str:
    openssl = shutil.which("openssl")
    if openssl is None:
        sys.exit("openssl is needed to make certificates. On Debian or Ubuntu: sudo apt-get install openssl")
    command = [openssl, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own arguments
    # newer versions end with 1 for a certificate of another host
    if done.returncode and "-checkhost" not in arguments:
        sys.exit(f"openssl {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout
