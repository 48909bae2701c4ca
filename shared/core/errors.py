"""What can be wrong with a request, each as a name, a stable code and a sentence. No HTTP status: the API adds that."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass


class DomainError(Exception):
    """A request that cannot be granted. `code` is stable; `str(error)` says what is wrong and what to do."""

    code = "error"
    retryable = False
    #: after how many seconds a retryable request may be made again
    retry_after = 2


class NotFound(DomainError):
    """There is no such object, or the actor may not know of it."""

    code = "not_found"


class Forbidden(DomainError):
    """The actor may see the object but not do this to it."""

    code = "forbidden"


class UnknownUser(DomainError):
    """A good token whose holder has no record here yet."""

    code = "unknown_user"

    def __init__(self) -> None:
        super().__init__("You are signed in but have no user record here yet; call GET /users/me once to make it.")


class WrongSurface(DomainError):
    """The token was made for another front door than this route admits."""

    code = "wrong_surface"


@dataclass(frozen=True)
class Flaw:
    """One fault of a body: where (RFC 6901 JSON pointer) and what."""

    pointer: str
    detail: str


class InvalidInput(DomainError):
    """A body or query that breaks rules; carries every flaw found."""

    code = "invalid_input"

    def __init__(self, flaws: Sequence[Flaw]) -> None:
        super().__init__("The request breaks the rules named in errors; correct all of them and send it again.")
        self.flaws = tuple(flaws)


class SlugTaken(DomainError):
    """A tenant, living or deleted, or a partner has this slug."""

    code = "slug_taken"

    def __init__(self, slug: str) -> None:
        super().__init__(f"The slug {slug!r} is taken; slugs are never reused, choose another.")


class DomainTaken(DomainError):
    """Another tenant has one of these domains."""

    code = "domain_taken"

    def __init__(self) -> None:
        super().__init__("One of the domains belongs to another tenant; a domain can serve one tenant only.")


class DomainOverlaps(DomainError):
    """A domain lies above or below one of another tenant."""

    code = "domain_overlaps"

    def __init__(self) -> None:
        super().__init__(
            "One of the domains lies above or below one of another tenant; only a platform administrator can add it."
        )


class SubjectTaken(DomainError):
    """Another user record has this subject."""

    code = "subject_taken"

    def __init__(self) -> None:
        super().__init__("There is a user with this authentikSubjectId already; change that record instead.")


class SubscriptionExists(DomainError):
    """The tenant has a live subscription."""

    code = "subscription_exists"

    def __init__(self) -> None:
        super().__init__("The tenant has a live subscription already; change that one, or cancel it first.")


class PartnerInUse(DomainError):
    """Tenants, users or webhooks belong to the partner."""

    code = "partner_in_use"

    def __init__(self) -> None:
        super().__init__("Tenants, users or webhooks belong to this partner; move or remove them first.")


class TooManyWebhooks(DomainError):
    """The owner has as many webhooks as one may have."""

    code = "too_many_webhooks"

    def __init__(self, most: int) -> None:
        super().__init__(f"There are {most} webhooks here already, and no more are allowed; remove or change one.")


class UnknownReference(DomainError):
    """The request points at an object that does not exist; `pointer` says by which field."""

    code = "unknown_reference"

    def __init__(self, pointer: str, what: str) -> None:
        super().__init__(f"{pointer} names a {what} that does not exist.")
        self.pointer = pointer


class StaleVersion(DomainError):
    """The record is no longer as the caller last saw it."""

    code = "stale_version"

    def __init__(self) -> None:
        super().__init__("The record has changed since you read it; read it again and repeat your change.")


def require_version(version: int, expected: Collection[int] | None) -> None:
    """Raises StaleVersion unless the record's version is one the caller expects; None expects nothing."""
    if expected is not None and version not in expected:
        raise StaleVersion


class KeyReused(DomainError):
    """The Idempotency-Key was used for another request."""

    code = "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key was used for a different request; use a new key for a new request.")


class KeyInProgress(DomainError):
    """The first request with this Idempotency-Key has not been answered yet."""

    code = "idempotency_key_in_progress"
    retryable = True

    def __init__(self) -> None:
        super().__init__("The first request with this Idempotency-Key is still running; try again in a moment.")


class OperationInProgress(DomainError):
    """The tenant has an open operation of another kind."""

    code = "operation_in_progress"
    retryable = True

    def __init__(self, operation_id: str, action: str) -> None:
        super().__init__(f"Operation {operation_id} ({action}) is still running on this tenant; wait for its end.")
        self.operation_id = operation_id


class ActionNotPossible(DomainError):
    """The tenant's status does not allow this action."""

    code = "action_not_possible"


class NotRemovable(DomainError):
    """The orphan is in quarantine, or is none any more."""

    code = "not_removable"


class ObserveOnly(DomainError):
    """The platform only observes."""

    code = "observe_only"

    def __init__(self) -> None:
        super().__init__("The platform only observes, so nothing may be removed outside; end that first.")


class CheckedRecently(DomainError):
    """The domain was looked at a moment ago."""

    code = "checked_recently"
    retryable = True

    def __init__(self, wait: float) -> None:
        self.retry_after = max(1, math.ceil(wait))
        super().__init__(f"The domain was checked a moment ago; ask again in {self.retry_after} s.")


class StoreUnavailable(DomainError):
    """The database did not answer in time, or refused; nothing can be promised about a write that was under way."""

    code = "store_unavailable"
    retryable = True

    def __init__(self) -> None:
        super().__init__("The database cannot be reached at the moment; try again in a few seconds.")
