"""Get access tokens for the sandbox's people from the simulated identity provider's token endpoint."""

from __future__ import annotations

from typing import Any

import requests

from sandbox.environment import client_slug
from sandbox.state import State

ROLES = {"admin": "operator", "partner": "partner", "owner": "portal", "member": "portal"}
SCOPE = "openid profile email"


class TokenError(Exception):
    """No token can be obtained; the message has the cause."""


def token_for(state: State, role: str, tenant: str | None, partner: str | None) -> str:
    """Return a bearer token of a user with this role; creates the user record if necessary. Raises TokenError."""
    _require_simulated_issuer(state)
    if role in ("owner", "member") and not tenant:
        raise TokenError(f"--as {role} needs --tenant SLUG.")
    username = person_of(role, tenant, partner)
    groups = ["dezky-platform-admins"] if role == "admin" else [f"tenant-{tenant}"] if tenant else []
    _ensure_person(state, username, groups)
    token = _fetch(state, username, client_slug(ROLES[role]))
    me = _call(state, token, "GET", "/users/me")
    if role != "admin":
        _give_rights(state, me["_id"], role, partner)
    return token


def uses_simulated_issuer(state: State) -> bool:
    """Return whether the issuer is the simulator; the sandbox cannot create users at a real one."""
    simulator = state["simulators"].get("authentik")
    return simulator is not None and any(one.startswith(simulator) for one in state["issuers"].values())


def _require_simulated_issuer(state: State) -> None:
    if not uses_simulated_issuer(state):
        issuers = ", ".join(state["issuers"].values())
        raise TokenError(
            f"The sandbox cannot issue tokens: OIDC_ISSUERS names a real identity provider ({issuers}). "
            "Sign in there, with `platformctl login --issuer ISSUER`, or start the sandbox without OIDC_ISSUERS."
        )


def person_of(role: str, tenant: str | None = None, partner: str | None = None) -> str:
    """Return the username of the person with this role."""
    return "-".join(part for part in (role, tenant, partner) if part)


def password_of(username: str) -> str:
    """Return the password of a sandbox user."""
    return f"password-of-{username}"


def _ensure_person(state: State, username: str, groups: list[str]) -> None:
    person = {
        "username": username,
        "app_password": f"app-password-of-{username}",
        "password": password_of(username),
        "name": username.replace("-", " ").title(),
        "email": f"{username}@people.test",
        "groups": groups,
    }
    control = f"{state['simulators']['authentik']}/__sim/call/ensure_person"
    requests.post(control, json=person, timeout=5).raise_for_status()


def _fetch(state: State, username: str, client_id: str) -> str:
    form = {
        "grant_type": "client_credentials",
        "client_id": client_id,
        "username": username,
        "password": f"app-password-of-{username}",
        "scope": SCOPE,
    }
    response = requests.post(f"{state['simulators']['authentik']}/application/o/token/", data=form, timeout=5)
    if response.status_code != 200:
        raise TokenError(f"The identity provider gave no token: {response.json().get('error')}.")
    return str(response.json()["access_token"])


def _call(state: State, token: str, method: str, path: str, **options: Any) -> Any:
    headers = {"Authorization": f"Bearer {token}"}
    response = requests.request(method, f"{state['api']}{path}", headers=headers, timeout=10, **options)
    if not response.ok:
        raise TokenError(f"{method} {path} answered {response.status_code}: {response.text}")
    return response.json()


def _give_rights(state: State, user_id: str, role: str, partner: str | None) -> None:
    """Set role and partner, which tokens do not contain, over the API as an administrator."""
    administrator = token_for(state, "admin", None, None)
    rights: dict[str, Any] = {"role": "admin" if role == "partner" else role}
    if role == "partner":
        rights["partnerId"] = _partner_id(state, administrator, partner or "reseller")
    _call(state, administrator, "PATCH", f"/users/{user_id}", json=rights)


def _partner_id(state: State, administrator: str, slug: str) -> str:
    known = _call(state, administrator, "GET", "/partners", params={"limit": 200})
    found = next((one for one in known if one["slug"] == slug), None)
    made = found or _call(state, administrator, "POST", "/partners", json={"slug": slug, "name": slug.title()})
    return str(made["_id"])
