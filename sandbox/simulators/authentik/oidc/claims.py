"""Build the claims about a user: the subject by the provider's mode, the rest by its scope mappings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sandbox.simulators.authentik.oidc.clients import OidcClient, ScopeMapping
from sandbox.simulators.authentik.records import User

MANAGED = "goauthentik.io/providers/oauth2/scope-"
DEFAULT_MAPPINGS = tuple(
    ScopeMapping(
        pk=f"00000000-0000-4000-8000-{number:012}",
        name=f"authentik default OAuth Mapping: {scope}",
        scope_name=scope,
        managed=f"{MANAGED}{scope}",
    )
    for number, scope in enumerate(("openid", "email", "profile", "entitlements", "offline_access"), 1)
)
SUBJECTS: Mapping[str, Callable[[User], str]] = {
    "hashed_user_id": lambda user: user.uid,
    "user_id": lambda user: str(user.pk),
    "user_uuid": lambda user: user.uuid,
    "user_username": lambda user: user.username,
    "user_email": lambda user: user.email,
}


def subject(client: OidcClient, user: User) -> str:
    return SUBJECTS[client.sub_mode](user)


def claims_about(client: OidcClient, user: User, groups: Sequence[str], scopes: Sequence[str]) -> dict[str, Any]:
    """Merge the claims of all mappings whose scope was requested. Lists are concatenated, as in Authentik."""
    claims: dict[str, Any] = {}
    for mapping in DEFAULT_MAPPINGS if client.mappings is None else client.mappings:
        if mapping.scope_name not in scopes:
            continue
        for name, value in _claims_of(mapping, user, groups).items():
            claims[name] = [*claims[name], *value] if isinstance(claims.get(name), list) else value
    return claims


def _claims_of(mapping: ScopeMapping, user: User, groups: Sequence[str]) -> dict[str, Any]:
    """Return one mapping's claims. The only supported custom expression is one that returns the groups."""
    if mapping.managed is None:
        return {"groups": list(groups)} if "groups" in mapping.expression else {}
    made: Mapping[str, Callable[[], dict[str, Any]]] = {
        "email": lambda: {"email": user.email, "email_verified": False},
        "profile": lambda: {
            "name": user.name,
            "preferred_username": user.username,
            "nickname": user.username,
            "groups": list(groups),
        },
        "entitlements": lambda: {"entitlements": list(user.entitlements), "roles": list(user.entitlements)},
    }
    return made.get(mapping.managed.removeprefix(MANAGED), dict)()
