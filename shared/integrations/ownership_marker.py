"""The ownership marker: a signed text in an outside object's description that proves which tenant it belongs to."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass

MARKER = re.compile(r"\[dezky-tenant ([0-9a-f]{24}) ([0-9a-f]{16})\]")


@dataclass(frozen=True)
class MarkerSigner:
    """Sign and read the ownership markers of one product. The first key signs and all verify, so keys can be rotated.

    A marker is `[dezky-tenant <tenantId> <16 hex of HMAC-SHA256(key, product + ":" + tenantId)>]`. People who can edit
    a description can copy a marker, but cannot make one for another tenant or another product.
    """

    product: str
    keys: Sequence[str]

    def text(self, tenant_id: str) -> str:
        """Return the marker of a tenant, signed with the first key."""
        return f"[dezky-tenant {tenant_id} {self._signature(self.keys[0], tenant_id)}]"

    def tenant_id(self, description: str | None) -> str | None:
        """Return the tenant whose valid marker is anywhere in the description, because people edit descriptions.

        None without a valid marker, and None with valid markers of several tenants, because then the owner is unclear.
        """
        found = self._valid(description or "")
        return found.pop() if len(found) == 1 else None

    def is_of(self, tenant_id: str, description: str) -> bool:
        """Return whether the marker is this tenant's. Faster than `tenant_id` when most markers are of others."""
        return tenant_id in description and self.tenant_id(description) == tenant_id

    def belongs_to_another(self, tenant_id: str, description: str) -> bool:
        """Return whether there are valid markers and none of them is this tenant's."""
        found = self._valid(description)
        return bool(found) and tenant_id not in found

    def marked(self, tenant_id: str, description: str) -> str:
        """Return the description with the tenant's marker, signed with the first key; all other text is kept."""
        marker = self.text(tenant_id)
        kept = MARKER.sub(lambda found: marker if found[1] == tenant_id else found[0], description)
        return kept if marker in kept else f"{description.rstrip()} {marker}".strip()

    def _valid(self, description: str) -> set[str]:
        """Return the tenants of all markers that verify."""
        return {
            tenant_id
            for tenant_id, signature in MARKER.findall(description)
            if any(hmac.compare_digest(signature, self._signature(key, tenant_id)) for key in self.keys)
        }

    def _signature(self, key: str, tenant_id: str) -> str:
        return hmac.new(key.encode(), f"{self.product}:{tenant_id}".encode(), hashlib.sha256).hexdigest()[:16]
