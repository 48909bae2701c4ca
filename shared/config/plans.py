"""The plan catalogue: the quotas of tenants."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

GIB = 2**30


class Plan(BaseModel):
    """Quotas of a plan; 0 means unlimited. `mail_bytes` is for all mailboxes together."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mailboxes: int = Field(0, ge=0)
    mail_bytes: int = Field(0, ge=0)
    space_bytes: int = Field(0, ge=0)


DEFAULT_PLANS: dict[str, Plan] = {
    "starter": Plan(mailboxes=10, mail_bytes=50 * GIB, space_bytes=50 * GIB),
    "business": Plan(mailboxes=50, mail_bytes=500 * GIB, space_bytes=500 * GIB),
    "enterprise": Plan(mailboxes=500, mail_bytes=5000 * GIB, space_bytes=5000 * GIB),
}
