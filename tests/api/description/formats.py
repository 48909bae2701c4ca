"""Formats for the fuzzer: texts that the description names by format only, and no long waits."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import schemathesis
from hypothesis import strategies as st

from api.schemas.fields import PRINTABLE

_LABEL = st.from_regex(r"[a-z]([a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)
_TOP = st.sampled_from(["com", "de", "example.org", "xn--p1ai", "münchen"])
_TIMES = st.datetimes(min_value=datetime(2001, 1, 1), max_value=datetime(2199, 1, 1))

schemathesis.openapi.format("idn-domain", st.builds("{}.{}".format, _LABEL, _TOP))
schemathesis.openapi.format("email", st.builds("{}@{}.com".format, _LABEL, _LABEL))
schemathesis.openapi.format("webhook-url", st.builds("https://{}.com/{}?k={}".format, _LABEL, _LABEL, _LABEL))
schemathesis.openapi.format("date-time", _TIMES.map(lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%SZ")))


@schemathesis.hook
def map_query(context: Any, query: Any) -> Any:
    """Send no waits: without a worker no operation would end."""
    if isinstance(query, dict) and isinstance(query.get("wait"), int | float) and 0.1 < query["wait"] <= 30:
        query["wait"] = 0.1
    return query


#: texts whose patterns take the fuzzer minutes to make up; and where headers and waits that many routes take alike are
#: tried out: one piece of code reads each of them for all
_COSTLY = {PRINTABLE: "line", r"^[\x21-\x7e]+$": "visible"}
_WITH_HEADERS = {("/tenants", "post"), ("/tenants/{slug}", "patch"), ("/webhooks/{webhook_id}", "delete")}
_WITH_WAIT = {("/operations/{operation_id}", "get")}

schemathesis.openapi.format(
    "line", st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=60)
)
schemathesis.openapi.format(
    "visible", st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=60)
)


@schemathesis.hook
def before_load_schema(context: Any, raw_schema: dict[str, Any]) -> None:
    """Speed up the fuzzer, which spends most of its time on names and on the same headers of every route."""
    _lighten(raw_schema)
    for path, item in raw_schema["paths"].items():
        for method, operation in item.items():
            known = operation.get("parameters", [])
            operation["parameters"] = [one for one in known if _is_tried(path, method, one)]


def _is_tried(path: str, method: str, parameter: dict[str, Any]) -> bool:
    if parameter["in"] == "header":
        return (path, method) in _WITH_HEADERS
    return parameter["name"] != "wait" or (path, method) in _WITH_WAIT


def _lighten(schema: Any) -> None:
    if isinstance(schema, dict):
        schema.pop("maxItems", None)  # the fuzzer makes lists of hundreds only to test the limit
        if schema.get("pattern") in _COSTLY:
            schema["format"] = _COSTLY[schema.pop("pattern")]
        if "format" in schema:
            schema.pop("maxLength", None)  # the fuzzer searches seconds for a text of some patterns that is too long
        for inner in schema.values():
            _lighten(inner)
    elif isinstance(schema, list):
        for inner in schema:
            _lighten(inner)
