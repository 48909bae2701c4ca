"""Authentik's stand-in, put together: one directory behind its API and its OIDC providers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sandbox.stand_ins.authentik.api import Api
from sandbox.stand_ins.authentik.directory import Directory, Token
from sandbox.stand_ins.authentik.oidc import Oidc, OidcClient
from sandbox.stand_ins.server import StandIn


class AuthentikStandIn(StandIn):
    """`race_lost`: another caller takes the name within our POST; `twin_first`: the same, and we get the 400.

    `slow_down`: the token endpoint tells a device to poll less often, the device endpoint that there were too many.
    """

    product = "authentik"
    own_faults = frozenset({"race_lost", "twin_first", "slow_down"})

    def __init__(
        self, *, api_token: str, admin_group: str, clients: tuple[OidcClient, ...] = (), seed: int = 0
    ) -> None:
        super().__init__(seed=seed)
        self._api_token = api_token
        self._admin_group = admin_group
        self.directory = Directory()
        self.oidc = Oidc(self.directory, clients, self.faults)
        self.reset()
        Api(self.directory, self.faults).add_routes(self.app.router)
        self.oidc.add_routes(self.app.router)

    def reset(self) -> None:
        """A fresh install with one superuser, whose API token is the one given."""
        directory = self.directory
        for held in (directory.groups, directory.groups_by_name, directory.users, directory.users_by_name):
            held.clear()
        directory.tokens.clear()
        self.oidc.grants.clear()
        admin = directory.add_user({"username": "akadmin", "name": "authentik Default Admin"})
        directory.add_group({"name": "authentik Admins", "is_superuser": True, "users": [admin.pk]})
        directory.add_group({"name": self._admin_group})
        directory.tokens[self._api_token] = Token(self._api_token, admin.pk)

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
        return {"groups": groups, "users": sorted(names.values())}

    def controls(self) -> dict[str, Callable[..., Any]]:
        return {
            "ensure_person": self.ensure_person,
            "limit_token": self.limit_token,
            "revoke_token": self.revoke_token,
            "rotate_key": self.oidc.rotate_key,
            "decide_device": self.oidc.grants.decide_device,
        }

    def ensure_person(
        self,
        username: str,
        app_password: str,
        name: str = "",
        email: str = "",
        groups: Sequence[str] = (),
        entitlements: Sequence[str] = (),
    ) -> int:
        """A user with an app password, in just these groups (made when absent). Gives the user's pk."""
        user = self.directory.users_by_name.get(username) or self.directory.add_user({"username": username})
        user.name, user.email, user.entitlements = name or username, email, list(entitlements)
        self.oidc.app_passwords[username] = app_password
        for group in self.directory.groups.values():
            group.users.discard(user.pk)
        for wanted in groups:
            group = self.directory.groups_by_name.get(wanted) or self.directory.add_group({"name": wanted})
            group.users.add(user.pk)
        return user.pk

    def limit_token(self, permissions: Sequence[str], key: str | None = None) -> None:
        """Leave a token only these permissions."""
        token = self.directory.tokens[key or self._api_token]
        self.directory.tokens[token.key] = Token(token.key, token.user, token.intent, frozenset(permissions))

    def revoke_token(self, key: str | None = None) -> None:
        """As after the silent rotation of an expired token: the key is unknown."""
        del self.directory.tokens[key or self._api_token]
