"""Write the body of a delivery: an event as `GET /events` shows it, or a ping. Each attempt sends the same bytes."""

from __future__ import annotations

from typing import Any

from pydantic_core import to_json

from shared.events.model import Event
from shared.webhooks.model import DeliveryRecord


def event_body(event: Event) -> bytes:
    """Return the event as JSON, with the same fields as the API's response."""
    return _json(
        id=event.id,
        time=event.time,
        actor=event.actor,
        tenant=event.tenant_slug,
        action=event.action,
        before=event.before,
        after=event.after,
        requestId=event.request_id,
    )


def ping_body(record: DeliveryRecord) -> bytes:
    """Return a ping as JSON: an event that only this webhook gets, with the delivery's id."""
    return _json(id=record.id, time=record.created_at, action=record.action, requestId=record.request_id)


def _json(**fields: Any) -> bytes:
    return to_json({name: value for name, value in fields.items() if value is not None})
