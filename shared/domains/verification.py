"""Whose a domain is: the record that proves it, and the states a domain goes through as it is looked at again."""

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
#: mail does not flow, or is not believed, without these; the rest are conveniences
ESSENTIAL_TEXTS = ("v=spf1", "v=dkim1", "v=dmarc1")


class DomainState(StrEnum):
    """UNVERIFIED: never proven. VERIFIED: proven and working. DEGRADED: proven, but records or lately the proof
    itself are not as they should be. FAILED: not proven in time, or the proof stayed away."""

    UNVERIFIED = "unverified"
    VERIFIED = "verified"
    DEGRADED = "degraded"
    FAILED = "failed"


@dataclass(frozen=True)
class Patience:
    """How long we wait for the first proof, and for one that vanished to come back."""

    first_proof: timedelta = timedelta(days=14)
    lost_proof: timedelta = timedelta(days=3)


@dataclass(frozen=True)
class Ownership:
    """What is known of one domain. `asked_at`: when the proof was first asked for; times are aware."""

    asked_at: datetime
    state: DomainState = DomainState.UNVERIFIED
    verified_at: datetime | None = None
    proof_lost_at: datetime | None = None

    @property
    def is_proven(self) -> bool:
        """Whether the domain may be acted on for its tenant."""
        return self.state in (DomainState.VERIFIED, DomainState.DEGRADED)

    def after_check(
        self, now: datetime, proof_found: bool, checks: Sequence[Check], patience: Patience = Patience()
    ) -> Ownership:
        """The next value, from what DNS answered. When DNS could not be asked there was no look: keep this value."""
        if proof_found:
            state = DomainState.VERIFIED if works(checks) else DomainState.DEGRADED
            return replace(self, state=state, verified_at=self.verified_at or now, proof_lost_at=None)
        if not self.is_proven:
            late = self.state is DomainState.FAILED or now - self.asked_at >= patience.first_proof
            return replace(self, state=DomainState.FAILED if late else DomainState.UNVERIFIED)
        lost_at = self.proof_lost_at or now
        late = now - lost_at >= patience.lost_proof
        return replace(self, state=DomainState.FAILED if late else DomainState.DEGRADED, proof_lost_at=lost_at)

    def asked_again(self, now: datetime) -> Ownership:
        """A failed domain gets its time anew when its owner asks for another look; any other stays as it is."""
        return Ownership(now) if self.state is DomainState.FAILED else self


def works(checks: Iterable[Check]) -> bool:
    """Whether every record that mail depends on is there and undisturbed."""
    return all(check.presence is Presence.OK for check in checks if is_essential(check.record))


def is_essential(record: Record) -> bool:
    return record.type == "MX" or (record.type == "TXT" and record.value.lower().startswith(ESSENTIAL_TEXTS))


@dataclass(frozen=True)
class ProofMaker:
    """Makes and recognises proofs of ownership. The first key makes, all recognise, so that keys can be rotated.

    A token is the first 32 hex digits of HMAC-SHA256(key, "domain-ownership:<tenantId>:<domain>"): nothing has to be
    stored, and what one tenant publishes proves nothing for another tenant or another domain.
    """

    keys: Sequence[str]

    def record(self, tenant_id: str, domain: str) -> Record:
        """The TXT record that the domain's owner publishes. `domain`: in A-labels."""
        return Record(challenge_name(domain), "TXT", self._value(self.keys[0], tenant_id, domain))

    def is_proven(self, tenant_id: str, domain: str, texts: Iterable[str]) -> bool:
        """Whether one of the texts at the challenge's name is this tenant's proof for this domain."""
        good = [self._value(key, tenant_id, domain).encode() for key in self.keys]
        seen = [text.strip().strip('"').encode() for text in texts]
        return any(hmac.compare_digest(text, value) for text in seen for value in good)

    def _value(self, key: str, tenant_id: str, domain: str) -> str:
        message = f"domain-ownership:{tenant_id}:{domain.lower()}"
        token = hmac.new(key.encode(), message.encode(), hashlib.sha256).hexdigest()[:32]
        return f"{PROOF_KEY}={token}"


def challenge_name(domain: str) -> str:
    return f"{CHALLENGE_LABEL}.{domain.lower()}"
