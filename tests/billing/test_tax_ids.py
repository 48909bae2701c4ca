"""The tenant's VAT id as the customer's tax id in Stripe."""

from __future__ import annotations

import pytest

from shared.operations.model import Mode
from tests.billing.tenancy import Tenancy
from tests.simulators import fault
from worker.integrations.stripe.tax_ids import TaxId, kept_tax_id, tax_id_of


@pytest.mark.parametrize(
    ("vat_id", "expected"),
    [
        ("DE123456789", ("eu_vat", "DE123456789")),
        (" de 123.456-789 ", ("eu_vat", "DE123456789")),
        ("ATU12345678", ("eu_vat", "ATU12345678")),
        ("GR123456789", ("eu_vat", "EL123456789")),
        ("XI123456789", ("eu_vat", "XI123456789")),
        ("GB123456789", ("gb_vat", "GB123456789")),
        ("CHE-123.456.789", ("ch_vat", "CHE-123.456.789 MWST")),
        ("CHE123456789TVA", ("ch_vat", "CHE-123.456.789 TVA")),
        ("NO123456789MVA", ("no_vat", "123456789MVA")),
        ("US12-3456789", None),
        ("DE", None),
        ("", None),
    ],
)
def test_the_type_follows_from_the_country(vat_id: str, expected: tuple[str, str] | None) -> None:
    found = tax_id_of(vat_id)
    assert (found and (found.type, found.value)) == expected


@pytest.mark.parametrize("text", ["DE123456789", "CHE-123.456.789"])
def test_a_kept_tax_id_is_read_again(text: str) -> None:
    found = tax_id_of(text)
    assert found is not None
    kept = TaxId(found.type, found.value, "txi_1")
    assert kept_tax_id(kept.text()) == kept
    assert kept_tax_id(None) is kept_tax_id("nonsense") is None


def change(tenancy: Tenancy, vat_id: str | None) -> dict[str, str]:
    info = {"billing_info": {"vat_id": vat_id or ""}}
    return dict(tenancy.billed(tenancy.services.tenants.change("acme", info, tenancy.admin, None)).notes)


def values(tenancy: Tenancy) -> list[str]:
    return sorted(one["value"] for one in tenancy.server.objects.tax_ids.values())


def test_the_tax_id_is_set_changed_and_removed_and_others_stay(tenancy: Tenancy) -> None:
    tenancy.set_up()
    (customer,) = tenancy.server.objects.customers
    theirs = {"customer": customer, "type": "gb_vat", "value": "GB999999999"}
    tenancy.server.objects.create_tax_id(theirs)
    assert "taxId" not in change(tenancy, "DE123456789")
    assert values(tenancy) == ["DE123456789", "GB999999999"]
    assert tenancy.billed(tenancy.reconcile()).changes == ()
    change(tenancy, "ATU12345678")
    assert values(tenancy) == ["ATU12345678", "GB999999999"]
    change(tenancy, None)
    assert values(tenancy) == ["GB999999999"]


@pytest.mark.parametrize("vat_id", ["DE12", "US123456789"])
def test_a_vat_id_that_stripe_refuses_is_noted_and_does_not_stop_billing(tenancy: Tenancy, vat_id: str) -> None:
    tenancy.set_up()
    change(tenancy, "DE123456789")
    assert "taxId" in change(tenancy, vat_id)
    assert values(tenancy) == []
    assert tenancy.tenant().tenant.provisioning_status["billing"] == "ok"


@pytest.mark.parametrize("kind", ["lost", "applied_then_status"])
def test_a_tax_id_whose_response_was_lost_is_not_created_twice(tenancy: Tenancy, kind: str) -> None:
    tenancy.set_up()
    fault(tenancy.server, kind=kind, method="POST", path="tax_ids", count=1)
    change(tenancy, "DE123456789")
    tenancy.billed(tenancy.reconcile())
    assert values(tenancy) == ["DE123456789"]


def test_a_vat_id_comes_back_after_another_value_that_stripe_refused(tenancy: Tenancy) -> None:
    tenancy.set_up()
    change(tenancy, "DE123456789")
    assert "taxId" in change(tenancy, "DE12")
    assert "taxId" not in change(tenancy, "DE123456789")
    assert values(tenancy) == ["DE123456789"]
    assert tenancy.billed(tenancy.reconcile()).changes == ()


def test_a_tax_id_that_was_removed_in_stripe_is_drift_and_comes_back(tenancy: Tenancy) -> None:
    tenancy.set_up()
    change(tenancy, "DE123456789")
    tenancy.server.objects.tax_ids.clear()
    assert tenancy.billed(tenancy.reconcile(mode=Mode.DRY_RUN)).changes == ("set the tax id of Acme",)
    tenancy.billed(tenancy.reconcile())
    assert values(tenancy) == ["DE123456789"]
