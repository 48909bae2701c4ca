"""Health of the console itself. It calls neither the API nor the identity provider."""

from __future__ import annotations

from flask import Blueprint, Response
from redis import Redis
from redis.exceptions import RedisError

from console.marks import public


def health_pages(redis: Redis) -> Blueprint:
    pages = Blueprint("health", __name__, url_prefix="/health")

    @pages.get("/live")
    @public
    def live() -> dict[str, str]:
        return {"status": "ok"}

    @pages.get("/ready")
    @public
    def ready() -> dict[str, str] | tuple[dict[str, str], int]:
        try:
            redis.ping()
        except RedisError:
            return {"status": "unavailable", "redis": "down"}, 503
        return {"status": "ok", "redis": "up"}

    @pages.errorhandler(RedisError)
    def unavailable(problem: RedisError) -> Response:
        return Response("unavailable", 503, content_type="text/plain")

    return pages
