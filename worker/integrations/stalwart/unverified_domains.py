"""Domains of a tenant whose proof is still to come, or is lost: named, and left as they are."""

from __future__ import annotations

from functools import partial

from worker.integrations.stalwart.client import Stalwart
from worker.integrations.step_context import Work

#: how many of the waiting domains an operation's notes name
NAMED = 10


def waiting_notes(work: Work) -> dict[str, str]:
    """A note that names the domains that wait for their proof; none when none does."""
    waiting = work.waiting_domains
    rest = (f"{len(waiting) - NAMED} more",) if len(waiting) > NAMED else ()
    return {"waiting_for_proof": ", ".join((*waiting[:NAMED], *rest))} if waiting else {}


def keep_open(work: Work, mail: Stalwart) -> None:
    """Whatever became of its proof, a domain that was set up takes mail again after the tenant was suspended."""
    for entry in work.remote("stalwartDomains") or []:
        if entry["domain"] not in work.waiting_domains:
            continue
        domain = mail.find_domain_by_id(entry["id"])
        is_ours = domain is not None and work.stamper.tenant_id(domain.description) == work.tenant.id
        if domain is not None and is_ours and not domain.is_enabled:
            enable = partial(mail.update_domain, domain.id, is_enabled=True)
            work.change(f"enable the mail domain {domain.name}", enable, None)
