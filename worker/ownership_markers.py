"""Print or repair the ownership marker of a tenant's space: `python -m worker.ownership_markers show|repair SLUG`."""

from __future__ import annotations

import click

from shared.application.store import Repositories, open_repositories
from shared.config.settings import Settings, SettingsError, read_settings
from shared.integrations.catalog import OCIS
from shared.integrations.outcomes import Fault, reason_message
from shared.integrations.ownership_marker import MarkerSigner
from shared.integrations.reasons import REASONS
from shared.tenants.model import Tenant
from worker.http.deadline import within
from worker.integrations.ocis.client import connect
from worker.integrations.ocis.marker import repair_marker


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Print or repair the ownership marker in the description of a tenant's space in OCIS.

    It reads the workers' settings from the environment.
    """


@main.command()
@click.argument("slug")
@click.pass_obj
def show(given: Settings | None, slug: str) -> None:
    """Print the marker of the tenant SLUG, to be put anywhere into the description of its space."""
    settings = given or _settings()
    click.echo(_signer(settings).text(_tenant(settings, slug).id))


@main.command()
@click.argument("slug")
@click.pass_obj
def repair(given: Settings | None, slug: str) -> None:
    """Write the marker back into the space on record of the tenant SLUG, and keep the text around it.

    Our account must be a manager of the space, or have the role Space Admin. Exit status 1 when it cannot be done.
    """
    settings = given or _settings()
    tenant, ocis = _tenant(settings, slug), connect(settings)
    if ocis is None:
        raise click.ClickException("OCIS is not configured: set OCIS_API_URL.")
    try:
        with within(settings.attempt_seconds):
            message = repair_marker(tenant, ocis, _signer(settings))
    except Fault as fault:
        reason = fault.reason if fault.reason in REASONS else "unexpected_answer"
        raise click.ClickException(f"{reason_message(reason, fault.detail)} {REASONS[reason].remedy}".strip()) from None
    click.echo(message)


def _settings() -> Settings:
    try:
        return read_settings()
    except SettingsError as problem:
        raise click.ClickException(f"The settings are invalid:\n{problem}") from None


def _signer(settings: Settings) -> MarkerSigner:
    return MarkerSigner(OCIS, settings.stamp_key_texts)


def _tenant(settings: Settings, slug: str) -> Tenant:
    store: Repositories = open_repositories(settings)
    try:
        found = store.tenants.find(slug)
    finally:
        store.close()
    if found is None:
        raise click.ClickException(f"There is no tenant {slug}.")
    return found


if __name__ == "__main__":
    main()
