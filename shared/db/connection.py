"""The connection to MongoDB: one client per process, safe defaults, and transactions that end in time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TypeVar

import pymongo
from bson.codec_options import CodecOptions
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from shared.core.errors import StoreUnavailable
from shared.db.documents import Document, Transaction, our_errors
from shared.metrics.pool_listener import PoolListener

T = TypeVar("T")

#: journal=True is not decoration: majority without it waits for the periodic journal flush, about 100 ms a write
DURABLE = WriteConcern(w="majority", j=True)

#: how long any one call or transaction may take, retries of the driver included, in seconds: a request waits meanwhile
PATIENCE = 5.0
#: what a transaction that is given up has left to be ended in
ENDING_SECONDS = 2.0

#: how often each member is looked at, in milliseconds: one that falls silent is given up after this and the connect
#: timeout together, and what was waiting for it then goes to the next primary
HEARTBEAT_MS = 3000


def open_client(uri: str, patience: float = PATIENCE) -> MongoClient[Document]:
    """A client for this process; make it after forking. Nothing is sent until it is used. `patience`: in seconds."""
    return MongoClient(
        uri,
        tz_aware=True,
        timeoutMS=round(patience * 1000),
        serverSelectionTimeoutMS=round(patience * 1000),
        connectTimeoutMS=2000,
        heartbeatFrequencyMS=HEARTBEAT_MS,
        maxPoolSize=64,
        retryWrites=True,
        retryReads=True,
        appname="dezky-platform-api",
        event_listeners=[PoolListener()],
    )


def open_database(client: MongoClient[Document], name: str) -> Database[Document]:
    return client.get_database(
        name,
        codec_options=CodecOptions(tz_aware=True),
        write_concern=DURABLE,
        read_concern=ReadConcern("majority"),
    )


class MongoConnection:
    """The connection of one process: transactions, the database's clock, and limits to how long calls may take."""

    def __init__(self, client: MongoClient[Document], database: Database[Document]) -> None:
        self.client = client
        self.database = database

    def transaction(self, work: Callable[[Transaction], T], seconds: float | None = None) -> T:
        """Run `work` in one transaction, all or nothing. It may run twice: conflicts and changes of primary are retried
        for `seconds`, or as long as a call may take. So `work` must make database calls only.

        The driver by itself retries for two minutes, and needs to when a process died within a transaction on the same
        record: the server releases that only after its own time limit. Retries end a little before calls do: a call
        that was cut short could not abort its own transaction any more, and would leave the next such lock. Raises
        StoreUnavailable.
        """
        patience = seconds or self.client.options.timeout or PATIENCE
        give_up = time.monotonic() + patience

        def bounded(session: Transaction) -> T:
            if time.monotonic() > give_up:
                raise StoreUnavailable
            try:
                return work(session)
            except StoreUnavailable as problem:
                cause = problem.__cause__
                if isinstance(cause, PyMongoError) and cause.has_error_label("TransientTransactionError"):
                    raise cause from None  # by its label the driver knows that all of it may be tried again
                raise

        with our_errors(), pymongo.timeout(patience + ENDING_SECONDS), self.client.start_session() as session:
            return session.with_transaction(bounded, read_concern=ReadConcern("snapshot"), write_concern=DURABLE)

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Limit all calls in the block to `seconds` together; then StoreUnavailable.

        Not around a transaction, which has a limit of its own.
        """
        with pymongo.timeout(seconds):
            yield

    def now(self) -> datetime:
        """Return the time on the database's clock."""
        with our_errors():
            found: datetime = self.client.admin.command("hello")["localTime"]
        return found.astimezone(UTC)

    def is_up(self, seconds: float) -> bool:
        """Tell whether a primary answers within `seconds`."""
        try:
            with pymongo.timeout(seconds):
                self.client.admin.command("ping")
        except PyMongoError:
            return False
        return True

    def close(self) -> None:
        self.client.close()


def open_connection(uri: str, database: str, patience: float = PATIENCE) -> MongoConnection:
    """Connect this process; call it after forking. `patience`: how long a call may take, in seconds."""
    client = open_client(uri, patience)
    return MongoConnection(client, open_database(client, database))
