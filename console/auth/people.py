"""Read the signed-in person's user record and rights from the API."""

from __future__ import annotations

from typing import Any

from flask import g

from client.connection import Connection
from client.errors import PlatformError
from console.auth.rights import Person
from console.auth.sign_ins import SignIns

#: how old a person's rights may be on a page; the API itself asks the database each time
KEEP_SECONDS = 30


class People:
    """Reads user records through the API and caches each for a short time."""

    def __init__(self, sign_ins: SignIns, api: Connection) -> None:
        self._sign_ins, self._api = sign_ins, api

    def recorded(self) -> Person:
        """Have the API update the person's record from their token, and return it."""
        record: dict[str, Any] = self._api.get("/users/me").data
        self._sign_ins.keep_person(g.sign_in, record, KEEP_SECONDS)
        return Person(record)

    def current(self) -> Person | None:
        """Return the signed-in person, None if there is none. A request asks the API once, also if it fails."""
        if g.get("sign_in") is None:
            return None
        if "person" not in g:
            g.person = self._read()
        if isinstance(g.person, PlatformError):
            raise g.person
        person: Person = g.person
        return person

    def _read(self) -> Person | PlatformError:
        kept = self._sign_ins.person(g.sign_in)
        try:
            return Person(kept) if kept is not None else self.recorded()
        except PlatformError as problem:
            return problem
