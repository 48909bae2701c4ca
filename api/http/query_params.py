"""Parse query parameters into their model, and write cursors and links."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar
from urllib.parse import urlencode

from flask import request

from api.http.request_body import validate
from api.schemas.query_model import Query
from shared.core.errors import FieldError, InvalidInput

AnyQuery = TypeVar("AnyQuery", bound=Query)


def parse_query(model: type[AnyQuery]) -> AnyQuery:
    """Parse the request's parameters into a model. Raises InvalidInput."""
    if not request.query_string:
        nothing: AnyQuery = _without_parameters(model)
        return nothing
    try:
        request.query_string.decode()
    except UnicodeDecodeError:  # Flask cannot parse such a query
        raise InvalidInput([FieldError("?", "is not UTF-8; percent-encode every parameter")]) from None
    twice = [name for name, values in request.args.lists() if len(values) > 1]
    if twice:
        raise InvalidInput([FieldError(f"?{name}", "is given more than once") for name in twice])
    return validate(model, request.args.to_dict(), "?")


@cache
def _without_parameters(model: type[Query]) -> Any:
    """Return the query of a request without parameters; it is frozen, so all requests share one."""
    return validate(model, {}, "?")


def link(relation: str, **changes: str | None) -> str:
    """Write a link (RFC 8288) to this request's path with changed parameters; None removes one."""
    arguments = {key: value for key, value in {**request.args.to_dict(), **changes}.items() if value is not None}
    return f'<{request.path}?{urlencode(arguments)}>; rel="{relation}"'


def next_link(following: str | None) -> dict[str, str]:
    """Return the Link header of the next page; empty on the last page."""
    return {} if following is None else {"Link": link("next", cursor=following)}
