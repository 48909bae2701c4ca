"""Read the credentials of a token request, and find the machine account that they belong to."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from aiohttp import web

from sandbox.simulators.authentik.directory import Directory
from sandbox.simulators.authentik.oidc.clients import OidcClient
from sandbox.simulators.authentik.oidc.grants import GrantRefused
from sandbox.simulators.authentik.records import User
from sandbox.simulators.authentik.tokens import Tokens


async def sent_form(request: web.Request) -> dict[str, str]:
    """Return the form's fields, with the client's id and secret from the form or HTTP Basic."""
    given = {name: str(value) for name, value in (await request.post()).items()}
    pair = _decode(request.headers.get("Authorization", "").partition(" ")[2])
    return given | ({"client_id": pair[0], "client_secret": pair[1]} if pair else {})


class Machines:
    """The accounts behind `client_credentials`."""

    def __init__(self, directory: Directory, tokens: Tokens) -> None:
        self._directory = directory
        self._tokens = tokens

    def account(self, client: OidcClient, given: Mapping[str, str]) -> User:
        """Return the account of `client_credentials`: a named one by app password, or the provider's own.

        Raises GrantRefused; for a wrong secret too, which elsewhere is a wrong client.
        """
        pair = (given["username"], given.get("password", "")) if "username" in given else None
        pair = pair or _decode(given.get("client_secret", ""))
        if pair is None and not client.authenticates(given):
            raise GrantRefused("invalid_grant")
        return self._providers_own(client) if pair is None else self._find_user(*pair)

    def _find_user(self, username: str, password: str) -> User:
        user = self._directory.users_by_name.get(username)
        if user is None or not self._tokens.opens(user, password):
            raise GrantRefused("invalid_grant")
        return user

    def _providers_own(self, client: OidcClient) -> User:
        name = f"ak-{client.slug}-client_credentials"
        return self._directory.users_by_name.get(name) or self._directory.add_user(
            {"username": name, "name": name, "type": "service_account"}
        )


def _decode(text: str) -> tuple[str, str] | None:
    try:
        user, colon, password = base64.b64decode(text, validate=True).decode().partition(":")
    except ValueError:
        return None
    return (user, password) if colon else None
