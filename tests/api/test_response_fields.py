"""Every field of a response reads an attribute of its value: a missing source would leave the field out in silence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from datetime import UTC, datetime
from enum import Enum
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest

from api.schemas.accounts.partners import PartnerResponse
from api.schemas.accounts.subscriptions import SubscriptionResponse
from api.schemas.accounts.users import ProfileResponse, UserResponse
from api.schemas.models import ResponseModel
from api.schemas.operations.bulk import BulkOperationResponse
from api.schemas.operations.diagnostics import DiagnosisResponse
from api.schemas.operations.status import StatusResponse, SummaryResponse
from api.schemas.platform.integrations import IntegrationResponse, ObserveOnlyResponse, PurgeQuotaResponse
from api.schemas.platform.orphans import OrphanResponse, OrphanScanResponse
from api.schemas.tenants.domains import DomainResponse
from api.schemas.tenants.events import EventResponse
from api.schemas.tenants.lifecycle import ReceiptResponse
from api.schemas.tenants.operations import OperationResponse
from api.schemas.tenants.tenants import TenantResponse
from api.schemas.webhooks.webhooks import DeliveryResponse, WebhookResponse
from shared.accounts.partner import Partner
from shared.accounts.user import User
from shared.administration.sign_in import Profile
from shared.bulk.model import BulkOperation
from shared.diagnostics.model import Diagnosis
from shared.domains.model import DomainView
from shared.events.model import Event
from shared.integrations.catalog import INTEGRATIONS, REMOTE_FIELDS
from shared.operations.model import Operation
from shared.orphans.model import Orphan, OrphanScan
from shared.provisioning.purge_quota import PurgeQuota
from shared.status.model import Status, Summary
from shared.subscriptions.model import Subscription
from shared.switches.model import Switch
from shared.tenants.views import Receipt, TenantView
from shared.webhooks.model import DeliveryRecord, Webhook
from tests.api.conftest import Client

SHOWN: list[tuple[type[ResponseModel], type]] = [
    (PartnerResponse, Partner),
    (ProfileResponse, Profile),
    (UserResponse, User),
    (SubscriptionResponse, Subscription),
    (BulkOperationResponse, BulkOperation),
    (DiagnosisResponse, Diagnosis),
    (StatusResponse, Status),
    (SummaryResponse, Summary),
    (IntegrationResponse, Switch),
    (ObserveOnlyResponse, Switch),
    (OrphanResponse, Orphan),
    (OrphanScanResponse, OrphanScan),
    (PurgeQuotaResponse, PurgeQuota),
    (DomainResponse, DomainView),
    (EventResponse, Event),
    (ReceiptResponse, Receipt),
    (OperationResponse, Operation),
    (TenantResponse, TenantView),
    (WebhookResponse, Webhook),
    (DeliveryResponse, DeliveryRecord),
]
PLAIN: dict[Any, Any] = {
    str: "65f0c0ffee65f0c0ffee65f0",
    int: 1,
    float: 1.0,
    bool: True,
    datetime: datetime(2030, 1, 31, tzinfo=UTC),
    Any: {},
}
#: fields whose texts are words of a catalogue
WORDS: dict[str, Any] = {
    "cause": "unreachable",
    "provisioning_status": dict.fromkeys(INTEGRATIONS, "ok"),
    # texts, which the catalogue of integrations names and not the model
    "remote": dict.fromkeys(REMOTE_FIELDS),
}
#: responses whose fields the route names one by one
BUILT = {
    *("AvailabilityResponse", "PlanResponse", "HealthResponse", "ReadinessResponse"),
    *("WebhookWithSecretResponse", "ExportResponse", "TenantPauseResponse", "ErasureResponse"),
}
#: fields that not every value has, or that the route adds
ELSEWHERE: dict[str, set[str]] = {
    "ActivePauseResponse": {"integration", "tenant"},
    "IntegrationResponse": {"reachability"},
}


def filled(hint: Any, name: str = "") -> Any:
    """Return a value of this type with every field and one item in each collection."""
    origin, of = get_origin(hint), [one for one in get_args(hint) if one is not type(None)]
    if hint in PLAIN:
        return WORDS[name] if hint is str and name in WORDS else PLAIN[hint]
    if name in WORDS and origin is Mapping:
        return WORDS[name]
    if origin in (Union, UnionType):
        return filled(of[0], name)
    if origin is tuple:
        return tuple(filled(one, name) for one in of if one is not ...)
    if origin is Sequence:
        return [filled(of[0], name)]
    if origin is Mapping:
        return {filled(of[0]): filled(of[1])}
    if issubclass(hint, Enum):
        return next(iter(hint))
    assert is_dataclass(hint) or issubclass(hint, tuple)
    return hint(**{field: filled(one, field) for field, one in get_type_hints(hint).items()})


def unread(response: Any) -> Iterator[str]:
    """Yield the fields, of this response and of those in it, that found nothing to read."""
    if isinstance(response, list):
        for one in response:
            yield from unread(one)
    if isinstance(response, ResponseModel):
        kind = type(response).__name__
        missing = set(type(response).model_fields) - response.model_fields_set
        yield from (f"{kind}.{name}" for name in missing - ELSEWHERE.get(kind, set()))
        for name in type(response).model_fields:
            yield from unread(getattr(response, name))


@pytest.mark.parametrize(("response", "value"), SHOWN, ids=[response.__name__ for response, _ in SHOWN])
def test_every_field_of_a_response_reads_an_attribute_of_its_value(response: type[ResponseModel], value: type) -> None:
    assert list(unread(response.of(filled(value)))) == []


def test_every_response_of_a_route_is_checked(root: Client) -> None:
    shown = {model.__name__ for model, _ in SHOWN}
    found = {
        reference.rpartition("/")[2]
        for operations in root("GET", "/openapi.json").json()["paths"].values()
        for operation in operations.values()
        for status, response in operation["responses"].items()
        for content in response.get("content", {}).values()
        if status.startswith("2") and (reference := content["schema"].get("items", content["schema"]).get("$ref"))
    }
    assert found - shown - BUILT == set(), "add it to SHOWN"
