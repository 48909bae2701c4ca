"""Specify each route once: admitted surfaces, parameters and responses.

The guard, the parser of requests and the OpenAPI generator all use this specification, so they cannot disagree.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

from flask import Flask, Response, g, request
from pydantic import BaseModel

from api.http.problem_details import Problem
from api.http.request_input import parse_body, parse_query, refuse_body
from api.http.wait_slots import bounded_wait
from api.schemas.models import Query
from shared.core.errors import DomainError, Forbidden

ALL = frozenset({"portal", "partner", "operator"})
STAFF = frozenset({"partner", "operator"})
OPERATOR = frozenset({"operator"})
#: public: no token needed
PUBLIC: frozenset[str] = frozenset()

#: response headers, as the OpenAPI description lists them
ETAG = ("ETag",)
STARTED = ("ETag", "Location", "Operation-Location", "Retry-After")
RUNNING = ("Retry-After",)
PAGED = ("Link",)

#: RFC 9110, 8.8.3 and 13.1.1; a number without its quotes is accepted, too
ENTITY_TAG = r'((W/)?"[\x21\x23-\x7e]*"|[0-9]+)'
ENTITY_TAGS = re.compile(rf"{ENTITY_TAG}(\s*,\s*{ENTITY_TAG})*")
#: the form of the ETags that this service gives
VERSION = re.compile("[1-9][0-9]{0,17}")

View = Callable[..., Response]


@dataclass(frozen=True)
class RouteSpec:
    """The specification of a route.

    `responses`: status to the response model, a list for an array of it, None for an empty body.
    `surfaces`: whose tokens are admitted; empty: public. `takes_version`: respects If-Match.
    `cost`: how many requests one counts as in the rate limit; None: by its method.
    `signed_by`: the header with the signature of the raw body.
    """

    summary: str
    responses: Mapping[int, type[BaseModel] | list[type[BaseModel]] | str | None]
    surfaces: frozenset[str]
    problems: tuple[type[DomainError], ...]
    headers: tuple[str, ...]
    takes_version: bool
    body: type[BaseModel] | None
    query: type[Query]
    signed_by: str | None = None
    cost: int | None = None

    @property
    def is_public(self) -> bool:
        return not self.surfaces


def route_spec(
    summary: str,
    responses: Mapping[int, type[BaseModel] | list[type[BaseModel]] | str | None],
    *,
    surfaces: frozenset[str] = ALL,
    problems: tuple[type[DomainError], ...] = (),
    headers: tuple[str, ...] = (),
    takes_version: bool = False,
    signed_by: str | None = None,
    cost: int | None = None,
) -> Callable[[View], View]:
    """Specify a view. Its parameters `body` and `query` are parsed by the models of their type hints.

    `problems`: errors that it may raise beside those of every route.
    """

    def wrap(view: View) -> View:
        hints = get_type_hints(view)
        spec = RouteSpec(
            summary=summary,
            responses=responses,
            surfaces=surfaces,
            problems=problems,
            headers=headers,
            takes_version=takes_version,
            body=hints.get("body"),
            query=hints.get("query", Query),
            signed_by=signed_by,
            cost=cost,
        )
        takes_query = "query" in inspect.signature(view).parameters

        @functools.wraps(view)
        def parsed(**parts: Any) -> Response:
            query = parse_query(spec.query)
            if spec.body is not None:
                parts["body"] = parse_body(spec.body)
            elif signed_by is None and request.method not in ("GET", "HEAD", "OPTIONS"):
                refuse_body()
            if not takes_query:
                return view(**parts)
            with bounded_wait(query) as bounded:
                return view(query=bounded, **parts)

        parsed.spec = spec  # type: ignore[attr-defined]
        return parsed

    return wrap


#: specifies a view for operators, which may refuse those who only read
operator_route = functools.partial(route_spec, surfaces=OPERATOR, problems=(Forbidden,))


def spec_of(app: Flask, endpoint: str) -> RouteSpec | None:
    """Return the specification of an endpoint's view, None for a view without one."""
    found: RouteSpec | None = getattr(app.view_functions.get(endpoint), "spec", None)
    return found


def expected_versions() -> frozenset[int] | None:
    """Return the versions in If-Match (RFC 9110, 13.1.1); None for any. Unknown tags match nothing.

    Raises Problem (400) for a header that is not a list of tags: an unreadable condition must not count as met.
    """
    header = request.headers.get("If-Match")
    if header is None or header.strip() == "*":
        return None
    if not ENTITY_TAGS.fullmatch(header.strip()):
        raise Problem(400, "bad_if_match", 'If-Match must contain an ETag of this service, such as "7", or *.')
    tags = (tag or "" for tag in request.if_match.as_set())  # an empty tag is read as None
    return frozenset(int(tag) for tag in tags if VERSION.fullmatch(tag))


def request_id() -> str:
    found: str = g.request_id
    return found
