"""Where the broker is: one server by its URL, or the master that Sentinels watch. Passwords never show in its repr."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self, TypeVar
from urllib.parse import SplitResult, quote, unquote, urlsplit

SCHEMES = ("redis", "rediss", "sentinel")
SENTINEL_PORT = 26379
T = TypeVar("T")


@dataclass(frozen=True)
class Login:
    """A name and a password, either of which may be missing."""

    username: str | None = None
    password: str | None = field(default=None, repr=False)

    @property
    def arguments(self) -> dict[str, str]:
        """What there is of them, as a client takes them."""
        return {name: value for name, value in vars(self).items() if value}


NO_LOGIN = Login()


@dataclass(frozen=True)
class BrokerAddress:
    """`url`: as Celery takes it. With `sentinels` ((host, port) each) the server is whichever they call `master`;
    `login` and `db` are the server's, `sentinel_login` is the Sentinels' own."""

    url: str = field(repr=False)
    sentinels: tuple[tuple[str, int], ...] = ()
    master: str = ""
    db: int = 0
    login: Login = NO_LOGIN
    sentinel_login: Login = NO_LOGIN

    @classmethod
    def of(cls, text: str, master: str | None = None, sentinel_login: Login = NO_LOGIN) -> Self:
        """`redis://…`, `rediss://…`, or `sentinel://host:port;sentinel://host:port/db` with the master's name.

        Raises ValueError with a sentence that does not repeat the text.
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
            raise ValueError("names Sentinels, so REDIS_SENTINEL_MASTER must say what they call the master")
        return cls._watched(parts, master, sentinel_login)

    @classmethod
    def _watched(cls, parts: Sequence[SplitResult], master: str, sentinel_login: Login) -> Self:
        sentinels = tuple((part.hostname or "", part.port or SENTINEL_PORT) for part in parts)
        login = _agreed([Login(_text(part.username), _text(part.password)) for part in parts], NO_LOGIN, "login")
        db = _agreed([int(part.path.strip("/") or 0) for part in parts], 0, "database")
        # the login and the database go to every one of them: Celery takes those of whichever it asked last
        name = "" if login == NO_LOGIN else f"{quote(login.username or '', '')}:{quote(login.password or '', '')}@"
        url = ";".join(f"sentinel://{name}{_host(host)}:{port}/{db}" for host, port in sentinels)
        return cls(url, sentinels, master, db, login, sentinel_login)


def _split(text: str) -> SplitResult:
    try:
        part = urlsplit(text)
        port_is_right = part.port != 0
        db = part.path.strip("/")
    except ValueError:
        port_is_right, part, db = False, SplitResult("", "", "", "", ""), ""
    nobody_named = part.scheme == "sentinel" and not part.hostname
    if not part.scheme or nobody_named or not port_is_right or (db and not db.isdigit()):
        raise ValueError("must be scheme://host:port/db, with a number as port and as db; see README")
    return part


def _agreed(given: Sequence[T], none: T, what: str) -> T:
    """The one value that some or all of them give."""
    found = {one for one in given if one != none}
    if len(found) > 1:
        raise ValueError(f"gives its Sentinels more than one {what}; it is the master's and the same for all")
    return found.pop() if found else none


def _text(part: str | None) -> str | None:
    return unquote(part) if part else None


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host else host
