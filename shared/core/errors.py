"""Domain errors: each has a name, a stable code and a sentence for the caller. The API adds the HTTP status."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass


class DomainError(Exception):
    """The request is refused. `code` is stable; `str(error)` tells the caller the cause and what to do."""

    code = "error"
    #: what an error says that is raised without a sentence of its own
    sentence = ""
    retryable = False
    #: seconds until a retryable request may be sent again
    retry_after = 2

    def __init__(self, sentence: str | None = None) -> None:
        super().__init__(sentence or self.sentence)


class NotFound(DomainError):
    """The object does not exist, or the actor may not see it."""

    code = "not_found"


class Forbidden(DomainError):
    """The actor may see the object but may not do this with it."""

    code = "forbidden"


class UnknownUser(DomainError):
    """The token is valid, but its holder has no user record."""

    code = "unknown_user"
    sentence = "You are signed in but have no user record here yet; call GET /users/me once to create it."


class WrongSurface(DomainError):
    """The token was issued for a surface that this route does not accept."""

    code = "wrong_surface"

    def __init__(self, needed: Collection[str], given: Collection[str]) -> None:
        super().__init__(
            f"This request needs an access token for the surface {' or '.join(sorted(needed))}; yours is for "
            f"{' and '.join(sorted(given))}. Get one from an application to which the service's setting OIDC_AUDIENCES "
            "gives that surface, usually the console or platformctl."
        )


@dataclass(frozen=True)
class FieldError:
    """One invalid field of a request: its place (RFC 6901 JSON pointer) and the rule that it breaks."""

    pointer: str
    detail: str


class InvalidInput(DomainError):
    """The body or query breaks rules; lists every invalid field."""

    code = "invalid_input"

    def __init__(self, field_errors: Sequence[FieldError]) -> None:
        super().__init__("The request breaks the rules named in errors; correct all of them and send it again.")
        self.field_errors = tuple(field_errors)


class SlugTaken(DomainError):
    """A tenant (also a deleted one) or a partner has this slug."""

    code = "slug_taken"

    def __init__(self, slug: str) -> None:
        super().__init__(f"The slug {slug!r} is taken; slugs are never reused, choose another.")


class DomainTaken(DomainError):
    """Another tenant has one of these domains."""

    code = "domain_taken"
    sentence = "One of the domains belongs to another tenant; a domain can serve one tenant only."


class DomainOverlaps(DomainError):
    """A domain is a parent or a subdomain of another tenant's domain."""

    code = "domain_overlaps"
    sentence = (
        "One of the domains is a parent or a subdomain of another tenant's domain; "
        "only a platform administrator can add it."
    )


class SubjectTaken(DomainError):
    """Another user record has this subject."""

    code = "subject_taken"
    sentence = (
        "There is a user with this authentikSubjectId already. Change that record instead; if you cannot see it, a "
        "platform administrator can add the tenant to it."
    )


class SubscriptionExists(DomainError):
    """The tenant has a live subscription."""

    code = "subscription_exists"
    sentence = "The tenant has a live subscription already; change that one, or cancel it first."


class PartnerInUse(DomainError):
    """Tenants, users or webhooks belong to the partner."""

    code = "partner_in_use"
    sentence = "Tenants, users or webhooks belong to this partner; move or remove them first."


class TooManyWebhooks(DomainError):
    """The owner has reached the limit of webhooks."""

    code = "too_many_webhooks"

    def __init__(self, limit: int) -> None:
        super().__init__(f"The limit of {limit} webhooks is reached; remove or change one.")


class UnknownReference(DomainError):
    """The request refers to an object that does not exist; `pointer` names the field."""

    code = "unknown_reference"

    def __init__(self, pointer: str, kind: str) -> None:
        super().__init__(f"{pointer} names a {kind} that does not exist.")
        self.pointer = pointer


class StaleVersion(DomainError):
    """The record has changed since the caller read it."""

    code = "stale_version"
    sentence = "The record has changed since you read it; read it again and repeat your change."


def require_version(version: int, expected: Collection[int] | None) -> None:
    """Raise StaleVersion unless the caller expects this version of the record. None accepts every version."""
    if expected is not None and version not in expected:
        raise StaleVersion


class KeyReused(DomainError):
    """The Idempotency-Key was used for another request."""

    code = "idempotency_key_reused"
    sentence = "This Idempotency-Key was used for a different request; use a new key for a new request."


class KeyInProgress(DomainError):
    """The first request with this Idempotency-Key is still being processed."""

    code = "idempotency_key_in_progress"
    retryable = True
    sentence = "The first request with this Idempotency-Key is still running; try again in a moment."


class AlreadyDone(DomainError):
    """The first request with this Idempotency-Key took effect, and its response was lost.

    `record`: the address of what it changed, None if that is not known.
    """

    code = "already_done"

    def __init__(self, action: str, record: str | None) -> None:
        super().__init__(
            f"The first request with this Idempotency-Key took effect ({action}), but its response was lost. Read "
            f"{record or '/events'} for what changed; the same request with another key would be carried out again."
        )
        self.record = record


class OperationInProgress(DomainError):
    """The tenant has an open operation of another kind, or had one until this moment: `operation_id` is None."""

    code = "operation_in_progress"
    retryable = True

    def __init__(self, operation_id: str | None = None, action: str | None = None) -> None:
        running = f"Operation {operation_id} ({action}) is still running on this tenant; wait until it ends."
        super().__init__(
            running if operation_id else "An operation of this tenant has just ended; send the request again."
        )
        self.operation_id = operation_id


class ActionNotPossible(DomainError):
    """The tenant's status does not allow this action."""

    code = "action_not_possible"


class NotRemovable(DomainError):
    """The orphan is still in quarantine, or the object is no longer an orphan."""

    code = "not_removable"


class ObserveOnly(DomainError):
    """The platform is in observe-only mode."""

    code = "observe_only"
    sentence = "The platform is in observe-only mode, so nothing may be removed; leave that mode first."


class CheckedRecently(DomainError):
    """The domain was checked a moment ago."""

    code = "checked_recently"
    retryable = True

    def __init__(self, wait: float) -> None:
        self.retry_after = max(1, math.ceil(wait))
        super().__init__(f"The domain was checked a moment ago; try again in {self.retry_after} s.")


class StoreUnavailable(DomainError):
    """The database did not answer in time, or refused. A write in progress may have succeeded or failed."""

    code = "store_unavailable"
    retryable = True
    sentence = "The database is not available at the moment; try again in a few seconds."
