"""List all objects in a product that carry an ownership marker, each with the function that removes it.

An incomplete list must raise a fault, because an object's absence from it has consequences.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from shared.integrations.catalog import AUTHENTIK, OCIS, STALWART
from shared.integrations.ownership_marker import MarkerSigner
from shared.orphans.model import MarkedObject, OrphanKind
from worker.integrations.authentik.client import AuthentikClient
from worker.integrations.authentik.group import delete_group
from worker.integrations.authentik.models import MANAGER, Group, marker
from worker.integrations.ocis.client import OcisClient
from worker.integrations.ocis.finding import is_abandoned, is_made_by, list_all
from worker.integrations.ocis.space import remove_space
from worker.integrations.stalwart.client import StalwartClient
from worker.integrations.stalwart.removal import delete_domain, delete_mail_tenant
from worker.integrations.step_context import ChangeRecorder

log = structlog.get_logger(__name__)

TENANT_ID = re.compile(r"[0-9a-f]{24}")


@dataclass(frozen=True)
class FoundObject:
    """A marked object. `remove` deletes it: call it only for an object that was read just now."""

    marked: MarkedObject
    remove: Callable[[ChangeRecorder], None]


def find_groups(authentik: AuthentikClient, signer: MarkerSigner) -> list[FoundObject]:
    """Return the groups that carry our ownership marker."""
    return [
        FoundObject(
            MarkedObject(OrphanKind.GROUP, group.id, group.name, group.tenant_id),
            partial(delete_group, authentik=authentik, group=group),
        )
        for group in authentik.list_groups()
        if group.tenant_id is not None and TENANT_ID.fullmatch(group.tenant_id) and _is_managed(group)
    ]


def find_mail(stalwart: StalwartClient, signer: MarkerSigner) -> list[FoundObject]:
    """Return domains with our marker, and mail tenants named after a tenant's id; that name alone proves little."""
    found = []
    for domain in stalwart.list_domains():
        tenant_id = signer.tenant_id(domain.description)
        if tenant_id is not None:
            marked = MarkedObject(OrphanKind.MAIL_DOMAIN, domain.id, domain.name, tenant_id)
            found.append(FoundObject(marked, partial(delete_domain, stalwart=stalwart, domain=domain)))
    return found + (_find_mail_tenants(stalwart) if stalwart.links_tenants() else [])


def find_spaces(ocis: OcisClient, signer: MarkerSigner) -> list[FoundObject]:
    """Return all spaces with our marker that we made, disabled ones too.

    Spaces that do not show our account as a member are left out and counted in the log: a person's duplicate of a
    tenant's space has the marker too, and holds that person's files. Raises a Fault unless our role shows every space.
    """
    ocis.require_role()
    account = ocis.account()
    marked = [
        (tenant_id, one) for one in list_all(ocis) if (tenant_id := signer.tenant_id(one.description)) is not None
    ]
    spaces = [(tenant_id, one) for tenant_id, one in marked if is_abandoned(one) or is_made_by(account, one)]
    if len(spaces) < len(marked):
        log.info("orphans.spaces_left_out", count=len(marked) - len(spaces))
    return [
        FoundObject(
            MarkedObject(OrphanKind.SPACE, space.id, space.name, tenant_id),
            partial(remove_space, ocis=ocis, space=space),
        )
        for tenant_id, space in spaces
    ]


#: integration to the function that lists its marked objects
FINDERS: Mapping[str, Callable[[Any, MarkerSigner], list[FoundObject]]] = {
    AUTHENTIK: find_groups,
    STALWART: find_mail,
    OCIS: find_spaces,
}


def _find_mail_tenants(stalwart: StalwartClient) -> list[FoundObject]:
    found = []
    for id_, name in stalwart.contents.mail_tenants():
        word = name.split()[-1] if name.split() else ""
        if TENANT_ID.fullmatch(word):
            marked = MarkedObject(OrphanKind.MAIL_TENANT, id_, name, word, is_proof=False)
            found.append(FoundObject(marked, partial(delete_mail_tenant, stalwart=stalwart, id_=id_, name=name)))
    return found


def _is_managed(group: Group) -> bool:
    return marker(group.attributes).get("managedBy") == MANAGER
