"""What a step is given besides the integration's client."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from shared.domain.faults import Outcome
from shared.domain.plans import Plan
from shared.domain.stamp import Stamper
from shared.domain.tenant import Tenant


@dataclass(frozen=True)
class Work:
    """One step's errand.

    `stamper` is the step's product's; `save(field=value)` puts a remote id on record at once; `member_role` is what a
    tenant's group may do in its space.
    """

    tenant: Tenant
    plan: Plan
    stamper: Stamper
    save: Callable[..., None]
    member_role: str = "editor"

    def remote(self, field: str) -> Any:
        """What the tenant's record holds in a remote field (`ocisSpaceId`), or None."""
        return self.tenant.remote.get(field)


#: takes the step's work and its integration's client
StepFunction = Callable[[Work, Any], Outcome]
