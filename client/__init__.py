"""The platform's HTTP API in Python. `Platform` is the entry; docs/reference/client.md has an example."""

from client.connection import Tokens, new_key
from client.errors import (
    ApiError,
    FieldError,
    NotSignedIn,
    PlatformError,
    SignInRefused,
    Unauthorized,
    Unreachable,
    UntrustedCertificate,
)
from client.platform import Platform
from client.responses import Page, Response
from client.transport import open_session

__all__ = [
    "ApiError",
    "FieldError",
    "NotSignedIn",
    "Page",
    "Platform",
    "PlatformError",
    "Response",
    "SignInRefused",
    "Tokens",
    "Unauthorized",
    "Unreachable",
    "UntrustedCertificate",
    "new_key",
    "open_session",
]
