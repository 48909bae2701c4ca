"""Find out whether a tenant's record names an outside object: people can copy an ownership marker, but not a record."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from bson import ObjectId
from pymongo.database import Database

from shared.db.documents import Document, object_id, translate_errors
from shared.integrations.catalog import INTEGRATIONS

#: kind of object to the fields of a tenant's document that hold ids of such objects
FIELDS: Mapping[str, tuple[str, ...]] = {kind.name: kind.fields for one in INTEGRATIONS.values() for kind in one.marked}


class RecordedObjects:
    """Reads the `tenants` collection. It is asked seldom, so no index serves it."""

    def __init__(self, database: Database[Document]) -> None:
        self._tenants = database["tenants"]

    def named(self, kind: str, ids: Collection[str]) -> frozenset[str]:
        """Return those of the ids that some tenant's record names."""
        if not ids:
            return frozenset()
        fields = FIELDS[kind]
        condition: Document = {"$or": [{field: {"$in": list(ids)}} for field in fields]}
        roots = dict.fromkeys((field.partition(".")[0] for field in fields), 1)
        with translate_errors():
            documents = list(self._tenants.find(condition, roots))
        return frozenset(ids) & {id_ for document in documents for root in roots for id_ in _ids(document.get(root))}

    def is_recorded_for_another_tenant(self, integration: str, id_: str, tenant_id: str) -> bool:
        """Return whether the record of a tenant other than this one names the object."""
        marked = INTEGRATIONS[integration].marked
        if not marked:
            return False
        not_this: Document = {"_id": {"$ne": object_id(tenant_id) or ObjectId()}}
        with translate_errors():
            return (
                self._tenants.find_one({**not_this, "$or": [{field: id_} for field in marked[0].fields]}, {"_id": 1})
                is not None
            )


def _ids(found: Any) -> list[str]:
    if isinstance(found, list):
        return [str(entry["id"]) for entry in found]
    return [str(found)] if found is not None else []
