"""References between Stalwart objects, which must exist at a create and block a destroy."""

from __future__ import annotations

from collections.abc import Iterator

from sandbox.simulators.stalwart.objects.properties import Object, SetError

Objects = dict[str, dict[str, Object]]

#: kind: (property with one id, kind that it refers to). Not for tasks, which may outlive their domain.
SINGLE = {
    "Domain": (("directoryId", "Directory"),),
    "Account": (("domainId", "Domain"),),
    "MailingList": (("domainId", "Domain"),),
    "DkimSignature": (("domainId", "Domain"),),
    "SystemSettings": (("defaultDomainId", "Domain"),),
    "Authentication": (("directoryId", "Directory"),),
}
#: kind: (property with a set of ids, kind that they refer to)
SETS = {"Account": (("memberGroupIds", "Account"),), "Role": (("roleIds", "Role"),)}

#: kinds that can be referred to
TARGETS = frozenset({"Tenant", "Domain", "Account", "Role", "Directory"})


def references(kind: str, one: Object) -> Iterator[tuple[str, str]]:
    """Yield every (kind, id) that this object refers to, its tenant first."""
    if one.get("memberTenantId"):
        yield "Tenant", one["memberTenantId"]
    for prop, target in SINGLE.get(kind, ()):
        if one.get(prop):
            yield target, one[prop]
    for alias in one["aliases"].values() if kind in ("Account", "MailingList") else ():
        if alias.get("domainId"):
            yield "Domain", alias["domainId"]
    for prop, target in SETS.get(kind, ()):
        yield from ((target, id_) for id_ in one.get(prop, {}))
    roles = one.get("roles")
    if isinstance(roles, dict):
        yield from (("Role", id_) for id_ in roles.get("roleIds", {}))


def check_references(objects: Objects, kind: str, one: Object) -> None:
    """Require that all exist, and that a tenant's object uses only that tenant's objects. Raises SetError.

    An object without a tenant may use a tenant's objects: the server does not check that direction.
    """
    tenant = one.get("memberTenantId")
    for target, id_ in references(kind, one):
        held = objects[target].get(id_)
        foreign = held is not None and target != "Tenant" and tenant and held.get("memberTenantId") != tenant
        if held is None or foreign:
            raise SetError("invalidForeignKey", objectId={"object": target, "id": id_})


def links_to(objects: Objects, kind: str, id_: str) -> list[Object]:
    """List all objects of any type that refer to this one."""
    if kind not in TARGETS:
        return []
    return [
        {"object": holder, "id": one["id"]}
        for holder, held in objects.items()
        for one in held.values()
        if (kind, id_) in references(holder, one)
    ]
