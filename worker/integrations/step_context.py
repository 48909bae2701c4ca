"""The context of a step: the tenant, its plan, and how changes are made, limited and recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any, Protocol, TypeVar

from shared.billing.model import Bill
from shared.billing.sync import BillingService
from shared.config.integrations import Plan
from shared.integrations.outcomes import BREAKER_REASON, NotFound, Outcome, PermanentError, TemporaryError
from shared.integrations.ownership_marker import MarkerSigner
from shared.operations.model import Operation, StepRecord
from shared.subscriptions.model import Subscription
from shared.tenants.model import Tenant
from worker.http.deadline import remaining

T = TypeVar("T")

#: names that a message lists at most
MAX_NAMED = 10
#: an attempt starts no further action with less time left than this, in seconds
MIN_SECONDS_LEFT = 1.0


class GroupState(StrEnum):
    """State of our knowledge about the tenant's group in the identity provider."""

    RECORDED = "recorded"
    #: the group's step in the same operation has not ended, and this attempt may wait for it
    AWAITED = "awaited"
    #: the group's step ended without one, such as when a foreign group has the name, or takes too long
    ABSENT = "absent"


class ChangeRecorder(Protocol):
    """Carries out and records a change: a step's context, or the removal of an orphan."""

    def change(self, sentence: str, act: Callable[[], T], planned: T) -> T: ...


@dataclass(frozen=True)
class BillingAccount:
    """`price`: the plan's, None when it has none. `prices`: those of all plans. `attempt`: counts from 1.

    `known`: reads the tenant's recorded subscription. `save` records Stripe's state, and `save_plan` the tenant's plan
    on its live subscription, unless a newer change of the tenant was accepted or the attempt's lease has ended.
    """

    price: str | None
    prices: frozenset[str]
    generation: int
    attempt: int
    known: Callable[[], Subscription | None]
    save: Callable[[Bill], object]
    save_plan: Callable[[str], object]


@dataclass(frozen=True)
class StepContext:
    """The context of one attempt of a step.

    `signer`: signs and verifies ownership markers of the step's product.
    `save(field=value)`: records a remote id at once; returns False after a newer operation or the lease's end.
    `found`: remote values that can be read again; they are recorded with the outcome, which saves a write.
    `group_prefix`: the setting OIDC_TENANT_GROUP_PREFIX.
    `member_role`: role of a tenant's group in its space.
    `email_stage`: sends invitations, whose links are valid for `invitation_duration`.
    `suspended_mail`: the setting SUSPENDED_MAIL.
    `account`: for billing steps only.
    `proven`: domains whose ownership is proven, None when no proof is required.
    `is_first`: no attempt for this tenant began earlier, so nothing of it can exist outside yet.
    `is_dry_run`: a dry run: nothing may be changed; `changes` holds what a real run would change.
    `is_recorded_for_another_tenant`: whether another tenant's record names an object by its id; then a marker of ours
    on it is a copy.
    `group_state`: reads the current state of the tenant's group in the identity provider.
    `max_removals`: how many objects the run may remove or disable, None without a limit.
    `announced`: the removals that it wants to make.
    """

    tenant: Tenant
    plan: Plan
    signer: MarkerSigner
    save: Callable[..., bool]
    group_prefix: str = "tenant-"
    member_role: str = "editor"
    email_stage: str | None = None
    invitation_duration: str = "days=3"
    suspended_mail: str = "refuse"
    account: BillingAccount | None = None
    proven: frozenset[str] | None = None
    is_first: bool = False
    is_dry_run: bool = False
    max_removals: int | None = None
    changes: list[str] = field(default_factory=list)
    announced: list[str] = field(default_factory=list)
    found: dict[str, Any] = field(default_factory=dict)
    is_recorded_for_another_tenant: Callable[[str], bool] = lambda id_: False
    group_state: Callable[[], GroupState] = lambda: GroupState.RECORDED

    @property
    def group_name(self) -> str:
        """Return the name of the tenant's group in Authentik, which tokens contain and OCIS knows."""
        return f"{self.group_prefix}{self.tenant.slug}"

    @property
    def ready_domains(self) -> tuple[str, ...]:
        """Return the tenant's domains that may be provisioned."""
        return tuple(name for name in self.tenant.domains if self.proven is None or name in self.proven)

    @property
    def waiting_domains(self) -> tuple[str, ...]:
        """Return the tenant's domains that wait for a proof of ownership."""
        return tuple(name for name in self.tenant.domains if name not in self.ready_domains)

    def remote(self, field: str) -> Any:
        """Return a remote field (`ocisSpaceId`) of the tenant's record, or None."""
        return self.tenant.remote.get(field)

    def change(self, sentence: str, act: Callable[[], T], planned: T) -> T:
        """Make one change outside and record it; in a dry run only record it, and return `planned`.

        All changes go through here. `sentence`: the change, as an imperative ("create the group tenant-acme").
        """
        done = planned if self.is_dry_run else act()
        self.changes.append(sentence)
        return done

    def announce_removals(self, sentences: Sequence[str]) -> None:
        """Announce all removals before the first one, so that too many of them stop the run.

        A dry run records that a real one would stop, and goes on. Raises PermanentError("too_many_removals").
        """
        self.announced.extend(sentences)
        if self.max_removals is None or len(self.announced) <= self.max_removals:
            return
        if not self.is_dry_run:
            raise PermanentError("too_many_removals", f"{_excess(self)} It would {enumerate_names(self.announced)}.")
        self.changes.append(f"stop here without an approval: {_excess(self)}")

    def remove(self, sentence: str, act: Callable[[], object]) -> None:
        """Make a removal that was announced. Raises LookupError for one that was not, which is a bug."""
        if sentence not in self.announced:
            raise LookupError("a removal was not announced")
        self.change(sentence, act, None)


def billing_account_of(
    billing: BillingService, operation: Operation, step: StepRecord, plan: str, prices: Mapping[str, str]
) -> BillingAccount:
    """Return the account for one attempt of a step; a dry run saves nothing."""
    lease_end = step.lease_until
    return BillingAccount(
        price=prices.get(plan),
        prices=frozenset(prices.values()),
        generation=operation.generation,
        attempt=step.attempts,
        known=partial(billing.known, operation.tenant_id),
        save=_save_nothing if operation.is_dry_run else partial(billing.save, operation, until=lease_end),
        save_plan=_save_nothing if operation.is_dry_run else partial(billing.save_plan, operation, until=lease_end),
    )


def _save_nothing(found: Bill | str) -> None:
    """Ignore the state: a dry run changes nothing."""


def run_all(actions: Iterable[Callable[[], object]]) -> None:
    """Run all actions even if some fail permanently, then raise the first such error.

    Refused credentials end it at once, because some products ban an account that keeps trying. Raises
    TemporaryError("not_ready") when the attempt's time is nearly over: the next attempt continues. A call cut off by
    the deadline would count as a failure of the product.
    """
    first: PermanentError | None = None
    for number, action in enumerate(actions):
        if number and remaining(MIN_SECONDS_LEFT) < MIN_SECONDS_LEFT:
            raise TemporaryError("not_ready", f"{number} are done; the next attempt continues.", wait=0.0)
        try:
            action()
        except PermanentError as refusal:
            if refusal.reason == BREAKER_REASON:
                raise
            first = first or refusal
    if first is not None:
        raise first


def read_or_none(read: Callable[[], T]) -> T | None:
    """Return what is read, or None when the product says that it does not exist."""
    try:
        return read()
    except NotFound:
        return None


def _excess(step: StepContext) -> str:
    return f"That would be {len(step.announced)}, and one run may remove {step.max_removals}."


def enumerate_names(names: Sequence[str]) -> str:
    """Join names or sentences for a message, at most MAX_NAMED of them."""
    rest = (f"{len(names) - MAX_NAMED} more",) if len(names) > MAX_NAMED else ()
    return ", ".join((*names[:MAX_NAMED], *rest))


#: a step: takes its context and its integration's client
StepFunction = Callable[[StepContext, Any], Outcome]
