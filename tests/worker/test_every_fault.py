"""Each fault of a product leads to the right class of outcome and the right reason."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from requests.auth import HTTPBasicAuth

from sandbox.simulators.authentik.server import AuthentikSimulator
from sandbox.simulators.ocis.server import OcisSimulator
from sandbox.simulators.server import Simulator
from sandbox.simulators.stalwart.server import StalwartSimulator
from shared.integrations.outcomes import Fault, Outcome, Result, failed
from shared.integrations.reasons import REASONS
from tests.simulators import API_TOKEN, Saved, fault
from worker.http import session
from worker.http.deadline import within
from worker.http.json_client import BearerToken, JsonClient
from worker.integrations.authentik.client import AuthentikClient
from worker.integrations.authentik.group import ensure_group
from worker.integrations.ocis.client import OcisClient
from worker.integrations.ocis.space import ensure_files
from worker.integrations.stalwart.client import StalwartClient
from worker.integrations.stalwart.protocol import jmap
from worker.integrations.stalwart.protocol.jmap import Jmap
from worker.integrations.stalwart.provision import ensure_mail
from worker.integrations.step_context import StepContext

PRODUCTS = ("authentik", "stalwart", "ocis")
#: the end of an attempt: its result, and its reason unless it is "ok"
Ends = dict[str, str]

#: every simulator offers these
COMMON: Ends = {
    "latency": "retry timeout",
    "hang": "retry timeout",
    "drip": "retry timeout",
    "reset": "retry unreachable",
    "lost": "retry unreachable",
    "status": "retry upstream_error",
    "applied_then_status": "retry upstream_error",
    "rate_limited": "retry throttled",
    "wrong_body": "retry unexpected_answer",
    "empty_body": "retry unexpected_answer",
}
OWN: dict[str, Ends] = {
    "authentik": {
        "race_lost": "error taken",
        "twin_first": "ok",
        "ignored": "ok",  # a false success that only the next read detects
        "stale_reads": "ok",
        "slow_down": "ok",  # of the device sign-in, which no step uses
        "starting": "retry upstream_error",
        "database_down": "retry upstream_error",
    },
    "stalwart": {
        "ignored": "retry upstream_error",
        "max_concurrent_requests": "retry throttled",
        "server_unavailable": "retry upstream_error",
        "partial_commit": "ok",
        "race_lost": "error taken",
        "tasks_in_between": "ok",
        "text_surplus": "ok",
    },
    "ocis": {
        "ignored": "retry not_ready",
        "stale_reads": "retry not_ready",
        "storage_down": "retry storage_down",
        "graph_down": "retry upstream_error",
        "idp_down": "ok",  # an app token needs no identity provider
        "role_lost": "error missing_permission",
        "role_pending": "error missing_permission",  # once it was read again and stayed away
        "proxy_page": "retry upstream_error",
        "mfa": "error missing_permission",
        "create_then_500": "retry not_ready",
        "second_creator": "ok",
        "members_hidden": "ok",
    },
}
#: these end with the attempt's time, so it is short; all others have enough time
CUT = {"latency", "hang", "drip"}
SHORT, LONG = 0.4, 20.0

#: by the standard a later try may succeed, for answers of a product or of a proxy before it
LATER: Ends = {
    **dict.fromkeys(map(str, (408, 425, 500, 501, 502, 503, 504, 507)), "retry upstream_error"),
    "429": "retry throttled",
}
#: a later try cannot succeed: the URL, the version, a server in between or the values are wrong
NEVER: Ends = {
    **dict.fromkeys(map(str, (301, 302, 402, 404, 405, 409, 410, 413, 415)), "error not_supported"),
    **dict.fromkeys(("400", "422"), "error invalid"),
}
#: except where a product gives them another meaning
REFUSED: dict[str, Ends] = {
    "authentik": {
        **dict.fromkeys(("401", "403"), "error bad_credentials"),
    },
    "stalwart": {
        **dict.fromkeys(("401", "402", "403"), "error bad_credentials"),
    },
    "ocis": {
        "401": "error bad_credentials",
        "403": "error missing_permission",
        "404": "retry unexpected_answer",  # a proxy's page
        "409": "error taken",
    },
}

#: by the standard (RFC 8620, section 3.6.2) and Stalwart's own
METHOD_ERRORS: Ends = {
    **dict.fromkeys(("serverFail", "serverPartialFail", "serverUnavailable", "anchorNotFound"), "retry upstream_error"),
    **dict.fromkeys(("unknownMethod", "unsupportedFilter", "unsupportedSort"), "error not_supported"),
    "forbidden": "error missing_permission",
    **dict.fromkeys(("accountNotFound", "accountReadOnly"), "error invalid"),
    **dict.fromkeys(("cannotCalculateChanges", "invalidArguments", "invalidResultReference"), "error invalid"),
    **dict.fromkeys(("requestTooLarge", "stateMismatch", "somethingNew"), "error invalid"),
}
#: the same, section 5.3
SET_ERRORS: Ends = {
    "forbidden": "error missing_permission",
    "invalidForeignKey": "error invalid",
    "overQuota": "error quota",
    "primaryKeyViolation": "error taken",
    "rateLimit": "retry throttled",
    "notFound": "retry vanished",
    **dict.fromkeys(("invalidPatch", "invalidProperties", "objectIsLinked", "singleton"), "error invalid"),
    **dict.fromkeys(("tooLarge", "validationFailed", "willDestroy", "somethingNew"), "error invalid"),
}


@dataclass
class Product:
    server: Simulator
    step: Callable[[StepContext, Any], Outcome]
    connect: Callable[[], Any]
    make_step: Callable[..., StepContext]
    saved: Saved

    @property
    def client(self) -> Any:
        """Return a client that has sent no request yet."""
        return self.connect()

    def end(self, seconds: float = LONG, **rule: Any) -> str:
        """Return the end of one attempt under this fault, without earlier objects."""
        requests.post(f"{self.server.url}/__sim/reset", timeout=5).raise_for_status()
        self.saved.clear()
        fault(self.server, **rule)
        try:
            return ending(self._attempt(seconds))
        finally:
            self.server.faults.clear()

    def _attempt(self, seconds: float) -> Outcome:
        """Run an attempt as a worker does and convert faults. Any other exception is a bug of ours."""
        try:
            with within(seconds):
                return self.step(self.make_step(self.server.product), self.client)
        except Fault as problem:
            return failed(problem)


@pytest.fixture
def products(
    authentik: AuthentikSimulator,
    stalwart: StalwartSimulator,
    ocis: OcisSimulator,
    make_step: Callable[..., StepContext],
    saved: Saved,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[dict[str, Product]]:
    # retried within the call as usual, with short pauses
    monkeypatch.setattr(session, "_pause", lambda _: 0.0)
    monkeypatch.setattr(jmap, "BUSY_TIMEOUT", 0.2)
    token = BearerToken(API_TOKEN)
    api = {
        "authentik": JsonClient(authentik.url, authorize=token, call_seconds=LONG),
        "stalwart": JsonClient(stalwart.url, authorize=token, call_seconds=LONG),
        "ocis": JsonClient(ocis.url, authorize=HTTPBasicAuth("provisioner", API_TOKEN), call_seconds=LONG),
    }
    yield {
        "authentik": Product(authentik, ensure_group, lambda: AuthentikClient(api["authentik"]), make_step, saved),
        "stalwart": Product(
            stalwart, ensure_mail, lambda: StalwartClient(Jmap(api["stalwart"]), "auto"), make_step, saved
        ),
        "ocis": Product(ocis, ensure_files, lambda: OcisClient(api["ocis"]), make_step, saved),
    }
    for one in api.values():
        one.close()


def ending(outcome: Outcome) -> str:
    """Return `ok`, or result and reason; a reason outside the catalogue is returned as text."""
    if outcome.result is Result.OK:
        return "ok"
    reason = REASONS.get(outcome.reason or "")
    if reason is None or not (outcome.message or "").startswith(reason.message) or not outcome.remedy:
        return f"unexplained {outcome}"
    return f"{outcome.result} {outcome.reason}"


@pytest.mark.parametrize("name", PRODUCTS)
def test_each_known_fault_of_a_product_ends_with_its_reason(products: dict[str, Product], name: str) -> None:
    product = products[name]
    kinds = sorted(product.server.kinds())
    ends = {kind: product.end(SHORT if kind in CUT else LONG, kind=kind) for kind in kinds}
    assert ends == COMMON | OWN[name]


@pytest.mark.parametrize("name", PRODUCTS)
def test_each_http_status_ends_with_its_reason(products: dict[str, Product], name: str) -> None:
    expected = LATER | NEVER | REFUSED[name]
    assert {status: products[name].end(kind="status", status=int(status)) for status in expected} == expected


@pytest.mark.parametrize("body", ["null", "{}", '{"methodResponses": [null]}'])
@pytest.mark.parametrize("name", PRODUCTS)
def test_json_of_another_server_is_retried(products: dict[str, Product], name: str, body: str) -> None:
    rule = {"kind": "status", "status": 200, "body": body, "content_type": "application/json", "count": 1}
    product, ends = products[name], set()
    for before in itertools.count():
        ends.add(product.end(after=before, **rule))
        if len(product.server.journal) <= before:
            break  # every request of the step had the fault once
    assert ends <= {"ok", "retry unexpected_answer", "retry upstream_error"}


def test_each_error_of_a_jmap_method_ends_with_its_reason(products: dict[str, Product]) -> None:
    ends = {type_: answered(products["stalwart"], ["error", {"type": type_}]) for type_ in METHOD_ERRORS}
    assert ends == METHOD_ERRORS


def test_each_error_of_a_jmap_object_ends_with_its_reason(products: dict[str, Product]) -> None:
    def refused(type_: str) -> list[Any]:
        # a refused reference is tried twice
        return ["x:Domain/set", {"notCreated": {key: {"type": type_} for key in ("new0", "new1")}}]

    assert {type_: answered(products["stalwart"], refused(type_)) for type_ in SET_ERRORS} == SET_ERRORS


def answered(product: Product, response: list[Any]) -> str:
    """Return the end of an attempt whose creation of a domain and its postmaster is answered like this."""
    responses = [[*response, "0"], ["x:Account/set", {}, "1"]]
    return product.end(
        kind="status",
        status=200,
        body=json.dumps({"methodResponses": responses}),
        content_type="application/json",
        contains="Domain/set",
    )


def test_temporary_faults_are_retried_and_permanent_ones_are_not() -> None:
    """Check that an attempt's result and its reason's entry in the catalogue agree."""
    tables = [COMMON, *OWN.values(), LATER, *REFUSED.values(), METHOD_ERRORS, SET_ERRORS]
    for end in {end for table in tables for end in table.values()} - {"ok"}:
        result, reason = end.split()
        assert REASONS[reason].retryable == (result == Result.RETRY), end
