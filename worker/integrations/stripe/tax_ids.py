"""Convert VAT ids to Stripe's tax ids, whose type depends on the country."""

from __future__ import annotations

import re
from dataclasses import dataclass

#: prefixes of VAT ids of the European Union, with Greece (EL) and Northern Ireland (XI)
EU = frozenset("AT BE BG CY CZ DE DK EE EL ES FI FR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK XI".split())
SWISS = re.compile(r"CHE(\d{3})(\d{3})(\d{3})(MWST|TVA|IVA)?")
NORWEGIAN = re.compile(r"(?:NO)?(\d{9})MVA")


@dataclass(frozen=True)
class TaxId:
    """A tax id of a customer. `id` is Stripe's, empty before it is known."""

    type: str
    value: str
    id: str = ""

    def is_same(self, other: TaxId | None) -> bool:
        return other is not None and (self.type, self.value) == (other.type, other.value)

    def text(self) -> str:
        """Return it as it is kept in the customer's metadata."""
        return f"{self.id} {self.type} {self.value}"


def tax_id_of(vat_id: str) -> TaxId | None:
    """Return the tax id of a VAT id, or None for one whose type the platform does not know."""
    text = re.sub(r"[\s.\-/]", "", vat_id).upper()
    if text.startswith("GR"):
        text = "EL" + text[2:]
    if text[:2] in EU and len(text) > 2:
        return TaxId("eu_vat", text)
    if text.startswith("GB") and len(text) > 2:
        return TaxId("gb_vat", text)
    if swiss := SWISS.fullmatch(text):
        return TaxId("ch_vat", f"CHE-{swiss[1]}.{swiss[2]}.{swiss[3]} {swiss[4] or 'MWST'}")
    if norwegian := NORWEGIAN.fullmatch(text):
        return TaxId("no_vat", f"{norwegian[1]}MVA")
    return None


def kept_tax_id(text: str | None) -> TaxId | None:
    """Return the tax id that a customer's metadata names."""
    id_, _, rest = (text or "").partition(" ")
    type_, _, value = rest.partition(" ")
    return TaxId(type_, value, id_) if value else None
