"""Whatever goes wrong with a product, an operator gets a reason of the catalogue, in its words and with its remedy."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from requests.auth import HTTPBasicAuth

from sandbox.stand_ins.authentik.server import AuthentikStandIn
from sandbox.stand_ins.ocis.server import OcisStandIn
from sandbox.stand_ins.server import StandIn
from sandbox.stand_ins.stalwart.server import StalwartStandIn
from shared.domain.faults import Fault, Outcome, Result, failed
from shared.domain.reasons import REASONS
from tests.stand_ins import API_TOKEN, fault
from worker.deadline import within
from worker.integrations.authentik import Authentik
from worker.integrations.jmap import Jmap
from worker.integrations.json_api import BearerToken, JsonApi
from worker.integrations.ocis import Ocis
from worker.integrations.stalwart import Stalwart
from worker.steps.files import ensure_files
from worker.steps.identity import ensure_group
from worker.steps.mail import ensure_mail
from worker.steps.work import Work

#: seconds an attempt has here: what hangs is to be cut, and nobody is to wait for it
ATTEMPT = 0.4
#: an operator must never read these for a product's fault: the one is ours, the others are not about an attempt
NOT_A_PRODUCTS = {"bug", "attempts_exhausted", "deadline", "blocked", "cancelled", "paused"}
STATUSES = (301, 400, 401, 402, 403, 404, 405, 408, 409, 410, 413, 415, 422, 425, 429, 500, 501, 502, 503, 504, 507)
#: by the standard (RFC 8620, sections 3.6.2 and 5.3) and Stalwart's own
METHOD_ERRORS = (
    "accountNotFound accountReadOnly anchorNotFound cannotCalculateChanges forbidden invalidArguments "
    "invalidResultReference requestTooLarge serverFail serverPartialFail serverUnavailable stateMismatch "
    "unknownMethod unsupportedFilter unsupportedSort somethingNew"
).split()
SET_ERRORS = (
    "forbidden invalidForeignKey invalidPatch invalidProperties notFound objectIsLinked overQuota primaryKeyViolation "
    "rateLimit singleton tooLarge validationFailed willDestroy somethingNew"
).split()


@dataclass
class Product:
    server: StandIn
    step: Callable[[Work, Any], Outcome]
    client: Any
    work: Callable[..., Work]

    def attempt(self) -> Outcome:
        """One attempt as a worker makes it, faults and all. Whatever else is raised is a bug of ours."""
        try:
            with within(ATTEMPT):
                return self.step(self.work(self.server.product), self.client)
        except Fault as problem:
            return failed(problem)


@pytest.fixture
def products(
    authentik: AuthentikStandIn, stalwart: StalwartStandIn, ocis: OcisStandIn, work: Callable[..., Work]
) -> Iterator[dict[str, Product]]:
    token = BearerToken(API_TOKEN)
    api = {
        "authentik": JsonApi(authentik.url, authorize=token, call_seconds=1.0),
        "stalwart": JsonApi(stalwart.url, authorize=token, call_seconds=1.0),
        "ocis": JsonApi(ocis.url, authorize=HTTPBasicAuth("provisioner", API_TOKEN), call_seconds=1.0),
    }
    yield {
        "authentik": Product(authentik, ensure_group, Authentik(api["authentik"]), work),
        "stalwart": Product(stalwart, ensure_mail, Stalwart(Jmap(api["stalwart"]), "auto"), work),
        "ocis": Product(ocis, ensure_files, Ocis(api["ocis"]), work),
    }
    for one in api.values():
        one.close()


def explained(outcome: Outcome) -> bool:
    """Whether it is no failure, or one that an operator can look up."""
    if outcome.result in (Result.OK, Result.SKIPPED):
        return True
    reason = REASONS.get(outcome.reason or "")
    if reason is None or outcome.reason in NOT_A_PRODUCTS:
        return False
    return bool(outcome.message) and outcome.message.startswith(reason.message) and outcome.remedy == reason.remedy


@pytest.mark.parametrize("name", ["authentik", "stalwart", "ocis"])
def test_every_fault_that_a_product_is_known_for_has_its_entry(products: dict[str, Product], name: str) -> None:
    product = products[name]
    unexplained = {}
    for kind in sorted(product.server.kinds()):
        fault(product.server, kind=kind)
        outcome = product.attempt()
        if not explained(outcome):
            unexplained[kind] = outcome
        product.server.faults.clear()
    assert unexplained == {}


@pytest.mark.parametrize("name", ["authentik", "stalwart", "ocis"])
def test_every_status_that_a_product_or_a_proxy_may_answer_has_its_entry(
    products: dict[str, Product], name: str
) -> None:
    product = products[name]
    unexplained = {}
    for status in STATUSES:
        fault(product.server, kind="status", status=status)
        outcome = product.attempt()
        if outcome.result in (Result.OK, Result.SKIPPED) or not explained(outcome):
            unexplained[status] = outcome
        product.server.faults.clear()
    assert unexplained == {}


def test_every_error_of_a_jmap_method_has_its_entry(products: dict[str, Product]) -> None:
    for type_ in METHOD_ERRORS:
        outcome = answered(products["stalwart"], ["error", {"type": type_}])
        assert outcome.result not in (Result.OK, Result.SKIPPED)
        assert explained(outcome), (type_, outcome)


def test_every_error_of_a_jmap_object_has_its_entry(products: dict[str, Product]) -> None:
    for type_ in SET_ERRORS:
        outcome = answered(products["stalwart"], ["x:Domain/set", {"notCreated": {"new": {"type": type_}}}])
        assert outcome.result not in (Result.OK, Result.SKIPPED)
        assert explained(outcome), (type_, outcome)


def answered(product: Product, response: list[Any]) -> Outcome:
    """An attempt in which creating a domain is answered like this."""
    body = json.dumps({"methodResponses": [[*response, "0"]]})
    fault(product.server, kind="status", status=200, body=body, content_type="application/json", contains="Domain/set")
    try:
        return product.attempt()
    finally:
        product.server.faults.clear()
