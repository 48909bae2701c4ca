"""One write for many rows, of which one may be locked: by a process that died within a transaction, for a while."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pymongo
from bson import ObjectId
from pymongo.collection import Collection
from pymongo.errors import PyMongoError

from shared.db.documents import Document, Pipeline, our_errors

#: how long a row may be waited for that another writes, and how long a batch of which one is locked may take, seconds
LONGEST_WRITE, LONGEST_APART = 1.0, 10.0


def update_unlocked(
    rows: Collection[Document], keys: Sequence[ObjectId], condition: Document, update: Pipeline
) -> None:
    """Update those of these rows that meet the condition still: all at once, or one by one when one is locked.

    What stays locked stays as it is, and so does what cannot be reached in a few seconds. Raises StoreUnavailable.
    """
    with our_errors():
        if _is_updated_in_time(rows, keys, condition, update):
            return
        give_up = time.monotonic() + LONGEST_APART
        for key in keys:
            if time.monotonic() > give_up:
                return
            _is_updated_in_time(rows, [key], condition, update)


def _is_updated_in_time(
    rows: Collection[Document], keys: Sequence[ObjectId], condition: Document, update: Pipeline
) -> bool:
    try:
        with pymongo.timeout(LONGEST_WRITE):
            rows.update_many({"_id": {"$in": list(keys)}, **condition}, update)
    except PyMongoError as problem:
        if not problem.timeout:
            raise
        return False
    return True
