"""The signed-in person's user record, as the API has it, and what it lets them do."""

from __future__ import annotations

from typing import Any

from flask import g

from client.connection import Connection
from console.auth.rights import Person
from console.auth.sign_ins import SignIns

#: how old a person's rights may be on a page; the API itself asks the database each time
KEEP_SECONDS = 30


class People:
    """Reads user records through the API, and keeps each for a moment."""

    def __init__(self, sign_ins: SignIns, api: Connection) -> None:
        self._sign_ins, self._api = sign_ins, api

    def recorded(self) -> Person:
        """Have the API record the person by their token, and read what it has of them."""
        record: dict[str, Any] = self._api.get("/users/me").data
        self._sign_ins.keep_person(g.sign_in, record, KEEP_SECONDS)
        return Person(record)

    def current(self) -> Person | None:
        """The person at the browser; None when nobody is signed in."""
        if g.get("sign_in") is None:
            return None
        if "person" not in g:
            kept = self._sign_ins.person(g.sign_in)
            g.person = Person(kept) if kept is not None else self.recorded()
        person: Person = g.person
        return person
