"""Helpers of repositories: driver errors, ids, writes with the database's clock, and pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from bson import ObjectId
from bson.errors import InvalidId
from pymongo import DESCENDING, ReturnDocument
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

T = TypeVar("T")
Document = dict[str, Any]
#: the stages of an aggregation, or of an update that computes from the document
Pipeline = list[Document]
#: argument of methods that write as part of a transaction
Transaction = ClientSession

#: the server's code for a value that already exists in a unique index
DUPLICATE = 11000

_UNAVAILABLE = (
    ConnectionFailure,
    ExecutionTimeout,
    NetworkTimeout,
    # an unconfirmed write, for example because the primary stepped down, may have succeeded or failed
    WriteConcernError,
    # a starting server reports that it does not support sessions yet
    ConfigurationError,
)

#: error codes of members during a change of the primary, for which the driver has no exception class: shutdown in
#: progress, read concern majority not available yet, stepped down, time limit exceeded, interrupted
_PRIMARY_CHANGE_CODES = frozenset({91, 134, 189, 262, 11600, 11602})


@dataclass(frozen=True)
class Page(Generic[T]):
    """One page of a list, newest first. `next`: cursor of the following page, None at the end."""

    items: tuple[T, ...]
    next: str | None


@contextmanager
def translate_errors() -> Iterator[None]:
    """Convert temporary driver errors to StoreUnavailable. Other errors are bugs and pass unchanged."""
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
        problem.code in _PRIMARY_CHANGE_CODES or problem.has_error_label("RetryableWriteError")
    )


def new_id() -> str:
    """Return a new unique id of 24 hex digits."""
    return str(ObjectId())


def object_id(text: str) -> ObjectId | None:
    """Return the text as an ObjectId, or None if it is not one."""
    try:
        return ObjectId(text)
    except (InvalidId, TypeError):
        return None


def find_value(
    collection: Collection[Document],
    condition: Document,
    read: Callable[[Document], T],
    session: Transaction | None = None,
    **options: Any,
) -> T | None:
    """Return the value that `read` makes of the document that meets the condition, or None. Raises StoreUnavailable."""
    with translate_errors():
        document = collection.find_one(condition, session=session, **options)
    return read(document) if document else None


def find_by_id(
    collection: Collection[Document],
    id_: str,
    read: Callable[[Document], T],
    session: Transaction | None = None,
    **options: Any,
) -> T | None:
    """Return the value of the document with this id; None if there is none or the text is not an id."""
    key = object_id(id_)
    return find_value(collection, {"_id": key}, read, session, **options) if key else None


def update_value(
    collection: Collection[Document],
    condition: Document,
    update: Document | Pipeline,
    read: Callable[[Document], T],
    session: Transaction | None = None,
    **options: Any,
) -> T | None:
    """Update the document that meets the condition; return its new value, or None. Raises StoreUnavailable."""
    with translate_errors():
        document = collection.find_one_and_update(
            condition, update, return_document=ReturnDocument.AFTER, session=session, **options
        )
    return read(document) if document else None


def required(found: T | None) -> T:
    """Return the result of a write that always has one. Raises LookupError if it has none, which is a bug."""
    if found is None:
        raise LookupError("a document that must exist was not found")
    return found


def upsert_pipeline(document: Mapping[str, Any], **times: Any) -> list[Document]:
    """Return an upsert pipeline that stores the document, with additional fields computed by the database.

    `times`: field = aggregation expression, such as `createdAt="$$NOW"`. `$literal` prevents that `$` in values is
    interpreted.
    """
    return [{"$replaceWith": {"$mergeObjects": [{"$literal": dict(document)}, times]}}]


def insert(collection: Collection[Document], documents: Sequence[Document], session: Transaction) -> None:
    """Insert documents as part of a transaction. Raises DuplicateKeyError.

    It runs the database command directly: the driver's methods need 25 % more time for the retry of a single write,
    which is useless here, because a transaction is retried as a whole.
    """
    reply = collection.database.command({"insert": collection.name, "documents": documents}, session=session)
    for fault in reply.get("writeErrors", ()):
        kind = DuplicateKeyError if fault["code"] == DUPLICATE else WriteError
        raise kind(fault["errmsg"], fault["code"], fault)


def insert_record(
    collection: Collection[Document], document: Document, session: Transaction, at: datetime | None = None
) -> Document:
    """Insert a record with `createdAt` and `updatedAt`, and return its document. Raises DuplicateKeyError.

    `at`: time by the database's clock, if the caller has read it; then a cheaper plain insert is used.
    """
    if at is not None:
        stored = {**document, "createdAt": at, "updatedAt": at}
        insert(collection, [stored], session)
        return stored
    return required(
        collection.find_one_and_update(
            {"_id": document["_id"]},
            upsert_pipeline(document, createdAt="$$NOW", updatedAt="$$NOW"),
            upsert=True,
            return_document=ReturnDocument.AFTER,
            session=session,
        )
    )


def update_record(collection: Collection[Document], id_: str, fields: Document, session: Transaction) -> Document:
    """Update a record (see `versioned_update`) and return its document. Raises DuplicateKeyError."""
    document = collection.find_one_and_update(
        {"_id": ObjectId(id_)}, versioned_update(fields), return_document=ReturnDocument.AFTER, session=session
    )
    return required(document)


def seconds_from_now(seconds: float) -> Document:
    """Return an expression for the database's time plus seconds. `$add` needs whole milliseconds."""
    return {"$add": ["$$NOW", round(seconds * 1000)]}


def versioned_update(fields: Document) -> list[Document]:
    """Return an update pipeline that sets fields (expressions; see `literals`) and increments the record's version."""
    return [{"$set": {**fields, "version": {"$add": [{"$ifNull": ["$version", 1]}, 1]}, "updatedAt": "$$NOW"}}]


def literals(fields: Mapping[str, Any]) -> Document:
    """Return values for a pipeline, in which `$` is not interpreted."""
    return {name: {"$literal": value} for name, value in fields.items()}


def newest_page(
    collection: Collection[Document],
    conditions: list[Document],
    limit: int,
    after: str | None,
    read: Callable[[Document], T],
) -> Page[T]:
    """Return a page of the values that `read` makes of documents, newest first.

    Pages are stable while documents are added, because ids ascend.
    """
    key = object_id(after) if after else None
    wanted = [one for one in conditions if one] + ([{"_id": {"$lt": key}}] if key else [])
    with translate_errors():
        newest = collection.find({"$and": wanted} if wanted else {}).sort("_id", DESCENDING)
        found = list(newest.limit(limit + 1))
    return Page(tuple(map(read, found[:limit])), str(found[limit - 1]["_id"]) if len(found) > limit else None)
