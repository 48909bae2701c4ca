"""Everything in a product that carries a tenant's mark, each with the removal that a purge would give it.

A list that may be short says so by a fault: absence from it counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from shared.integrations.catalog import AUTHENTIK, OCIS, STALWART
from shared.integrations.ownership_marker import MarkerSigner
from shared.orphans.model import MarkedObject, OrphanKind
from worker.integrations.authentik.client import AuthentikClient
from worker.integrations.authentik.group import take_group_away
from worker.integrations.authentik.models import MANAGER, Group, marker
from worker.integrations.ocis.client import OcisClient
from worker.integrations.ocis.finding import list_all
from worker.integrations.ocis.space import remove_space
from worker.integrations.stalwart.client import StalwartClient
from worker.integrations.stalwart.removal import take_domain_away, take_mail_tenant_away
from worker.integrations.step_context import ChangeRecorder

TENANT_ID = re.compile(r"[0-9a-f]{24}")


@dataclass(frozen=True)
class Find:
    """One object. `take_away` removes it: call it only for what was seen just now."""

    stamped: MarkedObject
    take_away: Callable[[ChangeRecorder], None]


def find_groups(identity: AuthentikClient, stamper: MarkerSigner) -> list[Find]:
    """Groups with a tenant's data in their attributes, made by us."""
    return [
        Find(
            MarkedObject(OrphanKind.GROUP, group.id, group.name, group.tenant_id),
            partial(take_group_away, identity=identity, group=group),
        )
        for group in identity.list_groups()
        if group.tenant_id is not None and TENANT_ID.fullmatch(group.tenant_id) and _is_managed(group)
    ]


def find_mail(mail: StalwartClient, stamper: MarkerSigner) -> list[Find]:
    """Domains with our mark, and mail tenants that are named after a tenant's id, which proves little by itself."""
    found = []
    for domain in mail.list_domains():
        tenant_id = stamper.tenant_id(domain.description)
        if tenant_id is not None:
            stamped = MarkedObject(OrphanKind.MAIL_DOMAIN, domain.id, domain.name, tenant_id)
            found.append(Find(stamped, partial(take_domain_away, mail=mail, domain=domain)))
    return found + (_find_mail_tenants(mail) if mail.links_tenants() else [])


def find_spaces(files: OcisClient, stamper: MarkerSigner) -> list[Find]:
    """Spaces with our mark, disabled ones too; all of them: the storage answers, and our role shows every space."""
    files.require_role()
    spaces = [(stamper.tenant_id(one.description), one) for one in list_all(files)]
    return [
        Find(
            MarkedObject(OrphanKind.SPACE, space.id, space.name, tenant_id),
            partial(remove_space, files=files, space=space),
        )
        for tenant_id, space in spaces
        if tenant_id is not None
    ]


#: integration: finds all there is, given its client and its product's stamper
FINDERS: Mapping[str, Callable[[Any, MarkerSigner], list[Find]]] = {
    AUTHENTIK: find_groups,
    STALWART: find_mail,
    OCIS: find_spaces,
}


def _find_mail_tenants(mail: StalwartClient) -> list[Find]:
    found = []
    for id_, name in mail.contents.mail_tenants():
        word = name.split()[-1] if name.split() else ""
        if TENANT_ID.fullmatch(word):
            stamped = MarkedObject(OrphanKind.MAIL_TENANT, id_, name, word, is_proof=False)
            found.append(Find(stamped, partial(take_mail_tenant_away, mail=mail, id_=id_, name=name)))
    return found


def _is_managed(group: Group) -> bool:
    return marker(group.attributes).get("managedBy") == MANAGER
