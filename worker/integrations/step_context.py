"""What a step is given besides the integration's client."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from shared.config.plans import Plan
from shared.integrations.outcomes import BREAKER_REASON, Outcome, PermanentError, TemporaryError
from shared.integrations.ownership_marker import MarkerSigner
from shared.tenants.model import Tenant
from worker.http.deadline import remaining
from worker.integrations.billing_account import Account

T = TypeVar("T")

#: how many removals a message names
NAMED = 10
#: with less time than this an attempt begins nothing more of many, in seconds
ENOUGH = 1.0


class GroupState(StrEnum):
    """Whether the tenant's group in the identity provider is known to be ours."""

    RECORDED = "recorded"
    #: its step in the same operation has not ended
    AWAITED = "awaited"
    #: its step ended without one, as when a foreign group has the name
    ABSENT = "absent"


class ChangeRecorder(Protocol):
    """What a removal of one object needs to know of whoever wants it: how changes are made and told."""

    def change(self, sentence: str, act: Callable[[], T], planned: T) -> T: ...


@dataclass(frozen=True)
class StepContext:
    """One step's errand.

    `stamper` is the step's product's; `save(field=value)` puts a remote id on record at once, and says
    whether it could: not once a newer operation was accepted; `found` holds what can be
    read again, and goes there with the attempt's end, which saves a write; `member_role` is what a
    tenant's group may do in its space; `email_stage` sends invitations, whose links live for `invitation_duration`;
    `suspended_mail` is the setting;
    `account` is what billing needs. `proven`: the domains that are known to be the tenant's, None when no proof is
    required.
    `is_first`: no attempt for this tenant began before this one, so nothing of it can be outside yet.
    `is_plan`: nothing may be changed, only said; `changes` holds what was said.
    `group_state`: reads how the tenant's group in the identity provider is now.
    `most_removals`: how much the run may remove or disable, None without a bound; `announced` holds what it wants to.
    """

    tenant: Tenant
    plan: Plan
    stamper: MarkerSigner
    save: Callable[..., bool]
    member_role: str = "editor"
    email_stage: str | None = None
    invitation_duration: str = "days=3"
    suspended_mail: str = "refuse"
    account: Account | None = None
    proven: frozenset[str] | None = None
    is_first: bool = False
    is_plan: bool = False
    most_removals: int | None = None
    changes: list[str] = field(default_factory=list)
    announced: list[str] = field(default_factory=list)
    found: dict[str, Any] = field(default_factory=dict)
    group_state: Callable[[], GroupState] = lambda: GroupState.RECORDED

    @property
    def ready_domains(self) -> tuple[str, ...]:
        """Those of the tenant's domains that may be acted on."""
        return tuple(name for name in self.tenant.domains if self.proven is None or name in self.proven)

    @property
    def waiting_domains(self) -> tuple[str, ...]:
        """Those that may not be acted on, for want of a proof."""
        return tuple(name for name in self.tenant.domains if name not in self.ready_domains)

    def remote(self, field: str) -> Any:
        """What the tenant's record holds in a remote field (`ocisSpaceId`), or None."""
        return self.tenant.remote.get(field)

    def change(self, sentence: str, act: Callable[[], T], planned: T) -> T:
        """Every change outside goes through here. Does it and says so; in a plan says so, and what would be there.

        `sentence`: what is done, as an order ("create the group tenant-acme").
        """
        done = planned if self.is_plan else act()
        self.changes.append(sentence)
        return done

    def announce_removals(self, sentences: Sequence[str]) -> None:
        """Say all that is to be removed or disabled, before the first of it: too much of it stops the run.

        A plan says that it would stop, and goes on. Raises PermanentError("too_many_removals").
        """
        self.announced.extend(sentences)
        if self.most_removals is None or len(self.announced) <= self.most_removals:
            return
        if not self.is_plan:
            raise PermanentError("too_many_removals", f"{_bound(self)} It would {_listed(self.announced)}.")
        self.changes.append(f"stop here without leave: {_bound(self)}")

    def remove(self, sentence: str, act: Callable[[], object]) -> None:
        """A change that takes away, announced before. Raises LookupError for one that was not, which would be a bug."""
        if sentence not in self.announced:
            raise LookupError("a removal was not announced")
        self.change(sentence, act, None)


def do_all(deeds: Iterable[Callable[[], object]]) -> None:
    """Do each although others are refused; raises the first refusal then. Refused credentials end it at once: some
    products ban whoever goes on trying.

    For thousands one attempt's time may be too short: the next goes on. Raises TemporaryError("not_ready") then, since
    a call that the time's end cuts off would be held against the product.
    """
    first: PermanentError | None = None
    for number, deed in enumerate(deeds):
        if number and remaining(ENOUGH) < ENOUGH:
            raise TemporaryError("not_ready", f"{number} are done, and there are more: it goes on.", wait=0.0)
        try:
            deed()
        except PermanentError as refusal:
            if refusal.reason == BREAKER_REASON:
                raise
            first = first or refusal
    if first is not None:
        raise first


def _bound(step: StepContext) -> str:
    return f"That would be {len(step.announced)}, and one run may remove {step.most_removals}."


def _listed(sentences: Sequence[str]) -> str:
    rest = (f"{len(sentences) - NAMED} more",) if len(sentences) > NAMED else ()
    return ", ".join((*sentences[:NAMED], *rest))


#: takes the step's work and its integration's client
StepFunction = Callable[[StepContext, Any], Outcome]
