"""TLS of the development root: a client that trusts it reaches every name, and no other client does."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.certificates import NAMES
from shared.core.http import tls_context

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    command = [sys.executable, "-m", "deploy.prepare", "--folder", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=60)
    return folder / "certificates"


@pytest.fixture(scope="module")
def port(certificates: Path) -> Iterator[int]:
    """A server with the certificate of the proxy."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificates / "server.pem", certificates / "server.key")
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                peer, _ = listener.accept()
                with context.wrap_socket(peer, server_side=True) as tls:
                    tls.recv(1)
            except ssl.SSLError:
                continue
            except OSError:
                return

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1]
    listener.close()


def handshake(port: int, name: str, trust: ssl.SSLContext) -> None:
    with socket.create_connection(("127.0.0.1", port), 5) as plain, trust.wrap_socket(plain, server_hostname=name):
        return


def test_every_name_is_reached_by_a_client_that_trusts_the_root(port: int, certificates: Path) -> None:
    for name in NAMES:
        handshake(port, f"{name}.dezky.local", tls_context(str(certificates / "root.pem")))


def test_another_name_and_another_client_are_refused(port: int, certificates: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(port, "portal.dezky.local", tls_context(str(certificates / "root.pem")))
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(port, "api.dezky.local", tls_context(None))
