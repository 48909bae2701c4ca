"""Compose the Authentik simulator: one state for its API and its OIDC providers, and the controls for operators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sandbox.simulators.authentik.api.router import add_routes
from sandbox.simulators.authentik.oidc.clients import OidcClient
from sandbox.simulators.authentik.oidc.provider import Oidc
from sandbox.simulators.authentik.records import Token
from sandbox.simulators.authentik.router import Router
from sandbox.simulators.authentik.state import State
from sandbox.simulators.server import Simulator
from sandbox.simulators.state_faults import Container

OUR_TOKEN = "provisioning"  # noqa: S105  the identifier of a token, not its key


class AuthentikSimulator(Simulator):
    """Authentik behind its router.

    Faults of its own: `race_lost`: another caller takes the name within our POST; `twin_first`: the same, and we get
    the 400; `slow_down`: the token endpoint tells a device to poll less often, the device endpoint that there were too
    many; `starting`: the router waits for the core; `database_down`.
    """

    product = "authentik"
    own_faults = frozenset({"race_lost", "twin_first", "slow_down", "starting", "database_down"})

    def __init__(self, *, api_token: str, admin_group: str, clients: tuple[OidcClient, ...] = ()) -> None:
        super().__init__()
        self._api_token = api_token
        self._admin_group = admin_group
        self._clients = clients
        self.state = State()
        self.directory = self.state.directory
        self.oidc = Oidc(self.state, clients, self.faults)
        self.reset()
        self.app.middlewares.append(Router(self.faults).middleware)
        self.oidc.add_routes(self.app)
        add_routes(self.app.router, self.state, self.oidc, self.faults)

    def reset(self) -> None:
        """Return to a fresh installation: one superuser with the API token, and an application for each client."""
        self.state.clear()
        self.oidc.clear()
        directory, access = self.directory, self.state.access
        admin = directory.add_user({"username": "akadmin", "name": "authentik Default Admin"})
        directory.add_group({"name": "authentik Admins", "is_superuser": True, "users": [admin.pk]})
        directory.add_group({"name": self._admin_group})
        self.state.tokens.add(Token(OUR_TOKEN, admin.pk, key=self._api_token))
        for provider, client in enumerate(self._clients, 1):
            access.providers.add(provider)
            access.add_application({"name": client.slug, "slug": client.slug, "provider": provider})

    def containers(self) -> Sequence[Container]:
        directory, access, invitations = self.directory, self.state.access, self.state.invitations
        groups = (directory.groups, directory.groups_by_name)
        users = (directory.users, directory.users_by_name, self.oidc.sessions.by_key)
        applications = (access.applications, access.bindings)
        return (*groups, *users, *applications, invitations.invitations, invitations.recovery, invitations.mails)

    def current_state(self) -> dict[str, Any]:
        names = {pk: user.username for pk, user in self.directory.users.items()}
        return self.state.snapshot() | {"sessions": {names[pk]: n for pk, n in self.oidc.sessions.count().items()}}

    def controls(self) -> dict[str, Callable[..., Any]]:
        invitations = self.state.invitations
        return {
            "ensure_person": self.ensure_person,
            "limit_token": self.limit_token,
            "revoke_token": self.revoke_token,
            "rotate_key": self.oidc.rotate_key,
            "sign_in": self.sign_in,
            "bind_group": self.bind_group,
            "advance": self.state.clock.advance,
            "expire_tokens": self.state.tokens.expire,
            "set_recovery_flow": invitations.set_recovery_flow,
            "add_flow": invitations.add_flow,
            "add_email_stage": invitations.add_email_stage,
            "accept_invitation": invitations.accept,
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
        password: str = "",
    ) -> int:
        """Ensure a user with an app password in exactly these groups, which are created if absent. Return the pk.

        With `password` the person can sign in with a browser.
        """
        user = self.directory.users_by_name.get(username) or self.directory.add_user({"username": username})
        user.name, user.email, user.entitlements = name or username, email, list(entitlements)
        user.password = password or user.password
        self.state.tokens.add(Token(f"app-password-{user.pk}", user.pk, "app_password", key=app_password))
        for group in self.directory.groups.values():
            group.users.discard(user.pk)
        for wanted in groups:
            group = self.directory.groups_by_name.get(wanted) or self.directory.add_group({"name": wanted})
            group.users.add(user.pk)
        return user.pk

    def sign_in(self, username: str, client_id: str, scopes: str = "openid profile email offline_access") -> Any:
        """Return an application's tokens after this person signed in with a browser; None when access is denied."""
        return self.oidc.sign_in(username, client_id, scopes, self.url)

    def bind_group(self, application: str, group: str) -> str:
        """Let a group use an application. Return the binding's pk."""
        target, found = self.state.access.applications[application], self.directory.groups_by_name[group]
        return self.state.access.add_binding({"target": target.pk, "group": found.pk, "order": 0}).pk

    def limit_token(self, permissions: Sequence[str], visible: Sequence[str] = ()) -> None:
        """Restrict our token to these permissions, and to the view of single objects by their pks."""
        token = self.state.tokens.by_identifier[OUR_TOKEN]
        token.permissions, token.visible = frozenset(permissions), frozenset(visible)

    def revoke_token(self) -> None:
        """Invalidate our token, as Authentik does when it silently rotates an expired one."""
        self.state.tokens.remove(self.state.tokens.by_identifier[OUR_TOKEN])
