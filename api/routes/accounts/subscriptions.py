"""Routes of subscriptions."""

from __future__ import annotations

from flask import Blueprint, Response

from api.auth.guard import actor
from api.http.responses import etag, json_list_response, json_response, next_link
from api.http.route_spec import ETAG, OPERATOR, PAGED, expected_versions, route_spec
from api.schemas.accounts.queries import SubscriptionListQuery
from api.schemas.accounts.subscriptions import (
    CreateSubscriptionRequest,
    SubscriptionResponse,
    UpdateSubscriptionRequest,
)
from shared.application.services import Services
from shared.core import errors
from shared.subscriptions.model import Subscription


def subscription_routes(services: Services) -> Blueprint:
    routes = Blueprint("subscriptions", __name__, url_prefix="/subscriptions")
    subscriptions = services.subscriptions

    @routes.get("")
    @route_spec("List the subscriptions you may see, newest first", {200: [SubscriptionResponse]}, headers=PAGED)
    def list_subscriptions(query: SubscriptionListQuery) -> Response:
        page = subscriptions.page(actor(services), query.to_value(), query.tenant)
        return json_list_response([SubscriptionResponse.of(one) for one in page.items], next_link(page.next))

    @routes.post("")
    @route_spec(
        "Create a tenant's subscription",
        {201: SubscriptionResponse},
        surfaces=OPERATOR,
        problems=(errors.Forbidden, errors.SubscriptionExists, errors.UnknownReference, errors.ActionNotPossible),
        headers=("ETag", "Location"),
    )
    def create_subscription(body: CreateSubscriptionRequest) -> Response:
        subscription = subscriptions.create(body.to_value(), actor(services))
        return _respond(subscription, 201, {"Location": f"/subscriptions/{subscription.id}"})

    @routes.get("/<id:subscription_id>")
    @route_spec("Get a subscription", {200: SubscriptionResponse}, headers=ETAG)
    def get_subscription(subscription_id: str) -> Response:
        return _respond(subscriptions.get(subscription_id, actor(services)))

    @routes.patch("/<id:subscription_id>")
    @route_spec(
        "Change a subscription",
        {200: SubscriptionResponse},
        surfaces=OPERATOR,
        problems=(errors.Forbidden, errors.SubscriptionExists, errors.ActionNotPossible),
        headers=ETAG,
        takes_version=True,
    )
    def change_subscription(subscription_id: str, body: UpdateSubscriptionRequest) -> Response:
        changed = subscriptions.change(subscription_id, body.to_value(), actor(services), expected_versions())
        return _respond(changed)

    @routes.delete("/<id:subscription_id>")
    @route_spec(
        "Delete a subscription's record",
        {204: None},
        surfaces=OPERATOR,
        problems=(errors.Forbidden,),
        takes_version=True,
    )
    def delete_subscription(subscription_id: str) -> Response:
        subscriptions.delete(subscription_id, actor(services), expected_versions())
        return Response(status=204)

    return routes


def _respond(subscription: Subscription, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return json_response(SubscriptionResponse.of(subscription), status, etag(subscription.version) | (headers or {}))
