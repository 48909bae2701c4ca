"""Base of all query models, and the types of their parameters."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from api.schemas.fields import ObjectIdText

MAX_WAIT = 30.0
DEFAULT_LIMIT, MAX_LIMIT = 50, 200


def _digits(value: Any) -> Any:
    if isinstance(value, str) and not re.fullmatch(r"[0-9]{1,6}", value):
        raise ValueError(f"must be a whole number from 1 to {MAX_LIMIT}")
    return value


def _decimal(value: Any) -> Any:
    if isinstance(value, str) and not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,20})?(e[+-]?[0-9]{1,3})?", value):
        raise ValueError(f"must be a number of seconds from 0 to {MAX_WAIT:.0f}")
    return value


def _yes_or_no(value: Any) -> Any:
    if isinstance(value, str) and value not in ("true", "false"):
        raise ValueError("must be true or false")
    return value == "true" if isinstance(value, str) else value


YesOrNo = Annotated[bool, BeforeValidator(_yes_or_no)]
#: seconds that a request waits, at most MAX_WAIT
WaitSeconds = Annotated[float, BeforeValidator(_decimal)]
#: a filter by slug: any text that a slug may begin or end with, so that an unknown one finds nothing
SLUG_TEXT = "^[a-z0-9-]{1,32}$"
SlugText = Annotated[str, StringConstraints(pattern=SLUG_TEXT)]
#: ids with commas between them, as many as a page can hold
IDS = rf"^[0-9a-f]{{24}}(,[0-9a-f]{{24}}){{0,{MAX_LIMIT - 1}}}$"
Ids = Annotated[str, StringConstraints(pattern=IDS)]


def split_ids(ids: str | None) -> tuple[str, ...] | None:
    """Return the ids of a parameter; None without it."""
    return None if ids is None else tuple(ids.split(","))


class Query(BaseModel):
    """Base of all queries. Unknown parameters are refused: a misspelt one must not pass for an absent one."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class WaitQuery(Query):
    wait: WaitSeconds = Field(
        0.0, ge=0, le=MAX_WAIT, description="wait for the operation's end, for at most this many seconds"
    )


class ListQuery(Query):
    limit: Annotated[int, BeforeValidator(_digits)] = Field(
        DEFAULT_LIMIT, ge=1, le=MAX_LIMIT, description="maximum number of records"
    )
    cursor: ObjectIdText | None = Field(None, description="from a Link header")
