"""Make what the containers need before their first start: secrets, certificates, and deploy/compose/.env.

Run it as often as you like: what is there stays. It needs Python 3.11 and openssl, nothing else. As root it gives each
file to the users of its services alone; without root the files are open inside the containers, and the folder, of mode
0700, keeps them from other people of this machine.
"""

from __future__ import annotations

import argparse
import base64
import os
import re
import secrets
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from deploy.certificates import check_names, make_certificates, open_configuration, set_mode

COMPOSE = Path(os.path.relpath(Path(__file__).parent / "compose"))
#: users inside the containers
PLATFORM, DATABASE, AUTHENTIK, STALWART = 10001, 999, 1000, 2000
#: the domain of the five names, unless .env sets BASE_DOMAIN
DOMAIN = "dezky.local"
HOST_NAME = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*")
#: a line of .env
VARIABLE = re.compile(r"\s*(?:export\s+)?(\w+)\s*=(.*)")
#: the console's issuer as `addresses` writes it
WRITTEN_ISSUER = re.compile(r"https://auth\.(.+)/application/o/dezky-console/")

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


def addresses(domain: str) -> dict[str, str]:
    """Return the settings that the profile `full` needs: addresses, issuers and audiences under the domain."""
    auth = f"https://auth.{domain}"
    issuers = {app: f"{auth}/application/o/dezky-{app}/" for app in ("portal", "partner", "operator", "cli", "console")}
    surfaces = {app: f"={app}" if app in ("portal", "partner", "operator") else "" for app in issuers}
    return {
        "AUTHENTIK_API_URL": auth,
        "STALWART_API_URL": f"https://mail.{domain}",
        "OCIS_API_URL": f"https://files.{domain}",
        "OCIS_TOKEN_URL": f"{auth}/application/o/token/",
        "OCIS_CLIENT_ID": "ocis-web",
        "OCIS_USERNAME": "dezky-ocis",
        "OIDC_ISSUERS": ",".join(f"{issuer}={issuer}jwks/" for issuer in issuers.values()),
        "OIDC_AUDIENCES": ",".join(f"dezky-{app}{surfaces[app]}@{issuer}" for app, issuer in issuers.items()),
        "EXTRA_CA_CERTS": "/etc/dezky/root.pem",
        "CONSOLE_URL": f"https://console.{domain}",
        "CONSOLE_ISSUER": issuers["console"],
        "CONSOLE_TRUSTED_PROXIES": "1",
        "TRUSTED_PROXIES": "1",
    }


def make_secrets(folder: Path) -> list[str]:
    """Write the secrets that are not there, and give each to its readers; return the names of the new ones."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    made: dict[str, str] = {}
    new = []
    for name, (_, make) in SECRETS.items():
        path = folder / name
        if not path.exists():
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(make(made))
            new.append(name)
        made[name] = path.read_text().strip()
        _give(path)
    return new


def _give(path: Path) -> None:
    """Set owner and mode, also of a file that a person or an editor put there."""
    user, group = SECRETS[path.name][0], SHARED.get(path.name)
    if os.geteuid() == 0:
        os.chown(path, user, -1 if group is None else group)
        set_mode(path, 0o600 if group is None else 0o640)
    else:
        # a container's user is somebody else on this machine, so only the folder can keep others out
        set_mode(path, 0o666 if path.name in WRITTEN else 0o644)


def read_environment(path: Path) -> dict[str, str]:
    """Return the variables of .env, read as Compose does: with `export`, quotes and comments after the value."""
    lines = path.read_text().splitlines() if path.exists() else []
    return {found[1]: _value(found[2]) for found in map(VARIABLE.match, lines) if found}


def _value(written: str) -> str:
    value = written.strip()
    if value[:1] in ("'", '"'):
        return value[1:].partition(value[0])[0]
    return value.partition(" #")[0].rstrip()


def base_domain(settings: Path) -> str:
    """Return the domain that Compose takes: an empty one counts as not set, and the process' environment wins."""
    domain = os.environ.get("BASE_DOMAIN", read_environment(settings).get("BASE_DOMAIN")) or DOMAIN
    if not HOST_NAME.fullmatch(domain):
        sys.exit(f"BASE_DOMAIN is {domain!r}, in {settings} or the environment: write one such as example.com.")
    return domain


def check_addresses(settings: Path, domain: str) -> None:
    """End with a sentence if .env has the addresses that an earlier run wrote for another domain."""
    variables = read_environment(settings)
    former = WRITTEN_ISSUER.fullmatch(variables.get("CONSOLE_ISSUER", ""))
    if former is None or former[1] == domain:
        return
    own = addresses(domain)
    stale = [name for name, value in addresses(former[1]).items() if variables.get(name) == value != own[name]]
    sys.exit(
        f"BASE_DOMAIN is {domain}, but {settings} has addresses under {former[1]}: set BASE_DOMAIN to {former[1]}, or "
        f"remove these lines, which the next run writes again: {', '.join(stale)}."
    )


def write_environment(path: Path, wanted: Mapping[str, str]) -> bool:
    """Write .env, or add the wanted variables that it does not set; return whether it changed. No secret."""
    missing = {name: value for name, value in wanted.items() if name not in read_environment(path)}
    if path.exists() and not missing:
        return False
    text = path.read_text() if path.exists() else ENVIRONMENT
    path.write_text("".join([text.rstrip("\n"), "\n", *(f"{name}={value}\n" for name, value in missing.items())]))
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
    settings = given.folder / ".env"
    domain = base_domain(settings)
    if given.full:
        # before anything is written, so that a wrong domain leaves nothing behind
        check_addresses(settings, domain)
        check_names(given.folder / "certificates", domain)
    new = make_secrets(given.folder / "secrets")
    certificates = make_certificates(given.folder / "certificates", domain)
    open_configuration(Path(__file__).parent)
    environment = write_environment(settings, addresses(domain) if given.full else {})
    print(f"secrets: {f'{len(new)} made' if new else 'all there'} in {given.folder / 'secrets'}")
    certificate = f"{' and '.join(certificates)} made" if certificates else "all there"
    print(f"certificates: {certificate} in {given.folder / 'certificates'}")
    print(f"environment: {settings} {'written' if environment else 'left as it is'}")


if __name__ == "__main__":
    main()
