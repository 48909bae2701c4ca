#!/usr/bin/env python3
"""Make what the containers need before their first start: secrets, certificates, and deploy/compose/.env.

Run it as often as you like: what is there stays. It needs Python 3.11 and openssl, nothing else. As root it gives each
file to the users of its services alone; without root the files are open inside the containers, and the folder, of mode
0700, keeps them from other people of this machine.
"""

from __future__ import annotations

import argparse
import base64
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

COMPOSE = Path(__file__).parent / "compose"
#: users inside the containers
PLATFORM, DATABASE, AUTHENTIK, STALWART, PROXY = 10001, 999, 1000, 2000, 65532
NAMES = ("api", "console", "auth", "mail", "files")
#: how long certificates are good, in days: the root's is for development, browsers refuse longer ones of servers
ROOT_DAYS, SERVER_DAYS = 3650, 397

ENVIRONMENT = """\
# Settings of the containers, made by `make secrets`; yours to change. Secrets are in secrets/. The platform skips a
# product without an address: AUTHENTIK_API_URL, STALWART_API_URL, OCIS_API_URL, and OIDC_ISSUERS for sign-in.
"""

Made = Mapping[str, str]


def _random(_: Made) -> str:
    return secrets.token_urlsafe(36)


def _empty(_: Made) -> str:
    return ""


#: secret: the user who reads it, and how it is made from those before it
SECRETS: Mapping[str, tuple[int, Callable[[Made], str]]] = {
    "mongodb_keyfile": (DATABASE, lambda _: base64.b64encode(secrets.token_bytes(567)).decode()),
    "mongodb_root_password": (DATABASE, _random),
    "mongodb_password": (DATABASE, _random),
    "mongodb_uri": (
        PLATFORM,
        lambda made: (
            f"mongodb://dezky:{made['mongodb_password']}@mongo.dezky.local:27017/?replicaSet=rs0&authSource=admin"
        ),
    ),
    "redis_password": (DATABASE, _random),
    "redis_url": (PLATFORM, lambda made: f"redis://:{made['redis_password']}@redis:6379/0"),
    "console_redis_url": (PLATFORM, lambda made: f"redis://:{made['redis_password']}@redis:6379/1"),
    "stamp_keys": (PLATFORM, _random),
    "flower_basic_auth": (PLATFORM, lambda made: f"operator:{_random(made)}"),
    "console_secret_keys": (PLATFORM, _random),
    "console_client_secret": (PLATFORM, _random),
    "authentik_db_password": (DATABASE, _random),
    "authentik_secret_key": (AUTHENTIK, _random),
    "authentik_admin_password": (AUTHENTIK, _random),
    "authentik_api_token": (PLATFORM, _random),
    "ocis_password": (PLATFORM, _random),
    "stalwart_admin_password": (PLATFORM, _random),
    # written by the bootstrap job, or by you where the product is elsewhere
    "authentik_email_stage": (PLATFORM, _empty),
    "stalwart_api_token": (PLATFORM, _empty),
    "stripe_api_key": (PLATFORM, _empty),
    "stripe_webhook_secrets": (PLATFORM, _empty),
}
#: the group of a second service that reads the secret; compose adds it to that service where it is not its own
SHARED: Mapping[str, int] = {
    "authentik_db_password": AUTHENTIK,
    "authentik_api_token": AUTHENTIK,
    "console_client_secret": AUTHENTIK,
    "ocis_password": AUTHENTIK,
    "stalwart_admin_password": STALWART,
}
#: what the bootstrap job writes
WRITTEN = frozenset({"authentik_email_stage", "stalwart_api_token"})

#: what the products' addresses are with the profile `full`
FULL = {
    "AUTHENTIK_API_URL": "https://auth.dezky.local",
    "STALWART_API_URL": "https://mail.dezky.local",
    "OCIS_API_URL": "https://files.dezky.local",
    "OCIS_TOKEN_URL": "https://auth.dezky.local/application/o/token/",
    "OCIS_CLIENT_ID": "ocis-web",
    "OCIS_USERNAME": "dezky-ocis",
    "OIDC_ISSUERS": ",".join(
        f"https://auth.dezky.local/application/o/{app}/=https://auth.dezky.local/application/o/{app}/jwks/"
        for app in ("dezky-portal", "dezky-partner", "dezky-operator", "dezky-cli", "dezky-console")
    ),
    "OIDC_AUDIENCES": ",".join(
        f"{audience}@https://auth.dezky.local/application/o/{app}/"
        for audience, app in (
            ("dezky-portal=portal", "dezky-portal"),
            ("dezky-partner=partner", "dezky-partner"),
            ("dezky-operator=operator", "dezky-operator"),
            ("dezky-cli", "dezky-cli"),
            ("dezky-console", "dezky-console"),
        )
    ),
    "EXTRA_CA_CERTS": "/etc/dezky/root.pem",
    "CONSOLE_URL": "https://console.dezky.local",
    "CONSOLE_ISSUER": "https://auth.dezky.local/application/o/dezky-console/",
    "CONSOLE_TRUSTED_PROXIES": "1",
    "TRUSTED_PROXIES": "1",
}


def make_secrets(folder: Path) -> list[str]:
    """Write the secrets that are not there; return their names."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    made: dict[str, str] = {}
    new = []
    for name, (user, make) in SECRETS.items():
        path = folder / name
        if path.exists():
            made[name] = path.read_text().strip()
            continue
        made[name] = make(made)
        _write(path, made[name], user, SHARED.get(name), is_written=name in WRITTEN)
        new.append(name)
    return new


def _write(path: Path, text: str, user: int, group: int | None, *, is_written: bool) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    if os.geteuid() == 0:
        os.chown(path, user, -1 if group is None else group)
        path.chmod(0o600 if group is None else 0o640)
    else:
        # a container's user is somebody else on this machine, so only the folder can keep others out
        path.chmod(0o666 if is_written else 0o644)


def make_certificates(folder: Path) -> bool:
    """Make a development root and a certificate for the names under dezky.local; return whether they are new."""
    folder.mkdir(parents=True, exist_ok=True)
    # without root the proxy's key is open to every user, but for the folder
    folder.chmod(0o755 if os.geteuid() == 0 else 0o700)
    if (folder / "server.pem").exists():
        return False
    if shutil.which("openssl") is None:
        sys.exit("openssl is needed to make certificates. On Debian or Ubuntu: sudo apt-get install openssl")
    key, root = folder / "root.key", folder / "root.pem"
    hosts = ",".join(f"DNS:{name}.dezky.local" for name in NAMES)
    (folder / "server.ext").write_text(
        f"subjectAltName={hosts}\nbasicConstraints=CA:FALSE\nkeyUsage=digitalSignature\nextendedKeyUsage=serverAuth\n"
    )
    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    _openssl(
        *("req", "-x509", *new_key, "-keyout", key, "-out", root, "-days", ROOT_DAYS),
        *("-subj", "/CN=dezky development root", "-addext", "basicConstraints=critical,CA:TRUE"),
        *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
    )
    request = folder / "server.csr"
    _openssl("req", *new_key, "-keyout", folder / "server.key", "-out", request, "-subj", "/CN=api.dezky.local")
    _openssl(
        *("x509", "-req", "-in", request, "-CA", root, "-CAkey", key, "-CAcreateserial", "-days", SERVER_DAYS),
        *("-extfile", folder / "server.ext", "-out", folder / "server.pem"),
    )
    for name in ("server.csr", "server.ext", "root.srl"):
        (folder / name).unlink(missing_ok=True)
    key.chmod(0o600)
    if os.geteuid() == 0:
        os.chown(folder / "server.key", PROXY, -1)
        (folder / "server.key").chmod(0o600)
    else:
        (folder / "server.key").chmod(0o644)
    return True


def _openssl(*arguments: object) -> None:
    done = subprocess.run(  # noqa: S603 - our own arguments
        ["openssl", *map(str, arguments)],  # noqa: S607 - as found on this machine
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"openssl {arguments[0]} failed: {done.stderr.strip()}")


def write_environment(path: Path, *, is_full: bool) -> bool:
    """Write .env, or add what the profile `full` needs and it does not set; return whether it changed. No secret."""
    text = path.read_text() if path.exists() else ENVIRONMENT
    present = {line.partition("=")[0].strip() for line in text.splitlines()}
    missing = FULL.keys() - present if is_full else set()
    lines = [f"{name}={value}\n" for name, value in FULL.items() if name in missing]
    if path.exists() and not lines:
        return False
    path.write_text("".join([text.rstrip("\n"), "\n", *lines]))
    return True


def main() -> None:
    """Make everything, and say what is new."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=COMPOSE, help="where secrets/, certificates/ and .env go")
    parser.add_argument(
        "--full",
        action="store_true",
        default="full" in os.environ.get("COMPOSE_PROFILES", "").split(","),
        help="set the addresses of the profile `full` (also when COMPOSE_PROFILES names it)",
    )
    given = parser.parse_args()
    new = make_secrets(given.folder / "secrets")
    certificates = make_certificates(given.folder / "certificates")
    environment = write_environment(given.folder / ".env", is_full=given.full)
    print(f"secrets: {f'{len(new)} made' if new else 'all there'} in {given.folder / 'secrets'}")
    print(f"certificates: {'made' if certificates else 'all there'} in {given.folder / 'certificates'}")
    print(f"environment: {given.folder / '.env'} {'written' if environment else 'left as it is'}")


if __name__ == "__main__":
    main()
