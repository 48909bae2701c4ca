"""Find the applications that would be open to everybody without a group's bindings."""

from __future__ import annotations

from shared.integrations.outcomes import PermanentError
from worker.integrations.authentik.client import AuthentikClient
from worker.integrations.authentik.models import Binding


def opened_without(authentik: AuthentikClient, group_id: str) -> list[str]:
    """Return the targets that would become open to others after the group's bindings are deleted.

    An application without an enabled binding is open to everybody. With the policy mode `all` every binding restricts
    access, so the loss of one admits more people even if others stay. An application that our account cannot read
    counts as one of mode `all`. Raises PermanentError("missing_permission") when our account may see no bindings.
    """
    bindings = authentik.list_bindings()
    targets = sorted({one.target for one in bindings if one.group == group_id and one.enabled})
    others = {target: [one for one in bindings if _is_other(one, target, group_id)] for target in targets}
    guarded = [target for target in targets if any(one.admits_only_named for one in others[target])]
    modes = _modes(authentik) if guarded else {}
    return [target for target in targets if target not in guarded or modes.get(target) != "any"]


def _is_other(binding: Binding, target: str, group_id: str) -> bool:
    return binding.target == target and binding.group != group_id


def _modes(authentik: AuthentikClient) -> dict[str, str]:
    try:
        return authentik.application_modes()
    except PermanentError as refusal:
        if refusal.reason != "missing_permission":
            raise
        return {}
