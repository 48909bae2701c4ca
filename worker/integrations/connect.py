"""A client for each integration by the settings; where one is not configured there is none."""

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
    """A client for each integration, None where it is not configured."""
    return {
        AUTHENTIK: authentik.connect(settings),
        STALWART: stalwart.connect(settings),
        OCIS: ocis.connect(settings),
        BILLING: connect_billing(settings),
    }


def connect_billing(settings: Settings) -> StripeClient | None:
    """Stripe's library is half a second of a process's start and a few megabytes: it is loaded where it is used."""
    if settings.stripe_api_key is None:
        return None
    from worker.integrations.stripe.client import connect

    return connect(
        settings.stripe_api_key.get_secret_value(),
        url=str(settings.stripe_api_url),
        call_seconds=settings.call_seconds,
        ca_file=settings.extra_ca_certs,
    )
