"""A request's line and headers, and their conversion from ASGI to a WSGI environ."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from urllib.parse import unquote_to_bytes

#: headers whose WSGI names lack the prefix HTTP_
UNPREFIXED = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}


@dataclass(frozen=True)
class RequestHead:
    """A request without its body. `headers`: lower-case names; repeated ones joined by commas, cookies by `;`."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    server: tuple[str, str]
    client: str
    scheme: str
    protocol: str

    @classmethod
    def of(cls, scope: Mapping[str, Any]) -> RequestHead:
        """Read an ASGI scope. Drops headers with an underscore, whose WSGI name would equal that of another header."""
        headers: dict[str, str] = {}
        for raw_name, raw_value in scope["headers"]:
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
            if name in headers:
                value = f"{headers[name]}{'; ' if name == 'cookie' else ','}{value}"
            if "_" not in name:
                headers[name] = value
        host, port = scope.get("server") or ("", 0)
        return cls(
            method=scope["method"],
            # WSGI requires the decoded bytes, each as one character
            path=unquote_to_bytes(scope["raw_path"]).decode("latin-1"),
            query=scope["query_string"].decode("latin-1"),
            headers=headers,
            server=(str(host), str(port)),
            client=str((scope.get("client") or ("",))[0]),
            scheme=scope["scheme"],
            protocol=f"HTTP/{scope['http_version']}",
        )

    @property
    def has_body(self) -> bool:
        return "transfer-encoding" in self.headers or self.headers.get("content-length", "0") != "0"

    def environ(self, body: bytes | bytearray) -> dict[str, Any]:
        """Return the WSGI environ (PEP 3333) with the complete body as input."""
        found: dict[str, Any] = {
            "REQUEST_METHOD": self.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": self.path,
            "QUERY_STRING": self.query,
            "SERVER_NAME": self.server[0],
            "SERVER_PORT": self.server[1],
            "SERVER_PROTOCOL": self.protocol,
            "REMOTE_ADDR": self.client,
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": self.scheme,
            "wsgi.input": BytesIO(body),
            "wsgi.input_terminated": True,
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
        }
        for name, value in self.headers.items():
            found[UNPREFIXED.get(name) or f"HTTP_{name.upper().replace('-', '_')}"] = value
        return found
