"""Lists: filters from the query string, one page of records, and the link to the next page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import request, url_for

from client.errors import ApiError
from client.responses import Page
from console.web.api import api

PAGE = 50


@dataclass(frozen=True)
class Listing:
    """One page of a list. `filters`: those in use, by name."""

    items: list[Any]
    filters: dict[str, str]
    next: str | None

    @property
    def is_filtered(self) -> bool:
        return bool(self.filters)

    @property
    def is_first(self) -> bool:
        return "cursor" not in request.args

    @property
    def next_url(self) -> str | None:
        return self.url(cursor=self.next) if self.next else None

    @property
    def first_url(self) -> str:
        return self.url()

    def url(self, **changes: str | None) -> str:
        """Return this page's URL with other filters; None removes one."""
        wanted = {name: value for name, value in {**self.filters, **changes}.items() if value is not None}
        return url_for(request.endpoint or "", **{**(request.view_args or {}), **wanted})


def listing(path: str, *names: str, **fixed: str | None) -> Listing:
    """Read one page of a list. `names`: filters that the URL may set; `fixed`: those that it may not.

    A filter that the API refuses fits nothing, such as a slug that no tenant has, or text that cannot be a slug.
    """
    filters = {name: request.args[name].strip() for name in names if request.args.get(name, "").strip()}
    try:
        page = api().page(path, {**filters, **fixed}, PAGE, request.args.get("cursor"))
    except ApiError as problem:
        if not _is_about_filters(problem, filters):
            raise
        page = Page([], None)
    return Listing(page.items, filters, page.next)


def _is_about_filters(problem: ApiError, filters: dict[str, str]) -> bool:
    if problem.status == 404:
        return "tenant" in filters
    named = [fault.pointer.removeprefix("?") for fault in problem.errors]
    return problem.status == 400 and bool(named) and all(name in filters for name in named)
