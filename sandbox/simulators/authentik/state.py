"""Hold the state of the Authentik simulator, for resets and snapshots."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sandbox.simulators.authentik.access import Access
from sandbox.simulators.authentik.directory import Directory
from sandbox.simulators.authentik.invitations import Invitations
from sandbox.simulators.authentik.records import Binding
from sandbox.simulators.authentik.tokens import Tokens
from sandbox.simulators.clock import Clock


class State:
    """All parts of the state, with one clock and one directory."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.directory = Directory()
        self.tokens = Tokens(self.clock)
        self.access = Access(self.directory, self.clock)
        self.invitations = Invitations(self.directory, self.clock)

    def clear(self) -> None:
        for part in (self.directory, self.tokens, self.access, self.invitations):
            part.clear()
        self.clock.reset()

    def snapshot(self) -> dict[str, Any]:
        names = {pk: user.username for pk, user in self.directory.users.items()}
        groups = [
            {
                "pk": group.pk,
                "name": group.name,
                "attributes": group.attributes,
                "members": sorted(names[pk] for pk in group.users),
            }
            for group in self.directory.groups.values()
        ]
        return {
            "groups": groups,
            "users": sorted(names.values()),
            "inactive": sorted(user.username for user in self.directory.users.values() if not user.is_active),
            "applications": {slug: self._allowed_users(slug) for slug in self.access.applications},
            "invitations": [one.name for one in self.invitations.invitations.values()],
            "mails": [asdict(mail) for mail in self.invitations.mails],
        }

    def _allowed_users(self, slug: str) -> list[str]:
        """Return the users whom the bindings allow; without bindings all users."""
        return [self._name(binding) for binding in self.access.bindings_of(self.access.applications[slug])]

    def _name(self, binding: Binding) -> str:
        if binding.group is not None:
            return self.directory.groups[binding.group].name
        return self.directory.users[binding.user].username if binding.user is not None else ""
