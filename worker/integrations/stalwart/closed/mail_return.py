"""Return new mail to its sender after it was accepted, and receive it again.

Every account and group has lost the permission to receive, so RCPT is answered 250 and the sender gets a failure
notice; lists and catch-all addresses, which would still expand, are moved to unguessable addresses, and so are aliases
in the domains of accounts and lists of other domains. These are read once for all domains, as the server cannot filter.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial

from worker.integrations.stalwart.client import StalwartClient
from worker.integrations.stalwart.closed.record import RETURNING, ClosedRecord
from worker.integrations.stalwart.contents import AddressHolder
from worker.integrations.stalwart.domain_faults import named_change
from worker.integrations.stalwart.models import HIDDEN, MailDomain
from worker.integrations.step_context import StepContext, enumerate_names, run_all

Domains = Sequence[MailDomain]


def return_mail(step: StepContext, stalwart: StalwartClient, record: ClosedRecord, domains: Domains) -> None:
    """Return new mail to these domains to its sender, after their accounts have lost the permission to receive."""
    # record first, so that it can be undone
    record.add(RETURNING, [f"domain {one.id}" for one in domains])
    run_all(
        [
            partial(_change_addresses, step, stalwart, domains, [one.id for one in domains]),
            *(partial(_change_catch_all, step, stalwart, domain, is_hidden=True) for domain in domains),
        ]
    )


def receive_again(step: StepContext, stalwart: StalwartClient, record: ClosedRecord, domains: Domains) -> None:
    """Let new mail reach the addresses of these domains again, as far as we returned it."""
    stopped = record.recorded(RETURNING)
    returning = [one for one in domains if f"domain {one.id}" in stopped]
    if not returning:
        return
    still_closed = stopped - {f"domain {one.id}" for one in returning}
    closed = [one.removeprefix("domain ") for one in still_closed if one.startswith("domain ")]
    run_all(
        [
            partial(_change_addresses, step, stalwart, returning, closed),
            *(partial(_change_catch_all, step, stalwart, domain, is_hidden=False) for domain in returning),
        ]
    )


def _change_addresses(step: StepContext, stalwart: StalwartClient, changing: Domains, closed: Collection[str]) -> None:
    """Hide the lists and aliases of the `changing` domains, or show them if these are not `closed`."""
    ids = {one.id for one in changing}
    run_all(
        partial(
            named_change,
            step,
            stalwart,
            _sentence(_describe(holder, changing), is_hidden=ids.issubset(closed)),
            partial(stalwart.contents.change_addresses, holder, patch),
        )
        for holder in stalwart.contents.address_holders()
        if (patch := holder.rearrangement(ids, closed))
    )


def _change_catch_all(step: StepContext, stalwart: StalwartClient, domain: MailDomain, *, is_hidden: bool) -> None:
    if domain.catch_all and domain.is_catch_all_hidden != is_hidden:
        local, _, place = domain.catch_all.rpartition("@")
        local = f"{local}{HIDDEN}" if is_hidden else local.removesuffix(HIDDEN)
        change = partial(stalwart.set_catch_all, domain.id, f"{local}@{place}")
        named_change(step, stalwart, _sentence(f"the catch-all address of {domain.name}", is_hidden=is_hidden), change)


def _describe(holder: AddressHolder, domains: Domains) -> str:
    names = {one.id: one.name for one in domains}
    if holder.is_list and holder.domain_id in names:
        return f"the mailing list {holder.shown_address}"
    return f"the aliases {enumerate_names(holder.aliases_in(names))} of {holder.shown_address}"


def _sentence(what: str, *, is_hidden: bool) -> str:
    return f"move {what} out of reach" if is_hidden else f"let mail reach {what} again"
