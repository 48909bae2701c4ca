"""Check the platform's accounts in Authentik and OCIS, and find the invitation stage."""

from __future__ import annotations

from shared.config.settings import Settings
from shared.integrations.outcomes import PermanentError, TemporaryError
from worker.bootstrap.findings import Finding, State
from worker.bootstrap.secret_files import SecretFiles
from worker.http.json_client import BearerToken, JsonClient
from worker.integrations.ocis import client as ocis

TOKEN_FILE, STAGE_FILE = "authentik_api_token", "authentik_email_stage"
STAGE = "dezky-invitation"


def prepare_authentik(url: str, ca_file: str | None, files: SecretFiles, require_invitations: bool) -> Finding:
    """Check the platform's token, and write down the e-mail stage of invitations. Raises Fault."""
    api = JsonClient(url, authorize=BearerToken(files.read(TOKEN_FILE)), ca_file=ca_file)
    response = api.call("GET", "/api/v3/core/users/me/")
    if response.status != 200:
        raise PermanentError(
            "bad_credentials",
            "Is the blueprint deploy/authentik/platform.yaml applied, with DEZKY_AUTHENTIK_TOKEN set?",
        )
    found = api.call("GET", "/api/v3/stages/email/", params={"name": STAGE})
    listed = found.fields().get("results") if found.status == 200 else []
    if not isinstance(listed, list) or not all(isinstance(one, dict) and one.get("pk") for one in listed):
        raise TemporaryError("unexpected_answer", "The list of e-mail stages has another shape.")
    # a filter that this version does not know would be ignored
    stages = [one for one in listed if one.get("name") == STAGE]
    if not stages and require_invitations:
        raise TemporaryError(
            "not_ready", f"Is the blueprint deploy/authentik/invitations.yaml applied? It creates {STAGE}."
        )
    if not stages:
        return Finding(
            State.TO_DO, "Authentik", f"No stage {STAGE}, so owners are not invited: apply invitations.yaml."
        )
    files.write(STAGE_FILE, str(stages[0]["pk"]))
    return Finding(State.READY, "Authentik", "The platform's account and the stage for invitations are there.")


def prepare_ocis(settings: Settings) -> Finding:
    """Sign in as the machine account, which makes it known there, and check its role. Raises Fault."""
    files = ocis.connect(settings)
    if files is None:
        raise PermanentError("not_configured")
    files.require_role()
    files.require_storage()
    if files.may_create_groups():
        return Finding(State.READY, "OCIS", "The machine account has the role Admin.")
    return Finding(
        State.READY, "OCIS", "The machine account has the role Space Admin; groups are known after a first sign-in."
    )
