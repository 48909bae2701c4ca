"""Specify each route: who is admitted, what it takes, what it answers. One place, three uses.

The guard admits by it, the wrapper parses by it, and the OpenAPI description is made from it, so none can drift.
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
from api.http.query_params import Query, parse_query
from api.http.request_body import parse_body, refuse_body
from api.http.wait_slots import bounded_wait
from shared.core.errors import DomainError

ALL = frozenset({"portal", "partner", "operator"})
STAFF = frozenset({"partner", "operator"})
OPERATOR = frozenset({"operator"})
#: admitted without a token
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
    """`answers`: status to the model answered, a list for an array of it, None for an empty answer.

    `surfaces`: those whose tokens are admitted; none: everybody. `takes_version`: respects If-Match.
    `cost`: how many requests one counts as when they are limited; None: by its method.
    `signed_by`: the header whose signature proves a body that the view reads raw, as it was signed.
    """

    summary: str
    answers: Mapping[int, type[BaseModel] | list[type[BaseModel]] | str | None]
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
    answers: Mapping[int, type[BaseModel] | list[type[BaseModel]] | str | None],
    *,
    surfaces: frozenset[str] = ALL,
    problems: tuple[type[DomainError], ...] = (),
    headers: tuple[str, ...] = (),
    takes_version: bool = False,
    signed_by: str | None = None,
    cost: int | None = None,
) -> Callable[[View], View]:
    """Specify a view. Its parameters `body` and `query`, if it has them, are parsed by the models they are typed with.

    `problems`: what it may raise beyond what every route may.
    """

    def wrap(view: View) -> View:
        hints = get_type_hints(view)
        spec = RouteSpec(
            summary=summary,
            answers=answers,
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


def spec_of(app: Flask, endpoint: str) -> RouteSpec | None:
    """The spec of an endpoint's view, None for a view without one."""
    found: RouteSpec | None = getattr(app.view_functions.get(endpoint), "spec", None)
    return found


def expected_versions() -> frozenset[int] | None:
    """Versions the caller has seen, from If-Match (RFC 9110, 13.1.1); None: any. A tag never given matches none.

    Raises Problem (400) for a header that is no list of tags: a condition that is not understood must not count as met.
    """
    header = request.headers.get("If-Match")
    if header is None or header.strip() == "*":
        return None
    if not ENTITY_TAGS.fullmatch(header.strip()):
        raise Problem(400, "bad_if_match", 'If-Match must hold an ETag as this service gave it, such as "7", or *.')
    tags = (tag or "" for tag in request.if_match.as_set())  # an empty tag is read as none at all
    return frozenset(int(tag) for tag in tags if VERSION.fullmatch(tag))


def request_id() -> str:
    found: str = g.request_id
    return found
