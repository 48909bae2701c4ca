"""Repair the ownership marker of the mail domains on record, when an operator asks for it."""

from __future__ import annotations

from shared.integrations.outcomes import NotFound, PermanentError
from shared.integrations.ownership_marker import MarkerSigner
from shared.tenants.model import Tenant
from worker.integrations.stalwart.client import StalwartClient
from worker.integrations.stalwart.models import MailDomain


def repair_marker(tenant: Tenant, stalwart: StalwartClient, signer: MarkerSigner) -> str:
    """Write the marker back into the mail domains on record and return a sentence about it.

    A reconcile does that only for a domain that still has its name, and a purge never; an operator may know that a
    domain is the tenant's. Raises NotFound without a domain, PermanentError("taken") when one has another's marker.
    """
    entries = [*(tenant.remote.get("stalwartDomains") or []), *(tenant.remote.get("stalwartClosedDomains") or [])]
    domains = stalwart.find_domains([entry["id"] for entry in entries])
    if not domains:
        raise NotFound("No mail domain on this tenant's record exists; reconcile the tenant.")
    foreign = [one.name for one in domains if signer.belongs_to_another(tenant.id, one.description)]
    if foreign:
        raise PermanentError("taken", f"These mail domains carry another tenant's marker: {', '.join(foreign)}.")
    repaired = [one.name for one in domains if _repair(tenant, stalwart, signer, one)]
    missing = [entry["domain"] for entry in entries if entry["id"] not in {one.id for one in domains}]
    rest = f" Stalwart does not show {', '.join(missing)}: reconcile the tenant." if missing else ""
    if not repaired:
        return f"The mail domains {', '.join(one.name for one in domains)} carry the marker already.{rest}"
    return f"Wrote the marker into the description of the mail domains {', '.join(repaired)}.{rest}"


def _repair(tenant: Tenant, stalwart: StalwartClient, signer: MarkerSigner, domain: MailDomain) -> bool:
    marked = signer.marked(tenant.id, domain.description)
    if marked != domain.description:
        stalwart.describe_domain(domain.id, marked)
    return marked != domain.description
