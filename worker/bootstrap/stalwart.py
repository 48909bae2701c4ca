"""Prepare Stalwart: its own mail domain and host name, an account for the platform, and that account's key."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from requests.auth import AuthBase

from shared.integrations.outcomes import Fault, PermanentError, TemporaryError
from worker.bootstrap.findings import Finding, State
from worker.bootstrap.secret_files import SecretFiles
from worker.http.json_client import BearerToken, JsonClient, user_and_password

USING = ["urn:ietf:params:jmap:core", "urn:stalwart:jmap"]
KEY_FILE, ADMIN_FILE = "stalwart_api_token", "stalwart_admin_password"
ACCOUNT = "provisioner"
NOT_RELOADED = (
    "Its settings cannot be reloaded. Restart it once: until then everybody's failed sign-ins count together, and the "
    "101st of a day locks out everybody, the platform too."
)


@dataclass(frozen=True)
class StalwartTarget:
    """`service_domain`: domain of the platform's account; no tenant may ever have it, or suspending that tenant would
    lock the platform out. `mail_host`: name of the server, which becomes every tenant's MX.
    `is_behind_proxy`: every HTTP request comes through a proxy that sends X-Forwarded-For.
    """

    url: str
    service_domain: str
    mail_host: str
    ca_file: str | None
    is_behind_proxy: bool = False
    admin: str = "admin"


def prepare_stalwart(target: StalwartTarget, files: SecretFiles) -> Finding:
    """Ensure that the key file holds a key that works, and that callers are told apart by address. Raises Fault."""
    if _works(target, files.read(KEY_FILE)):
        done = "The platform's API key works."
    else:
        _make_key(target, files)
        done = f"Made the account {ACCOUNT}@{target.service_domain} and its API key."
    if target.is_behind_proxy and not _trust_proxy(target, files.read(KEY_FILE)):
        return Finding(State.TO_DO, "Stalwart", NOT_RELOADED)
    return Finding(State.READY, "Stalwart", done)


def _make_key(target: StalwartTarget, files: SecretFiles) -> None:
    password = files.read(ADMIN_FILE)
    if not password:
        raise PermanentError("bad_credentials", f"There is no recovery password in {ADMIN_FILE}.")
    admin = _Management(target, user_and_password(target.admin, password))
    domain = admin.ensure("Domain", {"name": target.service_domain}, {})
    admin.update("SystemSettings", "singleton", {"defaultHostname": target.mail_host, "defaultDomainId": domain})
    credentials = {"0": {"@type": "Password", "secret": secrets.token_urlsafe(36)}}
    new = {"@type": "User", "roles": {"@type": "Admin"}, "credentials": credentials}
    account = admin.ensure("Account", {"name": ACCOUNT, "domainId": domain}, new)
    body = {"description": "dezky", "permissions": {"@type": "Inherit"}}
    files.write(KEY_FILE, str(admin.create("ApiKey", body, accountId=account)["secret"]))


def _trust_proxy(target: StalwartTarget, key: str) -> bool:
    """Let Stalwart read callers' addresses from the proxy, and return whether it has loaded that.

    Without it all callers have the proxy's address, and Stalwart bans that one after some people's failed sign-ins.
    """
    management = _Management(target, BearerToken(key))
    management.update("Http", "singleton", {"useXForwarded": True})
    try:
        management.create("Action", {"@type": "ReloadSettings"})
    except PermanentError as refusal:
        if refusal.reason != "invalid":
            raise
        return False  # any invalid setting has the reload refused, such as a name that DNS does not resolve
    return True


def _works(target: StalwartTarget, key: str) -> bool:
    if not key:
        return False
    response = JsonClient(target.url, authorize=BearerToken(key), ca_file=target.ca_file).call("GET", "/jmap/session")
    return response.status == 200


class _Management:
    """Makes management calls one at a time."""

    def __init__(self, target: StalwartTarget, authorize: AuthBase) -> None:
        self._api = JsonClient(target.url, authorize=authorize, ca_file=target.ca_file)

    def ensure(self, kind: str, key: dict[str, Any], rest: dict[str, Any]) -> str:
        """Return the id of the object with this key; create it if it is missing."""
        found = self._call(f"x:{kind}/query", {"filter": key})["ids"]
        return str(found[0]) if found else str(self.create(kind, key | rest)["id"])

    def create(self, kind: str, body: dict[str, Any], **arguments: str) -> dict[str, Any]:
        response = self._call(f"x:{kind}/set", {**arguments, "create": {"new": body}})
        made = response.get("created", {}).get("new")
        if not isinstance(made, dict):
            raise _refusal(kind, response.get("notCreated", {}).get("new"))
        return made

    def update(self, kind: str, id_: str, patch: dict[str, Any]) -> None:
        response = self._call(f"x:{kind}/set", {"update": {id_: patch}})
        if id_ not in response.get("updated", {}):
            raise _refusal(kind, response.get("notUpdated", {}).get(id_))

    def _call(self, method: str, arguments: dict[str, Any]) -> dict[str, Any]:
        body = {"using": USING, "methodCalls": [[method, arguments, "0"]]}
        response = self._api.call("POST", "/jmap/", json=body)
        if response.status in (401, 403):
            raise PermanentError("bad_credentials", "Stalwart refuses the account of the bootstrap.")
        if response.status != 200:
            raise response.refusal()
        try:
            name, result, _ = response.fields()["methodResponses"][0]
        except (KeyError, IndexError, TypeError, ValueError):
            raise TemporaryError("unexpected_answer", f"{method} was left unanswered.") from None
        if name != method:
            raise PermanentError("invalid", f"{method} was refused as {result.get('type')}.")
        return dict(result)


def _refusal(kind: str, error: dict[str, Any] | None) -> Fault:
    return PermanentError("invalid", f"Stalwart refused the {kind} as {(error or {}).get('type', 'unknown')}.")
