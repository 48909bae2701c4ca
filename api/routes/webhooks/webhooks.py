"""Routes of webhooks and their deliveries."""

from __future__ import annotations

from flask import Blueprint, Response

from api.auth.guard import actor
from api.http.responses import etag, json_list_response, json_response, next_link, shown_once_response
from api.http.route_spec import ETAG, PAGED, expected_versions, route_spec
from api.schemas.webhooks.webhooks import (
    CreateWebhookRequest,
    DeliveryListQuery,
    DeliveryResponse,
    RotateQuery,
    TestQuery,
    UpdateWebhookRequest,
    WebhookListQuery,
    WebhookResponse,
    WebhookWithSecretResponse,
)
from shared.application.services import Services
from shared.core import errors
from shared.webhooks.model import Webhook


def webhook_routes(services: Services) -> Blueprint:
    routes = Blueprint("webhooks", __name__, url_prefix="/webhooks")
    webhooks = services.webhooks

    @routes.get("")
    @route_spec("List the webhooks you may see, newest first", {200: [WebhookResponse]}, headers=PAGED)
    def list_webhooks(query: WebhookListQuery) -> Response:
        page = webhooks.page(actor(services), query.tenant, query.limit, query.cursor)
        return json_list_response([WebhookResponse.of(one) for one in page.items], next_link(page.next))

    @routes.post("")
    @route_spec(
        "Create a webhook; its secret is shown only in this response",
        {201: WebhookWithSecretResponse},
        problems=(errors.Forbidden, errors.UnknownReference, errors.TooManyWebhooks, errors.ActionNotPossible),
        headers=("ETag", "Location"),
    )
    def create_webhook(body: CreateWebhookRequest) -> Response:
        webhook, secret = webhooks.create(body.to_value(), body.tenant_id, body.partner_id, actor(services))
        return _respond_once(webhook, secret, 201, {"Location": f"/webhooks/{webhook.id}"})

    @routes.get("/<id:webhook_id>")
    @route_spec("Get a webhook", {200: WebhookResponse}, headers=ETAG)
    def get_webhook(webhook_id: str) -> Response:
        return _respond(webhooks.get(webhook_id, actor(services)))

    @routes.patch("/<id:webhook_id>")
    @route_spec("Change, enable or disable a webhook", {200: WebhookResponse}, headers=ETAG, takes_version=True)
    def change_webhook(webhook_id: str, body: UpdateWebhookRequest) -> Response:
        return _respond(webhooks.change(webhook_id, body.to_value(), actor(services), expected_versions()))

    @routes.delete("/<id:webhook_id>")
    @route_spec("Delete a webhook and its deliveries", {204: None}, takes_version=True)
    def delete_webhook(webhook_id: str) -> Response:
        webhooks.delete(webhook_id, actor(services), expected_versions())
        return Response(status=204)

    @routes.post("/<id:webhook_id>/rotate-secret")
    @route_spec(
        "Replace a webhook's secret, shown only in this response; the old one stays valid for a while",
        {200: WebhookWithSecretResponse},
        problems=(errors.ActionNotPossible,),
        headers=ETAG,
    )
    def rotate_secret(webhook_id: str, query: RotateQuery) -> Response:
        return _respond_once(*webhooks.rotate(webhook_id, query.grace, actor(services)))

    return routes


def _respond(webhook: Webhook) -> Response:
    return json_response(WebhookResponse.of(webhook), headers=etag(webhook.version))


def _respond_once(webhook: Webhook, secret: str, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    full = WebhookWithSecretResponse.of_secret(webhook, secret)
    return shown_once_response(full, WebhookResponse.of(webhook), status, etag(webhook.version) | (headers or {}))


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
