"""Proof of domain ownership: the DNS record that proves it, and the states of a domain."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from shared.domains.dns_records import Check, Presence, Record

CHALLENGE_LABEL = "_dezky-challenge"
PROOF_KEY = "dezky-verification"
#: TXT records without which mail is not accepted; other wanted records are optional
ESSENTIAL_TEXTS = ("v=spf1", "v=dkim1", "v=dmarc1")


class DomainState(StrEnum):
    """`unverified`: never proven. `verified`: proven, mail records correct. `degraded`: proven, but mail records are
    wrong or the proof has disappeared lately. `failed`: not proven in time, or the proof stayed away.
    """

    UNVERIFIED = "unverified"
    VERIFIED = "verified"
    DEGRADED = "degraded"
    FAILED = "failed"


@dataclass(frozen=True)
class ProofLimits:
    """Time limits: for the first proof, and for the return of a proof that has disappeared."""

    first_proof: timedelta = timedelta(days=14)
    lost_proof: timedelta = timedelta(days=3)


@dataclass(frozen=True)
class Ownership:
    """The proof of one domain. `asked_at`: when the proof was first requested. Times have a time zone."""

    asked_at: datetime
    state: DomainState = DomainState.UNVERIFIED
    verified_at: datetime | None = None
    proof_lost_at: datetime | None = None

    @property
    def is_proven(self) -> bool:
        """Return whether the integrations may use the domain for its tenant."""
        return self.state in (DomainState.VERIFIED, DomainState.DEGRADED)

    def after_check(
        self, now: datetime, proof_found: bool, checks: Sequence[Check], limits: ProofLimits = ProofLimits()
    ) -> Ownership:
        """Return the next value after DNS has answered. Without an answer, keep this value."""
        if proof_found:
            state = DomainState.VERIFIED if works(checks) else DomainState.DEGRADED
            return replace(self, state=state, verified_at=self.verified_at or now, proof_lost_at=None)
        if not self.is_proven:
            late = self.state is DomainState.FAILED or now - self.asked_at >= limits.first_proof
            return replace(self, state=DomainState.FAILED if late else DomainState.UNVERIFIED)
        lost_at = self.proof_lost_at or now
        late = now - lost_at >= limits.lost_proof
        return replace(self, state=DomainState.FAILED if late else DomainState.DEGRADED, proof_lost_at=lost_at)

    def after_request(self, now: datetime) -> Ownership:
        """Restart the time limit of a failed domain, because its owner requested a check. Others stay as they are."""
        return Ownership(now) if self.state is DomainState.FAILED else self


def works(checks: Iterable[Check]) -> bool:
    """Return whether every record that mail depends on is correct."""
    return all(check.presence is Presence.OK for check in checks if is_essential(check.record))


def is_essential(record: Record) -> bool:
    """Return whether mail depends on a record."""
    return record.type == "MX" or (record.type == "TXT" and record.value.lower().startswith(ESSENTIAL_TEXTS))


@dataclass(frozen=True)
class ProofMaker:
    """Makes proofs of ownership with the first key and recognises them with all keys, so that keys can be rotated.

    A token is the first 32 hex digits of HMAC-SHA256(key, "domain-ownership:<tenantId>:<domain>"). Nothing is stored,
    and a token proves nothing for another tenant or domain.
    """

    keys: Sequence[str]

    def record(self, tenant_id: str, domain: str) -> Record:
        """Return the TXT record that the domain's owner must publish. `domain`: in A-labels."""
        return Record(challenge_name(domain), "TXT", self._value(self.keys[0], tenant_id, domain))

    def is_proven(self, tenant_id: str, domain: str, texts: Iterable[str]) -> bool:
        """Return whether one of the texts at the challenge's name proves the domain for the tenant."""
        good = [self._value(key, tenant_id, domain).encode() for key in self.keys]
        seen = [text.strip().strip('"').encode() for text in texts]
        return any(hmac.compare_digest(text, value) for text in seen for value in good)

    def _value(self, key: str, tenant_id: str, domain: str) -> str:
        message = f"domain-ownership:{tenant_id}:{domain.lower()}"
        token = hmac.new(key.encode(), message.encode(), hashlib.sha256).hexdigest()[:32]
        return f"{PROOF_KEY}={token}"


def challenge_name(domain: str) -> str:
    """Return the name of the proof's record."""
    return f"{CHALLENGE_LABEL}.{domain.lower()}"
