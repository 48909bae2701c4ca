"""Routes of a webhook's deliveries: list them, send one again, send a ping."""

from __future__ import annotations

from flask import Blueprint, Response

from api.auth.guard import actor
from api.http.responses import json_list_response, json_response, next_link
from api.http.route_spec import PAGED, route_spec
from api.schemas.webhooks.queries import DeliveryListQuery, TestQuery
from api.schemas.webhooks.webhooks import DeliveryResponse
from shared.application.services import Services
from shared.core import errors


def delivery_routes(services: Services) -> Blueprint:
    routes = Blueprint("deliveries", __name__, url_prefix="/webhooks/<id:webhook_id>")
    webhooks = services.webhooks

    @routes.post("/test")
    @route_spec("Send a ping, without retries", {202: DeliveryResponse}, problems=(errors.ActionNotPossible,))
    def send_ping(webhook_id: str, query: TestQuery) -> Response:
        return json_response(DeliveryResponse.of(webhooks.test(webhook_id, actor(services), query.wait)), 202)

    @routes.get("/deliveries")
    @route_spec("List a webhook's deliveries, newest first", {200: [DeliveryResponse]}, headers=PAGED)
    def list_deliveries(webhook_id: str, query: DeliveryListQuery) -> Response:
        page = webhooks.deliveries(webhook_id, actor(services), query.to_value())
        return json_list_response([DeliveryResponse.of(one) for one in page.items], next_link(page.next))

    @routes.post("/deliveries/<id:delivery_id>/replay")
    @route_spec(
        "Send an event again now, with its original id", {202: DeliveryResponse}, problems=(errors.ActionNotPossible,)
    )
    def replay_delivery(webhook_id: str, delivery_id: str) -> Response:
        return json_response(DeliveryResponse.of(webhooks.replay(webhook_id, delivery_id, actor(services))), 202)

    return routes
