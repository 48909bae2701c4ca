"""Create the client of each configured integration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from shared.config.settings import Settings
from shared.integrations.catalog import AUTHENTIK, BILLING, OCIS, STALWART
from worker.integrations.authentik import client as authentik
from worker.integrations.ocis import client as ocis
from worker.integrations.stalwart import client as stalwart

if TYPE_CHECKING:
    from worker.integrations.stripe.client import StripeClient


def connect_integrations(settings: Settings) -> Mapping[str, Any]:
    """Return integration to its client, None when it is not configured."""
    return {
        AUTHENTIK: authentik.connect(settings),
        STALWART: stalwart.connect(settings),
        OCIS: ocis.connect(settings),
        BILLING: _connect_billing(settings),
    }


def _connect_billing(settings: Settings) -> StripeClient | None:
    """Return the client of Stripe, or None. Its library is imported only here: it costs half a second and megabytes."""
    if settings.stripe_api_key is None:
        return None
    from worker.integrations.stripe.client import connect

    return connect(
        settings.stripe_api_key.get_secret_value(),
        url=str(settings.stripe_api_url),
        call_seconds=settings.call_seconds,
        ca_file=settings.extra_ca_certs,
    )
