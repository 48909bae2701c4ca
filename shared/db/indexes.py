"""Create indexes, also where an operator or an older release made one with the same keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from pymongo import IndexModel
from pymongo.collection import Collection
from pymongo.errors import OperationFailure

from shared.db.documents import Document, translate_errors

log = structlog.get_logger(__name__)

#: of MongoDB: an index with these keys has another name, or one with this name has other keys or options
_CONFLICT_CODES = frozenset({85, 86})


class IndexConflict(Exception):
    """An index that is in the way of a required one may be a rule of somebody; the message says how to drop it."""


def make_indexes(collection: Collection[Document], indexes: Sequence[IndexModel]) -> None:
    """Create indexes. Idempotent. A majority of the members suffices, so that one that is down blocks nothing.

    An index with the same definition as a required one is replaced, and so is one with its name, unless it is unique.
    Raises IndexConflict for a unique one.
    """
    with translate_errors():
        try:
            collection.create_indexes(indexes, commitQuorum="majority")
        except OperationFailure as failure:
            if failure.code not in _CONFLICT_CODES:
                raise
            for index in indexes:
                _make_or_replace(collection, index, {one.document["name"] for one in indexes})


def _make_or_replace(collection: Collection[Document], index: IndexModel, required: set[str]) -> None:
    try:
        collection.create_indexes([index], commitQuorum="majority")
    except OperationFailure as failure:
        if failure.code not in _CONFLICT_CODES:
            raise
    else:
        return
    wanted = index.document
    for name, existing in collection.index_information().items():
        has_its_keys = existing["key"] == list(wanted["key"].items())
        if name != wanted["name"] and (name in required or not has_its_keys or _filter(existing) != _filter(wanted)):
            continue
        if existing.get("unique") or wanted.get("unique"):
            raise IndexConflict(
                f"The index {name} of the collection {collection.name} is in the way of {wanted['name']}, which the "
                f'platform needs. Drop it in the shell of MongoDB: db.{collection.name}.dropIndex("{name}"). '
                "The platform then makes its own within seconds."
            )
        log.warning("index.replaced", collection=collection.name, existing=name, index=wanted["name"])
        collection.drop_index(name)
    collection.create_indexes([index], commitQuorum="majority")


def _filter(index: Mapping[str, Any]) -> Any:
    """Return the filter of a partial index. Indexes with the same keys and different filters do not conflict."""
    return index.get("partialFilterExpression")
