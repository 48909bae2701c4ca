"""Addresses of the broker and of MongoDB. The broker: one server, or the master that Sentinels monitor.

No repr and no message contains a password.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self, TypeVar
from urllib.parse import SplitResult, quote, unquote, urlsplit

from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri

SCHEMES = ("redis", "rediss", "sentinel")
SENTINEL_PORT = 26379
MONGODB, MONGODB_SRV = "mongodb://", "mongodb+srv://"
MALFORMED = (
    "MONGODB_URI must be mongodb://user:password@host:port/?options; in user and password write each of "
    ": / ? # [ ] @ % as its percent-code, such as %40 for @"
)
T = TypeVar("T")


@dataclass(frozen=True)
class Login:
    """A user name and a password; each may be missing."""

    username: str | None = None
    password: str | None = field(default=None, repr=False)

    @property
    def arguments(self) -> dict[str, str]:
        """Return the given arguments as keyword arguments of a Redis client."""
        return {name: value for name, value in vars(self).items() if value}


NO_LOGIN = Login()


@dataclass(frozen=True)
class BrokerAddress:
    """The broker's address. `url`: in Celery's form.

    With `sentinels` ((host, port) each) the broker is the server that they report as `master`. `login` and `db` are
    for that server, `sentinel_login` is for the Sentinels.
    """

    url: str = field(repr=False)
    sentinels: tuple[tuple[str, int], ...] = ()
    master: str = ""
    db: int = 0
    login: Login = NO_LOGIN
    sentinel_login: Login = NO_LOGIN

    @classmethod
    def of(cls, text: str, master: str | None = None, sentinel_login: Login = NO_LOGIN) -> Self:
        """Parse `redis://…`, `rediss://…`, or `sentinel://host:port;sentinel://host:port/db` with the master's name.

        Raises ValueError with a sentence that does not repeat the text, which may contain a password.
        """
        parts = [_split(one.strip()) for one in text.split(";") if one.strip()]
        schemes = {part.scheme for part in parts}
        if len(schemes) != 1 or not schemes <= set(SCHEMES) or (len(parts) > 1 and schemes != {"sentinel"}):
            raise ValueError(
                "must be redis://host:port/db, rediss://host:port/db, or one sentinel://host:port for each Sentinel, "
                "with semicolons between them"
            )
        if schemes != {"sentinel"}:
            return cls(text.strip())
        if not master:
            raise ValueError("names Sentinels, so REDIS_SENTINEL_MASTER must be set to the name of their master")
        return cls._of_sentinels(parts, master, sentinel_login)

    @classmethod
    def _of_sentinels(cls, parts: Sequence[SplitResult], master: str, sentinel_login: Login) -> Self:
        sentinels = tuple((part.hostname or "", part.port or SENTINEL_PORT) for part in parts)
        login = _only_value([Login(_text(part.username), _text(part.password)) for part in parts], NO_LOGIN, "login")
        db = _only_value([int(part.path.strip("/") or 0) for part in parts], 0, "database")
        # each Sentinel's URL gets login and database, because Celery uses those of the last Sentinel it asked
        name = "" if login == NO_LOGIN else f"{quote(login.username or '', '')}:{quote(login.password or '', '')}@"
        url = ";".join(f"sentinel://{name}{_host(host)}:{port}/{db}" for host, port in sentinels)
        return cls(url, sentinels, master, db, login, sentinel_login)


def _split(text: str) -> SplitResult:
    try:
        part = urlsplit(text)
        is_port_valid = part.port != 0
        db = part.path.strip("/")
    except ValueError:
        is_port_valid, part, db = False, SplitResult("", "", "", "", ""), ""
    lacks_host = part.scheme == "sentinel" and not part.hostname
    if not part.scheme or lacks_host or not is_port_valid or (db and not db.isdigit()):
        raise ValueError("must be scheme://host:port/db, with a number as port and as db; see README")
    return part


def _only_value(given: Sequence[T], default: T, name: str) -> T:
    """Return the value that differs from the default, or the default. Raises ValueError if there are several."""
    found = {one for one in given if one != default}
    if len(found) > 1:
        raise ValueError(f"gives its Sentinels more than one {name}; it is the master's and the same for all")
    return found.pop() if found else default


def _text(part: str | None) -> str | None:
    return unquote(part) if part else None


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def problems_of_database_url(url: str) -> list[str]:
    """Return a sentence for an address that the driver would refuse. The driver's message may contain a password."""
    if not url.startswith((MONGODB, MONGODB_SRV)):
        return ["MONGODB_URI must start with mongodb:// or mongodb+srv://"]
    if url.startswith(MONGODB_SRV):
        # checked as a plain address without options, because parsing an SRV address needs DNS
        url = url.replace(MONGODB_SRV, MONGODB, 1).partition("?")[0]
    try:
        parse_uri(url, warn=True)
    except FileNotFoundError:
        return ["MONGODB_URI names a certificate file that cannot be read"]
    except (PyMongoError, ValueError, TypeError):
        return [MALFORMED]
    return []
