"""Route of the event log: newest first to page back, oldest first to follow new events."""

from __future__ import annotations

from flask import Blueprint, Response

from api.auth.guard import actor
from api.http.responses import json_list_response, link
from api.http.route_spec import PAGED, route_spec
from api.schemas.tenants.events import EventResponse
from api.schemas.tenants.queries import EventListQuery
from shared.application.services import Services
from shared.events.model import Feed


def event_routes(services: Services) -> Blueprint:
    routes = Blueprint("events", __name__, url_prefix="/events")
    events = services.events

    @routes.get("")
    @route_spec(
        "List events, newest first; with `after`, later events, oldest first",
        {200: [EventResponse]},
        headers=PAGED,
    )
    def list_events(query: EventListQuery) -> Response:
        before = _number(query.cursor) if query.cursor else None
        if query.after is not None:
            after = _number(query.after)
            return _newer_events(
                events.following(actor(services), query.tenant, after, before, query.limit, query.only)
            )
        return _older_events(events.newest(actor(services), query.tenant, before, query.limit, query.only))

    return routes


def _newer_events(feed: Feed) -> Response:
    """Respond with newer events. There is always a next page, which later contains still newer ones."""
    return _response(feed, [link("next", after=_cursor(feed.newer))])


def _older_events(feed: Feed) -> Response:
    links = [link("next", cursor=_cursor(feed.older))] if feed.older is not None else []
    return _response(feed, [*links, link("prev", after=_cursor(feed.newer), cursor=None)])


def _response(feed: Feed, links: list[str]) -> Response:
    return json_list_response([EventResponse.of(event) for event in feed.items], {"Link": ", ".join(links)})


def _cursor(number: int) -> str:
    return f"{number:024x}"


def _number(cursor: str) -> int:
    # the database counts in 64 bits, and no larger number was ever given out
    return min(int(cursor, 16), 2**62)
