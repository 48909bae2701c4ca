"""A proxy before MongoDB that loses the server's replies to commits: the change is made, and its caller never knows."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from enum import Enum

import bson
import pymongo
import pytest

OP_MSG = 2013
#: length, request id, id of the request that a reply answers, kind of message
HEADER = struct.Struct("<iiii")
#: bytes before the document of an OP_MSG: header, flags, kind of section
PREFIX = HEADER.size + 5

#: reply of a server that cannot tell in time whether the members have the commit; drivers do not retry after it
UNCLEAR = {"ok": 1.0, "writeConcernError": {"code": 50, "codeName": "MaxTimeMSExpired", "errmsg": "time limit"}}


class Loss(Enum):
    """What callers get instead of the reply: an error, nothing, or nothing and no connection any more."""

    UNCLEAR = "unclear"
    SILENCE = "silence"
    CUT = "cut"


class MongoProxy:
    """`loss`: what happens to replies to commits from now on; None: they are passed on."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.uri = f"mongodb://127.0.0.1:{self._listener.getsockname()[1]}/?directConnection=true"
        self.loss: Loss | None = None
        #: number of commits whose replies were lost
        self.lost = 0
        self._is_cut = False
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, name="mongo proxy", daemon=True).start()

    def mend(self) -> None:
        """Pass everything on again."""
        self.loss, self.lost, self._is_cut = None, 0, False

    def close(self) -> None:
        self._listener.close()
        self._cut()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # the listener was closed
            while True:
                client, _ = self._listener.accept()
                if self._is_cut:
                    client.close()
                    continue
                server = socket.create_connection(self._server)
                commits: set[int] = set()
                with self._lock:
                    self._open |= {client, server}
                for work in (self._pass_requests, self._pass_replies):
                    threading.Thread(target=self._run, args=(work, client, server, commits), daemon=True).start()

    def _run(self, work: object, client: socket.socket, server: socket.socket, commits: set[int]) -> None:
        assert callable(work)
        with contextlib.suppress(OSError):
            work(client, server, commits)
        self._end(client, server)

    def _pass_requests(self, client: socket.socket, server: socket.socket, commits: set[int]) -> None:
        for message in _messages(client):
            _, request, _, kind = HEADER.unpack_from(message)
            if kind == OP_MSG and self.loss is not None and b"commitTransaction" in message[PREFIX : PREFIX + 40]:
                commits.add(request)
            server.sendall(message)

    def _pass_replies(self, client: socket.socket, server: socket.socket, commits: set[int]) -> None:
        for message in _messages(server):
            answered = HEADER.unpack_from(message)[2]
            if answered not in commits:
                client.sendall(message)
                continue
            self.lost += 1
            if self.loss is Loss.UNCLEAR:
                client.sendall(_reply(answered, UNCLEAR))
            elif self.loss is Loss.CUT:
                self._is_cut = True
                self._cut()

    def _cut(self) -> None:
        with self._lock:
            sockets = tuple(self._open)
        self._end(*sockets)

    def _end(self, *sockets: socket.socket) -> None:
        for one in sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        with self._lock:
            self._open -= set(sockets)


def _messages(source: socket.socket) -> Iterator[bytes]:
    """Yield whole messages until the connection ends."""
    with source.makefile("rb") as stream:
        while len(length := stream.read(4)) == 4:
            yield length + stream.read(struct.unpack("<i", length)[0] - 4)


def _reply(request: int, document: dict[str, object]) -> bytes:
    body = b"\0" * 5 + bson.encode(document)
    return HEADER.pack(HEADER.size + len(body), 0, request, OP_MSG) + body


@pytest.fixture(scope="session")
def worker_proxy(cleaner: pymongo.MongoClient[dict[str, object]]) -> Iterator[MongoProxy]:
    """A proxy before the shared server for all tests of a process, so that one API can keep its address."""
    cleaner.admin.command("ping")
    assert cleaner.primary is not None
    made = MongoProxy(*cleaner.primary)
    yield made
    made.close()


@pytest.fixture
def mongo_proxy(worker_proxy: MongoProxy) -> Iterator[MongoProxy]:
    yield worker_proxy
    worker_proxy.mend()
