"""Print or repair a tenant's ownership markers: `python -m worker.ownership_markers show|repair SLUG [PRODUCT]`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click

from shared.application.store import Repositories, open_repositories
from shared.config.settings import Settings, SettingsError, read_settings
from shared.integrations.catalog import AUTHENTIK, INTEGRATIONS, OCIS, STALWART
from shared.integrations.outcomes import Fault, reason_message
from shared.integrations.ownership_marker import MarkerSigner
from shared.integrations.reasons import REASONS
from shared.tenants.model import Tenant
from worker.http.deadline import within
from worker.integrations.authentik import client as authentik
from worker.integrations.authentik import marker as group_marker
from worker.integrations.ocis import client as ocis
from worker.integrations.ocis import marker as space_marker
from worker.integrations.stalwart import client as stalwart
from worker.integrations.stalwart import marker as domain_marker

#: by product: builds its client, and writes the markers back and tells it
REPAIRS: Mapping[str, tuple[Callable[[Settings], Any], Callable[[Tenant, Any, MarkerSigner], str]]] = {
    OCIS: (ocis.connect, space_marker.repair_marker),
    STALWART: (stalwart.connect, domain_marker.repair_marker),
    AUTHENTIK: (authentik.connect, group_marker.repair_marker),
}
_product = click.argument("product", type=click.Choice(list(REPAIRS)), default=OCIS)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Print or repair the ownership marker of a tenant's space in OCIS, mail domains in Stalwart, group in Authentik.

    It reads the workers' settings from the environment.
    """


@main.command()
@click.argument("slug")
@_product
@click.pass_obj
def show(given: Settings | None, slug: str, product: str) -> None:
    """Print the marker of the tenant SLUG, to be put anywhere into the description of its object in PRODUCT.

    Authentik: the key of its group's attributes, to be put beside the other keys.
    """
    settings = given or _settings()
    tenant = _tenant(settings, slug)
    is_group = product == AUTHENTIK
    click.echo(group_marker.marker_text(tenant) if is_group else _signer(settings, product).text(tenant.id))


@main.command()
@click.argument("slug")
@_product
@click.pass_obj
def repair(given: Settings | None, slug: str, product: str) -> None:
    """Write the marker back into the objects on record of the tenant SLUG in PRODUCT, and keep all else in it.

    In OCIS our account must be a manager of the space, or have the role Space Admin. Exit status 1 when it cannot be
    done.
    """
    settings = given or _settings()
    connect, repair_all = REPAIRS[product]
    tenant, client = _tenant(settings, slug), connect(settings)
    if client is None:
        raise click.ClickException(
            f"{product} is not configured: set {INTEGRATIONS[product].address.upper()} and its credentials."
        )
    try:
        with within(settings.attempt_seconds):
            message = repair_all(tenant, client, _signer(settings, product))
    except Fault as fault:
        reason = fault.reason if fault.reason in REASONS else "unexpected_answer"
        raise click.ClickException(f"{reason_message(reason, fault.detail)} {REASONS[reason].remedy}".strip()) from None
    click.echo(message)


def _settings() -> Settings:
    try:
        return read_settings()
    except SettingsError as problem:
        raise click.ClickException(f"The settings are invalid:\n{problem}") from None


def _signer(settings: Settings, product: str) -> MarkerSigner:
    return MarkerSigner(product, settings.stamp_key_texts)


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
