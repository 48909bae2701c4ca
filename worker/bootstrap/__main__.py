"""Prepare the products for the platform: `python -m worker.bootstrap --secrets DIR`. It may run again at any time."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click

from shared.config.settings import Settings, SettingsError, read_settings
from shared.integrations.outcomes import Fault, TemporaryError, reason_message
from worker.bootstrap.accounts import prepare_authentik, prepare_ocis
from worker.bootstrap.findings import Finding, State, screen
from worker.bootstrap.secret_files import SecretFiles
from worker.bootstrap.stalwart import StalwartTarget, prepare_stalwart

#: seconds between tries
PAUSE = 3.0
#: tasks that only a person can do
TASKS = (
    ("DNS", "Point MX, SPF and the other records of each tenant's domain here; the console lists them."),
    ("Mail", "Open ports 25, 465, 993 and 4190, and have the address's reverse name set by its provider."),
    ("People", "Sign in to Authentik as akadmin and add the first administrators to dezky-platform-admins."),
)


@click.command()
@click.option("--secrets", "folder", type=click.Path(path_type=Path), required=True, help="Folder of secret files.")
@click.option("--timeout", default=600.0, show_default=True, help="Seconds to wait for the products.")
@click.option("--require-invitations", is_flag=True, help="Wait for the stage of invitations, and fail without it.")
@click.option("--stalwart-behind-proxy", is_flag=True, help="Have Stalwart read callers' addresses from its proxy.")
def main(folder: Path, timeout: float, require_invitations: bool, stalwart_behind_proxy: bool) -> None:
    """Wait for the products, create missing objects, and print the result and the remaining tasks.

    Exit status 0: all is ready but for a person's tasks; 1: something failed; 2: the settings are invalid.
    """
    files = SecretFiles(folder)
    try:
        settings = _settings(files)
    except SettingsError as problem:
        click.echo(f"The settings are invalid:\n{problem}", err=True)
        sys.exit(2)
    deadline = time.monotonic() + timeout
    work = _work(settings, files, require_invitations, stalwart_behind_proxy)
    findings = [_retry(subject, prepare, deadline) for subject, prepare in work.items()]
    findings += [Finding(State.TO_DO, subject, text) for subject, text in TASKS]
    click.echo(screen(findings))
    sys.exit(any(one.state is State.FAILED for one in findings))


def _settings(files: SecretFiles) -> Settings:
    """Read the settings from the environment, and credentials from the folder. No database is needed."""
    secret = {
        "authentik_api_token": files.read("authentik_api_token") or "missing",
        # created by the bootstrap if it is missing
        "stalwart_api_token": files.read("stalwart_api_token") or "missing",
        "ocis_password": files.read("ocis_password") or None,
        "stamp_keys": files.read("stamp_keys") or "0" * 32,
    }
    unused = {"mongodb_uri": "mongodb://unused", "redis_url": "redis://unused"}
    return read_settings(**unused, **secret)


def _work(
    settings: Settings, files: SecretFiles, require_invitations: bool, stalwart_behind_proxy: bool
) -> dict[str, Callable[[], Finding]]:
    """Return the preparation of each configured product."""
    work: dict[str, Callable[[], Finding]] = {}
    ca_file = settings.extra_ca_certs
    if settings.stalwart_api_url is not None:
        target = StalwartTarget(
            url=str(settings.stalwart_api_url),
            service_domain=os.environ.get("SERVICE_DOMAIN", "service.dezky.local"),
            mail_host=os.environ.get("MAIL_HOST", settings.stalwart_api_url.host or "localhost"),
            ca_file=ca_file,
            is_behind_proxy=stalwart_behind_proxy,
        )
        work["Stalwart"] = lambda: prepare_stalwart(target, files)
    if settings.ocis_api_url is not None:
        work["OCIS"] = lambda: prepare_ocis(settings)
    # last: its blueprint of invitations may be applied after the others
    if settings.authentik_api_url is not None:
        url = str(settings.authentik_api_url)
        work["Authentik"] = lambda: prepare_authentik(url, ca_file, files, require_invitations)
    return work


def _retry(subject: str, work: Callable[[], Finding], deadline: float) -> Finding:
    """Do the work; retry while the product is not up or does not know the account yet."""
    printed = ""
    while True:
        try:
            return work()
        except Fault as fault:
            text = reason_message(fault.reason, fault.detail)
            # blueprints and roles are applied some seconds after a product answers
            may_come = isinstance(fault, TemporaryError) or fault.reason in ("bad_credentials", "missing_permission")
            if not may_come or time.monotonic() + PAUSE > deadline:
                return Finding(State.FAILED, subject, text)
        if text != printed:
            click.echo(f"{subject}: {text} Trying again.", err=True)
            printed = text
        time.sleep(PAUSE)


if __name__ == "__main__":
    main()
