"""For the fuzzer: texts of the kinds that the description names by format only, and no long waits."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import schemathesis
from hypothesis import strategies as st

_LABEL = st.from_regex(r"[a-z]([a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)
_TOP = st.sampled_from(["com", "de", "example.org", "xn--p1ai", "münchen"])
_TIMES = st.datetimes(min_value=datetime(2001, 1, 1), max_value=datetime(2199, 1, 1))

schemathesis.openapi.format("idn-domain", st.builds("{}.{}".format, _LABEL, _TOP))
schemathesis.openapi.format("email", st.builds("{}@{}.com".format, _LABEL, _LABEL))
schemathesis.openapi.format("webhook-url", st.builds("https://{}.com/{}?k={}".format, _LABEL, _LABEL, _LABEL))
schemathesis.openapi.format("date-time", _TIMES.map(lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%SZ")))


@schemathesis.hook
def map_query(context: Any, query: Any) -> Any:
    """No worker runs here, so nothing that is waited for would ever end."""
    if isinstance(query, dict) and isinstance(query.get("wait"), int | float) and 0.1 < query["wait"] <= 30:
        query["wait"] = 0.1
    return query


#: where the headers that many routes take alike are tried out; one piece of code reads each of them for all
_WITH_HEADERS = {("/tenants", "post"), ("/tenants/{slug}", "patch"), ("/webhooks/{webhook_id}", "delete")}


@schemathesis.hook
def before_load_schema(context: Any, raw_schema: dict[str, Any]) -> None:
    """Headers are fuzzed at a few routes only: at all of them they were most of the fuzzer's time."""
    for path, item in raw_schema["paths"].items():
        for method, operation in item.items():
            if (path, method) not in _WITH_HEADERS:
                taken = operation.get("parameters", [])
                operation["parameters"] = [one for one in taken if one.get("in") != "header"]
