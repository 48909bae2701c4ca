"""Map each action's steps to their functions. A test fails when a step of a workflow has none."""

from __future__ import annotations

from collections.abc import Mapping

from shared.integrations.catalog import ACCESS, AUTHENTIK, BILLING, OCIS, STALWART
from shared.workflows.model import Action
from worker.integrations.authentik.group import ensure_group, remove_group
from worker.integrations.authentik.membership import close_access, ensure_access
from worker.integrations.ocis.space import close_files, ensure_files, remove_files
from worker.integrations.stalwart.closed.closing import close_mail
from worker.integrations.stalwart.provision import ensure_mail
from worker.integrations.stalwart.removal import remove_mail
from worker.integrations.step_context import StepFunction
from worker.integrations.stripe.subscription import close_billing, ensure_billing, remove_billing, renew_billing

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
