"""Query parameters of the routes of users and subscriptions."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from api.schemas.fields import ObjectIdText
from api.schemas.models import Ids, ListQuery, Query, SlugText, YesOrNo, split_ids
from shared.accounts.user import UserQuery
from shared.subscriptions.model import SubscriptionQuery, SubscriptionStatus


class UserListQuery(ListQuery):
    id: Ids | None = Field(None, description="only the users with these ids, with commas between them")
    tenant: SlugText | None = Field(None, description="a tenant's slug")
    partner: ObjectIdText | None = None
    q: Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{1,254}$")] | None = Field(
        None, description="prefix of the e-mail address"
    )

    def to_value(self) -> UserQuery:
        return UserQuery(self.limit, self.cursor, None, self.partner, self.q, split_ids(self.id))


class EraseQuery(Query):
    erase: YesOrNo = Field(False, description="also erase the person from events; for platform administrators")


class SubscriptionListQuery(ListQuery):
    tenant: SlugText | None = Field(None, description="a tenant's slug")
    status: SubscriptionStatus | None = None

    def to_value(self) -> SubscriptionQuery:
        return SubscriptionQuery(self.limit, self.cursor, None, self.status)
