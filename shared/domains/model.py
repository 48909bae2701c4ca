"""A tenant's domain: the records to publish, the results of checks, and the time of the next check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.domains.dns_records import Check, Presence, Question, Record, compare, is_answered, places
from shared.domains.verification import DomainState, Ownership, ProofLimits, ProofMaker
from shared.tenants.model import Tenant

#: pause between checks of a failed domain, whose owner may have repaired it without a request
FAILED_PAUSE = timedelta(days=1)
#: the next check comes after this share of the state's age: new states are checked often, old ones seldom
AGE_SHARE = 1 / 8


@dataclass(frozen=True)
class Terms:
    """Terms of a new domain. `is_proof_required`: mail waits for its proof. `first_check`: seconds until the first
    check, None: on request only.
    """

    is_proof_required: bool = False
    first_check: float | None = None


@dataclass(frozen=True)
class Sighting:
    """The latest answer of DNS for one wanted record. `last_seen_at`: the last check that found it correct."""

    check: Check
    last_seen_at: datetime | None = None


@dataclass(frozen=True)
class DomainCheck:
    """Result of one check. `proof_found` None: DNS did not answer, which never counts as absence.

    `checks`: records that DNS answered for, the proof first. `unanswered`: the others; `fault`: why.
    """

    proof_found: bool | None
    checks: tuple[Check, ...] = ()
    unanswered: tuple[Record, ...] = ()
    fault: str | None = None


@dataclass(frozen=True)
class TenantDomain:
    """A domain on record. `since`: when the state or the loss of the proof began. `checked_at`: when DNS last answered.

    `faults`: checks in a row without an answer. `requested_at`: when a check was requested that has not run yet.
    `is_watched`: the service checks the domain regularly; it does not before somebody requested the proof.
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

    def after_check(self, check: DomainCheck, now: datetime, limits: ProofLimits) -> TenantDomain:
        """Return the next value. A check without an answer changes only the count of such checks."""
        if check.proof_found is None:
            return replace(self, fault=check.fault, faults=self.faults + 1)
        sightings = self._sightings(check, now)
        checks = [sighting.check for sighting in sightings]
        ownership = self.ownership.after_check(now, check.proof_found, checks, limits)
        return replace(
            self,
            ownership=ownership,
            since=self.since if _state(ownership) == _state(self.ownership) else now,
            sightings=sightings,
            checked_at=now,
            fault=check.fault,
            faults=0,
        )

    def has_same_state(self, other: TenantDomain) -> bool:
        """Return whether the state and the loss of the proof are the same, so that no event is needed."""
        return _state(self.ownership) == _state(other.ownership)

    def sighting(self, record: Record) -> Sighting | None:
        """Return the latest answer of DNS for this record, None when it was never asked."""
        return next((one for one in self.sightings if one.check.record == record), None)

    def _sightings(self, check: DomainCheck, now: datetime) -> tuple[Sighting, ...]:
        """Return the new answers, and the earlier ones for records without an answer this time."""
        fresh = [Sighting(one, self._last_seen(one, now)) for one in check.checks]
        kept = [self.sighting(record) for record in check.unanswered]
        return (*fresh, *(one for one in kept if one is not None))

    def _last_seen(self, check: Check, now: datetime) -> datetime | None:
        if check.presence is Presence.OK:
            return now
        known = self.sighting(check.record)
        return known.last_seen_at if known else None


@dataclass(frozen=True)
class CheckSchedule:
    """Seconds between regular checks: at least `first`, at most `usual`."""

    first: float
    usual: float

    def wait_after(self, domain: TenantDomain, now: datetime) -> float:
        """Return the seconds until the next check. `domain`: after the check at `now`."""
        if domain.faults:
            return min(self.first * 2.0 ** min(domain.faults - 1, 16), self.usual)
        if domain.ownership.state is DomainState.FAILED:
            return max(self.usual, FAILED_PAUSE.total_seconds())
        age = (now - domain.since).total_seconds()
        return min(max(age * AGE_SHARE, self.first), self.usual)


def mail_records(tenant: Tenant, name: str) -> tuple[Record, ...]:
    """Return the records that the mail server requires for a domain; none before the mail step has run."""
    kept: Sequence[Mapping[str, str]] = tenant.remote.get("dnsRecords") or ()
    return tuple(Record(one["name"].lower(), one["type"], one["value"]) for one in kept if one["domain"] == name)


def questions_of(tenant: Tenant, name: str, maker: ProofMaker) -> tuple[Question, ...]:
    """Return the questions of one check, the proof first."""
    wanted = (maker.record(tenant.id, name), *mail_records(tenant, name))
    return tuple(dict.fromkeys(place for record in wanted for place in places(record)))


def result_of(
    tenant: Tenant,
    name: str,
    maker: ProofMaker,
    answers: Mapping[Question, Sequence[str]],
    fault: str | None,
) -> DomainCheck:
    """Compare the answers with the wanted records. Questions missing in `answers` have none, because of `fault`."""
    proof = maker.record(tenant.id, name)
    if proof.question not in answers:
        return DomainCheck(None, fault=fault)
    is_proven = maker.is_proven(tenant.id, name, answers[proof.question])
    # a proof made with an older key is valid too
    (shown,) = (Check(proof, Presence.OK),) if is_proven else compare([proof], answers)
    wanted = mail_records(tenant, name)
    # all are compared, because one wanted record tells how to read another: our MX hosts count in an SPF policy
    checks = [check for check in compare(wanted, answers) if is_answered(check.record, answers)]
    unanswered = tuple(record for record in wanted if not is_answered(record, answers))
    return DomainCheck(is_proven, (shown, *checks), unanswered, fault)


def _state(ownership: Ownership) -> tuple[DomainState, datetime | None]:
    return ownership.state, ownership.proof_lost_at


@dataclass(frozen=True)
class DomainRecord:
    """One record that a domain's owner must publish. `sighting` is None until DNS was asked for it."""

    record: Record
    is_proof: bool
    sighting: Sighting | None


@dataclass(frozen=True)
class DomainView:
    """A tenant's domain with all records to publish, the proof first."""

    domain: TenantDomain
    records: tuple[DomainRecord, ...]
