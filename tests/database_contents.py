"""Empty the database between tests, and fill it with documents.

Only the last write waits for its response, so the database's client must have one connection: writes of one connection
are executed in their order, and the majority that has the last one has all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bson.raw_bson import RawBSONDocument
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.write_concern import WriteConcern


def empty(database: Database[dict[str, Any]]) -> None:
    """Delete all documents. Indexes stay, because creating them costs more than a small test."""
    names = _filled(database)
    for number, name in enumerate(names, 1):
        _collection(database, name, is_last=number == len(names)).delete_many({})


def fill(database: Database[dict[str, Any]], documents: Mapping[str, list[RawBSONDocument]]) -> None:
    """Insert documents by collection; no collection's list is empty."""
    for number, (name, given) in enumerate(documents.items(), 1):
        _collection(database, name, is_last=number == len(documents)).insert_many(given)


def _filled(database: Database[dict[str, Any]]) -> list[str]:
    """Return the collections that are not empty, by one query."""
    names = database.list_collection_names()
    queries = [{"coll": name, "pipeline": [{"$limit": 1}, {"$project": {"_id": 0, "name": name}}]} for name in names]
    found = database.aggregate([{"$documents": []}, *({"$unionWith": query} for query in queries)])
    return [str(row["name"]) for row in found]


def _collection(database: Database[dict[str, Any]], name: str, *, is_last: bool) -> Collection[Any]:
    return database.get_collection(name, write_concern=WriteConcern(w="majority" if is_last else 0))
