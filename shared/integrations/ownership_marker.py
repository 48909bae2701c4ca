"""The stamp: proof, written on an outside object, of which tenant it belongs to."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass

STAMP = re.compile(r"\[dezky-tenant ([0-9a-f]{24}) ([0-9a-f]{16})\]\s*\Z")


@dataclass(frozen=True)
class Stamper:
    """Signs and reads stamp texts of one product. The first key signs, all verify, so that keys can be rotated.

    A stamp text is `[dezky-tenant <tenantId> <16 hex of HMAC-SHA256(key, product + ":" + tenantId)>]`. Who can edit a
    description can copy a stamp but not make one for another tenant or another product.
    """

    product: str
    keys: Sequence[str]

    def text(self, tenant_id: str) -> str:
        return f"[dezky-tenant {tenant_id} {self._signature(self.keys[0], tenant_id)}]"

    def tenant_id(self, description: str | None) -> str | None:
        """The tenant whose stamp stands at the end of the description, or None when there is none that holds."""
        found = STAMP.search(description or "")
        if found is None:
            return None
        tenant_id, signature = found.groups()
        good = any(hmac.compare_digest(signature, self._signature(key, tenant_id)) for key in self.keys)
        return tenant_id if good else None

    def is_of(self, tenant_id: str, description: str) -> bool:
        """Whether that tenant's stamp stands there. The same as asking whose, and cheaper where most are others'."""
        return tenant_id in description and self.tenant_id(description) == tenant_id

    def _signature(self, key: str, tenant_id: str) -> str:
        return hmac.new(key.encode(), f"{self.product}:{tenant_id}".encode(), hashlib.sha256).hexdigest()[:16]
