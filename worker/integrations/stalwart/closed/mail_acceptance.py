"""Accept new mail to domains again, however it was stopped."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial

from shared.tenants.model import Status
from worker.integrations.stalwart.client import StalwartClient
from worker.integrations.stalwart.closed.mail_return import receive_again
from worker.integrations.stalwart.closed.record import REFUSED_NAMES, ClosedRecord, DomainRecord
from worker.integrations.stalwart.domain_faults import named_change
from worker.integrations.stalwart.models import MailDomain
from worker.integrations.stalwart.ownership import is_of_another
from worker.integrations.step_context import StepContext, enumerate_names, run_all

Domains = Sequence[MailDomain]
Keys = Mapping[str, Sequence[str]]


def accept_mail_again(
    step: StepContext, stalwart: StalwartClient, record: ClosedRecord, domains: Domains, left: Collection[str]
) -> dict[str, str]:
    """Accept new mail to these domains again. `left`: names of domains that stay closed.

    A permanent fault of one change stops no other. Returns notes.
    """
    notes: dict[str, str] = {}
    own = DomainRecord(step).ids.union(one.id for one in domains)
    run_all(
        [
            partial(_accept, step, stalwart, record, domains),
            lambda: notes.update(remove_former_keys(step, stalwart, record, own, left)),
            partial(receive_again, step, stalwart, record, domains),
        ]
    )
    return notes


def _accept(step: StepContext, stalwart: StalwartClient, record: ClosedRecord, domains: Domains) -> None:
    refused = record.recorded(REFUSED_NAMES)
    stalwart.rule.require_opening(refused.intersection(name for domain in domains for name in domain.names))
    held = stalwart.rule.keys()
    closed = [domain for domain in domains if any(name in held or name in refused for name in domain.names)]
    run_all(partial(_remove_keys, step, stalwart, record, domain, held) for domain in closed)
    is_resume = step.tenant.status in (Status.SUSPENDED, Status.DELETED)
    if is_resume and domains and not refused and not closed and stalwart.rule.may_open():
        # an older build recorded no names, and a key that a person destroyed applies until the server reloads
        step.change("have Stalwart load its lookup keys again", partial(stalwart.rule.remove_keys, ()), None)


def _remove_keys(
    step: StepContext, stalwart: StalwartClient, record: ClosedRecord, domain: MailDomain, held: Keys
) -> None:
    refused = record.recorded(REFUSED_NAMES)
    names = [name for name in domain.names if name in held or name in refused]
    # recorded until the server has applied the removal: an interrupted attempt leaves no key to be found
    record.add(REFUSED_NAMES, names)
    ids = [id_ for name in names for id_ in held.get(name, ())]
    named_change(step, stalwart, f"accept mail to {domain.name} again", partial(stalwart.rule.remove_keys, ids))
    record.keep(REFUSED_NAMES, record.recorded(REFUSED_NAMES) - set(names))


def remove_former_keys(
    step: StepContext, stalwart: StalwartClient, record: ClosedRecord, own: Collection[str], left: Collection[str] = ()
) -> dict[str, str]:
    """Remove keys that we wrote under names that no domain of the tenant has now; return a note.

    A person renamed the domain or removed an alias; the name may even be in a domain outside the platform. If another
    tenant claims that one, the name is only forgotten, as the key is that tenant's now. `own`: ids of the tenant's
    domains; `left`: names whose keys stay.
    """
    unknown = record.recorded(REFUSED_NAMES) - set(left)
    if not unknown:
        return {}
    holders = {name: one for one in stalwart.list_domains() for name in one.names}
    elsewhere = {name: holders[name] for name in unknown if name in holders and holders[name].id not in own}
    forgotten = {name for name, holder in elsewhere.items() if is_of_another(step, holder)}
    record.keep(REFUSED_NAMES, record.recorded(REFUSED_NAMES) - forgotten)
    unused = (unknown - holders.keys()) | (elsewhere.keys() - forgotten)
    if not unused:
        return {}
    stalwart.rule.require_opening(unused)
    held = stalwart.rule.keys()
    ids = [id_ for name in sorted(unused) for id_ in held.get(name, ())]
    sentence = f"remove the lookup keys of the former names {', '.join(sorted(unused))}"
    named_change(step, stalwart, sentence, partial(stalwart.rule.remove_keys, ids))
    record.keep(REFUSED_NAMES, record.recorded(REFUSED_NAMES) - unused)
    outside = sorted(unused & elsewhere.keys())
    text = f"{enumerate_names(outside)}: in a domain outside the platform now, which accepts mail again"
    return {"former_names": text} if outside else {}
