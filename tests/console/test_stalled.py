"""Clients that stall take no thread of the console: others are answered meanwhile."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from sandbox.processes import end, free_port, spawn
from sandbox.services import Valkey

ROOT = Path(__file__).parents[2]
STALLED = 60


@pytest.fixture
def served(sessions_valkey: Valkey, tmp_path: Path) -> Iterator[str]:
    """Start the console as in production; yield its URL."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {
        **os.environ,
        "CONSOLE_URL": url,
        "CONSOLE_API_URL": "http://127.0.0.1:9",
        "CONSOLE_ISSUER": "http://127.0.0.1:9/application/o/dezky-console/",
        "CONSOLE_CLIENT_SECRET": "unused",
        "CONSOLE_SECRET_KEYS": "k" * 32,
        "CONSOLE_REDIS_URL": sessions_valkey.url.replace("/0", "/2"),
    }
    command = [sys.executable, "-m", "console", "--port", str(port)]
    process: subprocess.Popen[bytes] = spawn(command, log=tmp_path / "console.log", env=environment, cwd=ROOT)
    deadline = time.monotonic() + 30
    while not _is_up(url):
        assert time.monotonic() < deadline, (tmp_path / "console.log").read_text()
        time.sleep(0.1)
    yield url
    end(process)


def _is_up(url: str) -> bool:
    try:
        return requests.get(f"{url}/health/live", timeout=1).status_code == 200
    except requests.RequestException:
        return False


def test_stalled_forms_delay_no_other_request(served: str) -> None:
    address = ("127.0.0.1", int(served.rpartition(":")[2]))
    sockets = [socket.create_connection(address, 5) for _ in range(STALLED)]
    try:
        for one in sockets:
            one.sendall(b"POST /sign-out HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\na=")
        time.sleep(0.3)
        for path in ("/health/live", "/"):
            answer = requests.get(f"{served}{path}", timeout=5, allow_redirects=False)
            assert answer.status_code in (200, 302, 303)
        sockets[0].settimeout(20)
        assert sockets[0].recv(4096).startswith(b"HTTP/1.1 408")
    finally:
        for one in sockets:
            one.close()
