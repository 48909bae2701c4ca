"""Browser sessions of Authentik, and access checks of applications."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from aiohttp import web

from sandbox.simulators.authentik.access import Access
from sandbox.simulators.authentik.directory import Directory
from sandbox.simulators.authentik.oidc.clients import OidcClient
from sandbox.simulators.authentik.records import User, new_id
from sandbox.simulators.clock import Clock

COOKIE = "authentik_session"


@dataclass
class Session:
    """A browser's session. `user` is None until somebody signs in.

    `logins` maps the client id of each application used in this session to the issuer that it saw. `unfinished` is the
    request for which a flow still waits, `done` holds the flows that it has passed, `asking` the application and scopes
    that need consent, and `identified` the name that was entered before the password.
    """

    key: str
    started: datetime
    user: int | None = None
    signed_in: datetime | None = None
    logins: dict[str, str] = field(default_factory=dict)
    unfinished: str | None = None
    done: set[str] = field(default_factory=set)
    asking: tuple[str, tuple[str, ...]] = ("", ())
    identified: str | None = None
    uuid: str = field(default_factory=new_id)

    @property
    def sid(self) -> str:
        """Return the `sid` claim of this session's tokens."""
        return hashlib.sha256(self.key.encode()).hexdigest()

    def wait_for(self, url: str) -> None:
        """Store the request that the flows return to; another request starts its flows from the beginning."""
        if self.unfinished != url:
            self.unfinished, self.done = url, set()

    def finish(self) -> None:
        self.unfinished, self.done = None, set()


class Sessions:
    """Sessions by key, in memory. The functions in `on_end` are called with each signed-in session that ends."""

    def __init__(self, directory: Directory, access: Access, clock: Clock) -> None:
        self._access = access
        self._clock = clock
        self.by_key: dict[str, Session] = {}
        self.on_end: list[Callable[[Session], None]] = []
        directory.on_sign_out.append(self._end_all)

    def clear(self) -> None:
        self.by_key.clear()

    def count(self) -> dict[int, int]:
        """Return the number of sessions of each signed-in user."""
        users = [session.user for session in self.by_key.values() if session.user is not None]
        return {user: users.count(user) for user in users}

    def may_use(self, user: User, client: OidcClient) -> bool:
        """Return whether the user is active and the application's bindings allow them."""
        application = self._access.applications.get(client.slug)
        return user.is_active and application is not None and self._access.passes(user, application)

    def of(self, request: web.Request) -> Session | None:
        return self.by_key.get(request.cookies.get(COOKIE, ""))

    def keep(self, response: web.Response, session: Session) -> web.Response:
        """Set the session's cookie in the response."""
        response.set_cookie(COOKIE, session.key, httponly=True, samesite="Lax", path="/")
        return response

    def start(self) -> Session:
        """Start an anonymous session."""
        session = Session(secrets.token_hex(16), self._clock.now())
        self.by_key[session.key] = session
        return session

    def sign_in(self, user: User, session: Session | None = None) -> Session:
        """Sign a user in. A session that was not this user's is replaced by one with a new key."""
        if session is None or session.user != user.pk:
            unfinished = session.unfinished if session is not None else None
            if session is not None:
                self.end(session)
            session = self.start()
            session.unfinished = unfinished
        session.user, session.signed_in = user.pk, self._clock.now()
        return session

    def end(self, session: Session) -> None:
        if self.by_key.pop(session.key, None) is not None and session.user is not None:
            for notify in self.on_end:
                notify(session)

    def _end_all(self, user: User) -> None:
        for session in [one for one in self.by_key.values() if one.user == user.pk]:
            self.end(session)
