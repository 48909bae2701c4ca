"""Request and response schemas of bulk operations."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, AliasPath, Field, WithJsonSchema, model_validator

from api.schemas.fields import ObjectIdText
from api.schemas.models import OMIT_EMPTY, RecordId, RequestModel, ResponseModel, SlugText, example
from api.schemas.operations.queries import ReasonText
from shared.bulk.model import BulkAction, BulkOperation, BulkStatus, ItemStatus, Selector
from shared.integrations.catalog import INTEGRATIONS
from shared.operations.problems import Kind
from shared.tenants.model import Status


def _integration(value: str) -> str:
    if value not in INTEGRATIONS:
        raise ValueError(f"is not one of {', '.join(INTEGRATIONS)}")
    return value


IntegrationName = Annotated[str, AfterValidator(_integration), WithJsonSchema({"enum": list(INTEGRATIONS)})]


class SelectorRequest(RequestModel):
    """Selects tenants; all criteria must match, and none select none. `problem` and so on: as in `/status`."""

    tenants: list[SlugText] | None = Field(None, min_length=1, max_length=500, description="slugs")
    status: Status | None = Field(None, strict=False)
    plan: str | None = Field(None, min_length=1, max_length=64)
    partner: SlugText | None = Field(None, description="a partner's id or slug")
    q: str | None = Field(None, min_length=1, max_length=254, description="search text, as in the list of tenants")
    drift: Literal["any"] | IntegrationName | None = None
    problem: Kind | None = Field(None, strict=False)
    integration: IntegrationName | None = None
    reason: ReasonText | None = None
    everything: bool = Field(False, description="every tenant that you may change")

    def to_value(self) -> Selector:
        """Return the selector for the service."""
        return Selector(
            tenants=tuple(self.tenants) if self.tenants else None,
            status=self.status,
            plan=self.plan,
            partner=self.partner,
            search=self.q,
            drifted=self.drift,
            kind=self.problem,
            integration=self.integration,
            reason=self.reason,
            everything=self.everything,
        )


#: stored names of a selector's criteria to those of SelectorRequest, where they differ
CRITERIA = {"search": "q", "drifted": "drift", "kind": "problem"}
#: the rule of BulkOperationRequest as JSON Schema says it
_EITHER = [
    {"required": ["start"], "properties": {"start": {"type": "string"}}},
    {
        "required": ["action", "selector"],
        "properties": {"action": {"type": "string"}, "selector": {"$ref": "#/components/schemas/SelectorRequest"}},
    },
]


class BulkOperationRequest(RequestModel):
    """Either `action` and `selector`, for a dry run that changes nothing; or `start` with the id of a dry run.

    With `start` the other two are ignored: the dry run has them.
    """

    model_config = example({"action": "retry", "selector": {"reason": "unreachable"}}, anyOf=_EITHER)

    action: BulkAction | None = Field(None, strict=False)
    selector: SelectorRequest | None = None
    start: ObjectIdText | None = Field(None, description="id of the dry run whose tenants are acted on, and no others")

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if self.start is None and (self.action is None or self.selector is None):
            raise ValueError("send either action and selector, for a dry run, or start with the id of a dry run")
        return self


class BulkItemResponse(ResponseModel):
    tenant: str = Field(validation_alias=AliasPath("target", "slug"), description="the tenant's slug")
    status: ItemStatus
    operation: RecordId | None = Field(
        None,
        validation_alias=AliasPath("target", "operation_id"),
        description="the tenant's latest operation at the dry run",
    )
    steps: Annotated[list[str] | None, OMIT_EMPTY] = Field(
        None, validation_alias=AliasPath("target", "steps"), description="steps to be retried"
    )
    detail: str | None = Field(None, description="why it was refused, or which steps a retry started again")


class BulkOperationResponse(ResponseModel):
    """One action on many tenants, with its progress."""

    id: RecordId
    action: BulkAction
    status: BulkStatus
    selector: dict[str, Any]
    requested_by: RecordId = Field(validation_alias="created_by", description="the user's id")
    total: int = Field(description="tenants that the dry run found")
    pending: int
    done: int
    refused: int
    skipped: int = Field(description="tenants that were not begun when it was stopped")
    tenants: list[BulkItemResponse] = Field(
        validation_alias="named", description="the first few; refused ones come first"
    )
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None

    @model_validator(mode="before")
    @classmethod
    def _read(cls, bulk: BulkOperation) -> dict[str, Any]:
        counts = {status.value: bulk.counts.get(status, 0) for status in ItemStatus}
        selector = {CRITERIA.get(name, name): value for name, value in bulk.selector.items()}
        return {**vars(bulk), **counts, "selector": selector}
