"""One server for the tests of a file, in a separate process, started as the API is."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.processes import end, free_port, spawn

SETTINGS = {"MONGODB_URI": "mongodb://127.0.0.1:1/?replicaSet=rs0", "REDIS_URL": "redis://127.0.0.1:1/0"}


class Wire:
    """Raw HTTP/1.1 with the server: requests as bytes, answers as bytes until the server closes or they are whole."""

    def __init__(self, port: int) -> None:
        self.port = port

    def open(self, text: bytes = b"", timeout: float = 15) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout)
        if text:
            connection.sendall(text)
        return connection

    def ask(self, text: bytes, timeout: float = 15) -> bytes:
        """Return all responses until the server closes the connection: request that with `Connection: close`."""
        with self.open(text, timeout) as connection:
            return rest_of(connection)


def rest_of(connection: socket.socket) -> bytes:
    found = bytearray()
    while chunk := connection.recv(65536):
        found += chunk
    return bytes(found)


def start(folder: Path) -> tuple[Wire, subprocess.Popen[bytes]]:
    """Yield a running server of the echo application."""
    port, log = free_port(), folder / "server.log"
    command = [sys.executable, "-m", "api", "--port", str(port), "--target", "tests.serving.echo:asgi"]
    process = spawn(command, log=log, env={**os.environ, **SETTINGS})
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        else:
            return Wire(port), process


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    wire, process = start(tmp_path_factory.mktemp("serving"))
    yield wire
    end(process)
