"""Requests to OCIS and OpenCloud: sign-in, and the meaning of each error response."""

from __future__ import annotations

from typing import Any

from requests.auth import AuthBase

from shared.config.settings import Settings
from shared.integrations.outcomes import Fault, NotFound, PermanentError, TemporaryError
from worker.http.client_credentials import ClientCredentials
from worker.http.json_client import JsonClient, user_and_password
from worker.http.response import ApiResponse

GRAPH, BETA, DAV = "/graph/v1.0", "/graph/v1beta1", "/dav/spaces"
ME_PATH = f"{GRAPH}/me"

NOT_THE_PRODUCT = "It answered 404 with a page that is not of the product, as a proxy does while OCIS restarts."
QUOTA = "OCIS_SPACES_MAX_QUOTA must be at least the space of the largest plan."
EMPTY_500 = (
    "It answered 500 without a body. If that does not end, the token of our account lacks a claim: preferred_username, "
    "an e-mail address it had before, or a role that OCIS maps."
)
ONE_REQUEST = (
    "It answered 401 to this request alone, though it accepts our account: look for a filter in front of OCIS that "
    "refuses something in the tenant's data."
)
#: OCIS answers so to every new token while it cannot reach the identity provider. The token endpoint has accepted our
#: credentials by then, so the breaker need not open at once
NOT_VERIFIED = (
    "It answered 401 to a token that was issued just now: it cannot reach the identity provider at the moment. If that "
    "does not end, OCIS_OIDC_ISSUER in OCIS is not the token's issuer to the letter, or OCIS has no such account."
)


class NoRole(PermanentError):
    """OCIS refuses a request that needs a role. The role may not have been assigned yet."""


class GraphConnection:
    """Send requests as our account and turn error responses into faults. Renews a token that ended early."""

    def __init__(self, api: JsonClient, credentials: ClientCredentials | None = None) -> None:
        """`credentials`: the token source that `api` authorizes with, if it can renew tokens."""
        self._api = api
        self._credentials = credentials

    def call(self, method: str, path: str, *, hand_back: tuple[int, ...] = (), **options: Any) -> ApiResponse:
        """Return a response below 300, or one whose status is in `hand_back`. Raises Fault."""
        options["hand_back"] = (*hand_back, 500)
        answer = self._api.call(method, path, **options)
        if answer.status == 401 and self._credentials is not None:
            # a token can end early
            self._credentials.forget()
            answer = self._api.call(method, path, **options)
        if answer.status == 401 and self._accepts_our_account(path):
            raise PermanentError("missing_permission", ONE_REQUEST)
        if answer.status == 401 and self._credentials is not None:
            raise TemporaryError("upstream_error", NOT_VERIFIED)
        if answer.status == 404 and path.startswith("/graph") and not answer.is_json:
            # before the caller may take it for the absence of an object
            raise TemporaryError("unexpected_answer", NOT_THE_PRODUCT)
        if answer.status < 300 or answer.status in hand_back:
            return answer
        raise _meaning(method, path, answer)

    def _accepts_our_account(self, path: str) -> bool:
        """Return whether OCIS accepts our account, after it refused the request to `path`.

        A refused account stops the work of every tenant, so one refused request must not count as that.
        """
        return path != ME_PATH and self._api.call("GET", ME_PATH).status == 200


def open_api(settings: Settings) -> tuple[JsonClient, ClientCredentials | None] | None:
    """Return the transport built from the settings, with its token source; None when OCIS is not configured."""
    if settings.ocis_api_url is None:
        return None
    credentials = _credentials(settings)
    authorize: AuthBase = credentials or user_and_password(
        settings.ocis_username or "", settings.ocis_password.get_secret_value() if settings.ocis_password else ""
    )
    api = JsonClient(
        str(settings.ocis_api_url),
        authorize=authorize,
        call_seconds=settings.call_seconds,
        ca_file=settings.extra_ca_certs,
    )
    return api, credentials


def _credentials(settings: Settings) -> ClientCredentials | None:
    if settings.ocis_token_url is None or settings.ocis_client_id is None:
        return None
    account = {}
    if settings.ocis_username is not None and settings.ocis_password is not None:
        account = {"username": settings.ocis_username, "password": settings.ocis_password.get_secret_value()}
    secret = settings.ocis_client_secret
    return ClientCredentials(
        str(settings.ocis_token_url),
        settings.ocis_client_id,
        secret.get_secret_value() if secret is not None else None,
        settings.ocis_scope,
        account,
        call_seconds=settings.call_seconds,
        ca_file=settings.extra_ca_certs,
    )


def _meaning(method: str, path: str, answer: ApiResponse) -> Fault:
    if answer.status == 401:
        return PermanentError("bad_credentials")
    if answer.status == 403:
        return _forbidden(method, path, answer)
    if answer.status == 404:
        return NotFound()
    if answer.status == 409:
        return PermanentError("taken")
    if answer.status == 500:
        return TemporaryError("upstream_error", EMPTY_500 if answer.is_empty else "It answered 500.")
    if answer.status == 400 and "quota" in _message(answer):
        return PermanentError("quota", QUOTA)
    return answer.refusal()


def _forbidden(method: str, path: str, answer: ApiResponse) -> PermanentError:
    if answer.headers.get("X-Ocis-Mfa-Required"):
        return PermanentError("missing_permission", "OCIS asks our machine account for a second factor; exempt it.")
    if path.startswith(GRAPH):
        return NoRole("missing_permission", f"{method} needs the role Space Admin.")
    return PermanentError("missing_permission", f"{method} needs the membership as manager.")


def _message(answer: ApiResponse) -> str:
    """Return the text of a LibreGraph error in lower case; it is only searched, never shown."""
    try:
        error = answer.fields().get("error")
    except TemporaryError:
        return ""
    return str(error.get("message")).lower() if isinstance(error, dict) else ""
