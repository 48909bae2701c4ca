"""Prepare OCIS: check that the machine account can sign in and has a role."""

from __future__ import annotations

from shared.config.settings import Settings
from shared.integrations.outcomes import PermanentError
from worker.bootstrap.findings import Finding, State
from worker.integrations.ocis import client as ocis


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
