"""What is answered: the exact fields of each record, camel case, times in UTC with Z. Absent means none."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from flask import Response
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from pydantic.alias_generators import to_camel

from shared.domain.operation import Operation, StepRecord
from shared.domain.tenant import BillingInfo
from shared.domain.user import User
from shared.domain.views import TenantView


class AnswerModel(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)


class StepAnswer(AnswerModel):
    name: str
    status: str
    attempts: int
    started_at: datetime | None
    finished_at: datetime | None
    next_attempt_at: datetime | None
    reason: str | None
    message: str | None
    remedy: str | None
    retryable: bool
    notes: dict[str, str] | None

    @classmethod
    def of(cls, step: StepRecord) -> StepAnswer:
        return cls(
            name=step.name,
            status=step.status,
            attempts=step.attempts,
            started_at=step.started_at,
            finished_at=step.finished_at,
            next_attempt_at=step.due_at if step.is_open and step.attempts else None,
            reason=step.reason,
            message=step.message,
            remedy=step.remedy,
            retryable=step.retryable,
            notes=step.notes or None,
        )


class OperationAnswer(AnswerModel):
    id: str
    tenant: str
    action: str
    status: str
    requested_by: str | None
    request_id: str
    generation: int
    steps: list[StepAnswer]
    created_at: datetime
    deadline_at: datetime
    finished_at: datetime | None

    @classmethod
    def of(cls, operation: Operation) -> OperationAnswer:
        return cls(
            id=operation.id,
            tenant=operation.tenant_slug,
            action=operation.action,
            status=operation.status,
            requested_by=operation.requested_by,
            request_id=operation.request_id,
            generation=operation.generation,
            steps=[StepAnswer.of(step) for step in operation.steps],
            created_at=operation.created_at,
            deadline_at=operation.deadline_at,
            finished_at=operation.finished_at,
        )


class TenantAnswer(AnswerModel):
    # remote ids are named by the integrations' own table, and stand beside the fields given here
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="allow")

    id: str = Field(serialization_alias="_id")
    slug: str
    name: str
    status: str
    plan: str
    domains: list[str]
    billing_info: dict[str, Any] | None
    partner_id: str | None
    provisioning_status: dict[str, str]
    provisioning_errors: dict[str, str]
    health: str
    version: int
    created_at: datetime
    updated_at: datetime
    operation: OperationAnswer | None

    @classmethod
    def of(cls, view: TenantView) -> TenantAnswer:
        tenant = view.tenant
        return cls(
            id=tenant.id,
            slug=tenant.slug,
            name=tenant.name,
            status=tenant.status,
            plan=tenant.plan,
            domains=list(tenant.domains),
            billing_info=_billing(tenant.billing_info),
            partner_id=tenant.partner_id,
            provisioning_status=dict(tenant.provisioning_status),
            provisioning_errors=dict(tenant.provisioning_errors),
            health="degraded" if tenant.is_degraded else "ok",
            version=tenant.version,
            created_at=tenant.created_at,
            updated_at=tenant.updated_at,
            operation=OperationAnswer.of(view.operation) if view.operation else None,
            **tenant.remote,
        )


class UserAnswer(AnswerModel):
    id: str = Field(serialization_alias="_id")
    authentik_subject_id: str
    tenant_ids: list[str]
    partner_id: str | None
    email: str
    name: str
    role: str
    platform_admin: bool
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, user: User) -> UserAnswer:
        return cls(
            id=user.id,
            authentik_subject_id=user.subject,
            tenant_ids=list(user.tenant_ids),
            partner_id=user.partner_id,
            email=user.email,
            name=user.name,
            role=user.role,
            platform_admin=user.platform_admin,
            created_at=user.created_at,
            updated_at=user.updated_at,
        )


def answer(model: AnswerModel, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    text = model.model_dump_json(by_alias=True, exclude_none=True)
    return Response(text, status, headers, content_type="application/json")


def answer_list(models: Sequence[AnswerModel], headers: dict[str, str] | None = None) -> Response:
    adapter = TypeAdapter(list[Any])
    text = adapter.dump_json(list(models), by_alias=True, exclude_none=True)
    return Response(text, 200, headers, content_type="application/json")


def _billing(billing: BillingInfo | None) -> dict[str, Any] | None:
    if billing is None:
        return None
    address = {to_camel(name): value for name, value in vars(billing.address).items() if value}
    plain = {"company": billing.company, "vatId": billing.vat_id, "email": billing.email}
    return {name: value for name, value in plain.items() if value} | {"address": address}
