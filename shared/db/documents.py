"""MongoDB in our words: drivers' errors, ids, how rows are written by the database's clock, and pages of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from bson import ObjectId
from bson.errors import InvalidId
from pymongo import DESCENDING, IndexModel, ReturnDocument
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.errors import (
    ConfigurationError,
    ConnectionFailure,
    DuplicateKeyError,
    ExecutionTimeout,
    NetworkTimeout,
    OperationFailure,
    PyMongoError,
    WriteConcernError,
    WriteError,
)

from shared.core.errors import StoreUnavailable

Document = dict[str, Any]
#: the stages of an aggregation, or of an update that computes from the document
Pipeline = list[Document]
#: what a method takes to write as part of a transaction
Transaction = ClientSession

#: what the server answers to a value that a unique index has already
DUPLICATE = 11000

_UNAVAILABLE = (
    ConnectionFailure,
    ExecutionTimeout,
    NetworkTimeout,
    # a write whose durability was not confirmed, as when the primary steps down under it, may be there or not
    WriteConcernError,
    # a server that has just begun to start says that it knows no sessions yet
    ConfigurationError,
)

#: what members answer while a primary goes or comes, and the driver does not tell by the error's class: shutting down,
#: nothing known to be with a majority yet, stepped down, out of time, interrupted
_NOT_NOW = frozenset({91, 134, 189, 262, 11600, 11602})


@contextmanager
def our_errors() -> Iterator[None]:
    """Driver errors that mean "not now" become StoreUnavailable; the rest are bugs and stay what they are."""
    try:
        yield
    except _UNAVAILABLE as problem:
        raise StoreUnavailable from problem
    except PyMongoError as problem:
        if problem.timeout or problem.has_error_label("TransientTransactionError") or _is_stepdown(problem):
            raise StoreUnavailable from problem
        raise


def _is_stepdown(problem: PyMongoError) -> bool:
    return isinstance(problem, OperationFailure) and (
        problem.code in _NOT_NOW or problem.has_error_label("RetryableWriteError")
    )


def make_indexes(rows: Collection[Document], indexes: Sequence[IndexModel]) -> None:
    """Idempotent. A majority of the members will do: by default one that is down would hold up every start."""
    with our_errors():
        rows.create_indexes(indexes, commitQuorum="majority")


def new_id() -> str:
    """An id nobody has yet, as 24 hex digits."""
    return str(ObjectId())


def object_id(text: str) -> ObjectId | None:
    """The id, or None for text that cannot be one."""
    try:
        return ObjectId(text)
    except (InvalidId, TypeError):
        return None


def present(row: Document | None) -> Document:
    """The row of a write that cannot miss. Raises LookupError if it did, which would be a bug."""
    if row is None:
        raise LookupError("a row that must exist was not found")
    return row


def inserting(document: Mapping[str, Any], **times: Any) -> list[Document]:
    """An upsert pipeline that stores the document as it is, with fields computed on the database's clock.

    `times`: field = aggregation expression, such as `createdAt="$$NOW"`. `$literal` keeps `$` in values harmless.
    """
    return [{"$replaceWith": {"$mergeObjects": [{"$literal": dict(document)}, times]}}]


def insert(rows: Collection[Document], documents: Sequence[Document], session: Transaction) -> None:
    """Plain inserts as part of a transaction. Raises DuplicateKeyError.

    By the command itself: the driver's own ways cost a quarter more, for retries of a single write; a transaction is
    retried as a whole.
    """
    told = rows.database.command({"insert": rows.name, "documents": documents}, session=session)
    for fault in told.get("writeErrors", ()):
        kind = DuplicateKeyError if fault["code"] == DUPLICATE else WriteError
        raise kind(fault["errmsg"], fault["code"], fault)


def made(rows: Collection[Document], document: Document, session: Transaction, at: datetime | None = None) -> Document:
    """The row of a new record with its `createdAt` and `updatedAt`. Raises DuplicateKeyError.

    `at`: the time on the database's clock, for whoever has read it for this change: a plain insert costs less.
    """
    if at is not None:
        row = {**document, "createdAt": at, "updatedAt": at}
        insert(rows, [row], session)
        return row
    return present(
        rows.find_one_and_update(
            {"_id": document["_id"]},
            inserting(document, createdAt="$$NOW", updatedAt="$$NOW"),
            upsert=True,
            return_document=ReturnDocument.AFTER,
            session=session,
        )
    )


def changed(rows: Collection[Document], id_: str, fields: Document, session: Transaction) -> Document:
    """The row after an accepted change (see `written`). Raises DuplicateKeyError."""
    row = rows.find_one_and_update(
        {"_id": ObjectId(id_)}, written(fields), return_document=ReturnDocument.AFTER, session=session
    )
    return present(row)


def seconds_from_now(seconds: float) -> Document:
    """Now on the database's clock plus seconds. `$add` takes whole milliseconds; `$dateAdd` refuses fractions."""
    return {"$add": ["$$NOW", round(seconds * 1000)]}


def written(fields: Document) -> list[Document]:
    """An update pipeline that sets fields (expressions; give literals as such) and raises the record's version."""
    return [{"$set": {**fields, "version": {"$add": [{"$ifNull": ["$version", 1]}, 1]}, "updatedAt": "$$NOW"}}]


def literals(fields: Mapping[str, Any]) -> Document:
    """Values as they are, for a pipeline: `$` in them means nothing."""
    return {name: {"$literal": value} for name, value in fields.items()}


def newest_first(
    rows: Collection[Document], conditions: list[Document], limit: int, after: str | None
) -> tuple[list[Document], str | None]:
    """A page of rows, and the id the next one follows."""
    with our_errors():
        found = list(rows.find(older_than(conditions, after)).sort("_id", DESCENDING).limit(limit + 1))
    return found[:limit], str(found[limit - 1]["_id"]) if len(found) > limit else None


def older_than(conditions: Sequence[Document], after: str | None) -> Document:
    """What fulfils all conditions and follows this id. Pages stay stable while rows are added: they go by the id."""
    key = object_id(after) if after else None
    wanted = [one for one in conditions if one] + ([{"_id": {"$lt": key}}] if key else [])
    return {"$and": wanted} if wanted else {}
