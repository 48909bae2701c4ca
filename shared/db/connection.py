"""The connection to MongoDB: one client per process, safe defaults, and transactions that end in time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

import pymongo
from bson.codec_options import CodecOptions
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import PyMongoError
from pymongo.monitoring import ConnectionPoolListener
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from shared.core.errors import StoreUnavailable
from shared.db.documents import Document, Transaction, translate_errors
from shared.metrics.metrics import POOL_CONNECTIONS

T = TypeVar("T")

#: journal=True is needed: majority without it waits for the periodic journal flush, about 100 ms a write
DURABLE = WriteConcern(w="majority", j=True)

#: limit of one call or transaction in seconds, the driver's retries included: a request waits meanwhile
CALL_TIMEOUT = 5.0
#: seconds beyond that limit, to abort a transaction
ENDING_SECONDS = 2.0

#: milliseconds between two checks of each member. A member that stops answering is given up after this and the connect
#: timeout together; calls that wait for it then go to the next primary
HEARTBEAT_MS = 3000


class PoolListener(ConnectionPoolListener):
    """Listener for one client. `open`: existing connections; `in_use`: those that run a command."""

    def connection_created(self, event: Any) -> None:
        POOL_CONNECTIONS.labels("open").inc()

    def connection_closed(self, event: Any) -> None:
        POOL_CONNECTIONS.labels("open").dec()

    def connection_checked_out(self, event: Any) -> None:
        POOL_CONNECTIONS.labels("in_use").inc()

    def connection_checked_in(self, event: Any) -> None:
        POOL_CONNECTIONS.labels("in_use").dec()

    def connection_ready(self, event: Any) -> None: ...

    def connection_check_out_started(self, event: Any) -> None: ...

    def connection_check_out_failed(self, event: Any) -> None: ...

    def pool_created(self, event: Any) -> None: ...

    def pool_ready(self, event: Any) -> None: ...

    def pool_cleared(self, event: Any) -> None: ...

    def pool_closed(self, event: Any) -> None: ...


def open_client(uri: str, timeout: float = CALL_TIMEOUT) -> MongoClient[Document]:
    """Make a client for this process; call it after forking. It connects on first use. `timeout`: seconds per call."""
    return MongoClient(
        uri,
        tz_aware=True,
        timeoutMS=round(timeout * 1000),
        serverSelectionTimeoutMS=round(timeout * 1000),
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
        """Run `work` in one transaction. Raises StoreUnavailable.

        `work` may run several times, so it must make database calls only: conflicts and changes of primary are retried
        for `seconds`, by default as long as a call may take. The driver alone would retry for two minutes, for example
        when a process died within a transaction on the same document. Retries end before calls do, because a call that
        is cut short cannot abort its transaction and would leave the document locked.
        """
        timeout = seconds or self.client.options.timeout or CALL_TIMEOUT
        deadline = time.monotonic() + timeout

        def bounded(session: Transaction) -> T:
            if time.monotonic() > deadline:
                raise StoreUnavailable
            try:
                return work(session)
            except StoreUnavailable as problem:
                cause = problem.__cause__
                if isinstance(cause, PyMongoError) and cause.has_error_label("TransientTransactionError"):
                    raise cause from None  # the driver retries the transaction by this error's label
                raise

        with translate_errors(), pymongo.timeout(timeout + ENDING_SECONDS), self.client.start_session() as session:
            return session.with_transaction(bounded, read_concern=ReadConcern("snapshot"), write_concern=DURABLE)

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Limit all calls in the block to `seconds` together; then they raise StoreUnavailable.

        A transaction has its own limit, so do not use this around one.
        """
        with pymongo.timeout(seconds):
            yield

    def now(self) -> datetime:
        """Return the time on the database's clock."""
        with translate_errors():
            found: datetime = self.client.admin.command("hello")["localTime"]
        return found.astimezone(UTC)

    def is_up(self, seconds: float) -> bool:
        """Return whether a primary answers within `seconds`."""
        try:
            with pymongo.timeout(seconds):
                self.client.admin.command("ping")
        except PyMongoError:
            return False
        return True

    def close(self) -> None:
        self.client.close()


def open_connection(uri: str, database: str, timeout: float = CALL_TIMEOUT) -> MongoConnection:
    """Connect this process; call it after forking. `timeout`: how long a call may take, in seconds."""
    client = open_client(uri, timeout)
    return MongoConnection(client, open_database(client, database))
