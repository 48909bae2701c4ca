"""Return new mail to its sender after it was accepted, and receive it again.

Every account and group loses the permission to receive, so that RCPT is answered 250 and the sender gets a failure
notice; lists and catch-all addresses, which would still expand, are moved to unguessable addresses, and so are aliases
in the domains of accounts and lists of other domains. These are read once for all domains, as the server cannot filter.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from worker.integrations.stalwart.accounts import RECEIVE, Account
from worker.integrations.stalwart.client import StalwartClient
from worker.integrations.stalwart.closed.record import RETURNING, ClosedRecord
from worker.integrations.stalwart.contents import AliasHolder
from worker.integrations.stalwart.models import HIDDEN, MailDomain
from worker.integrations.step_context import StepContext, run_all

Domains = Sequence[MailDomain]


def return_mail(step: StepContext, stalwart: StalwartClient, record: ClosedRecord, domains: Domains) -> None:
    """Return new mail to these domains to its sender."""
    # read again: some have lost the permission to sign in since
    receiving = [
        account
        for domain in domains
        for account in stalwart.accounts.in_domain(domain.id)
        if not account.is_ours and account.may(RECEIVE)
    ]
    # record first, so that it can be undone
    record.add(RETURNING, [*(f"account {one.id}" for one in receiving), *(f"domain {one.id}" for one in domains)])
    run_all(
        [
            *(partial(_stop_account, step, stalwart, account) for account in receiving),
            partial(_hide_lists, step, stalwart, domains),
            # read after the lists were moved: a list may have aliases in several domains
            partial(_hide_aliases, step, stalwart, domains),
            *(partial(_hide_catch_all, step, stalwart, domain) for domain in domains),
        ]
    )


def receive_again(step: StepContext, stalwart: StalwartClient, record: ClosedRecord, domains: Domains) -> None:
    """Receive new mail to these domains again, as far as we returned it."""
    stopped = record.recorded(RETURNING)
    returning = [one for one in domains if f"domain {one.id}" in stopped]
    if not returning:
        return
    accounts = [
        account
        for domain in returning
        for account in stalwart.accounts.in_domain(domain.id)
        if f"account {account.id}" in stopped and not account.may(RECEIVE)
    ]
    run_all(
        [
            *(partial(_restore_account, step, stalwart, account) for account in accounts),
            partial(_show_lists, step, stalwart, returning),
            partial(_show_aliases, step, stalwart, returning),
            *(partial(_show_catch_all, step, stalwart, domain) for domain in returning),
        ]
    )


# -- accounts


def _stop_account(step: StepContext, stalwart: StalwartClient, account: Account) -> None:
    stop = partial(stalwart.accounts.restrict, account, [RECEIVE])
    step.change(f"return mail to {account.address}", stop, None)


def _restore_account(step: StepContext, stalwart: StalwartClient, account: Account) -> None:
    restore = partial(stalwart.accounts.restore, account, [RECEIVE])
    step.change(f"let {account.address} receive mail again", restore, None)


# -- lists, aliases and catch-all addresses


def _hide_lists(step: StepContext, stalwart: StalwartClient, domains: Domains) -> None:
    hide = stalwart.contents.hide_list
    run_all(
        partial(step.change, f"move the mailing list {one.address} out of reach", partial(hide, one), None)
        for one in stalwart.contents.lists(_ids(domains))
        if not one.is_hidden
    )


def _show_lists(step: StepContext, stalwart: StalwartClient, domains: Domains) -> None:
    show = stalwart.contents.show_list
    run_all(
        partial(step.change, f"let mail reach the mailing list {one.address} again", partial(show, one), None)
        for one in stalwart.contents.lists(_ids(domains))
        if one.is_hidden
    )


def _hide_aliases(step: StepContext, stalwart: StalwartClient, domains: Domains) -> None:
    hide = stalwart.contents.hide_aliases
    run_all(
        partial(step.change, f"move {_aliases(one, domains)} out of reach", partial(hide, one), None)
        for one in stalwart.contents.alias_holders(_ids(domains))
        if not one.is_hidden
    )


def _show_aliases(step: StepContext, stalwart: StalwartClient, domains: Domains) -> None:
    show = stalwart.contents.show_aliases
    run_all(
        partial(step.change, f"let mail reach {_aliases(one, domains)} again", partial(show, one), None)
        for one in stalwart.contents.alias_holders(_ids(domains))
        if one.has_hidden
    )


def _hide_catch_all(step: StepContext, stalwart: StalwartClient, domain: MailDomain) -> None:
    if domain.catch_all and not domain.is_catch_all_hidden:
        local, _, place = domain.catch_all.rpartition("@")
        hide = partial(stalwart.set_catch_all, domain.id, f"{local}{HIDDEN}@{place}")
        step.change(f"move the catch-all address of {domain.name} out of reach", hide, None)


def _show_catch_all(step: StepContext, stalwart: StalwartClient, domain: MailDomain) -> None:
    if domain.is_catch_all_hidden and domain.catch_all:
        local, _, place = domain.catch_all.rpartition("@")
        show = partial(stalwart.set_catch_all, domain.id, f"{local.removesuffix(HIDDEN)}@{place}")
        step.change(f"let mail reach the catch-all address of {domain.name} again", show, None)


def _ids(domains: Domains) -> list[str]:
    return [one.id for one in domains]


def _aliases(holder: AliasHolder, domains: Domains) -> str:
    names = ", ".join(one.name for one in domains if one.id in holder.inside)
    return f"aliases of {holder.address} in {names}"
