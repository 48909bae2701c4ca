"""The integrations of this worker: the client of each, and the function of each action's step.

A test fails when a step of a workflow has no function.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from shared.config.settings import Settings
from shared.integrations.catalog import ACCESS, AUTHENTIK, BILLING, OCIS, STALWART
from shared.workflows.model import Action
from worker.integrations.authentik import client as authentik
from worker.integrations.authentik.group import ensure_group, remove_group
from worker.integrations.authentik.membership import close_access, ensure_access
from worker.integrations.ocis import client as ocis
from worker.integrations.ocis.space import close_files, ensure_files, remove_files
from worker.integrations.stalwart import client as stalwart
from worker.integrations.stalwart.closed.closing import close_mail
from worker.integrations.stalwart.provision import ensure_mail
from worker.integrations.stalwart.removal import remove_mail
from worker.integrations.step_context import StepFunction
from worker.integrations.stripe.subscription import close_billing, ensure_billing, remove_billing, renew_billing

if TYPE_CHECKING:
    from worker.integrations.stripe.client import StripeClient

Functions = Mapping[str, StepFunction]

#: resume and restore use the functions of provisioning: these bring an active tenant to its desired state
_ENSURE: Functions = {
    AUTHENTIK: ensure_group,
    STALWART: ensure_mail,
    OCIS: ensure_files,
    BILLING: ensure_billing,
    ACCESS: ensure_access,
}
_CLOSE: Functions = {ACCESS: close_access, STALWART: close_mail, OCIS: close_files}
_REMOVE: Functions = {AUTHENTIK: remove_group, STALWART: remove_mail, OCIS: remove_files, BILLING: remove_billing}

STEPS: Mapping[Action, Functions] = {
    Action.PROVISION: _ENSURE,
    Action.RECONCILE: _ENSURE,
    Action.SUSPEND: _CLOSE,
    Action.RESUME: _ENSURE,
    Action.DELETE: {**_CLOSE, BILLING: close_billing},
    Action.RESTORE: {**_ENSURE, BILLING: renew_billing},
    Action.PURGE: _REMOVE,
}


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
