"""Check the address of MongoDB before a client uses it."""

from __future__ import annotations

from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri

SCHEME, SRV_SCHEME = "mongodb://", "mongodb+srv://"
MALFORMED = (
    "MONGODB_URI must be mongodb://user:password@host:port/?options; in user and password write each of "
    ": / ? # [ ] @ % as its percent-code, such as %40 for @"
)


def problems_of_database_url(url: str) -> list[str]:
    """Return a sentence for an address that the driver would refuse. The driver's message may contain a password."""
    if not url.startswith((SCHEME, SRV_SCHEME)):
        return ["MONGODB_URI must start with mongodb:// or mongodb+srv://"]
    if url.startswith(SRV_SCHEME):
        # checked as a plain address without options, because parsing an SRV address needs DNS
        url = url.replace(SRV_SCHEME, SCHEME, 1).partition("?")[0]
    try:
        parse_uri(url, warn=True)
    except FileNotFoundError:
        return ["MONGODB_URI names a certificate file that cannot be read"]
    except (PyMongoError, ValueError, TypeError):
        return [MALFORMED]
    return []
