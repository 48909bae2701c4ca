"""Bulk update that skips documents still locked by an abandoned transaction."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pymongo
from bson import ObjectId
from pymongo.collection import Collection
from pymongo.errors import PyMongoError

from shared.db.documents import Document, Pipeline, translate_errors

#: limits in seconds: for one write, which waits for a locked document, and for all single writes of a batch
WRITE_SECONDS, BATCH_SECONDS = 1.0, 10.0


def update_unlocked(
    collection: Collection[Document], keys: Sequence[ObjectId], condition: Document, update: Pipeline
) -> None:
    """Update the documents that meet the condition: in one write, or one by one when one of them is locked.

    Documents that stay locked, or are not reached in time, stay as they are. Raises StoreUnavailable.
    """
    with translate_errors():
        if _is_updated_in_time(collection, keys, condition, update):
            return
        deadline = time.monotonic() + BATCH_SECONDS
        for key in keys:
            if time.monotonic() > deadline:
                return
            _is_updated_in_time(collection, [key], condition, update)


def _is_updated_in_time(
    collection: Collection[Document], keys: Sequence[ObjectId], condition: Document, update: Pipeline
) -> bool:
    try:
        with pymongo.timeout(WRITE_SECONDS):
            collection.update_many({"_id": {"$in": list(keys)}, **condition}, update)
    except PyMongoError as problem:
        if not problem.timeout:
            raise
        return False
    return True
