"""A tenant's domain under watch: what must be published for it, what DNS last said, and when to look again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.domains.dns_records import Check, Presence, Question, Record, compare
from shared.domains.verification import DomainState, Ownership, Patience, ProofMaker
from shared.tenants.model import Tenant

#: how often a domain that failed is looked at, in case its owner mended it without telling us
FAILED_PAUSE = timedelta(days=1)
#: the share of a state's age that is waited until the next look: young states are looked at often, old ones seldom
AGE_SHARE = 1 / 8


@dataclass(frozen=True)
class Terms:
    """How a domain is added. `is_proof_required`: mail waits for its proof. `first_check`: seconds until DNS is asked
    first, None: not before somebody asks for it."""

    is_proof_required: bool = False
    first_check: float | None = None


@dataclass(frozen=True)
class Sighting:
    """One wanted record as DNS last answered for it. `last_seen_at`: the last look that found it as wanted."""

    check: Check
    last_seen_at: datetime | None = None


@dataclass(frozen=True)
class DomainCheck:
    """What one look gave. `proof_found` is None when nobody could say, which is never taken for absence.

    `checks`: of the records that DNS answered for, the proof first. `unanswered`: the others, and `fault` why.
    """

    proof_found: bool | None
    checks: tuple[Check, ...] = ()
    unanswered: tuple[Record, ...] = ()
    fault: str | None = None


@dataclass(frozen=True)
class TenantDomain:
    """`since`: when the state or the loss of the proof began. `checked_at`: when DNS last answered for the proof.

    `faults`: looks in a row that DNS did not answer. `requested_at`: when a look was asked for that is still to come.
    `is_watched`: whether the service looks by itself; it does not before somebody asked for the proof.
    """

    id: str
    tenant_id: str
    tenant_slug: str
    name: str
    ownership: Ownership
    since: datetime
    sightings: tuple[Sighting, ...] = ()
    checked_at: datetime | None = None
    fault: str | None = None
    faults: int = 0
    is_watched: bool = False
    due_at: datetime | None = None
    requested_at: datetime | None = None
    is_proof_required: bool = False

    def after_check(self, look: DomainCheck, now: datetime, patience: Patience) -> TenantDomain:
        """The next value. A look that DNS did not answer for changes nothing but the count of such looks."""
        if look.proof_found is None:
            return replace(self, fault=look.fault, faults=self.faults + 1)
        sightings = self._seen(look, now)
        checks = [sighting.check for sighting in sightings]
        ownership = self.ownership.after_check(now, look.proof_found, checks, patience)
        return replace(
            self,
            ownership=ownership,
            since=self.since if _standing(ownership) == _standing(self.ownership) else now,
            sightings=sightings,
            checked_at=now,
            fault=look.fault,
            faults=0,
        )

    def has_same_state(self, other: TenantDomain) -> bool:
        """Whether neither the state nor the loss of the proof differs: nothing that anybody must be told."""
        return _standing(self.ownership) == _standing(other.ownership)

    def sighting(self, record: Record) -> Sighting | None:
        """What DNS last said of just this record, None when it has not been asked for it."""
        return next((one for one in self.sightings if one.check.record == record), None)

    def _seen(self, look: DomainCheck, now: datetime) -> tuple[Sighting, ...]:
        """The look's checks, and what was known before of the records that DNS did not answer for this time."""
        fresh = [Sighting(check, self._last_seen(check, now)) for check in look.checks]
        kept = [self.sighting(record) for record in look.unanswered]
        return (*fresh, *(one for one in kept if one is not None))

    def _last_seen(self, check: Check, now: datetime) -> datetime | None:
        if check.presence is Presence.OK:
            return now
        known = self.sighting(check.record)
        return known.last_seen_at if known else None


@dataclass(frozen=True)
class Pace:
    """How often the service looks by itself, in seconds: never sooner than `first`, never later than `usual`."""

    first: float
    usual: float

    def wait_after(self, domain: TenantDomain, now: datetime) -> float:
        """Seconds from a look at `now`, whose outcome `domain` shows, to the next one."""
        if domain.faults:
            return min(self.first * 2.0 ** min(domain.faults - 1, 16), self.usual)
        if domain.ownership.state is DomainState.FAILED:
            return max(self.usual, FAILED_PAUSE.total_seconds())
        age = (now - domain.since).total_seconds()
        return min(max(age * AGE_SHARE, self.first), self.usual)


def mail_records(tenant: Tenant, name: str) -> tuple[Record, ...]:
    """What the mail step found must be published for this domain; empty before it has set the domain up."""
    kept: Sequence[Mapping[str, str]] = tenant.remote.get("dnsRecords") or ()
    return tuple(Record(one["name"].lower(), one["type"], one["value"]) for one in kept if one["domain"] == name)


def questions_of(tenant: Tenant, name: str, maker: ProofMaker) -> tuple[Question, ...]:
    """What one look asks, the proof first."""
    wanted = (maker.record(tenant.id, name), *mail_records(tenant, name))
    return tuple(dict.fromkeys(record.question for record in wanted))


def judged(
    tenant: Tenant,
    name: str,
    maker: ProofMaker,
    answers: Mapping[Question, Sequence[str]],
    fault: str | None,
) -> DomainCheck:
    """What the answers mean. A question that is not in `answers` was not answered, for the reason `fault`."""
    proof = maker.record(tenant.id, name)
    if proof.question not in answers:
        return DomainCheck(None, fault=fault)
    is_proven = maker.is_proven(tenant.id, name, answers[proof.question])
    # a proof made with an older key is as good as the one that is shown now
    (shown,) = (Check(proof, Presence.OK),) if is_proven else compare([proof], answers)
    wanted = mail_records(tenant, name)
    known = [record for record in wanted if record.question in answers]
    unanswered = tuple(record for record in wanted if record.question not in answers)
    return DomainCheck(is_proven, (shown, *compare(known, answers)), unanswered, fault)


def _standing(ownership: Ownership) -> tuple[DomainState, datetime | None]:
    return ownership.state, ownership.proof_lost_at
